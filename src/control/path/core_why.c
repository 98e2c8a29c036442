/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Why a peer is not reached directly. */
#include "control/path/core_private.h"

/* What its own addresses came to. */
struct tally {
	unsigned n, no_route, loops, untried, v4, v6;
};

static struct tally tally_of(const struct path *p)
{
	struct tally t = {0};

	for (unsigned i = 0; i < p->n_pairs; i++) {
		const struct pair *pair = &p->pairs[i];

		if (pair_is_relayed(pair))
			continue;
		t.n++;
		t.no_route += pair->outlet.reach == REACH_NONE;
		t.loops += pair->outlet.reach == REACH_MESH;
		/* One that a whole round of checks has met with silence is asked again and again: that is
		 * what stands, and not that it is being asked. */
		t.untried += pair->next_check != NS_NEVER && !pair->vain;
		t.v4 += pair->way.remote.ip.family == IP_V4;
		t.v6 += pair->way.remote.ip.family == IP_V6;
	}
	return t;
}

static bool has_family(const struct core *c, enum ip_family family)
{
	for (size_t i = 0; i < c->n_local; i++)
		if (c->local[i].family == family && !ip_is_link_local(&c->local[i]))
			return true;
	return false;
}

static bool families_differ(const struct core *c, const struct tally *t)
{
	return c->n_local && ((!t->v4 && !has_family(c, IP_V6)) || (!t->v6 && !has_family(c, IP_V4)));
}

/* Of a peer that has addresses, to which packets leave. */
static enum path_not by_routers(const struct core *c, const struct live *l, const struct tally *t)
{
	const enum path_not guesses = core_birthday_not(c, l);

	if (guesses)
		return guesses;
	if (t->untried)
		return PATH_NOT_TRYING;
	return c->nat.told.mapping == NAT_DEPENDENT && l->record->maps == NAT_DEPENDENT ? PATH_NOT_SYMMETRIC
											: PATH_NOT_SILENT;
}

enum path_not core_not_direct(const struct core *c, const struct live *l, unsigned *ret_addresses)
{
	const struct path *p = &l->path;
	const struct tally t = tally_of(p);

	*ret_addresses = t.n;
	if (p->state == PATH_UP && p->chosen >= 0 && !pair_is_relayed(path_chosen(p)))
		return PATH_NOT_NOTHING;
	if (p->state == PATH_IDLE)
		return PATH_NOT_UNUSED;
	if (legs_udp_blocked(&c->legs))
		return PATH_NOT_UDP;
	if (l->record->maps == NAT_BLOCKED)
		return PATH_NOT_UDP_THERE;
	if (!t.n)
		return PATH_NOT_UNKNOWN;
	if (families_differ(c, &t))
		return PATH_NOT_FAMILY;
	if (t.loops == t.n)
		return PATH_NOT_LOOP;
	if (t.no_route + t.loops == t.n)
		return PATH_NOT_ROUTE;
	return by_routers(c, l, &t);
}
