/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/unit.h"

#include "os/crowd.h"
#include "os/wait.h"

#include <sys/socket.h>
#include <unistd.h>

enum { PAIRS = 100 };

static struct crowd *crowd;
static struct wait_set *set;
static size_t place;
static int pairs[PAIRS][2];

static int set_up(void **state)
{
	(void)state;
	assert_int_equal(crowd_new(&crowd), TM_OK);
	assert_int_equal(wait_set_new(&set), TM_OK);
	assert_int_equal(wait_add(set, crowd_fd(crowd), WAIT_READ, &place), TM_OK);
	for (int i = 0; i < PAIRS; i++) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pairs[i]), 0);
		assert_int_equal(crowd_add(crowd, pairs[i][0], WAIT_READ, pairs[i]), TM_OK);
	}
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	wait_set_free(set);
	for (int i = 0; i < PAIRS; i++) {
		close(pairs[i][0]);
		close(pairs[i][1]);
	}
	crowd_free(crowd);
	return 0;
}

static void say(int i)
{
	assert_int_equal(write(pairs[i][1], "x", 1), 1);
}

static void its_descriptor_is_readable_while_somebody_is_ready(void **state)
{
	struct crowd_ready v[2];
	char c;
	(void)state;

	wait_until_ready(set, 0);
	assert_int_equal(wait_ready(set, place), 0);
	assert_int_equal(crowd_ready(crowd, v, 2), 0);
	say(42);
	wait_until_ready(set, NS_NEVER);
	assert_int_equal(wait_ready(set, place), WAIT_READ);
	/* Until it was read. */
	for (int i = 0; i < 2; i++) {
		assert_int_equal(crowd_ready(crowd, v, 2), 1);
		assert_ptr_equal(v[0].who, pairs[42]);
		assert_int_equal(v[0].what, WAIT_READ);
	}
	assert_int_equal(read(pairs[42][0], &c, 1), 1);
	wait_until_ready(set, 0);
	assert_int_equal(wait_ready(set, place), 0);
}

static void of_many_that_are_ready_each_has_its_turn(void **state)
{
	bool seen[PAIRS] = {false};
	struct crowd_ready v[8];
	(void)state;

	for (int i = 0; i < PAIRS; i++)
		say(i);
	for (int round = 0; round < (PAIRS + 7) / 8; round++) {
		size_t n = crowd_ready(crowd, v, ARRAY_LEN(v));

		for (size_t k = 0; k < n; k++)
			seen[(int(*)[2])v[k].who - pairs] = true;
	}
	for (int i = 0; i < PAIRS; i++)
		assert_true(seen[i]);
}

static void whoever_was_let_out_is_not_named_any_more(void **state)
{
	struct crowd_ready v[2];
	(void)state;

	say(1);
	say(2);
	crowd_remove(crowd, pairs[1][0]);
	assert_int_equal(crowd_ready(crowd, v, 2), 1);
	assert_ptr_equal(v[0].who, pairs[2]);
}

static void what_is_waited_for_may_change(void **state)
{
	struct crowd_ready v[2];
	(void)state;

	crowd_change(crowd, pairs[3][0], WAIT_READ | WAIT_WRITE, &v);
	assert_int_equal(crowd_ready(crowd, v, 2), 1);
	assert_ptr_equal(v[0].who, &v);
	assert_int_equal(v[0].what, WAIT_WRITE);
	crowd_change(crowd, pairs[3][0], 0, &v);
	assert_int_equal(crowd_ready(crowd, v, 2), 0);
	shutdown(pairs[3][1], SHUT_RDWR);
	assert_int_equal(crowd_ready(crowd, v, 2), 1);
	assert_true(v[0].what & WAIT_BROKEN);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(its_descriptor_is_readable_while_somebody_is_ready),
		CASE(of_many_that_are_ready_each_has_its_turn),
		CASE(whoever_was_let_out_is_not_named_any_more),
		CASE(what_is_waited_for_may_change),
	};

	return cmocka_run_group_tests_name("os/crowd", tests, NULL, NULL);
}
