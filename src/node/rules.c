/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "node/rules.h"

#include "control/policy/counts.h"
#include "control/policy/filtering.h"
#include "data/filter/rules.h"
#include "node/node_private.h"
#include "node/own_rules.h"
#include "os/os.h"
#include "policy/model.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Of a mesh of 10,000 a node's share takes 4 ms: changes that come one after the other cost a twentieth. But
 * who has lost a tag does not keep its rights for longer than this, unless what members are now gives more
 * rights than fit: then the old rules hold until they do. */
enum { REST = 20 };
#define REST_MOST (250 * MS)
/* What did not fit is not tried again at each change: it costs the full price, and seldom fits then. */
#define FULL_REST (10 * SEC)

/* Something is reached through this machine, and so is the machine, by addresses in those networks. */
static bool leads(const struct node *n)
{
	const struct mesh_node *self = mesh_by_id(peers_mesh(n->peers), n->enrolment.self.id);

	return self && (self->n_routes || exit_families(self->exit));
}

static int take_addresses(struct node *n)
{
	_cleanup_(freep) struct ip *v = NULL;
	struct diag d = {0};
	size_t count = 0;

	if (!leads(n))
		return TM_OK;
	int err = os_own_addresses(plane_tun_name(n->plane), &v, &count, &d);
	return err ? err : filtering_set_addresses(n->rules.filtering, v, count);
}

static int apply(struct node *n)
{
	struct rules *rules = NULL;
	ns_t start = time_monotonic();

	int err = take_addresses(n);
	if (!err)
		err = own_rules_follow(n);
	if (!err)
		err = filtering_rules(n->rules.filtering, peers_mesh(n->peers), n->enrolment.self.id, &rules);
	if (!err && (rules || n->rules.on))
		err = plane_set_rules(n->plane, rules);
	if (err)
		rules_free(rules);
	else
		n->rules.on = rules;
	const ns_t end = time_monotonic();
	n->rules.not_before = end + ns_min((end - start) * REST, REST_MOST);
	return err;
}

bool node_rules_granted(const struct node *n, const struct policy_local *r)
{
	return r->action != POLICY_ALLOW || !filtering_has_policy(n->rules.filtering) ||
	       filtering_grants(n->rules.filtering, peers_mesh(n->peers), n->enrolment.self.id);
}

bool node_rules_in_force(const struct node *n, const struct policy_local *r)
{
	return node_rules_granted(n, r) && !n->rules.full && !n->rules.closed;
}

static uint64_t version_in_force(const struct node *n)
{
	return n->rules.closed ? 0 : n->rules.in_force;
}

/* While the node is built there is nobody to tell; the agent is told again when it has a policy. */
static void tell_held(const struct node *n)
{
	if (n->agent)
		agent_policy_held(n->agent, version_in_force(n));
}

/* Where nobody belongs to a class, nobody may do anything. */
static int deny_all(struct node *n)
{
	_cleanup_(rules_builder_freep) struct rules_builder *b = NULL;
	struct rules *rules = NULL;

	int err = rules_builder_new(&b);
	if (!err)
		err = rules_build(b, &rules);
	if (!err)
		err = plane_set_rules(n->plane, rules);
	if (err)
		rules_free(rules);
	else
		n->rules.on = n->rules.closed = true;
	tell_held(n);
	return err;
}

/* The rules of the policy that is held, or what holds meanwhile. */
static void make(struct node *n)
{
	const char *meanwhile = n->rules.on ? "the old ones hold" : "nothing passes";

	/* There is a policy that could not be taken, and none before it: without it all would pass. */
	if (n->rules.unknown && !filtering_has_policy(n->rules.filtering)) {
		if (!n->rules.closed && deny_all(n) != TM_OK)
			loop_timer_in(n->rules.again, 1 * SEC);
		return;
	}
	int err = apply(n);
	n->rules.full = err == TM_EFULL;
	if (!err) {
		n->rules.closed = false;
		tell_held(n);
		own_rules_say_in_vain(n);
		return;
	}
	/* What passed so far because everything did must not pass on. */
	if (!n->rules.on && deny_all(n) != TM_OK)
		meanwhile = "there are none";
	if (n->rules.full) {
		n->rules.not_before = time_monotonic() + FULL_REST;
		LOG_LIMITED(LOG_ERROR, &n->log.mesh, LOG_WHO_ALL,
			"node: the policy gives more different rights than this node can hold, trying again "
			"when members change",
			KV("meanwhile", meanwhile));
		return;
	}
	LOG_LIMITED(LOG_ERROR, &n->log.mesh, LOG_WHO_ALL,
		"node: the rules of the packet filter could not be made, trying again in 1 s",
		KV("meanwhile", meanwhile), KV_ERR(err));
	loop_timer_in(n->rules.again, 1 * SEC);
}

/* Where there is no policy, everything passes only because there is none. */
static bool has_to_make(const struct node *n)
{
	return filtering_is_on(n->rules.filtering) || (n->rules.on && !n->rules.closed) || n->rules.unknown;
}

/* The one that waits: TM_OK when it is in force, and kept. */
static int try_again(struct node *n)
{
	struct policy_kept told = n->rules.waiting;

	n->rules.waiting = (struct policy_kept){.version = 0};
	int err = node_rules_policy(n, &told);
	if (!err && peers_set_policy(n->peers, &told) != TM_OK)
		log_warn("node: no memory to keep the policy of the mesh for the next start");
	if (!err)
		tell_held(n); /* now that it is the one that is kept */
	policy_kept_deinit(&told);
	return err;
}

static void on_due(void *ctx)
{
	struct node *n = ctx;
	const bool for_members = n->rules.waits == RULES_WAIT_MEMBERS && n->rules.changed;
	const bool rested = time_monotonic() >= n->rules.rest_until;

	if (n->rules.waits == RULES_WAIT_MEMORY || (for_members && rested)) {
		if (try_again(n) == TM_OK)
			return;
	} else if (for_members) {
		loop_timer_at(n->rules.again, n->rules.rest_until);
	}
	if (has_to_make(n))
		make(n);
}

static void make_soon(struct node *n)
{
	loop_timer_at(n->rules.again, ns_max(time_monotonic(), n->rules.not_before));
}

void node_rules_make(struct node *n)
{
	n->rules.changed = true;
	make(n);
	if (n->rules.waits == RULES_WAIT_MEMBERS)
		make_soon(n);
}

int node_rules_init(struct node *n)
{
	int err = filtering_new(&n->rules.filtering);

	if (!err)
		err = counts_new(plane_workers(n->plane), &n->rules.counts);
	if (!err)
		filtering_count(n->rules.filtering, n->rules.counts);
	if (!err)
		err = loop_timer_new(n->base, on_due, n, &n->rules.again);
	return err ? err : own_rules_init(n);
}

void node_rules_deinit(struct node *n)
{
	loop_timer_free(TAKE(n->rules.again));
	policy_kept_deinit(&n->rules.waiting);
	filtering_free(TAKE(n->rules.filtering));
	counts_free(TAKE(n->rules.counts));
	own_rules_deinit(n);
}

/* What one that was lost allowed nobody knows. */
static int read_policy(struct node *n, const struct policy_kept *policy, struct diag *d)
{
	if (policy->lost)
		return filtering_set(n->rules.filtering, "", "", d);
	return filtering_set(n->rules.filtering, policy->version ? policy->text : NULL, policy->nodes, d);
}

/* All of it or nothing. */
static enum rules_wait put_in_force(struct node *n, const struct policy_kept *policy, struct diag *d)
{
	int err = read_policy(n, policy, d);

	if (err)
		return err == TM_ENOMEM ? RULES_WAIT_MEMORY : RULES_WAIT_OTHER;
	err = apply(n);
	if (err) {
		filtering_back(n->rules.filtering);
		return err == TM_EFULL ? RULES_WAIT_MEMBERS : RULES_WAIT_MEMORY;
	}
	filtering_settle(n->rules.filtering);
	n->rules.in_force = policy->version;
	n->rules.closed = n->rules.full = n->rules.unknown = false;
	tell_held(n);
	own_rules_say_in_vain(n);
	return RULES_WAIT_NOT;
}

static void say_policy(const struct policy_kept *policy)
{
	if (policy->lost)
		log_error("node: the policy of the mesh is lost, nothing passes until the coordinator tells "
			  "it");
	else if (policy->version)
		log_info("node: the policy of the mesh is in force",
			KV_INT("version", (int64_t)policy->version));
	else
		log_info("node: the mesh has no policy, everything passes");
}

static void say_waiting(
	struct node *n, const struct policy_kept *policy, enum rules_wait why, const struct diag *d)
{
	static const char *const words[] = {
		[RULES_WAIT_OTHER] =
			"node: this program cannot read the policy of the mesh: is it older than "
			"the coordinator's?",
		[RULES_WAIT_MEMBERS] = "node: the policy of the mesh gives more different rights than this "
				       "node can hold, trying again when members change",
		[RULES_WAIT_MEMORY] = "node: no memory for the policy of the mesh, trying again in 1 s",
	};
	const char *meanwhile =
		filtering_has_policy(n->rules.filtering) ? "the one before stays in force" : "nothing passes";

	LOG_LIMITED(LOG_ERROR, &n->log.mesh, LOG_WHO_ALL, words[why],
		KV_INT("version", (int64_t)policy->version), KV("where", d->where), KV("why", d->what),
		KV("meanwhile", meanwhile));
}

/* What holds instead of a policy that could not be taken: the one before; without any, nothing is known to be
 * allowed. */
static void do_without(struct node *n)
{
	if (filtering_has_policy(n->rules.filtering))
		return;
	n->rules.in_force = 0;
	n->rules.unknown = true;
	if (filtering_set(n->rules.filtering, "", "", NULL) == TM_OK)
		filtering_settle(n->rules.filtering);
	make(n);
}

static void wait_with(struct node *n, const struct policy_kept *policy, enum rules_wait why)
{
	policy_kept_deinit(&n->rules.waiting);
	n->rules.waits = RULES_WAIT_NOT;
	n->rules.changed = false;
	if (why == RULES_WAIT_NOT)
		return;
	/* Without memory for it, it is told again with the next link. */
	if (policy_kept_copy(policy, &n->rules.waiting) != TM_OK)
		return;
	n->rules.waits = why;
	if (why == RULES_WAIT_MEMBERS)
		n->rules.rest_until = time_monotonic() + FULL_REST;
}

int node_rules_policy(struct node *n, const struct policy_kept *policy)
{
	struct diag d = {0};

	const enum rules_wait why = put_in_force(n, policy, &d);
	wait_with(n, policy, why);
	if (why == RULES_WAIT_NOT) {
		say_policy(policy);
		return TM_OK;
	}
	say_waiting(n, policy, why, &d);
	do_without(n);
	if (why == RULES_WAIT_MEMORY)
		loop_timer_in(n->rules.again, 1 * SEC);
	return why == RULES_WAIT_MEMORY ? TM_ENOMEM : why == RULES_WAIT_MEMBERS ? TM_EFULL : TM_EINVAL;
}

static const char *why_not(enum rules_wait why)
{
	static const char *const words[] = {
		[RULES_WAIT_NOT] = "cannot be put in force here",
		[RULES_WAIT_OTHER] = "cannot be read by this program, which is older perhaps",
		[RULES_WAIT_MEMBERS] = "gives more different rights than this node can hold",
		[RULES_WAIT_MEMORY] = "cannot be put in force for want of memory",
	};

	return words[why];
}

void node_rules_view(const struct node *n, struct rules_view *ret_view)
{
	const struct policy_kept *kept = peers_policy(n->peers);
	const uint64_t told = n->rules.waits ? n->rules.waiting.version : kept->version;
	struct rules_view v = {.told = told, .in_force = version_in_force(n)};

	if (kept->lost && !n->rules.waits)
		snprintf(v.trouble, sizeof(v.trouble),
			"the policy of the mesh is lost: nothing passes until the coordinator tells it");
	else if (n->rules.full && n->rules.closed && !n->rules.waits)
		snprintf(v.trouble, sizeof(v.trouble),
			"the policy gives more different rights now than this node can hold: nothing passes");
	else if (v.told != v.in_force && v.in_force)
		snprintf(v.trouble, sizeof(v.trouble),
			"version %" PRIu64 " of the policy %s: version %" PRIu64 " still holds", v.told,
			why_not(n->rules.waits), v.in_force);
	else if (v.told != v.in_force)
		snprintf(v.trouble, sizeof(v.trouble), "version %" PRIu64 " of the policy %s: nothing passes",
			v.told, why_not(n->rules.waits));
	else if (n->rules.full)
		snprintf(v.trouble, sizeof(v.trouble),
			"the policy gives more different rights now than this node can hold: the rules from "
			"before the last changes of members hold");
	*ret_view = v;
}

void node_rules_network(struct node *n)
{
	if (filtering_is_on(n->rules.filtering) && leads(n))
		make_soon(n);
}

static bool brings_networks(const struct mesh_diff *d)
{
	for (size_t i = 0; i < d->n; i++)
		if (d->v[i].after && policy_leads(d->v[i].after))
			return true;
	return false;
}

void node_rules_mesh(struct node *n, const struct mesh_diff *d)
{
	/* A document's names mean whom they meant when it was accepted; the configuration's whoever is found
	 * by them now, and by what members are found is the mesh's to say. */
	const unsigned concerns = n->config.n_rules ? ~0u
						    : MESH_ADDED | MESH_REMOVED | MESH_TAGS | MESH_VIA |
							      MESH_KIND | MESH_ADDRESSES | MESH_ROUTES;
	unsigned what = 0;

	for (size_t i = 0; i < d->n; i++)
		what |= d->v[i].what;
	if (!(what & concerns))
		return;
	n->rules.changed = true;
	/* Where nothing is stopped it may be because there are members alone: what comes behind them must not
	 * be reached before it was judged. */
	if (filtering_is_on(n->rules.filtering) && !n->rules.on && brings_networks(d))
		make(n);
	else if (filtering_is_on(n->rules.filtering) || n->rules.waits == RULES_WAIT_MEMBERS)
		make_soon(n);
}
