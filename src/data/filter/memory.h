/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What the filter remembers: flows and pieces. It outlives rules, which are replaced around it.
 *
 * There is a part for each worker, and a packet's part follows from the address of its remote end just as its
 * worker does (os/tun.h, tun_queue_for): so each mostly works in its own part. Not always: what goes to
 * clients behind another node and what comes from them are different workers' (decision 12), and where the
 * kernel steers by flows, anything may be. So each part has a lock, which costs its owner a few nanoseconds;
 * a single worker takes none.
 */
#ifndef TM_DATA_FILTER_MEMORY_H
#define TM_DATA_FILTER_MEMORY_H

#include "base/spin.h"
#include "data/filter/flows.h"
#include "data/filter/pieces.h"

struct filter_part {
	_Alignas(64) struct spin lock; /* guards the rest */
	struct flows *members, *routed;
	struct pieces *pieces;
	ns_t swept; /* the batch that did it last */
};

struct filter_memory {
	unsigned parts;
	struct filter_part part[];
};

enum {
	FILTER_FLOWS = 1 << 16, /* 2 MiB; as shipped */
	FILTER_FLOWS_MIN = 1 << 10,
	FILTER_FLOWS_MAX = 1000000,
};

struct filter_memory_config {
	unsigned parts;
	uint32_t flows; /* between members, in all; those with routed addresses: half as many */
	struct siphash_key key; /* random */
};
NODISCARD int filter_memory_new(const struct filter_memory_config *cfg, struct filter_memory **ret_m);
void filter_memory_free(struct filter_memory *m);
DEFINE_CLEANUP(struct filter_memory, filter_memory_free)

/* Flows between members, and those with an address that is none's. */
enum filter_kind { FILTER_MEMBERS, FILTER_ROUTED, FILTER_KINDS };
struct filter_count {
	uint64_t flows, most; /* there are, and may be */
	uint64_t evicted; /* since the start, whose time was not over */
};
/* Any thread, while others work with it. */
void filter_memory_count(const struct filter_memory *m, struct filter_count ret_count[static FILTER_KINDS]);

#endif
