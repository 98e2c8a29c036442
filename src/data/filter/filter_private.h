/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What filter.c (verdicts) and ask.c (whom the rules are asked about) share with each other and with nobody
 * else. */
#ifndef TM_DATA_FILTER_FILTER_PRIVATE_H
#define TM_DATA_FILTER_FILTER_PRIVATE_H

#include "base/bytes.h"
#include "data/filter/filter.h"
#include "data/filter/track.h"

/* Our range of one family: `hosts` addresses behind `base`. 0: none. */
struct filter {
	struct rules *rules;
	uint32_t base4, hosts4;
	uint64_t net6, base6, hosts6;
	uint32_t host;
	ns_t since;
};

/* Host numbers, 0: of no member. */
struct ends {
	const uint8_t *remote_addr, *local_addr;
	uint16_t remote, local;
	uint8_t version;
};

static inline uint16_t host_of(const struct filter *f, unsigned version, const uint8_t *addr)
{
	if (version == 4) {
		const uint32_t host = get_be32(addr) - f->base4;

		return host <= f->hosts4 ? (uint16_t)host : 0;
	}
	const uint64_t host = get_be64(addr + 8) - f->base6;

	return get_be64(addr) == f->net6 && host <= f->hosts6 ? (uint16_t)host : 0;
}

/* Field by field, as in name_flow: what is made elsewhere and copied whole is read before it is written,
 * which costs more than all the rest. */
static inline void find_ends(
	const struct filter *f, const struct ip_view *v, enum filter_dir dir, struct ends *ret_ends)
{
	ret_ends->version = v->version;
	ret_ends->remote_addr = dir == FILTER_INGRESS ? ip_src(v->p) : ip_dst(v->p);
	ret_ends->local_addr = dir == FILTER_INGRESS ? ip_dst(v->p) : ip_src(v->p);
	ret_ends->remote = host_of(f, v->version, ret_ends->remote_addr);
	ret_ends->local = host_of(f, v->version, ret_ends->local_addr);
}

/* Which flow it is of, if it is of one; the hash is for later. */
static inline void name_flow(const struct filter *f, const struct ip_view *v, enum filter_dir dir,
	const struct ends *e, struct flow_id *ret_id)
{
	const struct track_ports ports = track_ports(v);
	const bool in = dir == FILTER_INGRESS;

	ret_id->key.ports = in ? flow_pair(ports.src, ports.dst) : flow_pair(ports.dst, ports.src);
	ret_id->key.hosts = 0;
	ret_id->key.proto = v->proto;
	ret_id->key.version = v->version;
	ret_id->routed = !e->remote || !e->local;
	if (LIKELY(!ret_id->routed)) {
		ret_id->key.hosts = flow_pair(e->remote, e->local == f->host ? 0 : e->local);
		return;
	}
	const size_t n = v->version == 4 ? 4 : 16;

	ret_id->addr = (struct flow_addr){0};
	memcpy(ret_id->addr.remote, e->remote_addr, n);
	memcpy(ret_id->addr.local, e->local_addr, n);
}

/* What the rules have a word for. */
struct asked {
	enum rules_proto proto;
	uint16_t port;
};

static inline struct asked icmp_asked(uint8_t version, uint8_t type)
{
	return (struct asked){.proto = version == 4 ? RULES_ICMP : RULES_ICMP6, .port = type};
}

/* What a flow's first packet asked for. */
struct asked asked_by(const struct flow_key *k, bool by_remote);
/* Whether such a flow may begin, and which rule says so. */
struct answer {
	enum filter_says says;
	bool by_remote; /* as it was asked */
	uint32_t rule; /* RULE_NONE: the lack of one */
};
struct answer ask_rules(const struct filter *f, const struct filter_question *q, const struct ends *e,
	bool by_remote, struct asked asked);

#endif
