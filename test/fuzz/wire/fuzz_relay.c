/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A header names two different nodes and is written as it was read; a frame's messages lie inside it. */
#include "fuzz/fuzz.h"
#include "wire/relay.h"

static void check_pair(uint64_t pair, const uint8_t *data)
{
	const uint32_t a = relay_lower(pair), b = relay_higher(pair);
	uint8_t out[RELAY_HEADER];

	assert(a > 0 && a < b && b <= RELAY_HOST_MAX);
	assert(relay_pair(a, b) == pair && relay_pair(b, a) == pair);
	assert(relay_other(pair, a) == b && relay_other(pair, b) == a && relay_other(pair, 0) == 0);
	relay_put(out, pair);
	assert(memcmp(out, data, sizeof(out)) == 0);
	assert(!relay_carries(data, RELAY_HEADER) && !relay_carries(data, 1500));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint64_t pair = relay_get(data, size);
	uint8_t out[RELAY_FRAME_HEAD], copy[1500] = {0};
	struct relay_frame f;

	memcpy(copy, data, MIN(size, sizeof(copy)));
	if (pair)
		check_pair(pair, copy);
	(void)relay_carries(data, size);
	if (relay_frame_decode(data, size, &f))
		return 0;
	assert(f.pair && f.pair == pair && f.segment);
	assert(f.n && f.train + f.n == data + size);
	relay_frame_head(out, f.pair, f.segment, f.tos);
	assert(memcmp(out, data, sizeof(out)) == 0);
	return 0;
}
