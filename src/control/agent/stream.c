/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "control/agent/stream.h"

#include "control/agent/agent_private.h"
#include "crypto/init.h"
#include "loop/timer.h"

/*
 * Full jitter: when a relay starts anew, those who had streams to it come evenly over the time that they
 * wait, and a second loss within moments does not bring them together again.
 */
static ns_t wait_for_next(struct streaming *s, const struct agent_tuning *t)
{
	ns_t wait = (ns_t)random_below((uint32_t)(s->backoff / US) + 1) * US;

	s->backoff = ns_min(s->backoff * 2, t->stream_retry_max);
	return wait;
}

static void plan(struct agent *a, const char *why)
{
	ns_t wait = wait_for_next(&a->streaming, &a->tuning);

	log_debug("agent: no stream to the relay, retrying", KV("why", why), KV_MS("in", wait));
	loop_timer_in(a->streaming.timer, wait);
}

static void on_won(void *ctx, struct clink *link_take, const char *address)
{
	struct agent *a = ctx;
	struct streaming *s = &a->streaming;
	struct net_released r;
	int err = clink_release(link_take, &r);

	log_debug("agent: a stream to the relay is up", KV("by", address ? address : "-"),
		KV("tls", clink_is_tls(link_take) ? "yes" : "no"),
		KV("proxy", clink_is_proxied(link_take) ? a->proxy_text : ""));
	race_free(TAKE(s->race));
	clink_free(link_take);
	if (err) {
		plan(a, tm_strerror(err));
		return;
	}
	s->up_since = time_monotonic();
	s->up = true;
	s->events.up(s->events.ctx, &r);
}

static void on_lost(void *ctx, int err UNUSED, const char *why, unsigned retry_ms UNUSED)
{
	struct agent *a = ctx;

	plan(a, why);
	race_free(TAKE(a->streaming.race)); /* not before: it owns `why` */
}

static void on_timer(void *ctx)
{
	const struct race_events ev = {.ctx = ctx, .won = on_won, .lost = on_lost};
	struct agent *a = ctx;
	struct race_config cfg;

	session_race(a, &cfg);
	cfg.stream = &a->streaming.events.asker;
	int err = race_new(a->base, &cfg, &ev, a->tuning.race, &a->streaming.race);
	if (err)
		plan(a, tm_strerror(err));
}

int streaming_init(struct agent *a)
{
	return loop_timer_new(a->base, on_timer, a, &a->streaming.timer);
}

void streaming_deinit(struct agent *a)
{
	race_free(TAKE(a->streaming.race));
	loop_timer_free(TAKE(a->streaming.timer));
}

void streaming_hurry(struct agent *a)
{
	struct streaming *s = &a->streaming;

	if (!s->wanted || s->up || s->race)
		return;
	s->backoff = a->tuning.retry_min;
	loop_timer_in(s->timer, 0);
}

void agent_stream_open(struct agent *a, const struct agent_stream_events *ev)
{
	struct streaming *s = &a->streaming;

	if (s->wanted)
		return;
	s->events = *ev;
	s->wanted = true;
	s->backoff = a->tuning.retry_min;
	loop_timer_in(s->timer, 0);
}

void agent_stream_lost(struct agent *a)
{
	struct streaming *s = &a->streaming;

	if (!s->wanted || !s->up)
		return;
	s->up = false;
	if (time_monotonic() - s->up_since >= a->tuning.stable)
		s->backoff = a->tuning.retry_min;
	plan(a, "it was lost");
}

void agent_stream_close(struct agent *a)
{
	struct streaming *s = &a->streaming;

	s->wanted = s->up = false;
	race_free(TAKE(s->race));
	loop_timer_stop(s->timer);
}
