/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "node/rules.h"

#include "control/policy/filtering.h"
#include "data/filter/rules.h"
#include "node/node_private.h"

/* Of a mesh of 10,000 a node's share takes 4 ms: changes that come one after the other cost a twentieth. */
enum { REST = 20 };

static int apply(struct node *n)
{
	struct rules *rules = NULL;
	ns_t start = time_monotonic();

	int err = filtering_rules(n->rules.filtering, peers_mesh(n->peers), n->enrolment.self.id, &rules);
	if (!err && (rules || n->rules.on))
		err = plane_set_rules(n->plane, rules);
	if (err)
		rules_free(rules);
	else
		n->rules.on = rules;
	n->rules.not_before = time_monotonic() + (time_monotonic() - start) * REST;
	return err;
}

static void on_due(void *ctx)
{
	struct node *n = ctx;

	int err = apply(n);
	if (!err)
		return;
	LOG_LIMITED(LOG_ERROR, &n->log.mesh, LOG_WHO_ALL,
		"node: the rules of the packet filter could not be made, keeping the old ones, trying again "
		"in 1 s",
		KV_ERR(err));
	loop_timer_in(n->rules.again, 1 * SEC);
}

int node_rules_init(struct node *n)
{
	int err = filtering_new(&n->rules.filtering);

	return err ? err : loop_timer_new(n->base, on_due, n, &n->rules.again);
}

void node_rules_deinit(struct node *n)
{
	loop_timer_free(TAKE(n->rules.again));
	filtering_free(TAKE(n->rules.filtering));
}

void node_rules_policy(struct node *n, const struct policy_kept *policy)
{
	struct diag d = {0};

	int err = filtering_set(n->rules.filtering, policy->version ? policy->text : NULL, policy->nodes, &d);
	if (err) {
		LOG_LIMITED(LOG_ERROR, &n->log.mesh, LOG_WHO_ALL,
			"node: this program cannot read the policy of the mesh, the one before stays in "
			"force: is it older "
			"than the coordinator's?",
			KV_INT("version", (int64_t)policy->version), KV("where", d.where), KV("why", d.what));
		/* Where there is none before, nothing is known to be allowed. */
		if (filtering_is_on(n->rules.filtering) ||
			filtering_set(n->rules.filtering, "", "", NULL) != TM_OK)
			return;
	}
	log_info("node: the policy of the mesh is in force", KV_INT("version", (int64_t)policy->version));
	on_due(n);
}

void node_rules_mesh(struct node *n, const struct mesh_diff *d)
{
	const unsigned concerns =
		MESH_ADDED | MESH_REMOVED | MESH_TAGS | MESH_VIA | MESH_KIND | MESH_ADDRESSES | MESH_ROUTES;
	unsigned what = 0;

	for (size_t i = 0; i < d->n; i++)
		what |= d->v[i].what;
	if (filtering_is_on(n->rules.filtering) && what & concerns)
		loop_timer_at(n->rules.again, ns_max(time_monotonic(), n->rules.not_before));
}
