/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Relays, as far as they concern the whole node: those that it may use. Control thread. Private to node/. */
#ifndef TM_NODE_RELAYING_H
#define TM_NODE_RELAYING_H

#include "mesh/relays.h"

struct node;

/* These members relay now: for the path core, unless this node is to use none. */
void relaying_told(struct node *n, const struct relays *r);

#endif
