/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The filter's rules and addresses: who an address is, and what the rules say about two of them. */
#include "data/filter/filter_private.h"

enum {
	ECHO = 8, /* RFC 792 */
	ECHO6 = 128, /* RFC 4443 4.1 */
};

/* Of the last 64 bits of an address those behind a prefix, at most 65,535. */
static uint32_t hosts_behind(const struct prefix *net)
{
	const unsigned bits = ip_bits(&net->ip) - net->len;

	return bits >= 16 ? UINT16_MAX : (1u << bits) - 1;
}

int filter_new(const struct filter_space *space, struct rules *rules_take, ns_t since, struct filter **ret_f)
{
	const struct prefix net4 = prefix_mask(&space->net4), net6 = prefix_mask(&space->net6);
	struct filter *f = calloc(1, sizeof(*f));

	if (!f)
		return TM_ENOMEM;

	if (space->net4.ip.family == IP_V4) {
		f->base4 = get_be32(net4.ip.bytes);
		f->hosts4 = hosts_behind(&space->net4);
	}
	if (space->net6.ip.family == IP_V6) {
		f->net6 = get_be64(net6.ip.bytes);
		f->base6 = get_be64(net6.ip.bytes + 8);
		f->hosts6 = hosts_behind(&space->net6);
	}
	f->host = space->host;
	f->since = since;
	f->rules = rules_take;
	*ret_f = f;
	return TM_OK;
}

void filter_free(struct filter *f)
{
	if (!f)
		return;

	rules_free(f->rules);
	free(f);
}

ns_t filter_since(const struct filter *f)
{
	return f->since;
}

struct asked asked_by(const struct flow_key *k, bool by_remote)
{
	const uint16_t port = by_remote ? flow_local(k->ports) : flow_remote(k->ports);

	if (k->proto == PROTO_TCP)
		return (struct asked){.proto = RULES_TCP, .port = port};
	if (k->proto == PROTO_UDP)
		return (struct asked){.proto = RULES_UDP, .port = port};
	if (k->proto == (k->version == 4 ? PROTO_ICMP : PROTO_ICMP6))
		return icmp_asked(k->version, k->version == 4 ? ECHO : ECHO6);
	return (struct asked){.proto = RULES_OTHER, .port = k->proto};
}

static struct ip address_of(const struct ends *e, const uint8_t *addr)
{
	return e->version == 4 ? ip_v4(addr) : ip_v6(addr);
}

/* Of a member by its number, of what is behind one by its address. */
static uint32_t class_of(const struct filter *f, const struct filter_question *q, const struct ends *e)
{
	if (LIKELY(e->remote))
		return rules_class_of(f->rules, e->remote);

	const struct ip ip = address_of(e, e->remote_addr);
	return rules_class_behind(f->rules, q->peer, &ip);
}

/* Ourselves, or what is behind us: a client by its number, a network's host by its address. */
static uint32_t end_of(const struct filter *f, const struct ends *e)
{
	if (LIKELY(e->local == f->host))
		return RULES_SELF;
	if (e->local)
		return rules_end_of(f->rules, e->local);

	const struct ip ip = address_of(e, e->local_addr);
	return rules_end_behind(f->rules, &ip);
}

struct answer ask_rules(const struct filter *f, const struct filter_question *q, const struct ends *e,
	bool by_remote, struct asked asked)
{
	const struct rules_at at = {
		.end = end_of(f, e),
		.class = class_of(f, q, e),
		.dir = by_remote ? RULES_IN : RULES_OUT,
		.proto = asked.proto,
	};

	const struct rules_answer a = rules_find(f->rules, &at, asked.port);
	struct answer ret = {.says = FILTER_DENIED, .by_remote = by_remote, .rule = a.rule};

	if (a.verdict == VERDICT_PASS)
		ret.says = FILTER_PASS;
	else if (a.verdict == VERDICT_REJECT)
		ret.says = FILTER_REJECTED;
	return ret;
}
