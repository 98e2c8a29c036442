/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* bench_route: nanoseconds per lookup of addresses that all have a route, chosen at random. */
#include <string.h>

#include "base/util.h"
#include "bench/micro/micro.h"
#include "data/route/route.h"

enum { ROUTES_MAX = 65536, LOOKUPS = 20000 };

static struct route routes[ROUTES_MAX];
static uint8_t hits[LOOKUPS][16];
static uint64_t seed = 0x5eed;
static volatile uintptr_t sink;

static uint32_t rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 16);
}

/* One route in eight is shorter than a host's, so that some contain others. */
static struct prefix random_prefix(bool v6)
{
	uint8_t bytes[16] = {0xfd};

	for (size_t i = 1; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)rnd();
	struct ip ip = v6 ? ip_v6(bytes) : ip_v4(bytes + 1);
	struct prefix p = prefix_host(&ip);
	if (rnd() % 8 == 0)
		p.len = (uint8_t)(p.len - rnd() % (v6 ? 64 : 16));
	return prefix_mask(&p);
}

static struct route_table *table_of(size_t n, bool v6)
{
	struct route_table *t = NULL;

	for (size_t i = 0; i < n; i++)
		routes[i] = (struct route){
			.prefix = random_prefix(v6),
			.peer = (struct peer *)(void *)(uintptr_t)(16 * (i + 1)),
		};
	if (route_table_new(routes, n, &t) < 0)
		abort();
	for (size_t i = 0; i < LOOKUPS; i++)
		memcpy(hits[i], routes[rnd() % n].prefix.ip.bytes, sizeof(hits[i]));
	return t;
}

static void lookup_round(struct micro *m, const struct route_table *t, bool v6)
{
	uintptr_t seen = 0;
	uint64_t start = micro_clock();

	for (size_t i = 0; i < LOOKUPS; i++)
		seen += (uintptr_t)(v6 ? route_find6(t, hits[i]) : route_find4(t, hits[i]));
	micro_add(m, micro_clock() - start, LOOKUPS);
	sink += seen;
}

static void row(size_t n)
{
	printf("%6zu", n);
	for (unsigned v6 = 0; v6 < 2; v6++) {
		struct micro m = {0};
		struct route_table *t = table_of(n, v6);

		for (int round = 0; round < MICRO_ROUNDS; round++)
			lookup_round(&m, t, v6);
		micro_print_fine(&m);
		route_table_free(t);
	}
	printf("\n");
}

int main(void)
{
	static const size_t sizes[] = {1, 1000, ROUTES_MAX};

	micro_load();
	printf("ns per lookup, best/median of %d rounds\nroutes", MICRO_ROUNDS);
	micro_head("IPv4");
	micro_head("IPv6");
	printf("\n");
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
		row(sizes[i]);
	micro_load();
	return 0;
}
