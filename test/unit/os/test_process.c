/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "host.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/os.h"

static void a_process_is_asked_what_it_was_told(void **state)
{
	(void)state;
	assert_false(os_process_was_told(getpid(), "--foreground"));
	assert_false(os_process_was_told(0x7ffffffe, "--foreground"));
	pid_t pid = fork();
	if (pid == 0) {
		execlp("sleep", "sleep", "--", "600", (char *)NULL);
		_exit(1);
	}
	while (!os_process_was_told(pid, "600")) /* until it is sleep */
		assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
	assert_true(os_process_was_told(pid, "sleep"));
	assert_false(os_process_was_told(pid, "60"));
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* In a copy of this program, told to look at itself after its file was taken away and after another one came.
 */
static int look_at_yourself(const char *own)
{
	bool before = os_program_is_replaced();
	FILE *f;

	if (unlink(own) < 0)
		return 2;
	bool gone = os_program_is_replaced();
	if (!(f = fopen(own, "we")) || fclose(f) != 0 || chmod(own, 0755) < 0)
		return 3;
	return !before && !gone && os_program_is_replaced() ? 0 : 1;
}

static void a_program_knows_that_another_one_is_in_its_place(void **state)
{
	struct host *h = *state;
	char own[HOST_PATH + 64], copy[2 * HOST_PATH];
	int status = 0;

	snprintf(own, sizeof(own), "%s", host_path(h, "copy"));
	snprintf(copy, sizeof(copy), "cp /proc/%d/exe %s", (int)getpid(), own);
	assert_int_equal(system(copy), 0);
	pid_t pid = fork();
	if (pid == 0) {
		execl(own, own, "--look", (char *)NULL);
		_exit(9);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, host_setup, host_teardown)
int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		T(a_process_is_asked_what_it_was_told),
		T(a_program_knows_that_another_one_is_in_its_place),
	};

	if (argc == 2 && strcmp(argv[1], "--look") == 0)
		return look_at_yourself(argv[0]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
