/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* bench_filter: nanoseconds per packet of the packet filter's hook. Without rules it has to be as good as
 * free. */
#include "bench/micro/micro.h"
#include "data/filter/filter.h"
#include "unit/data/offload/craft.h"

enum { TIMES = 100000 };

static const struct filter *volatile none; /* as in a snapshot: not known to the compiler */
static volatile unsigned sink;

int main(void)
{
	static uint8_t packet[1536];
	const struct craft c = craft_data(false, false, 1, 1000);
	const size_t n = craft_packet(&c, packet);
	struct micro m = {0};

	micro_load();
	for (int round = 0; round < MICRO_ROUNDS; round++) {
		unsigned passed = 0;
		uint64_t start = micro_clock();

		for (int t = 0; t < TIMES; t++)
			passed += filter_pass(none, t % 2 ? FILTER_EGRESS : FILTER_INGRESS, NULL, packet, n);
		micro_add(&m, micro_clock() - start, TIMES);
		sink += passed;
	}
	printf("ns per packet, best/median of %d rounds\n%-24s", MICRO_ROUNDS, "no filter");
	micro_print_fine(&m);
	printf("\n");
	micro_load();
	return 0;
}
