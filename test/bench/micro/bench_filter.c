/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* bench_filter: nanoseconds per packet of asking the filter. Without one it has to be as good as free. */
#include "bench/micro/micro.h"
#include "data/plane/worker.h"
#include "unit/data/offload/craft.h"

enum { TIMES = 100000 };

static struct worker worker;
static volatile unsigned sink;

static enum verdict pass(const struct filter *f, const struct filter_question *q)
{
	(void)f;
	return q->now ? VERDICT_DROP : VERDICT_PASS;
}

static void measure(const char *name, struct filter *filter)
{
	static uint8_t packet[1536];
	const struct craft c = craft_data(false, false, 1, 1000);
	struct snapshot snap = {.filter = filter};
	struct micro m = {0};
	struct peer peer = {0};
	struct ip_view v;

	worker.snap = &snap;
	if (ip_view_of(packet, craft_packet(&c, packet), &v) < 0)
		abort();
	for (int round = 0; round < MICRO_ROUNDS; round++) {
		unsigned passed = 0;
		uint64_t start = micro_clock();

		for (int t = 0; t < TIMES; t++) {
			/* As in a batch: what the snapshot holds is not known to the compiler. */
			__asm__ volatile("" ::: "memory");
			passed +=
				worker_admits(&worker, t % 2 ? FILTER_EGRESS : FILTER_INGRESS, &peer, &v, 1);
		}
		micro_add(&m, micro_clock() - start, TIMES);
		sink += passed;
	}
	printf("%-24s", name);
	micro_print_fine(&m);
	printf("\n");
}

int main(void)
{
	struct filter passing = {.judge = pass};

	micro_load();
	printf("ns per packet, best/median of %d rounds\n", MICRO_ROUNDS);
	measure("no filter", NULL);
	measure("one that passes", &passing);
	micro_load();
	return 0;
}
