/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "control/agent/stream.h"

#include <stdio.h>
#include <string.h>

#include "control/agent/agent_private.h"
#include "crypto/init.h"
#include "loop/timer.h"

static struct streaming *find(struct agent *a, const char *relay)
{
	for (size_t i = 0; i < ARRAY_LEN(a->streams); i++)
		if (strcmp(a->streams[i].relay, relay) == 0)
			return &a->streams[i];
	return NULL;
}

/* Where the control link leads. A relay that we know nothing of is taken for it, as it was when there was no
 * other. */
static bool is_coordinators(const struct streaming *s)
{
	const struct mesh_node *m = mesh_by_id(peers_mesh(s->agent->peers), s->relay);

	return !m || m->coordinator;
}

/* When a relay or a coordinator is lost all members may be on their way to it: within how long they come. */
static ns_t pace(const struct agent *a)
{
	return a->known.pace_ms * MS;
}

/*
 * Full jitter: when a relay starts anew, those who had streams to it come evenly over the time that they
 * wait, and a second loss within moments does not bring them together again.
 */
static ns_t wait_for_next(struct streaming *s)
{
	const struct agent_tuning *t = &s->agent->tuning;
	/* One that was away for a moment is not waited for much longer than that; nor run over by all. */
	const ns_t away = time_monotonic() - s->down_since;
	const ns_t most =
		ns_min(ns_max(ns_max(away / 4, t->stream_retry), pace(s->agent)), t->stream_retry_max);
	ns_t wait = (ns_t)random_below((uint32_t)(ns_min(s->backoff, most) / US) + 1) * US;

	s->backoff = ns_min(s->backoff * 2, t->stream_retry_max);
	return wait;
}

static void plan(struct streaming *s, const char *why)
{
	ns_t wait = wait_for_next(s);

	log_debug("agent: no stream to the relay, retrying", KV("relay", s->relay), KV("why", why),
		KV_MS("in", wait));
	loop_timer_in(s->timer, wait);
}

static void on_won(void *ctx, struct clink *link_take, const char *address)
{
	struct streaming *s = ctx;
	struct agent *a = s->agent;
	struct net_released r;
	int err = clink_release(link_take, &r);

	log_debug("agent: a stream to the relay is up", KV("relay", s->relay),
		KV("by", address ? address : "-"), KV("tls", clink_is_tls(link_take) ? "yes" : "no"),
		KV("proxy", clink_is_proxied(link_take) ? a->proxy_text : ""));
	race_free(TAKE(s->race));
	clink_free(link_take);
	if (err) {
		plan(s, tm_strerror(err));
		return;
	}
	s->up_since = time_monotonic();
	s->up = true;
	if (a->state == AGENT_WAIT && is_coordinators(s) && !a->removed)
		session_look_again(a); /* whoever takes streams takes links */
	s->events.up(s->events.ctx, &r);
}

static void on_lost(void *ctx, int err UNUSED, const char *why, unsigned retry_ms UNUSED)
{
	struct streaming *s = ctx;

	plan(s, why);
	race_free(TAKE(s->race)); /* not before: it owns `why` */
}

/* Where it takes streams, as far as we know. */
static void race_of(const struct streaming *s, struct race_config *ret_cfg)
{
	const struct agent *a = s->agent;

	session_race(a, ret_cfg);
	ret_cfg->stream = &s->events.asker;
	if (is_coordinators(s))
		return;
	ret_cfg->first = (struct endpoint){.port = 0};
	ret_cfg->n = 0;
	for (size_t i = 0; i < a->relays_given.n; i++) {
		const struct relay_rec *r = &a->relays_given.v[i];

		for (size_t k = 0; strcmp(r->node, s->relay) == 0 && k < r->n_tcp; k++)
			ret_cfg->addresses[ret_cfg->n++] = r->tcp[k];
	}
}

static void on_timer(void *ctx)
{
	struct streaming *s = ctx;
	const struct race_events ev = {.ctx = s, .won = on_won, .lost = on_lost};
	struct race_config cfg;

	race_of(s, &cfg);
	s->race_since = time_monotonic();
	int err = race_new(s->agent->base, &cfg, &ev, s->agent->tuning.race, &s->race);
	if (err)
		plan(s, tm_strerror(err));
}

int streaming_init(struct agent *a)
{
	int err = TM_OK;

	for (size_t i = 0; !err && i < ARRAY_LEN(a->streams); i++) {
		a->streams[i].agent = a;
		err = loop_timer_new(a->base, on_timer, &a->streams[i], &a->streams[i].timer);
	}
	return err;
}

void streaming_deinit(struct agent *a)
{
	for (size_t i = 0; i < ARRAY_LEN(a->streams); i++) {
		race_free(TAKE(a->streams[i].race));
		loop_timer_free(TAKE(a->streams[i].timer));
	}
}

static void hurry(struct streaming *s, ns_t within)
{
	bool late = s->race && time_monotonic() - s->race_since >= SESSION_STALE;

	if (!s->relay[0] || s->up || (s->race && !late))
		return;
	race_free(TAKE(s->race));
	s->backoff = s->agent->tuning.retry_min;
	loop_timer_in(s->timer, (ns_t)random_below((uint32_t)(within / US) + 1) * US);
}

void streaming_hurry(struct agent *a)
{
	for (size_t i = 0; i < ARRAY_LEN(a->streams); i++)
		hurry(&a->streams[i], 0);
}

void streaming_linked(struct agent *a)
{
	/* The links have come at their own pace already. */
	for (size_t i = 0; i < ARRAY_LEN(a->streams); i++)
		if (is_coordinators(&a->streams[i]))
			hurry(&a->streams[i], pace(a) / 4);
}

int agent_stream_open(struct agent *a, const char *relay, const struct agent_stream_events *ev)
{
	struct streaming *s = find(a, relay);

	if (s)
		return TM_OK;
	s = find(a, "");
	if (!s)
		return TM_EFULL;
	s->events = *ev;
	snprintf(s->relay, sizeof(s->relay), "%s", relay);
	s->backoff = a->tuning.retry_min;
	s->down_since = time_monotonic();
	loop_timer_in(s->timer, 0);
	return TM_OK;
}

void agent_stream_lost(struct agent *a, const char *relay)
{
	struct streaming *s = find(a, relay);

	if (!s || !s->up)
		return;
	s->up = false;
	s->down_since = time_monotonic();
	if (s->down_since - s->up_since >= a->tuning.stable)
		s->backoff = a->tuning.retry_min;
	s->backoff = ns_max(s->backoff, pace(a));
	plan(s, "it was lost");
}

void agent_stream_close(struct agent *a, const char *relay)
{
	struct streaming *s = find(a, relay);

	if (!s)
		return;
	s->relay[0] = '\0';
	s->up = false;
	race_free(TAKE(s->race));
	loop_timer_stop(s->timer);
}
