/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Figures of this node, by HTTP: at its addresses in the mesh, where the policy says who may ask, or
 * where the configuration says. On the coordinator those of the mesh, and who else serves some. Nothing is
 * looked at unless somebody asks, and then once in half a second at most. Control thread. Private to node/.
 */
#ifndef TM_NODE_METRICS_SERVING_H
#define TM_NODE_METRICS_SERVING_H

#include "base/util.h"
#include "node/own_doors.h"

struct node;

/* As the configuration says from now on, at the start and after a reload; what fails is said. */
void metrics_serving_configure(struct node *n);
void metrics_serving_close(struct node *n);
/* The port of our IPv4 address in the mesh at which they are had; 0: not there. */
uint16_t metrics_serving_port(const struct node *n);

/* Where they are shown to be served. */
void metrics_serving_view(const struct node *n, struct own_doors_view *ret_view);

#endif
