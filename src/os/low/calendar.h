/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Seconds since the Unix epoch as people read them. Any thread. */
#ifndef TM_OS_LOW_CALENDAR_H
#define TM_OS_LOW_CALENDAR_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/* False: so far away that there is no such date. *ret_tm is then one all the same: the epoch's. */
bool calendar_utc(int64_t seconds, struct tm *ret_tm);
bool calendar_local(int64_t seconds, struct tm *ret_tm); /* in the time zone of whoever runs the program */

#endif
