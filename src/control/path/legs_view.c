/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What our legs say of ourselves, and by whose relay a way leads. */
#include <string.h>

#include "control/path/legs.h"

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
