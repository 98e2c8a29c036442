/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * bench_route: nanoseconds per lookup of addresses that all have a route, chosen at random; per route of a
 * table that is made at once; and per change of one route of many, a new version each time.
 */
#include <string.h>

#include "base/util.h"
#include "bench/micro/micro.h"
#include "data/route/route.h"
#include "fake/random.h"

enum { ROUTES_MAX = 65536, LOOKUPS = 20000, CHANGES = 500 };

static struct route routes[ROUTES_MAX];
static uint8_t hits[LOOKUPS][16];
static uint64_t seed = 0x5eed;
static volatile uintptr_t sink;

static uint32_t rnd(void)
{
	return fake_random(&seed);
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

/* The routes 0 to n-1, chosen anew. */
static void choose(size_t n, bool v6)
{
	for (size_t i = 0; i < n; i++)
		routes[i] = (struct route){
			.prefix = random_prefix(v6),
			.peer = (struct peer *)(void *)(uintptr_t)(16 * (i + 1)),
		};
	for (size_t i = 0; i < LOOKUPS; i++)
		memcpy(hits[i], routes[rnd() % n].prefix.ip.bytes, sizeof(hits[i]));
}

static void commit(struct route_set *s, struct route_table *t)
{
	struct route_garbage *garbage;

	if (route_commit(s, t, &garbage) < 0)
		abort();
	route_garbage_free(garbage);
}

static struct route_set *set_of(size_t n, struct route_table *t)
{
	struct route_set *s = NULL;
	int err = route_set_new(&s);

	for (size_t i = 0; i < n && err == TM_OK; i++)
		err = route_put(s, &routes[i]);
	if (err < 0)
		abort();
	commit(s, t);
	return s;
}

static void build_round(struct micro *m, size_t n)
{
	struct route_table t;
	uint64_t start = micro_clock();
	struct route_set *s = set_of(n, &t);

	micro_add(m, micro_clock() - start, n);
	route_set_free(s);
}

/* One route goes and comes back. */
static void change_round(struct micro *m, struct route_set *s, struct route_table *t, size_t n)
{
	uint64_t start = micro_clock();

	for (size_t i = 0; i < CHANGES; i++) {
		struct route *r = &routes[rnd() % n];

		if (route_remove(s, r) < 0)
			abort();
		commit(s, t);
		if (route_put(s, r) < 0)
			abort();
		commit(s, t);
	}
	micro_add(m, micro_clock() - start, (size_t)2 * CHANGES);
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
		struct micro look = {0}, build = {0}, change = {0};
		struct route_table t;

		choose(n, v6);
		for (int round = 0; round < MICRO_ROUNDS; round++)
			build_round(&build, n);
		struct route_set *s = set_of(n, &t);
		for (int round = 0; round < MICRO_ROUNDS; round++)
			lookup_round(&look, &t, v6);
		for (int round = 0; round < MICRO_ROUNDS; round++)
			change_round(&change, s, &t, n);
		micro_print_fine(&look);
		micro_print(&build);
		micro_print(&change);
		route_set_free(s);
	}
	printf("\n");
}

int main(void)
{
	static const size_t sizes[] = {1, 1000, 20000, ROUTES_MAX};

	micro_load();
	printf("ns, best/median of %d rounds\nroutes", MICRO_ROUNDS);
	for (unsigned v6 = 0; v6 < 2; v6++) {
		micro_head(v6 ? "IPv6 lookup" : "IPv4 lookup");
		micro_head("put, of all");
		micro_head("one change");
	}
	printf("\n");
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
		row(sizes[i]);
	micro_load();
	return 0;
}
