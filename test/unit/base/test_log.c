/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/unit.h"

#include "base/log.h"
#include "base/logsite.h"
#include "base/plain.h"

struct captured {
	char line[LOG_LINE_MAX + 1], before[LOG_LINE_MAX + 1]; /* the last two */
	unsigned n;
};

static void capture(void *ctx, const char *line, size_t n)
{
	struct captured *c = ctx;

	assert_true(n <= LOG_LINE_MAX);
	memcpy(c->before, c->line, sizeof(c->before));
	memcpy(c->line, line, n);
	c->line[n] = '\0';
	c->n++;
}

static int capture_begin(void **state)
{
	static struct captured c;

	c = (struct captured){.n = 0};
	*state = &c;
	log_set_sink(capture, &c);
	return 0;
}

static int capture_end(void **state)
{
	(void)state;
	log_set_sink(NULL, NULL);
	log_set_level(LOG_INFO);
	return 0;
}

static void lines_below_the_level_are_not_written(void **state)
{
	struct captured *c = *state;

	log_debug("test: below the level");
	assert_int_equal(c->n, 0);
	log_set_level(LOG_DEBUG);
	log_debug("test: now");
	assert_int_equal(c->n, 1);
}

static void a_value_is_neither_cut_nor_taken_for_something_else(void **state)
{
	static const struct {
		const char *value, *shown;
	} rows[] = {
		{"plain", "why=plain n=-3\n"},
		{NULL, "why=- n=-3\n"},
		{"", "why=\"\" n=-3\n"},
		{"two words", "why=\"two words\" n=-3\n"},
		{"unknown key \"log_levl\"", "why=\"unknown key \\\"log_levl\\\"\" n=-3\n"},
		{"c:\\x", "why=\"c:\\\\x\" n=-3\n"},
		{"a\nb=\"c\" \x1b[31m", "why=\"a?b=\\\"c\\\" ?[31m\" n=-3\n"},
		{"\xc2\x9b\xff\xe2\x80\xae", "why=?????? n=-3\n"},
		{"caf\xc3\xa9", "why=caf\xc3\xa9 n=-3\n"},
		{"the-coordinator.vps.example.org:8443 cannot be resolved: the system's resolver does not "
		 "answer (check that this machine has a network)",
			"does not answer (check that this machine has a network)\" n=-3\n"},
	};
	struct captured *c = *state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		log_info("test: hello", KV("why", rows[i].value), KV_INT("n", -3));
		if (!strstr(c->line, "info test: hello why=") || !strstr(c->line, rows[i].shown))
			fail_msg("row %zu: %s", i, c->line);
		assert_ptr_equal(strchr(c->line, '\n'), c->line + strlen(c->line) - 1);
	}
}

static void a_line_that_is_too_long_is_cut_between_characters_and_says_so(void **state)
{
	struct captured *c = *state;
	char value[2 * LOG_LINE_MAX + 1] = "";

	for (size_t i = 0; i + 3 < sizeof(value); i += 3)
		memcpy(value + i, "\xe2\x9c\x93", 4);
	for (unsigned shift = 0; shift < 3; shift++) {
		log_info("test: long", KV("shift", &"xx"[2 - shift]), KV("value", value));
		char *end = strstr(c->line, " ...\n");
		assert_non_null(end);
		assert_int_equal(end[5], '\0');
		*end = '\0';
		assert_true(plain_is(c->line));
	}
}

static void the_journal_gets_a_priority_and_no_time(void **state)
{
	static const struct {
		enum log_level level;
		const char *line;
	} rows[] = {
		{LOG_ERROR, "<3>test: hello n=1\n"},
		{LOG_WARN, "<4>test: hello n=1\n"},
		{LOG_INFO, "<6>test: hello n=1\n"},
		{LOG_DEBUG, "<7>test: hello n=1\n"},
	};
	struct captured *c = *state;

	log_set_level(LOG_DEBUG);
	log_set_style(LOG_STYLE_JOURNAL);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		LOG_AT(rows[i].level, "test: hello", KV_INT("n", 1));
		assert_string_equal(c->line, rows[i].line);
	}
	log_set_style(LOG_STYLE_PLAIN);
}

/* --- for programs --- */

static void reset_format(void)
{
	log_set_format(LOG_FORMAT_TEXT);
}

static void logfmt_has_time_level_and_msg_as_pairs(void **state)
{
	struct captured *c = *state;

	log_set_format(LOG_FORMAT_LOGFMT);
	log_warn("path: gone", KV("peer", "the nas"), KV_INT("n", 3));
	reset_format();
	assert_memory_equal(c->line, "time=2", 6);
	assert_non_null(strstr(c->line, "Z level=warn msg=\"path: gone\" peer=\"the nas\" n=3\n"));
}

static void json_has_strings_and_numbers_and_no_way_out_of_a_string(void **state)
{
	static const struct {
		const char *value, *shown;
	} rows[] = {
		{"plain", "\"why\":\"plain\",\"n\":-3}\n"},
		{"", "\"why\":\"\",\"n\":-3}\n"},
		{"a\"},{\"level\":\"x\n\\", "\"why\":\"a\\\"},{\\\"level\\\":\\\"x?\\\\\",\"n\":-3}\n"},
		{"\xff\x1b\xe2\x80\xae", "\"why\":\"?????\",\"n\":-3}\n"},
	};
	struct captured *c = *state;

	log_set_format(LOG_FORMAT_JSON);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		log_info("test: hello", KV("why", rows[i].value), KV_INT("n", -3));
		if (!strstr(c->line, ",\"level\":\"info\",\"msg\":\"test: hello\",") ||
			!strstr(c->line, rows[i].shown))
			fail_msg("row %zu: %s", i, c->line);
		assert_memory_equal(c->line, "{\"time\":\"2", 10);
	}
	reset_format();
}

static void what_does_not_fit_is_left_out_of_json_whole(void **state)
{
	struct captured *c = *state;
	char value[2 * LOG_LINE_MAX];

	memset(value, '"', sizeof(value));
	value[sizeof(value) - 1] = '\0';
	log_set_format(LOG_FORMAT_JSON);
	for (size_t n = LOG_LINE_MAX / 2 - 80; n < LOG_LINE_MAX / 2; n++) {
		char part[LOG_LINE_MAX];

		snprintf(part, sizeof(part), "%.*s", (int)n, value);
		log_info("test: long", KV("v", part), KV("after", "x"));
		assert_string_equal(c->line + strlen(c->line) - 2, "}\n");
		/* Whole, or not there, which is said. */
		assert_true((strstr(c->line, "\"v\":") && strstr(c->line, "\\\"\"")) ||
			    strstr(c->line, ",\"cut\":true}\n"));
	}
	log_info("test: long", KV("v", value), KV("after", "x"));
	reset_format();
	assert_non_null(strstr(c->line, "\"msg\":\"test: long\",\"cut\":true}\n"));
}

static void the_journal_gets_its_priority_in_front_of_each_format(void **state)
{
	struct captured *c = *state;

	log_set_style(LOG_STYLE_JOURNAL);
	log_set_format(LOG_FORMAT_LOGFMT);
	log_error("test: hello", KV_INT("n", 1));
	assert_string_equal(c->line, "<3>level=error msg=\"test: hello\" n=1\n");
	log_set_format(LOG_FORMAT_JSON);
	log_info("test: hello", KV("n", "1"));
	assert_string_equal(c->line, "<6>{\"level\":\"info\",\"msg\":\"test: hello\",\"n\":\"1\"}\n");
	reset_format();
	log_set_style(LOG_STYLE_PLAIN);
}

/* --- more than anybody reads --- */

static ns_t now = NS_NEVER; /* as the clock says */

ns_t __real_time_monotonic(void);
ns_t __wrap_time_monotonic(void);

ns_t __wrap_time_monotonic(void)
{
	return now == NS_NEVER ? __real_time_monotonic() : now;
}

/* Behind all windows of the tests that go by the clock. */
static ns_t in_hours(int64_t n)
{
	return __real_time_monotonic() + n * 3600 * SEC;
}

/* How many of 100,000 lines of one place are written. */
static unsigned written_of_many(const char *text, bool debug, ns_t at)
{
	unsigned written = 0;
	uint64_t missed;

	for (unsigned i = 0; i < 100000; i++)
		written += log_site_allow(text, debug, at, &missed);
	return written;
}

static void a_place_that_logs_in_a_loop_is_bounded_and_others_are_heard(void **state)
{
	static const char text[] = "test: in a loop";
	static const char others[] = "test: ten";
	const ns_t begin = in_hours(1);
	unsigned heard = 0;
	uint64_t missed;

	(void)state;
	assert_int_equal(written_of_many(text, false, begin), LOG_SITE_LINES);
	for (size_t i = 0; i < sizeof(others); i++)
		heard += log_site_allow(others + i, false, begin, &missed);
	assert_true(heard >= sizeof(others) - 1); /* one may meet the first in the table, wherever they lie */
	assert_false(log_site_allow(text, false, begin + LOG_SITE_WINDOW - 1, &missed));
	assert_true(log_site_allow(text, false, begin + LOG_SITE_WINDOW, &missed));
	assert_int_equal(missed, 100000 - LOG_SITE_LINES + (sizeof(others) - heard) + 1);
}

/* Two that meet in the table may be one of each kind. */
static void lines_for_who_looks_for_a_fault_silence_no_warning(void **state)
{
	static const char text[] = "test: in the same place of the table";
	const ns_t begin = in_hours(2);
	uint64_t missed;

	(void)state;
	assert_int_equal(written_of_many(text, true, begin), LOG_SITE_LINES_DEBUG);
	assert_true(log_site_allow(text, false, begin, &missed));
	assert_int_equal(missed, 0);
}

static void in_a_loop(void)
{
	log_info("test: over and over", KV_INT("n", 1));
}

static void what_was_left_out_is_counted_with_the_next_line(void **state)
{
	struct captured *c = *state;

	now = in_hours(3);
	for (unsigned i = 0; i < LOG_SITE_LINES + 7; i++)
		in_a_loop();
	assert_int_equal(c->n, LOG_SITE_LINES);
	now += LOG_SITE_WINDOW;
	in_a_loop();
	assert_int_equal(c->n, LOG_SITE_LINES + 2);
	assert_non_null(strstr(c->before, "info log: a line came too often, and was left out line=\"test: "
					  "over and over\" left_out=7\n"));
	assert_non_null(strstr(c->line, "info test: over and over n=1\n"));
	now = NS_NEVER;
}

/* --- who remembers --- */

static void tap(void *ctx, enum log_level level, const char *line)
{
	struct captured *c = ctx;

	assert_in_range(level, LOG_ERROR, LOG_WARN);
	snprintf(c->line, sizeof(c->line), "%s", line);
	c->n++;
}

static void warnings_and_errors_alone_are_remembered_without_time_and_end(void **state)
{
	static struct captured kept;

	(void)state;
	kept = (struct captured){.n = 0};
	log_set_level(LOG_DEBUG);
	log_set_tap(tap, &kept);
	log_info("test: state changed");
	log_debug("test: a detail");
	assert_int_equal(kept.n, 0);
	log_warn("test: carried on", KV("why", "no room"), KV_INT("n", 2));
	assert_string_equal(kept.line, "test: carried on why=\"no room\" n=2");
	log_error("test: somebody must act");
	assert_string_equal(kept.line, "test: somebody must act");
	log_set_tap(NULL, NULL);
	log_error("test: nobody remembers");
	assert_int_equal(kept.n, 2);
}

#define T(f) cmocka_unit_test_setup_teardown(f, capture_begin, capture_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(the_journal_gets_a_priority_and_no_time),
		T(logfmt_has_time_level_and_msg_as_pairs),
		T(json_has_strings_and_numbers_and_no_way_out_of_a_string),
		T(what_does_not_fit_is_left_out_of_json_whole),
		T(the_journal_gets_its_priority_in_front_of_each_format),
		T(a_place_that_logs_in_a_loop_is_bounded_and_others_are_heard),
		T(lines_for_who_looks_for_a_fault_silence_no_warning),
		T(what_was_left_out_is_counted_with_the_next_line),
		T(warnings_and_errors_alone_are_remembered_without_time_and_end),
		T(lines_below_the_level_are_not_written),
		T(a_value_is_neither_cut_nor_taken_for_something_else),
		T(a_line_that_is_too_long_is_cut_between_characters_and_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
