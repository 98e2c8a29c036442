/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * First byte: which decoder. What a decoder accepts is within its limits, and encodes to the same bytes where
 * those are looked at: decoded again it is the same.
 */
#include "bench/codec.h"
#include "fuzz/fuzz.h"

static void request(const uint8_t *p, size_t n)
{
	struct bench_request r, again;
	uint8_t out[BENCH_REQUEST_LEN];

	if (bench_request_decode(p, n, &r) != TM_OK)
		return;

	assert(n == sizeof(out) && r.duration_ms <= BENCH_TIME_MAX_S * 1000);
	bench_request_encode(&r, out);
	assert(bench_request_decode(out, sizeof(out), &again) == TM_OK);
	assert(again.type == r.type && again.duration_ms == r.duration_ms &&
		memcmp(again.id, r.id, BENCH_ID) == 0);
}

static void reply(const uint8_t *p, size_t n)
{
	struct bench_reply r, again;
	uint8_t out[BENCH_REPLY_LEN];

	if (bench_reply_decode(p, n, &r) != TM_OK)
		return;

	assert(n == sizeof(out) && r.code <= BENCH_REFUSED && r.elapsed >= 0);
	bench_reply_encode(&r, out);
	assert(bench_reply_decode(out, sizeof(out), &again) == TM_OK);
	assert(again.code == r.code && again.bytes == r.bytes && again.elapsed == r.elapsed &&
		again.retransmits == r.retransmits && memcmp(again.id, r.id, BENCH_ID) == 0);
}

static void echo(const uint8_t *p, size_t n)
{
	struct bench_echo e, again;
	uint8_t out[BENCH_ECHO_LEN];

	if (bench_echo_decode(p, n, &e) != TM_OK)
		return;

	assert(n == sizeof(out));
	bench_echo_encode(&e, out);
	assert(bench_echo_decode(out, sizeof(out), &again) == TM_OK);
	assert(again.type == e.type && again.seq == e.seq && memcmp(again.id, e.id, BENCH_ID) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const decoders[])(const uint8_t *, size_t) = {request, reply, echo};

	if (size < 1)
		return 0;

	uint8_t *p = fuzz_copy(data + 1, size - 1);
	decoders[data[0] % 3](p, size - 1);
	free(p);
	return 0;
}
