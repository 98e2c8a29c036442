/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "control/path/core.h"

#include "base/map.h"
#include "base/secret.h"
#include "control/path/core_private.h"
#include "control/path/mine.h"
#include "crypto/dh.h"

#include <stdio.h>
#include <string.h>

/* --- this node --- */

void core_refresh_mine(struct core *c)
{
	struct endpoint advertise[CORE_ADVERTISE_MAX + 1];
	struct endpoint reflexive[LEGS_REFLEXIVE_MAX + CORE_NAT_SEEN];
	size_t n = c->n_advertise, n_reflexive = legs_reflexive(&c->legs, reflexive);

	if (n)
		memcpy(advertise, c->advertise, n * sizeof(advertise[0]));
	/* A mapped port is as good as one that was forwarded by hand. */
	if (endpoint_is_set(&c->portmap))
		advertise[n++] = c->portmap;
	const struct mine_in in = {
		.local = c->local,
		.n_local = c->n_local,
		.port = c->port,
		.advertise = advertise,
		.n_advertise = n,
		.reflexive = reflexive,
		.n_reflexive = n_reflexive + core_nat_seen(c, reflexive + n_reflexive),
		.net4 = c->net4,
		.net6 = c->net6,
	};
	struct candidates next;

	mine_gather(&in, &next);
	next.nat = c->nat.told;
	if (legs_udp_silent(&c->legs))
		next.nat.mapping = NAT_BLOCKED;
	legs_told(&c->legs, &next);
	if (candidates_eq(&next, &c->mine))
		return;
	c->mine = next;
	tell_changed(c);
	queue_push(&c->queue, CORE_TELL, WHY_CHANGED);
}

void core_legs_are_due(struct core *c, ns_t now)
{
	heap_set(&c->heap, &c->legs_due, legs_next(&c->legs, now));
	/* Others need not look for an address of ours while UDP leads to none. */
	if (legs_udp_silent(&c->legs) != (c->mine.nat.mapping == NAT_BLOCKED))
		core_refresh_mine(c);
	if (!c->legs.changed)
		return;
	c->legs.changed = false;
	queue_push(&c->queue, CORE_REGISTERED, WHY_REGISTERED);
	LIST_FOREACH (l, &c->live, struct live, all)
		if (l->path.state != PATH_IDLE)
			heap_set(&c->heap, &l->due, now);
}

static void step_legs(struct core *c, ns_t now)
{
	struct legs_out out;
	bool lost = false;

	if (!legs_step(&c->legs, &c->self, now, &out, &lost))
		out.kind = CORE_OUT_N;
	if (lost)
		core_refresh_mine(c);
	/* Through the mesh it would see an address of the mesh; unanswered like any other that gets lost. */
	if (out.kind == CORE_SEND && core_outlet(&c->ops, &out.way).reach == REACH_MESH)
		out.kind = CORE_OUT_N;
	if (out.kind != CORE_OUT_N) {
		struct core_out *o = queue_push(&c->queue, out.kind, WHY_RELAY);

		o->peer = *out.to;
		o->way = out.way;
		memcpy(o->msg, out.msg, out.n);
		o->n = out.n;
	}
	core_legs_are_due(c, now);
}

/* --- outputs --- */

static void step_live(struct core *c, struct live *l, ns_t now)
{
	struct turn t = live_turn(c, l, now);

	t.check_key = record_check_key(c, l->record);
	ns_t next = path_step(&l->path, &t);
	next = ns_min(next, core_birthday_consider(c, l, now));
	core_legs_are_due(c, now);
	next = MIN(next, tell_step(c, l, &t));
	if (l->path.state == PATH_IDLE) {
		/* Nobody wants it: keep the key and the window as long as somebody may still ask. */
		next = l->used_at + PATH_WANTED_FOR;
		if (next <= now) {
			live_free(c, l->record);
			return;
		}
	}
	heap_set(&c->heap, &l->due, next);
}

bool core_output(struct core *c, ns_t now, ns_t real, struct core_out *ret_out)
{
	struct heap_node *top;

	c->self.real = real;
	while (!c->queue.n) {
		top = heap_top(&c->heap);
		if (!top || top->at > now)
			return false;
		if (top == &c->legs_due)
			step_legs(c, now);
		else if (top == &c->nat.due)
			core_nat_step(c, now);
		else if (top == &c->birthday.due)
			core_birthday_step(c, now);
		else
			step_live(c, CONTAINER_OF(top, struct live, due), now);
	}
	return queue_pop(&c->queue, ret_out);
}

ns_t core_next(const struct core *c)
{
	return c->queue.n ? 0 : heap_next(&c->heap);
}

/* --- what is so --- */

bool core_view(const struct core *c, const uint8_t key[static 32], struct core_view *ret_view)
{
	const struct record *rec = record_by_key(c, key);
	struct core_view v = {.state = PATH_IDLE, .not_direct = PATH_NOT_UNUSED};

	if (!rec)
		return false;
	if (rec->live) {
		const struct pair *chosen = path_chosen(&rec->live->path);

		v.state = rec->live->path.state;
		v.not_direct = core_not_direct(c, rec->live, &v.addresses);
		v.guesses_at = rec->luck.next_at;
		if (chosen) {
			v.type = chosen->type;
			v.way = chosen->way;
			v.rtt = chosen->rtt;
			v.mtu = path_mtu(&rec->live->path, c->mtu);
			v.since = rec->live->path.since;
			v.proved = chosen->last_ok || chosen->last_heard || rec->live->path.last_proof;
			legs_name(&c->legs, &chosen->way, v.relay);
		}
	}
	*ret_view = v;
	return true;
}

void core_each_used(const struct core *c, void (*each)(void *ctx, const uint8_t key[static 32]), void *ctx)
{
	LIST_FOREACH (l, &c->live, struct live, all)
		each(ctx, l->record->member.key);
}

const struct pair *core_pairs(
	const struct core *c, const uint8_t key[static 32], size_t *ret_n, const struct pair **ret_chosen)
{
	const struct record *rec = record_by_key(c, key);

	*ret_n = 0;
	*ret_chosen = NULL;
	if (!rec || !rec->live)
		return NULL;
	*ret_n = rec->live->path.n_pairs;
	*ret_chosen = path_chosen(&rec->live->path);
	return rec->live->path.pairs;
}

void core_relay_of(const struct core *c, const struct way_to *way, char ret_id[static NODE_ID_LEN + 1])
{
	legs_name(&c->legs, way, ret_id);
}

const struct candidates *core_mine(const struct core *c)
{
	return &c->mine;
}

size_t core_registered(const struct core *c, ns_t now, struct endpoint ret_eps[static CORE_REGISTERED_MAX])
{
	return legs_endpoints(&c->legs, now, ret_eps);
}

size_t core_stream_question(
	struct core *c, const char *relay, ns_t now, ns_t real, uint8_t *out, size_t out_len)
{
	c->self.real = real;
	return legs_stream_question(&c->legs, &c->self, relay, now, out, out_len);
}

bool core_stream_answered(const struct core *c, const char *relay, const uint8_t *p, size_t n)
{
	char sender[NODE_ID_LEN + 1];
	struct stun_msg m;

	return stun_open(&c->self, p, n, &m, sender) == TM_OK && strcmp(sender, relay) == 0 &&
	       legs_stream_answered(&c->legs, relay, &m, p, n);
}

uint64_t core_refused(const struct core *c)
{
	return c->refused;
}

/* --- life --- */

int core_new(const struct core_config *cfg, const struct core_ops *ops, struct core **ret_core)
{
	struct core *c = calloc(1, sizeof(*c));

	if (!c)
		return TM_ENOMEM;
	c->ops = *ops;
	c->port = cfg->port;
	c->self_host = cfg->self_host;
	c->mtu = cfg->mtu;
	c->net4 = cfg->net4;
	c->net6 = cfg->net6;
	c->self = (struct stun_self){.random = ops->random, .random_ctx = ops->ctx};
	snprintf(c->self.id, sizeof(c->self.id), "%s", cfg->self_id);
	list_init(&c->live);
	legs_init(&c->legs);
	core_nat_init(c);
	int err = map_new(32, &c->by_key);
	if (!err)
		err = heap_reserve(&c->heap, 3);
	if (!err)
		err = dh_key_new(cfg->private_key, &c->key);
	if (err) {
		core_free(c);
		return err;
	}
	*ret_core = c;
	return TM_OK;
}

void core_free(struct core *c)
{
	struct record *rec;

	if (!c)
		return;
	for (size_t i = 0; c->by_key && (rec = map_next(c->by_key, &i));) {
		live_free(c, rec);
		wipe(rec, sizeof(*rec));
		free(rec);
	}
	map_free(c->by_key);
	legs_deinit(&c->legs);
	heap_deinit(&c->heap);
	dh_key_free(c->key);
	aead_free(c->aead);
	wipe(c, sizeof(*c));
	free(c);
}
