/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Further sockets by which it is found out what stands between members and the world (control/path/nat.h).
 * Every node has one to ask by where the data socket would not do. A coordinator or relay has a second port,
 * which is asked too, and a silent one, from which some questions are answered. Without them the node is as
 * good as with them. Control thread. Private to node/.
 */
#ifndef TM_NODE_DOORS_H
#define TM_NODE_DOORS_H

struct node;

void doors_open(struct node *n); /* the plane runs; they are closed with it */

#endif
