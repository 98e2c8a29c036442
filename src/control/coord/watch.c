/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Who asked for whose candidates lately. A watch lasts watch_for from the last question; all of them are in
 * one list, in the order of their end, because they all last equally long.
 *
 * One node's change is told to all who look for it: what it costs is their number, so that changes are told
 * the less often the more these are. The first is told at once.
 */
#include "control/coord/coord_private.h"
#include "control/link/clink.h"

#include <string.h>

struct watch_key {
	char asker[NODE_ID_LEN], target[NODE_ID_LEN];
};

struct watch {
	struct watch_key key;
	struct member *asker, *target;
	ns_t until;
	ns_t announced; /* when the target heard of the asker last; 0 = it has not */
	struct list in_order, in_asker, in_target;
};

static struct watch_key watch_key(const struct member *asker, const struct member *target)
{
	struct watch_key k;

	memcpy(k.asker, asker->s.rec.id, NODE_ID_LEN);
	memcpy(k.target, target->s.rec.id, NODE_ID_LEN);
	return k;
}

static void watch_free(struct coord *c, struct watch *w)
{
	map_remove(c->watches, &w->key);
	list_remove(&w->in_order);
	list_remove(&w->in_asker);
	list_remove(&w->in_target);
	w->asker->n_watching--;
	w->target->n_watchers--;
	free(w);
}

static struct watch *watch_new(struct coord *c, struct member *asker, struct member *target)
{
	struct watch *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;

	w->key = watch_key(asker, target);
	w->asker = asker;
	w->target = target;
	list_init(&w->in_order);
	if (map_put(c->watches, &w->key, w)) {
		free(w);
		return NULL;
	}
	list_init(&w->in_asker);
	list_push_back(&target->watchers, &w->in_target);
	asker->n_watching++;
	target->n_watchers++;
	return w;
}

/* A watch that lasts from now on; NULL when out of memory. */
static struct watch *watch_renew(struct coord *c, struct member *asker, struct member *target, ns_t now)
{
	struct watch_key key = watch_key(asker, target);
	struct watch *w = map_get(c->watches, &key);

	if (!w && asker->n_watching >= c->tuning.watching_max)
		watch_free(c, CONTAINER_OF(asker->watching.next, struct watch, in_asker));
	if (!w)
		w = watch_new(c, asker, target);
	if (!w)
		return NULL;

	w->until = now + c->tuning.watch_for;
	list_remove(&w->in_order);
	list_push_back(&c->watch_order, &w->in_order);
	list_remove(&w->in_asker);
	list_push_back(&asker->watching, &w->in_asker);
	return w;
}

/* What it cannot say of itself, if it lies: where a link of its comes from, and where it has shown to our
 * relay that it receives. */
static void add_seen(struct candidates *to, const struct member *about)
{
	if (about->conn)
		to->seen[to->n_seen++] = about->seen_at;
	if (about->leg_at.family != IP_NONE && !(to->n_seen && ip_eq(&about->leg_at, &to->seen[0])))
		to->seen[to->n_seen++] = about->leg_at;
}

/* NULL when out of memory: who asked asks again. */
static struct clink_text *candidates_text(const struct member *about, bool looks)
{
	struct clink_text *t;
	struct msg_candidates m = {.candidates = {.n = about->n_candidates, .nat = about->nat},
		.online = about->conn != NULL,
		.looks = looks};
	struct jsonout o = {0};

	memcpy(m.node, about->s.rec.id, sizeof(m.node));
	for (size_t i = 0; i < about->n_candidates; i++)
		m.candidates.v[i] = about->candidates[i];
	add_seen(&m.candidates, about);
	msg_candidates_put(&o, &m);
	return conn_text(&o, &t) == TM_OK ? t : NULL;
}

/* looks: that one looks for `to` now. */
static void send_candidates(struct member *to, const struct member *about, bool looks)
{
	_cleanup_(clink_text_unrefp) struct clink_text *t = to->conn ? candidates_text(about, looks) : NULL;

	if (t)
		conn_send_text(to->conn, t);
}

void watch_add(struct coord *c, struct member *asker, struct member *target)
{
	ns_t now = time_monotonic();
	struct watch *w = watch_renew(c, asker, target, now);
	bool announce = !w || !w->announced || now - w->announced >= c->tuning.announce_gap;

	/* Without a watch it has its answer all the same, it only misses later changes. */
	if (w && announce)
		w->announced = now;
	send_candidates(asker, target, false);
	if (announce)
		send_candidates(target, asker, true);
}

/* --- changes --- */

static ns_t tell_gap(const struct coord *c, const struct member *target)
{
	return ns_max(c->tuning.watch_gap, (ns_t)target->n_watchers * SEC / c->tuning.watch_rate);
}

static void tell_watchers(struct member *target, ns_t now)
{
	list_remove(&target->in_telling);
	if (list_empty(&target->watchers))
		return;

	/* One text for all: the node that moves may be one that a thousand look for. */
	_cleanup_(clink_text_unrefp) struct clink_text *t = candidates_text(target, false);
	if (!t)
		return;

	target->told_at = now;
	LIST_FOREACH_SAFE (w, &target->watchers, struct watch, in_target)
		if (w->asker->conn)
			conn_send_text(w->asker->conn, t);
}

static void on_tell(void *ctx)
{
	struct coord *c = ctx;
	ns_t now = time_monotonic();

	watch_expire(c, now);
	LIST_FOREACH_SAFE (m, &c->telling, struct member, in_telling)
		if (now - m->told_at >= tell_gap(c, m))
			tell_watchers(m, now);
	if (!list_empty(&c->telling))
		loop_timer_in(c->tell_timer, c->tuning.watch_gap);
}

void watch_changed(struct coord *c, struct member *target)
{
	ns_t now = time_monotonic();

	watch_expire(c, now);
	if (!list_empty(&target->in_telling))
		return;
	if (!target->told_at || now - target->told_at >= tell_gap(c, target)) {
		tell_watchers(target, now);
		return;
	}
	list_push_back(&c->telling, &target->in_telling);
	if (!loop_timer_is_set(c->tell_timer))
		loop_timer_in(c->tell_timer, c->tuning.watch_gap);
}

void watch_expire(struct coord *c, ns_t now)
{
	while (!list_empty(&c->watch_order)) {
		struct watch *w = CONTAINER_OF(c->watch_order.next, struct watch, in_order);

		if (w->until > now)
			return;
		watch_free(c, w);
	}
}

void watch_forget(struct coord *c, struct member *m)
{
	list_remove(&m->in_telling);
	LIST_FOREACH_SAFE (w, &m->watchers, struct watch, in_target)
		watch_free(c, w);
	LIST_FOREACH_SAFE (w, &m->watching, struct watch, in_asker)
		watch_free(c, w);
}

int watch_init(struct coord *c)
{
	int err = map_new(2 * NODE_ID_LEN, &c->watches);

	return err ? err : loop_timer_new(c->base, on_tell, c, &c->tell_timer);
}

void watch_deinit(struct coord *c)
{
	loop_timer_free(c->tell_timer);
	map_free(c->watches);
}
