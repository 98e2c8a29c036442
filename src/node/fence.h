/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Members come by the tunnel (docs/decisions/0061): what comes for this node's addresses in the mesh by
 * another interface is not let in, but from networks behind it that were offered to be seen. Control thread.
 * Private to node/.
 */
#ifndef TM_NODE_FENCE_H
#define TM_NODE_FENCE_H

#include "base/err.h"
#include "base/util.h"

struct node;
struct fence;

NODISCARD int fence_open(struct node *n); /* configuration and plane */
void fence_close(struct node *n);
/* The interface's addresses or this machine's network may be others. */
void fence_look(struct node *n);
/* What is offered or approved may be. */
void fence_routes(struct node *n);

#endif
