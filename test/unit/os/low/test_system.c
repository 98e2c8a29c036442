/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "os/low/descriptor.h"
#include "os/low/entropy.h"
#include "os/low/errno_text.h"
#include "os/low/ifindex.h"
#include "os/low/memory.h"
#include "unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* More than a system gives per call, and not a whole number of those. */
static void entropy_fills_all_that_is_asked_for_and_nothing_else(void **state)
{
	enum { N = 3000 };
	uint8_t bytes[N + 1] = {0};
	unsigned zeros = 0, run = 0;
	(void)state;

	assert_true(entropy_read(bytes, 0));
	assert_int_equal(bytes[0], 0);
	assert_true(entropy_read(bytes, N));
	for (size_t i = 0; i < N; i++) {
		run = bytes[i] ? 0 : run + 1;
		zeros = run > zeros ? run : zeros;
	}
	assert_true(zeros < 8); /* by chance once in 2^52 */
	assert_int_equal(bytes[N], 0);
}

static void memory_begins_where_it_is_wanted(void **state)
{
	(void)state;

	for (size_t align = 16; align <= 4096; align *= 2)
		for (size_t n = align - 1; n <= align + 1; n++) {
			unsigned char *p = memory_aligned(align, n);

			assert_non_null(p);
			assert_int_equal((uintptr_t)p % align, 0);
			memset(p, 1, n);
			memory_aligned_free(p);
		}
	memory_aligned_free(NULL);
	assert_null(memory_aligned(64, SIZE_MAX - 1));
}

static void an_errno_value_has_a_text_of_one_line(void **state)
{
	char text[72], few[4];
	(void)state;

	errno_text(ENOENT, text, sizeof(text));
	assert_string_equal(text, "No such file or directory");
	errno_text(ENOENT, few, sizeof(few));
	assert_string_equal(few, "No ");
	errno_text(99999, text, sizeof(text));
	assert_string_equal(text, "-");
}

static void an_interface_has_a_number(void **state)
{
	(void)state;

	assert_int_equal(ifindex_of("lo"), 1);
	assert_int_equal(ifindex_of(""), 0);
	assert_int_equal(ifindex_of("1"), 0);
	assert_int_equal(ifindex_of("there-is-no-interface-of-such-a-name"), 0);
}

static void a_descriptor_is_closed_and_none_is_nothing(void **state)
{
	int fd = dup(STDIN_FILENO);
	(void)state;

	assert_true(fd >= 0);
	descriptor_close(fd);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	errno = 0;
	descriptor_close(-1);
	assert_int_equal(errno, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(entropy_fills_all_that_is_asked_for_and_nothing_else),
		cmocka_unit_test(memory_begins_where_it_is_wanted),
		cmocka_unit_test(an_errno_value_has_a_text_of_one_line),
		cmocka_unit_test(an_interface_has_a_number),
		cmocka_unit_test(a_descriptor_is_closed_and_none_is_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
