/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "os/low/clock.h"

#include <time.h>

static int64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

int64_t clock_monotonic(void)
{
	return clock_ns(CLOCK_BOOTTIME);
}

int64_t clock_real(void)
{
	return clock_ns(CLOCK_REALTIME);
}

int64_t clock_of_thread(void)
{
	return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}
