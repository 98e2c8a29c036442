/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Who asked for whose candidates lately. A watch lasts watch_for from the last question; all of them are in
 * one list, in the order of their end, because they all last equally long.
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
	list_push_back(&asker->watching, &w->in_asker);
	list_push_back(&target->watchers, &w->in_target);
	return w;
}

void watch_add(struct coord *c, struct member *asker, struct member *target)
{
	struct watch_key key = watch_key(asker, target);
	struct watch *w = map_get(c->watches, &key);

	if (!w)
		w = watch_new(c, asker, target);
	if (!w)
		return; /* out of memory: it has its answer, it only misses later changes */

	w->until = time_monotonic() + c->tuning.watch_for;
	list_remove(&w->in_order);
	list_push_back(&c->watch_order, &w->in_order);
}

/* NULL when out of memory: who asked asks again. */
static struct clink_text *candidates_text(const struct member *about)
{
	struct clink_text *t;
	struct msg_candidates m = {.candidates.n = about->n_candidates, .online = about->conn != NULL};
	struct jsonout o = {0};

	memcpy(m.node, about->s.rec.id, sizeof(m.node));
	for (size_t i = 0; i < about->n_candidates; i++)
		m.candidates.v[i] = about->candidates[i];
	msg_candidates_put(&o, &m);
	return conn_text(&o, &t) == TM_OK ? t : NULL;
}

void watch_send_candidates(struct member *to, const struct member *about)
{
	_cleanup_(clink_text_unrefp) struct clink_text *t = to->conn ? candidates_text(about) : NULL;

	if (t)
		conn_send_text(to->conn, t);
}

void watch_tell(struct coord *c, struct member *target)
{
	watch_expire(c, time_monotonic());
	if (list_empty(&target->watchers))
		return;

	/* One text for all: the node that moves may be one that a thousand look for. */
	_cleanup_(clink_text_unrefp) struct clink_text *t = candidates_text(target);
	if (!t)
		return;

	LIST_FOREACH_SAFE (w, &target->watchers, struct watch, in_target)
		if (w->asker->conn)
			conn_send_text(w->asker->conn, t);
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
	LIST_FOREACH_SAFE (w, &m->watchers, struct watch, in_target)
		watch_free(c, w);
	LIST_FOREACH_SAFE (w, &m->watching, struct watch, in_asker)
		watch_free(c, w);
}
