/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The link to the coordinator: attempts in rotation over its addresses, backoff with jitter, hello. */
#include <stdio.h>
#include <string.h>

#include "control/agent/agent_private.h"
#include "crypto/init.h"
#include "loop/timer.h"
#include "os/os.h"

/* Somewhere in the upper half, so that the nodes of a coordinator that comes back do not arrive together. */
static ns_t jitter(ns_t delay)
{
	uint32_t half_us = (uint32_t)(delay / 2 / US);

	return delay / 2 + (ns_t)random_below(half_us + 1) * US;
}

/* After a link that is lost all nodes may be on their way: the coordinator said how far apart to come. */
static ns_t pace(const struct agent *a)
{
	return a->own_coordinator ? 0 : (ns_t)random_below(a->known.pace_ms + 1) * MS;
}

static void log_failure(struct agent *a, ns_t delay)
{
	enum log_level level = strcmp(a->logged_error, a->last_error) == 0 ? LOG_DEBUG : LOG_WARN;

	LOG_AT(level, "agent: no link to the coordinator, retrying", KV("why", a->last_error),
		KV_MS("in", delay));
	memcpy(a->logged_error, a->last_error, sizeof(a->logged_error));
}

/*
 * How long to wait for the next attempt. After every round over all addresses the wait grows; and what an
 * answer asked for counts then, not earlier: nothing proves that it was the coordinator's.
 */
static ns_t wait_for_next(struct agent *a, unsigned not_before_ms)
{
	ns_t delay = jitter(a->backoff);

	a->not_before_ms = MAX(a->not_before_ms, not_before_ms);
	if (++a->tried < a->known.n_addresses)
		return delay;

	if (a->not_before_ms)
		delay = MAX(delay, jitter(2 * a->not_before_ms * MS));
	a->tried = 0;
	a->not_before_ms = 0;
	a->backoff = ns_min(a->backoff * 2, a->tuning.retry_max);
	return delay;
}

/* The link is gone: plans the next attempt. */
static void plan(struct agent *a, const char *why, unsigned not_before_ms)
{
	ns_t now = time_monotonic();
	bool was_up = a->state == AGENT_UP;
	ns_t delay;

	snprintf(a->last_error, sizeof(a->last_error), "%s", why);
	a->state = AGENT_WAIT;
	if (was_up && now - a->up_since >= a->tuning.stable) {
		a->backoff = a->tuning.retry_min;
		a->tried = 0;
		a->not_before_ms = 0;
	}
	if (a->removed)
		delay = jitter(a->tuning.removed_retry);
	else
		delay = wait_for_next(a, not_before_ms) + (was_up ? pace(a) : 0);
	/* The last known address first, then the name's, then the last known again. */
	if (!was_up) {
		a->via_last_known = !a->via_last_known;
		if (a->known.n_addresses)
			a->next_address = (a->next_address + 1) % a->known.n_addresses;
	}
	log_failure(a, delay);
	loop_timer_in(a->timer, delay);
	requests_fail(a, "the link to the coordinator was lost");
	if (was_up && a->events.link)
		a->events.link(a->events.ctx, false);
}

void session_drop(struct agent *a, const char *why)
{
	clink_free(TAKE(a->link));
	plan(a, why, 0);
}

static void on_up(void *ctx, struct clink *l UNUSED)
{
	struct agent *a = ctx;
	struct msg_hello hello = {
		.os = OS_NAME, .netmap = mesh_version(peers_mesh(a->peers)), .candidates = a->mine};
	struct jsonout o = {0};

	snprintf(hello.version, sizeof(hello.version), "%s", a->version);
	msg_hello_put(&o, &hello);
	a->state = AGENT_GREET;
	a->known.at = *clink_peer_address(a->link);
	a->via_last_known = true;
	loop_timer_in(a->timer, a->tuning.welcome_ms * MS);
	if (session_send(a, &o))
		a->mine_unsent = false;
}

static void on_message(void *ctx, struct clink *l UNUSED, const json_t *m)
{
	message_handle(ctx, m);
}

static void on_closed(void *ctx, struct clink *l, int err UNUSED, const char *why)
{
	struct agent *a = ctx;

	a->link = NULL; /* frees itself */
	plan(a, why, clink_retry_ms(l));
}

static void connect_now(struct agent *a)
{
	const struct clink_events ev = {.ctx = a, .up = on_up, .message = on_message, .closed = on_closed};
	struct clink_config cfg = {
		.address = a->known.addresses[a->next_address],
		.remote_key = a->coordinator_key,
		.identity = a->identity,
		.connect_timeout_ms = a->tuning.connect_ms,
		.last_known = a->via_last_known ? &a->known.at : NULL,
		.mark = a->fwmark,
	};

	if (a->known.n_addresses == 0) {
		plan(a, "no address of the coordinator is known", 0);
		return;
	}
	a->attempt_since = time_monotonic();
	int err = clink_connect_tuned(a->base, &cfg, &ev, a->tuning.link, &a->link);
	if (err) {
		char why[TOKEN_ADDR_LEN + 80];

		snprintf(
			why, sizeof(why), "connecting to %s cannot begin: %s", cfg.address, tm_strerror(err));
		plan(a, why, 0);
		return;
	}
	a->state = AGENT_CONNECT;
}

void session_on_timer(void *ctx)
{
	struct agent *a = ctx;

	switch (a->state) {
	case AGENT_WAIT:
		connect_now(a);
		break;
	case AGENT_GREET:
		session_drop(a, "the coordinator did not answer the greeting");
		break;
	case AGENT_CONNECT:
	case AGENT_UP:
		break;
	}
}

bool session_send(struct agent *a, struct jsonout *o)
{
	_cleanup_(clink_text_unrefp) struct clink_text *t = NULL;
	size_t n;
	_cleanup_(freep) char *text = jsonout_take(o, &n);

	if (!a->link || !text || clink_text_new(text, n, &t) != TM_OK)
		return false;
	return clink_send_text(a->link, t) == TM_OK; /* a link that cannot send says so by `closed` */
}

/*
 * The coordinator's own view of its addresses may not hold from here (port forwarding, a split horizon). So
 * the one that we are connected through stays first, and the old ones stay at the end as far as there is
 * room.
 */
void session_addresses_add(struct agent *a, char (*list)[TOKEN_ADDR_LEN], size_t n_list)
{
	char next[TOKEN_ADDRS_MAX][TOKEN_ADDR_LEN] = {0};
	size_t n = 0;

	if (a->own_coordinator)
		return;

	if (a->known.n_addresses)
		addresses_add(next, &n, a->known.addresses[a->next_address]);
	for (size_t i = 0; i < n_list; i++)
		addresses_add(next, &n, list[i]);
	for (size_t i = 0; i < a->known.n_addresses; i++)
		addresses_add(next, &n, a->known.addresses[i]);
	memcpy(a->known.addresses, next, sizeof(next));
	a->known.n_addresses = n;
	a->next_address = 0;
}
