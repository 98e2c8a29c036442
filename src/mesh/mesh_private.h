/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The mesh from inside: mesh.c (records and look-ups), apply.c (updates). */
#ifndef TM_MESH_MESH_PRIVATE_H
#define TM_MESH_MESH_PRIVATE_H

#include "base/hashset.h"
#include "mesh/diff.h"

struct mesh {
	struct mesh_info info; /* prefixes and zone only */
	uint64_t version;
	uint32_t generation; /* of updates; see mesh_node.seen */
	struct hashset by_id, by_key, by_name;
	struct hashset by_via; /* the first client of each `via`, known or not */
	struct mesh_node **by_host;
	size_t n_hosts; /* length of by_host */
};

/* A record as told, which has been checked. */
NODISCARD int mesh_node_new(const struct node_rec *r, struct mesh_node **ret_node);

/* Room for so many more records, `clients` of all that will come being clients, with host numbers up to
 * max_host: mesh_index needs no memory then. */
NODISCARD int mesh_reserve(struct mesh *m, size_t more, size_t clients, uint32_t max_host);
bool mesh_index(struct mesh *m, struct mesh_node *n); /* false: something of it belongs to another */
void mesh_unindex(struct mesh *m, struct mesh_node *n);

#endif
