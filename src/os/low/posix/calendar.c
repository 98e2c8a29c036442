/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "os/low/calendar.h"

/* time_t is 32 bits wide on some: what it cannot hold has no date there. */
static bool seconds_fit(int64_t seconds, time_t *ret_t)
{
	*ret_t = (time_t)seconds;
	return (int64_t)*ret_t == seconds;
}

static const struct tm the_epoch = {.tm_mday = 1, .tm_year = 70, .tm_wday = 4};

bool calendar_utc(int64_t seconds, struct tm *ret_tm)
{
	time_t t;

	if (seconds_fit(seconds, &t) && gmtime_r(&t, ret_tm))
		return true;

	*ret_tm = the_epoch;
	return false;
}

bool calendar_local(int64_t seconds, struct tm *ret_tm)
{
	time_t t;

	if (seconds_fit(seconds, &t) && localtime_r(&t, ret_tm))
		return true;

	*ret_tm = the_epoch;
	return false;
}
