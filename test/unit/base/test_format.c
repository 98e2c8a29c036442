/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/unit.h"

#include "base/format.h"

static void bytes_have_two_or_three_digits(void **state UNUSED)
{
	static const struct {
		uint64_t n;
		const char *text;
	} rows[] = {
		{0, "0"},
		{999, "999"},
		{1000, "1.0K"},
		{1049, "1.0K"},
		{1050, "1.1K"},
		{9949, "9.9K"},
		{9950, "10K"},
		{340000, "340K"},
		{999499, "999K"},
		{999500, "1.0M"},
		{1200000, "1.2M"},
		{5000000000, "5.0G"},
		{UINT64_MAX, "18E"},
	};
	char buf[FORMAT_LEN];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_string_equal(format_bytes(rows[i].n, buf), rows[i].text);
}

static void milliseconds_get_coarser_as_they_grow(void **state UNUSED)
{
	static const struct {
		double ms;
		const char *text;
	} rows[] = {
		{-1, "-"},
		{0, "0.00 ms"},
		{0.42, "0.42 ms"},
		{0.999, "1.0 ms"},
		{3.14, "3.1 ms"},
		{9.96, "10 ms"},
		{11.2, "11 ms"},
		{999.4, "999 ms"},
		{999.9, "1.0 s"},
		{1234, "1.2 s"},
	};
	char buf[FORMAT_LEN];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_string_equal(format_ms(rows[i].ms, buf), rows[i].text);
}

static void rates_have_three_digits(void **state UNUSED)
{
	static const struct {
		double rate;
		const char *text;
	} rows[] = {
		{0, "0 bit/s"},
		{999, "999 bit/s"},
		{999.6, "1.00 kbit/s"},
		{56000, "56.0 kbit/s"},
		{9.994e6, "9.99 Mbit/s"},
		{9.996e6, "10.0 Mbit/s"},
		{99.96e6, "100 Mbit/s"},
		{941e6, "941 Mbit/s"},
		{1.234e9, "1.23 Gbit/s"},
		{5e15, "5000 Tbit/s"},
	};
	char buf[FORMAT_LEN];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_string_equal(format_rate(rows[i].rate, buf), rows[i].text);
}

static void spans_and_ages_round_down_to_one_unit(void **state UNUSED)
{
	static const struct {
		int64_t seconds;
		const char *text;
	} rows[] = {
		{-5, "0 s"},
		{0, "0 s"},
		{34, "34 s"},
		{60, "1 min"},
		{3599, "59 min"},
		{3600, "1 h"},
		{86400, "24 h"},
		{2 * 86400 - 1, "47 h"},
		{2 * 86400, "2 d"},
		{400 * 86400, "400 d"},
	};
	char buf[FORMAT_LEN];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_string_equal(format_span(rows[i].seconds, buf), rows[i].text);
	assert_string_equal(format_age(0, 1000, buf), "-");
	assert_string_equal(format_age(966, 1000, buf), "34 s ago");
	assert_string_equal(format_age(1000, 1000, buf), "now");
	assert_string_equal(format_age(2000, 1000, buf), "now");
	assert_string_equal(format_until(1000 + 7200, 1000, buf), "in 2 h");
	assert_string_equal(format_until(1000 + 86397, 1000, buf), "in 24 h");
	assert_string_equal(format_until(1000 + 89, 1000, buf), "in 1 min");
	assert_string_equal(format_until(1000, 1000, buf), "expired");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_have_two_or_three_digits),
		cmocka_unit_test(milliseconds_get_coarser_as_they_grow),
		cmocka_unit_test(rates_have_three_digits),
		cmocka_unit_test(spans_and_ages_round_down_to_one_unit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
