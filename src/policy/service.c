/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "policy/service.h"

#include <stdio.h>
#include <string.h>

#include "base/plain.h"
#include "base/suggest.h"

enum { ICMP_ECHO = 8, ICMPV6_ECHO = 128 }; /* RFC 792, RFC 4443 4.1: echo request */

static const struct {
	const char *name;
	uint16_t min, max; /* of what stands behind the slash */
	uint16_t echo; /* its type, 0 = none */
} protos[POLICY_PROTO_N] = {
	[POLICY_TCP] = {"tcp", 1, UINT16_MAX, 0},
	[POLICY_UDP] = {"udp", 1, UINT16_MAX, 0},
	[POLICY_ICMP] = {"icmp", 0, UINT8_MAX, ICMP_ECHO},
	[POLICY_ICMPV6] = {"icmpv6", 0, UINT8_MAX, ICMPV6_ECHO},
	[POLICY_OTHER] = {"other", 0, UINT8_MAX, 0},
};

const char *policy_proto_name(enum policy_proto p)
{
	return (unsigned)p < POLICY_PROTO_N ? protos[p].name : "?";
}

struct policy_service policy_proto_whole(enum policy_proto p)
{
	return (struct policy_service){.proto = (uint8_t)p, .last = protos[p].max};
}

static int unknown_protocol(const char *word, struct diag *d)
{
	char quoted[PLAIN_QUOTE_LEN];
	struct suggest s = suggest_for(word);

	suggest_offer(&s, "any");
	suggest_offer(&s, "ping");
	for (size_t p = 0; p < POLICY_PROTO_N; p++)
		suggest_offer(&s, protos[p].name);
	if (s.best)
		diag_hint(d, "did you mean \"%s\"?", s.best);
	else
		diag_hint(d,
			"write tcp/22, udp/5000-5010, icmp/echo, tcp, udp, icmp, icmpv6, other, ping or any");
	return diag_what(d, TM_EINVAL, "\"%s\" is no protocol", plain_quote(word, quoted));
}

/* Digits alone, up to `max`; false also where more follows than `end` says. */
static bool number(const char *s, size_t n, unsigned max, unsigned *ret_v)
{
	unsigned v = 0;

	if (n == 0 || n > 5 || (n > 1 && s[0] == '0'))
		return false;
	for (size_t i = 0; i < n; i++) {
		if (s[i] < '0' || s[i] > '9')
			return false;
		v = v * 10 + (unsigned)(s[i] - '0');
	}
	*ret_v = v;
	return v <= max;
}

static const struct {
	uint8_t number;
	const char *name;
} named[] = {{1, "icmp"}, {6, "tcp"}, {17, "udp"}, {58, "icmpv6"}}; /* IANA's protocol numbers */

/* Packets of those are never "other": the rule would be about nothing. */
static int check_other(const struct policy_service *s, struct diag *d)
{
	for (size_t i = 0; i < ARRAY_LEN(named); i++)
		if (s->first == named[i].number && s->last == s->first) {
			diag_hint(d, "write \"%s\"", named[i].name);
			return diag_what(d, TM_EINVAL, "protocol %u is %s, which is not among the others",
				s->first, named[i].name);
		}
	return TM_OK;
}

/*
 * Types that no rule is asked about (data/filter/track.h): errors belong to the connections that they are
 * about, answers to their questions, and what steers or measures hosts does not pass at all. Among the other
 * protocols TCP and UDP never are.
 */
static bool is_asked(enum policy_proto p, unsigned type)
{
	static const uint8_t never[] = {0, 3, 4, 5, 11, 12, 13, 14}; /* RFC 792 */

	if (p == POLICY_OTHER)
		return type != 6 && type != 17; /* IANA's protocol numbers */
	if (p == POLICY_ICMPV6)
		return type >= 128 && type != 129; /* RFC 4443 2.1, 4.2 */
	for (size_t i = 0; p == POLICY_ICMP && i < ARRAY_LEN(never); i++)
		if (type == never[i])
			return false;
	return true;
}

bool policy_service_clip(struct policy_service *s)
{
	const enum policy_proto p = (enum policy_proto)s->proto;
	unsigned first = s->first, last = s->last;

	while (first <= last && !is_asked(p, first))
		first++;
	while (last > first && !is_asked(p, last))
		last--;
	if (first > last)
		return false;
	s->first = (uint16_t)first;
	s->last = (uint16_t)last;
	return true;
}

/* A rule about them would be about nothing. */
static int check_types(const struct policy_service *s, const char *text, struct diag *d)
{
	struct policy_service asked = *s;
	char quoted[PLAIN_QUOTE_LEN];

	if (policy_service_clip(&asked))
		return TM_OK;
	diag_hint(d, "write %s/echo for pings, or %s for all that rules are asked about",
		protos[s->proto].name, protos[s->proto].name);
	return diag_what(d, TM_EINVAL,
		"no rule is asked about type \"%s\" of %s: errors and answers belong to their connections, "
		"and redirects and timestamps do not pass",
		plain_quote(text, quoted), protos[s->proto].name);
}

static int bad_range(enum policy_proto p, const char *text, struct diag *d)
{
	const char *name = protos[p].name;
	char quoted[PLAIN_QUOTE_LEN];

	plain_quote(text, quoted);
	if (protos[p].echo) {
		diag_hint(
			d, "write %s/echo, %s/%u, %s/200-210 or %s", name, name, protos[p].echo, name, name);
		return diag_what(d, TM_ERANGE, "\"%s\" is no type of %s from 0 to 255, nor a range of them",
			quoted, name);
	}
	if (p == POLICY_OTHER) {
		diag_hint(d, "write other/47 for GRE, or other for all that have no word of their own");
		return diag_what(d, TM_ERANGE,
			"\"%s\" is no number of a protocol from 0 to 255, nor a range of them", quoted);
	}
	diag_hint(d, "write %s/22, %s/8000-8099 or %s", name, name, name);
	return diag_what(d, TM_ERANGE, "\"%s\" is no port from 1 to 65535, nor a range of them", quoted);
}

/* What stands behind the slash. */
static int parse_range(enum policy_proto p, const char *text, enum policy_reading how,
	struct policy_service *ret_s, struct diag *d)
{
	const char *dash = strchr(text, '-');
	unsigned first, last;

	if (protos[p].echo && strcmp(text, "echo") == 0) {
		*ret_s = (struct policy_service){(uint8_t)p, protos[p].echo, protos[p].echo};
		return TM_OK;
	}
	if (!number(text, dash ? (size_t)(dash - text) : strlen(text), protos[p].max, &first) ||
		first < protos[p].min)
		return bad_range(p, text, d);
	last = first;
	if (dash && !number(dash + 1, strlen(dash + 1), protos[p].max, &last))
		return bad_range(p, text, d);
	if (last < first)
		return diag_what(d, TM_ERANGE, "the range %u-%u ends before it begins", first, last);
	*ret_s = (struct policy_service){(uint8_t)p, (uint16_t)first, (uint16_t)last};
	if (p == POLICY_OTHER)
		return check_other(ret_s, d);
	return how == POLICY_ACCEPTED ? TM_OK : check_types(ret_s, text, d);
}

static int parse_word(const char *word, struct policy_service *ret_v, size_t *ret_n, struct diag *d)
{
	size_t n = 0;

	for (size_t p = 0; p < POLICY_PROTO_N; p++) {
		if (strcmp(word, "any") != 0 && strcmp(word, protos[p].name) != 0)
			continue;
		ret_v[n++] = policy_proto_whole((enum policy_proto)p);
	}
	if (strcmp(word, "ping") == 0)
		for (size_t p = 0; p < POLICY_PROTO_N; p++)
			if (protos[p].echo)
				ret_v[n++] =
					(struct policy_service){(uint8_t)p, protos[p].echo, protos[p].echo};
	*ret_n = n;
	return n ? TM_OK : unknown_protocol(word, d);
}

int policy_service_parse(
	const char *text, struct policy_service ret_v[static POLICY_PROTO_N], size_t *ret_n, struct diag *d)
{
	return policy_service_read(text, POLICY_FRESH, ret_v, ret_n, d);
}

int policy_service_read(const char *text, enum policy_reading how,
	struct policy_service ret_v[static POLICY_PROTO_N], size_t *ret_n, struct diag *d)
{
	const char *slash = strchr(text, '/');
	char word[16];

	if (!slash)
		return parse_word(text, ret_v, ret_n, d);
	snprintf(word, sizeof(word), "%.*s", (int)MIN((size_t)(slash - text), sizeof(word) - 1), text);
	for (size_t p = 0; p < POLICY_PROTO_N; p++) {
		if (strcmp(word, protos[p].name) != 0)
			continue;
		*ret_n = 1;
		return parse_range((enum policy_proto)p, slash + 1, how, ret_v, d);
	}
	if (strcmp(word, "any") == 0) {
		diag_hint(d, "write tcp/... and udp/...");
		return diag_what(d, TM_EINVAL, "\"any\" has no ports: not every protocol has them");
	}
	return unknown_protocol(word, d);
}

const char *policy_service_format(const struct policy_service *s, char buf[static POLICY_SERVICE_LEN])
{
	const char *name = protos[s->proto].name;

	if (s->first == 0 && s->last == protos[s->proto].max)
		snprintf(buf, POLICY_SERVICE_LEN, "%s", name);
	else if (s->first != s->last)
		snprintf(buf, POLICY_SERVICE_LEN, "%s/%u-%u", name, s->first, s->last);
	else if (protos[s->proto].echo && s->first == protos[s->proto].echo)
		snprintf(buf, POLICY_SERVICE_LEN, "%s/echo", name);
	else
		snprintf(buf, POLICY_SERVICE_LEN, "%s/%u", name, s->first);
	return buf;
}

uint16_t policy_service_lowest(const struct policy_service *s)
{
	struct policy_service asked = *s;

	(void)policy_service_clip(&asked);
	return (uint16_t)MIN(MAX(asked.first, protos[s->proto].min), asked.last);
}
