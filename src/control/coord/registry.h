/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The mesh's members in memory, and the netmap made of them: a cache of the store that follows what has been
 * committed (feed.c) and is asked for everything that is read. Control thread; no I/O, no clock.
 *
 * Versions come with the changes, from the store: the number of the change above 31 random bits. A delta from
 * version b holds the members that changed after b (they are kept in the order of their last change) and the
 * ids removed after b. The last REGISTRY_CHANGES_MAX versions are remembered exactly: who claims one that is
 * not among them, because it is too old or of a database that has been restored since, gets a snapshot.
 *
 * Who is online is no part of the map: a thousand nodes that reconnect change nothing in it.
 */
#ifndef TM_CONTROL_COORD_REGISTRY_H
#define TM_CONTROL_COORD_REGISTRY_H

#include "base/jsonout.h"
#include "base/list.h"
#include "base/map.h"
#include "base/time.h"
#include "control/store/node.h"
#include "mesh/model.h"

enum { REGISTRY_CHANGES_MAX = STORE_CHANGES_KEPT };

struct conn;
struct registry;
struct relay_offer;
struct reporter;

/* Messages or links that came and are not forgotten yet, in thousandths, as of `at`. Zero: none. */
struct spending {
	uint64_t spent;
	ns_t at;
};

struct member {
	struct store_node s;
	uint64_t changed; /* netmap version of the last change; 0 = longer ago than is remembered */
	struct list by_change;
	struct list clients; /* of a mesh node */
	struct list in_clients; /* of a client, in its node's `clients` */
	/* The owner's: registry_put leaves them empty, registry_remove does not look but frees candidates. */
	struct conn *conn;
	struct conn *greeting; /* the newest link with its key that has not said hello */
	struct candidate *candidates; /* last known */
	size_t n_candidates;
	struct nat_told nat;
	struct list watchers, watching; /* `watching`: who was asked for longest ago first */
	size_t n_watchers, n_watching;
	struct list in_telling; /* its watchers do not know its last candidates yet */
	ns_t told_at; /* when they were told last */
	struct list in_expiry; /* ephemeral and offline */
	struct list in_touched; /* last_seen or version not stored yet */
	int64_t expires_at; /* ns_t */
	struct ip seen_at; /* address of the last link */
	struct ip leg_at; /* where it has registered with our own relay by UDP; IP_NONE: it has not */
	uint64_t run,
		run_before; /* twin.c: of its program, and the one whose place that took; 0 = not told */
	struct relay_offer *offer; /* relays.c: it would hand on the datagrams of others; NULL: no */
	struct twin *twin; /* NULL: no other machine with its identity came lately */
	struct reporter *reporter; /* reports.c: what it says; NULL: nothing */
	struct spending messages; /* over all its links: a new one gives no new right to flood */
	struct spending returns; /* links that its address did not pay for */
};

NODISCARD int registry_new(const struct mesh_info *mesh, struct registry **ret_registry);
void registry_free(struct registry *r);
DEFINE_CLEANUP(struct registry, registry_free)

/*
 * Takes a record over as it is since `version` (0: since longer ago than is remembered), a new one or instead
 * of the old; fills in the addresses. TM_EEXIST: key, name or host number is another one's; TM_ENOENT: a
 * client's node is unknown. ret_member may be NULL.
 */
NODISCARD int registry_put(
	struct registry *r, uint64_t version, const struct store_node *n, struct member **ret_member);
/* Frees m. The store removes a node's clients before it; one that is still there stays as a member whom
 * nobody reaches. */
void registry_remove(struct registry *r, uint64_t version, struct member *m);
/* The node of that id, which is no member now, was removed in that version. */
void registry_note_removal(struct registry *r, uint64_t version, const char *id);
/* The member changed in that version: for versions read at the start. */
void registry_note_change(struct registry *r, uint64_t version, struct member *m);

void registry_set_online(struct registry *r, const struct member *m, bool online);
bool registry_online(const struct registry *r, const struct member *m);
const struct presence *registry_presence(const struct registry *r);

struct member *registry_by_id(const struct registry *r, const char *id);
struct member *registry_by_key(const struct registry *r, const uint8_t key[static 32]);
/* By id, mesh address, or name ("laptop", "laptop.mesh"). */
struct member *registry_lookup(const struct registry *r, const char *text);
size_t registry_size(const struct registry *r);
/* The member with the lowest host number above `host`; NULL when there is none. */
struct member *registry_after(const struct registry *r, uint32_t host);
const struct mesh_info *registry_mesh(const struct registry *r);

uint64_t registry_version(const struct registry *r);
bool registry_has(const struct registry *r, uint64_t version); /* a delta can be made from it */
size_t registry_changes_since(const struct registry *r, uint64_t version); /* one that it has */
/* The message for a node that has version `base`: a delta from it, or the snapshot when it has it not. */
void registry_view_put(const struct registry *r, uint64_t base, struct jsonout *o);

#endif
