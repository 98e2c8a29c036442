/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "data/peer/timers.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "data/peer/keypair.h"

static const struct wg_limits *const l = &wg_limits_default;
static const struct timers_in nothing;
enum { T = 1000 };
#define AT(s) ((T + (s)) * SEC)

static void without_events_nothing_is_ever_due(void **state)
{
	struct timers t = {0};
	ns_t next;

	(void)state;
	assert_int_equal(timers_due(&t, l, &nothing, AT(0), &next), 0);
	assert_true(next == NS_NEVER);
}

static void a_wanted_handshake_is_tried_at_once_and_again_after_5_to_5_333_seconds(void **state)
{
	struct timers t = {0};
	ns_t next;

	(void)state;
	timers_handshake_wanted(&t, l, AT(0));
	assert_int_equal(timers_due(&t, l, &nothing, AT(0), &next), TIMERS_TRY);
	for (uint32_t random = 0; random < 2000000000; random += 99999989) {
		timers_initiation_sent(&t, l, AT(0), random);
		assert_int_equal(timers_due(&t, l, &nothing, AT(0), &next), 0);
		assert_true(next >= AT(5) && next <= AT(5) + 334 * MS);
	}
	assert_int_equal(timers_due(&t, l, &nothing, next, &next), TIMERS_TRY);
}

static void asking_twice_does_not_make_it_faster(void **state)
{
	struct timers t = {0};
	ns_t next;

	(void)state;
	timers_handshake_wanted(&t, l, AT(0));
	timers_initiation_sent(&t, l, AT(0), 0);
	timers_handshake_wanted(&t, l, AT(1));
	timers_endpoint_arrived(&t, l, AT(1));
	assert_int_equal(timers_due(&t, l, &nothing, AT(1), &next), 0);
	assert_true(next == AT(5));
	timers_handshake_complete(&t);
	timers_handshake_wanted(&t, l, AT(2)); /* a new series still keeps the distance */
	assert_int_equal(timers_due(&t, l, &nothing, AT(2), &next), 0);
	assert_true(next == AT(5));
}

static void a_way_that_is_proved_lets_a_lost_initiation_leave_again_twice(void **state)
{
	struct timers t = {0};
	ns_t next;

	(void)state;
	timers_way_lives(&t, 40 * MS, AT(0)); /* nothing is wanted */
	assert_int_equal(timers_due(&t, l, &nothing, AT(0), &next), 0);
	timers_handshake_wanted(&t, l, AT(0));
	timers_way_lives(&t, 40 * MS, AT(0)); /* nothing was sent: it leaves at once anyway */
	timers_initiation_sent(&t, l, AT(0), 0);
	/* The answer may be under way yet: not before it is overdue. */
	timers_way_lives(&t, 40 * MS, AT(0) + 40 * MS);
	assert_int_equal(timers_due(&t, l, &nothing, AT(0) + 149 * MS, &next), 0);
	assert_true(next == AT(0) + 150 * MS);
	assert_int_equal(timers_due(&t, l, &nothing, next, &next), TIMERS_TRY);
	timers_initiation_sent(&t, l, AT(1), 0);
	timers_way_lives(&t, 40 * MS, AT(2));
	assert_int_equal(timers_due(&t, l, &nothing, AT(2), &next), TIMERS_TRY);
	timers_initiation_sent(&t, l, AT(2), 0);
	timers_way_lives(&t, 40 * MS, AT(3)); /* who does not answer now is not there, or does not want to */
	assert_int_equal(timers_due(&t, l, &nothing, AT(3), &next), 0);
	assert_true(next == AT(7));
	/* The next series is another matter; one that has no way waits for that. */
	timers_gave_up(&t);
	timers_handshake_wanted(&t, l, AT(90));
	timers_initiation_starved(&t, l, AT(90), 0);
	timers_way_lives(&t, 40 * MS, AT(91));
	assert_int_equal(timers_due(&t, l, &nothing, AT(91), &next), 0);
	timers_endpoint_arrived(&t, l, AT(92));
	timers_initiation_sent(&t, l, AT(92), 0);
	timers_way_lives(&t, 40 * MS, AT(93));
	assert_int_equal(timers_due(&t, l, &nothing, AT(93), &next), TIMERS_TRY);
}

static void a_way_that_takes_longer_than_the_wait_puts_nothing_off(void **state)
{
	struct timers t = {0};
	ns_t next;

	(void)state;
	timers_handshake_wanted(&t, l, AT(0));
	timers_initiation_sent(&t, l, AT(0), 0);
	timers_way_lives(&t, 6 * SEC, AT(1));
	assert_int_equal(timers_due(&t, l, &nothing, AT(1), &next), 0);
	assert_true(next == AT(5));
	/* Nor is one of the two used up by that. */
	timers_way_lives(&t, 40 * MS, AT(2));
	assert_int_equal(timers_due(&t, l, &nothing, AT(2), &next), TIMERS_TRY);
	timers_initiation_sent(&t, l, AT(2), 0);
	timers_way_lives(&t, 40 * MS, AT(3));
	assert_int_equal(timers_due(&t, l, &nothing, AT(3), &next), TIMERS_TRY);
}

static void a_cookie_lets_the_next_initiation_leave_at_once_if_one_is_wanted(void **state)
{
	struct timers t = {0};
	ns_t next;

	(void)state;
	timers_handshake_wanted(&t, l, AT(0));
	timers_initiation_sent(&t, l, AT(0), 0);
	timers_cookie_arrived(&t, AT(1));
	assert_int_equal(timers_due(&t, l, &nothing, AT(1), &next), TIMERS_TRY);
	timers_initiation_sent(&t, l, AT(1), 0);
	assert_int_equal(timers_due(&t, l, &nothing, AT(1), &next), 0);
	assert_true(next == AT(6));
	timers_handshake_complete(&t);
	timers_cookie_arrived(&t, AT(2));
	assert_int_equal(timers_due(&t, l, &nothing, AT(2), &next), 0);
}

static void it_is_given_up_90_seconds_after_the_last_request(void **state)
{
	struct timers t = {0};
	ns_t next;

	(void)state;
	timers_handshake_wanted(&t, l, AT(0));
	timers_initiation_sent(&t, l, AT(88), 0);
	assert_int_equal(timers_due(&t, l, &nothing, AT(89), &next), 0);
	assert_true(next == AT(90));
	assert_int_equal(timers_due(&t, l, &nothing, AT(90), &next), TIMERS_GIVE_UP);
	timers_handshake_wanted(&t, l, AT(89));
	assert_int_equal(timers_due(&t, l, &nothing, AT(90), &next), 0);
	timers_gave_up(&t);
	assert_int_equal(timers_due(&t, l, &nothing, AT(1000), &next), 0);
	assert_true(next == NS_NEVER);
}

static void a_recording_gets_one_try_and_prolongs_no_series(void **state)
{
	struct timers t = {0};
	ns_t next;

	(void)state;
	timers_handshake_once(&t, l, AT(0));
	assert_int_equal(timers_due(&t, l, &nothing, AT(0), &next), TIMERS_TRY);
	timers_initiation_sent(&t, l, AT(0), 0);
	timers_handshake_once(&t, l, AT(4));
	assert_int_equal(timers_due(&t, l, &nothing, AT(4), &next), 0);
	assert_int_equal(timers_due(&t, l, &nothing, next, &next), TIMERS_GIVE_UP);
	timers_gave_up(&t);
	/* After an answer of ours it waits, and is tried all the same. */
	timers_response_sent(&t, l, AT(100));
	timers_handshake_once(&t, l, AT(100));
	assert_int_equal(timers_due(&t, l, &nothing, AT(100), &next), 0);
	assert_true(next == AT(105));
	assert_int_equal(timers_due(&t, l, &nothing, AT(105), &next), TIMERS_TRY);
	timers_handshake_complete(&t);
	/* Who wants it for good has the whole series, and not a moment more for the recording. */
	timers_handshake_once(&t, l, AT(200));
	timers_handshake_wanted(&t, l, AT(201));
	timers_handshake_once(&t, l, AT(280));
	assert_int_equal(timers_due(&t, l, &nothing, AT(290), &next), TIMERS_TRY);
	assert_int_equal(timers_due(&t, l, &nothing, AT(291), &next), TIMERS_GIVE_UP);
}

static void an_endpoint_ends_the_waiting_of_a_starved_try(void **state)
{
	struct timers t = {0};
	ns_t next;

	(void)state;
	timers_handshake_wanted(&t, l, AT(0));
	timers_initiation_starved(&t, l, AT(0), 0);
	assert_int_equal(timers_due(&t, l, &nothing, AT(1), &next), 0);
	timers_endpoint_arrived(&t, l, AT(1));
	assert_int_equal(timers_due(&t, l, &nothing, AT(1), &next), TIMERS_TRY);
}

static void an_answer_given_holds_our_own_initiation_back(void **state)
{
	struct timers t = {0};
	ns_t next;

	(void)state;
	timers_response_sent(&t, l, AT(0));
	timers_handshake_wanted(&t, l, AT(1));
	assert_int_equal(timers_due(&t, l, &nothing, AT(1), &next), 0);
	assert_true(next == AT(5));
}

static void inputs_of_workers_become_due_at_their_times(void **state)
{
	static const struct {
		struct timers_in in;
		ns_t due;
		unsigned act;
	} rows[] = {
		{{.data_sent_unanswered = AT(0)}, AT(15), TIMERS_UNANSWERED},
		{{.data_recv_unacked = AT(0)}, AT(10), TIMERS_KEEPALIVE},
		{{.persistent_keepalive = 25 * SEC, .last_auth_sent = AT(0), .session = true}, AT(25),
			TIMERS_KEEPALIVE},
		{{.persistent_keepalive = 25 * SEC, .last_auth_recv = AT(3), .session = true}, AT(28),
			TIMERS_KEEPALIVE},
		{{.persistent_keepalive = 25 * SEC, .last_auth_recv = AT(3)}, AT(28), TIMERS_KEEPALIVE},
	};
	struct timers t = {0};
	ns_t next;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(timers_due(&t, l, &rows[i].in, rows[i].due - 1, &next), 0);
		assert_true(next == rows[i].due);
		assert_int_equal(timers_due(&t, l, &rows[i].in, rows[i].due, &next), rows[i].act);
	}
}

static void a_first_handshake_under_way_is_not_hurried_by_a_persistent_keepalive(void **state)
{
	const struct timers_in in = {.persistent_keepalive = 1 * SEC};
	struct timers t = {0};
	ns_t next;

	(void)state;
	timers_handshake_wanted(&t, l, AT(0));
	timers_initiation_sent(&t, l, AT(0), 0);
	assert_int_equal(timers_due(&t, l, &in, AT(4), &next), 0);
	assert_true(next == AT(5));
}

static void keys_are_wiped_after_three_times_180_seconds(void **state)
{
	struct timers t = {0};
	ns_t next;

	(void)state;
	timers_keys_derived(&t, AT(0));
	assert_int_equal(timers_due(&t, l, &nothing, AT(539), &next), 0);
	assert_true(next == AT(540));
	assert_int_equal(timers_due(&t, l, &nothing, AT(540), &next), TIMERS_WIPE);
	timers_keys_derived(&t, AT(500));
	assert_int_equal(timers_due(&t, l, &nothing, AT(540), &next), 0);
	timers_wiped(&t);
	assert_int_equal(timers_due(&t, l, &nothing, AT(5000), &next), 0);
	assert_true(next == NS_NEVER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_events_nothing_is_ever_due),
		cmocka_unit_test(a_wanted_handshake_is_tried_at_once_and_again_after_5_to_5_333_seconds),
		cmocka_unit_test(asking_twice_does_not_make_it_faster),
		cmocka_unit_test(a_way_that_is_proved_lets_a_lost_initiation_leave_again_twice),
		cmocka_unit_test(a_way_that_takes_longer_than_the_wait_puts_nothing_off),
		cmocka_unit_test(a_cookie_lets_the_next_initiation_leave_at_once_if_one_is_wanted),
		cmocka_unit_test(it_is_given_up_90_seconds_after_the_last_request),
		cmocka_unit_test(a_recording_gets_one_try_and_prolongs_no_series),
		cmocka_unit_test(an_endpoint_ends_the_waiting_of_a_starved_try),
		cmocka_unit_test(an_answer_given_holds_our_own_initiation_back),
		cmocka_unit_test(inputs_of_workers_become_due_at_their_times),
		cmocka_unit_test(a_first_handshake_under_way_is_not_hurried_by_a_persistent_keepalive),
		cmocka_unit_test(keys_are_wiped_after_three_times_180_seconds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
