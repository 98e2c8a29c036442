/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "control/path/legs.h"

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

static struct legs_relay *find(struct legs *r, const char *id)
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

static bool registers(const struct legs_relay *v, ns_t now)
{
	return v->listed && (v->coordinator || v->home || (v->used_at && now - v->used_at < LEGS_USED_FOR));
}

static struct leg_use use_of(const struct legs_relay *v, const struct leg *leg, ns_t now)
{
	return (struct leg_use){
		.registers = registers(v, now) && leg == &v->leg[v->family],
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
	if (registers(v, now))
		leg_ask_now(other, now);
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

	wipe(v, sizeof(*v));
	memmove(v, v + 1, (r->n - i - 1) * sizeof(*v));
	r->n--;
	r->changed = true;
}

static int add(
	struct legs *r, const struct dh_key *own, const struct core_member *m, struct legs_relay **ret_v)
{
	struct legs_relay *v = find(r, m->id);
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
	return TM_OK;
}

static bool is_in(const struct core_relay *v, size_t n, const char *id)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(v[i].member.id, id) == 0)
			return true;
	return false;
}

/* It was only asked for our address so far. */
static void register_soon(struct legs_relay *v, uint32_t random, ns_t now)
{
	struct leg *leg = &v->leg[v->family];

	if (!leg->sent[0])
		return;
	leg->tries = 0;
	leg->due = ns_min(leg->due, now + (ns_t)((double)LEGS_SOON * random / UINT32_MAX));
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
		if (!relay->listed && relay->coordinator)
			register_soon(relay, random, now);
		relay->listed = true;
		relay->streams = v[i].streams;
		if (!relay->coordinator)
			set_servers(relay, v[i].v, v[i].n, false,
				(ns_t)((double)LEGS_SETTLE * random / UINT32_MAX), now);
	}
	r->changed = true;
}

void legs_network(struct legs *r, ns_t now)
{
	for (size_t i = 0; i < r->n; i++)
		for (unsigned family = 0; family < 2; family++)
			leg_ask_now(&r->v[i].leg[family], now);
}

/* --- what happened to one --- */

void legs_stream(struct legs *r, const char *id, uint32_t socket, const struct endpoint *remote)
{
	struct legs_relay *v = find(r, id);

	if (!v)
		return;
	if (endpoint_is_set(remote)) {
		v->stream = STREAM_UP;
		v->claimed = 0;
		v->stream_way = (struct way_to){.kind = WAY_RELAY_TCP, .socket = socket, .remote = *remote};
	} else if (v->stream == STREAM_UP) {
		v->stream = STREAM_OPENING; /* whoever opened it goes on trying */
	}
	r->changed = true;
}

size_t legs_stream_question(
	struct legs *r, struct stun_self *self, const char *id, ns_t now, uint8_t *out, size_t out_len)
{
	struct legs_relay *v = find(r, id);
	struct stun_msg ask = {.has_lifetime = true, .has_cookie = true};

	if (!v)
		return 0;
	ask.lifetime_s = leg_is_sure(&v->leg[v->family], now) ? 0 : LEG_LIFETIME;
	return stun_ask(self, v->member.id, v->key, &ask, out, out_len, &v->stream_stamp);
}

bool legs_stream_answered(
	const struct legs *r, const char *id, const struct stun_msg *msg, const uint8_t *p, size_t n)
{
	const struct legs_relay *v = legs_find(r, id);

	return v && msg->class == STUN_SUCCESS && v->stream_stamp && stun_stamp(msg) == v->stream_stamp &&
	       stun_verify(p, n, msg, v->key) == TM_OK;
}

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

	if (leg && !leg->tries && now - leg->sent[0] >= LEG_AGAIN)
		leg_ask_now(leg, now);
}

void legs_busy(struct legs *r, ns_t now)
{
	r->busy_at = now;
}

struct leg *legs_asked(struct legs *r, const char *sender, const struct stun_msg *msg,
	const struct endpoint *from, const uint8_t **ret_key)
{
	struct legs_relay *v = find(r, sender);
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
	choose_family(v, now);
	choose_home(r, now);
	/* What it sees is believed when it says so twice. */
	return changed || leg->seen == 2;
}

/* --- the stream --- */

/* The coordinator's, with whom everybody is registered, else any that takes one. */
static const struct legs_relay *stream_relay(const struct legs *r)
{
	const struct legs_relay *any = NULL;

	for (size_t i = 0; i < r->n; i++) {
		if (!r->v[i].streams)
			continue;
		if (r->v[i].coordinator)
			return &r->v[i];
		any = &r->v[i];
	}
	return any;
}

bool legs_udp_blocked(const struct legs *r)
{
	bool asked = false;

	for (size_t i = 0; i < r->n; i++) {
		if (leg_hopeful(&r->v[i].leg[0]) || leg_hopeful(&r->v[i].leg[1]))
			return false;
		asked = true;
	}
	return asked;
}

static bool stream_is_wanted(const struct legs *r, ns_t now)
{
	return (r->busy_at && now - r->busy_at < LEGS_STREAM_FOR) || legs_udp_blocked(r);
}

static bool step_stream(struct legs *r, ns_t now, struct legs_out *ret_out)
{
	const struct legs_relay *wanted = stream_is_wanted(r, now) ? stream_relay(r) : NULL;

	for (size_t i = 0; i < r->n; i++) {
		struct legs_relay *v = &r->v[i];

		if ((v == wanted) == (v->stream != STREAM_NONE))
			continue;
		*ret_out = (struct legs_out){.to = &v->member};
		ret_out->kind = v == wanted ? CORE_STREAM_OPEN : CORE_STREAM_CLOSE;
		r->changed |= v->stream == STREAM_UP;
		v->stream = v == wanted ? STREAM_OPENING : STREAM_NONE;
		return true;
	}
	return false;
}

/*
 * By the stream, if that is how the relay is to reach us: UDP does not pass now. An answer would say nothing
 * that TCP does not.
 */
static bool step_claim(struct legs *r, struct stun_self *self, ns_t now, struct legs_out *ret_out)
{
	for (size_t i = 0; i < r->n; i++) {
		struct legs_relay *v = &r->v[i];
		struct stun_msg ask = {.has_lifetime = true, .has_cookie = true, .lifetime_s = LEG_LIFETIME};

		if (v->stream != STREAM_UP || leg_is_sure(&v->leg[v->family], now) ||
			(v->claimed && now - v->claimed < LEG_EVERY))
			continue;
		v->claimed = now;
		*ret_out = (struct legs_out){.kind = CORE_SEND, .to = &v->member, .way = v->stream_way};
		ret_out->n = stun_ask(self, v->member.id, v->key, &ask, ret_out->msg, sizeof(ret_out->msg),
			&v->stream_stamp);
		return true;
	}
	return false;
}

static ns_t claim_at(const struct legs_relay *v, ns_t now)
{
	if (v->stream != STREAM_UP || leg_is_sure(&v->leg[v->family], now))
		return NS_NEVER;
	return v->claimed ? v->claimed + LEG_EVERY : now;
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
			if (ret_out->n)
				return true;
		}
	return step_stream(r, now, ret_out) || step_claim(r, self, now, ret_out);
}

static ns_t stream_at(const struct legs *r, ns_t now)
{
	bool wanted = stream_is_wanted(r, now) && stream_relay(r);

	for (size_t i = 0; i < r->n; i++) {
		if (r->v[i].stream == STREAM_NONE)
			continue;
		if (!wanted)
			return now;
		return r->busy_at && !legs_udp_blocked(r) ? r->busy_at + LEGS_STREAM_FOR : NS_NEVER;
	}
	return wanted ? now : NS_NEVER;
}

ns_t legs_next(const struct legs *r, ns_t now)
{
	ns_t next = stream_at(r, now);

	for (size_t i = 0; i < r->n; i++) {
		next = ns_min(next, ns_min(r->v[i].leg[0].due, r->v[i].leg[1].due));
		next = ns_min(next, claim_at(&r->v[i], now));
	}
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

/* --- what is so --- */

struct ways {
	struct way_to *v;
	size_t n;
	uint64_t pair;
};

static void add_way(struct ways *w, const struct way_to *way)
{
	if (w->n == LEGS_WAYS_MAX)
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
	if (!registers(v, now))
		leg_ask_now(leg, now);
	v->used_at = now;
}

size_t legs_ways(struct legs *r, uint64_t pair, const struct core_member *peer, char (*told)[NODE_ID_LEN + 1],
	size_t n_told, bool wanted, ns_t now, struct way_to ret_ways[static LEGS_WAYS_MAX])
{
	struct ways w = {.v = ret_ways, .pair = pair};
	struct legs_relay *v;

	if (!pair)
		return 0;
	for (size_t i = 0; i < n_told; i++)
		if ((v = find(r, told[i])) && !v->coordinator)
			add_udp(r, v, peer, wanted, now, &w);
	for (size_t i = 0; i < r->n; i++)
		if (r->v[i].coordinator)
			add_udp(r, &r->v[i], peer, wanted, now, &w);
	for (size_t i = 0; i < r->n; i++)
		if (r->v[i].stream == STREAM_UP)
			add_way(&w, &r->v[i].stream_way);
	return w.n;
}
