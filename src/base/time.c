/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "base/time.h"

#include "os/low/clock.h"

#include <limits.h>

ns_t time_monotonic(void)
{
	return clock_monotonic();
}

ns_t time_real(void)
{
	return clock_real();
}

ns_t time_of_thread(void)
{
	return clock_of_thread();
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
