/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "base/hashset.h"

#include "base/err.h"

#include <assert.h>
#include <string.h>

enum { HASHSET_FIRST_CAP = 16 };

int hashset_init(struct hashset *t, hashset_key_fn *key)
{
	struct hashset fresh = {.key = key};
	int err = siphash_key_random(&fresh.hash_key);

	if (!err)
		*t = fresh;
	return err;
}

void hashset_deinit(struct hashset *t)
{
	free(t->slots);
	t->slots = NULL;
	t->cap = t->size = 0;
}

static size_t home_slot(const struct hashset *t, const void *key, size_t len)
{
	return (size_t)siphash(&t->hash_key, key, len) & (t->cap - 1);
}

static size_t home_of(const struct hashset *t, const void *record)
{
	size_t len;
	const void *key = t->key(record, &len);

	return home_slot(t, key, len);
}

static bool has_key(const struct hashset *t, const void *record, const void *key, size_t len)
{
	size_t its_len;
	const void *its = t->key(record, &its_len);

	return its_len == len && memcmp(its, key, len) == 0;
}

/* The slot that holds the key, or the free one where it belongs. There is always a free one. */
static size_t find_slot(const struct hashset *t, const void *key, size_t len)
{
	size_t slot = home_slot(t, key, len);

	while (t->slots[slot] && !has_key(t, t->slots[slot], key, len))
		slot = (slot + 1) & (t->cap - 1);
	return slot;
}

int hashset_reserve(struct hashset *t, size_t more)
{
	size_t cap = t->cap ? t->cap : HASHSET_FIRST_CAP;

	while ((t->size + more) * 4 > cap * 3)
		cap *= 2;
	if (cap == t->cap)
		return TM_OK;

	struct hashset next = *t;
	next.cap = cap;
	next.slots = calloc(cap, sizeof(*next.slots));
	if (!next.slots)
		return TM_ENOMEM;

	for (size_t i = 0; i < t->cap; i++) {
		if (!t->slots[i])
			continue;
		size_t slot = home_of(&next, t->slots[i]);
		while (next.slots[slot])
			slot = (slot + 1) & (cap - 1);
		next.slots[slot] = t->slots[i];
	}
	free(t->slots);
	*t = next;
	return TM_OK;
}

void *hashset_get(const struct hashset *t, const void *key, size_t len)
{
	return t->cap ? t->slots[find_slot(t, key, len)] : NULL;
}

void *hashset_put(struct hashset *t, void *record)
{
	size_t len;
	const void *key = t->key(record, &len);

	assert((t->size + 1) * 4 <= t->cap * 3 || hashset_get(t, key, len));
	size_t slot = find_slot(t, key, len);
	void *before = t->slots[slot];

	t->slots[slot] = record;
	t->size += !before;
	return before;
}

void *hashset_remove(struct hashset *t, const void *key, size_t len)
{
	if (!t->cap)
		return NULL;

	size_t hole = find_slot(t, key, len);
	void *record = t->slots[hole];
	if (!record)
		return NULL;

	t->slots[hole] = NULL;
	t->size--;
	/* Close the gap: a record may move into the hole unless its home lies cyclically between the hole and
	 * itself. */
	for (size_t slot = (hole + 1) & (t->cap - 1); t->slots[slot]; slot = (slot + 1) & (t->cap - 1)) {
		size_t home = home_of(t, t->slots[slot]);

		if (((slot - home) & (t->cap - 1)) < ((slot - hole) & (t->cap - 1)))
			continue;
		t->slots[hole] = t->slots[slot];
		t->slots[slot] = NULL;
		hole = slot;
	}
	return record;
}

void *hashset_next(const struct hashset *t, size_t *pos)
{
	while (*pos < t->cap) {
		void *record = t->slots[(*pos)++];

		if (record)
			return record;
	}
	return NULL;
}
