/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/unit.h"

#include "base/err.h"
#include "node/clock.h"

#include <unistd.h>

#define YEAR (365 * 24 * 3600 * SEC)
#define T0 (ns_t)(1700000000 * SEC)

static char path[] = "/tmp/test-clock-XXXXXX";

static int make_path(void **state)
{
	(void)state;
	strcpy(path + sizeof(path) - 7, "XXXXXX");
	int fd = mkstemp(path);
	close(fd);
	unlink(path);
	return fd < 0;
}

static int remove_path(void **state)
{
	(void)state;
	unlink(path);
	return 0;
}

static void a_running_clock_follows_forward_steps_only(void **state)
{
	struct node_clock c;

	(void)state;
	assert_int_equal(node_clock_init(&c, path, T0, 0), 0);
	assert_int_equal(node_clock_read(&c, T0 + SEC, SEC), T0 + SEC);
	assert_int_equal(node_clock_read(&c, T0 + YEAR, 2 * SEC), T0 + YEAR);
	assert_int_equal(node_clock_ahead(&c, T0 + YEAR + 7 * SEC, 9 * SEC), 0);
	assert_int_equal(node_clock_ahead(&c, T0 + YEAR + 9 * SEC, 9 * SEC), 0);
	assert_int_equal(node_clock_read(&c, T0, 3 * SEC), T0 + YEAR + SEC);
	assert_int_equal(node_clock_ahead(&c, T0 + SEC, 4 * SEC), YEAR + SEC);
	assert_int_equal(node_clock_read(&c, T0 + 2 * YEAR, 4 * SEC), T0 + 2 * YEAR);
}

static void a_start_with_the_clock_set_back_continues_beyond_everything_handed_out(void **state)
{
	struct node_clock c, next;

	(void)state;
	node_clock_init(&c, path, T0, 0);
	assert_int_equal(node_clock_save(&c, NULL), TM_OK);
	ns_t handed_out = node_clock_read(&c, T0 + 60 * SEC, 60 * SEC);
	assert_false(node_clock_is_due(&c));

	assert_int_equal(node_clock_init(&next, path, T0 - YEAR, 0), YEAR);
	assert_true(node_clock_read(&next, T0 - YEAR, 1) > handed_out);
}

static void a_restart_with_a_sound_clock_does_not_run_ahead(void **state)
{
	struct node_clock c, next;

	(void)state;
	node_clock_init(&c, path, T0, 0);
	assert_int_equal(node_clock_save(&c, NULL), TM_OK);
	assert_int_equal(node_clock_init(&next, path, T0 + SEC, 5), 0);
	assert_int_equal(node_clock_read(&next, T0 + SEC, 5), T0 + SEC);
}

static void a_reservation_is_renewed_before_it_runs_out(void **state)
{
	struct node_clock c;

	(void)state;
	node_clock_init(&c, path, T0, 0);
	assert_true(node_clock_is_due(&c));
	assert_int_equal(node_clock_save(&c, NULL), TM_OK);
	assert_false(node_clock_is_due(&c));
	node_clock_read(&c, T0 + CLOCK_RESERVE / 2, CLOCK_RESERVE / 2);
	assert_true(node_clock_is_due(&c));
}

static void a_garbled_file_counts_as_none(void **state)
{
	static const char *const bad[] = {"", "x", "12", "5 4", "-3 9", "99999999999999999999999 1"};
	struct node_clock c;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		FILE *f = fopen(path, "w");
		assert_non_null(f);
		fputs(bad[i], f);
		fclose(f);
		if (node_clock_init(&c, path, T0, 0) != 0)
			fail_msg("\"%s\" was believed", bad[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_running_clock_follows_forward_steps_only, make_path, remove_path),
		cmocka_unit_test_setup_teardown(
			a_start_with_the_clock_set_back_continues_beyond_everything_handed_out, make_path,
			remove_path),
		cmocka_unit_test_setup_teardown(
			a_restart_with_a_sound_clock_does_not_run_ahead, make_path, remove_path),
		cmocka_unit_test_setup_teardown(
			a_reservation_is_renewed_before_it_runs_out, make_path, remove_path),
		cmocka_unit_test_setup_teardown(a_garbled_file_counts_as_none, make_path, remove_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
