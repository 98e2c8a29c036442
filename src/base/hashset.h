/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Hash table of records that hold their own keys: one pointer per slot and nothing else, so that a record can
 * be in several tables cheaply. The records are the caller's; a key must not change while its record is in
 * the table. Open addressing, at most 3/4 full, SipHash keyed at random per table. One thread.
 */
#ifndef TM_BASE_HASHSET_H
#define TM_BASE_HASHSET_H

#include "base/siphash.h"
#include "base/util.h"

typedef const void *hashset_key_fn(const void *record, size_t *ret_len);

struct hashset {
	hashset_key_fn *key;
	void **slots; /* NULL = free */
	size_t cap, size; /* cap is a power of two, or 0 */
	struct siphash_key hash_key;
};

NODISCARD int hashset_init(struct hashset *t, hashset_key_fn *key); /* allocates nothing yet */
void hashset_deinit(struct hashset *t); /* not the records */

/* Room for so many more records: as many calls of hashset_put cannot fail. */
NODISCARD int hashset_reserve(struct hashset *t, size_t more);
void *hashset_get(const struct hashset *t, const void *key, size_t len); /* NULL when absent */
/* Needs reserved room. The record with the same key that it replaced, or NULL. */
void *hashset_put(struct hashset *t, void *record);
void *hashset_remove(struct hashset *t, const void *key, size_t len); /* the record, or NULL */

/* for (size_t i = 0; (r = hashset_next(t, &i)); ) ... in no particular order. Do not change the table
 * meanwhile. */
void *hashset_next(const struct hashset *t, size_t *pos);

#endif
