/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Telling links about the map. A round gives each link that is behind one message for all that has happened
 * since the last, in slices, so that hellos, administration and handshakes get in between. A few changes are
 * told at once; a storm of them may take half of the time, and costs links x (time / round) messages and not
 * links x changes.
 *
 * Snapshots are large and are not sent in rounds: who needs one waits until the snapshots that still lie in
 * queues of links are few enough together, so that a thousand slow receivers cannot fill the memory. Who does
 * not take its snapshot in time loses its link, so that slow receivers cannot keep the others waiting either.
 */
#include "control/coord/coord_private.h"
#include "control/link/clink.h"

/* One message. */
static int tell(struct coord *c, struct conn *n)
{
	struct clink_text *text;
	uint64_t version;

	int err = view_get(c, n->known, &text, &version);
	if (!err)
		err = conn_send_text(n, text);
	if (err == TM_ECLOSED)
		return err; /* it has gone meanwhile */
	if (err) {
		LOG_LIMITED(LOG_WARN, &c->log.behind, log_who(n->key, sizeof(n->key)),
			"coord: a node misses a change until it reconnects",
			KV("node", n->member ? n->member->s.rec.name : "-"), KV_ERR(err));
		return err;
	}
	n->known = version;
	return TM_OK;
}

static bool is_current(const struct coord *c, const struct conn *n)
{
	return n->known == registry_version(c->reg);
}

static void put_in(struct list *l, struct conn *n)
{
	list_remove(&n->in_push);
	list_push_back(l, &n->in_push);
}

/* --- snapshots --- */

static void release(struct conn *n)
{
	n->c->push.charged -= n->charged;
	n->charged = 0;
	list_remove(&n->in_charged);
}

static void charge(struct conn *n, size_t bytes)
{
	struct coord *c = n->c;

	release(n); /* of an earlier snapshot, which is part of these bytes */
	n->charged = bytes;
	n->charged_until = time_monotonic() + c->tuning.snapshot_grace +
			   (ns_t)bytes * SEC / (ns_t)c->tuning.snapshot_rate;
	c->push.charged += bytes;
	list_push_back(&c->push.charges, &n->in_charged);
}

static void send_snapshot(struct coord *c, struct conn *n)
{
	put_in(&c->push.told, n);
	if (tell(c, n) != TM_OK)
		return;

	size_t queued = n->ops->queued(n->link);
	if (queued > CLINK_QUEUE_LOW) /* else nobody would say that it has drained */
		charge(n, queued);
	if (!is_current(c, n))
		(void)tell(c, n); /* what has changed since the snapshot was made */
}

static void serve_waiting(struct coord *c)
{
	struct list *l;

	while (c->push.charged < c->tuning.snapshot_bytes && (l = list_pop_front(&c->push.waiting)))
		send_snapshot(c, CONTAINER_OF(l, struct conn, in_push));
}

void push_drained(struct conn *n)
{
	release(n);
	serve_waiting(n->c);
}

void push_expire(struct coord *c, ns_t now)
{
	LIST_FOREACH_SAFE (n, &c->push.charges, struct conn, in_charged)
		if (n->charged_until <= now)
			conn_shut(n, "too slow to take the map");
}

/* --- rounds --- */

static void plan(struct coord *c)
{
	struct push *p = &c->push;

	if (!list_empty(&p->behind))
		loop_timer_in(p->timer, 0);
	else if (p->wanted)
		loop_timer_at(p->timer, p->not_before);
}

static void begin_round(struct push *p)
{
	struct list *l;

	p->wanted = false;
	while ((l = list_pop_front(&p->told)))
		list_push_back(&p->behind, l);
}

void push_account(struct coord *c, ns_t start, ns_t end)
{
	struct push *p = &c->push;

	p->paid_at = ns_max(p->paid_at, start) + 2 * (end - start);
	p->not_before = ns_max(end + c->tuning.push_gap, p->paid_at - c->tuning.push_debt);
}

static void run_slice(void *ctx)
{
	struct coord *c = ctx;
	struct push *p = &c->push;
	ns_t start = time_monotonic();

	if (list_empty(&p->behind))
		begin_round(p);
	for (unsigned sent = 0; sent < c->tuning.push_slice && !list_empty(&p->behind);) {
		struct conn *n = CONTAINER_OF(p->behind.next, struct conn, in_push);

		if (registry_has(c->reg, n->known)) {
			put_in(&p->told, n);
			if (!is_current(c, n)) {
				(void)tell(c, n);
				sent++;
			}
		} else {
			put_in(&p->waiting, n);
		}
	}
	serve_waiting(c);
	push_account(c, start, time_monotonic());
	plan(c);
}

void push_soon(struct coord *c)
{
	c->push.wanted = true;
	if (!loop_timer_is_set(c->push.timer))
		plan(c);
}

void push_join(struct coord *c, struct conn *n)
{
	if (registry_has(c->reg, n->known)) {
		put_in(&c->push.told, n);
		if (!is_current(c, n))
			(void)tell(c, n);
	} else {
		put_in(&c->push.waiting, n);
		serve_waiting(c);
	}
}

void push_leave(struct conn *n)
{
	list_remove(&n->in_push);
	if (n->charged) {
		release(n);
		if (!n->c->stopping)
			push_soon(n->c); /* not from here: it may be called from within a round */
	}
}

bool push_idle(const struct coord *c)
{
	return !c->push.wanted && list_empty(&c->push.behind) && list_empty(&c->push.waiting);
}

int push_init(struct coord *c)
{
	list_init(&c->push.told);
	list_init(&c->push.behind);
	list_init(&c->push.waiting);
	list_init(&c->push.charges);
	return loop_timer_new(c->base, run_slice, c, &c->push.timer);
}

void push_deinit(struct coord *c)
{
	loop_timer_free(c->push.timer);
	views_deinit(&c->views);
}
