/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "control/path/stun.h"

#include "unit/unit.h"

/* The replay guard of checks, against a set that forgets nothing. */
static void each_stamp_is_answered_once(void **state)
{
	static const struct {
		uint64_t stamp;
		bool ok;
	} steps[] = {
		{20000000000, true},
		{20000000000, false},
		{20000000005, true},
		{20000000003, true},
		{20000000003, false},
		{14999999999, false},
		/* far older than the first */ {15000000001, true},
		{40000000000, true},
		{40000000000, false},
		{0, false},
	};
	struct stun_window r = {.floor = 0};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(steps); i++)
		if (stun_window_accept(&r, steps[i].stamp) != steps[i].ok)
			fail_msg("step %zu", i);
}

static void what_was_answered_before_a_restart_stays_refused(void **state)
{
	struct stun_window before = {.floor = 0}, after = {.floor = 0};

	(void)state;
	assert_int_equal(stun_window_newest(&before), 0);
	assert_true(stun_window_accept(&before, 90000000002));
	assert_true(stun_window_accept(&before, 90000000001));
	assert_int_equal(stun_window_newest(&before), 90000000002);
	after.floor = stun_window_newest(&before);
	assert_false(stun_window_accept(&after, 90000000001));
	assert_false(stun_window_accept(&after, 90000000002));
	/* The first one after it must not lower the floor again. */
	assert_true(stun_window_accept(&after, 90000000003));
	assert_false(stun_window_accept(&after, 90000000000));
}

static void no_stamp_is_ever_answered_twice(void **state)
{
	enum { N = 4000 };
	static bool seen[N];
	struct stun_window r = {.floor = 0};
	uint32_t x = 7;
	unsigned refused_new = 0;

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		unsigned newest = i / 5, at;

		x = x * 1664525 + 1013904223;
		at = newest > x >> 26 ? newest - (x >> 26) : newest; /* up to 63 late */
		if (at >= N)
			at = N - 1;
		bool ok = stun_window_accept(&r, 1000 + at);
		if (ok && seen[at])
			fail_msg("stamp %u twice", at);
		refused_new += !ok && !seen[at] && newest - at < 4;
		seen[at] |= ok;
	}
	assert_int_equal(refused_new, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_stamp_is_answered_once),
		cmocka_unit_test(what_was_answered_before_a_restart_stays_refused),
		cmocka_unit_test(no_stamp_is_ever_answered_twice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
