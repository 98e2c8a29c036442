/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The plane's rules follow the policy of the mesh and its members. A new policy holds when this returns; a
 * new member, or another tag, in the next turn of the loop, until when a new member is nobody to the filter
 * and is let do nothing.
 */
#ifndef TM_NODE_RULES_H
#define TM_NODE_RULES_H

#include "control/peers/peers.h"
#include "policy/local.h"

struct node;

NODISCARD int node_rules_init(struct node *n);
void node_rules_deinit(struct node *n);
/*
 * version 0: there is none any more. An error: it cannot be put in force here, and the one before holds, or
 * without one nothing passes. Where time or other members may mend that it is tried again from here, and kept
 * (peers_set_policy) once it holds.
 */
NODISCARD int node_rules_policy(struct node *n, const struct policy_kept *policy);
/* Why one that was told is not in force. */
enum rules_wait {
	RULES_WAIT_NOT,
	RULES_WAIT_OTHER, /* it cannot be read: for another one */
	RULES_WAIT_MEMBERS, /* too many rights that differ: until members change */
	RULES_WAIT_MEMORY, /* a second */
};
/* Does it narrow what the policy allows, or does that grant it? */
bool node_rules_granted(const struct node *n, const struct policy_local *r);
/* Has one an effect now, for sure? Not while there are more rights than the filter holds. */
bool node_rules_in_force(const struct node *n, const struct policy_local *r);
/* The policy of the mesh at this node. */
struct rules_view {
	uint64_t told, in_force; /* versions; 0: none */
	char trouble[192]; /* why they differ, or nothing passes; "" = nothing is wrong */
};
void node_rules_view(const struct node *n, struct rules_view *ret_view);
void node_rules_mesh(struct node *n, const struct mesh_diff *d);
void node_rules_make(struct node *n); /* now: this node's own (node/own_rules.h) are others */
void node_rules_network(struct node *n); /* this machine's addresses have changed, perhaps */

#endif
