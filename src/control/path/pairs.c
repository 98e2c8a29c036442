/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "control/path/pairs.h"

#include <string.h>

int pairs_find(const struct path *p, unsigned socket, const struct endpoint *remote)
{
	for (unsigned i = 0; i < p->n_pairs; i++)
		if (pair_is(&p->pairs[i], socket, remote))
			return (int)i;
	return -1;
}

void pairs_remove(struct path *p, unsigned i)
{
	memmove(&p->pairs[i], &p->pairs[i + 1], (p->n_pairs - i - 1) * sizeof(p->pairs[0]));
	p->n_pairs--;
	if (p->chosen > (int)i)
		p->chosen--;
}

static bool grow(struct path *p)
{
	unsigned room = MIN(MAX(2 * p->room, 2U), (unsigned)PATH_PAIRS_MAX);
	struct pair *pairs = realloc(p->pairs, room * sizeof(*pairs));

	if (!pairs)
		return false;
	p->pairs = pairs;
	p->room = room;
	return true;
}

/* Room for one more: the oldest peer-reflexive pair that is not in use makes way, else a failed one. */
static bool make_room(struct path *p)
{
	if (p->n_pairs < p->room || (p->room < PATH_PAIRS_MAX && grow(p)))
		return true;

	for (int pass = 0; pass < 2; pass++)
		for (unsigned i = 0; i < p->n_pairs; i++) {
			bool may_go = pass == 0 ? p->pairs[i].type == CAND_PRFLX : p->pairs[i].failed;

			if (may_go && (int)i != p->chosen) {
				pairs_remove(p, i);
				return true;
			}
		}
	return false;
}

struct outlet pairs_outlet(const struct way_to *way, const struct turn *t)
{
	return turn_outlet(
		t, &(struct way_to){.kind = way->kind, .socket = way->socket, .remote = way->remote});
}

int pairs_add(struct path *p, const struct way_to *way, enum candidate_type type, ns_t now)
{
	if (!make_room(p))
		return -1;
	p->pairs[p->n_pairs] = pair_make(way, type, now);
	return (int)p->n_pairs++;
}

bool pairs_look(struct pair *pair, const struct turn *t)
{
	pair->outlet = pairs_outlet(&pair->way, t);
	return pair->outlet.reach != REACH_MESH;
}

struct way_to pairs_way_back(const struct way_to *by, const struct turn *t)
{
	struct outlet from = turn_outlet(t, by);
	struct way_to back = *by;

	if (from.reach == REACH_NONE ||
		(from.ifindex && by->local_ifindex && from.ifindex != by->local_ifindex)) {
		back.local = (struct ip){.family = IP_NONE};
		back.local_ifindex = 0;
	}
	return back;
}
