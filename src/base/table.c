/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "base/table.h"

#include "base/err.h"

#include <assert.h>
#include <string.h>

enum { TABLE_FIRST_CAP = 16 };

int table_init(struct table *t, table_key_fn *key)
{
	struct table fresh = {.key = key};
	int err = siphash_key_random(&fresh.hash_key);

	if (!err)
		*t = fresh;
	return err;
}

void table_deinit(struct table *t)
{
	free(t->slots);
	t->slots = NULL;
	t->cap = t->size = 0;
}

static size_t home_slot(const struct table *t, const void *key, size_t len)
{
	return (size_t)siphash(&t->hash_key, key, len) & (t->cap - 1);
}

static size_t home_of(const struct table *t, const void *record)
{
	size_t len;
	const void *key = t->key(record, &len);

	return home_slot(t, key, len);
}

static bool has_key(const struct table *t, const void *record, const void *key, size_t len)
{
	size_t its_len;
	const void *its = t->key(record, &its_len);

	return its_len == len && memcmp(its, key, len) == 0;
}

/* The slot that holds the key, or the free one where it belongs. There is always a free one. */
static size_t find_slot(const struct table *t, const void *key, size_t len)
{
	size_t slot = home_slot(t, key, len);

	while (t->slots[slot] && !has_key(t, t->slots[slot], key, len))
		slot = (slot + 1) & (t->cap - 1);
	return slot;
}

int table_reserve(struct table *t, size_t more)
{
	size_t cap = t->cap ? t->cap : TABLE_FIRST_CAP;

	while ((t->size + more) * 4 > cap * 3)
		cap *= 2;
	if (cap == t->cap)
		return TM_OK;

	struct table next = *t;
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

void *table_get(const struct table *t, const void *key, size_t len)
{
	return t->cap ? t->slots[find_slot(t, key, len)] : NULL;
}

void *table_put(struct table *t, void *record)
{
	size_t len;
	const void *key = t->key(record, &len);

	assert((t->size + 1) * 4 <= t->cap * 3 || table_get(t, key, len));
	size_t slot = find_slot(t, key, len);
	void *before = t->slots[slot];

	t->slots[slot] = record;
	t->size += !before;
	return before;
}

void *table_remove(struct table *t, const void *key, size_t len)
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

void *table_next(const struct table *t, size_t *pos)
{
	while (*pos < t->cap) {
		void *record = t->slots[(*pos)++];

		if (record)
			return record;
	}
	return NULL;
}
