/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A table of flows. It begins small and doubles until it is as large as it may be, moving a little with each
 * flow that is added, so that no packet pays for the whole. Each flow has two buckets of eight places where
 * it can be (Azar et al., "Balanced Allocations", 1994): a look-up reads two words of tags and mostly one
 * entry, whatever others do, and nothing has to be deleted with care.
 *
 * When there is no place, and none of those in the way has a free one in its other bucket (which is so from
 * some 93 % on), somebody loses a flow: of those in the way, one of the peer that has most, and of that
 * peer's the one whose time would be over first. A peer that has at least as many as any of them gets no
 * place but its own. So nobody can push out the flows of one who has fewer.
 *
 * Who chooses addresses and ports to make flows collide, finds nothing: the hash is keyed and strongly
 * universal (Lemire and Kaser, "Strongly universal string hashing is fast", 2014), and a bucket is never more
 * than eight flows.
 *
 * One thread at a time.
 */
#ifndef TM_DATA_FILTER_FLOWS_H
#define TM_DATA_FILTER_FLOWS_H

#include "base/err.h"
#include "base/siphash.h"
#include "data/filter/flow.h"

enum {
	FLOWS_PEERS = 1 << 16, /* flow.peer is less */
	FLOWS_START = 1024, /* flows that a table has room for at first: 33 KiB */
};

struct flows;

struct flows_config {
	uint32_t most; /* flows it ever has room for, rounded up to whole buckets */
	bool routed; /* 64 bytes for each flow, and not 32 */
	struct siphash_key key; /* random */
};
NODISCARD int flows_new(const struct flows_config *cfg, struct flows **ret_t);
void flows_free(struct flows *t);
DEFINE_CLEANUP(struct flows, flows_free)

/* All of `id` but this is set. */
void flows_hash(const struct flows *t, struct flow_id *id);

/* A batch of look-ups waits for memory once: for each the first, then for each the second, then all find. */
void flows_fetch_tags(const struct flows *t, const struct flow_id *id);
void flows_fetch(const struct flows *t, const struct flow_id *id);

/* What these return is valid until the next call that is not one of them. NULL: there is none, or its time is
 * over. */
struct flow *flows_find(const struct flows *t, const struct flow_id *id, uint32_t tick);
/* The flow is not there. Its key, peer and `until` (now) are set, the rest is zero. NULL: no place for this
 * peer. */
struct flow *flows_add(struct flows *t, const struct flow_id *id, uint16_t peer, uint32_t tick);
void flows_remove(struct flows *t, struct flow *f);
/* The flow goes through another peer from now on. */
void flows_move(struct flows *t, struct flow *f, uint16_t peer);
/* A part of the work of forgetting what is over, as much as time has passed. Once per batch. */
void flows_sweep(struct flows *t, ns_t now);

uint32_t flows_count(const struct flows *t); /* any thread */
uint32_t flows_count_of(const struct flows *t, uint16_t peer);
uint32_t flows_room(const struct flows *t); /* places that there are now */
uint32_t flows_most(const struct flows *t); /* that there are ever; any thread */
uint64_t flows_evicted(const struct flows *t); /* whose time was not over; any thread */
size_t flows_bytes(const struct flows *t); /* of places and tags */

#endif
