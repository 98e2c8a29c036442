/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What one user asks for never costs another one its answer. */
#include "unit/unit.h"

#include "node/ctl_users.h"

enum { ALICE = 1000, BOB = 1001 };

static void one_user_cannot_hold_all_connections(void **state UNUSED)
{
	struct ctl_users u = {0};
	struct ctl_user *alice = NULL;

	for (unsigned i = 0; i < CTL_USER_CONNS_MAX; i++) {
		alice = ctl_user_open(&u, ALICE, SEC);
		assert_non_null(alice);
	}
	assert_null(ctl_user_open(&u, ALICE, SEC));
	assert_non_null(ctl_user_open(&u, BOB, SEC));
	ctl_user_close(alice);
	assert_non_null(ctl_user_open(&u, ALICE, SEC));
}

static unsigned ask_all(struct ctl_user *user, ns_t now)
{
	unsigned n = 0;

	while (n < 1000 && ctl_user_ask(user, now))
		n++;
	return n;
}

static void who_asks_all_the_time_gets_twenty_answers_a_second_and_others_are_not_refused(void **state UNUSED)
{
	struct ctl_users u = {0};
	struct ctl_user *alice = ctl_user_open(&u, ALICE, SEC), *bob = ctl_user_open(&u, BOB, SEC);

	assert_int_equal(ask_all(alice, SEC), 60);
	assert_int_equal(ask_all(alice, 2 * SEC), 20);
	assert_int_equal(ask_all(bob, 2 * SEC), 60);
}

static void a_large_answer_is_paid_for(void **state UNUSED)
{
	struct ctl_users u = {0};
	struct ctl_user *alice = ctl_user_open(&u, ALICE, SEC);

	assert_true(ctl_user_ask(alice, SEC));
	ctl_user_answered(alice, 64 * CTL_ANSWER_UNIT);
	assert_false(ctl_user_ask(alice, SEC));
	assert_true(ctl_user_ask(alice, SEC + 65 * CTL_QUESTION_COST - CTL_CREDIT + 1));
}

static void hanging_up_pays_no_debt(void **state UNUSED)
{
	struct ctl_users u = {0};
	struct ctl_user *alice = ctl_user_open(&u, ALICE, SEC);

	assert_int_equal(ask_all(alice, SEC), 60);
	ctl_user_close(alice);
	alice = ctl_user_open(&u, ALICE, SEC);
	assert_int_equal(ask_all(alice, SEC), 0);
}

static void users_who_are_done_make_room_for_others(void **state UNUSED)
{
	struct ctl_users u = {0};

	for (uint32_t uid = 1; uid <= CTL_USERS_MAX; uid++) {
		struct ctl_user *user = ctl_user_open(&u, uid, SEC);

		assert_true(ctl_user_ask(user, SEC));
		ctl_user_close(user);
	}
	assert_null(ctl_user_open(&u, ALICE, SEC));
	assert_non_null(ctl_user_open(&u, ALICE, SEC + CTL_QUESTION_COST));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_user_cannot_hold_all_connections),
		cmocka_unit_test(
			who_asks_all_the_time_gets_twenty_answers_a_second_and_others_are_not_refused),
		cmocka_unit_test(a_large_answer_is_paid_for),
		cmocka_unit_test(hanging_up_pays_no_debt),
		cmocka_unit_test(users_who_are_done_make_room_for_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
