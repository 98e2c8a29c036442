/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Inside data/route only: keys, the set's own trie, the blocks of the workers' trie. */
#ifndef TM_DATA_ROUTE_ROUTE_PRIVATE_H
#define TM_DATA_ROUTE_ROUTE_PRIVATE_H

#include "data/route/route.h"

enum { STRIDE = 6, SLOTS = 1 << STRIDE };

/*
 * The set's trie: binary, path-compressed, one branch for each prefix and for each place where two prefixes
 * part. A branch at which a node of the workers' trie begins remembers what was made of it, so that it need
 * not be made again.
 */
struct branch {
	struct route_key key; /* bits from `len` on are zero */
	struct branch *down[2]; /* by the bit behind the prefix */
	struct route *newest; /* NULL: here prefixes part, nothing more */
	struct block *block; /* in the last version; NULL: no node begins here */
	uint8_t len;
	bool changed; /* something at or below it, since the last version */
};

/*
 * Children and leaves of one node. In memory: this head, leaves (the last one first), the miss, children.
 * Immutable once it is in a version.
 */
struct block {
	struct block *next; /* in the list of the new ones, or of garbage */
	struct branch *owner;
	struct route_node *children; /* 64 bytes each, on cache lines */
	uint64_t child_bits, leaf_bits;
};

/* What a commit frees later: a list of blocks, in the clothes of its first. */
struct route_garbage {
	struct block first;
};

enum change_kind { CHANGE_PUT, CHANGE_REMOVE };

struct change {
	enum change_kind kind;
	struct route *route;
	struct route *newer; /* of a removed one: the neighbour above it, NULL when it was the newest */
};

struct route_set {
	struct branch *v4, *v6;
	size_t n_routes; /* distinct prefixes */
	struct change *changes; /* since the last commit, in order */
	size_t n_changes, cap_changes;
	struct block *orphans; /* in the last version, and in none that comes */
	struct block *made; /* for the version that is being made */
	struct branch *
		spare; /* branches taken out since the last commit (by down[0]): a rollback needs no memory */
};

static inline struct route_key route_key_mask(uint32_t len)
{
	uint32_t hi = MIN(len, 64u), lo = len - hi;

	return (struct route_key){
		.hi = hi == 0 ? 0 : ~UINT64_C(0) << (64 - hi),
		.lo = lo == 0 ? 0 : ~UINT64_C(0) << (64 - lo),
	};
}

/* Six bits from `depth` on; beyond the end there are zeros. */
static inline unsigned route_key_slot(struct route_key k, uint32_t depth)
{
	if (depth <= 64 - STRIDE)
		return (unsigned)(k.hi >> (64 - STRIDE - depth)) & (SLOTS - 1);
	if (depth < 64)
		return (unsigned)(k.hi << (depth - (64 - STRIDE)) | k.lo >> (128 - STRIDE - depth)) &
		       (SLOTS - 1);
	if (depth <= 128 - STRIDE)
		return (unsigned)(k.lo >> (128 - STRIDE - depth)) & (SLOTS - 1);

	return (unsigned)(k.lo << (depth - (128 - STRIDE))) & (SLOTS - 1);
}

/* The leaf of the rank-th run; 0 is the miss. */
static inline struct peer *const *route_leaf(const struct route_node *below, unsigned rank)
{
	return (struct peer *const *)(const void *)below - 1 - rank;
}

/* build.c */
void block_orphan(struct route_set *s, struct branch *b); /* its block goes with the next version's garbage */
void block_list_free(struct block *b);
/* set.c */
void route_set_settle(struct route_set *s); /* what was put and removed is done, or undone */

#endif
