/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "base/secret.h"
#include "control/path/core_private.h"
#include "control/path/mine.h"

#include <stdio.h>
#include <string.h>

/* The path's decision needs a step now. */
static void step_soon(struct core *c, struct live *l, ns_t now)
{
	heap_set(&c->heap, &l->due, now);
}

static void on_network(struct core *c, const struct core_in *in, ns_t now)
{
	c->n_local = MIN(in->network.n, (size_t)CORE_ADDRESSES_MAX);
	if (c->n_local)
		memcpy(c->local, in->network.v, c->n_local * sizeof(c->local[0]));
	core_refresh_mine(c);
	legs_network(&c->legs, now);
	core_legs_are_due(c, now);
	core_nat_soon(c, now);
	core_birthday_network(c, now);
	/* Each starts over in its own step, so that the outputs of thousands need no room at once. */
	LIST_FOREACH (l, &c->live, struct live, all) {
		path_restart(&l->path);
		step_soon(c, l, now);
	}
}

bool core_is_at(const struct core *c, const struct ip *v, size_t n)
{
	if (MIN(n, (size_t)CORE_ADDRESSES_MAX) != c->n_local)
		return false;
	for (size_t i = 0; i < c->n_local; i++)
		if (!ip_eq(&v[i], &c->local[i]))
			return false;
	return true;
}

static void on_routes(struct core *c, const struct core_in *in, ns_t now)
{
	(void)in;
	LIST_FOREACH (l, &c->live, struct live, all) {
		path_look_again(&l->path);
		step_soon(c, l, now);
	}
}

static void on_advertise(struct core *c, const struct core_in *in, ns_t now)
{
	(void)now;
	c->n_advertise = MIN(in->advertise.n, (size_t)CORE_ADVERTISE_MAX);
	if (c->n_advertise)
		memcpy(c->advertise, in->advertise.v, c->n_advertise * sizeof(c->advertise[0]));
	core_refresh_mine(c);
}

/* What we sent there would come out of the tunnel again. */
static bool is_in_mesh(const struct core *c, const struct endpoint *ep)
{
	return prefix_contains(&c->net4, &ep->ip) || prefix_contains(&c->net6, &ep->ip);
}

static ns_t part_of(struct core *c, ns_t whole)
{
	return (ns_t)((double)whole * c->ops.random(c->ops.ctx) / UINT32_MAX);
}

static void on_server(struct core *c, const struct core_in *in, ns_t now)
{
	struct endpoint at[2 * LEG_SERVERS + CANDIDATES_MAX];
	size_t n = 0;

	for (size_t i = 0; i < in->server.n && n < ARRAY_LEN(at); i++)
		if (!is_in_mesh(c, &in->server.v[i]))
			at[n++] = in->server.v[i];
	/* A key that is none: there is nothing to ask. */
	(void)!legs_set_coordinator(
		&c->legs, c->key, in->id, in->key, at, n, part_of(c, in->server.spread), now);
	core_nat_coordinator(c, in, now);
	/* Where nobody is left to be asked, nothing is known of what was answered. */
	core_refresh_mine(c);
	core_legs_are_due(c, now);
}

static void on_relays(struct core *c, const struct core_in *in, ns_t now)
{
	struct core_relay v[CORE_RELAYS_MAX];
	size_t n = 0;

	for (size_t i = 0; i < in->relays.n && n < ARRAY_LEN(v); i++) {
		const struct core_relay *told = &in->relays.v[i];

		if (strcmp(told->member.id, c->self.id) == 0)
			continue;
		v[n] = *told;
		v[n].n = 0;
		for (size_t k = 0; k < told->n; k++)
			if (candidate_usable(&told->v[k], &c->net4, &c->net6))
				v[n].v[v[n].n++] = told->v[k];
		n++;
	}
	legs_set(&c->legs, c->key, v, n, c->ops.random(c->ops.ctx), now);
	core_refresh_mine(c);
	core_nat_relays(c, in, now);
	core_legs_are_due(c, now);
}

/*
 * A connection to the relay ended, which its end by UDP would not tell: does what goes through it arrive?
 * Only a sign: other things end connections, too.
 */
static void doubt_relay(struct core *c, const char *id, ns_t now)
{
	const struct legs_relay *v = legs_find(&c->legs, id);
	const struct leg *leg = v ? &v->leg[v->family] : NULL;

	if (!leg || !leg->n_servers)
		return;
	LIST_FOREACH (l, &c->live, struct live, all) {
		path_relay_doubted(&l->path, leg_server(leg), now);
		step_soon(c, l, now);
	}
}

static void on_stream(struct core *c, const struct core_in *in, ns_t now)
{
	const struct legs_relay *v = legs_find(&c->legs, in->id);

	if (v && v->stream == STREAM_UP && !endpoint_is_set(&in->stream.remote))
		doubt_relay(c, in->id, now);
	legs_stream(&c->legs, in->id, in->stream.socket, &in->stream.remote, now);
	core_legs_are_due(c, now);
}

static void on_stream_gone(struct core *c, const struct core_in *in, ns_t now)
{
	struct core_member who;
	const struct record *rec =
		c->ops.find(c->ops.ctx, in->id, NULL, &who) ? record_by_key(c, who.key) : NULL;

	if (!rec || !rec->live)
		return;
	struct turn t = live_turn(c, rec->live, now);
	path_stream_gone(&rec->live->path, in->gone, &t);
	step_soon(c, rec->live, now);
}

static void on_link(struct core *c, const struct core_in *in, ns_t now)
{
	c->legs.link_up = in->link_up;
	tell_link(c, in->link_up);
	if (!in->link_up)
		return;
	LIST_FOREACH (l, &c->live, struct live, all) {
		path_linked(&l->path, now);
		step_soon(c, l, now);
	}
}

static void on_want(struct core *c, const struct core_in *in, ns_t now)
{
	struct live *l = live_by_key(c, in->key, now);

	if (!l)
		return;
	struct turn t = live_turn(c, l, now);
	path_want(&l->path, &t);
	step_soon(c, l, now);
}

static void on_heard(struct core *c, const struct core_in *in, ns_t now)
{
	struct live *l;

	if (!endpoint_is_set(&in->by.remote) || is_in_mesh(c, &in->by.remote) ||
		!(l = live_by_key(c, in->key, now)))
		return;
	struct turn t = live_turn(c, l, now);
	path_heard(&l->path, &in->by, &t);
	step_soon(c, l, now);
}

void core_candidates(struct core *c, struct live *l, const struct candidates *told, bool looks, ns_t now)
{
	struct candidates usable = {.n = 0};

	l->n_told = 0;
	for (size_t i = 0; i < told->n; i++) {
		const struct candidate *one = &told->v[i];

		/* A relay's address is the mesh's to say, not the peer's. */
		if (one->type == CAND_RELAY && l->n_told < LEGS_TOLD_MAX)
			snprintf(l->told[l->n_told++], sizeof(l->told[0]), "%s", one->relay);
		else if (one->type != CAND_RELAY && candidate_usable(&one->ep, &c->net4, &c->net6))
			usable.v[usable.n++] = *one;
	}
	struct turn t = live_turn(c, l, now);
	path_candidates(&l->path, &usable, looks, &t);
	step_soon(c, l, now);
}

static void take_seen(struct seen *seen, const struct candidates *told, ns_t now)
{
	seen->n = MIN(told->n_seen, ARRAY_LEN(seen->v));
	memcpy(seen->v, told->seen, seen->n * sizeof(seen->v[0]));
	seen->at = now;
}

static void take_nat(struct record *rec, const struct candidates *told)
{
	rec->maps = told->nat.mapping;
	rec->keeps_ports = false;
	for (size_t i = 0; i < told->n; i++)
		for (size_t k = 0; k < told->nat.n_ports; k++)
			rec->keeps_ports |=
				told->v[i].type == CAND_HOST && told->v[i].ep.port == told->nat.ports[k];
}

static void on_candidates(struct core *c, const struct core_in *in, ns_t now)
{
	struct live *l = live_by_id(c, in->id, now);

	if (!l)
		return;
	/* A list that was kept says nothing of either; and where a node is seen that has just no link, none
	 * does. */
	if (in->candidates->n_seen)
		take_seen(&l->record->seen, in->candidates, now);
	if (in->candidates->n_seen || in->candidates->nat.mapping != NAT_UNKNOWN)
		take_nat(l->record, in->candidates);
	core_candidates(c, l, in->candidates, in->looks, now);
}

static void on_activity(struct core *c, const struct core_in *in, ns_t now)
{
	const struct record *rec = record_by_key(c, in->key);

	if (!rec || !rec->live)
		return;
	struct turn t = live_turn(c, rec->live, now);
	path_activity(&rec->live->path, in->activity.last_recv, in->activity.tx_bytes, &t);
	step_soon(c, rec->live, now);
}

static void on_remove(struct core *c, const struct core_in *in, ns_t now)
{
	struct record *rec = record_by_key(c, in->key);

	(void)now;
	if (!rec)
		return;
	if (rec->live)
		queue_push(&c->queue, CORE_NOTE, WHY_REMOVED)->peer = rec->member;
	record_free(c, rec);
}

static void on_portmap(struct core *c, const struct core_in *in, ns_t now)
{
	(void)now;
	c->portmap = in->portmap;
	core_refresh_mine(c);
}

static void on_probe(struct core *c, const struct core_in *in, ns_t now)
{
	core_nat_start(c, in->full, now);
}

static void on_doors(struct core *c, const struct core_in *in, ns_t now)
{
	(void)now;
	c->nat.aside = in->doors.aside;
	c->nat.doors = (struct nat_doors){.port = c->port,
		.second = in->doors.second,
		.silent = in->doors.silent,
		.second_port = in->doors.second_port,
		.silent_port = in->doors.silent_port};
}

/* --- STUN --- */

static bool is_own(const struct core *c, const struct endpoint *ep)
{
	for (size_t i = 0; i < c->n_local; i++)
		if (ip_eq(&c->local[i], &ep->ip))
			return ep->port == c->port;
	return false;
}

static void relay_is_back(struct core *c, const struct endpoint *relay, ns_t now)
{
	LIST_FOREACH (l, &c->live, struct live, all) {
		path_relay_back(&l->path, relay, now);
		step_soon(c, l, now);
	}
}

static bool relay_answer_taken(
	struct core *c, const struct core_in *in, const char *sender, const struct stun_msg *m, ns_t now)
{
	const struct endpoint *from = &in->stun.by.remote;
	const uint8_t *key;
	struct leg *leg = in->stun.by.kind == WAY_UDP ? legs_asked(&c->legs, sender, m, from, &key) : NULL;

	if (!leg || stun_verify(in->stun.msg, in->stun.n, m, key) != TM_OK)
		return false;
	const struct endpoint before = leg->reflexive;
	const bool missed = leg->tries > 1 || !leg->registered;

	if (legs_answered(&c->legs, leg, m, from, is_own(c, &m->mapped), c->ops.random(c->ops.ctx), now))
		core_refresh_mine(c);
	if (!endpoint_eq(&before, &m->mapped))
		core_nat_moved(c, &before, &m->mapped, now);
	if (missed && leg_registered(leg, now))
		relay_is_back(c, from, now);
	core_legs_are_due(c, now);
	return true;
}

/* False: it is too short to be answered. */
static bool answer(
	struct core *c, struct live *l, const struct stun_msg *req, const struct core_in *in, ns_t now)
{
	const struct core_member *who = &l->record->member;
	const uint8_t *key = l->record->check_key;
	struct way_to by = in->stun.by;
	struct stun_msg more = {.priority = 0};
	uint8_t msg[STUN_MAX];

	core_birthday_asked(c, l, in, req, now, &more.guess);
	size_t n = nat_concerns(req, in->stun.n) ? core_nat_serve(c, in, who, key, req, &by, msg, sizeof(msg))
						 : stun_reply(&c->self, who->id, key, req, in->stun.n,
							   &by.remote, &more, msg, sizeof(msg));

	if (!n)
		return false;
	struct core_out *out = queue_push(&c->queue, CORE_SEND, WHY_ANSWER);
	out->peer = *who;
	out->way = by;
	memcpy(out->msg, msg, n);
	out->n = n;
	return true;
}

static bool request_taken(
	struct core *c, struct live *l, const struct core_in *in, const struct stun_msg *m, ns_t now)
{
	const struct way_to *a = &in->stun.by;
	struct turn t = live_turn(c, l, now);

	if (!stun_window_accept(&l->window, stun_stamp(m)))
		return false;
	if (!answer(c, l, m, in, now))
		return false;
	l->used_at = now;
	if (m->candidates)
		tell_received(c, l, m, now);
	if (m->priority && candidate_usable(&a->remote, &c->net4, &c->net6)) {
		path_wake(&l->path, &t);
		core_birthday_hint(c, l, a, true, now);
		path_check_received(&l->path, a, m->use_candidate, &t);
	}
	return true;
}

/* Can it change anything, whoever it is from? That costs nothing to say. */
static bool is_news(const struct record *rec, const struct stun_msg *m)
{
	if (m->class == STUN_SUCCESS)
		return rec && rec->live; /* whom we never asked has nothing to answer */
	return !m->n_unknown && (!rec || rec->live || stun_stamp(m) > rec->stamp);
}

/* The live part of the member that sealed the message; NULL: `who` did not. */
static struct live *author(struct core *c, const struct core_in *in, const struct stun_msg *m,
	const struct core_member *who, ns_t now)
{
	struct record *rec = record_by_key(c, who->key);
	struct live *l = rec ? rec->live : NULL;
	uint8_t room[STUN_KEY];

	if (!is_news(rec, m))
		return NULL;
	const uint8_t *key = claimed_check_key(c, rec, who, room, now);
	if (!key || stun_verify(in->stun.msg, in->stun.n, m, key) != TM_OK)
		l = NULL;
	else if (!l && (l = live_of(c, who, now)) && !rec)
		record_set_key(l->record, key);
	wipe(room, sizeof(room));
	return l;
}

static bool stun_taken(struct core *c, const struct core_in *in, ns_t now)
{
	char sender[NODE_ID_LEN + 1];
	struct core_member who;
	struct stun_msg m;

	if (stun_open(&c->self, in->stun.msg, in->stun.n, &m, sender) != TM_OK)
		return false;
	if (relay_answer_taken(c, in, sender, &m, now) || core_nat_taken(c, in, sender, &m, now))
		return true;
	if (!c->ops.find(c->ops.ctx, sender, NULL, &who))
		return false;
	struct live *l = author(c, in, &m, &who, now);
	if (!l)
		return false;

	legs_heard(&c->legs, &in->stun.by, now);
	core_legs_are_due(c, now);
	step_soon(c, l, now);
	if (m.class == STUN_REQUEST)
		return request_taken(c, l, in, &m, now);
	if (core_birthday_answered(c, l, &m, now))
		return true;
	/* An answer to nothing that we asked, or a second one, changes nothing. */
	struct turn t = live_turn(c, l, now);
	return tell_answered(l, stun_stamp(&m)) ||
	       path_check_answered(&l->path, stun_stamp(&m), &in->stun.by, &t) ||
	       core_birthday_found(c, l, &in->stun.by, now);
}

static void on_stun(struct core *c, const struct core_in *in, ns_t now)
{
	c->refused += !stun_taken(c, in, now);
}

void core_input(struct core *c, const struct core_in *in, ns_t now)
{
	static void (*const rows[CORE_IN_N])(struct core *, const struct core_in *, ns_t) = {
		[CORE_NETWORK] = on_network,
		[CORE_ROUTES] = on_routes,
		[CORE_ADVERTISE] = on_advertise,
		[CORE_SERVER] = on_server,
		[CORE_WANT] = on_want,
		[CORE_HEARD] = on_heard,
		[CORE_CANDIDATES] = on_candidates,
		[CORE_STUN] = on_stun,
		[CORE_ACTIVITY] = on_activity,
		[CORE_REMOVE] = on_remove,
		[CORE_RELAYS] = on_relays,
		[CORE_STREAM] = on_stream,
		[CORE_STREAM_GONE] = on_stream_gone,
		[CORE_LINK] = on_link,
		[CORE_PORTMAP] = on_portmap,
		[CORE_PROBE] = on_probe,
		[CORE_DOORS] = on_doors,
		[CORE_SOCKETS] = core_birthday_opened,
	};

	rows[in->kind](c, in, now);
}
