/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sim/predict.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { LEVELS_MAX = 4, ENDPOINTS_MAX = 24, A = 0, B = 1, COORDINATOR = 2 };

/* Where an endpoint is seen: the segment below the common NATs, or the internet. */
enum realm { BELOW, TOP };

/* An endpoint of `side` as others see it: its mapping was made for `made_for`, as far as the mapping depends
 * on it: for any (ANY), for an address (of that side in that realm), for an endpoint (its number). */
struct seen {
	int side;
	enum realm realm;
	int made_for;
};
enum { ANY = -1 };

struct side {
	const struct nat *level[LEVELS_MAX]; /* from the host outwards */
	size_t n_levels;
	size_t n_own; /* those not shared with the other side */
	uint32_t knows, wrote; /* sets of endpoints, by number */
};

struct reasoning {
	struct side side[2];
	bool common; /* behind a common NAT */
	struct seen endpoints[ENDPOINTS_MAX];
	int n;
	bool overflow; /* endless new endpoints: whoever runs after them never gets there */
};

static void climb(const struct host *h, struct side *ret)
{
	const struct segment *g = h->face[0].segment;

	for (struct nat *t; (t = nat_of(g)); g = t->outside) {
		assert_true(ret->n_levels < LEVELS_MAX);
		ret->level[ret->n_levels++] = t;
	}
}

/* --- endpoints --- */

static int address_of(const struct reasoning *r, int endpoint)
{
	const struct seen *e = &r->endpoints[endpoint];

	return 2 * e->side + (int)e->realm;
}

/* Rule 1. What a mapping of the scope, made for `remote`, depends on. */
static int made_for(const struct reasoning *r, enum nat_scope scope, int remote)
{
	if (scope == NAT_ENDPOINT_INDEPENDENT || remote == ANY)
		return ANY;
	return scope == NAT_ADDRESS_DEPENDENT ? address_of(r, remote) : remote;
}

static enum nat_scope mapping_through(const struct side *x, size_t levels)
{
	enum nat_scope most = NAT_ENDPOINT_INDEPENDENT;

	for (size_t i = 0; i < levels; i++)
		most = MAX(most, x->level[i]->kind.mapping);
	return most;
}

static size_t levels_to(const struct side *x, enum realm realm)
{
	return realm == TOP ? x->n_levels : x->n_own;
}

/* The number of x's endpoint in the realm when it writes to `remote`; ANY: one too many. */
static int endpoint_for(struct reasoning *r, int x, enum realm realm, int remote)
{
	enum nat_scope scope = mapping_through(&r->side[x], levels_to(&r->side[x], realm));
	struct seen e = {.side = x, .realm = realm, .made_for = made_for(r, scope, remote)};
	int i = 0;

	while (i < r->n && (r->endpoints[i].side != e.side || r->endpoints[i].realm != e.realm ||
				   r->endpoints[i].made_for != e.made_for))
		i++;
	if (i == ENDPOINTS_MAX) {
		r->overflow = true;
		return ANY;
	}
	if (i == r->n)
		r->endpoints[r->n++] = e;
	return i;
}

/* --- rule 2 --- */

/* Was `remote` written to through the mapping of `target`, as the NAT at the level sees mappings? */
static bool through_same_mapping(
	const struct reasoning *r, const struct side *x, size_t level, int target, int remote)
{
	const struct seen *t = &r->endpoints[target];
	enum nat_scope whole = mapping_through(x, levels_to(x, t->realm));
	enum nat_scope here = mapping_through(x, level + 1);

	if (level >= x->n_own && r->endpoints[remote].realm == BELOW)
		return false; /* that went round this NAT */
	if (here == NAT_ENDPOINT_INDEPENDENT)
		return true;
	if (here == NAT_ADDRESS_AND_PORT_DEPENDENT)
		return remote == t->made_for;
	return address_of(r, remote) ==
	       (whole == NAT_ADDRESS_DEPENDENT ? t->made_for : address_of(r, t->made_for));
}

static bool level_lets_in(const struct reasoning *r, const struct side *x, size_t level, int target, int from)
{
	enum nat_scope filter = x->level[level]->kind.filtering;

	if (filter == NAT_ENDPOINT_INDEPENDENT)
		return true;
	for (int d = 0; d < r->n; d++) {
		if (!(x->wrote & 1u << d) || !through_same_mapping(r, x, level, target, d))
			continue;
		if (filter == NAT_ADDRESS_DEPENDENT ? address_of(r, d) == address_of(r, from) : d == from)
			return true;
	}
	return false;
}

/* --- rule 3 --- */

/* x writes to the other side's endpoint: the endpoint that the other side sees it come from, or ANY when it
 * does not arrive. */
static int arrives_from(struct reasoning *r, int x, int target)
{
	enum realm realm = r->endpoints[target].realm;
	int from = endpoint_for(r, x, realm, target), shown = from;
	struct side *y = &r->side[!x];

	if (from == ANY)
		return ANY;
	if (realm == TOP && r->common) {
		enum nat_hairpin hairpin = y->level[y->n_levels - 1]->kind.hairpin;

		if (hairpin == NAT_NO_HAIRPIN)
			return ANY;
		if (hairpin == NAT_INTERNAL_SOURCE)
			shown = endpoint_for(r, x, BELOW, target);
		if (shown == ANY)
			return ANY;
	}
	for (size_t i = levels_to(y, realm); i-- > 0;) {
		if (!level_lets_in(r, y, i, target, i < y->n_own ? shown : from))
			return ANY;
	}
	return shown;
}

/* --- rule 4 --- */

static bool write_to_all(struct reasoning *r, int x)
{
	bool news = false;

	for (int t = 0; t < r->n && !r->overflow; t++) {
		int from;

		if (!(r->side[x].knows & 1u << t))
			continue;
		news |= !(r->side[x].wrote & 1u << t);
		r->side[x].wrote |= 1u << t;
		from = arrives_from(r, x, t);
		if (from == ANY)
			continue;
		news |= !(r->side[!x].knows & 1u << from);
		r->side[!x].knows |= 1u << from;
	}
	return news;
}

static bool proves_one(struct reasoning *r, int x)
{
	for (int t = 0; t < r->n; t++) {
		int from = r->side[x].knows & 1u << t ? arrives_from(r, x, t) : ANY;

		if (from != ANY && arrives_from(r, !x, from) == t)
			return true;
	}
	return false;
}

/* Is the host's own address none of the segment below the common NATs? */
static bool translated_below(const struct side *x)
{
	bool any = false;

	for (size_t i = 0; i < x->n_own; i++)
		any |= !x->level[i]->kind.firewall;
	return any;
}

static void know_at_first(struct reasoning *r)
{
	int coordinator = r->n++;

	r->endpoints[coordinator] = (struct seen){.side = COORDINATOR, .realm = TOP, .made_for = ANY};
	for (int x = 0; x < 2; x++) {
		r->side[x].wrote |= 1u << coordinator;
		r->side[!x].knows |= 1u << endpoint_for(r, x, TOP, coordinator);
		if (r->common && !translated_below(&r->side[x]))
			r->side[!x].knows |= 1u << endpoint_for(r, x, BELOW, ANY);
	}
}

static bool is_luck(const struct side *x)
{
	bool pool = false;

	for (size_t i = 0; i < x->n_levels; i++)
		pool |= x->level[i]->kind.arbitrary_pool && x->level[i]->kind.pool > 1;
	return pool && mapping_through(x, x->n_levels) != NAT_ENDPOINT_INDEPENDENT;
}

static void climb_both(const struct host *a, const struct host *b, struct reasoning *r)
{
	struct side *x = &r->side[A], *y = &r->side[B];

	climb(a, x);
	climb(b, y);
	x->n_own = x->n_levels;
	y->n_own = y->n_levels;
	while (x->n_own && y->n_own && x->level[x->n_own - 1] == y->level[y->n_own - 1]) {
		x->n_own--;
		y->n_own--;
		r->common = true;
	}
}

enum prediction direct_possible(const struct host *a, const struct host *b)
{
	struct reasoning r = {.n = 0};
	bool possible;

	if (a->face[0].up.blocked || b->face[0].up.blocked)
		return DIRECT_NEVER;
	if (a->face[0].segment == b->face[0].segment)
		return DIRECT_ALWAYS;
	climb_both(a, b, &r);
	know_at_first(&r);
	while (!r.overflow && (write_to_all(&r, A) | write_to_all(&r, B)))
		continue;
	possible = proves_one(&r, A) || proves_one(&r, B);
	return !possible                                    ? DIRECT_NEVER
	       : is_luck(&r.side[A]) || is_luck(&r.side[B]) ? DIRECT_PERHAPS
							    : DIRECT_ALWAYS;
}

/* Under its own number a fresh port is seen, unless somebody else's has that. */
static bool keeps_ports(const struct side *x)
{
	for (size_t i = 0; i < x->n_levels; i++)
		if (!x->level[i]->kind.firewall && x->level[i]->kind.ports != NAT_PRESERVING)
			return false;
	return true;
}

enum prediction guess_possible(const struct host *a, const struct host *b)
{
	struct reasoning r = {.n = 0};
	enum nat_scope maps[2];

	if (a->face[0].up.blocked || b->face[0].up.blocked)
		return DIRECT_NEVER;
	climb_both(a, b, &r);
	for (int x = 0; x < 2; x++)
		maps[x] = mapping_through(&r.side[x], r.side[x].n_levels);
	if (maps[A] == maps[B] && maps[A] != NAT_ADDRESS_DEPENDENT)
		return keeps_ports(&r.side[A]) && keeps_ports(&r.side[B]) ? DIRECT_PERHAPS : DIRECT_NEVER;
	return r.common || is_luck(&r.side[A]) || is_luck(&r.side[B]) || maps[A] == NAT_ADDRESS_DEPENDENT ||
			       maps[B] == NAT_ADDRESS_DEPENDENT
		       ? DIRECT_PERHAPS
		       : DIRECT_ALWAYS;
}

const char *prediction_name(enum prediction p)
{
	static const char *const names[] = {"never", "perhaps", "always"};

	return names[p];
}
