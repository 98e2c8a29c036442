/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * bench_filter: nanoseconds per packet of asking the filter. Without one it has to be as good as free; with
 * one, for a packet of the flow as before, for one of many flows in a random order, alone and in batches, and
 * for one that begins a flow. Packets are inbound segments of TCP, written anew for each question, as if just
 * opened.
 */
#include "base/bytes.h"
#include "bench/micro/micro.h"
#include "data/filter/hits.h"
#include "data/plane/worker.h"
#include "fake/random.h"

enum { TIMES = 96000, HOSTS = 1000, SELF = 1, MANY = 1000000 };

static struct worker worker;
static volatile unsigned sink;
static uint8_t packet[FILTER_BATCH][40];
static struct ip_view view[FILTER_BATCH];

/* A segment of the n-th flow. */
static void write_packet(unsigned slot, uint32_t n, uint8_t flags)
{
	uint8_t *p = packet[slot];

	put_be32(p + 12, 0x0a4d0002 + n % HOSTS);
	put_be16(p + 20, (uint16_t)(1 + n / HOSTS));
	p[33] = flags;
	if (ip_view_of(p, 40, &view[slot]) != TM_OK)
		abort();
}

static void make_packets(void)
{
	for (unsigned i = 0; i < FILTER_BATCH; i++) {
		uint8_t *p = packet[i];

		p[0] = 0x45;
		put_be16(p + 2, 40);
		p[9] = PROTO_TCP;
		put_be32(p + 16, 0x0a4d0000 + SELF);
		put_be16(p + 22, 22);
		p[32] = 0x50;
		put_be16(p + 34, 60000);
	}
}

/* 100 rules: every tenth port is for somebody. They count, as a node's do. */
static struct rules *make_rules(unsigned parts)
{
	struct rules_builder *b;
	struct rules_span v[100];
	struct rules *r;
	struct hits *h;

	for (uint16_t i = 0; i < 100; i++)
		v[i] = (struct rules_span){(uint16_t)(10 * i + 2), (uint16_t)(10 * i + 4), VERDICT_PASS, i};
	if (rules_builder_new(&b) != TM_OK)
		abort();
	if (rules_put(b, &(struct rules_at){.dir = RULES_IN, .proto = RULES_TCP}, VERDICT_DROP, v, 100) !=
		TM_OK)
		abort();
	for (uint32_t host = 2; host < HOSTS + 2; host++)
		if (rules_put_class(b, host, 0) != TM_OK)
			abort();
	if (rules_build(b, &r) != TM_OK)
		abort();
	rules_builder_free(b);
	if (hits_new(parts, 101, &h) != TM_OK)
		abort();
	rules_count(r, h);
	return r;
}

static struct snapshot snap = {.generation = 1};

static void make_filter(uint32_t flows, unsigned parts)
{
	const struct filter_memory_config cfg = {.parts = parts, .flows = flows, .key = {1, 2}};
	struct filter_space space = {.host = SELF};

	if (prefix_parse("10.77.0.0/16", &space.net4) != TM_OK ||
		filter_new(&space, make_rules(parts), 0, &snap.filter) != TM_OK ||
		filter_memory_new(&cfg, &snap.memory) != TM_OK)
		abort();
	worker.filter = (struct filter_worker){0};
}

static void drop_filter(void)
{
	filter_free(snap.filter);
	filter_memory_free(snap.memory);
	snap.filter = NULL;
	snap.memory = NULL;
}

static unsigned ask(struct peer *peer, unsigned n)
{
	const struct judged j = {.dir = FILTER_INGRESS, .peer = peer, .packets = 1};

	if (n == 1)
		return worker_admits(&worker, &j, view);
	return n - (unsigned)__builtin_popcount(worker_judge(&worker, &j, view, n));
}

/* `flows` flows, asked about in random order, `batch` at a time; the first time each begins. */
static void measure(const char *name, uint32_t flows, unsigned batch, unsigned parts)
{
	struct micro m = {0}, begin = {0};
	struct peer peer = {0};
	uint64_t seed = 0xb37c;
	unsigned passed = 0, asked = 0;

	if (flows)
		make_filter(MAX(flows + flows / 10, (uint32_t)FILTER_FLOWS), parts);
	uint64_t start = micro_clock();
	for (uint32_t n = 0; n < flows; n++) {
		write_packet(0, n, TCP_ACK);
		passed += ask(&peer, 1);
	}
	if (flows > 1)
		micro_add(&begin, micro_clock() - start, flows);
	asked = flows;

	for (int round = 0; round < MICRO_ROUNDS; round++) {
		worker.now += SEC;
		start = micro_clock();
		for (unsigned t = 0; t < TIMES; t += batch) {
			/* As in a batch: what the snapshot holds is not known to the compiler. */
			__asm__ volatile("" ::: "memory");
			if (flows > 1) {
				worker.now++;
				for (unsigned i = 0; i < batch; i++)
					write_packet(i, fake_random(&seed) % flows, TCP_ACK);
			}
			passed += ask(&peer, batch);
		}
		micro_add(&m, micro_clock() - start, TIMES);
		asked += TIMES;
	}
	if (passed != asked)
		abort();
	printf("%-44s", name);
	micro_print_fine(&m);
	if (begin.n)
		micro_print_fine(&begin);
	printf("\n");
	if (flows)
		drop_filter();
	sink += passed;
}

/* What it costs to write packets and look at them, which the others contain. */
static void measure_writing(void)
{
	struct micro m = {0};
	uint64_t seed = 0xb37c;

	for (int round = 0; round < MICRO_ROUNDS; round++) {
		const uint64_t start = micro_clock();

		for (unsigned t = 0; t < TIMES; t++)
			write_packet(t % FILTER_BATCH, fake_random(&seed) % MANY, TCP_ACK);
		micro_add(&m, micro_clock() - start, TIMES);
	}
	printf("%-44s", "(writing a packet and looking at it)");
	micro_print_fine(&m);
	printf("\n");
}

static void measure_rules(void)
{
	struct rules *r = make_rules(1);
	struct micro m = {0};
	uint64_t seed = 0xb37c;

	for (int round = 0; round < MICRO_ROUNDS; round++) {
		const uint64_t start = micro_clock();
		unsigned passed = 0;

		for (unsigned t = 0; t < TIMES; t++) {
			const struct rules_at at = {.dir = RULES_IN, .proto = RULES_TCP};

			passed += rules_find(r, &at, (uint16_t)(fake_random(&seed) % 1000)).verdict;
		}
		micro_add(&m, micro_clock() - start, TIMES);
		sink += passed;
	}
	printf("%-44s", "a look at 100 rules, random ports");
	micro_print_fine(&m);
	printf("\n");
	rules_free(r);
}

int main(void)
{
	worker.snap = &snap;
	worker.now = SEC;
	make_packets();
	micro_load();
	printf("ns per packet, best/median of %d rounds; then of beginning the flows\n", MICRO_ROUNDS);
	for (unsigned i = 0; i < FILTER_BATCH; i++)
		write_packet(i, 0, TCP_ACK);
	measure("no filter", 0, 1, 1);
	measure("same flow", 1, 1, 1);
	measure("same flow, 16 at once", 1, FILTER_BATCH, 1);
	measure_writing();
	measure("1,000 flows", 1000, 1, 1);
	measure("1,000 flows, 16 at once", 1000, FILTER_BATCH, 1);
	measure("1,000 flows, 16 at once, two workers' locks", 1000, FILTER_BATCH, 2);
	measure("60,000 flows, 16 at once", 60000, FILTER_BATCH, 1);
	measure("1,000,000 flows", MANY, 1, 1);
	measure("1,000,000 flows, 16 at once", MANY, FILTER_BATCH, 1);
	measure_rules();
	micro_load();
	return 0;
}
