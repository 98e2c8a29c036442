/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "node/reporting.h"

#include "control/policy/counts.h"
#include "crypto/init.h"
#include "node/metrics_serving.h"
#include "node/names.h"
#include "node/node_private.h"
#include "node/reporting_told.h"
#include "node/router.h"
#include "node/view.h"
#include "os/usage.h"

#include <stdio.h>
#include <string.h>

enum { JITTER_PART = 8 };

struct reporting {
	struct node *node;
	struct loop_timer *timer;
	uint32_t every_ms; /* as always; 0 = nobody has asked */
	uint32_t often_ms; /* until `often_until` */
	ns_t often_until;
	bool whole; /* the next one */
	ns_t looked_at; /* 0 = not since the link is there */
	ns_t cpu; /* of this process, then */
	struct told_peers told;
	struct report_self self; /* as told */
	struct msg_report message; /* being made */
};

/* --- ourselves --- */

static uint32_t alarms_of(const struct node *n, const struct rules_view *rules)
{
	const bool on[REPORT_ALARM_N] = {
		[REPORT_ALARM_DNS] = names_failing(n) || names_resolver_failing(n),
		[REPORT_ALARM_CLOCK] = keeper_failure(n->keeper)[0] != '\0',
		[REPORT_ALARM_FIREWALL] = inbound_known(n->inbound) &&
					  (inbound_dropped(n->inbound, 0) || inbound_dropped(n->inbound, 1)),
		[REPORT_ALARM_OFFLOADS] = plane_offload_losses(n->plane) > 0,
		[REPORT_ALARM_PROGRAM] = os_program_is_replaced(),
		[REPORT_ALARM_UNSAVED] = peers_failure(n->peers)[0] != '\0',
		[REPORT_ALARM_ROUTER] = router_trouble(n)[0] != '\0',
		[REPORT_ALARM_POLICY] = rules->trouble[0] != '\0',
	};
	uint32_t set = 0;

	for (unsigned i = 0; i < REPORT_ALARM_N; i++)
		set |= on[i] ? UINT32_C(1) << i : 0;
	return set;
}

static void look_at_self(struct reporting *r, ns_t now, struct report_self *ret_self)
{
	const struct node *n = r->node;
	const ns_t took = now - (r->looked_at ? r->looked_at : n->started);
	struct report_self s = {.uptime_s = (uint32_t)((now - n->started) / SEC),
		.mtu = n->config.mtu,
		.workers = (uint16_t)plane_workers(n->plane),
		.metrics_port = metrics_serving_port(n)};
	uint64_t drops[DROP_N];
	char offloads[PLANE_OFFLOADS_STR];
	struct relaying_view relay;
	struct rules_view rules;
	struct os_usage usage;

	os_usage(&usage);
	s.memory = usage.resident_bytes;
	s.cpu_permille = (uint32_t)((usage.cpu - r->cpu) * 1000 / MAX(took, MS));
	r->cpu = usage.cpu;
	plane_drops(n->plane, drops);
	for (unsigned i = 0; i < DROP_N; i++)
		s.drops += drops[i];
	relaying_look(n, &relay);
	s.relayed = relay.bytes;
	s.relay_members = (uint32_t)relay.members;
	snprintf(s.offloads, sizeof(s.offloads), "%s",
		plane_offloads_format(plane_offloads(n->plane), offloads));
	node_rules_view(n, &rules);
	s.alarms = alarms_of(n, &rules);
	*ret_self = s;
}

/* --- peers --- */

static enum report_path path_of(const struct peer_view *v)
{
	static const enum report_path paths[VIEW_PATH_N] = {
		[VIEW_CHECKING] = REPORT_CHECKING,
		[VIEW_DIRECT] = REPORT_DIRECT,
		[VIEW_RELAY] = REPORT_RELAY,
		[VIEW_TCP] = REPORT_TCP,
	};

	return paths[v->path];
}

static const char *id_of_relay(const struct node *n, const struct peer_view *v)
{
	const struct mesh_node *m =
		v->relay_name[0] ? mesh_by_name(peers_mesh(n->peers), v->relay_name) : NULL;

	return m ? m->id : "";
}

static void send_message(struct reporting *r)
{
	agent_report(r->node->agent, &r->message);
	r->message.whole = false;
	r->message.has_self = false;
	r->message.n_peers = 0;
	r->message.n_rules = 0;
}

static void add(struct reporting *r, const struct report_peer *p)
{
	if (r->message.n_peers == REPORT_PEERS_MAX)
		send_message(r);
	r->message.peers[r->message.n_peers++] = *p;
}

static void look_at_peer(struct reporting *r, const struct mesh_node *m)
{
	const struct node *n = r->node;
	struct peer_view v;

	peer_view_take(n, m, NULL, &v);
	struct report_peer p = {.path = path_of(&v),
		.family = v.remote.ip.family == IP_V4   ? 4
			  : v.remote.ip.family == IP_V6 ? 6
							: 0,
		.not_direct = v.path == VIEW_DIRECT ? PATH_NOT_NOTHING : v.not_direct,
		.rtt_us = (uint32_t)MIN(v.rtt / US, (ns_t)UINT32_MAX),
		.mtu = v.mtu,
		.age_s = v.age_s > 0 ? (uint32_t)v.age_s : 0,
		.rx = v.rx_bytes,
		.tx = v.tx_bytes};
	if (p.path == REPORT_GONE || (m->kind == NODE_CLIENT && !v.session))
		return;
	memcpy(p.node, m->id, sizeof(p.node));
	snprintf(p.relay, sizeof(p.relay), "%s", id_of_relay(n, &v));
	if (told_differs(&r->told, &p))
		add(r, &p);
}

static void look_at_used(void *ctx, const uint8_t key[32])
{
	struct reporting *r = ctx;
	const struct mesh_node *m = mesh_by_key(peers_mesh(r->node->peers), key);

	if (m)
		look_at_peer(r, m);
}

/* The path core does not know them. */
static void look_at_clients(struct reporting *r)
{
	const struct node *n = r->node;
	const struct mesh_node *m;

	for (size_t i = 0; (m = mesh_next(peers_mesh(n->peers), &i));)
		if (m->kind == NODE_CLIENT && strcmp(m->via, n->enrolment.self.id) == 0)
			look_at_peer(r, m);
}

/* --- the policy --- */

static void look_at_rules(struct reporting *r)
{
	static const enum report_action actions[COUNTS_ACTIONS] = {
		[POLICY_ALLOW] = REPORT_ALLOW, [POLICY_DENY] = REPORT_DENY, [POLICY_REJECT] = REPORT_REJECT};
	struct counted v[REPORT_RULES_MAX];

	r->message.n_rules = counts_tell(r->node->rules.counts, v, ARRAY_LEN(v));
	for (size_t i = 0; i < r->message.n_rules; i++) {
		struct report_rule *rule = &r->message.rules[i];

		*rule = (struct report_rule){.action = actions[v[i].action], .hits = v[i].n};
		snprintf(rule->id, sizeof(rule->id), "%s", v[i].id);
	}
}

/* --- when --- */

static void look(struct reporting *r)
{
	const ns_t now = time_monotonic();
	struct report_self self;
	struct report_peer gone;

	look_at_self(r, now, &self);
	r->message.whole = r->whole;
	r->message.over_ms = r->looked_at ? (uint32_t)MIN((now - r->looked_at) / MS, (ns_t)UINT32_MAX) : 0;
	r->message.n_peers = 0;
	r->message.has_self = r->whole || told_self_differs(&r->self, &self);
	if (r->message.has_self)
		r->message.self = r->self = self;
	look_at_rules(r);
	told_begin(&r->told, r->whole);
	core_each_used(r->node->path_core, look_at_used, r);
	look_at_clients(r);
	while (told_gone(&r->told, &gone))
		add(r, &gone);
	if (r->message.whole || r->message.has_self || r->message.n_peers || r->message.n_rules)
		send_message(r);
	r->whole = false;
	r->looked_at = now;
}

static void plan(struct reporting *r, ns_t now)
{
	const uint32_t every_ms = r->often_until > now ? MIN(r->often_ms, r->every_ms) : r->every_ms;
	const ns_t late = (ns_t)random_below(every_ms / JITTER_PART + 1) * MS;

	loop_timer_in(r->timer, every_ms * MS + (every_ms == r->every_ms ? late : 0));
}

static void on_timer(void *ctx)
{
	struct reporting *r = ctx;

	look(r);
	plan(r, time_monotonic());
}

void reporting_asked(struct reporting *r, const struct msg_report_ask *ask)
{
	const ns_t now = time_monotonic();
	const bool was_often = r->often_until > now, fresh = !r->every_ms;

	if (ask->for_ms) {
		r->often_ms = ask->every_ms;
		r->often_until = now + ask->for_ms * MS;
	} else {
		r->every_ms = ask->every_ms;
	}
	if (!r->every_ms) /* it never said how often it wants it always */
		r->every_ms = REPORT_EVERY_MAX_MS;
	r->whole |= ask->whole || fresh; /* by this link nothing has been told */
	if (r->whole || (ask->for_ms && !was_often))
		loop_timer_in(r->timer, 0);
}

void reporting_stop(struct reporting *r)
{
	if (!r)
		return;
	loop_timer_stop(r->timer);
	r->every_ms = 0;
	r->often_until = r->looked_at = r->cpu = 0;
}

int reporting_new(struct node *n, struct reporting **ret_reporting)
{
	struct reporting *r = calloc(1, sizeof(*r));

	if (!r)
		return TM_ENOMEM;
	r->node = n;
	int err = told_init(&r->told);
	if (err) {
		free(r);
		return err;
	}
	err = loop_timer_new(n->base, on_timer, r, &r->timer);
	if (err) {
		reporting_free(r);
		return err;
	}
	*ret_reporting = r;
	return TM_OK;
}

void reporting_free(struct reporting *r)
{
	if (!r)
		return;
	loop_timer_free(r->timer);
	told_deinit(&r->told);
	free(r);
}
