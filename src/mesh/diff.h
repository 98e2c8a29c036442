/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What an update changed in a mesh, so that whoever follows it does work for that and nothing else. */
#ifndef TM_MESH_DIFF_H
#define TM_MESH_DIFF_H

#include "mesh/mesh.h"

enum mesh_what {
	MESH_ADDED = 1 << 0, /* `before` is NULL; no other bit */
	MESH_REMOVED = 1 << 1, /* `after` is NULL; no other bit */
	MESH_NAME = 1 << 2,
	MESH_KEY = 1 << 3,
	MESH_ADDRESSES = 1 << 4,
	MESH_TAGS = 1 << 5,
	MESH_VIA = 1 << 6, /* the node in front of a client */
	MESH_KIND = 1 << 7, /* node or client */
	MESH_ROLE = 1 << 8, /* coordinator or not */
	MESH_ROUTES = 1 << 9, /* networks behind it, or its being an exit */
	MESH_ALIASES = 1 << 10,
};

struct mesh_change {
	unsigned what; /* enum mesh_what, at least one */
	const struct mesh_node *before, *after;
};

struct mesh_diff {
	struct mesh_change *v; /* owned; a member is named once at most */
	size_t n;
	size_t n_bad; /* records that clash with others, left out */
};

/*
 * Takes in a snapshot or a delta. The first record of an id counts, and a record counts more than a removal
 * of the same id. A record whose name, key or host number belongs to another member is left out (and its
 * member with it, if there was one): one bad record does not spoil the rest. TM_ERANGE: a delta to another
 * version than ours; TM_EFULL: more than NETMAP_NODES_MAX members. After an error nothing has changed.
 */
NODISCARD int mesh_apply(struct mesh *m, const struct netmap *update, struct mesh_diff *ret_diff);
/* Removes all members; the version is 0 afterwards. */
NODISCARD int mesh_clear(struct mesh *m, struct mesh_diff *ret_diff);
/* All members as added: for those who begin to follow a mesh that is there already. */
NODISCARD int mesh_diff_all(const struct mesh *m, struct mesh_diff *ret_diff);

void mesh_diff_deinit(struct mesh_diff *d); /* frees the records of before; NULL is fine */

#endif
