/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * This machine as a router: what it offers and the administration has approved is taken in by the plane,
 * forwarded by the kernel, and, unless told otherwise, leaves with an address of this machine. Without any of
 * it nothing on the host is touched. Control thread. Private to node/.
 */
#ifndef TM_NODE_ROUTER_H
#define TM_NODE_ROUTER_H

#include "base/err.h"
#include "base/util.h"

struct node;
struct router;

NODISCARD int router_open(struct node *n); /* paths and plane */
void router_close(struct node *n); /* everything on the host is as it was */

/* What is offered or approved, the members, or this machine's network may be others. */
void router_look(struct node *n);

/* What stands in the way, "" = nothing: a sentence. */
const char *router_trouble(const struct node *n);

#endif
