/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "os/low/calendar.h"
#include "os/low/clock.h"
#include "unit/unit.h"

#include <stdlib.h>

static void assert_date(const struct tm *tm, const char *text)
{
	char buf[64];

	assert_true(strftime(buf, sizeof(buf), "%a %Y-%m-%d %H:%M:%S", tm) > 0);
	assert_string_equal(buf, text);
}

static void seconds_are_dates_in_utc(void **state)
{
	static const struct {
		int64_t seconds;
		const char *text;
	} cases[] = {
		{0, "Thu 1970-01-01 00:00:00"},
		{-1, "Wed 1969-12-31 23:59:59"},
		{951782400, "Tue 2000-02-29 00:00:00"},
		{1767323045, "Fri 2026-01-02 03:04:05"},
		{INT32_MAX, "Tue 2038-01-19 03:14:07"},
	};
	struct tm tm;
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_true(calendar_utc(cases[i].seconds, &tm));
		assert_date(&tm, cases[i].text);
	}
}

static void what_has_no_date_is_the_epoch(void **state)
{
	struct tm tm;
	(void)state;

	assert_false(calendar_utc(INT64_MAX, &tm));
	assert_date(&tm, "Thu 1970-01-01 00:00:00");
	assert_false(calendar_local(INT64_MIN, &tm));
	assert_date(&tm, "Thu 1970-01-01 00:00:00");
}

static void dates_are_in_the_time_zone_of_whoever_runs_it(void **state)
{
	struct tm tm;
	(void)state;

	assert_int_equal(setenv("TZ", "EAST-5:30", 1), 0);
	tzset();
	assert_true(calendar_local(0, &tm));
	assert_date(&tm, "Thu 1970-01-01 05:30:00");
	assert_true(calendar_utc(0, &tm));
	assert_date(&tm, "Thu 1970-01-01 00:00:00");
}

static void the_clocks_go_on(void **state)
{
	int64_t monotonic = clock_monotonic(), thread = clock_of_thread();
	(void)state;

	while (clock_of_thread() == thread)
		;
	assert_true(clock_of_thread() > thread);
	assert_true(clock_monotonic() > monotonic);
	assert_true(clock_real() > INT64_C(1750000000) * 1000000000); /* of a machine that knows the year */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(seconds_are_dates_in_utc),
		cmocka_unit_test(what_has_no_date_is_the_epoch),
		cmocka_unit_test(dates_are_in_the_time_zone_of_whoever_runs_it),
		cmocka_unit_test(the_clocks_go_on),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
