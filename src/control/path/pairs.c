/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "control/path/pairs.h"

#include "wire/relay.h"

#include <string.h>

_Static_assert(3 * PATH_KIND_MAX + PATH_PRFLX_MAX <= PATH_PAIRS_MAX, "every kind has its room");

int pairs_find(const struct path *p, const struct way_to *way)
{
	for (unsigned i = 0; i < p->n_pairs; i++)
		if (pair_is(&p->pairs[i], way))
			return (int)i;
	return -1;
}

void pairs_remove(struct path *p, unsigned i)
{
	memmove(&p->pairs[i], &p->pairs[i + 1], (p->n_pairs - i - 1) * sizeof(p->pairs[0]));
	p->n_pairs--;
	if (p->chosen > (int)i)
		p->chosen--;
	if (p->also == (int)i)
		p->also = -1;
	else if (p->also > (int)i)
		p->also--;
	if (p->resent == (int)i)
		p->resent = -1;
	else if (p->resent > (int)i)
		p->resent--;
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

static bool is_alike(const struct pair *p, enum candidate_type type, enum ip_family family)
{
	return p->type == type && (family == IP_NONE || p->way.remote.ip.family == family);
}

/*
 * The bound of those that are alike: the oldest peer-reflexive one that is not in use makes way, of others
 * one that failed. family IP_NONE: whichever.
 */
static bool within(struct path *p, unsigned max, enum candidate_type type, enum ip_family family)
{
	unsigned n = 0;
	int goes = -1;

	for (unsigned i = p->n_pairs; i-- > 0;) {
		if (!is_alike(&p->pairs[i], type, family))
			continue;
		n++;
		if ((int)i != p->chosen && !p->pairs[i].listed && (type == CAND_PRFLX || p->pairs[i].failed))
			goes = (int)i;
	}
	if (n < max)
		return true;
	if (goes < 0)
		return false;
	pairs_remove(p, (unsigned)goes);
	return true;
}

static bool make_room(struct path *p, enum candidate_type type, enum ip_family family)
{
	const unsigned max = type == CAND_PRFLX ? PATH_PRFLX_MAX : PATH_KIND_MAX;

	return within(p, max, type, IP_NONE) && within(p, PATH_FAMILY_MAX, type, family) &&
	       (p->n_pairs < p->room || grow(p));
}

struct outlet pairs_outlet(const struct way_to *way, const struct turn *t)
{
	return turn_outlet(
		t, &(struct way_to){.kind = way->kind, .socket = way->socket, .remote = way->remote});
}

/*
 * By a relay so much is believed to pass until it is known: what it can hand on by any leg, with its header
 * in an IPv6 packet of 1,500 bytes. Of what lies behind the relay its sender hears nothing, so that a longer
 * one, which fits our own leg (a stream takes everything), would vanish without a word.
 */
enum { RELAYED_MAX = 1500 - 40 - 8 - RELAY_HEADER };

uint16_t pairs_payload(const struct way_to *way)
{
	return way->kind == WAY_UDP ? 0 : RELAYED_MAX;
}

int pairs_add(struct path *p, const struct way_to *way, enum candidate_type type, ns_t now)
{
	if (!make_room(p, type, way->remote.ip.family))
		return -1;
	struct pair *pair = &p->pairs[p->n_pairs];

	*pair = pair_make(way, type, now);
	if (pair_is_relayed(pair))
		pair->way.payload = pairs_payload(way);
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
