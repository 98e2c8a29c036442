/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What becomes of a write that a Ctrl-C falls into, and what ends a wait. */
#include "unit/unit.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "os/interrupt.h"
#include "os/local.h"

struct reader {
	pthread_t thread, writer;
	pid_t writer_id;
	int fd;
};

static void read_of(pid_t thread, const char *what, char *ret_text, size_t size)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/task/%d/%s", (int)thread, what);
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	const ssize_t n = fd < 0 ? -1 : read(fd, ret_text, size - 1);
	assert_true(n > 0);
	ret_text[n] = '\0';
	close(fd);
}

static bool is_asleep(pid_t thread)
{
	char text[512];

	read_of(thread, "stat", text, sizeof(text));
	const char *state = strrchr(text, ')');
	return state && state[2] == 'S';
}

static bool is_pending(pid_t thread, int sig)
{
	char text[4096];

	read_of(thread, "status", text, sizeof(text));
	const char *mask = strstr(text, "SigPnd:");
	assert_non_null(mask);
	return strtoull(mask + strlen("SigPnd:"), NULL, 16) >> (sig - 1) & 1;
}

/*
 * Ctrl-C when nothing goes on any more; then it reads. Whether the handler has run only the writer can say:
 * ThreadSanitizer calls it when the write is over.
 */
static void *interrupt_and_read(void *arg)
{
	const struct reader *r = arg;
	char buf[4096];

	while (!is_asleep(r->writer_id))
		sched_yield();
	pthread_kill(r->writer, SIGINT);
	while (is_pending(r->writer_id, SIGINT))
		sched_yield();
	while (read(r->fd, buf, sizeof(buf)) == (ssize_t)sizeof(buf))
		;
	return NULL;
}

static void what_is_being_written_is_written_whole(void **state UNUSED)
{
	struct reader r = {.writer = pthread_self(), .writer_id = gettid()};
	char bytes[4096] = {0};
	int fd[2];

	assert_int_equal(pipe2(fd, O_CLOEXEC | O_NONBLOCK), 0);
	while (write(fd[1], bytes, sizeof(bytes)) > 0)
		;
	assert_int_equal(fcntl(fd[0], F_SETFL, 0), 0);
	assert_int_equal(fcntl(fd[1], F_SETFL, 0), 0);
	r.fd = fd[0];
	interrupt_catch_first();
	assert_false(interrupt_came());
	assert_int_equal(pthread_create(&r.thread, NULL, interrupt_and_read, &r), 0);
	assert_int_equal(write(fd[1], bytes, sizeof(bytes)), sizeof(bytes));
	assert_true(interrupt_came());
	close(fd[1]);
	pthread_join(r.thread, NULL);
	close(fd[0]);
}

static void a_second_one_ends_the_process(void **state UNUSED)
{
	struct sigaction sa;

	interrupt_catch_first();
	assert_false(interrupt_came());
	raise(SIGINT);
	assert_true(interrupt_came());
	assert_int_equal(sigaction(SIGINT, NULL, &sa), 0);
	assert_ptr_equal(sa.sa_handler, SIG_DFL);
}

static void a_wait_ends_when_there_is_something_else_to_read(void **state UNUSED)
{
	int fd[INTERRUPT_FDS + 1][2];

	for (size_t i = 0; i < ARRAY_LEN(fd); i++)
		assert_int_equal(pipe2(fd[i], O_CLOEXEC), 0);
	interrupt_listen(fd[0][0], fd[1][0]);
	for (size_t i = 0; i < INTERRUPT_FDS; i++) {
		char byte = 'x';

		assert_int_equal(os_local_wait(fd[INTERRUPT_FDS][0], false, 0), TM_ETIMEOUT);
		assert_int_equal(write(fd[i][1], &byte, 1), 1);
		assert_int_equal(os_local_wait(fd[INTERRUPT_FDS][0], false, NS_NEVER), TM_EAGAIN);
		assert_int_equal(read(fd[i][0], &byte, 1), 1);
	}
	/* What it is for comes first. */
	assert_int_equal(write(fd[0][1], "x", 1), 1);
	assert_int_equal(write(fd[INTERRUPT_FDS][1], "x", 1), 1);
	assert_int_equal(os_local_wait(fd[INTERRUPT_FDS][0], false, NS_NEVER), TM_OK);
	interrupt_listen(-1, -1);
	assert_int_equal(read(fd[INTERRUPT_FDS][0], &(char){0}, 1), 1);
	assert_int_equal(os_local_wait(fd[INTERRUPT_FDS][0], false, 0), TM_ETIMEOUT);
	for (size_t i = 0; i < ARRAY_LEN(fd); i++) {
		close(fd[i][0]);
		close(fd[i][1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_being_written_is_written_whole),
		cmocka_unit_test(a_second_one_ends_the_process),
		cmocka_unit_test(a_wait_ends_when_there_is_something_else_to_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
