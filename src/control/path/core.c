/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Two sizes of peer: a record for everybody who was ever used, and its live part (path, check key, replay
 * window, deadline) while it is used.
 */
#include "control/path/core.h"

#include "base/heap.h"
#include "base/list.h"
#include "base/map.h"
#include "base/secret.h"
#include "control/path/mapping.h"
#include "control/path/mine.h"
#include "control/path/turn.h"

#include <stdio.h>
#include <string.h>

struct record {
	struct list all;
	struct core_member member;
	struct path_memory last; /* of a path that rests */
	uint64_t stamp; /* of the newest check answered before the live part was made */
	struct live *live; /* owned; NULL while nobody uses the peer */
};

struct live {
	struct record *record;
	struct list all;
	struct heap_node due;
	struct path path;
	struct stun_window window;
	uint8_t check_key[STUN_KEY];
	bool has_key;
	ns_t used_at;
};

struct core {
	/* set once */
	const uint8_t *private_key;
	struct core_ops ops;
	uint16_t port;
	struct prefix net4, net6;
	/* this node */
	struct stun_self self;
	struct ip local[CORE_ADDRESSES_MAX];
	size_t n_local;
	struct endpoint advertise[CORE_ADVERTISE_MAX];
	size_t n_advertise;
	struct mapping mapping;
	struct heap_node mapping_due;
	struct candidates mine;
	/* peers */
	struct map *by_key; /* of struct record */
	struct list records;
	struct list live;
	size_t n_live;
	struct heap heap; /* of the live ones and the mapping */
	struct queue queue;
	uint64_t refused;
};

/* --- records --- */

static int record_new(struct core *c, const struct core_member *m, struct record **ret_rec)
{
	struct record *rec = calloc(1, sizeof(*rec));

	if (!rec)
		return TM_ENOMEM;
	rec->member = *m;
	int err = map_put(c->by_key, m->key, rec);
	if (err) {
		free(rec);
		return err;
	}
	list_push_back(&c->records, &rec->all);
	*ret_rec = rec;
	return TM_OK;
}

static void live_free(struct core *c, struct record *rec)
{
	struct live *l = TAKE(rec->live);

	if (!l)
		return;
	rec->stamp = stun_window_newest(&l->window);
	rec->last = l->path.last;
	heap_remove(&c->heap, &l->due);
	list_remove(&l->all);
	c->n_live--;
	path_deinit(&l->path);
	wipe(l, sizeof(*l));
	free(l);
}

static void record_free(struct core *c, struct record *rec)
{
	live_free(c, rec);
	map_remove(c->by_key, rec->member.key);
	list_remove(&rec->all);
	wipe(rec, sizeof(*rec));
	free(rec);
}

static struct live *live_new(struct core *c, struct record *rec, ns_t now)
{
	struct live *l;

	/* One for the mapping, which is in the heap or not. */
	if (heap_reserve(&c->heap, c->n_live + 2) != TM_OK || !(l = calloc(1, sizeof(*l))))
		return NULL;
	l->record = rec;
	l->window.floor = rec->stamp;
	path_init(&l->path, &rec->last);
	list_push_back(&c->live, &l->all);
	heap_set(&c->heap, &l->due, now);
	c->n_live++;
	rec->live = l;
	return l;
}

/* The live part of a member, made when it is not there; NULL: no memory. */
static struct live *live_of(struct core *c, const struct core_member *m, ns_t now)
{
	struct record *rec = map_get(c->by_key, m->key);

	if (!rec && record_new(c, m, &rec) != TM_OK)
		return NULL;
	struct live *l = rec->live ? rec->live : live_new(c, rec, now);
	if (l)
		l->used_at = now;
	return l;
}

static struct live *live_by_key(struct core *c, const uint8_t key[static 32], ns_t now)
{
	const struct record *rec = map_get(c->by_key, key);
	struct core_member m;

	if (rec)
		m = rec->member;
	else if (!c->ops.find(c->ops.ctx, NULL, key, &m))
		return NULL;
	return live_of(c, &m, now);
}

static struct live *live_by_id(struct core *c, const char *id, ns_t now)
{
	struct core_member m;

	return node_id_valid(id) && c->ops.find(c->ops.ctx, id, NULL, &m) ? live_of(c, &m, now) : NULL;
}

static struct live *used_by_id(struct core *c, const char *id)
{
	struct core_member m;

	if (!c->ops.find(c->ops.ctx, id, NULL, &m))
		return NULL;
	const struct record *rec = map_get(c->by_key, m.key);
	return rec ? rec->live : NULL;
}

/* Computed at first use: it costs a Diffie-Hellman. NULL: the peer's key is none. */
static const uint8_t *check_key(const struct core *c, struct live *l)
{
	if (!l->has_key)
		l->has_key = stun_pair_key(c->private_key, l->record->member.key, l->check_key) == TM_OK;
	return l->has_key ? l->check_key : NULL;
}

static struct turn turn_at(struct core *c, struct live *l, ns_t now)
{
	return (struct turn){.out = &c->queue, .self = &c->self, .peer = &l->record->member, .now = now};
}

/* --- our own candidates --- */

static void refresh_mine(struct core *c)
{
	const struct mine_in in = {
		.local = c->local,
		.n_local = c->n_local,
		.port = c->port,
		.advertise = c->advertise,
		.n_advertise = c->n_advertise,
		.reflexive = c->mapping.reflexive,
		.net4 = c->net4,
		.net6 = c->net6,
	};
	struct candidates next;

	mine_gather(&in, &next);
	if (candidates_eq(&next, &c->mine))
		return;
	c->mine = next;
	queue_push(&c->queue, CORE_TELL, WHY_CHANGED);
}

static void mapping_is_due(struct core *c)
{
	heap_set(&c->heap, &c->mapping_due, c->mapping.due);
}

static void step_mapping(struct core *c, ns_t now)
{
	uint8_t msg[CORE_MESSAGE_MAX];
	size_t n;

	if (mapping_step(&c->mapping, &c->self, now, msg, sizeof(msg), &n))
		refresh_mine(c);
	mapping_is_due(c);
	if (!n)
		return;
	struct core_out *out = queue_push(&c->queue, CORE_SEND, WHY_MAPPING);
	memcpy(out->peer.id, c->mapping.id, sizeof(out->peer.id));
	out->way.remote = c->mapping.server;
	memcpy(out->msg, msg, n);
	out->n = n;
}

/* --- inputs --- */

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
	refresh_mine(c);
	mapping_restart(&c->mapping, now);
	mapping_is_due(c);
	/* Each starts over in its own step, so that the outputs of thousands need no room at once. */
	LIST_FOREACH (l, &c->live, struct live, all) {
		path_restart(&l->path);
		step_soon(c, l, now);
	}
}

static void on_advertise(struct core *c, const struct core_in *in, ns_t now)
{
	(void)now;
	c->n_advertise = MIN(in->advertise.n, (size_t)CORE_ADVERTISE_MAX);
	if (c->n_advertise)
		memcpy(c->advertise, in->advertise.v, c->n_advertise * sizeof(c->advertise[0]));
	refresh_mine(c);
}

/* What we sent there would come out of the tunnel again. */
static bool is_in_mesh(const struct core *c, const struct endpoint *ep)
{
	return prefix_contains(&c->net4, &ep->ip) || prefix_contains(&c->net6, &ep->ip);
}

static void on_server(struct core *c, const struct core_in *in, ns_t now)
{
	if (is_in_mesh(c, &in->server.ep))
		return;
	/* A key that is none: there is nothing to ask. */
	if (mapping_set_server(&c->mapping, in->id, &in->server.ep, c->private_key, in->key,
		    in->server.spread, c->ops.random(c->ops.ctx), now) == TM_OK)
		mapping_is_due(c);
}

static void on_want(struct core *c, const struct core_in *in, ns_t now)
{
	struct live *l = live_by_key(c, in->key, now);

	if (!l)
		return;
	struct turn t = turn_at(c, l, now);
	path_want(&l->path, &t);
	step_soon(c, l, now);
}

static void on_heard(struct core *c, const struct core_in *in, ns_t now)
{
	struct live *l;

	if (!endpoint_is_set(&in->by.remote) || is_in_mesh(c, &in->by.remote) ||
		!(l = live_by_key(c, in->key, now)))
		return;
	struct turn t = turn_at(c, l, now);
	path_heard(&l->path, &in->by, &t);
	step_soon(c, l, now);
}

static void on_candidates(struct core *c, const struct core_in *in, ns_t now)
{
	struct live *l = live_by_id(c, in->id, now);
	struct candidates usable = {.n = 0};

	if (!l)
		return;
	for (size_t i = 0; i < in->candidates->n; i++)
		if (candidate_usable(&in->candidates->v[i].ep, &c->net4, &c->net6))
			usable.v[usable.n++] = in->candidates->v[i];
	struct turn t = turn_at(c, l, now);
	path_candidates(&l->path, &usable, &t);
	step_soon(c, l, now);
}

static void on_activity(struct core *c, const struct core_in *in, ns_t now)
{
	const struct record *rec = map_get(c->by_key, in->key);

	if (!rec || !rec->live)
		return;
	struct turn t = turn_at(c, rec->live, now);
	path_activity(&rec->live->path, in->activity.last_recv, in->activity.tx_bytes, &t);
	step_soon(c, rec->live, now);
}

static void on_remove(struct core *c, const struct core_in *in, ns_t now)
{
	struct record *rec = map_get(c->by_key, in->key);

	(void)now;
	if (!rec)
		return;
	if (rec->live)
		queue_push(&c->queue, CORE_NOTE, WHY_REMOVED)->peer = rec->member;
	record_free(c, rec);
}

static void on_members(struct core *c, const struct core_in *in, ns_t now)
{
	struct core_member m;

	(void)in, (void)now;
	LIST_FOREACH_SAFE (rec, &c->records, struct record, all)
		if (!c->ops.find(c->ops.ctx, NULL, rec->member.key, &m))
			record_free(c, rec);
}

/* --- STUN --- */

static bool mapping_taken(
	struct core *c, const struct core_in *in, const char *sender, const struct stun_msg *m, ns_t now)
{
	if (!mapping_asked(&c->mapping, sender, m, &in->stun.by.remote) ||
		stun_verify(in->stun.msg, in->stun.n, m, c->mapping.key) != TM_OK)
		return false;
	if (mapping_answered(&c->mapping, &m->mapped, c->ops.random(c->ops.ctx), now))
		refresh_mine(c);
	mapping_is_due(c);
	return true;
}

static void answer(struct core *c, struct live *l, const struct stun_msg *req, const struct way_to *a)
{
	struct core_out *out = queue_push(&c->queue, CORE_SEND, WHY_ANSWER);

	out->peer = l->record->member;
	out->way = *a;
	out->n = stun_answer(
		&c->self, out->peer.id, l->check_key, req, &a->remote, out->msg, sizeof(out->msg));
}

static bool request_taken(
	struct core *c, struct live *l, const struct core_in *in, const struct stun_msg *m, ns_t now)
{
	const struct way_to *a = &in->stun.by;
	struct turn t = turn_at(c, l, now);

	if (m->n_unknown || !stun_window_accept(&l->window, stun_stamp(m)))
		return false;
	answer(c, l, m, a);
	if (m->priority && candidate_usable(&a->remote, &c->net4, &c->net6)) {
		/* A peer that kept a session which we lost in a restart sends into the void. */
		if (l->path.state == PATH_UP)
			turn_emit(&t, CORE_WAKE, WHY_ANSWER, NULL);
		path_check_received(&l->path, a, &t);
	}
	return true;
}

static bool stun_taken(struct core *c, const struct core_in *in, ns_t now)
{
	char sender[NODE_ID_LEN + 1];
	struct stun_msg m;

	if (stun_open(&c->self, in->stun.msg, in->stun.n, &m, sender) != TM_OK)
		return false;
	if (mapping_taken(c, in, sender, &m, now))
		return true;

	/* Whom we never asked has nothing to answer. */
	struct live *l = m.class == STUN_REQUEST ? live_by_id(c, sender, now) : used_by_id(c, sender);
	if (!l)
		return false;
	const uint8_t *key = check_key(c, l);
	if (!key || stun_verify(in->stun.msg, in->stun.n, &m, key) != TM_OK)
		return false;

	step_soon(c, l, now);
	if (m.class == STUN_REQUEST)
		return request_taken(c, l, in, &m, now);
	/* An answer to nothing that we asked, or a second one, changes nothing. */
	struct turn t = turn_at(c, l, now);
	return path_check_answered(&l->path, stun_stamp(&m), &in->stun.by, &t);
}

static void on_stun(struct core *c, const struct core_in *in, ns_t now)
{
	c->refused += !stun_taken(c, in, now);
}

void core_input(struct core *c, const struct core_in *in, ns_t now)
{
	static void (*const rows[CORE_IN_N])(struct core *, const struct core_in *, ns_t) = {
		[CORE_NETWORK] = on_network,
		[CORE_ADVERTISE] = on_advertise,
		[CORE_SERVER] = on_server,
		[CORE_WANT] = on_want,
		[CORE_HEARD] = on_heard,
		[CORE_CANDIDATES] = on_candidates,
		[CORE_STUN] = on_stun,
		[CORE_ACTIVITY] = on_activity,
		[CORE_REMOVE] = on_remove,
		[CORE_MEMBERS] = on_members,
	};

	rows[in->kind](c, in, now);
}

/* --- outputs --- */

static void step_live(struct core *c, struct live *l, ns_t now)
{
	struct turn t = turn_at(c, l, now);

	t.check_key = check_key(c, l);
	ns_t next = path_step(&l->path, &t);
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
		if (top == &c->mapping_due)
			step_mapping(c, now);
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
	const struct record *rec = map_get(c->by_key, key);
	struct core_view v = {.state = PATH_IDLE};

	if (!rec)
		return false;
	if (rec->live) {
		const struct pair *chosen = path_chosen(&rec->live->path);

		v.state = rec->live->path.state;
		if (chosen) {
			v.type = chosen->type;
			v.way = chosen->way;
			v.rtt = chosen->rtt;
		}
	}
	*ret_view = v;
	return true;
}

const struct candidates *core_mine(const struct core *c)
{
	return &c->mine;
}

uint64_t core_refused(const struct core *c)
{
	return c->refused;
}

uint64_t core_stamp(const struct core *c, const uint8_t key[static 32])
{
	const struct record *rec = map_get(c->by_key, key);

	if (!rec)
		return 0;
	return rec->live ? stun_window_newest(&rec->live->window) : rec->stamp;
}

void core_seed_stamp(struct core *c, const uint8_t key[static 32], uint64_t stamp)
{
	struct record *rec = map_get(c->by_key, key);
	struct core_member m;

	if (!stamp || (!rec && (!c->ops.find(c->ops.ctx, NULL, key, &m) || record_new(c, &m, &rec) != TM_OK)))
		return;
	if (!rec->live)
		rec->stamp = MAX(rec->stamp, stamp);
	else if (!stun_window_newest(&rec->live->window))
		rec->live->window.floor = stamp;
}

/* --- life --- */

int core_new(const struct core_config *cfg, const struct core_ops *ops, struct core **ret_core)
{
	struct core *c = calloc(1, sizeof(*c));

	if (!c)
		return TM_ENOMEM;
	c->private_key = cfg->private_key;
	c->ops = *ops;
	c->port = cfg->port;
	c->net4 = cfg->net4;
	c->net6 = cfg->net6;
	c->self = (struct stun_self){.random = ops->random, .random_ctx = ops->ctx};
	snprintf(c->self.id, sizeof(c->self.id), "%s", cfg->self_id);
	list_init(&c->records);
	list_init(&c->live);
	mapping_init(&c->mapping);
	int err = map_new(32, &c->by_key);
	if (!err)
		err = heap_reserve(&c->heap, 1);
	if (err) {
		core_free(c);
		return err;
	}
	*ret_core = c;
	return TM_OK;
}

void core_free(struct core *c)
{
	if (!c)
		return;
	LIST_FOREACH_SAFE (rec, &c->records, struct record, all)
		record_free(c, rec);
	map_free(c->by_key);
	heap_deinit(&c->heap);
	wipe(c, sizeof(*c));
	free(c);
}
