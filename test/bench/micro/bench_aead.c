/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * bench_aead: nanoseconds per packet of every provider that this CPU can run. Each packet of a batch has its
 * own key and memory, as in the plane.
 */
#include <string.h>

#include "base/util.h"
#include "bench/micro/micro.h"
#include "crypto/aead.h"
#include "crypto/init.h"

enum { PROVIDERS_MAX = 8, BATCH_MAX = 128, BYTES_MAX = 8192, SLOT = 9216 };
enum { ROUND_BYTES = 400000, PACKET_OVERHEAD = 1000 }; /* how much one round does, about 0.2 ms */

static struct aead *providers[PROVIDERS_MAX];
static size_t n_providers;
static uint8_t keys[BATCH_MAX][AEAD_KEY], (*slots)[SLOT];
static struct aead_op ops[BATCH_MAX];

/* Opening needs sealed packets: each round seals and opens in turn, with one clock for either. */
static void round_of(
	struct aead *a, size_t batch, size_t times, struct micro *ret_seal, struct micro *ret_open)
{
	uint64_t seal_ns = 0, open_ns = 0, start, middle;

	for (size_t i = 0; i < times; i++) {
		start = micro_clock();
		if (aead_seal_batch(a, ops, batch) > 0)
			abort();
		middle = micro_clock();
		if (aead_open_batch(a, ops, batch) > 0)
			abort();
		open_ns += micro_clock() - middle;
		seal_ns += middle - start;
	}
	micro_add(ret_seal, seal_ns, times * batch);
	micro_add(ret_open, open_ns, times * batch);
}

static void row(size_t bytes, size_t batch)
{
	const size_t times = MAX(ROUND_BYTES / ((bytes + PACKET_OVERHEAD) * batch), (size_t)1);
	struct micro seal[PROVIDERS_MAX] = {0}, open[PROVIDERS_MAX] = {0};

	for (size_t i = 0; i < batch; i++)
		ops[i] = (struct aead_op){.key = keys[i], .counter = i, .data = slots[i], .n = bytes};
	for (int round = 0; round < MICRO_ROUNDS; round++)
		for (size_t p = 0; p < n_providers; p++)
			round_of(providers[p], batch, times, &seal[p], &open[p]);

	printf("%6zu %6zu", bytes, batch);
	for (size_t p = 0; p < n_providers; p++) {
		micro_print(&seal[p]);
		micro_print(&open[p]);
	}
	printf("\n");
}

static void head(void)
{
	printf("ns per packet, best/median of %d interleaved rounds\n%13s", MICRO_ROUNDS, "");
	for (size_t p = 0; p < n_providers; p++) {
		micro_head(aead_provider(providers[p]));
		micro_head("");
	}
	printf("\n%6s %6s", "bytes", "batch");
	for (size_t p = 0; p < n_providers; p++) {
		micro_head("seal");
		micro_head("open");
	}
	printf("\n");
}

int main(void)
{
	static const size_t bytes[] = {64, 96, 512, 1280, 1424, BYTES_MAX}, batches[] = {1, 8, 32, BATCH_MAX};
	const char *name;

	slots = calloc(BATCH_MAX, sizeof(*slots));
	if (!slots || crypto_init(NULL) < 0)
		return 1;

	random_bytes(keys, sizeof(keys));
	while ((name = aead_provider_at(n_providers))) {
		if (n_providers == PROVIDERS_MAX || aead_new_with(name, &providers[n_providers]) < 0)
			return 1;
		n_providers++;
	}

	micro_load();
	head();
	for (size_t i = 0; i < ARRAY_LEN(bytes); i++)
		for (size_t j = 0; j < ARRAY_LEN(batches); j++)
			row(bytes[i], batches[j]);
	micro_load();

	while (n_providers > 0)
		aead_free(providers[--n_providers]);
	free(slots);
	return 0;
}
