/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What a process that becomes another program gives to it: the program is this test once more, which then
 * finds itself in the other role. */
#include "unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/util.h"
#include "os/handover.h"
#include "os/os.h"

#define KEPT_ENV "TUNNELMESH_KEPT"
#define ROLE_ENV "TM_TEST_HANDOVER_ROLE"

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

/* --- the program that begins --- */

static int other_end_of(int end)
{
	struct stat of_end, of_fd;

	assert_int_equal(fstat(end, &of_end), 0);
	for (int fd = 3; fd < 256; fd++)
		if (fd != end && fstat(fd, &of_fd) == 0 && of_fd.st_ino == of_end.st_ino &&
			of_fd.st_dev == of_end.st_dev)
			return fd;
	return -1;
}

/* "taken PID" into the pipe that was given as "answer", if all is as it should be. */
static int be_the_next(void)
{
	char text[64];

	handover_adopt();
	int answer = handover_take("answer");
	if (answer < 0)
		return 1;
	if (getenv(KEPT_ENV) || handover_take("answer") >= 0 || handover_take("nothing") >= 0)
		return 2;
	if (fcntl(answer, F_GETFD) != FD_CLOEXEC)
		return 3;
	/* The other end of that pipe was given, too, and is of no use to this one. */
	const int spare = other_end_of(answer);
	if (spare < 0)
		return 4;
	handover_drop();
	if (is_open(spare) || !is_open(answer))
		return 5;
	int n = snprintf(text, sizeof(text), "taken %d", (int)getpid());
	return write(answer, text, (size_t)n) == n ? 0 : 6;
}

static void what_is_given_is_the_next_programs_and_nothing_else(void **state)
{
	char text[64] = "", expected[64];
	int answer[2], status = -1;

	(void)state;
	assert_int_equal(pipe2(answer, O_CLOEXEC), 0);
	pid_t pid = fork();
	if (pid == 0) {
		setenv(ROLE_ENV, "next", 1);
		if (handover_give("answer", answer[1]) != TM_OK || handover_give("spare", answer[0]) != TM_OK)
			_exit(100);
		_exit(handover_become(NULL) ? 101 : 102);
	}
	close(answer[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_true(read(answer[0], text, sizeof(text) - 1) > 0);
	snprintf(expected, sizeof(expected), "taken %d", (int)pid);
	assert_string_equal(text, expected);
	close(answer[0]);
}

/* --- in the test itself --- */

static void what_was_given_to_another_process_is_nobodys(void **state)
{
	static const char *const lies[] = {
		"1 lock:%d", "lock:%d", "", "x lock:%d", "-5 lock:%d", "999999999999 lock:%d"};
	int fd = fcntl(STDIN_FILENO, F_DUPFD, 10);
	char text[64];

	(void)state;
	assert_true(fd >= 10);
	for (size_t i = 0; i < ARRAY_LEN(lies); i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		snprintf(text, sizeof(text), lies[i], fd);
#pragma GCC diagnostic pop
		setenv(KEPT_ENV, text, 1);
		handover_adopt();
		assert_null(getenv(KEPT_ENV));
		if (handover_take("lock") >= 0)
			fail_msg("taken from \"%s\"", text);
	}
	assert_int_equal(fcntl(fd, F_GETFD), 0);
	close(fd);
}

static void words_that_name_no_descriptor_are_passed_over(void **state)
{
	int fd = fcntl(STDIN_FILENO, F_DUPFD, 10);
	char text[256];

	(void)state;
	snprintf(text, sizeof(text), "%d in:0 out:1 gone:63 big:2147483648 x:%dy :%d Name:%d  good:%d",
		(int)getpid(), fd, fd, fd, fd);
	setenv(KEPT_ENV, text, 1);
	handover_adopt();
	assert_int_equal(handover_take("in"), -1);
	assert_int_equal(handover_take("out"), -1);
	assert_int_equal(handover_take("gone"), -1);
	assert_int_equal(handover_take("big"), -1);
	assert_int_equal(handover_take("x"), -1);
	assert_int_equal(handover_take("Name"), -1);
	assert_int_equal(handover_take("good"), fd);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	close(fd);
}

static void a_copy_is_given_and_the_own_descriptor_stays_the_callers(void **state)
{
	int ends[2];
	char c;

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
	assert_int_equal(handover_give("writer", ends[1]), TM_OK);
	close(ends[1]);
	assert_int_equal(read(ends[0], &c, 1), -1); /* not its end: the copy is open */
	assert_int_equal(errno, EAGAIN);
	handover_drop();
	assert_int_equal(read(ends[0], &c, 1), 0);
	close(ends[0]);
	assert_true(handover_give("a-name-that-is-too-long", STDIN_FILENO) < 0);
}

/* The last argument is where this program lies: somebody moves it away, and puts another one there. */
static int be_one_that_is_moved(const char *path)
{
	char told[PATH_MAX], aside[PATH_MAX];
	struct diag d = {0};

	handover_adopt();
	if (handover_program(told, sizeof(told), &d) != TM_OK || strcmp(told, path) != 0)
		return 1;
	snprintf(aside, sizeof(aside), "%s.old", path);
	if (rename(path, aside) < 0)
		return 2;
	if (handover_program(told, sizeof(told), &d) != TM_ENOENT || !strstr(d.what, path))
		return 3;
	if (symlink("/proc", path) < 0 || handover_program(told, sizeof(told), &d) != TM_EINVAL)
		return 4;
	unlink(path);
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
	if (fd < 0)
		return 5;
	close(fd);
	if (handover_program(told, sizeof(told), &d) != TM_OK || strcmp(told, path) != 0)
		return 6;
	return handover_program(told, strlen(path), &d) == TM_ENOENT ? 0 : 7;
}

static void the_next_program_is_the_one_where_this_was_started_from(void **state)
{
	char folder[] = "/tmp/tm-handover-XXXXXX", path[64], aside[80];
	size_t n;
	int status = -1;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/program", folder);
	snprintf(aside, sizeof(aside), "%s.old", path);
	_cleanup_(freep) char *program = NULL;
	assert_int_equal(os_read_file("/proc/self/exe", 64 << 20, &program, &n, NULL), TM_OK);
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, program, n), n);
	close(fd);
	const pid_t pid = fork();
	if (pid == 0) {
		setenv(ROLE_ENV, path, 1);
		execl(path, path, (char *)NULL);
		_exit(100);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	unlink(path);
	unlink(aside);
	rmdir(folder);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_given_is_the_next_programs_and_nothing_else),
		cmocka_unit_test(what_was_given_to_another_process_is_nobodys),
		cmocka_unit_test(words_that_name_no_descriptor_are_passed_over),
		cmocka_unit_test(a_copy_is_given_and_the_own_descriptor_stays_the_callers),
		cmocka_unit_test(the_next_program_is_the_one_where_this_was_started_from),
	};

	const char *role = getenv(ROLE_ENV);

	if (role)
		return role[0] == '/' ? be_one_that_is_moved(role) : be_the_next();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
