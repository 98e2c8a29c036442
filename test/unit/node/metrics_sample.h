/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A node as metrics see it, made up: a relay with peers on every kind of path. */
#ifndef TM_TEST_UNIT_NODE_METRICS_SAMPLE_H
#define TM_TEST_UNIT_NODE_METRICS_SAMPLE_H

#include "node/metrics.h"

enum { SAMPLE_PEERS = 5 };

struct metrics_sample {
	struct mesh_info mesh;
	struct mesh_node node, client;
	struct peer_view peers[SAMPLE_PEERS];
	struct reaching *reaching;
	struct dns_counters dns;
	struct metrics_view view;
};

bool metrics_sample_init(struct metrics_sample *s);
void metrics_sample_deinit(struct metrics_sample *s);

#endif
