/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A path-compressed multibit trie (after poptrie: Asai and Ohara, SIGCOMM 2015). A node looks at six bits of
 * the address at once; a slot is either a child or a leaf, both kept in dense arrays and found by counting
 * bits. Leaves are pushed down, so the slot where a walk ends holds the answer. Runs of bits on which all
 * routes below agree are skipped, and compared as one prefix; an address that differs there gets the route
 * that covered it so far (the miss). A node is one cache line; a mesh of some thousand hosts in one /16 is
 * two or three nodes deep.
 *
 * IPv4 addresses live in the upper half of the same 128-bit key in a trie of their own.
 */
#include "data/route/route_private.h"

#include "base/bytes.h"

_Static_assert(sizeof(struct route_node) == 64, "one cache line");

static inline uint64_t up_to(unsigned slot) /* bits 0..slot */
{
	return (UINT64_C(2) << slot) - 1;
}

static inline struct peer *find(const struct route_node *n, struct route_key k)
{
	for (;;) {
		unsigned slot;
		uint64_t below;

		if (((k.hi ^ n->prefix.hi) & n->mask.hi) | ((k.lo ^ n->prefix.lo) & n->mask.lo))
			return *route_leaf(n->below, 0);

		slot = route_key_slot(k, n->depth);
		below = up_to(slot);
		if (!(n->child_bits >> slot & 1))
			return *route_leaf(n->below, (unsigned)__builtin_popcountll(n->leaf_bits & below));

		n = &n->below[__builtin_popcountll(n->child_bits & below) - 1];
	}
}

struct peer *route_find4(const struct route_table *t, const uint8_t addr[static 4])
{
	return find(&t->v4, (struct route_key){(uint64_t)get_be32(addr) << 32, 0});
}

struct peer *route_find6(const struct route_table *t, const uint8_t addr[static 16])
{
	return find(&t->v6, (struct route_key){get_be64(addr), get_be64(addr + 8)});
}
