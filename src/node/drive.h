/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Drives the path core: what plane, agent and os tell goes into it, what it decides goes to them, in its
 * order. The clock and the randomness are ours. Control thread. Private to node/.
 */
#ifndef TM_NODE_DRIVE_H
#define TM_NODE_DRIVE_H

#include "control/path/core.h"

struct node;

NODISCARD int drive_open(struct node *n); /* plane and clock are there */
void drive_close(struct node *n);

/* Feeds the core and does what it decides, at once. */
void drive_input(struct node *n, const struct core_in *in);
/* Reads this machine's addresses: at first, and when the network changed. */
void drive_network(struct node *n);
/* Are these addresses other ones than when that was done last? */
bool drive_is_elsewhere(const struct node *n);
/* Routes or interfaces changed, and no address that others reach us by. */
void drive_routes(struct node *n);
/* The further endpoints of the configuration. */
void drive_advertise(struct node *n);

#endif
