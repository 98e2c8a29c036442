/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Time. Cores take `ns_t now` as an argument; only workers and the event loop read the clock.
 * Monotonic time counts suspend (CLOCK_BOOTTIME), because WireGuard's key lifetimes must.
 */
#ifndef TM_BASE_TIME_H
#define TM_BASE_TIME_H

#include <stdint.h>

typedef int64_t ns_t; /* nanoseconds; monotonic unless the name says `real` */

#define US ((ns_t)1000)
#define MS (1000 * US)
#define SEC (1000 * MS)
#define NS_NEVER INT64_MAX /* "no deadline" */

ns_t time_monotonic(void);
ns_t time_real(void); /* since the Unix epoch */
ns_t time_of_thread(void); /* that the calling thread has been running; a system call */

static inline ns_t ns_max(ns_t a, ns_t b)
{
	return a > b ? a : b;
}

static inline ns_t ns_min(ns_t a, ns_t b)
{
	return a < b ? a : b;
}

/* Milliseconds to wait from now until deadline, rounded up, for poll(): 0 when past, -1 for NS_NEVER. */
int time_poll_ms(ns_t now, ns_t deadline);

#endif
