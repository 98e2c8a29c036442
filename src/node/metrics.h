/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What a node shows to Prometheus: the same view that `status` prints (node/view.h), and what only figures
 * are kept of. Nothing is counted for it on a packet's way. Control thread. Private to node/.
 */
#ifndef TM_NODE_METRICS_H
#define TM_NODE_METRICS_H

#include "base/metricout.h"
#include "control/coord/figures.h"
#include "control/policy/counts.h"
#include "dns/answer.h"
#include "node/reaching.h"
#include "node/view.h"
#include "os/usage.h"

struct metrics_view {
	struct node_view node; /* with all peers */
	const struct reaching *reaching; /* borrowed */
	uint64_t links_begun; /* to the coordinator, since the start */
	struct plane_figures plane;
	uint64_t decided[COUNTS_ACTIONS]; /* connections, by the policy */
	const struct dns_counters *dns; /* borrowed; NULL: switched off */
	size_t dns_connections;
	bool dns_failing; /* names are not served where they should be */
	bool resolver_failing; /* programs of this machine may not find them */
	bool per_peer; /* single peers are told of, too */
	struct os_usage usage;
	size_t descriptors_max;
	ns_t started_real; /* Unix time; the same in every view */
};

/* Borrows from the node: to be used before returning to the loop. */
NODISCARD int metrics_view_take(const struct node *n, struct metrics_view *ret_view);
void metrics_view_deinit(struct metrics_view *v);
/* All of it as text, which the caller frees; NULL: no memory. */
NODISCARD char *metrics_text(const struct node *n, size_t *ret_len);

/* --- metrics_print.c; pure --- */
void metrics_print(const struct metrics_view *v, struct metricout *out);
/* All that there are, of nodes and of the mesh; *ret_n of them. */
const struct metric *metrics_all(size_t *ret_n);
const char *metrics_family(const struct peer_view *p); /* of the way to it outside, as a label has it */

/* --- metrics_peers.c; pure --- */
void metrics_print_peers(const struct metrics_view *v, struct metricout *out);

/* --- metrics_mesh.c; pure --- */
/* What the coordinator knows of all; nodes: n of them one by one, where that is wished. */
void metrics_print_mesh(
	const struct coord_figures *f, const struct coord_node *nodes, size_t n, struct metricout *out);
/* Nodes that serve metrics, as Prometheus asks for what it is to ask (http_sd_config). */
void metrics_print_targets(const struct coord_node *nodes, size_t n, struct jsonout *out);

#endif
