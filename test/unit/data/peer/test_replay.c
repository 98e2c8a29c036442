/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "data/peer/replay.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "data/peer/keypair.h"

struct step {
	uint64_t counter;
	bool ok;
};

static void run_steps(const struct step *steps, size_t n)
{
	struct replay r = {0};

	for (size_t i = 0; i < n; i++) {
		if (replay_accept(&r, steps[i].counter) != steps[i].ok)
			fail_msg("step %zu: counter %" PRIu64, i, steps[i].counter);
	}
}

static void each_counter_is_accepted_once(void **state)
{
	static const struct step steps[] = {
		{0, true},
		{0, false},
		{1, true},
		{9, true},
		{8, true},
		{8, false},
		{500, true},
		{9, false},
		{499, true},
		{499, false},
		{64, true},
		{63, true},
		{64, false},
	};

	(void)state;
	run_steps(steps, ARRAY_LEN(steps));
}

static void the_window_reaches_back_8128_and_no_further(void **state)
{
	static const struct step steps[] = {
		{20000, true},
		{20000 - REPLAY_WINDOW, true},
		{20000 - REPLAY_WINDOW - 1, false},
		{20000 - REPLAY_WINDOW, false},
		{20000 - REPLAY_WINDOW + 1, true},
		{20001, true},
		{20001 - REPLAY_WINDOW - 1, false},
	};

	(void)state;
	assert_true(REPLAY_WINDOW >= 8128);
	run_steps(steps, ARRAY_LEN(steps));
}

static void a_jump_far_ahead_clears_the_window(void **state)
{
	static const struct step steps[] = {
		{5, true},
		{5 + 10 * REPLAY_BITS, true}, /* the same bit of the ring */
		{4 + 10 * REPLAY_BITS, true},
		{5 + 10 * REPLAY_BITS, false},
		{5, false},
		{UINT64_C(1) << 50, true},
		{(UINT64_C(1) << 50) - 8000, true},
		{(UINT64_C(1) << 50) - 8000, false},
		{(UINT64_C(1) << 50) + REPLAY_BITS, true},
		{UINT64_C(1) << 50, false},
		{(UINT64_C(1) << 50) + 1 + 64, true},
	};

	(void)state;
	run_steps(steps, ARRAY_LEN(steps));
}

static void counters_beyond_reject_after_messages_are_refused(void **state)
{
	static const struct step steps[] = {
		{UINT64_MAX, false},
		{WG_REJECT_AFTER_MESSAGES, false},
		{WG_REJECT_AFTER_MESSAGES - 1, true},
		{WG_REJECT_AFTER_MESSAGES - 1, false},
		{WG_REJECT_AFTER_MESSAGES, false},
		{0, false},
	};

	(void)state;
	run_steps(steps, ARRAY_LEN(steps));
}

enum { TWIN_MAX = 1 << 17 };

static void the_bitmap_agrees_with_a_set(void **state)
{
	static uint8_t seen[TWIN_MAX];
	struct replay r = {0};
	uint64_t top = 0, rng = 12345;
	bool any = false;

	(void)state;
	for (unsigned i = 0; i < 300000; i++) {
		uint64_t c, jump;
		bool fresh;

		rng = rng * UINT64_C(6364136223846793005) + 1442695040888963407;
		jump = rng >> 40;
		switch (rng >> 33 & 7) {
		case 0:
			c = top + jump % 300;
			break;
		case 1:
			c = top + (jump % 50 == 0 ? jump % 9000 : 1);
			break;
		default:
			c = top > 9000 ? top - jump % 9000 : jump % (top + 1);
			break;
		}
		if (c >= TWIN_MAX) {
			r = (struct replay){0};
			memset(seen, 0, sizeof(seen));
			top = 0;
			any = false;
			continue;
		}
		fresh = !seen[c] && (!any || c > top || top - c <= REPLAY_WINDOW);
		if (replay_accept(&r, c) != fresh)
			fail_msg("round %u: counter %" PRIu64 ", highest %" PRIu64, i, c, top);
		if (fresh) {
			seen[c] = 1;
			any = true;
			top = MAX(top, c);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_counter_is_accepted_once),
		cmocka_unit_test(the_window_reaches_back_8128_and_no_further),
		cmocka_unit_test(a_jump_far_ahead_clears_the_window),
		cmocka_unit_test(counters_beyond_reject_after_messages_are_refused),
		cmocka_unit_test(the_bitmap_agrees_with_a_set),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
