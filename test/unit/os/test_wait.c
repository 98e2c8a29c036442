/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/unit.h"

#include "os/low/bell.h"
#include "os/wait.h"

#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PIPES = 40 };

static struct wait_set *set;
static int pipes[PIPES][2];
static size_t place[PIPES];

static int set_up(void **state)
{
	(void)state;
	assert_int_equal(wait_set_new(&set), TM_OK);
	for (int i = 0; i < PIPES; i++)
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pipes[i]), 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	wait_set_free(set);
	for (int i = 0; i < PIPES; i++) {
		close(pipes[i][0]);
		close(pipes[i][1]);
	}
	return 0;
}

static void add_all(void)
{
	for (int i = 0; i < PIPES; i++)
		assert_int_equal(wait_add(set, pipes[i][0], WAIT_READ, &place[i]), TM_OK);
}

static void of_many_sources_those_that_have_something_are_ready(void **state)
{
	(void)state;
	add_all();
	wait_until_ready(set, 0);
	for (int i = 0; i < PIPES; i++)
		assert_int_equal(wait_ready(set, place[i]), 0);
	assert_int_equal(write(pipes[7][1], "x", 1), 1);
	assert_int_equal(write(pipes[33][1], "x", 1), 1);
	wait_until_ready(set, NS_NEVER);
	for (int i = 0; i < PIPES; i++)
		assert_int_equal(wait_ready(set, place[i]), i == 7 || i == 33 ? WAIT_READ : 0);
}

static void a_source_may_be_asked_for_room_or_for_nothing(void **state)
{
	size_t at;
	(void)state;

	assert_int_equal(wait_add(set, pipes[0][0], WAIT_WRITE, &at), TM_OK);
	wait_until_ready(set, NS_NEVER);
	assert_int_equal(wait_ready(set, at), WAIT_WRITE);
	assert_int_equal(write(pipes[0][1], "x", 1), 1);
	wait_change(set, at, WAIT_READ | WAIT_WRITE);
	wait_until_ready(set, NS_NEVER);
	assert_int_equal(wait_ready(set, at), WAIT_READ | WAIT_WRITE);
	wait_change(set, at, 0);
	assert_int_equal(wait_ready(set, at), 0);
	wait_until_ready(set, 1 * MS);
	assert_int_equal(wait_ready(set, at), 0);
}

static void a_source_that_broke_says_so_unless_it_is_asked_for_nothing(void **state)
{
	size_t at;
	(void)state;

	assert_int_equal(wait_add(set, pipes[0][0], WAIT_READ, &at), TM_OK);
	close(pipes[0][1]);
	pipes[0][1] = -1;
	wait_until_ready(set, NS_NEVER);
	assert_true(wait_ready(set, at) & WAIT_BROKEN);
	wait_change(set, at, 0);
	wait_until_ready(set, 0);
	assert_int_equal(wait_ready(set, at), 0);
}

static void places_of_removed_sources_are_given_again_and_the_others_stay(void **state)
{
	size_t at;
	(void)state;

	add_all();
	wait_remove(set, place[5]);
	assert_int_equal(write(pipes[5][1], "x", 1), 1);
	assert_int_equal(write(pipes[6][1], "x", 1), 1);
	wait_until_ready(set, NS_NEVER);
	assert_int_equal(wait_ready(set, place[6]), WAIT_READ);
	assert_int_equal(wait_add(set, pipes[5][0], WAIT_READ, &at), TM_OK);
	assert_int_equal(at, place[5]);
	assert_int_equal(wait_ready(set, at), 0); /* nobody has waited for it yet */
	wait_until_ready(set, NS_NEVER);
	assert_int_equal(wait_ready(set, at), WAIT_READ);
}

static void *ring_soon(void *bell)
{
	bell_ring(bell);
	return NULL;
}

static void a_bell_wakes_who_waits_until_somebody_stops_it(void **state)
{
	struct bell bell;
	pthread_t other;
	size_t at;
	(void)state;

	assert_int_equal(bell_init(&bell), 0);
	assert_int_equal(wait_add(set, bell_fd(&bell), WAIT_READ, &at), TM_OK);
	assert_int_equal(pthread_create(&other, NULL, ring_soon, &bell), 0);
	wait_until_ready(set, NS_NEVER);
	assert_int_equal(wait_ready(set, at), WAIT_READ);
	pthread_join(other, NULL);
	bell_ring(&bell); /* as often as one likes */
	bell_stop(&bell);
	wait_until_ready(set, 0);
	assert_int_equal(wait_ready(set, at), 0);
	bell_stop(&bell); /* silent already */
	bell_deinit(&bell);
	bell_deinit(&bell);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(of_many_sources_those_that_have_something_are_ready),
		CASE(a_source_may_be_asked_for_room_or_for_nothing),
		CASE(a_source_that_broke_says_so_unless_it_is_asked_for_nothing),
		CASE(places_of_removed_sources_are_given_again_and_the_others_stay),
		CASE(a_bell_wakes_who_waits_until_somebody_stops_it),
	};

	return cmocka_run_group_tests_name("os/wait", tests, NULL, NULL);
}
