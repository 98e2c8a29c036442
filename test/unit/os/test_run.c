/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Programs of the system: what they printed, and what became of them. */
#include "unit/unit.h"

#include "os/run.h"

static int run(
	const char *script, char *first, size_t first_size, struct strbuf *whole, size_t most, struct diag *d)
{
	const char *const argv[] = {"sh", "-c", script, NULL};

	return os_run(&(const struct os_run){.argv = argv,
			      .timeout_ms = 20000,
			      .out = first,
			      .out_size = first_size,
			      .whole = whole,
			      .whole_max = most},
		d);
}

static void all_that_is_printed_is_there_if_it_is_wanted(void **state UNUSED)
{
	struct strbuf whole = {0};
	char first[32];

	strbuf_puts(&whole, "before ");
	assert_int_equal(
		run("echo one; echo two >&2; printf three", first, sizeof(first), &whole, 1000, NULL), TM_OK);
	assert_string_equal(first, "one");
	assert_string_equal(whole.s, "before one\ntwo\nthree");
	strbuf_deinit(&whole);
	assert_int_equal(run("echo one; echo two", first, sizeof(first), NULL, 0, NULL), TM_OK);
	assert_string_equal(first, "one");
}

static void what_a_program_printed_that_failed_is_there_too(void **state UNUSED)
{
	struct strbuf whole = {0};
	struct diag d = {0};

	assert_int_equal(run("echo why; exit 3", NULL, 0, &whole, 1000, &d), TM_EIO);
	assert_non_null(strstr(d.what, "exited with status 3: why"));
	assert_string_equal(whole.s, "why\n");
	strbuf_deinit(&whole);
}

static void no_more_than_may_be_is_kept_and_the_program_comes_to_its_end(void **state UNUSED)
{
	struct strbuf whole = {0};

	/* More than a pipe holds, so that it ends only if all is read. */
	assert_int_equal(run("i=0; while [ $i -lt 3000 ]; do echo 0123456789012345678901234567890123456789; "
			     "i=$((i+1)); done",
				 NULL, 0, &whole, 10000, NULL),
		TM_OK);
	assert_int_equal(whole.len, 10000);
	strbuf_deinit(&whole);
}

static void a_program_that_is_not_there_is_told(void **state UNUSED)
{
	const char *const argv[] = {"no-such-program-here", NULL};
	struct strbuf whole = {0};
	struct diag d = {0};

	assert_int_equal(os_run(
				 &(const struct os_run){
					 .argv = argv, .timeout_ms = 1000, .whole = &whole, .whole_max = 100},
				 &d),
		TM_ENOENT);
	assert_non_null(strstr(d.what, "no-such-program-here"));
	assert_int_equal(whole.len, 0);
	strbuf_deinit(&whole);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_that_is_printed_is_there_if_it_is_wanted),
		cmocka_unit_test(what_a_program_printed_that_failed_is_there_too),
		cmocka_unit_test(no_more_than_may_be_is_kept_and_the_program_comes_to_its_end),
		cmocka_unit_test(a_program_that_is_not_there_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
