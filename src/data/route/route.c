/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A path-compressed multibit trie (after poptrie: Asai and Ohara, SIGCOMM 2015). A node looks at six bits of
 * the address at once; a slot is either a child or a leaf, both kept in dense arrays and found by counting
 * bits. Leaves are pushed down, so the slot where a walk ends holds the answer. Runs of bits on which all
 * routes below agree are skipped, and compared as one prefix; an address that differs there gets the route
 * that covered it so far (`miss`). A node is one cache line; a mesh of some thousand hosts in one /16 is two
 * or three nodes deep.
 *
 * IPv4 addresses live in the upper half of the same 128-bit key in a trie of their own.
 */
#include "data/route/route.h"

#include "base/bytes.h"

enum { STRIDE = 6, SLOTS = 1 << STRIDE };

struct key {
	uint64_t hi, lo;
};

struct node {
	_Alignas(64) struct key prefix; /* what an address must look like up to `depth` */
	struct key mask;
	uint64_t child_bits; /* slots that are children */
	uint64_t leaf_bits; /* slots that begin a run of equal leaves */
	uint32_t children, leaves; /* where this node's begin */
	uint32_t miss;
	uint32_t depth; /* bits before the slot bits */
};
_Static_assert(sizeof(struct node) == 64, "one cache line");

struct trie {
	struct node *nodes; /* [0] is the root */
	size_t n_nodes, cap_nodes;
	uint32_t *leaves; /* into table->peers */
	size_t n_leaves, cap_leaves;
};

struct route_table {
	struct trie v4, v6;
	struct peer **peers; /* [0] is NULL: no route */
	size_t n_routes;
};

/* A route as the builder sees it. */
struct entry {
	struct key key;
	uint32_t len, value;
};

static struct key key_of(const uint8_t *addr, bool v6)
{
	if (v6)
		return (struct key){get_be64(addr), get_be64(addr + 8)};

	return (struct key){(uint64_t)get_be32(addr) << 32, 0};
}

static uint64_t high_bits(uint32_t n) /* n of 64 */
{
	return n == 0 ? 0 : ~UINT64_C(0) << (64 - n);
}

static struct key mask_of(uint32_t len)
{
	return (struct key){high_bits(MIN(len, 64u)), len > 64 ? high_bits(len - 64) : 0};
}

/* Six bits from `depth` on; beyond the end there are zeros. */
static inline unsigned slot_of(struct key k, uint32_t depth)
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

static uint32_t common_bits(struct key a, struct key b)
{
	if (a.hi != b.hi)
		return (uint32_t)__builtin_clzll(a.hi ^ b.hi);
	if (a.lo != b.lo)
		return 64 + (uint32_t)__builtin_clzll(a.lo ^ b.lo);

	return 128;
}

static inline uint64_t up_to(unsigned slot) /* bits 0..slot */
{
	return (UINT64_C(2) << slot) - 1;
}

static inline uint32_t trie_find(const struct trie *t, struct key k)
{
	const struct node *n = t->nodes;

	for (;;) {
		unsigned slot;
		uint64_t below;

		if (((k.hi ^ n->prefix.hi) & n->mask.hi) | ((k.lo ^ n->prefix.lo) & n->mask.lo))
			return n->miss;

		slot = slot_of(k, n->depth);
		below = up_to(slot);
		if (!(n->child_bits >> slot & 1))
			return t->leaves[n->leaves + (uint32_t)__builtin_popcountll(n->leaf_bits & below) -
					 1];

		n = &t->nodes[n->children + (uint32_t)__builtin_popcountll(n->child_bits & below) - 1];
	}
}

/* Room for `more` elements of `size`, doubling. */
static int reserve(void **v, size_t *cap, size_t n, size_t more, size_t size)
{
	size_t want = *cap ? *cap : SLOTS;
	void *grown;

	if (n + more <= *cap)
		return TM_OK;

	while (want < n + more)
		want *= 2;
	grown = aligned_alloc(64, want * size); /* both element sizes times 64 are multiples of 64 */
	if (!grown)
		return TM_ENOMEM;

	if (n)
		memcpy(grown, *v, n * size);
	free(*v);
	*v = grown;
	*cap = want;
	return TM_OK;
}

static int add_nodes(struct trie *t, size_t n, size_t *ret_first)
{
	void *v = t->nodes;
	int err = reserve(&v, &t->cap_nodes, t->n_nodes, n, sizeof(*t->nodes));

	if (err < 0)
		return err;

	t->nodes = v;
	*ret_first = t->n_nodes;
	t->n_nodes += n;
	return TM_OK;
}

static int add_leaf(struct trie *t, uint32_t value)
{
	void *v = t->leaves;
	int err = reserve(&v, &t->cap_leaves, t->n_leaves, 1, sizeof(*t->leaves));

	if (err < 0)
		return err;

	t->leaves = v;
	t->leaves[t->n_leaves++] = value;
	return TM_OK;
}

/* What one node's slots hold while it is built. */
struct slots {
	uint32_t value[SLOTS], len[SLOTS];
	const struct entry *child[SLOTS]; /* first entry longer than the node's bits, or NULL */
	size_t n_child[SLOTS];
};

static void fill_slots(struct slots *s, const struct entry *e, size_t n, uint32_t depth, uint32_t inherited)
{
	for (unsigned i = 0; i < SLOTS; i++) {
		s->value[i] = inherited;
		s->len[i] = depth;
		s->child[i] = NULL;
		s->n_child[i] = 0;
	}
	for (size_t i = 0; i < n; i++) {
		unsigned slot = slot_of(e[i].key, depth);

		if (e[i].len > depth + STRIDE) {
			if (!s->child[slot])
				s->child[slot] = &e[i];
			s->n_child[slot]++;
			continue;
		}
		for (unsigned k = 0; k < 1u << (depth + STRIDE - e[i].len); k++) {
			if (e[i].len < s->len[slot + k])
				continue;
			s->value[slot + k] = e[i].value;
			s->len[slot + k] = e[i].len;
		}
	}
}

/*
 * Fills node `at` with the n entries, all of which agree on the first `depth` bits and are longer; sorted by
 * address, then length. Recursion goes at most 128 / STRIDE deep.
 */
static int build(
	struct trie *t, size_t at, const struct entry *e, size_t n, uint32_t depth, uint32_t inherited)
{
	struct node node = {.miss = inherited};
	struct slots s;
	size_t first_child = 0, next_child;
	uint32_t previous = 0;
	int err;

	if (n) {
		/* Skip what all share. The shortest decides too, because it may end inside. */
		uint32_t shared = common_bits(e[0].key, e[n - 1].key);

		for (size_t i = 0; i < n; i++)
			shared = MIN(shared, e[i].len);
		depth = shared;
		node.mask = mask_of(depth);
		node.prefix = (struct key){e[0].key.hi & node.mask.hi, e[0].key.lo & node.mask.lo};
		if (e[0].len == depth) {
			inherited = e[0].value;
			e++;
			n--;
		}
	}
	node.depth = depth;
	fill_slots(&s, e, n, depth, inherited);

	node.leaves = (uint32_t)t->n_leaves;
	for (unsigned i = 0; i < SLOTS; i++) {
		if (s.child[i]) {
			node.child_bits |= UINT64_C(1) << i;
			continue;
		}
		if (t->n_leaves > node.leaves && s.value[i] == previous)
			continue;
		node.leaf_bits |= UINT64_C(1) << i;
		previous = s.value[i];
		err = add_leaf(t, previous);
		if (err < 0)
			return err;
	}

	if (node.child_bits) {
		err = add_nodes(t, (size_t)__builtin_popcountll(node.child_bits), &first_child);
		if (err < 0)
			return err;
	}
	node.children = (uint32_t)first_child;
	t->nodes[at] = node;
	next_child = first_child;
	for (unsigned i = 0; i < SLOTS; i++) {
		if (!s.child[i])
			continue;
		err = build(t, next_child++, s.child[i], s.n_child[i], depth + STRIDE, s.value[i]);
		if (err < 0)
			return err;
	}
	return TM_OK;
}

static int entry_cmp(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	if (x->key.hi != y->key.hi)
		return x->key.hi < y->key.hi ? -1 : 1;
	if (x->key.lo != y->key.lo)
		return x->key.lo < y->key.lo ? -1 : 1;
	if (x->len != y->len)
		return x->len < y->len ? -1 : 1;

	return x->value < y->value ? -1
				   : x->value > y->value; /* values are in the order of the routes given */
}

/* Of equal prefixes the last stays. */
static size_t drop_duplicates(struct entry *e, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		bool same = i + 1 < n && e[i].key.hi == e[i + 1].key.hi && e[i].key.lo == e[i + 1].key.lo &&
			    e[i].len == e[i + 1].len;

		if (!same)
			e[kept++] = e[i];
	}
	return kept;
}

static int trie_build(struct trie *t, struct entry *e, size_t n, size_t *ret_routes)
{
	size_t root;
	int err = add_nodes(t, 1, &root);

	if (err < 0)
		return err;

	if (n)
		qsort(e, n, sizeof(*e), entry_cmp);
	n = drop_duplicates(e, n);
	*ret_routes = n;
	return build(t, root, e, n, 0, 0);
}

int route_table_new(const struct route *routes, size_t n, struct route_table **ret_table)
{
	_cleanup_(route_table_freep) struct route_table *t = calloc(1, sizeof(*t));
	_cleanup_(freep) struct entry *e = calloc(n + 1, sizeof(*e));
	size_t n4 = 0, n6 = n, r4, r6;
	int err;

	if (!t || !e)
		return TM_ENOMEM;
	if (n >= UINT32_MAX)
		return TM_ERANGE;

	t->peers = calloc(n + 1, sizeof(struct peer *));
	if (!t->peers)
		return TM_ENOMEM;

	for (size_t i = 0; i < n; i++) { /* IPv4 from the front, IPv6 from the back */
		const struct prefix p = prefix_mask(&routes[i].prefix);

		if ((p.ip.family != IP_V4 && p.ip.family != IP_V6) || p.len > ip_bits(&p.ip))
			return TM_EINVAL;

		t->peers[i + 1] = routes[i].peer;
		e[p.ip.family == IP_V4 ? n4++ : --n6] = (struct entry){
			.key = key_of(p.ip.bytes, p.ip.family == IP_V6),
			.len = p.len,
			.value = (uint32_t)(i + 1),
		};
	}
	err = trie_build(&t->v4, e, n4, &r4);
	if (err == TM_OK)
		err = trie_build(&t->v6, e + n6, n - n6, &r6);
	if (err < 0)
		return err;

	t->n_routes = r4 + r6;
	*ret_table = TAKE(t);
	return TM_OK;
}

void route_table_free(struct route_table *t)
{
	if (!t)
		return;

	free(t->v4.nodes);
	free(t->v4.leaves);
	free(t->v6.nodes);
	free(t->v6.leaves);
	free(t->peers);
	free(t);
}

struct peer *route_find4(const struct route_table *t, const uint8_t addr[static 4])
{
	return t->peers[trie_find(&t->v4, key_of(addr, false))];
}

struct peer *route_find6(const struct route_table *t, const uint8_t addr[static 16])
{
	return t->peers[trie_find(&t->v6, key_of(addr, true))];
}

size_t route_count(const struct route_table *t)
{
	return t->n_routes;
}
