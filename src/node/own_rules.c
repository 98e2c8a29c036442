/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "node/own_rules.h"

#include "control/policy/filtering.h"
#include "node/node_private.h"
#include "node/rules.h"

#include <stdio.h>
#include <string.h>

/* All of this node's own: of the configuration, and the first `count` of others. */
static int take_own(struct node *n, const struct own_rule *v, size_t count)
{
	_cleanup_(freep) struct policy_local *rules =
		calloc(CONFIG_RULES_MAX + OWN_RULES_MAX, sizeof(*rules));
	size_t total = 0;

	if (!rules)
		return TM_ENOMEM;
	for (size_t i = 0; i < n->config.n_rules; i++)
		rules[total++] = n->rules.configured[i].rule;
	for (size_t i = 0; i < count; i++)
		rules[total++] = v[i].rule;
	int err = filtering_set_local(n->rules.filtering, n->enrolment.self.id, rules, total);
	if (!err)
		n->rules.rebound = false;
	return err;
}

/* Told once: as long as we know of nobody at all, it says nothing. */
static void say_absent(const struct node *n, const struct configured_rule *c, const char *before)
{
	if (c->absent[0] && strcmp(c->absent, before) != 0 && mesh_size(peers_mesh(n->peers)))
		log_warn("node: a rule of the configuration names somebody who is not there",
			KV("name", c->absent), KV_INT("line", (int64_t)c->rule.line));
}

int own_rules_follow(struct node *n)
{
	for (size_t i = 0; i < n->config.n_rules; i++) {
		struct configured_rule *c = &n->rules.configured[i], next = {.rule = n->config.rules[i]};

		int err = policy_local_bind_known(&next.rule, peers_mesh(n->peers), next.absent);
		if (err)
			return err;
		n->rules.rebound |= strcmp(next.rule.who, c->rule.who) != 0;
		say_absent(n, &next, c->absent);
		*c = next;
	}
	return n->rules.rebound ? take_own(n, n->rules.own, n->rules.n_own) : TM_OK;
}

void own_rules_say_in_vain(struct node *n)
{
	bool in_vain = false;

	/* A node that does not know its own tags yet says nothing. */
	if (!mesh_by_id(peers_mesh(n->peers), n->enrolment.self.id))
		return;
	for (size_t i = 0; i < n->config.n_rules; i++)
		in_vain |= !node_rules_granted(n, &n->config.rules[i]);
	for (size_t i = 0; i < n->rules.n_own; i++)
		in_vain |= !node_rules_granted(n, &n->rules.own[i].rule);
	if (in_vain && !n->rules.in_vain)
		log_warn("node: rules of this node's own that allow have no effect: the policy of the mesh "
			 "does not grant it (local_allow)");
	n->rules.in_vain = in_vain;
}

/* The next of them to end. */
static void await(struct node *n)
{
	ns_t first = NS_NEVER;

	for (size_t i = 0; i < n->rules.n_own; i++)
		first = ns_min(first, n->rules.own[i].until);
	if (first != NS_NEVER)
		loop_timer_at(n->rules.over, first);
}

/* From now on these. */
static int change_own(struct node *n, const struct own_rule *v, size_t count)
{
	int err = take_own(n, v, count);

	if (err)
		return err;
	memmove(n->rules.own, v, count * sizeof(*v));
	n->rules.n_own = count;
	await(n);
	node_rules_make(n);
	return TM_OK;
}

/* Without the one at `gone`, or without those whose time is over. */
static int drop_own(struct node *n, size_t gone)
{
	_cleanup_(freep) struct own_rule *left = calloc(OWN_RULES_MAX, sizeof(*left));
	const ns_t now = time_monotonic();
	size_t count = 0;

	if (!left)
		return TM_ENOMEM;
	for (size_t i = 0; i < n->rules.n_own; i++)
		if (i != gone && n->rules.own[i].until > now)
			left[count++] = n->rules.own[i];
	return change_own(n, left, count);
}

static void on_over(void *ctx)
{
	struct node *n = ctx;

	if (drop_own(n, OWN_RULES_MAX) != TM_OK)
		loop_timer_in(n->rules.over, 1 * SEC);
}

static int check_grant(const struct node *n, const struct policy_local *r, struct diag *d)
{
	if (r->action != POLICY_ALLOW)
		return TM_OK;
	if (!filtering_has_policy(n->rules.filtering))
		return diag_what(d, TM_EPERM, "the mesh has no policy: everything is allowed already");
	if (node_rules_granted(n, r))
		return TM_OK;
	diag_hint(d, "on the coordinator, \"local_allow: [tag:TAG]\" with a tag of this node would grant it");
	return diag_what(d, TM_EPERM,
		"the policy of the mesh does not let this node allow anything by rules of its own");
}

static int too_many(struct diag *d)
{
	diag_hint(d, "`tunnelmesh filter local` shows what else this node has of its own");
	return diag_what(
		d, TM_EFULL, "with this rule there are more different rights than this node can hold");
}

int node_rules_add(struct node *n, const struct policy_local *r, ns_t ttl, struct diag *d)
{
	struct own_rule *added = &n->rules.own[n->rules.n_own];

	if (n->rules.n_own == OWN_RULES_MAX) {
		diag_hint(d, "remove some with `tunnelmesh filter remove`");
		return diag_what(d, TM_EFULL, "a node has at most %d rules of its own", OWN_RULES_MAX);
	}
	int err = check_grant(n, r, d);
	if (err)
		return err;
	*added = (struct own_rule){.rule = *r, .until = time_monotonic() + ttl};
	snprintf(added->rule.id, sizeof(added->rule.id), "local-%u", n->rules.next_own + 1);
	err = change_own(n, n->rules.own, n->rules.n_own + 1);
	/* The rules that hold are those from before it. */
	if (!err && n->rules.full && change_own(n, n->rules.own, n->rules.n_own - 1) == TM_OK)
		return too_many(d);
	if (!err)
		n->rules.next_own++;
	return err;
}

int node_rules_remove(struct node *n, const char *id, struct diag *d)
{
	for (size_t i = 0; i < n->rules.n_own; i++)
		if (strcmp(n->rules.own[i].rule.id, id) == 0)
			return drop_own(n, i);
	for (size_t i = 0; i < n->config.n_rules; i++)
		if (strcmp(n->config.rules[i].id, id) == 0) {
			diag_hint(d, "take it out there, then `tunnelmesh reload`");
			return diag_what(d, TM_EPERM, "%s stands in the configuration, line %u", id,
				n->config.rules[i].line);
		}
	diag_hint(d, "`tunnelmesh filter local` shows all");
	return diag_what(d, TM_ENOENT, "this node has no rule \"%.40s\" of its own", id);
}

void node_rules_configured(struct node *n)
{
	memset(n->rules.configured, 0, CONFIG_RULES_MAX * sizeof(*n->rules.configured));
	n->rules.rebound = true;
	node_rules_make(n);
}

int own_rules_init(struct node *n)
{
	n->rules.own = calloc(OWN_RULES_MAX, sizeof(*n->rules.own));
	n->rules.configured = calloc(CONFIG_RULES_MAX, sizeof(*n->rules.configured));
	int err = n->rules.own && n->rules.configured ? TM_OK : TM_ENOMEM;

	if (!err)
		err = loop_timer_new(n->base, on_over, n, &n->rules.over);
	if (!err && n->config.n_rules)
		node_rules_configured(n);
	return err;
}

void own_rules_deinit(struct node *n)
{
	loop_timer_free(TAKE(n->rules.over));
	free(TAKE(n->rules.own));
	free(TAKE(n->rules.configured));
}
