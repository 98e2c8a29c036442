/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* All routes, in a binary trie that is changed in place; and the way back. Control thread. */
#include "data/route/route_private.h"

#include "base/bytes.h"
#include "os/low/memory.h"

enum { CHANGES_FIRST = 16, CHANGES_KEPT = 256 };

int route_set_new(struct route_set **ret_set)
{
	struct route_set *s = calloc(1, sizeof(*s));

	if (!s)
		return TM_ENOMEM;

	*ret_set = s;
	return TM_OK;
}

static void branch_free_all(struct branch *b)
{
	if (!b)
		return;

	branch_free_all(b->down[0]); /* at most 128 deep */
	branch_free_all(b->down[1]);
	memory_aligned_free(b->block);
	free(b);
}

static void branch_drop_spare(struct route_set *s)
{
	for (struct branch *b; (b = s->spare);) {
		s->spare = b->down[0];
		free(b);
	}
}

void route_set_free(struct route_set *s)
{
	if (!s)
		return;

	branch_free_all(s->v4);
	branch_free_all(s->v6);
	branch_drop_spare(s);
	block_list_free(s->orphans);
	free(s->changes);
	free(s);
}

size_t route_count(const struct route_set *s)
{
	return s->n_routes;
}

static struct route_key key_of(const struct prefix *p)
{
	const struct prefix masked = prefix_mask(p);
	const uint8_t *a = masked.ip.bytes;

	if (p->ip.family == IP_V6)
		return (struct route_key){get_be64(a), get_be64(a + 8)};

	return (struct route_key){(uint64_t)get_be32(a) << 32, 0};
}

static uint32_t common_bits(struct route_key a, struct route_key b)
{
	if (a.hi != b.hi)
		return (uint32_t)__builtin_clzll(a.hi ^ b.hi);
	if (a.lo != b.lo)
		return 64 + (uint32_t)__builtin_clzll(a.lo ^ b.lo);

	return 128;
}

static unsigned bit_of(struct route_key k, uint32_t at)
{
	return (unsigned)((at < 64 ? k.hi >> (63 - at) : k.lo >> (127 - at)) & 1);
}

static struct branch **trie_of(struct route_set *s, const struct route *r)
{
	return r->prefix.ip.family == IP_V4 ? &s->v4 : &s->v6;
}

static struct branch *branch_new(struct route_set *s, struct route_key key, uint32_t len)
{
	const struct route_key mask = route_key_mask(len);
	struct branch *b = s->spare;

	if (b)
		s->spare = b->down[0];
	else
		b = malloc(sizeof(*b));
	if (b)
		*b = (struct branch){
			.key = {key.hi & mask.hi, key.lo & mask.lo},
			.len = (uint8_t)len,
			.changed = true,
		};
	return b;
}

/* Its memory stays at hand until the next commit. */
static void branch_set_aside(struct route_set *s, struct branch *b)
{
	block_orphan(s, b);
	b->down[0] = s->spare;
	s->spare = b;
}

/* Puts a new branch at *at, above or beside the one there, if any, which is no part of the way to it. */
static struct branch *branch_insert(
	struct route_set *s, struct branch **at, struct route_key key, uint32_t len)
{
	struct branch *other = *at, *b = branch_new(s, key, len), *fork;
	uint32_t common = other ? MIN(common_bits(other->key, key), MIN(len, other->len)) : len;

	if (!b)
		return NULL;
	if (common == len) {
		if (other)
			b->down[bit_of(other->key, len)] = other;
		*at = b;
		return b;
	}
	fork = branch_new(s, key, common);
	if (!fork) {
		branch_set_aside(s, b);
		return NULL;
	}
	fork->down[bit_of(other->key, common)] = other;
	fork->down[bit_of(key, common)] = b;
	*at = fork;
	return b;
}

/* The branch of this prefix, made if need be. Marks the way to it. */
static struct branch *branch_reach(
	struct route_set *s, struct branch **at, struct route_key key, uint32_t len)
{
	for (struct branch *b; (b = *at); at = &b->down[bit_of(key, b->len)]) {
		if (b->len > len || common_bits(b->key, key) < b->len)
			break;
		b->changed = true;
		if (b->len == len)
			return b;
	}
	return branch_insert(s, at, key, len);
}

/* A branch that holds no route and parts nothing any more goes; true when it did. */
static bool branch_prune(struct route_set *s, struct branch **at)
{
	struct branch *b = *at;

	if (b->newest || (b->down[0] && b->down[1]))
		return false;

	*at = b->down[0] ? b->down[0] : b->down[1];
	branch_set_aside(s, b);
	return true;
}

/* Links r into its prefix's row below `newer`. */
static int link_in(struct route_set *s, struct route *r, struct route *newer)
{
	struct branch *b = branch_reach(s, trie_of(s, r), key_of(&r->prefix), r->prefix.len);

	if (!b)
		return TM_ENOMEM;

	s->n_routes += !b->newest;
	r->older = newer ? newer->older : b->newest;
	*(newer ? &newer->older : &b->newest) = r;
	return TM_OK;
}

/* Takes r out; returns the one that was put after it. */
static struct route *link_out(struct route_set *s, struct route *r)
{
	const struct route_key key = key_of(&r->prefix);
	struct branch **at = trie_of(s, r), **above = NULL;
	struct route *newer = NULL;

	for (; (*at)->len < r->prefix.len; at = &(*at)->down[bit_of(key, (*at)->len)]) {
		(*at)->changed = true;
		above = at;
	}
	(*at)->changed = true;
	if ((*at)->newest != r)
		for (newer = (*at)->newest; newer->older != r;)
			newer = newer->older;
	*(newer ? &newer->older : &(*at)->newest) = r->older;
	s->n_routes -= !(*at)->newest;
	if (branch_prune(s, at) && above)
		branch_prune(s, above);
	return newer;
}

static int reserve_change(struct route_set *s)
{
	size_t cap = s->cap_changes ? 2 * s->cap_changes : CHANGES_FIRST;
	struct change *grown;

	if (s->n_changes < s->cap_changes)
		return TM_OK;

	grown = realloc(s->changes, cap * sizeof(*grown));
	if (!grown)
		return TM_ENOMEM;

	s->changes = grown;
	s->cap_changes = cap;
	return TM_OK;
}

bool route_prefix_usable(const struct prefix *p)
{
	return (p->ip.family == IP_V4 || p->ip.family == IP_V6) && p->len <= ip_bits(&p->ip);
}

/* The log begins anew. A large one is not kept: it was the first of a large mesh. */
void route_set_settle(struct route_set *s)
{
	s->n_changes = 0;
	if (s->cap_changes > CHANGES_KEPT) {
		free(s->changes);
		s->changes = NULL;
		s->cap_changes = 0;
	}
	branch_drop_spare(s);
}

int route_put(struct route_set *s, struct route *r)
{
	int err;

	if (!route_prefix_usable(&r->prefix))
		return TM_EINVAL;

	err = reserve_change(s);
	if (err == TM_OK)
		err = link_in(s, r, NULL);
	if (err == TM_OK)
		s->changes[s->n_changes++] = (struct change){.kind = CHANGE_PUT, .route = r};
	return err;
}

int route_remove(struct route_set *s, struct route *r)
{
	int err = reserve_change(s);

	if (err < 0)
		return err;

	s->changes[s->n_changes++] =
		(struct change){.kind = CHANGE_REMOVE, .route = r, .newer = link_out(s, r)};
	return TM_OK;
}

void route_rollback(struct route_set *s)
{
	while (s->n_changes) {
		const struct change *c = &s->changes[--s->n_changes];

		/* Backwards, so each finds the set as it left it, and as many spare branches as it freed. */
		if (c->kind == CHANGE_PUT)
			(void)link_out(s, c->route);
		else
			(void)!link_in(s, c->route, c->newer);
	}
	route_set_settle(s);
}
