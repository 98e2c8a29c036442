/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "control/path/legs_private.h"

#include "base/secret.h"

#include <stdio.h>
#include <string.h>

void legs_init(struct legs *r)
{
	*r = (struct legs){.n = 0};
}

void legs_deinit(struct legs *r)
{
	wipe(r, sizeof(*r));
}

struct legs_relay *legs_get(struct legs *r, const char *id)
{
	for (size_t i = 0; i < r->n; i++)
		if (strcmp(r->v[i].member.id, id) == 0)
			return &r->v[i];
	return NULL;
}

const struct legs_relay *legs_find(const struct legs *r, const char *id)
{
	for (size_t i = 0; i < r->n; i++)
		if (strcmp(r->v[i].member.id, id) == 0)
			return &r->v[i];
	return NULL;
}

/* --- what each is for --- */

bool legs_registers(const struct legs_relay *v, ns_t now)
{
	return v->listed && (v->standing || v->home || (v->used_at && now - v->used_at < LEGS_USED_FOR));
}

static struct leg_use use_of(const struct legs_relay *v, const struct leg *leg, ns_t now)
{
	return (struct leg_use){
		.registers = legs_registers(v, now) && leg == &v->leg[v->family],
		.kept = v->coordinator,
	};
}

/* Where its own family does not answer and the other does, that one registers, and goes on to. */
static void choose_family(struct legs_relay *v, ns_t now)
{
	struct leg *other = &v->leg[!v->family];

	if (leg_hopeful(&v->leg[v->family]) || !leg_hopeful(other) || !endpoint_is_set(&other->reflexive))
		return;
	v->leg[v->family].registered = 0;
	v->family = !v->family;
	if (legs_registers(v, now))
		leg_ask_now(other, now);
}

/* It was only asked for our address so far, or, at the start, not at all. */
static void register_soon(const struct legs *r, struct legs_relay *v, uint32_t random, ns_t now)
{
	struct leg *leg = &v->leg[v->family];

	if ((!leg->began && r->told) || leg->registered || !leg->n_servers)
		return;
	leg->tries = 0;
	leg->due = ns_min(leg->due, now + (ns_t)((double)LEGS_SOON * random / UINT32_MAX));
}

static bool may_live(const struct legs_relay *v)
{
	return leg_hopeful(&v->leg[0]) || leg_hopeful(&v->leg[1]);
}

/*
 * So many of the common order as it takes to have LEGS_LIVING that answer. Whoever looks for us has one of
 * them in common with us, though each of us may see one dead that the other sees alive.
 */
static void choose_standing(struct legs *r, uint32_t random, ns_t now)
{
	unsigned stand = 0, live = 0;

	for (size_t i = 0; i < r->n; i++) {
		struct legs_relay *v = &r->v[i];
		const bool stands = v->listed && stand < LEGS_STANDING_MAX && live < LEGS_LIVING;

		stand += stands;
		live += stands && may_live(v);
		if (stands == v->standing)
			continue;
		v->standing = stands;
		r->changed = true;
		if (stands)
			register_soon(r, v, random, now);
		else
			v->used_at = now; /* one that was away for a moment lets nobody go at once */
	}
}

/* --- home --- */

static ns_t rtt_of(const struct legs_relay *v)
{
	const struct leg *leg = &v->leg[v->family];

	return v->listed && endpoint_is_set(&leg->reflexive) ? leg->rtt : 0;
}

static struct legs_relay *home_of(struct legs *r)
{
	for (size_t i = 0; i < r->n; i++)
		if (r->v[i].home)
			return &r->v[i];
	return NULL;
}

static struct legs_relay *quickest(struct legs *r)
{
	struct legs_relay *best = NULL;

	for (size_t i = 0; i < r->n; i++) {
		ns_t rtt = rtt_of(&r->v[i]);

		if (rtt && (!best || rtt < rtt_of(best)))
			best = &r->v[i];
	}
	return best;
}

static void choose_home(struct legs *r, ns_t now)
{
	struct legs_relay *home = home_of(r), *best = quickest(r);
	ns_t rtt = home ? rtt_of(home) : 0;

	if (!best || best == home || (home && !r->link_up))
		return;
	if (rtt && (rtt - rtt_of(best) <= LEGS_HOME_GAIN || rtt_of(best) >= LEGS_HOME_SHARE(rtt)))
		return;
	if (home)
		home->home = false;
	best->home = true;
	if (!best->leg[best->family].registered)
		leg_ask_now(&best->leg[best->family], now);
	r->changed = true;
}

/* --- who there is --- */

static void forget(struct legs *r, struct legs_relay *v)
{
	size_t i = (size_t)(v - r->v);

	legs_stream_forget(r, v);
	wipe(v, sizeof(*v));
	memmove(v, v + 1, (r->n - i - 1) * sizeof(*v));
	r->n--;
	r->changed = true;
}

static bool is_before(const struct legs_relay *a, const struct legs_relay *b)
{
	return a->coordinator != b->coordinator ? a->coordinator : a->member.host < b->member.host;
}

/* The same at all nodes, whoever told them when. */
static void bring_into_order(struct legs *r)
{
	struct legs_relay v;

	for (size_t i = 1; i < r->n; i++)
		for (size_t k = i; k && is_before(&r->v[k], &r->v[k - 1]); k--) {
			v = r->v[k];
			r->v[k] = r->v[k - 1];
			r->v[k - 1] = v;
			wipe(&v, sizeof(v));
		}
}

static int add(
	struct legs *r, const struct dh_key *own, const struct core_member *m, struct legs_relay **ret_v)
{
	struct legs_relay *v = legs_get(r, m->id);
	uint8_t key[STUN_KEY];

	if (v && memcmp(v->member.key, m->key, sizeof(m->key)) != 0) {
		forget(r, v);
		v = NULL;
	}
	if (!v) {
		if (r->n == LEGS_MAX)
			return TM_EFULL;
		int err = stun_pair_key(own, m->key, key);
		if (err)
			return err;
		v = &r->v[r->n++];
		*v = (struct legs_relay){.member = *m};
		memcpy(v->key, key, sizeof(v->key));
		wipe(key, sizeof(key));
		leg_init(&v->leg[0]);
		leg_init(&v->leg[1]);
	}
	*ret_v = v;
	return TM_OK;
}

static void set_servers(
	struct legs_relay *v, const struct endpoint *at, size_t n, bool again, ns_t wait, ns_t now)
{
	for (unsigned family = 0; family < 2; family++) {
		struct endpoint of_family[LEG_SERVERS];
		size_t k = 0;

		for (size_t i = 0; i < n && k < ARRAY_LEN(of_family); i++)
			if (endpoint_is_set(&at[i]) && (at[i].ip.family == IP_V6) == (family == 1))
				of_family[k++] = at[i];
		leg_set_servers(&v->leg[family], of_family, k,
			again && (!k || v->leg[family].registered || family == v->family), wait, now);
	}
}

int legs_set_coordinator(struct legs *r, const struct dh_key *own, const char *id,
	const uint8_t key[static 32], const struct endpoint *v, size_t n, ns_t wait, ns_t now)
{
	struct core_member m = {.host = 0};
	struct legs_relay *relay;

	snprintf(m.id, sizeof(m.id), "%s", id);
	memcpy(m.key, key, sizeof(m.key));
	for (size_t i = r->n; i-- > 0;)
		if (r->v[i].coordinator && strcmp(r->v[i].member.id, id) != 0)
			forget(r, &r->v[i]);
	int err = add(r, own, &m, &relay);
	if (err)
		return err;
	relay->coordinator = true;
	relay->home |= !home_of(r);
	/* We are told of it when there is a new link: it may be a new process that knows nobody yet. */
	set_servers(relay, v, n, relay->leg[relay->family].registered, wait, now);
	bring_into_order(r);
	return TM_OK;
}

static bool is_in(const struct core_relay *v, size_t n, const char *id)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(v[i].member.id, id) == 0)
			return true;
	return false;
}

void legs_set(struct legs *r, const struct dh_key *own, const struct core_relay *v, size_t n, uint32_t random,
	ns_t now)
{
	n = MIN(n, (size_t)CORE_RELAYS_MAX);
	for (size_t i = r->n; i-- > 0;) {
		r->v[i].listed &= is_in(v, n, r->v[i].member.id);
		r->v[i].streams &= r->v[i].listed;
		if (!r->v[i].listed && !r->v[i].coordinator)
			forget(r, &r->v[i]);
	}
	for (size_t i = 0; i < n; i++) {
		struct legs_relay *relay;

		if (add(r, own, &v[i].member, &relay) != TM_OK)
			continue;
		relay->member.host = v[i].member.host;
		relay->listed = true;
		relay->streams = v[i].streams;
		if (!relay->coordinator)
			set_servers(relay, v[i].v, v[i].n, false,
				(ns_t)((double)LEGS_SETTLE * random / UINT32_MAX), now);
	}
	bring_into_order(r);
	choose_standing(r, random, now);
	r->told |= n > 0;
	r->changed = true;
}

void legs_network(struct legs *r, ns_t now)
{
	for (size_t i = 0; i < r->n; i++)
		for (unsigned family = 0; family < 2; family++)
			leg_ask_now(&r->v[i].leg[family], now);
}

/* --- what happened to one --- */

static struct leg *leg_at(struct legs *r, const struct endpoint *ep)
{
	for (size_t i = 0; i < r->n; i++)
		for (unsigned family = 0; family < 2; family++) {
			struct leg *leg = &r->v[i].leg[family];

			if (leg->n_servers && endpoint_eq(leg_server(leg), ep))
				return leg;
		}
	return NULL;
}

void legs_doubt(struct legs *r, const struct way_to *way, ns_t now)
{
	struct leg *leg = way->kind == WAY_RELAY_UDP ? leg_at(r, &way->remote) : NULL;

	if (leg)
		leg_miss(leg, now);
}

void legs_heard(struct legs *r, const struct way_to *by, ns_t now)
{
	struct leg *leg = by->kind == WAY_RELAY_UDP ? leg_at(r, &by->remote) : NULL;

	if (leg && leg->pauses)
		leg_hurry(leg, now);
}

struct leg *legs_asked(struct legs *r, const char *sender, const struct stun_msg *msg,
	const struct endpoint *from, const uint8_t **ret_key)
{
	struct legs_relay *v = legs_get(r, sender);
	struct leg *leg = v ? &v->leg[from->ip.family == IP_V6] : NULL;

	if (!leg || !leg_asked(leg, msg, from))
		return NULL;
	*ret_key = v->key;
	return leg;
}

static struct legs_relay *relay_of(struct legs *r, const struct leg *leg)
{
	size_t i = 0;

	while (leg != &r->v[i].leg[0] && leg != &r->v[i].leg[1])
		i++;
	return &r->v[i];
}

bool legs_answered(struct legs *r, struct leg *leg, const struct stun_msg *msg, const struct endpoint *from,
	bool own, uint32_t random, ns_t now)
{
	struct legs_relay *v = relay_of(r, leg);
	struct leg_use use = use_of(v, leg, now);
	bool changed = leg_answered(leg, &use, msg, from, own, random, now);

	r->changed |= changed;
	if (leg_registered(leg, now))
		v->claimed = 0; /* it is our leg again */
	/* Or was, when it was asked: since then the relay was told, by the stream, to use that. */
	if (leg_registered(leg, now) && v->by_stream >= leg->answered)
		leg->due = now;
	choose_family(v, now);
	choose_home(r, now);
	choose_standing(r, random, now);
	/* What it sees is believed when it says so twice. */
	return changed || leg->seen == 2;
}

/* --- what is due --- */

bool legs_step(struct legs *r, struct stun_self *self, ns_t now, struct legs_out *ret_out, bool *ret_lost)
{
	for (size_t i = 0; i < r->n; i++)
		for (unsigned family = 0; family < 2; family++) {
			struct legs_relay *v = &r->v[i];
			struct leg *leg = &v->leg[family];
			struct leg_use use = use_of(v, leg, now);

			if (leg->due > now)
				continue;
			*ret_out = (struct legs_out){.kind = CORE_SEND, .to = &v->member};
			if (leg_step(leg, &use, self, v->member.id, v->key, now, ret_out->msg,
				    sizeof(ret_out->msg), &ret_out->n, &ret_out->way.remote)) {
				*ret_lost = true;
				r->changed = true;
			}
			choose_family(v, now);
			choose_home(r, now);
			choose_standing(r, 0, now); /* nobody else finds it out at this moment */
			if (ret_out->n)
				return true;
		}
	return legs_step_streams(r, self, now, ret_out);
}

ns_t legs_next(const struct legs *r, ns_t now)
{
	ns_t next = legs_streams_next(r, now);

	for (size_t i = 0; i < r->n; i++)
		next = ns_min(next, ns_min(r->v[i].leg[0].due, r->v[i].leg[1].due));
	return next;
}

ns_t legs_begin(const struct legs *r)
{
	ns_t at = 0;

	for (size_t i = 0; i < r->n; i++)
		for (unsigned family = 0; family < 2; family++)
			if (r->v[i].coordinator && r->v[i].leg[family].n_servers)
				at = MAX(at, r->v[i].leg[family].due);
	return at;
}
