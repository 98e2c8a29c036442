/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/unit.h"

#include "os/usage.h"

#include <fcntl.h>
#include <unistd.h>

enum { BLOCK = 32 << 20 };

static void what_the_process_takes_is_seen(void **state)
{
	struct os_usage before, after;
	int fd;
	(void)state;

	os_usage(&before);
	assert_int_equal(before.threads, 1);
	assert_true(before.resident_bytes > 0);
	assert_true(before.virtual_bytes >= before.resident_bytes);
	fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	char *block = malloc(BLOCK);
	assert_non_null(block);
	memset(block, 1, BLOCK);
	/* The kernel counts by ticks, so it runs until one has passed. */
	const ns_t give_up = time_monotonic() + 20 * SEC;
	do {
		os_usage(&after);
	} while (after.cpu == before.cpu && time_monotonic() < give_up);
	assert_int_equal(after.descriptors, before.descriptors + 1);
	assert_true(after.resident_bytes >= before.resident_bytes + BLOCK / 2);
	assert_true(after.cpu > before.cpu);
	free(block);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(what_the_process_takes_is_seen)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
