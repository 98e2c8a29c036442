/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Everything a worker looks up about where packets go. Made by the control thread, published by one
 * atomic exchange, never changed, freed through the epoch. A worker loads the pointer once per batch.
 */
#ifndef TM_DATA_PLANE_SNAPSHOT_H
#define TM_DATA_PLANE_SNAPSHOT_H

#include "base/epoch.h"
#include "data/filter/filter.h"
#include "data/plane/networks.h"
#include "data/plane/tap.h"
#include "data/route/route.h"

struct snapshot {
	uint64_t generation; /* from 1 on, one more with each that is published */
	struct route_table routes;
	struct filter *filter; /* NULL: everything passes */
	struct filter_memory *memory; /* of the filter's; the plane's, and outlives all snapshots */
	size_t n_taps; /* that somebody looks through; mostly none. The plane's, which frees them through the
			  epoch */
	/* What the snapshot that follows does not use any more: goes with this one. */
	struct route_garbage *unused;
	struct filter *unused_filter;
	struct ip self4, self6;
	struct prefix net4, net6;
	/* Behind this machine: what is for them is the kernel's to route. */
	struct prefix networks[PLANE_NETWORKS_MAX];
	size_t n_networks;
	struct tap *taps[PLANE_TAPS_MAX];
	struct epoch_retired retired;
};

/* A copy of the next generation, to be changed before it is published. */
NODISCARD int snapshot_new(const struct snapshot *like, struct snapshot **ret_s);
/* struct snapshot *, for the epoch: with what it alone used. */
void snapshot_free(void *snapshot);

/* Packet p has been looked at (packet/ip.h). */
struct peer *snapshot_owner_of_dst(const struct snapshot *s, const uint8_t *p);
struct peer *snapshot_owner_of_src(const struct snapshot *s, const uint8_t *p);
bool snapshot_dst_is_self(const struct snapshot *s, const uint8_t *p);
/* The mesh's own broadcast address, or what hosts of long ago took for it (RFC 1122 3.3.6). */
bool snapshot_dst_is_broadcast(const struct snapshot *s, const uint8_t *p);
/* Is it for a network behind this machine? */
bool snapshot_dst_is_behind(const struct snapshot *s, const uint8_t *p);
/* The last host of the mesh's range: who sends there, where no member is, only wants to know whether the
 * answer reaches him. */
bool snapshot_dst_is_nobody(const struct snapshot *s, const uint8_t *p);
/* An outer address that is really an inner one: sending there would loop. */
bool snapshot_loops(const struct snapshot *s, const struct ip *ip);

#endif
