/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "control/agent/agent.h"

#include <stdio.h>
#include <string.h>

#include "base/secret.h"
#include "control/agent/agent_private.h"
#include "crypto/init.h"
#include "loop/timer.h"

enum { DEFAULT_CONTROL_PORT = 8443 };

const struct agent_tuning agent_tuning_default = {
	.retry_min = 300 * MS,
	.retry_max = 4 * SEC,
	.stream_retry = 1 * SEC,
	.stream_retry_max = 30 * SEC,
	.removed_retry = 60 * SEC,
	.stable = 10 * SEC,
	.connect_ms = 10000,
	.welcome_ms = 10000,
	.probe_ms = 3000,
	.want_every = 1 * SEC,
	.race = &race_tuning_default,
};

static void send_candidates(struct agent *a)
{
	if (a->state != AGENT_UP || !a->mine_unsent)
		return;

	struct jsonout o = {0};
	msg_own_candidates_put(&o, &a->mine);
	if (session_send(a, &o))
		a->mine_unsent = false;
}

static void send_policy_held(struct agent *a)
{
	if (a->state != AGENT_UP || !a->policy_unsaid)
		return;

	struct jsonout o = {0};
	msg_policy_held_put(&o, a->policy_held);
	if (session_send(a, &o))
		a->policy_unsaid = false;
}

/* What is not to happen within a call of the owner's. */
static void on_soon(void *ctx)
{
	struct agent *a = ctx;

	send_candidates(a);
	send_policy_held(a);
	if (a->removed_news) {
		a->removed_news = false;
		if (a->events.removed)
			a->events.removed(a->events.ctx, a->removed_as.why, a->removed_as.twin);
	}
	want_answer(a);
	requests_settle(a);
}

/* What was known at the last run is newer than the enrolment. */
static void remember_last_run(struct agent *a)
{
	struct coordinator_known was = *peers_known_coordinator(a->peers);

	a->known.at = was.at;
	a->known.at_tls = was.at_tls;
	a->known.data_port = was.data_port;
	a->known.pace_ms = was.pace_ms;
	session_addresses_add(a, was.addresses, was.n_addresses);
	a->relays = *peers_relays(a->peers);
}

static void enrolled_at(struct agent *a, const char (*list)[TOKEN_ADDR_LEN], size_t n)
{
	a->enrolled.n = 0;
	for (size_t i = 0; i < n; i++)
		addresses_add(a->enrolled.v, &a->enrolled.n, list[i]);
}

static int copy_config(struct agent *a, const struct agent_config *cfg)
{
	const struct enrolment *e = cfg->enrolment;

	a->identity = cfg->identity;
	a->peers = cfg->peers;
	a->version = strdup(cfg->version);
	a->fwmark = cfg->fwmark;
	a->relay = cfg->relay;
	memcpy(a->relay_tcp, cfg->relay_tcp, sizeof(a->relay_tcp));
	a->n_relay_tcp = cfg->n_relay_tcp;
	if (cfg->proxy && cfg->proxy->proxy.host[0]) {
		a->proxy = *cfg->proxy;
		proxy_format(&a->proxy.proxy, a->proxy_text);
	}
	random_bytes(&a->run, sizeof(a->run));
	a->run = a->run >> 11 | 1; /* exact in every JSON, and not 0 */
	memcpy(a->coordinator_key, e->coordinator_key, sizeof(a->coordinator_key));
	a->own_coordinator = e->coordinator;
	a->mesh = e->mesh;
	a->self = e->self;
	a->known.n_addresses = MIN(e->n_addresses, (size_t)TOKEN_ADDRS_MAX);
	memcpy(a->known.addresses, e->addresses, sizeof(a->known.addresses));
	enrolled_at(a, e->addresses, e->n_addresses);
	if (e->coordinator && a->known.n_addresses == 0) {
		snprintf(a->known.addresses[0], sizeof(a->known.addresses[0]), "127.0.0.1:%u",
			e->api_port ? e->api_port : (unsigned)DEFAULT_CONTROL_PORT);
		a->known.n_addresses = 1;
	}
	remember_last_run(a);
	return a->version ? TM_OK : TM_ENOMEM;
}

static int bring_up(struct agent *a, const struct agent_config *cfg)
{
	int err = copy_config(a, cfg);

	if (err)
		return err;

	err = resolver_new(a->base, NULL, &a->resolver);
	if (!err)
		err = loop_timer_new(a->base, session_on_timer, a, &a->timer);
	if (!err)
		err = streaming_init(a);
	return err ? err : loop_timer_new(a->base, on_soon, a, &a->soon);
}

int agent_new_tuned(struct event_base *base, const struct agent_config *cfg, const struct agent_events *ev,
	const struct agent_tuning *t, struct agent **ret_agent, struct diag *d)
{
	struct agent *a = calloc(1, sizeof(*a));

	if (!a)
		return diag_what(d, TM_ENOMEM, "%s", tm_strerror(TM_ENOMEM));

	a->base = base;
	a->events = *ev;
	a->tuning = *t;
	a->backoff = t->retry_min;
	a->log_reasons = (struct log_limit){.window = 600 * SEC, .each = 1, .all = 1};
	a->log_link = (struct log_limit){.window = 600 * SEC, .each = 20, .all = 20};
	a->log_records = LOG_LIMIT_ONE;
	list_init(&a->to_ask);
	list_init(&a->to_answer);
	list_init(&a->pending);
	snprintf(a->last_error, sizeof(a->last_error), "not connected to the coordinator yet");
	int err = bring_up(a, cfg);
	if (err) {
		agent_free(a);
		return diag_what(d, err, "the agent cannot start: %s", tm_strerror(err));
	}
	*ret_agent = a;
	return TM_OK;
}

int agent_new(struct event_base *base, const struct agent_config *cfg, const struct agent_events *ev,
	struct agent **ret_agent, struct diag *d)
{
	return agent_new_tuned(base, cfg, ev, &agent_tuning_default, ret_agent, d);
}

void agent_free(struct agent *a)
{
	if (!a)
		return;

	a->events = (struct agent_events){0};
	race_free(TAKE(a->race));
	clink_free(TAKE(a->link));
	streaming_deinit(a);
	resolver_free(a->resolver);
	a->state = AGENT_WAIT;
	if (a->soon) {
		requests_fail(a, "the agent is stopping");
		requests_settle(a);
	}
	loop_timer_free(a->soon);
	loop_timer_free(a->timer);
	while (list_pop_front(&a->to_ask) || list_pop_front(&a->to_answer))
		; /* the contacts outlive us */
	free(a->version);
	wipe(a, sizeof(*a));
	free(a);
}

/* --- questions --- */

bool agent_link_up(const struct agent *a)
{
	return a->state == AGENT_UP;
}

const struct mesh_info *agent_mesh_info(const struct agent *a)
{
	return &a->mesh;
}

struct ip agent_coordinator_ip(const struct agent *a)
{
	return endpoint_is_set(&a->linked_at) ? a->linked_at.ip : a->known.at.ip;
}

size_t agent_coordinator_data(const struct agent *a, struct endpoint *v, size_t max)
{
	size_t n = 0;

	if (endpoint_is_set(&a->known.at) && a->known.data_port && max)
		v[n++] = (struct endpoint){
			.ip = a->known.at.ip, .port = a->known.data_port, .scope = a->known.at.scope};
	/* A private address may be somebody else's here. */
	for (unsigned private = 0; private < 2; private ++) {
		for (size_t i = 0; i < a->data.n && n < max; i++) {
			const struct endpoint *ep = &a->data.v[i].ep;
			const struct prefix host = {ep->ip, ep->ip.family == IP_V6 ? 128 : 32};

			if (prefix_is_private(&host) == private &&
				candidate_usable(ep, &a->mesh.net4, &a->mesh.net6))
				v[n++] = *ep;
		}
	}
	return n;
}

int64_t agent_coordinator_time(const struct agent *a)
{
	if (a->state != AGENT_UP || !a->coordinator_time)
		return 0;
	return a->coordinator_time + (time_monotonic() - a->up_since) / SEC;
}

bool agent_link_tls(const struct agent *a)
{
	return a->linked_tls;
}

const char *agent_link_proxy(const struct agent *a)
{
	return a->linked_proxied ? a->proxy_text : "";
}

void agent_proxy_failed(const struct agent *a, char *buf, size_t len)
{
	buf[0] = '\0';
	if (a->state == AGENT_UP && a->proxy_failed[0])
		snprintf(buf, len,
			"the proxy %s does not lead to the coordinator, which is reached without it: %s",
			a->proxy_text, a->proxy_failed);
}

const char *agent_last_error(const struct agent *a)
{
	return a->state == AGENT_UP ? "" : a->last_error;
}

/* --- orders --- */

void agent_start(struct agent *a)
{
	struct mesh_diff all;

	/* Before there is anybody to whom it would not be applied. */
	if (a->events.policy && (peers_policy(a->peers)->version || peers_policy(a->peers)->lost))
		a->policy_refused = a->events.policy(a->events.ctx, peers_policy(a->peers)) != TM_OK;
	if (a->events.mesh_changed && mesh_size(peers_mesh(a->peers)) &&
		mesh_diff_all(peers_mesh(a->peers), &all) == TM_OK) {
		a->events.mesh_changed(a->events.ctx, &all);
		mesh_diff_deinit(&all);
	}
	relays_look(a);
	loop_timer_in(a->timer, 0);
}

void agent_set_candidates(struct agent *a, const struct candidates *mine)
{
	if (candidates_eq(&a->mine, mine))
		return;

	a->mine = *mine;
	a->mine_unsent = true;
	loop_timer_in(a->soon, 0); /* several changes in one turn make one message */
}

void agent_policy_held(struct agent *a, uint64_t version)
{
	/* The one that is kept, after all. */
	if (version && version == peers_policy(a->peers)->version)
		a->policy_refused = false;
	if (a->policy_known && a->policy_held == version)
		return;

	a->policy_held = version;
	a->policy_known = a->policy_unsaid = true;
	loop_timer_in(a->soon, 0);
}

static void reconnect(struct agent *a)
{
	resolver_renew(a->resolver);
	if (a->state == AGENT_UP)
		clink_probe(a->link, a->tuning.probe_ms);
	else
		session_look_again(a);
}

void agent_reconnect_now(struct agent *a)
{
	if (a->removed) /* then the network is not what keeps us away */
		return;
	reconnect(a);
	streaming_hurry(a);
}

void agent_set_addresses(struct agent *a, const struct msg_addresses *enrolled)
{
	enrolled_at(a, enrolled->v, enrolled->n);
	if (a->state != AGENT_UP)
		reconnect(a);
}
