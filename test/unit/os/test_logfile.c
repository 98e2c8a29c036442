/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "host.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "os/logfile.h"
#include "os/os.h"

enum { MAX = 2000 };

struct logged {
	struct host *h;
	char path[HOST_PATH + 64], old[HOST_PATH + 72];
	int out, err; /* what they were */
	struct os_logfile *log;
};

/* Standard output and error become the file, as the command that starts a daemon makes them. */
static void begin(struct logged *l, struct host *h)
{
	*l = (struct logged){.h = h};
	snprintf(l->path, sizeof(l->path), "%s", host_path(h, "daemon.log"));
	snprintf(l->old, sizeof(l->old), "%s.1", l->path);
	fflush(stdout);
	l->out = dup(STDOUT_FILENO);
	l->err = dup(STDERR_FILENO);
	int fd = open(l->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	dup2(fd, STDOUT_FILENO);
	dup2(fd, STDERR_FILENO);
	close(fd);
	int err = os_logfile_open(l->path, MAX, &l->log);
	if (err) {
		dup2(l->out, STDOUT_FILENO);
		dup2(l->err, STDERR_FILENO);
	}
	assert_int_equal(err, TM_OK);
}

static void end(struct logged *l)
{
	os_logfile_close(l->log);
	dup2(l->out, STDOUT_FILENO);
	dup2(l->err, STDERR_FILENO);
	close(l->out);
	close(l->err);
}

/* As from many places of a program: one alone may not write so much (base/logsite.h). */
static void write_lines(unsigned from, unsigned n)
{
	static char places[64][16];

	for (unsigned i = from; i < from + n; i++) {
		char *text = places[i % ARRAY_LEN(places)];

		snprintf(text, sizeof(places[0]), "test: a line");
		log_info(text, KV_INT("i", i));
	}
}

/* Is the line in the file? False too when there is no file. */
static bool says(const char *path, unsigned i)
{
	char *text = NULL, line[32];

	if (os_read_file(path, 1 << 20, &text, NULL, NULL) != TM_OK)
		return false;
	snprintf(line, sizeof(line), " i=%u\n", i);
	bool found = strstr(text, line) != NULL;
	free(text);
	return found;
}

static off_t size_of(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? st.st_size : -1;
}

static void a_log_that_grows_is_moved_aside_and_begun_anew(void **state)
{
	struct logged l;
	struct stat st;

	begin(&l, *state);
	write_lines(0, 1000);
	printf("what a library prints\n");
	fflush(stdout);
	end(&l);
	assert_in_range(size_of(l.path), 1, MAX + 100);
	assert_in_range(size_of(l.old), MAX - 100, MAX);
	assert_true(says(l.path, 999));
	for (unsigned i = 980; i < 999; i++)
		assert_true(says(l.path, i) || says(l.old, i)); /* none is lost in between */
	assert_false(says(l.old, 0));
	assert_int_equal(stat(l.path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	char *text = NULL;
	assert_int_equal(os_read_file(l.path, 1 << 20, &text, NULL, NULL), TM_OK);
	assert_non_null(strstr(text, "what a library prints"));
	free(text);
}

static void a_log_that_cannot_be_moved_is_emptied(void **state)
{
	struct logged l;

	begin(&l, *state);
	assert_int_equal(mkdir(l.old, 0700), 0); /* in the way */
	write_lines(0, 1000);
	end(&l);
	assert_in_range(size_of(l.path), 1, MAX);
	assert_true(says(l.path, 999));
}

static void a_log_that_somebody_moved_is_begun_anew_where_it_belongs(void **state)
{
	struct logged l;
	char away[HOST_PATH + 64];

	begin(&l, *state);
	snprintf(away, sizeof(away), "%s", host_path(l.h, "away"));
	write_lines(0, 2);
	assert_int_equal(rename(l.path, away), 0);
	write_lines(2, 1000);
	end(&l);
	assert_true(says(away, 0));
	assert_in_range(size_of(away), 1, MAX);
	assert_in_range(size_of(l.path), 1, MAX);
	assert_true(says(l.path, 1001));
}

/* A disk without room: no file may grow. */
static void a_full_disk_costs_lines_and_nothing_else(void **state)
{
	struct rlimit before, none = {0};
	struct logged l;

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	begin(&l, *state);
	write_lines(0, 1);
	none.rlim_max = before.rlim_max;
	setrlimit(RLIMIT_FSIZE, &none);
	write_lines(1, 10);
	setrlimit(RLIMIT_FSIZE, &before);
	write_lines(11, 1);
	end(&l);
	assert_true(says(l.path, 0));
	assert_false(says(l.path, 5));
	assert_true(says(l.path, 11));
}

static void another_standard_error_is_left_alone(void **state)
{
	struct host *h = *state;
	struct os_logfile *log = NULL;
	FILE *f = fopen(host_path(h, "daemon.log"), "w");

	assert_non_null(f);
	fclose(f);
	assert_int_equal(os_logfile_open(host_path(h, "daemon.log"), MAX, &log), TM_ENOENT);
	assert_int_equal(os_logfile_open(host_path(h, "none"), MAX, &log), TM_ENOENT);
	assert_null(log);
}

static void only_the_journals_own_stream_is_the_journal(void **state)
{
	char env[64];
	struct stat st;
	int pair[2], err = dup(STDERR_FILENO);

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_int_equal(fstat(pair[0], &st), 0);
	snprintf(env, sizeof(env), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	unsetenv("JOURNAL_STREAM");
	bool without = os_stderr_is_journal();
	setenv("JOURNAL_STREAM", env, 1);
	bool elsewhere = os_stderr_is_journal();
	dup2(pair[0], STDERR_FILENO);
	bool there = os_stderr_is_journal();
	setenv("JOURNAL_STREAM", "7:x", 1);
	bool nonsense = os_stderr_is_journal();
	dup2(err, STDERR_FILENO);
	close(err);
	close(pair[0]);
	close(pair[1]);
	unsetenv("JOURNAL_STREAM");
	assert_false(without || elsewhere || nonsense);
	assert_true(there);
}

#define T(f) cmocka_unit_test_setup_teardown(f, host_setup, host_teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_log_that_grows_is_moved_aside_and_begun_anew),
		T(a_log_that_cannot_be_moved_is_emptied),
		T(a_log_that_somebody_moved_is_begun_anew_where_it_belongs),
		T(a_full_disk_costs_lines_and_nothing_else),
		T(another_standard_error_is_left_alone),
		T(only_the_journals_own_stream_is_the_journal),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
