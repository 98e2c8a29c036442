/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* bench_parse: nanoseconds of looking at the headers that every packet has. */
#include "base/bytes.h"
#include "bench/micro/micro.h"
#include "packet/ip.h"
#include "unit/data/offload/craft.h"
#include "wire/stun.h"
#include "wire/wg.h"

enum { PACKETS = 64, TIMES = 300, ROOM = 1536 };

/* What a worker reads: the lengths are not known before, and neither are the bytes. */
static uint8_t packets[PACKETS][ROOM];
static size_t lengths[PACKETS];
static volatile size_t sink;

static size_t parse_data(const uint8_t *p, size_t n)
{
	struct wg_data m;

	return wg_data_decode(p, n, &m) == TM_OK ? m.sealed_len : 0;
}

static size_t classify(const uint8_t *p, size_t n)
{
	return (size_t)wg_classify(p, n);
}

static size_t is_stun(const uint8_t *p, size_t n)
{
	return stun_classify(p, n);
}

static size_t parse_ip(const uint8_t *p, size_t n)
{
	struct ip_view v;

	return ip_view_of(p, n, &v) == TM_OK ? (size_t)v.total + v.sport : 0;
}

static void make_ip(bool v6)
{
	for (size_t i = 0; i < PACKETS; i++) {
		struct craft c = craft_data(v6, i % 2, 1, 20 * (i + 1));
		lengths[i] = craft_packet(&c, packets[i]);
	}
}

static void make_ip4(void)
{
	make_ip(false);
}

static void make_ip6(void)
{
	make_ip(true);
}

/* An extension header, or options. */
static void make_extended(void)
{
	for (size_t i = 0; i < PACKETS; i++) {
		struct craft c = craft_data(i % 4 > 1, i % 2, 1, 20 * (i + 1));
		c.ip_options = 8;
		lengths[i] = craft_packet(&c, packets[i]);
	}
}

static void make_data(void)
{
	for (size_t i = 0; i < PACKETS; i++) {
		memset(packets[i], 0, 16);
		packets[i][0] = 4;
		lengths[i] = 32 + 20 * i;
	}
}

static void make_stun(void)
{
	const struct stun_msg m = {.class = STUN_REQUEST, .method = 1};

	for (size_t i = 0; i < PACKETS; i++)
		lengths[i] = stun_encode(&m, NULL, packets[i], ROOM);
}

static const struct {
	const char *name;
	void (*make)(void);
	size_t (*parse)(const uint8_t *p, size_t n);
} rows[] = {
	{"wg_classify, data", make_data, classify},
	{"wg_data_decode", make_data, parse_data},
	{"stun_classify, data", make_data, is_stun},
	{"stun_classify, STUN", make_stun, is_stun},
	{"ip_view_of, IPv4", make_ip4, parse_ip},
	{"ip_view_of, IPv6", make_ip6, parse_ip},
	{"ip_view_of, extended", make_extended, parse_ip},
};

int main(void)
{
	micro_load();
	printf("ns per packet, best/median of %d rounds, with the call\n", MICRO_ROUNDS);
	for (size_t r = 0; r < ARRAY_LEN(rows); r++) {
		struct micro m = {0};

		rows[r].make();
		for (int round = 0; round < MICRO_ROUNDS; round++) {
			size_t seen = 0;
			uint64_t start = micro_clock();

			for (int t = 0; t < TIMES; t++)
				for (size_t i = 0; i < PACKETS; i++)
					seen += rows[r].parse(packets[i], lengths[i]);
			micro_add(&m, micro_clock() - start, TIMES * PACKETS);
			sink += seen;
		}
		printf("%-24s", rows[r].name);
		micro_print_fine(&m);
		printf("\n");
	}
	micro_load();
	return 0;
}
