/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "base/map.h"

#include "base/bytes.h"
#include "base/err.h"

#include <string.h>
#include <sys/random.h>

struct map {
	size_t key_len, size, cap; /* cap is a power of two */
	uint64_t k0, k1;
	uint8_t *keys; /* cap * key_len */
	void **values; /* NULL = free slot */
};

enum { MAP_FIRST_CAP = 16 };

static uint64_t rotl(uint64_t x, unsigned n)
{
	return x << n | x >> (64 - n);
}

static void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotl(v[1], 13) ^ v[0];
	v[0] = rotl(v[0], 32);
	v[2] += v[3];
	v[3] = rotl(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotl(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotl(v[1], 17) ^ v[2];
	v[2] = rotl(v[2], 32);
}

/* SipHash-2-4 (Aumasson, Bernstein 2012). */
static uint64_t siphash(uint64_t k0, uint64_t k1, const uint8_t *p, size_t n)
{
	uint64_t v[4] = {k0 ^ UINT64_C(0x736f6d6570736575), k1 ^ UINT64_C(0x646f72616e646f6d),
		k0 ^ UINT64_C(0x6c7967656e657261), k1 ^ UINT64_C(0x7465646279746573)};
	uint64_t last = (uint64_t)n << 56;

	for (; n >= 8; p += 8, n -= 8) {
		uint64_t m = get_le64(p);

		v[3] ^= m;
		sip_round(v);
		sip_round(v);
		v[0] ^= m;
	}
	for (size_t i = 0; i < n; i++)
		last |= (uint64_t)p[i] << (8 * i);
	v[3] ^= last;
	sip_round(v);
	sip_round(v);
	v[0] ^= last;
	v[2] ^= 0xff;
	for (int i = 0; i < 4; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static uint8_t *slot_key(const struct map *m, size_t slot)
{
	return m->keys + slot * m->key_len;
}

static size_t home_slot(const struct map *m, const void *key)
{
	return (size_t)siphash(m->k0, m->k1, key, m->key_len) & (m->cap - 1);
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
	uint64_t seed[2];

	if (!m)
		return TM_ENOMEM;

	if (getrandom(seed, sizeof(seed), 0) != sizeof(seed))
		return TM_EIO;
	m->k0 = seed[0];
	m->k1 = seed[1];
	m->key_len = key_len;
	int err = map_alloc(m, MAP_FIRST_CAP);
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
