/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What happens by time alone: ephemeral members that stayed away are removed, links that never said who they
 * are or do not take their map get closed, and last_seen is stored for all that changed, in one transaction.
 */
#include "control/coord/coord_private.h"

#include <string.h>

void tick_member_offline(struct coord *c, struct member *m)
{
	if (!m->s.ephemeral)
		return;

	m->expires_at = time_monotonic() + c->tuning.ephemeral_after;
	list_remove(&m->in_expiry);
	list_push_back(&c->expiry, &m->in_expiry); /* all wait equally long: the list is in order */
}

void tick_member_seen(struct coord *c, struct member *m)
{
	m->s.last_seen = c->tuning.unix_now();
	list_remove(&m->in_touched);
	list_push_back(&c->touched, &m->in_touched);
}

static void remove_expired(struct coord *c, ns_t now)
{
	const struct asker nobody = {0};

	while (!list_empty(&c->expiry)) {
		struct member *m = CONTAINER_OF(c->expiry.next, struct member, in_expiry);

		if (m->expires_at > now)
			return;
		/* If the job fails the member is tried again one period later. */
		tick_member_offline(c, m);
		nodes_remove_member(c, &nobody, m, "this ephemeral node was away for too long");
	}
}

static void close_silent(struct coord *c, ns_t now)
{
	LIST_FOREACH_SAFE (n, &c->fresh, struct conn, in_fresh) {
		if (now - n->opened <= c->tuning.first_message)
			return;
		if (n->state == CONN_NEW)
			conn_shut(n, "no hello");
	}
}

/* What one member's row becomes. */
struct touch {
	char id[NODE_ID_LEN + 1];
	char os[STORE_TEXT_MAX + 1], version[STORE_TEXT_MAX + 1];
	int64_t last_seen;
};

struct touches {
	struct touch *v;
	size_t n;
};

struct touch_job {
	struct job job;
	struct touches all;
};

static int touches_store(struct store *s, void *ctx)
{
	const struct touches *t = ctx;

	for (size_t i = 0; i < t->n; i++) {
		int err = store_node_touch(s, t->v[i].id, t->v[i].os, t->v[i].version, t->v[i].last_seen);
		if (err)
			return err;
	}
	return TM_OK;
}

static int touch_body(struct store *s, struct job *j)
{
	return touches_store(s, &CONTAINER_OF(j, struct touch_job, job)->all);
}

static void touch_done(struct coord *c, struct job *j, int err)
{
	const struct touches *t = &CONTAINER_OF(j, struct touch_job, job)->all;

	c->touching = false;
	if (err && !c->touch_failed)
		log_warn("coord: when nodes were last seen is not stored, trying again", KV_ERR(err));
	c->touch_failed = err != TM_OK;
	if (!err)
		return;

	for (size_t i = 0; i < t->n; i++) {
		struct member *m = registry_by_id(c->reg, t->v[i].id);

		if (m && list_empty(&m->in_touched))
			list_push_back(&c->touched, &m->in_touched);
	}
}

static void touch_deinit(struct job *j)
{
	free(CONTAINER_OF(j, struct touch_job, job)->all.v);
}

static const struct job_kind touch_kind = {sizeof(struct touch_job), touch_body, touch_done, touch_deinit};

/* Moves the touched members into an array. */
static int take_touched(struct coord *c, struct touches *ret_all)
{
	size_t n = 0;
	struct list *l;

	LIST_FOREACH (m, &c->touched, struct member, in_touched)
		n++;
	struct touch *all = calloc(n + 1, sizeof(*all));
	if (!all)
		return TM_ENOMEM;

	*ret_all = (struct touches){all, n};
	for (n = 0; (l = list_pop_front(&c->touched)); n++) {
		const struct member *m = CONTAINER_OF(l, struct member, in_touched);

		memcpy(all[n].id, m->s.rec.id, sizeof(all[n].id));
		memcpy(all[n].os, m->s.os, sizeof(all[n].os));
		memcpy(all[n].version, m->s.version, sizeof(all[n].version));
		all[n].last_seen = m->s.last_seen;
	}
	return TM_OK;
}

static void store_touched(struct coord *c)
{
	const struct asker nobody = {0};

	if (list_empty(&c->touched) || c->touching)
		return;

	struct touch_job *t = job_start(c, &nobody, &touch_kind);
	if (!t)
		return;

	c->touching = true;
	int err = take_touched(c, &t->all);
	if (err)
		job_fail(&t->job, err);
	else
		job_submit(&t->job);
}

void tick_store_rest(struct coord *c)
{
	struct touches all = {0};

	LIST_FOREACH (n, &c->conns, struct conn, in_conns)
		if (n->member)
			tick_member_seen(c, n->member);
	if (list_empty(&c->touched))
		return;

	if (take_touched(c, &all) != TM_OK || store_transaction(c->store, touches_store, &all) != TM_OK)
		log_warn("coord: when nodes were last seen is not stored");
	free(all.v);
}

void tick_run(struct coord *c)
{
	ns_t now = time_monotonic();

	remove_expired(c, now);
	close_silent(c, now);
	watch_expire(c, now);
	twin_expire(c, now);
	relays_expire(c, now);
	push_expire(c, now);
	reports_expire(c, now);
	if (now >= c->next_touch) {
		c->next_touch = now + c->tuning.touch_every;
		store_touched(c);
	}
}
