/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Cryptokey routing: longest-prefix match from inner address to peer, IPv4 and IPv6. Built whole by the
 * control thread, then immutable and shared with workers inside a snapshot.
 */
#ifndef TM_DATA_ROUTE_ROUTE_H
#define TM_DATA_ROUTE_ROUTE_H

#include "base/addr.h"
#include "base/err.h"

struct peer;
struct route_table;

struct route {
	struct prefix prefix;
	struct peer *peer;
};

/* Host bits are ignored. Of two equal prefixes the later entry wins, as `wg set` does. */
NODISCARD int route_table_new(const struct route *routes, size_t n, struct route_table **ret_table);
void route_table_free(struct route_table *t);
DEFINE_CLEANUP(struct route_table, route_table_free)

/* Worker. addr is 4 or 16 bytes in network order. NULL = no route. */
struct peer *route_find4(const struct route_table *t, const uint8_t addr[static 4]);
struct peer *route_find6(const struct route_table *t, const uint8_t addr[static 16]);
size_t route_count(const struct route_table *t);

#endif
