/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What happens by time alone: ephemeral members that stayed away are removed, links that never said who they
 * are get closed, and last_seen is stored for all that changed, in one transaction.
 */
#include "base/log.h"
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

static void expiry_answered(void *ctx, json_t *reply_take)
{
	(void)ctx;
	json_decref(reply_take);
}

static void remove_expired(struct coord *c, ns_t now)
{
	const struct asker nobody = {.reply = expiry_answered};

	while (!list_empty(&c->expiry)) {
		struct member *m = CONTAINER_OF(c->expiry.next, struct member, in_expiry);

		if (m->expires_at > now)
			return;
		/* If the job fails the member is tried again one period later. */
		tick_member_offline(c, m);
		nodes_remove(c, &nobody, m, "this ephemeral node was away for too long");
	}
}

static void close_silent(struct coord *c, ns_t now)
{
	LIST_FOREACH_SAFE (n, &c->conns, struct conn, in_conns)
		if (n->state == CONN_NEW && now - n->opened > c->tuning.first_message)
			conn_shut(n, "no hello");
}

/* What one member's row becomes. */
struct touch {
	char id[NODE_ID_LEN + 1];
	char os[STORE_TEXT_MAX + 1], version[STORE_TEXT_MAX + 1];
	int64_t last_seen;
};

static int touch_body(struct store *s, struct job *j)
{
	const struct touch *t = j->more;

	for (size_t i = 0; i < j->n_more; i++) {
		int err = store_node_touch(s, t[i].id, t[i].os, t[i].version, t[i].last_seen);
		if (err)
			return err;
	}
	return TM_OK;
}

static void touch_done(struct coord *c, struct job *j, int err)
{
	const struct touch *t = j->more;

	c->touching = false;
	if (!err)
		return;

	log_warn("coord: when nodes were last seen is not stored, trying again", KV_ERR(err));
	for (size_t i = 0; i < j->n_more; i++) {
		struct member *m = registry_by_id(c->reg, t[i].id);

		if (m && list_empty(&m->in_touched))
			list_push_back(&c->touched, &m->in_touched);
	}
}

/* Moves the touched members into an array. */
static struct touch *take_touched(struct coord *c, size_t *ret_n)
{
	size_t n = 0;
	struct list *l;

	LIST_FOREACH (m, &c->touched, struct member, in_touched)
		n++;
	struct touch *all = calloc(n + 1, sizeof(*all));
	if (!all)
		return NULL;

	*ret_n = n;
	for (n = 0; (l = list_pop_front(&c->touched)); n++) {
		const struct member *m = CONTAINER_OF(l, struct member, in_touched);

		memcpy(all[n].id, m->s.rec.id, sizeof(all[n].id));
		memcpy(all[n].os, m->s.os, sizeof(all[n].os));
		memcpy(all[n].version, m->s.version, sizeof(all[n].version));
		all[n].last_seen = m->s.last_seen;
	}
	return all;
}

static void store_touched(struct coord *c)
{
	const struct asker nobody = {.reply = expiry_answered};
	struct job *j;

	if (list_empty(&c->touched) || c->touching ||
		job_new(c, &nobody, touch_body, touch_done, &j) != TM_OK)
		return;

	c->touching = true;
	j->more = take_touched(c, &j->n_more);
	if (j->more)
		job_submit(j);
	else
		job_fail(j, TM_ENOMEM);
}

static int touch_rest(struct store *s, void *ctx)
{
	struct job *j = ctx;

	return touch_body(s, j);
}

void tick_store_rest(struct coord *c)
{
	struct job j = {.c = c};

	LIST_FOREACH (n, &c->conns, struct conn, in_conns)
		if (n->member)
			tick_member_seen(c, n->member);
	if (list_empty(&c->touched))
		return;

	j.more = take_touched(c, &j.n_more);
	if (!j.more || store_transaction(c->store, touch_rest, &j) != TM_OK)
		log_warn("coord: when nodes were last seen is not stored");
	free(j.more);
}

void tick_run(struct coord *c)
{
	ns_t now = time_monotonic();

	remove_expired(c, now);
	close_silent(c, now);
	watch_expire(c, now);
	if (now >= c->next_touch) {
		c->next_touch = now + c->tuning.touch_every;
		store_touched(c);
	}
}
