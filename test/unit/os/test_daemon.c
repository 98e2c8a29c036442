/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The test program is its own daemon: `test_os_daemon ROLE [FILE]` plays one of the roles below. */
#include "host.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/os.h"

enum { PATIENCE_MS = 20000 };

/* What a daemon finds when it starts, for its starter to check. */
struct world {
	pid_t pid, sid;
	int fds; /* open descriptors but 0, 1, 2 and the readiness socket */
	bool stdin_null, notify_set, ready_cloexec;
	unsigned log_mode;
};

static void describe_world(const char *path)
{
	struct world w = {.pid = getpid(), .sid = getsid(0)};
	struct stat st, null;

	for (int fd = 4; fd < 256; fd++)
		w.fds += fcntl(fd, F_GETFD) >= 0;
	w.ready_cloexec = fcntl(3, F_GETFD) == FD_CLOEXEC;
	w.stdin_null = fstat(0, &st) == 0 && stat("/dev/null", &null) == 0 && st.st_rdev == null.st_rdev;
	w.notify_set = getenv("NOTIFY_SOCKET") != NULL;
	w.log_mode = fstat(1, &st) == 0 ? st.st_mode & 07777 : 0;
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (write(fd, &w, sizeof(w)) != (ssize_t)sizeof(w))
		_exit(9);
	close(fd);
}

static int play(const char *role, const char *path)
{
	if (strcmp(role, "ready") == 0) {
		os_harden();
		if (path)
			describe_world(path);
		printf("said on standard output\n");
		fflush(stdout);
		fprintf(stderr, "said on standard error\n");
		os_daemon_ready();
		for (;;)
			pause();
	}
	if (strcmp(role, "fail") == 0) {
		os_daemon_failed("the port 51820/udp is in use");
		return 1;
	}
	if (strcmp(role, "fail-and-linger") == 0) {
		os_daemon_failed("this one does not go away by itself");
		for (;;)
			pause();
	}
	if (strcmp(role, "crash") == 0) {
		struct rlimit none = {0};
		setrlimit(RLIMIT_CORE, &none);
		signal(SIGSEGV, SIG_DFL);
		raise(SIGSEGV);
	}
	if (strcmp(role, "hang") == 0)
		for (;;)
			pause();
	return 3; /* "exit": without a word */
}

static int start(struct host *h, const char *role, const char *file, int timeout_ms, struct diag *d)
{
	char self[] = "/proc/self/exe", r[32], f[HOST_PATH + 64] = "", log[HOST_PATH + 64];
	char *argv[] = {self, r, file ? f : NULL, NULL};

	snprintf(r, sizeof(r), "%s", role);
	if (file)
		snprintf(f, sizeof(f), "%s", host_path(h, file));
	snprintf(log, sizeof(log), "%s", host_path(h, "daemon.log"));
	return os_spawn_daemon(argv, log, timeout_ms, NULL, d);
}

static void expect_no_children(void)
{
	errno = 0;
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

static struct world read_world(struct host *h)
{
	struct world w;
	char *text = NULL;
	size_t n = 0;

	assert_int_equal(os_read_file(host_path(h, "world"), sizeof(w), &text, &n, NULL), TM_OK);
	assert_int_equal(n, sizeof(w));
	memcpy(&w, text, sizeof(w));
	free(text);
	return w;
}

static void end(pid_t pid)
{
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void a_ready_daemon_has_a_session_a_log_and_nothing_of_ours(void **state)
{
	struct host *h = *state;
	struct diag d = {0};
	char *log = NULL;
	int stray = open("/dev/null", O_RDONLY); /* inheritable on purpose */

	setenv("NOTIFY_SOCKET", "/nowhere", 1);
	assert_int_equal(start(h, "ready", "world", PATIENCE_MS, &d), TM_OK);
	unsetenv("NOTIFY_SOCKET");
	close(stray);

	struct world w = read_world(h);
	assert_int_equal(w.sid, w.pid);
	assert_int_equal(w.fds, 0);
	assert_true(w.stdin_null);
	assert_true(w.ready_cloexec);
	assert_false(w.notify_set);
	assert_int_equal(w.log_mode, 0600);
	assert_int_equal(kill(w.pid, 0), 0);

	assert_int_equal(os_read_file(host_path(h, "daemon.log"), 1000, &log, NULL, NULL), TM_OK);
	assert_string_equal(log, "said on standard output\nsaid on standard error\n");
	free(log);
	end(w.pid);
	expect_no_children();
}

static void the_log_is_appended_to(void **state)
{
	struct host *h = *state;
	char *log = NULL;

	for (int i = 0; i < 2; i++) {
		assert_int_equal(start(h, "ready", "world", PATIENCE_MS, NULL), TM_OK);
		end(read_world(h).pid);
	}
	assert_int_equal(os_read_file(host_path(h, "daemon.log"), 1000, &log, NULL, NULL), TM_OK);
	assert_int_equal(strlen(log), 2 * strlen("said on standard output\nsaid on standard error\n"));
	free(log);
}

static void each_way_to_fail_is_told(void **state)
{
	struct host *h = *state;
	static const struct {
		const char *role;
		int timeout_ms, err;
		const char *says, *hint;
	} rows[] = {
		{"fail", PATIENCE_MS, TM_EIO, "the port 51820/udp is in use", ""},
		{"fail-and-linger", 300, TM_EIO, "this one does not go away by itself", ""},
		{"crash", PATIENCE_MS, TM_EIO,
			"the daemon was killed by signal 11 (Segmentation fault) before it was ready",
			"its log is "},
		{"exit", PATIENCE_MS, TM_EIO, "the daemon exited with status 3 before it was ready",
			"its log is "},
		{"hang", 100, TM_ETIMEOUT, "the daemon was not ready in time and has been ended",
			"its log is "},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct diag d = {0};
		int err = start(h, rows[i].role, NULL, rows[i].timeout_ms, &d);
		if (err != rows[i].err || strcmp(d.what, rows[i].says) != 0 ||
			strncmp(d.hint, rows[i].hint, strlen(rows[i].hint)) != 0)
			fail_msg("%s: %d \"%s\" (%s)", rows[i].role, err, d.what, d.hint);
		expect_no_children();
	}
}

static void a_missing_program_is_told(void **state)
{
	struct host *h = *state;
	struct diag d = {0};
	char none[] = "/nonexistent/program", log[HOST_PATH + 64];
	char *argv[] = {none, NULL};

	snprintf(log, sizeof(log), "%s", host_path(h, "daemon.log"));
	assert_int_equal(os_spawn_daemon(argv, log, PATIENCE_MS, NULL, &d), TM_ENOENT);
	assert_string_equal(d.what, "cannot start /nonexistent/program: No such file or directory");
	expect_no_children();
}

static void a_log_that_cannot_be_opened_is_told_and_stops_nothing(void **state)
{
	struct host *h = *state;
	struct diag unlogged = {0}, d = {0};
	char self[] = "/proc/self/exe", role[] = "ready", file[HOST_PATH + 64];
	char *argv[] = {self, role, file, NULL};

	snprintf(file, sizeof(file), "%s", host_path(h, "world"));
	assert_int_equal(
		os_spawn_daemon(argv, host_path(h, "no/daemon.log"), PATIENCE_MS, &unlogged, &d), TM_OK);
	assert_non_null(strstr(unlogged.what, "cannot open the log"));
	assert_string_equal(d.what, "");
	end(read_world(h).pid);
	expect_no_children();
}

static void a_starter_without_standard_streams_can_start_it(void **state)
{
	struct host *h = *state;
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		close(0);
		close(1);
		close(2);
		_exit(start(h, "ready", "world", PATIENCE_MS, NULL) == TM_OK ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);

	struct world w = read_world(h);
	assert_int_equal(w.fds, 0);
	assert_true(w.stdin_null);
	assert_int_equal(w.log_mode, 0600);
	assert_int_equal(kill(w.pid, SIGKILL), 0); /* init's child by now */
}

static void a_variable_from_elsewhere_is_not_taken_for_the_readiness_socket(void **state)
{
	static const char *const values[] = {
		"", "3", "3:", "3:1", "x:1", "-1:1", "99999999999:1", "3:1x", "0:1"};
	int pair[2];
	char c;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	for (size_t i = 0; i < 2; i++) { /* out of the way of 3 */
		int low = pair[i];
		pair[i] = fcntl(low, F_DUPFD, 10);
		close(low);
	}
	int before = fcntl(3, F_DUPFD, 10); /* a test runner may have left one there */
	assert_int_equal(dup2(pair[1], 3), 3);
	for (size_t i = 0; i < ARRAY_LEN(values); i++) {
		setenv("TUNNELMESH_READY_FD", values[i], 1);
		os_daemon_ready();
		os_daemon_failed("nobody listens");
		assert_int_equal(recv(pair[0], &c, 1, 0), -1);
		assert_int_equal(errno, EAGAIN);
	}
	unsetenv("TUNNELMESH_READY_FD");
	close(pair[0]);
	close(pair[1]);
	close(3);
	if (before >= 0) {
		assert_int_equal(dup2(before, 3), 3);
		close(before);
	}
}

static void the_service_manager_is_notified_by_path_and_by_abstract_name(void **state)
{
	struct host *h = *state;
	char names[2][sizeof(((struct sockaddr_un *)0)->sun_path)];

	snprintf(names[0], sizeof(names[0]), "%.100s", host_path(h, "notify"));
	snprintf(names[1], sizeof(names[1]), "@tm-os-test-%d", (int)getpid());
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct sockaddr_un sa = {.sun_family = AF_UNIX};
		size_t n = strlen(names[i]);
		char buf[256] = "";
		memcpy(sa.sun_path, names[i], n);
		if (i == 1)
			sa.sun_path[0] = '\0';
		int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
		socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + (i == 0));
		assert_int_equal(bind(fd, (struct sockaddr *)&sa, len), 0);

		setenv("NOTIFY_SOCKET", names[i], 1);
		os_daemon_ready();
		assert_true(recv(fd, buf, sizeof(buf) - 1, 0) > 0);
		assert_int_equal(strncmp(buf, "READY=1\n", 8), 0);
		os_daemon_failed("two\nlines");
		memset(buf, 0, sizeof(buf));
		assert_true(recv(fd, buf, sizeof(buf) - 1, 0) > 0);
		assert_string_equal(buf, "STATUS=two lines");
		os_daemon_stopping();
		memset(buf, 0, sizeof(buf));
		assert_true(recv(fd, buf, sizeof(buf) - 1, 0) > 0);
		assert_string_equal(buf, "STOPPING=1");
		close(fd);
	}
	static const char *const useless[] = {"", "relative", "/nowhere/at/all", "@", "vsock:2:1"};
	for (size_t i = 0; i < ARRAY_LEN(useless); i++) {
		setenv("NOTIFY_SOCKET", useless[i], 1);
		os_daemon_stopping();
	}
	unsetenv("NOTIFY_SOCKET");
}

static void a_hardened_process_leaves_no_core_and_no_open_files(void **state)
{
	int status;
	(void)state;

	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct rlimit core;

		os_harden();
		_exit(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0      ? 1
			: getrlimit(RLIMIT_CORE, &core) < 0        ? 2
			: core.rlim_cur != 0 || core.rlim_max != 0 ? 3
			: umask(0) != 077                          ? 4
								   : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void as_many_descriptors_may_be_open_as_the_system_allows(void **state)
{
	struct rlimit was, low;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	low = (struct rlimit){.rlim_cur = 64, .rlim_max = was.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	assert_int_equal(os_descriptors(), 64);
	os_raise_descriptors();
	assert_true(os_descriptors() == (size_t)was.rlim_max);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, host_setup, host_teardown)
int main(int argc, char **argv)
{
	if (argc > 1)
		return play(argv[1], argc > 2 ? argv[2] : NULL);

	const struct CMUnitTest tests[] = {
		T(a_hardened_process_leaves_no_core_and_no_open_files),
		T(as_many_descriptors_may_be_open_as_the_system_allows),
		T(a_ready_daemon_has_a_session_a_log_and_nothing_of_ours),
		T(the_log_is_appended_to),
		T(each_way_to_fail_is_told),
		T(a_missing_program_is_told),
		T(a_log_that_cannot_be_opened_is_told_and_stops_nothing),
		T(a_starter_without_standard_streams_can_start_it),
		T(a_variable_from_elsewhere_is_not_taken_for_the_readiness_socket),
		T(the_service_manager_is_notified_by_path_and_by_abstract_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
