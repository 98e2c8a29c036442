/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * From the set to the next version that workers look up. A node of the workers' trie begins at a branch and
 * depends on nothing but what is below that branch and the route that covers it, so a branch whose block was
 * made for the same route, with no change below, keeps it: the new version shares it with the old ones. A
 * branch has a block exactly when a node of the last version begins there.
 *
 * A branch that lost its block, whether or not the version that cost it came about, can only be built anew;
 * and the way to it is still marked as changed then. So a failed commit leaves nothing behind but work.
 */
#include "data/route/route_private.h"

#include "os/low/memory.h"

enum { LINE = 64 };

/* What one node's slots hold while it is built. */
struct slots {
	struct peer *leaf[SLOTS];
	struct branch *child[SLOTS]; /* where the node of this slot begins, or NULL */
};

/* --- blocks --- */

static struct block *block_new(struct branch *owner, unsigned n_leaves, unsigned n_children)
{
	size_t head = sizeof(struct block) + (n_leaves + 1) * sizeof(struct peer *);
	size_t lines = (head + LINE - 1) / LINE * LINE;

	/* Most have no children, and need no cache line to begin on. */
	struct block *b = n_children ? memory_aligned(LINE, lines + n_children * sizeof(struct route_node))
				     : memory_aligned(_Alignof(struct block), head);
	if (!b)
		return NULL;

	*b = (struct block){
		.owner = owner,
		.children = (void *)((char *)b + (n_children ? lines : head)),
	};
	return b;
}

/* The same place as route_leaf's, for the one who fills it. */
static void block_set_leaf(struct block *b, unsigned rank, struct peer *peer)
{
	((struct peer **)(void *)b->children)[-1 - (ptrdiff_t)rank] = peer;
}

static void block_push(struct block **list, struct block *b)
{
	b->next = *list;
	*list = b;
}

void block_orphan(struct route_set *s, struct branch *b)
{
	if (b->block)
		block_push(&s->orphans, b->block);
	b->block = NULL;
}

void block_list_free(struct block *b)
{
	while (b) {
		struct block *next = b->next;

		memory_aligned_free(b);
		b = next;
	}
}

void route_garbage_free(struct route_garbage *g)
{
	if (g)
		block_list_free(&g->first);
}

/* --- nodes --- */

static struct peer *owner_of(const struct branch *b, struct peer *inherited)
{
	return b->newest ? b->newest->peer : inherited;
}

/* The slots of the node at `top` that b and what is below it fill. Longer prefixes come later, and stay. */
static void fill_slots(struct route_set *s, struct slots *slots, struct branch *b, const struct branch *top)
{
	unsigned end = top->len + STRIDE, slot = route_key_slot(b->key, top->len);

	if (b->len > end) {
		slots->child[slot] = b;
		return;
	}
	if (b->newest)
		for (unsigned i = 0; i < 1u << (end - b->len); i++)
			slots->leaf[slot + i] = b->newest->peer;
	if (b->len == end && b->down[0] && b->down[1]) {
		slots->child[slot] = b;
		return;
	}
	block_orphan(s, b);
	for (unsigned i = 0; i < 2; i++)
		if (b->down[i])
			fill_slots(s, slots, b->down[i], top);
}

static void describe(const struct branch *b, const struct block *block, struct route_node *ret)
{
	*ret = (struct route_node){
		.prefix = b->key,
		.mask = route_key_mask(b->len),
		.child_bits = block->child_bits,
		.leaf_bits = block->leaf_bits,
		.below = block->children,
		.depth = b->len,
	};
}

/* Which slots are children, which begin a run. Returns the number of runs. */
static unsigned count_runs(const struct slots *slots, uint64_t *ret_child_bits, uint64_t *ret_leaf_bits)
{
	struct peer *previous = NULL;
	unsigned n = 0;

	*ret_child_bits = *ret_leaf_bits = 0;
	for (unsigned i = 0; i < SLOTS; i++) {
		if (slots->child[i]) {
			*ret_child_bits |= UINT64_C(1) << i;
			continue;
		}
		if (n && slots->leaf[i] == previous)
			continue;
		*ret_leaf_bits |= UINT64_C(1) << i;
		previous = slots->leaf[i];
		n++;
	}
	return n;
}

static struct block *block_of(struct branch *b, const struct slots *slots, struct peer *inherited)
{
	uint64_t child_bits, leaf_bits;
	unsigned rank = count_runs(slots, &child_bits, &leaf_bits);
	struct block *block = block_new(b, rank, (unsigned)__builtin_popcountll(child_bits));

	if (!block)
		return NULL;

	block->child_bits = child_bits;
	block->leaf_bits = leaf_bits;
	rank = 0;
	block_set_leaf(block, rank++, inherited);
	for (unsigned i = 0; i < SLOTS; i++)
		if (leaf_bits >> i & 1)
			block_set_leaf(block, rank++, slots->leaf[i]);
	return block;
}

/* The node that begins at b, covered by `inherited` so far. Recursion goes at most 128 / STRIDE deep. */
static int build(struct route_set *s, struct branch *b, struct peer *inherited, struct route_node *ret)
{
	struct slots slots;
	struct block *block = b->block;
	size_t next_child = 0;

	if (block && !b->changed && *route_leaf(block->children, 0) == inherited) {
		describe(b, block, ret);
		return TM_OK;
	}
	for (unsigned i = 0; i < SLOTS; i++) {
		slots.leaf[i] = owner_of(b, inherited);
		slots.child[i] = NULL;
	}
	for (unsigned i = 0; i < 2; i++)
		if (b->down[i])
			fill_slots(s, &slots, b->down[i], b);
	block = block_of(b, &slots, inherited);
	if (!block)
		return TM_ENOMEM;

	block_push(&s->made, block);
	for (unsigned i = 0; i < SLOTS; i++) {
		int err = TM_OK;

		if (slots.child[i])
			err = build(s, slots.child[i], slots.leaf[i], &block->children[next_child++]);
		if (err < 0)
			return err;
	}
	describe(b, block, ret);
	return TM_OK;
}

static void describe_nothing(struct route_node *ret)
{
	static const struct {
		struct peer *leaves[2];
		struct route_node end[1];
	} nobody;

	*ret = (struct route_node){.leaf_bits = 1, .below = nobody.end};
}

static int build_root(struct route_set *s, struct branch *root, struct route_node *ret)
{
	if (root)
		return build(s, root, NULL, ret);

	describe_nothing(ret);
	return TM_OK;
}

/* --- versions --- */

void route_table_init(struct route_table *t)
{
	describe_nothing(&t->v4);
	describe_nothing(&t->v6);
}

/* Marks are connected from the root on. */
static void forget_marks(struct branch *b)
{
	if (!b || !b->changed)
		return;

	b->changed = false;
	forget_marks(b->down[0]);
	forget_marks(b->down[1]);
}

int route_commit(struct route_set *s, struct route_table *ret_table, struct route_garbage **ret_garbage)
{
	struct route_table next;
	int err = build_root(s, s->v4, &next.v4);

	if (err == TM_OK)
		err = build_root(s, s->v6, &next.v6);
	if (err < 0) {
		block_list_free(s->made);
		s->made = NULL;
		return err;
	}

	for (struct block *b; (b = s->made);) {
		s->made = b->next;
		block_orphan(s, b->owner);
		b->owner->block = b;
	}
	forget_marks(s->v4);
	forget_marks(s->v6);
	route_set_settle(s);
	*ret_table = next;
	*ret_garbage = (struct route_garbage *)(void *)s->orphans;
	s->orphans = NULL;
	return TM_OK;
}
