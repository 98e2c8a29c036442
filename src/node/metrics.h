/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What a node shows to Prometheus: the same view that `status` prints (node/view.h), and what only figures
 * are kept of. Nothing is counted for it on a packet's way. Control thread. Private to node/.
 */
#ifndef TM_NODE_METRICS_H
#define TM_NODE_METRICS_H

#include "base/metricout.h"
#include "dns/answer.h"
#include "node/reaching.h"
#include "node/view.h"
#include "os/usage.h"

struct metrics_view {
	struct node_view node; /* with all peers */
	const struct reaching *reaching; /* borrowed */
	const struct dns_counters *dns; /* borrowed; NULL: switched off */
	size_t dns_connections;
	struct os_usage usage;
	size_t descriptors_max;
	ns_t started_real; /* Unix time; the same in every view */
};

/* Borrows from the node: to be used before returning to the loop. */
NODISCARD int metrics_view_take(const struct node *n, struct metrics_view *ret_view);
void metrics_view_deinit(struct metrics_view *v);

/* --- metrics_print.c --- */
void metrics_print(const struct metrics_view *v, struct metricout *out); /* pure */
/* In their order; *ret_n of them. */
const struct metric *metrics_all(size_t *ret_n);

#endif
