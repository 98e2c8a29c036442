/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The mesh's members in memory, and the netmap made of them: authoritative for reads. Control thread; no I/O,
 * no clock.
 *
 * Versions: every added, renamed or removed member takes the next netmap version. A delta from version b
 * holds the members that changed after b (they are kept in the order of their last change) and the ids
 * removed after b (remembered for the last REGISTRY_REMOVED_MAX removals). Who is online is no part of the
 * map: a thousand nodes that reconnect change nothing in it.
 */
#ifndef TM_CONTROL_COORD_REGISTRY_H
#define TM_CONTROL_COORD_REGISTRY_H

#include "base/list.h"
#include "base/map.h"
#include "control/store/node.h"
#include "mesh/model.h"

#include <jansson.h>

enum { REGISTRY_REMOVED_MAX = 1024 };

struct conn;
struct registry;

struct member {
	struct store_node s;
	uint64_t changed; /* netmap version of the last change */
	struct list by_change;
	struct list clients; /* of a mesh node */
	struct list in_clients; /* of a client, in its node's `clients` */
	/* The owner's: registry_add leaves them empty, registry_remove does not look. */
	struct conn *conn;
	struct candidates candidates; /* last known */
	struct list watchers, watching;
	struct list in_expiry; /* ephemeral and offline */
	struct list in_touched; /* last_seen or version not stored yet */
	int64_t expires_at; /* ns_t */
	struct ip seen_at; /* address of the last link */
};

NODISCARD int registry_new(
	const struct mesh_info *mesh, uint64_t first_version, struct registry **ret_registry);
void registry_free(struct registry *r);
DEFINE_CLEANUP(struct registry, registry_free)

/* Fills in the addresses. TM_EEXIST: id, key or name is taken; TM_ENOENT: a client's node is unknown. */
NODISCARD int registry_add(struct registry *r, const struct store_node *n, struct member **ret_member);
NODISCARD int registry_rename(struct registry *r, struct member *m, const char *name); /* TM_EEXIST */
void registry_set_online(struct registry *r, const struct member *m, bool online); /* and its clients */
bool registry_online(const struct registry *r, const struct member *m);
const struct presence *registry_presence(const struct registry *r);
/* Frees m. Its clients must have been removed before. */
void registry_remove(struct registry *r, struct member *m);

struct member *registry_by_id(const struct registry *r, const char *id);
struct member *registry_by_key(const struct registry *r, const uint8_t key[static 32]);
struct member *registry_lookup(const struct registry *r, const char *name_or_id);
size_t registry_size(const struct registry *r);
/* for (size_t i = 0; (m = registry_next(r, &i)); ) ... in no particular order. */
struct member *registry_next(const struct registry *r, size_t *pos);
const struct mesh_info *registry_mesh(const struct registry *r);
uint64_t registry_version(const struct registry *r);

/* What a node that has version `base` needs: a delta when one can be made, else the snapshot. New reference;
 * NULL = out of memory. */
NODISCARD json_t *registry_view(struct registry *r, uint64_t base);

#endif
