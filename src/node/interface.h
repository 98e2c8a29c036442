/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The addresses and routes of the tunnel's interface: set at the start, and put back when somebody takes them
 * away, as programs do that manage the network and find an interface that they do not know. Control thread.
 * Private to node/.
 */
#ifndef TM_NODE_INTERFACE_H
#define TM_NODE_INTERFACE_H

#include "base/err.h"
#include "base/util.h"

struct node;

NODISCARD int interface_configure(struct node *n); /* `failure` has the sentence */
/* Something about the interface changed. */
void interface_on_changed(void *node);
void interface_close(struct node *n);

#endif
