/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Another node's way to the internet, in use by this machine: one choice for both families. While it is in
 * force nothing goes past it: an exit that is out of reach, has lost its approval or has left the mesh is one
 * that nothing passes, until somebody ends its use. Control thread. Private to node/.
 */
#ifndef TM_NODE_EXITS_H
#define TM_NODE_EXITS_H

#include "base/diag.h"
#include "base/time.h"
#include "control/policy/owners.h"

struct node;
struct exits;

NODISCARD int exits_open(struct node *n); /* plane, routes, offers */
/* Everything on the host is as it was; with a kill switch everything is held, unless somebody wants the end.
 */
void exits_close(struct node *n);
void exits_end(struct node *n); /* somebody does: what the next exits_close leaves is nothing */

/* For the owners' rule: the id of the exit in force; "" = none. */
const char *exits_in_force(const struct node *n);
/* What was told, the members, or this machine's network may be others: rules and routes are as they must be.
 */
void exits_look(struct node *n);
/* Not for so long; 0: again now. */
void exits_pause(struct node *n, ns_t pause);

/* After somebody told: now, and not after a pause. What failed is tried again, unless that is told otherwise.
 */
NODISCARD int exits_apply(struct node *n, struct diag *d);

struct exit_view {
	const char *id, *name; /* "" = none is used; the name of one that has left is "" */
	unsigned families; /* EXIT_: that it offers and may */
	bool lan, kill;
	int64_t paused_s; /* for so long still, 0 = it is not */
	const char *trouble; /* a sentence, "" = nothing */
};
void exits_view(const struct node *n, struct exit_view *ret_view);

#endif
