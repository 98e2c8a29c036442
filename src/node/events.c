/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "node/events.h"

#include "base/spin.h"
#include "loop/timer.h"
#include "wire/msg/msg.h"

#include <stdio.h>
#include <string.h>

#define LOOK_EVERY (1 * SEC) /* for what other threads have to say, while somebody follows */

struct slot {
	struct event x;
	bool own; /* not the mesh's */
};

struct follower {
	struct ctl_call *call;
	struct events_query q;
	ns_t until;
};

struct events {
	struct loop_timer *look; /* set while somebody follows */
	struct follower followers[EVENTS_FOLLOWERS];
	size_t n_followers;
	struct spin lock; /* for the rest */
	uint64_t last; /* how many there have been */
	struct slot ring[EVENTS_KEPT]; /* that with number n is at (n - 1) % EVENTS_KEPT */
};

static void put(struct events *e, const struct event *x, bool own)
{
	spin_lock(&e->lock);
	struct slot *s = &e->ring[e->last++ % EVENTS_KEPT];

	s->x = *x;
	s->own = own;
	if (own)
		s->x.number = e->last;
	spin_unlock(&e->lock);
}

static bool get(struct events *e, uint64_t number, struct slot *ret_slot)
{
	spin_lock(&e->lock);
	const bool there = number <= e->last && number + EVENTS_KEPT > e->last;

	if (there)
		*ret_slot = e->ring[(number - 1) % EVENTS_KEPT];
	spin_unlock(&e->lock);
	return there;
}

static uint64_t last_of(struct events *e)
{
	spin_lock(&e->lock);
	const uint64_t last = e->last;

	spin_unlock(&e->lock);
	return last;
}

static void show(struct events *e, const struct events_query *q, struct ctl_call *call)
{
	const uint64_t last = last_of(e), after = (uint64_t)q->after;
	struct jsonout o = {0};
	struct slot s;

	jsonout_object(&o, NULL);
	jsonout_bool(&o, "ok", true);
	jsonout_list(&o, "events");
	for (uint64_t n = last > EVENTS_KEPT ? last - EVENTS_KEPT + 1 : 1; n <= last; n++)
		if (n > after && get(e, n, &s) && s.x.at >= q->since)
			event_put(&o, &s.x, s.own);
	jsonout_list_end(&o);
	jsonout_int(&o, "last", (int64_t)last);
	jsonout_bool(&o, "mesh", q->mesh);
	jsonout_object_end(&o);
	ctl_reply_text(call, jsonout_take(&o, NULL));
}

/* Those for whom there is something, whose patience is over, or who have gone. An answer may bring about the
 * next event: they are taken out first. */
static void answer_followers(struct events *e, bool all)
{
	const uint64_t last = last_of(e);
	struct follower due[EVENTS_FOLLOWERS];
	const ns_t now = time_monotonic();
	size_t n = 0, kept = 0;

	for (size_t i = 0; i < e->n_followers; i++) {
		const struct follower *f = &e->followers[i];

		if (all || (uint64_t)f->q.after < last || now >= f->until || !ctl_waits(f->call))
			due[n++] = *f;
		else
			e->followers[kept++] = *f;
	}
	e->n_followers = kept;
	for (size_t i = 0; i < n; i++)
		show(e, &due[i].q, due[i].call);
	if (e->n_followers)
		loop_timer_in(e->look, LOOK_EVERY);
	else
		loop_timer_stop(e->look);
}

static void on_look(void *ctx)
{
	answer_followers(ctx, false);
}

int events_new(struct event_base *base, struct events **ret_events)
{
	struct events *e = calloc(1, sizeof(*e));

	if (!e)
		return TM_ENOMEM;
	int err = loop_timer_new(base, on_look, e, &e->look);
	if (err) {
		free(e);
		return err;
	}
	*ret_events = e;
	return TM_OK;
}

void events_free(struct events *e)
{
	if (!e)
		return;
	answer_followers(e, true);
	loop_timer_free(e->look);
	free(e);
}

void events_add(struct events *e, const struct event *x)
{
	struct event now = *x;

	if (!e)
		return;
	now.at = (int64_t)(time_real() / SEC);
	put(e, &now, true);
	answer_followers(e, false);
}

void events_add_mesh(struct events *e, const struct event *x)
{
	if (!e)
		return;
	put(e, x, false);
	answer_followers(e, false);
}

void events_alarm(struct events *e, enum log_level level, const char *line)
{
	struct event x = {
		.kind = level == LOG_ERROR ? EVENT_ERROR : EVENT_WARNING, .at = (int64_t)(time_real() / SEC)};

	event_set_detail(&x, "%s", line);
	put(e, &x, true);
}

void events_ask(struct events *e, const struct events_query *q, struct ctl_call *call)
{
	const bool none = (uint64_t)q->after >= last_of(e);

	if (!q->wait || !none) {
		show(e, q, call);
		return;
	}
	if (e->n_followers == EVENTS_FOLLOWERS) {
		ctl_reply(call,
			msg_refusal(tm_err_word(TM_EFULL),
				"as many follow the events already as may at one time", "end one of them"));
		return;
	}
	const ns_t patience = q->patience ? ns_min(q->patience, EVENTS_PATIENCE) : EVENTS_PATIENCE;
	e->followers[e->n_followers++] =
		(struct follower){.call = call, .q = *q, .until = time_monotonic() + patience};
	if (!loop_timer_is_set(e->look))
		loop_timer_in(e->look, LOOK_EVERY);
}
