/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "node/netcheck_view.h"

#include <stdio.h>
#include <string.h>

ns_t netcheck_rtt(const struct netcheck_server *s)
{
	if (s->rtt[0] && s->rtt[1])
		return ns_min(s->rtt[0], s->rtt[1]);
	return s->rtt[0] ? s->rtt[0] : s->rtt[1];
}

static int by_rtt(const void *a, const void *b)
{
	ns_t x = netcheck_rtt(a), y = netcheck_rtt(b);

	x = x ? x : NS_NEVER;
	y = y ? y : NS_NEVER;
	return (x > y) - (x < y);
}

void netcheck_sort(struct netcheck_view *v)
{
	qsort(v->servers, v->n_servers, sizeof(v->servers[0]), by_rtt);
}

static void put_answer(struct jsonout *out, const char *key, enum nat_answer a)
{
	if (a == NAT_UNASKED)
		jsonout_null(out, key);
	else
		jsonout_bool(out, key, a == NAT_YES);
}

static void put_depends(struct jsonout *out, const char *key, uint8_t set)
{
	static const struct {
		uint8_t on;
		const char *word;
	} words[] = {
		{NAT_ON_NOTHING, "endpoint_independent"},
		{NAT_ON_ADDRESS, "address_dependent"},
		{NAT_ON_PORT, "address_and_port_dependent"},
	};

	jsonout_list(out, key);
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (set & words[i].on)
			jsonout_text(out, NULL, words[i].word);
	jsonout_list_end(out);
}

static void put_family(struct jsonout *out, const char *key, const struct nat_facts *f)
{
	static const char *const words[] = {
		[NAT_UDP_UNTRIED] = "untried",
		[NAT_UDP_ABSENT] = "no_address",
		[NAT_UDP_SILENT] = "no_answer",
		[NAT_UDP_FIRST_ONLY] = "first_only",
		[NAT_UDP_SHORT_ONLY] = "short_only",
		[NAT_UDP_WORKS] = "works",
	};
	bool known = f->n_seen > 0;
	char text[ENDPOINT_STR_LEN];

	jsonout_object(out, key);
	jsonout_text(out, "udp", words[f->udp]);
	jsonout_int_or_null(out, "payload_bytes", f->payload);
	jsonout_list(out, "external");
	for (size_t i = 0; i < f->n_seen; i++)
		jsonout_text(out, NULL, endpoint_format(&f->seen[i].ep, text));
	jsonout_list_end(out);
	put_answer(out, "translated", !known ? NAT_UNASKED : f->translated ? NAT_YES : NAT_NO);
	put_depends(out, "mapping", f->mapping);
	put_depends(out, "filtering", f->filtering);
	jsonout_text_or_null(out, "difficulty",
		!known           ? ""
		: nat_is_easy(f) ? "easy"
		: nat_is_hard(f) ? "hard"
				 : "");
	put_answer(out, "port_kept", f->port_kept);
	put_answer(out, "hairpin", f->hairpin);
	jsonout_object_end(out);
}

static void put_ms(struct jsonout *out, const char *key, ns_t rtt)
{
	char text[32];

	snprintf(text, sizeof(text), "%.3f", (double)rtt / (double)MS);
	if (rtt)
		jsonout_raw(out, key, text, strlen(text));
	else
		jsonout_null(out, key);
}

static void put_servers(struct jsonout *out, const struct netcheck_view *v)
{
	jsonout_list(out, "relays");
	for (size_t i = 0; i < v->n_servers; i++) {
		const struct netcheck_server *s = &v->servers[i];

		jsonout_object(out, NULL);
		jsonout_text(out, "name", s->name);
		jsonout_text(out, "id", s->id);
		jsonout_bool(out, "coordinator", s->coordinator);
		jsonout_bool(out, "home", s->home);
		put_ms(out, "rtt_ms", netcheck_rtt(s));
		put_ms(out, "rtt4_ms", s->rtt[0]);
		put_ms(out, "rtt6_ms", s->rtt[1]);
		jsonout_object_end(out);
	}
	jsonout_list_end(out);
}

/* "": not tried, or not over yet. */
static const char *http_word(enum portal_verdict v)
{
	static const char *const words[PORTAL_VERDICT_N] = {
		[PORTAL_CLEAN] = "clean",
		[PORTAL_SIGN_IN] = "sign_in",
		[PORTAL_OTHER] = "other",
		[PORTAL_SILENT] = "no_answer",
		[PORTAL_CLOSED] = "no_connection",
		[PORTAL_REFUSED] = "proxy_refused",
	};

	return words[v] ? words[v] : "";
}

void netcheck_print(const struct netcheck_view *v, struct jsonout *out)
{
	char text[NETCHECK_TEXT], advice[NETCHECK_ADVICE_MAX][NETCHECK_TEXT];
	size_t n = netcheck_advice(v, advice);

	jsonout_object(out, NULL);
	jsonout_bool(out, "ok", true);
	jsonout_bool(out, "done", v->done);
	jsonout_int(out, "step", v->step);
	jsonout_bool(out, "full", v->report->full);
	jsonout_int(out, "listen_port", v->port);
	put_family(out, "ipv4", &v->report->family[0]);
	put_family(out, "ipv6", &v->report->family[1]);
	put_servers(out, v);
	jsonout_text_or_null(out, "http", http_word(v->http));
	jsonout_text_or_null(out, "http_proxy", v->http_proxy);
	view_print_ports(&v->ports, out);
	view_print_link(&v->link, out);
	jsonout_text(out, "verdict", netcheck_verdict(v, text));
	jsonout_list(out, "advice");
	for (size_t i = 0; i < n; i++)
		jsonout_text(out, NULL, advice[i]);
	jsonout_list_end(out);
	jsonout_object_end(out);
}
