/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "base/format.h"

#include <inttypes.h>
#include <stdio.h>

const char *format_bytes(uint64_t n, char buf[static FORMAT_LEN])
{
	static const char units[] = "KMGTPE";
	double v = (double)n / 1000;
	int unit = 0;

	if (n < 1000) {
		snprintf(buf, FORMAT_LEN, "%" PRIu64, n);
		return buf;
	}
	for (; v >= 999.5; unit++)
		v /= 1000;
	snprintf(buf, FORMAT_LEN, v < 9.95 ? "%.1f%c" : "%.0f%c", v, units[unit]);
	return buf;
}

const char *format_ms(double ms, char buf[static FORMAT_LEN])
{
	if (ms < 0)
		snprintf(buf, FORMAT_LEN, "-");
	else if (ms < 0.995)
		snprintf(buf, FORMAT_LEN, "%.2f ms", ms);
	else if (ms < 9.95)
		snprintf(buf, FORMAT_LEN, "%.1f ms", ms);
	else if (ms < 999.5)
		snprintf(buf, FORMAT_LEN, "%.0f ms", ms);
	else
		snprintf(buf, FORMAT_LEN, "%.1f s", ms / 1000);
	return buf;
}

const char *format_rate(double v, char buf[static FORMAT_LEN])
{
	static const char *const units[] = {"", "k", "M", "G", "T"};
	size_t unit = 0;

	for (; v >= 999.5 && unit + 1 < ARRAY_LEN(units); unit++)
		v /= 1000;
	snprintf(buf, FORMAT_LEN, "%.*f %sbit/s",
		unit == 0 || v >= 99.95 ? 0
		: v >= 9.995            ? 1
					: 2,
		v, units[unit]);
	return buf;
}

const char *format_span(int64_t seconds, char buf[static FORMAT_LEN])
{
	if (seconds < 0)
		seconds = 0;
	if (seconds < 60)
		snprintf(buf, FORMAT_LEN, "%" PRId64 " s", seconds);
	else if (seconds < 3600)
		snprintf(buf, FORMAT_LEN, "%" PRId64 " min", seconds / 60);
	else if (seconds < 2 * 86400)
		snprintf(buf, FORMAT_LEN, "%" PRId64 " h", seconds / 3600);
	else
		snprintf(buf, FORMAT_LEN, "%" PRId64 " d", seconds / 86400);
	return buf;
}

const char *format_age(int64_t then, int64_t now, char buf[static FORMAT_LEN])
{
	char span[FORMAT_LEN];

	if (then == 0)
		snprintf(buf, FORMAT_LEN, "-");
	else if (then >= now)
		snprintf(buf, FORMAT_LEN, "now");
	else
		snprintf(buf, FORMAT_LEN, "%.40s ago", format_span(now - then, span));
	return buf;
}

/* To the nearest unit: a token just made for 24 h is not "in 23 h". */
const char *format_until(int64_t then, int64_t now, char buf[static FORMAT_LEN])
{
	char span[FORMAT_LEN];
	int64_t left = then - now, half = left >= 60 ? 30 : 0;

	if (left >= 3600)
		half = 1800;

	if (left <= 0)
		snprintf(buf, FORMAT_LEN, "expired");
	else
		snprintf(buf, FORMAT_LEN, "in %.40s", format_span(left + half, span));
	return buf;
}
