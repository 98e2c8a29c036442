/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Tells that this machine has slept. The kernel cancels a timer that wants to know of jumps of the wall clock
 * (TFD_TIMER_CANCEL_ON_SET) at each of them, also when it resumes; and how long it slept is what
 * CLOCK_BOOTTIME has counted and CLOCK_MONOTONIC has not. So nobody need wake up now and then to look, and a
 * clock that was merely set is told from a sleep. Control thread.
 */
#include "os/os.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

/* The two clocks are read one after the other, and whoever sleeps for less has lost nothing. */
#define SLEEP_MIN (1 * SEC)

struct os_resume {
	os_resume_fn *fn;
	void *ctx;
	int fd;
	struct event *readable;
	ns_t slept; /* all sleeps since the machine started, as last seen */
};

static ns_t clock_ns(clockid_t clock)
{
	struct timespec ts = {0};

	(void)clock_gettime(clock, &ts);
	return (ns_t)ts.tv_sec * SEC + ts.tv_nsec;
}

static ns_t all_sleeps(void)
{
	return clock_ns(CLOCK_BOOTTIME) - clock_ns(CLOCK_MONOTONIC);
}

/* Hardly ever due by itself, and then nothing was slept: it is there to be cancelled. Not farther away,
 * because a time_t of 32 bits ends in 2038. */
static int arm(int fd)
{
	enum { TWO_YEARS_S = 2 * 365 * 86400 };
	const struct itimerspec far = {.it_value.tv_sec = clock_ns(CLOCK_REALTIME) / SEC + TWO_YEARS_S};

	return timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &far, NULL);
}

static void on_readable(evutil_socket_t fd, short what UNUSED, void *arg)
{
	struct os_resume *r = arg;
	const ns_t slept = all_sleeps(), before = r->slept;
	uint64_t count;

	/* ECANCELED is what we wait for. Whatever it says, it is armed again: without that we would hear no
	 * more. */
	(void)!read(fd, &count, sizeof(count));
	(void)arm(fd);
	if (slept - before < SLEEP_MIN)
		return;
	r->slept = slept;
	r->fn(r->ctx, slept - before);
}

int os_resume_new(struct event_base *base, os_resume_fn *fn, void *ctx, struct os_resume **ret_resume)
{
	struct os_resume *r = calloc(1, sizeof(*r));
	int err = TM_ENOMEM;

	if (!r)
		return err;
	*r = (struct os_resume){.fn = fn, .ctx = ctx, .slept = all_sleeps()};
	r->fd = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	if (r->fd < 0 || arm(r->fd) < 0) {
		err = tm_err_from_errno(errno);
		goto fail;
	}
	r->readable = event_new(base, r->fd, EV_READ | EV_PERSIST, on_readable, r);
	if (!r->readable || event_add(r->readable, NULL) < 0)
		goto fail;
	*ret_resume = r;
	return TM_OK;
fail:
	os_resume_free(r);
	return err;
}

void os_resume_free(struct os_resume *r)
{
	if (!r)
		return;
	if (r->readable)
		event_free(r->readable);
	if (r->fd >= 0)
		close(r->fd);
	free(r);
}
