/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "base/time.h"

#include <limits.h>
#include <time.h>

static ns_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (ns_t)ts.tv_sec * SEC + ts.tv_nsec;
}

ns_t time_monotonic(void)
{
	return clock_ns(CLOCK_BOOTTIME);
}

ns_t time_real(void)
{
	return clock_ns(CLOCK_REALTIME);
}

ns_t time_of_thread(void)
{
	return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

int time_poll_ms(ns_t now, ns_t deadline)
{
	if (deadline == NS_NEVER)
		return -1;
	if (deadline <= now)
		return 0;

	ns_t ms = (deadline - now + MS - 1) / MS;
	return ms > INT_MAX ? INT_MAX : (int)ms;
}
