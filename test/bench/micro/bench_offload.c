/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * bench_offload: nanoseconds per packet of cutting super-packets and of merging packets into them, checksums
 * included, beside the copy and the sum of as many bytes, which nothing can beat that does the same.
 */
#include <string.h>

#include "base/util.h"
#include "bench/micro/micro.h"
#include "data/offload/coalesce.h"
#include "data/offload/segment.h"
#include "packet/csum.h"
#include "unit/data/offload/craft.h"

enum { ROOM = 1536, TIMES = 20, BATCH = COALESCE_MAX };

static uint8_t packets[BATCH][ROOM], fresh[BATCH][ROOM], whole[CRAFT_MAX];
static size_t lengths[BATCH];
static struct coalescer *merger;
static volatile uint32_t sink;

static struct craft data_of(size_t bytes, bool v6, bool udp)
{
	struct craft c = craft_data(v6, udp, 1, 0);

	c.options = bytes < 128 ? 0 : 12;
	c.payload = bytes - (v6 ? 40 : 20) - (udp ? 8 : 20 + c.options);
	return c;
}

static void on_write(
	void *ctx, const struct vnet *v, const struct part *parts, size_t n_parts, unsigned count)
{
	(void)ctx, (void)v;
	sink += (uint32_t)(parts[0].n + n_parts + count);
}

/* Reading `flows` flows in turn; headers are rewritten, so every time begins with fresh packets. */
static void coalesce_round(struct micro *m, size_t batch)
{
	uint64_t ns = 0;

	for (int t = 0; t < TIMES; t++) {
		memcpy(packets, fresh, batch * ROOM);
		uint64_t start = micro_clock();
		for (size_t i = 0; i < batch; i++) {
			struct ip_view v;

			if (ip_view_of(packets[i], lengths[i], &v) < 0 ||
				coalesce_add(merger, packets[i], &v) < 0)
				abort();
		}
		coalesce_flush(merger, on_write, NULL);
		ns += micro_clock() - start;
	}
	micro_add(m, ns, TIMES * batch);
}

static size_t make_batch(size_t bytes, unsigned flows, bool v6, bool udp)
{
	size_t batch = flows == 1 ? 2 * COALESCE_PARTS_MAX : BATCH;

	for (size_t i = 0; i < batch; i++) {
		struct craft c = data_of(bytes, v6, udp);

		c.flow = (unsigned)i % flows;
		c.seq = (uint32_t)(c.payload * (i / flows));
		lengths[i] = craft_packet(&c, fresh[i]);
	}
	return batch;
}

static void segment_round(struct micro *m, const struct vnet *v, size_t n)
{
	static uint8_t out[2 * CRAFT_MAX];
	unsigned count = 0;
	uint64_t start = micro_clock();

	for (int t = 0; t < TIMES; t++) {
		struct segmenter s;
		struct ip_view view;
		size_t at = 0, got;

		if (ip_view_of(whole, n, &view) < 0 || segment_begin(&s, v, &view) < 0)
			abort();
		for (; (got = segment_next(&s, out + at)) > 0; count++)
			at = at + got > CRAFT_MAX ? 0 : at + got;
	}
	micro_add(m, micro_clock() - start, count);
}

/* A super-packet of as many segments of this length as fit, 64 at most. */
static size_t make_super(size_t bytes, bool v6, bool udp, struct vnet *ret_v)
{
	struct craft c = data_of(bytes, v6, udp);
	uint16_t size = (uint16_t)c.payload;

	c.payload = MIN(64u, (CRAFT_MAX - 100u) / size) * size;
	*ret_v = (struct vnet){
		.needs_csum = true,
		.gso = udp  ? VNET_GSO_UDP
		       : v6 ? VNET_GSO_TCP6
			    : VNET_GSO_TCP4,
		.gso_size = size,
		.csum_start = v6 ? 40 : 20,
		.csum_offset = udp ? 6 : 16,
	};
	return craft_packet(&c, whole);
}

static void floor_round(struct micro *copy, struct micro *sum, size_t bytes)
{
	uint64_t start = micro_clock();

	for (size_t i = 0; i < BATCH; i++) {
		memcpy(packets[i % 64], fresh[i % 64], bytes);
		__asm__ volatile("" ::: "memory");
	}
	uint64_t middle = micro_clock();
	for (size_t i = 0; i < BATCH; i++)
		sink += csum_add(fresh[i % 64], bytes, 0);
	micro_add(sum, micro_clock() - middle, BATCH);
	micro_add(copy, middle - start, BATCH);
}

static void row(size_t bytes, bool v6, bool udp)
{
	struct micro copy = {0}, sum = {0}, cut = {0}, one = {0}, many = {0};

	for (int round = 0; round < MICRO_ROUNDS; round++) {
		struct vnet v;
		size_t n = make_super(bytes, v6, udp, &v);

		segment_round(&cut, &v, n);
		coalesce_round(&one, make_batch(bytes, 1, v6, udp));
		coalesce_round(&many, make_batch(bytes, 256, v6, udp));
		floor_round(&copy, &sum, bytes);
	}
	printf("%6zu  %s%s", bytes, udp ? "UDP" : "TCP", v6 ? "6" : "4");
	micro_print(&copy);
	micro_print(&sum);
	micro_print(&cut);
	micro_print(&one);
	micro_print(&many);
	printf("\n");
}

int main(void)
{
	static const size_t bytes[] = {64, 536, 1420};

	if (coalescer_new(&merger) < 0)
		return 1;
	coalesce_allow(merger, true, true);

	micro_load();
	printf("ns per packet, best/median of %d rounds\n%6s  %4s", MICRO_ROUNDS, "bytes", "");
	micro_head("copy");
	micro_head("sum");
	micro_head("segment");
	micro_head("merge 1 flow");
	micro_head("256 flows");
	printf("\n");
	for (unsigned kind = 0; kind < 4; kind++)
		for (size_t i = 0; i < ARRAY_LEN(bytes); i++)
			row(bytes[i] + (kind == 1 && bytes[i] == 64 ? 16 : 0), kind & 1, kind & 2);
	micro_load();
	coalescer_free(merger);
	return 0;
}
