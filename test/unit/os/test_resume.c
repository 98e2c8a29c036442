/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Sleeps, as the kernel shows them: its clocks and its timer are stand-ins. */
#include "unit/unit.h"

#include "os/os.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

static struct {
	int fd; /* in the place of the timer: readable when it is cancelled */
	time_t slept_s, wall_s;
	unsigned armed;
	int create_errno;
} kernel;

static struct {
	unsigned calls;
	ns_t slept;
} heard;

int __real_clock_gettime(clockid_t clock, struct timespec *ret_ts);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ret_ts);
int __wrap_timerfd_create(int clock, int flags);
int __wrap_timerfd_settime(int fd, int flags, const struct itimerspec *in, struct itimerspec *ret_was);
ssize_t __real_read(int fd, void *buf, size_t n);
ssize_t __wrap_read(int fd, void *buf, size_t n);

int __wrap_clock_gettime(clockid_t clock, struct timespec *ret_ts)
{
	int result = __real_clock_gettime(clock, ret_ts);

	if (clock == CLOCK_BOOTTIME)
		ret_ts->tv_sec += kernel.slept_s;
	if (clock == CLOCK_REALTIME)
		ret_ts->tv_sec += kernel.wall_s;
	return result;
}

int __wrap_timerfd_create(int clock, int flags UNUSED)
{
	assert_int_equal(clock, CLOCK_REALTIME);
	if (kernel.create_errno) {
		errno = kernel.create_errno;
		return -1;
	}
	kernel.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	assert_true(kernel.fd >= 0);
	return kernel.fd;
}

int __wrap_timerfd_settime(int fd, int flags, const struct itimerspec *in, struct itimerspec *ret_was UNUSED)
{
	struct timespec now;

	assert_int_equal(fd, kernel.fd);
	assert_int_equal(flags, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET);
	__wrap_clock_gettime(CLOCK_REALTIME, &now);
	assert_true(in->it_value.tv_sec > now.tv_sec + 365 * 24 * 3600);
	kernel.armed++;
	return 0;
}

/* A cancelled timer says so to whoever reads it, once. */
ssize_t __wrap_read(int fd, void *buf, size_t n)
{
	ssize_t got = __real_read(fd, buf, n);

	if (fd != kernel.fd || got < 0)
		return got;
	errno = ECANCELED;
	return -1;
}

static void on_resumed(void *ctx UNUSED, ns_t slept)
{
	heard.calls++;
	heard.slept = slept;
}

struct rig {
	struct event_base *base;
	struct os_resume *resume;
};

static void rig_start(struct rig *r)
{
	memset(&kernel, 0, sizeof(kernel));
	memset(&heard, 0, sizeof(heard));
	kernel.slept_s = 3600; /* since it started, before us */
	r->base = event_base_new();
	assert_non_null(r->base);
	assert_int_equal(os_resume_new(r->base, on_resumed, NULL, &r->resume), TM_OK);
}

static void rig_end(struct rig *r)
{
	os_resume_free(r->resume);
	assert_int_equal(fcntl(kernel.fd, F_GETFD), -1);
	event_base_free(r->base);
}

static void the_clock_jumps(struct rig *r)
{
	assert_int_equal(eventfd_write(kernel.fd, 1), 0);
	event_base_loop(r->base, EVLOOP_NONBLOCK);
}

static void a_sleep_is_told_once_with_its_length(void **state UNUSED)
{
	struct rig r;

	rig_start(&r);
	kernel.slept_s += 90;
	kernel.wall_s += 90;
	the_clock_jumps(&r);
	assert_int_equal(heard.calls, 1);
	assert_in_range(heard.slept, 90 * SEC - 500 * MS, 90 * SEC + 500 * MS);
	the_clock_jumps(&r);
	assert_int_equal(heard.calls, 1);
	kernel.slept_s += 5;
	the_clock_jumps(&r);
	assert_int_equal(heard.calls, 2);
	assert_in_range(heard.slept, 5 * SEC - 500 * MS, 5 * SEC + 500 * MS);
	rig_end(&r);
}

static void a_clock_that_is_set_is_no_sleep_and_the_next_sleep_is_seen(void **state UNUSED)
{
	struct rig r;

	rig_start(&r);
	assert_int_equal(kernel.armed, 1);
	kernel.wall_s += 86400;
	the_clock_jumps(&r);
	kernel.wall_s -= 2 * 86400;
	the_clock_jumps(&r);
	assert_int_equal(heard.calls, 0);
	assert_int_equal(kernel.armed, 3);
	kernel.slept_s += 2;
	the_clock_jumps(&r);
	assert_int_equal(heard.calls, 1);
	rig_end(&r);
}

static void where_there_is_no_such_timer_it_is_an_error_that_leaves_nothing_open(void **state UNUSED)
{
	struct event_base *base = event_base_new();
	struct os_resume *resume = NULL;

	memset(&kernel, 0, sizeof(kernel));
	kernel.create_errno = EMFILE;
	assert_int_not_equal(os_resume_new(base, on_resumed, NULL, &resume), TM_OK);
	assert_null(resume);
	os_resume_free(NULL);
	event_base_free(base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_sleep_is_told_once_with_its_length),
		cmocka_unit_test(a_clock_that_is_set_is_no_sleep_and_the_next_sleep_is_seen),
		cmocka_unit_test(where_there_is_no_such_timer_it_is_an_error_that_leaves_nothing_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
