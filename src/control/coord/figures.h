/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The mesh in figures, for whoever shows them: how many there are, how they are, and what waits in the
 * coordinator. Looked at when asked, a walk over all members each time. What nodes say of themselves (their
 * version, their reports, where their metrics are had) is as good as their word. Control thread; texts are
 * borrowed and good until the loop goes on.
 */
#ifndef TM_CONTROL_COORD_FIGURES_H
#define TM_CONTROL_COORD_FIGURES_H

#include "control/coord/reports.h"

struct coord;

enum { COORD_VERSIONS = 16 }; /* that are told apart */

struct coord_figures {
	size_t linked, away, clients; /* nodes with and without a link; stock WireGuard clients */
	struct coord_version {
		const char *text;
		size_t nodes;
	} versions[COORD_VERSIONS]; /* that nodes have said, linked or not */
	size_t n_versions, other_versions; /* other_versions: nodes of none of these */
	struct reports_total reports;
	size_t policy_behind; /* nodes with a link that do not say that they go by the one in force */
	size_t map_behind; /* nodes with a link that are still to be told the newest map */
	size_t jobs; /* requests that wait for the database */
	size_t strangers; /* links whose key is no member's */
	size_t snapshot_bytes; /* of maps, in queues of links */
};
void coord_figures(struct coord *c, struct coord_figures *ret_figures);

/* A node of the mesh. */
struct coord_node {
	const char *id, *name;
	const char (*tags)[NODE_TAG_MAX + 1];
	size_t n_tags;
	struct ip ip4;
	bool coordinator, linked;
	int64_t seen; /* Unix seconds: now, while it has a link; 0 = never */
	uint16_t metrics_port; /* of its addresses in the mesh, as it told last; 0: none, or not known */
};
/* All of them, by host number: the caller frees the list. TM_ENOMEM. */
NODISCARD int coord_nodes(struct coord *c, struct coord_node **ret_v, size_t *ret_n);

#endif
