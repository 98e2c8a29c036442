/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "loop/timer.h"

#include <event2/event.h>

struct loop_timer {
	struct event *event;
	loop_timer_fn *fn;
	void *ctx;
	ns_t due;
};

static void wait_for(struct loop_timer *t, ns_t wait)
{
	ns_t us = (wait + US - 1) / US;

	event_add(t->event, &(struct timeval){.tv_sec = us / (SEC / US), .tv_usec = us % (SEC / US)});
}

/*
 * The loop's clock has a grain of some milliseconds: whatever wakes the loop just before our time makes us
 * come early by as much. Nobody who waits for us need know.
 */
static void on_event(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct loop_timer *t = arg;
	ns_t now = time_monotonic();

	if (t->due > now)
		wait_for(t, t->due - now);
	else
		t->fn(t->ctx);
}

int loop_timer_new(struct event_base *base, loop_timer_fn *fn, void *ctx, struct loop_timer **ret_timer)
{
	_cleanup_(loop_timer_freep) struct loop_timer *t = calloc(1, sizeof(*t));
	if (!t)
		return TM_ENOMEM;

	t->fn = fn;
	t->ctx = ctx;
	t->event = event_new(base, -1, 0, on_event, t);
	if (!t->event)
		return TM_ENOMEM;

	*ret_timer = TAKE(t);
	return TM_OK;
}

void loop_timer_free(struct loop_timer *t)
{
	if (!t)
		return;

	if (t->event)
		event_free(t->event);
	free(t);
}

void loop_timer_in(struct loop_timer *t, ns_t wait)
{
	t->due = time_monotonic() + wait;
	wait_for(t, wait);
}

void loop_timer_at(struct loop_timer *t, ns_t at)
{
	ns_t now = time_monotonic();

	if (at == NS_NEVER)
		loop_timer_stop(t);
	else
		loop_timer_in(t, at > now ? at - now : 0);
}

void loop_timer_stop(struct loop_timer *t)
{
	event_del(t->event);
}

bool loop_timer_is_set(const struct loop_timer *t)
{
	return event_pending(t->event, EV_TIMEOUT, NULL);
}
