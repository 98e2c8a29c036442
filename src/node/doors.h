/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Further sockets of a coordinator, so that members can find out what stands between them and the world: a
 * second port, which is asked too, and a silent one, from which some questions are answered
 * (control/path/nat_serve.h). A convenience: without them the node is as good as with them. Control thread.
 * Private to node/.
 */
#ifndef TM_NODE_DOORS_H
#define TM_NODE_DOORS_H

struct node;

void doors_open(struct node *n); /* the plane runs; they are closed with it */

#endif
