/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "base/map.h"

#include "base/err.h"
#include "base/siphash.h"

#include <string.h>

struct map {
	size_t key_len, size, cap; /* cap is a power of two */
	struct siphash_key hash_key;
	uint8_t *keys; /* cap * key_len */
	void **values; /* NULL = free slot */
};

enum { MAP_FIRST_CAP = 16 };

static uint8_t *slot_key(const struct map *m, size_t slot)
{
	return m->keys + slot * m->key_len;
}

static size_t home_slot(const struct map *m, const void *key)
{
	return (size_t)siphash(&m->hash_key, key, m->key_len) & (m->cap - 1);
}

/* The slot that holds key, or the free one where it belongs. */
static size_t find_slot(const struct map *m, const void *key)
{
	size_t slot = home_slot(m, key);

	while (m->values[slot] && memcmp(slot_key(m, slot), key, m->key_len) != 0)
		slot = (slot + 1) & (m->cap - 1);
	return slot;
}

static int map_alloc(struct map *m, size_t cap)
{
	uint8_t *keys = malloc(cap * m->key_len);
	void **values = calloc(cap, sizeof(*values));

	if (!keys || !values) {
		free(keys);
		free(values);
		return TM_ENOMEM;
	}
	m->keys = keys;
	m->values = values;
	m->cap = cap;
	return TM_OK;
}

int map_new(size_t key_len, struct map **ret_map)
{
	_cleanup_(map_freep) struct map *m = calloc(1, sizeof(*m));

	if (!m)
		return TM_ENOMEM;

	m->key_len = key_len;
	int err = siphash_key_random(&m->hash_key);
	if (!err)
		err = map_alloc(m, MAP_FIRST_CAP);
	if (err)
		return err;

	*ret_map = TAKE(m);
	return TM_OK;
}

void map_free(struct map *m)
{
	if (!m)
		return;
	free(m->keys);
	free(m->values);
	free(m);
}

size_t map_size(const struct map *m)
{
	return m->size;
}

void *map_get(const struct map *m, const void *key)
{
	return m->values[find_slot(m, key)];
}

static int map_grow(struct map *m)
{
	struct map old = *m;
	int err = map_alloc(m, old.cap * 2);

	if (err)
		return err;

	for (size_t i = 0; i < old.cap; i++) {
		if (!old.values[i])
			continue;
		size_t slot = find_slot(m, slot_key(&old, i));
		memcpy(slot_key(m, slot), slot_key(&old, i), m->key_len);
		m->values[slot] = old.values[i];
	}
	free(old.keys);
	free(old.values);
	return TM_OK;
}

int map_put(struct map *m, const void *key, void *value)
{
	size_t slot = find_slot(m, key);

	if (m->values[slot]) {
		m->values[slot] = value;
		return TM_OK;
	}
	if ((m->size + 1) * 4 > m->cap * 3) {
		int err = map_grow(m);
		if (err)
			return err;
		slot = find_slot(m, key);
	}
	memcpy(slot_key(m, slot), key, m->key_len);
	m->values[slot] = value;
	m->size++;
	return TM_OK;
}

void *map_remove(struct map *m, const void *key)
{
	size_t hole = find_slot(m, key);
	void *value = m->values[hole];

	if (!value)
		return NULL;

	m->values[hole] = NULL;
	m->size--;
	/* Close the gap: an entry may move into the hole unless its home lies cyclically between the hole and
	 * itself. */
	for (size_t slot = (hole + 1) & (m->cap - 1); m->values[slot]; slot = (slot + 1) & (m->cap - 1)) {
		size_t home = home_slot(m, slot_key(m, slot));

		if (((slot - home) & (m->cap - 1)) < ((slot - hole) & (m->cap - 1)))
			continue;
		memcpy(slot_key(m, hole), slot_key(m, slot), m->key_len);
		m->values[hole] = m->values[slot];
		m->values[slot] = NULL;
		hole = slot;
	}
	return value;
}

void *map_next(const struct map *m, size_t *pos)
{
	while (*pos < m->cap) {
		void *value = m->values[(*pos)++];

		if (value)
			return value;
	}
	return NULL;
}
