/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The dashboard of the mesh (web/dashboard), on its coordinator: at port 80 of our own mesh addresses, for
 * members, who are known by the address that they come from, with the rights that they have; and outside of
 * the mesh, for who has its password (node/outside.h). Where the port cannot be had the node is as good as
 * ever without it: it is said once, shown by `status`, and tried again. Control thread. Private to node/.
 */
#ifndef TM_NODE_DASHBOARD_H
#define TM_NODE_DASHBOARD_H

#include "base/diag.h"
#include "base/err.h"
#include "base/util.h"
#include "node/outside.h"
#include "node/own_doors.h"

struct node;

NODISCARD int node_dashboard_open(struct node *n); /* the directory of members is there; elsewhere nothing */
/* Served where it should be from now on: the interface has its addresses, or the configuration has changed.
 */
void node_dashboard_follow(struct node *n);
void node_dashboard_changed(struct node *n); /* something that it shows, perhaps; often */
void node_dashboard_close(
	struct node *n); /* the coordinator has ended, and so answered all that it was asked */

/* Of a coordinator: outside_keep. */
NODISCARD int node_dashboard_keep(struct node *n, const char *line, struct diag *d);

/* Where it is shown to be served. */
struct dashboard_view {
	struct own_doors_view mesh;
	struct outside_view outside;
};
void node_dashboard_view(const struct node *n, struct dashboard_view *ret_view);

#endif
