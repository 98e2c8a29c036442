/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The link to the coordinator: by whichever of its addresses works, backoff with jitter, hello. */
#include <stdio.h>
#include <string.h>

#include "control/agent/agent_private.h"
#include "crypto/init.h"
#include "loop/timer.h"
#include "os/words/words.h"
#include "wire/address.h"

enum { PORT_HTTPS = 443 };

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

/*
 * An outage is one line, and so is a time of links that live for moments only, however often the reason
 * changes; a reason that was not told yet is one more, now and then.
 */
static void log_failure(struct agent *a, bool was_stable, ns_t delay)
{
	ns_t now = time_monotonic();

	if (was_stable) {
		a->told = (struct log_told){.n = 0};
		a->log_reasons.until = now;
	}
	bool is_news = log_is_news(&a->told, a->last_error) &&
		       log_allow(&a->log_reasons, LOG_WHO_ALL, now, NULL) &&
		       log_allow(&a->log_link, LOG_WHO_ALL, now, NULL);
	LOG_AT(is_news ? LOG_WARN : LOG_DEBUG, "agent: no link to the coordinator, retrying",
		KV("why", a->last_error), KV_MS("in", delay));
	if (is_news)
		a->told_up = false;
}

/* How long to wait for the next attempt, which tries all addresses like this one. What an answer asked for
 * counts when none of them led to a link: nothing proves that it was the coordinator's. */
static ns_t wait_for_next(struct agent *a, unsigned not_before_ms)
{
	ns_t delay = jitter(a->backoff);

	if (not_before_ms)
		delay = MAX(delay, jitter(2 * not_before_ms * MS));
	a->backoff = ns_min(a->backoff * 2, a->tuning.retry_max);
	return delay;
}

/* The link is gone: plans the next attempt. */
static void plan(struct agent *a, const char *why, unsigned not_before_ms)
{
	ns_t now = time_monotonic();
	bool was_up = a->state == AGENT_UP, was_stable = was_up && now - a->up_since >= a->tuning.stable;
	ns_t delay;

	snprintf(a->last_error, sizeof(a->last_error), "%s", why);
	a->state = AGENT_WAIT;
	if (was_stable)
		a->backoff = a->tuning.retry_min;
	if (a->removed)
		delay = jitter(a->tuning.removed_retry);
	else
		delay = wait_for_next(a, not_before_ms) + (was_up ? pace(a) : 0);
	log_failure(a, was_stable, delay);
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

static bool is_in_mesh(const struct agent *a, const struct endpoint *ep)
{
	return prefix_contains(&a->mesh.net4, &ep->ip) || prefix_contains(&a->mesh.net6, &ep->ip);
}

static void on_won(void *ctx, struct clink *link_take, const char *address)
{
	const struct clink_events ev = {.ctx = ctx, .message = on_message, .closed = on_closed};
	struct agent *a = ctx;
	struct msg_hello hello = {.os = OS_NAME,
		.netmap = mesh_version(peers_mesh(a->peers)),
		.run = a->run,
		.candidates = a->mine,
		.relay = a->relay,
		.n_relay_tcp = a->n_relay_tcp};
	struct jsonout o = {0};

	/* Of what is in force here; of nothing that is, so that it is told once more. */
	snprintf(hello.policy, sizeof(hello.policy), "%s",
		a->policy_refused ? POLICY_DIGEST_LOST : peers_policy(a->peers)->digest);
	memcpy(hello.relay_tcp, a->relay_tcp, sizeof(hello.relay_tcp));
	snprintf(a->linked_by, sizeof(a->linked_by), "%s", address ? address : "");
	snprintf(a->proxy_failed, sizeof(a->proxy_failed), "%s",
		clink_is_proxied(link_take) ? "" : race_proxy_failed(a->race));
	race_free(TAKE(a->race));
	a->link = link_take;
	clink_set_events(a->link, &ev);
	snprintf(hello.version, sizeof(hello.version), "%s", a->version);
	msg_hello_put(&o, &hello);
	a->state = AGENT_GREET;
	a->linked_at = *clink_peer_address(a->link);
	a->linked_tls = clink_is_tls(a->link);
	a->linked_proxied = clink_is_proxied(a->link);
	/* It is where the coordinator is to be looked for without a tunnel. */
	if (!a->linked_proxied && !is_in_mesh(a, &a->linked_at)) {
		a->known.at = a->linked_at;
		a->known.at_tls = a->linked_tls;
	}
	loop_timer_in(a->timer, a->tuning.welcome_ms * MS);
	if (session_send(a, &o))
		a->mine_unsent = false;
}

static void on_lost(void *ctx, int err UNUSED, const char *why, unsigned retry_ms)
{
	struct agent *a = ctx;

	plan(a, why, retry_ms);
	race_free(TAKE(a->race)); /* not before: it owns `why` */
}

static void race_address(struct race_config *cfg, const char (*list)[TOKEN_ADDR_LEN], size_t n)
{
	for (size_t i = 0; i < n; i++) {
		bool there = false;

		for (size_t k = 0; k < cfg->n; k++)
			there |= strcmp(cfg->addresses[k], list[i]) == 0;
		if (!there)
			cfg->addresses[cfg->n++] = list[i];
	}
}

/*
 * Where the coordinator itself listens, by an address that does not name a web server in front of it; rather
 * at that port. False: none is known.
 */
static bool own_address(const struct agent *a, uint16_t rather, struct address *ret_address)
{
	bool found = false;

	for (size_t i = 0; i < a->known.n_addresses; i++) {
		struct address known;

		if (address_parse(a->known.addresses[i], &known) != TM_OK || known.kind != ADDRESS_OWN)
			continue;
		if (found && known.port != rather)
			continue;
		*ret_address = known;
		found = true;
		if (known.port == rather)
			break;
	}
	return found;
}

static uint16_t own_port(const struct agent *a)
{
	struct address own;

	return own_address(a, a->known.at.port, &own) ? own.port : a->known.at.port;
}

bool agent_door(const struct agent *a, struct agent_door *ret_door)
{
	const bool proxied = a->proxy.proxy.host[0] && (a->state != AGENT_UP || a->linked_proxied);
	struct agent_door d = {.ip = agent_coordinator_ip(a), .resolver = a->resolver};

	/* Most proxies lead there only. */
	if (!own_address(a, proxied ? PORT_HTTPS : a->known.at.port, &d.at))
		return false;
	if (proxied && !proxy_excepts(a->proxy.except, d.at.host))
		d.via = &a->proxy.proxy;
	/* Some read what goes through them. */
	d.tls = d.via && (a->linked_proxied ? a->linked_tls : d.at.port == PORT_HTTPS);
	*ret_door = d;
	return true;
}

void session_through_the_mesh(const struct agent *a, struct endpoint last[2])
{
	const struct mesh *mesh = peers_mesh(a->peers);
	const struct mesh_node *coordinator = mesh_by_key(mesh, a->coordinator_key);

	if (a->own_coordinator || !coordinator || !endpoint_is_set(&a->known.at))
		return;
	mesh_node_addresses(mesh, coordinator, &last[0].ip, &last[1].ip);
	last[0].port = last[1].port = own_port(a);
}

void session_race(const struct agent *a, struct race_config *ret_cfg)
{
	*ret_cfg = (struct race_config){
		.first = a->known.at,
		.first_tls = a->known.at_tls,
		.proxy = &a->proxy,
		.resolver = a->resolver,
		.remote_key = a->coordinator_key,
		.identity = a->identity,
		.timeout_ms = a->tuning.connect_ms,
		.mark = a->fwmark,
	};
	race_address(ret_cfg, a->known.addresses, a->known.n_addresses);
	race_address(ret_cfg, a->enrolled.v, a->enrolled.n);
}

static void connect_now(struct agent *a)
{
	const struct race_events ev = {.ctx = a, .won = on_won, .lost = on_lost};
	struct race_config cfg;

	session_race(a, &cfg);
	session_through_the_mesh(a, cfg.last);
	a->attempt_since = time_monotonic();
	int err = race_new(a->base, &cfg, &ev, a->tuning.race, &a->race);
	if (err) {
		plan(a, tm_strerror(err), 0);
		return;
	}
	a->state = AGENT_CONNECT;
}

void session_look_again(struct agent *a)
{
	bool waits = a->state == AGENT_WAIT;
	bool stale = !waits && a->state != AGENT_UP && time_monotonic() - a->attempt_since >= SESSION_STALE;

	if (!waits && !stale)
		return;
	race_free(TAKE(a->race));
	clink_free(TAKE(a->link));
	a->state = AGENT_WAIT;
	a->backoff = a->tuning.retry_min;
	loop_timer_in(a->timer, 0);
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

	addresses_add(next, &n, a->linked_by);
	for (size_t i = 0; i < n_list; i++)
		addresses_add(next, &n, list[i]);
	for (size_t i = 0; i < a->known.n_addresses; i++)
		addresses_add(next, &n, a->known.addresses[i]);
	memcpy(a->known.addresses, next, sizeof(next));
	a->known.n_addresses = n;
}
