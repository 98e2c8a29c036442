/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What our legs say of ourselves, by which ways they lead to a peer, and by whose relay a way leads. */
#include <string.h>

#include "control/path/legs_private.h"

static unsigned times_seen(const struct legs *r, const struct endpoint *ep)
{
	unsigned times = 0;

	for (size_t i = 0; i < r->n; i++)
		for (unsigned family = 0; family < 2; family++)
			if (endpoint_eq(&r->v[i].leg[family].reflexive, ep))
				times += r->v[i].leg[family].seen;
	return times;
}

static size_t add_reflexive(struct endpoint *eps, size_t n, const struct endpoint *ep)
{
	for (size_t i = 0; i < n; i++)
		if (endpoint_eq(&eps[i], ep))
			return n;
	if (n < LEGS_REFLEXIVE_MAX)
		eps[n++] = *ep;
	return n;
}

size_t legs_reflexive(const struct legs *r, struct endpoint ret_eps[static LEGS_REFLEXIVE_MAX])
{
	size_t n = 0;

	for (int coordinator = 1; coordinator >= 0; coordinator--)
		for (size_t i = 0; i < r->n; i++)
			for (unsigned family = 0; family < 2; family++) {
				const struct endpoint *ep = &r->v[i].leg[family].reflexive;

				if (r->v[i].coordinator == (bool)coordinator && endpoint_is_set(ep) &&
					(coordinator || times_seen(r, ep) > 1))
					n = add_reflexive(ret_eps, n, ep);
			}
	return n;
}

bool legs_udp_silent(const struct legs *r)
{
	bool asked = false;

	for (size_t i = 0; i < r->n; i++)
		for (unsigned family = 0; family < 2; family++) {
			const struct leg *leg = &r->v[i].leg[family];

			if (leg->n_servers && !leg->silent)
				return false;
			asked |= leg->n_servers != 0;
		}
	return asked;
}

void legs_name(const struct legs *r, const struct way_to *way, char ret_id[static NODE_ID_LEN + 1])
{
	ret_id[0] = '\0';
	for (size_t i = 0; i < r->n; i++) {
		const struct legs_relay *v = &r->v[i];
		bool by_stream = way->kind == WAY_RELAY_TCP && v->stream == STREAM_UP &&
				 way->socket == v->stream_way.socket;
		bool by_udp = false;

		for (unsigned family = 0; way->kind == WAY_RELAY_UDP && family < 2; family++)
			by_udp |= v->leg[family].n_servers &&
				  endpoint_eq(leg_server(&v->leg[family]), &way->remote);
		if (by_stream || by_udp)
			memcpy(ret_id, v->member.id, sizeof(v->member.id));
	}
}

void legs_told(const struct legs *r, struct candidates *c)
{
	for (size_t i = 0; i < r->n && c->n < CANDIDATES_MAX; i++) {
		const struct legs_relay *v = &r->v[i];
		const struct leg *leg = &v->leg[v->family];

		if (!v->home || v->coordinator || !leg->registered)
			continue;
		struct candidate *one = &c->v[c->n++];
		*one = (struct candidate){.type = CAND_RELAY, .ep = *leg_server(leg)};
		memcpy(one->relay, v->member.id, sizeof(one->relay));
	}
}

size_t legs_endpoints(const struct legs *r, ns_t now, struct endpoint ret_eps[static 2 * LEGS_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < r->n; i++)
		for (unsigned family = 0; family < 2; family++)
			if (leg_registered(&r->v[i].leg[family], now))
				ret_eps[n++] = *leg_server(&r->v[i].leg[family]);
	return n;
}

/* --- ways to a peer --- */

struct ways {
	struct way_to *v;
	size_t n, max;
	uint64_t pair;
};

static void add_way(struct ways *w, const struct way_to *way)
{
	for (size_t i = 0; i < w->n; i++)
		if (w->v[i].kind == way->kind && w->v[i].socket == way->socket &&
			endpoint_eq(&w->v[i].remote, &way->remote))
			return;
	if (w->n == w->max)
		return;
	w->v[w->n] = *way;
	w->v[w->n++].relay = w->pair;
}

static void add_udp(struct legs *r, struct legs_relay *v, const struct core_member *peer, bool wanted,
	ns_t now, struct ways *w)
{
	struct leg *leg = &v->leg[v->family];

	if (strcmp(v->member.id, peer->id) == 0)
		return; /* itself: directly or not at all */
	if (leg_registered(leg, now))
		add_way(w, &(struct way_to){.kind = WAY_RELAY_UDP, .remote = *leg_server(leg)});
	if (!wanted)
		return;
	r->busy_at = now;
	if (!legs_registers(v, now))
		leg_ask_now(leg, now);
	v->used_at = now;
}

static size_t streams_up(const struct legs *r)
{
	size_t n = 0;

	for (size_t i = 0; i < r->n; i++)
		n += r->v[i].stream == STREAM_UP;
	return n;
}

size_t legs_ways(struct legs *r, uint64_t pair, const struct core_member *peer, char (*told)[NODE_ID_LEN + 1],
	size_t n_told, bool wanted, ns_t now, struct way_to ret_ways[static LEGS_WAYS_MAX])
{
	/* Streams have their room: when UDP is blocked from one moment to the next nothing else is left. */
	struct ways w = {.v = ret_ways, .max = LEGS_WAYS_MAX - MIN(streams_up(r), 2U), .pair = pair};
	struct legs_relay *v;

	if (!pair)
		return 0;
	for (size_t i = 0; i < n_told; i++)
		if ((v = legs_get(r, told[i])) && !v->coordinator)
			add_udp(r, v, peer, wanted, now, &w);
	for (size_t i = 0; i < r->n; i++)
		if (r->v[i].coordinator || r->v[i].standing)
			add_udp(r, &r->v[i], peer, wanted, now, &w);
	w.max = LEGS_WAYS_MAX;
	for (size_t i = 0; i < r->n; i++)
		if (r->v[i].stream == STREAM_UP)
			add_way(&w, &r->v[i].stream_way);
	return w.n;
}
