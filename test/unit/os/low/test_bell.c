/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "os/low/bell.h"
#include "unit/unit.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <unistd.h>

static bool rings(const struct bell *b)
{
	struct pollfd p = {.fd = bell_fd(b), .events = POLLIN};

	return poll(&p, 1, 0) == 1 && p.revents == POLLIN;
}

static void a_bell_rings_until_it_is_stopped(void **state)
{
	struct bell b;
	(void)state;

	assert_int_equal(bell_init(&b), 0);
	assert_false(rings(&b));
	for (int i = 0; i < 100000; i++)
		bell_ring(&b); /* as often as one likes: never waits */
	assert_true(rings(&b));
	bell_stop(&b);
	assert_false(rings(&b));
	bell_stop(&b); /* silent already: does not wait either */
	bell_ring(&b);
	assert_true(rings(&b));
	bell_deinit(&b);
	assert_int_equal(bell_fd(&b), -1);
	bell_deinit(&b);
}

static void without_descriptors_there_is_no_bell_and_it_says_why(void **state)
{
	struct rlimit before, none_left;
	struct bell b;
	(void)state;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	int next = dup(STDIN_FILENO);
	assert_true(next >= 0);
	close(next);
	none_left = before;
	none_left.rlim_cur = (rlim_t)next;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none_left), 0);
	int why = bell_init(&b);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(why, EMFILE);
	assert_int_equal(bell_fd(&b), -1);
	bell_deinit(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_bell_rings_until_it_is_stopped),
		cmocka_unit_test(without_descriptors_there_is_no_bell_and_it_says_why),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
