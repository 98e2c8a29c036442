/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A path put together by hand, for tests of single rules that a story would reach by accident only: PAIRS
 * pairs, the first in use, every other one by a relay, and a turn whose outputs stay in the queue. Nothing is
 * sent, as there is no key. One for each test program.
 */
#ifndef TM_TEST_MADE_PATH_H
#define TM_TEST_MADE_PATH_H

#include "unit/unit.h"

#include "control/path/path_private.h"

enum { PAIRS = 4, FULL = 1420 + 32 };
#define NOW (1000 * SEC)

static struct path path;
static struct queue queue;
static struct legs legs;
static const struct core_ops ops;
static const struct core_member peer = {.id = "0000000000000001"};

static inline struct turn turn_at(ns_t now)
{
	queue = (struct queue){.n = 0};
	return (struct turn){.out = &queue, .ops = &ops, .peer = &peer, .legs = &legs, .now = now};
}

/* The last thing of that kind that came of the turn; NULL: none did. */
static inline const struct core_out *came(enum core_out_kind kind)
{
	for (unsigned i = queue.n; i-- > 0;)
		if (queue.v[i].kind == kind)
			return &queue.v[i];
	return NULL;
}

static inline int make_path(void **state)
{
	(void)state;
	legs_init(&legs);
	path_init(&path, &(struct path_memory){.type = CAND_HOST});
	path.pairs = calloc(PATH_PAIRS_MAX, sizeof(*path.pairs));
	assert_non_null(path.pairs);
	path.room = PATH_PAIRS_MAX;
	path.n_pairs = PAIRS;
	for (unsigned i = 0; i < PAIRS; i++) {
		const struct way_to way = {.kind = i % 2 ? WAY_RELAY_UDP : WAY_UDP,
			.relay = i % 2,
			.remote = {.ip = ip_v4_host(0xc0000200 + i), .port = 1}};

		path.pairs[i] = pair_make(&way, CAND_SRFLX, NOW);
		path.pairs[i].next_check = NS_NEVER;
	}
	path.chosen = 0;
	path.state = PATH_UP;
	path.wanted_at = path.last_sending = path.sample_at = NOW;
	return 0;
}

static inline int end_path(void **state)
{
	(void)state;
	path_deinit(&path);
	legs_deinit(&legs);
	return 0;
}

#endif
