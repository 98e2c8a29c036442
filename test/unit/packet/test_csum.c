/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "fake/random.h"
#include "packet/csum.h"
#include "unit/wire/hex.h"

/* The naive twin: two bytes at a time, the carry folded back at once. */
static uint32_t slow_add(const uint8_t *p, size_t n, uint32_t sum)
{
	for (size_t i = 0; i < n; i++) {
		sum = (sum & 0xffff) + (sum >> 16);
		sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
	}
	return sum;
}

static uint64_t seed;

static uint32_t rnd(void)
{
	return fake_random(&seed);
}

static void compare(const uint8_t *p, size_t n, uint32_t start)
{
	uint16_t fast = csum_finish(csum_add(p, n, start)), slow = csum_finish(slow_add(p, n, start));

	if (fast != slow)
		fail_msg("%zu bytes at alignment %zu from %08x: %04x, expected %04x", n,
			(size_t)((uintptr_t)p % 64), start, fast, slow);
}

static void every_length_at_every_alignment_sums_up_as_two_bytes_at_a_time(void **state)
{
	uint8_t buf[64 + 200];
	(void)state;

	seed = 0x5eed0001;
	for (size_t i = 0; i < sizeof(buf); i++)
		buf[i] = (uint8_t)rnd();
	for (size_t n = 0; n <= 200; n++)
		for (size_t at = 0; at < 64; at++)
			compare(buf + at, n, rnd());
}

static void carries_are_not_lost_in_the_longest_packet_of_ones(void **state)
{
	static uint8_t buf[65536];
	(void)state;

	memset(buf, 0xff, sizeof(buf));
	for (size_t n = sizeof(buf) - 100; n <= sizeof(buf); n++) {
		compare(buf, n, 0);
		compare(buf, n, UINT32_MAX);
	}
}

static void zeros_sum_up_to_zero_and_not_to_its_other_form(void **state)
{
	static const uint8_t zeros[300];
	(void)state;

	for (size_t n = 0; n <= sizeof(zeros); n++) {
		assert_int_equal(csum_add(zeros, n, 0), 0);
		assert_int_equal(csum_finish(csum_add(zeros, n, 0)), 0xffff);
		assert_int_equal(csum_finish(csum_add(zeros, n, 0xffff)), 0);
	}
}

static void a_sum_may_be_chained_at_any_even_length(void **state)
{
	uint8_t buf[400];
	(void)state;

	seed = 0x5eed0002;
	for (unsigned round = 0; round < 20000; round++) {
		size_t at = rnd() % 64, n = rnd() % 200, cut = rnd() % (n + 1) & ~(size_t)1;

		for (size_t i = 0; i < n; i++)
			buf[at + i] = (uint8_t)rnd();
		uint32_t start = rnd();
		uint32_t whole = csum_add(buf + at, n, start);
		uint32_t parts = csum_add(buf + at + cut, n - cut, csum_add(buf + at, cut, start));
		if (csum_finish(whole) != csum_finish(parts))
			fail_msg("round %u: %zu bytes cut at %zu", round, n, cut);
	}
}

static void copying_gives_the_sum_and_exactly_the_bytes(void **state)
{
	uint8_t src[300], dst[300];
	(void)state;

	seed = 0x5eed0003;
	for (size_t n = 0; n <= 200; n++) {
		for (size_t at = 0; at < 64; at++) {
			uint32_t start = rnd();

			for (size_t i = 0; i < sizeof(src); i++)
				src[i] = (uint8_t)rnd();
			memset(dst, 0xa5, sizeof(dst));
			uint32_t sum = csum_copy(dst + 63 - at, src + at, n, start);
			if (csum_finish(sum) != csum_finish(slow_add(src + at, n, start)))
				fail_msg("%zu bytes from %zu: another sum", n, at);
			if (memcmp(dst + 63 - at, src + at, n) != 0)
				fail_msg("%zu bytes from %zu: other bytes", n, at);
			for (size_t i = 0; i < sizeof(dst); i++)
				if ((i < 63 - at || i >= 63 - at + n) && dst[i] != 0xa5)
					fail_msg("%zu bytes from %zu: byte %zu is touched", n, at, i);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_length_at_every_alignment_sums_up_as_two_bytes_at_a_time),
		cmocka_unit_test(carries_are_not_lost_in_the_longest_packet_of_ones),
		cmocka_unit_test(zeros_sum_up_to_zero_and_not_to_its_other_form),
		cmocka_unit_test(a_sum_may_be_chained_at_any_even_length),
		cmocka_unit_test(copying_gives_the_sum_and_exactly_the_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
