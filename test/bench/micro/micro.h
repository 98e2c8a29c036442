/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Timing of small things: several candidates are run in turn, many times, and each keeps its best and its
 * median round. The best is what the code can do, the median shows how quiet the machine was.
 *
 *    struct micro m[CANDIDATES] = {0};
 *    for (int round = 0; round < MICRO_ROUNDS; round++)
 *            for (int c = 0; c < CANDIDATES; c++) {
 *                    uint64_t t = micro_clock();
 *                    ... N times ...
 *                    micro_add(&m[c], micro_clock() - t, N);
 *            }
 */
#ifndef TM_TEST_BENCH_MICRO_MICRO_H
#define TM_TEST_BENCH_MICRO_MICRO_H

#include <assert.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { MICRO_ROUNDS = 25 };

/* The rounds of one candidate, in nanoseconds per thing. All zero at first. */
struct micro {
	int n;
	double ns[MICRO_ROUNDS];
};

static inline uint64_t micro_clock(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* A round that took `ns` and did `things`. */
static inline void micro_add(struct micro *m, uint64_t ns, uint64_t things)
{
	assert(m->n < MICRO_ROUNDS && things > 0);
	m->ns[m->n++] = (double)ns / (double)things;
}

static inline int micro_order(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static inline double micro_median(struct micro *m)
{
	assert(m->n > 0);
	qsort(m->ns, (size_t)m->n, sizeof(m->ns[0]), micro_order);
	return m->ns[m->n / 2];
}

static inline double micro_best(struct micro *m)
{
	(void)micro_median(m); /* sorts */
	return m->ns[0];
}

/* One cell of a table: " best/median", 14 characters wide. */
static inline void micro_print(struct micro *m)
{
	printf(" %6.0f/%-6.0f", micro_best(m), micro_median(m));
}

/* The same for things that take a few nanoseconds. */
static inline void micro_print_fine(struct micro *m)
{
	printf(" %6.1f/%-6.1f", micro_best(m), micro_median(m));
}

/* The head of such a column. */
static inline void micro_head(const char *name)
{
	printf(" %13.13s", name);
}

/* The machine was quiet when the load is well below the number of its processors. */
static inline void micro_load(void)
{
	double load = 0;

	if (getloadavg(&load, 1) == 1)
		printf("load average %.2f\n", load);
}

#endif
