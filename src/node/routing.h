/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Networks behind other nodes, as far as this one takes them: through whom each is reached
 * (control/policy/owners), the plane's peers that follow, and the routes by which this machine's packets come
 * to the tunnel. Control thread. Private to node/.
 */
#ifndef TM_NODE_ROUTING_H
#define TM_NODE_ROUTING_H

#include "control/path/core.h"
#include "control/policy/policy.h"
#include "mesh/diff.h"
#include "os/os.h"

struct node;
struct routing;

NODISCARD int routing_open(struct node *n); /* loop, configuration */
void routing_close(struct node *n);

/*
 * The members changed: who owns what from now on, for policy_apply; then, within the same batch of the plane,
 * those whose networks are others now. `anew`: everything is told again anyway.
 */
const struct owners *routing_follow(struct node *n, const struct mesh_diff *d, bool anew);
NODISCARD int routing_apply(struct node *n, const struct policy *p, const struct policy_ops *ops);
/* After the batch: this machine's routes. */
void routing_settle(struct node *n);

/* The configuration, or what is chosen here, is another one. */
void routing_again(struct node *n);
/* The path core decided that about a member. */
void routing_path(struct node *n, const struct mesh_node *m, const struct core_out *out);
void routing_session(struct node *n, const struct mesh_node *m, bool up);
/* This machine's network or routes changed. */
void routing_network(struct node *n);

/* One network as it is shown. */
struct routed {
	struct owned owned;
	struct os_own_route route;
	const char *via; /* good until the members change */
};
/* Borrowed; fills in `via`. */
const struct routed *routing_look(const struct node *n, size_t *ret_n);

#endif
