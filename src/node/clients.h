/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Stock WireGuard devices that reach the mesh through this node. Control thread. Private to node/. */
#ifndef TM_NODE_CLIENTS_H
#define TM_NODE_CLIENTS_H

#include "control/coord/coord.h"

struct node;

/* {"ok":true,"client":...} with what a configuration needs, or a refusal; NULL: out of memory. */
typedef void client_added_fn(void *ctx, msg_object *answer_take);
/* req: client.add of "Every node" in docs/protocol.md. Answered once, now or later; who: if the coordinator
 * is here. */
void client_add(struct node *n, const msg_object *req, const struct coord_who *who, client_added_fn *added,
	void *ctx);

#endif
