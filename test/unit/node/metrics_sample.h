/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A node as metrics see it, made up: a relay with peers on every kind of path; and a mesh, as its coordinator
 * does. */
#ifndef TM_TEST_UNIT_NODE_METRICS_SAMPLE_H
#define TM_TEST_UNIT_NODE_METRICS_SAMPLE_H

#include "node/metrics.h"

enum { SAMPLE_PEERS = 5, SAMPLE_NODES = 3 };

struct metrics_sample {
	struct mesh_info mesh;
	struct mesh_node node, client;
	struct mesh_node *named[SAMPLE_PEERS]; /* "p0" and so on: who is told of by name */
	struct peer_view peers[SAMPLE_PEERS];
	struct reaching *reaching;
	struct dns_counters dns;
	struct metrics_view view;
	struct coord_figures mesh_figures;
	struct coord_node nodes[SAMPLE_NODES];
};

bool metrics_sample_init(struct metrics_sample *s);
void metrics_sample_deinit(struct metrics_sample *s);

#endif
