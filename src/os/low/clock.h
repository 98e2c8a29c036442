/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The clocks of the system, in nanoseconds, for base/time.h, which all others read. Any thread. */
#ifndef TM_OS_LOW_CLOCK_H
#define TM_OS_LOW_CLOCK_H

#include <stdint.h>

int64_t clock_monotonic(void); /* goes on while the machine sleeps */
int64_t clock_real(void); /* since the Unix epoch */
int64_t clock_of_thread(void); /* that the calling thread has been running */

#endif
