/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * bench_peers: what many peers cost a node's data plane. Memory and time to add them in one batch, and time
 * per change of one among them. The network is the one of the unit tests.
 */
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "bench/micro/micro.h"
#include "crypto/init.h"
#include "data/plane/plane.h"
#include "unit/data/plane/fake_io.h"

enum { PEERS_MAX = 65536, CHANGES = 200 };

/* A member as a mesh has it: an address of each family, one after the other. `spare` tells other addresses
 * apart. */
struct record {
	struct plane_peer peer;
	struct prefix allowed[2];
};

static void must(int err)
{
	if (err < 0) {
		fprintf(stderr, "bench_peers: %s\n", tm_strerror(err));
		abort();
	}
}

static void record_make(struct record *r, uint32_t i, uint8_t spare)
{
	struct ip v4 = ip_v4_host(0x64400001u + i), v6 = {.family = IP_V6, .bytes = {0xfd, 7, spare}};

	put_be32(v6.bytes + 12, i + 1);
	*r = (struct record){.allowed = {prefix_host(&v4), prefix_host(&v6)}};
	put_be32(r->peer.key, i + 1);
	memset(r->peer.key + 4, 0x5a, sizeof(r->peer.key) - 4);
	r->peer.allowed = r->allowed;
	r->peer.n_allowed = ARRAY_LEN(r->allowed);
}

static double resident(void)
{
	FILE *f = fopen("/proc/self/statm", "re");
	long total, pages = 0;

	if (!f || fscanf(f, "%ld %ld", &total, &pages) != 2)
		abort();
	fclose(f);
	return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static void put(struct plane *p, uint32_t i, uint8_t spare)
{
	struct record r;

	record_make(&r, i, spare);
	must(plane_peer_put(p, &r.peer));
}

static double add_all(struct plane *p, uint32_t n)
{
	uint64_t start = micro_clock();

	plane_peers_begin(p);
	for (uint32_t i = 0; i < n; i++)
		put(p, i, 0);
	must(plane_peers_commit(p));
	return (double)(micro_clock() - start) / 1e6;
}

/* Changes of peers chosen here and there, each a batch of its own; the control thread has its turn in
 * between. */
static void change_round(struct micro m[static 3], struct plane *p, uint32_t n, uint32_t round)
{
	for (uint32_t i = 0; i < CHANGES; i++) {
		uint32_t which = (i * 7919 + round * 104729) % n;
		struct record r;
		uint64_t t[4];

		record_make(&r, which, 0);
		t[0] = micro_clock();
		put(p, which, (uint8_t)(round + 1));
		t[1] = micro_clock();
		must(plane_peer_remove(p, r.peer.key));
		t[2] = micro_clock();
		must(plane_peer_put(p, &r.peer));
		t[3] = micro_clock();
		for (int k = 0; k < 3; k++)
			m[k].ns[round] += (double)(t[k + 1] - t[k]) / CHANGES;
		plane_service(p, time_monotonic());
	}
	for (int k = 0; k < 3; k++)
		m[k].n = (int)round + 1;
}

static void ask_round(struct micro *m, struct plane *p, uint32_t n)
{
	struct plane_peer_stats st;
	struct record r;
	uint64_t start;

	start = micro_clock();
	for (uint32_t i = 0; i < n; i++) {
		record_make(&r, i, 0);
		must(plane_peer_stats(p, r.peer.key, &st));
	}
	micro_add(m, micro_clock() - start, n);
}

static void row(uint32_t n)
{
	static const uint8_t key[32] = {8, [31] = 64};
	const struct plane_config cfg = {.tun_name = "tm1", .mtu = 1420, .workers = 2, .private_key = key};
	const struct plane_events ev = {0};
	struct micro change[3] = {0}, ask = {0};
	struct plane *p;
	double before, ms;

	fake_reset();
	must(plane_new(&cfg, &ev, &p, NULL));
	before = resident();
	ms = add_all(p, n);
	printf("%6u %8.1f %8.0f", n, ms, (resident() - before) / n);
	for (uint32_t round = 0; round < MICRO_ROUNDS; round++)
		change_round(change, p, n, round);
	for (int round = 0; round < MICRO_ROUNDS; round++)
		ask_round(&ask, p, n);
	for (int k = 0; k < 3; k++)
		micro_print(&change[k]);
	micro_print(&ask);
	printf("\n");
	plane_free(p);
}

int main(int argc, char **argv)
{
	must(crypto_init(NULL));
	if (argc == 2) { /* alone, so that memory is not that of the rows before */
		row((uint32_t)strtoul(argv[1], NULL, 10));
		return 0;
	}
	micro_load();
	printf("add all in one batch; then ns per thing, best/median of %d rounds\n", MICRO_ROUNDS);
	printf("%6s %8s %8s", "peers", "ms", "B each");
	micro_head("readdress");
	micro_head("remove");
	micro_head("add");
	micro_head("stats");
	printf("\n");
	fflush(stdout);
	for (size_t i = 0; i < 3; i++) {
		static const uint32_t sizes[] = {1000, 10000, PEERS_MAX};

		row(sizes[i]);
	}
	micro_load();
	return 0;
}
