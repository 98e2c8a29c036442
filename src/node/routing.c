/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "node/routing.h"

#include <stdio.h>
#include <string.h>

#include "node/drive.h"
#include "node/exits.h"
#include "node/node_private.h"
#include "node/plugs.h"

#define LOOK_AGAIN (10 * SEC) /* after the kernel refused something */

struct routing {
	struct owners *owners;
	uint32_t *changed; /* hosts whose networks are others since the last routing_apply */
	size_t n_changed;
	struct routed *v; /* those of owners, but for ways to the internet */
	size_t n;
	struct loop_timer *again; /* something is to be looked at in the next turn of the loop, or later */
	bool lost; /* an owner was */
	bool failing;
	struct log_limit limit;
};

/* --- who owns what --- */

static void rule_now(const struct node *n, struct owners_rule *ret_rule)
{
	*ret_rule = (struct owners_rule){
		.none = n->config.route_accept == ACCEPT_NONE,
		.all = n->config.route_accept == ACCEPT_ALL,
		.self_host = n->enrolment.self.host,
		.net4 = n->mesh.net4,
		.net6 = n->mesh.net6,
	};
	snprintf(ret_rule->exit, sizeof(ret_rule->exit), "%s", exits_in_force(n));
}

static void follow(struct node *n)
{
	struct routing *r = n->routing;
	struct owners_rule rule;
	uint32_t *hosts;
	size_t count;

	rule_now(n, &rule);
	if (owners_follow(r->owners, peers_mesh(n->peers), &rule, time_monotonic(), &hosts, &count) !=
		TM_OK) {
		LOG_LIMITED(LOG_ERROR, &r->limit, LOG_WHO_ALL,
			"node: out of memory for the networks behind members");
		return;
	}
	free(r->changed);
	r->changed = hosts;
	r->n_changed = count;
}

/* Does the change have anything to do with networks? */
static bool concerns(const struct mesh_diff *d)
{
	for (size_t i = 0; i < d->n; i++) {
		const struct mesh_node *a = d->v[i].after, *b = d->v[i].before;

		if (d->v[i].what & MESH_ROUTES || (b && (b->n_routes || b->exit)) ||
			(a && (a->n_routes || a->exit)))
			return true;
	}
	return false;
}

const struct owners *routing_follow(struct node *n, const struct mesh_diff *d, bool anew)
{
	if (anew || concerns(d))
		follow(n);
	return n->routing->owners;
}

int routing_apply(struct node *n, const struct policy *p, const struct policy_ops *ops)
{
	struct routing *r = n->routing;
	int err = policy_again(p, peers_mesh(n->peers), r->changed, r->n_changed, ops);

	r->n_changed = 0;
	return err;
}

/* --- this machine's routes --- */

/* As owners have it; what is known of each route stays with it. */
static bool take_over(struct routing *r)
{
	size_t n, kept = 0;
	const struct owned *all = owners_all(r->owners, &n);
	struct routed *v = calloc(n + 1, sizeof(*v));

	if (!v)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (all[i].prefix.len == 0)
			continue;
		v[kept].owned = all[i];
		for (size_t k = 0; k < r->n; k++)
			if (prefix_eq(&r->v[k].owned.prefix, &all[i].prefix))
				v[kept].route = r->v[k].route;
		v[kept++].route.prefix = all[i].prefix;
	}
	free(r->v);
	r->v = v;
	r->n = kept;
	return true;
}

static bool same_conflict(const struct os_own_route *a, const struct os_own_route *b)
{
	return prefix_eq(&a->conflict, &b->conflict) && strcmp(a->conflict_if, b->conflict_if) == 0;
}

static void tell(struct routing *r, const struct os_own_route *was, const struct os_own_route *is)
{
	const bool conflict = is->conflict.ip.family != IP_NONE;

	if (same_conflict(was, is))
		return;
	if (conflict && !is->conflict_if[0])
		LOG_LIMITED(LOG_WARN, &r->limit, LOG_WHO_ALL,
			"node: a network behind a member is not reached, the mesh itself is reached by an "
			"address in it",
			KV_PREFIX("network", &is->prefix), KV_PREFIX("address", &is->conflict));
	else if (conflict)
		LOG_LIMITED(LOG_WARN, &r->limit, LOG_WHO_ALL,
			"node: a network behind a member is not reached, this machine has its own there",
			KV_PREFIX("network", &is->prefix), KV_PREFIX("own", &is->conflict),
			KV("if", is->conflict_if));
	else
		LOG_LIMITED(LOG_INFO, &r->limit, LOG_WHO_ALL,
			"node: a network behind a member is reached, nothing of this machine's is in the way "
			"any more",
			KV_PREFIX("network", &is->prefix));
}

/*
 * What carries the mesh must not be led into it: where the coordinator is, and where the node that leads
 * there is reached. Of those in that network itself it is only reached as long as there is no such route.
 */
static bool carries_us(const struct node *n, const struct owned *o, struct ip *ret_ip)
{
	const struct ip coordinator = agent_coordinator_ip(n->agent);
	const struct mesh_node *owner = mesh_by_host(peers_mesh(n->peers), o->host);
	struct plane_peer_stats s = {.way.kind = WAY_UDP};

	if (owner && plane_peer_stats(n->plane, owner->key, &s) != TM_OK)
		s.way.remote.ip.family = IP_NONE;
	*ret_ip = prefix_contains(&o->prefix, &coordinator) ? coordinator : s.way.remote.ip;
	return ret_ip->family != IP_NONE && prefix_contains(&o->prefix, ret_ip);
}

static int sync(struct node *n, struct os_own_route *next, struct diag *d)
{
	struct routing *r = n->routing;
	struct ip ip;
	int err;

	for (size_t i = 0; i < r->n; i++) {
		next[i].prefix = r->v[i].owned.prefix;
		next[i].barred = carries_us(n, &r->v[i].owned, &ip);
	}
	err = os_own_routes(plane_tun_name(n->plane), next, r->n, d);
	for (size_t i = 0; i < r->n && !err; i++) {
		if (next[i].barred && next[i].conflict.ip.family == IP_NONE &&
			carries_us(n, &r->v[i].owned, &ip))
			next[i].conflict = prefix_host(&ip);
		tell(r, &r->v[i].route, &next[i]);
		r->v[i].route = next[i];
	}
	return err;
}

static void look(struct node *n)
{
	struct routing *r = n->routing;
	_cleanup_(freep) struct os_own_route *next = calloc(r->n + 1, sizeof(*next));
	struct diag d = {0};
	int err = next ? sync(n, next, &d) : TM_ENOMEM;

	if (err && !r->failing)
		log_warn("node: routes into networks behind members cannot be set, trying again",
			KV("why", d.what[0] ? d.what : tm_strerror(err)));
	r->failing = err != TM_OK;
	if (err)
		loop_timer_in(r->again, LOOK_AGAIN);
}

void routing_settle(struct node *n)
{
	struct routing *r = n->routing;
	const size_t before = r->n;

	/* Without any before and after there is nothing to look at. */
	if (take_over(r) && (before || r->n))
		look(n);
}

void routing_network(struct node *n)
{
	if (n->routing->n)
		look(n);
}

/* --- owners that are lost --- */

void routing_again(struct node *n)
{
	follow(n);
	plugs_networks(n);
}

static void on_timer(void *ctx)
{
	struct node *n = ctx;
	struct routing *r = n->routing;

	if (r->lost) {
		r->lost = false;
		routing_again(n);
	} else {
		look(n);
	}
}

static void tell_over(struct node *n, const struct mesh_node *m)
{
	LOG_LIMITED(LOG_WARN, &n->routing->limit, log_who(m->key, sizeof(m->key)),
		"node: a router is lost, another takes over its networks", KV("name", m->name));
}

/* There is no route to a network of that node because of where the node itself was. */
static bool keeps_out(const struct routing *r, uint32_t host)
{
	for (size_t i = 0; i < r->n; i++) {
		const struct os_own_route *route = &r->v[i].route;

		if (r->v[i].owned.host == host && route->conflict.ip.family != IP_NONE &&
			!route->conflict_if[0])
			return true;
	}
	return false;
}

void routing_path(struct node *n, const struct mesh_node *m, const struct core_out *out)
{
	struct routing *r = n->routing;

	if (!m->n_routes && !m->exit)
		return;
	if (out->kind == CORE_LIVES || out->kind == CORE_WORKS ||
		(out->kind == CORE_NOTE && out->why == WHY_ANSWERED)) {
		owners_found(r->owners, m->host);
		if (out->kind == CORE_WORKS && keeps_out(r, m->host)) /* it may be elsewhere by now */
			loop_timer_in(r->again, 0);
		return;
	}
	/* Nothing answers by any way: by those that are left it is looked for, which may take a while. */
	if (out->kind != CORE_NOTE || (out->why != WHY_DEAD && out->why != WHY_RETRY))
		return;
	if (!owners_may_leave(r->owners, m->host))
		return;
	owners_lost(r->owners, m->host, time_monotonic());
	tell_over(n, m);
	/* Not from within the core's output. */
	r->lost = true;
	loop_timer_in(r->again, 0);
}

void routing_session(struct node *n, const struct mesh_node *m, bool up)
{
	if (up)
		owners_found(n->routing->owners, m->host);
}

/* --- life --- */

const struct routed *routing_look(const struct node *n, size_t *ret_n)
{
	struct routing *r = n->routing;

	for (size_t i = 0; i < r->n; i++) {
		const struct mesh_node *m = mesh_by_host(peers_mesh(n->peers), r->v[i].owned.host);

		r->v[i].via = m ? m->name : "";
	}
	*ret_n = r->n;
	return r->v;
}

int routing_open(struct node *n)
{
	struct routing *r = calloc(1, sizeof(*r));

	if (!r)
		return TM_ENOMEM;
	n->routing = r;
	r->limit = LOG_LIMIT_FEW;
	int err = owners_new(&r->owners);
	return err ? err : loop_timer_new(n->base, on_timer, n, &r->again);
}

void routing_close(struct node *n)
{
	struct routing *r = TAKE(n->routing);

	if (!r)
		return;
	loop_timer_free(r->again);
	owners_free(r->owners);
	free(r->changed);
	free(r->v);
	free(r);
}
