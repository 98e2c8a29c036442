/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Rules of this node's own (policy/local.h): of its configuration, and of commands, for a time. They become
 * part of what node/rules.h makes for the plane. Control thread. Private to node/.
 */
#ifndef TM_NODE_OWN_RULES_H
#define TM_NODE_OWN_RULES_H

#include "base/time.h"
#include "policy/local.h"

struct node;

/* This node's own, for a time; they end with the program. */
enum { OWN_RULES_MAX = 64 };
struct own_rule {
	struct policy_local rule;
	ns_t until; /* monotonic */
};
/* And those of its configuration, as that is now. Names mean who has them at any time. */
struct configured_rule {
	struct policy_local rule; /* bound */
	char absent[NODE_NAME_MAX + 1]; /* a name in it that nobody has */
};
void node_rules_configured(struct node *n);
/* One that is bound; it gets an id. TM_EFULL, TM_EPERM (it allows, and the policy does not grant that) with a
 * sentence. */
NODISCARD int node_rules_add(struct node *n, const struct policy_local *r, ns_t ttl, struct diag *d);
NODISCARD int node_rules_remove(struct node *n, const char *id, struct diag *d); /* TM_ENOENT, likewise */

/* --- for node/rules.c --- */

NODISCARD int own_rules_init(struct node *n); /* after the filtering */
void own_rules_deinit(struct node *n);
/* Whom the names in the configuration mean now; all of them into the filtering, where that is due. */
NODISCARD int own_rules_follow(struct node *n);
/* Once, as long as some have no effect because the policy does not grant it. */
void own_rules_say_in_vain(struct node *n);

#endif
