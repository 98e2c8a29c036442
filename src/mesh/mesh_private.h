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
	struct hashset by_id, by_key, by_name, by_alias;
	struct hashset by_via; /* the first client of each `via`, known or not */
	struct mesh_node **by_host;
	size_t n_hosts; /* length of by_host */
};

/* What finds a member by one of its aliases. */
struct mesh_alias {
	struct mesh_node *node;
	char name[NODE_ALIAS_LEN];
};

/* A record as told, which has been checked. */
NODISCARD int mesh_node_new(const struct node_rec *r, struct mesh_node **ret_node);

/* What is to come: so many more records, so many of all being clients, with so many aliases, and host numbers
 * up to max_host. */
struct mesh_room {
	size_t more, clients, aliases;
	uint32_t max_host;
};
NODISCARD int mesh_reserve(
	struct mesh *m, const struct mesh_room *room); /* mesh_index needs no memory then */
bool mesh_index(struct mesh *m, struct mesh_node *n); /* false: something of it belongs to another */
void mesh_unindex(struct mesh *m, struct mesh_node *n);

#endif
