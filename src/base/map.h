/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Hash map from fixed-length byte keys to pointers. Keys are copied; values are the caller's. Open
 * addressing, grows at 3/4. The hash is SipHash-2-4 keyed at random per map, because many keys are chosen by
 * strangers. One thread.
 */
#ifndef TM_BASE_MAP_H
#define TM_BASE_MAP_H

#include "base/util.h"

struct map;

NODISCARD int map_new(size_t key_len, struct map **ret_map);
void map_free(struct map *m); /* not the values */
DEFINE_CLEANUP(struct map, map_free)

size_t map_size(const struct map *m);
void *map_get(const struct map *m, const void *key); /* NULL when absent */
NODISCARD int map_put(struct map *m, const void *key, void *value); /* replaces; value must not be NULL */
void *map_remove(struct map *m, const void *key); /* the value, or NULL */

/* for (size_t i = 0; (v = map_next(m, &i)); ) ... in no particular order. Do not change the map meanwhile. */
void *map_next(const struct map *m, size_t *pos);

#endif
