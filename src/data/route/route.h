/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Cryptokey routing: longest-prefix match from inner address to peer, IPv4 and IPv6.
 *
 * Two halves. The control thread keeps all routes in a route_set and changes it piece by piece. Each commit
 * gives a route_table: what workers look up, immutable, one version; it shares with the one before it all
 * that did not change, so one changed host costs some microseconds among ten thousand. What only older
 * versions use comes out as garbage, to be freed once no worker holds any of them.
 */
#ifndef TM_DATA_ROUTE_ROUTE_H
#define TM_DATA_ROUTE_ROUTE_H

#include "base/addr.h"
#include "base/err.h"

struct peer;
struct route_set;
struct route_garbage;

/*
 * The caller's: it stays where it is while it is in the set, and after its removal until the next commit (a
 * rollback puts it back). The set reads prefix (host bits are ignored) and peer, and owns `older`.
 */
struct route {
	struct prefix prefix;
	struct peer *peer;
	struct route *older; /* of the same prefix, put before this one */
};

struct route_key {
	uint64_t hi, lo;
};

/* A node of the trie that lookups walk; see lookup.c. */
struct route_node {
	struct route_key prefix; /* what an address must look like up to `depth` */
	struct route_key mask;
	uint64_t child_bits; /* slots that are children */
	uint64_t leaf_bits; /* slots that begin a run of equal leaves */
	/* Children; in front of them, backwards: the miss, the leaves. Both aligned, so that a node fills its
	 * cache line where pointers are shorter, too. */
	_Alignas(8) const struct route_node *below;
	_Alignas(8) uint32_t depth; /* bits before the slot bits */
};

/* One version; may be copied while no commit's garbage has been freed that its last copy could use. */
struct route_table {
	struct route_node v4, v6;
};

/* Any worker. addr is 4 or 16 bytes in network order. NULL = no route. */
struct peer *route_find4(const struct route_table *t, const uint8_t addr[static 4]);
struct peer *route_find6(const struct route_table *t, const uint8_t addr[static 16]);

/* Control thread. The first table, of no routes: every lookup gives NULL. */
void route_table_init(struct route_table *t);

NODISCARD int route_set_new(struct route_set **ret_set);
void route_set_free(struct route_set *s); /* with all versions; not the routes */
DEFINE_CLEANUP(struct route_set, route_set_free)

bool route_prefix_usable(const struct prefix *p);
/*
 * Of equal prefixes the one put last counts, as with `wg set`; when it is removed, the one put before it
 * counts again. Lookups see neither until the next commit. TM_EINVAL for an unusable prefix, TM_ENOMEM: then
 * nothing has changed. A route is put once, and removed only when it is in the set.
 */
NODISCARD int route_put(struct route_set *s, struct route *r);
NODISCARD int route_remove(struct route_set *s, struct route *r);

/*
 * A version with all that was put and removed, and what it no longer shares with the versions before it. On
 * failure (TM_ENOMEM) the set waits for route_rollback or another try. Cost: what changed times the depth;
 * the change of a prefix that contains others costs a walk over those.
 */
NODISCARD int route_commit(
	struct route_set *s, struct route_table *ret_table, struct route_garbage **ret_garbage);
/* Forgets what was put and removed since the last commit. Cannot fail. */
void route_rollback(struct route_set *s);

void route_garbage_free(struct route_garbage *g); /* NULL is fine */

size_t route_count(const struct route_set *s); /* distinct prefixes */

#endif
