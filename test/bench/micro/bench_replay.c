/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* bench_replay: nanoseconds per counter of the window against replays. */
#include "base/util.h"
#include "bench/micro/micro.h"
#include "data/peer/replay.h"
#include "fake/random.h"

enum { COUNTERS = 100000 };

static uint64_t counters[COUNTERS];
static uint64_t seed = 0x5eed;
static volatile unsigned sink;

static uint32_t rnd(void)
{
	return fake_random(&seed);
}

static void in_order(void)
{
	for (size_t i = 0; i < COUNTERS; i++)
		counters[i] = i;
}

/* Each is late by up to `spread` places, as on a network with several paths. */
static void reordered(size_t spread)
{
	in_order();
	for (size_t i = 0; i + spread < COUNTERS; i++) {
		size_t other = i + rnd() % spread;
		uint64_t c = counters[i];

		counters[i] = counters[other];
		counters[other] = c;
	}
}

/* Nothing is new. */
static void replayed(void)
{
	for (size_t i = 0; i < COUNTERS; i++)
		counters[i] = i / 2;
}

static void row(const char *name)
{
	struct micro m = {0};

	for (int round = 0; round < MICRO_ROUNDS; round++) {
		struct replay r = {0};
		unsigned accepted = 0;
		uint64_t start = micro_clock();

		for (size_t i = 0; i < COUNTERS; i++)
			accepted += replay_accept(&r, counters[i]);
		micro_add(&m, micro_clock() - start, COUNTERS);
		sink += accepted;
	}
	printf("%-24s", name);
	micro_print_fine(&m);
	printf("\n");
}

int main(void)
{
	micro_load();
	printf("ns per counter, best/median of %d rounds\n", MICRO_ROUNDS);
	in_order();
	row("in order");
	reordered(8);
	row("late by up to 8");
	reordered(1000);
	row("late by up to 1000");
	replayed();
	row("each twice");
	micro_load();
	return 0;
}
