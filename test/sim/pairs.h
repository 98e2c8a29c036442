/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Seeded pairs: two members somewhere behind NATs, firewalls or neither, on lines of any quality. The seed
 * decides all. Consecutive seeds go through all pairs of places in turn.
 */
#ifndef TM_TEST_SIM_PAIRS_H
#define TM_TEST_SIM_PAIRS_H

#include "sim/coordinator.h"
#include "sim/predict.h"

/* Open, three firewalls, nine NATs, no UDP at all. */
enum { PAIR_PLACES = 14, PAIR_KINDS = PAIR_PLACES * PAIR_PLACES };

/* A direct path that must appear is there so soon after the first packet, one that must not has not come
 * until the end of so much traffic. */
#define PAIR_WITHIN (2 * SEC)
#define PAIR_WITHIN_LOSSY (40 * SEC)
#define PAIR_NEVER_FOR (30 * SEC)

struct pair_run {
	struct sim *s;
	struct coordinator *c;
	struct host *a, *b;
	char text[256]; /* where the two are */
	enum prediction predicted, guess;
	bool lossy; /* a line loses, bends or repeats datagrams */
	ns_t direct_after; /* NS_NEVER: no direct path appeared */
	ns_t simulated;
	uint64_t wire_hash;
	const char *wrong; /* NULL: all as it should be */
};

/* Builds, runs and judges; nothing is left to be freed. */
void pair_run(uint64_t seed, struct pair_run *ret);

/*
 * The same pairs where the coordinator relays: they always exchange data, at once, whatever becomes of direct
 * paths meanwhile. What was seen is added up in `t`.
 */
struct relayed_tally {
	size_t runs, direct, relayed, streamed; /* how they talked in the end */
	size_t guessable, guessed; /* only by guessing ports could they be direct, and they were */
	size_t deaths, restarts;
	/* On good lines, as shares of what they may take, per mille: the first answer, the stall on a path
	 * that died, until one came back. */
	ns_t worst_answer, worst_stall, worst_return;
	size_t lost, changes; /* packets on good lines; ways chosen while nothing happened */
};
void pair_run_relayed(uint64_t seed, struct pair_run *ret, struct relayed_tally *t);
/* A world to be run by hand, which sim_free ends. */
void pair_build(uint64_t seed, bool relays, struct pair_run *ret);

#endif
