/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What others may set going in plugs.c, besides the tables of node_private.h. */
#ifndef TM_NODE_PLUGS_H
#define TM_NODE_PLUGS_H

struct node;

/* Networks behind members have other owners (routing.h): plane and routes follow. */
void plugs_networks(struct node *n);

#endif
