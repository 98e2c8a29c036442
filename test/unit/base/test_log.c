/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/unit.h"

#include "base/log.h"
#include "base/logsite.h"
#include "base/plain.h"

struct captured {
	char line[LOG_LINE_MAX + 1];
	unsigned n;
};

static void capture(void *ctx, const char *line, size_t n)
{
	struct captured *c = ctx;

	assert_true(n <= LOG_LINE_MAX);
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

static void a_place_that_logs_in_a_loop_is_bounded_and_others_are_heard(void **state)
{
	static const char text[] = "test: in a loop";
	unsigned written = 0;
	uint64_t missed;

	(void)state;
	for (unsigned i = 0; i < 100000; i++)
		written += log_site_allow(text, false, 1000 * SEC, &missed);
	assert_int_equal(written, LOG_SITE_LINES);
	assert_true(log_site_allow("test: somebody else", false, 1000 * SEC, &missed));
	assert_true(log_site_allow(text, true, 1000 * SEC, &missed)); /* debug has more */
	assert_int_equal(missed, 100000 - LOG_SITE_LINES);
	assert_false(log_site_allow(text, false, 1000 * SEC + LOG_SITE_WINDOW - 1, &missed));
	assert_true(log_site_allow(text, false, 1000 * SEC + LOG_SITE_WINDOW, &missed));
	assert_int_equal(missed, 1);
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
		T(lines_below_the_level_are_not_written),
		T(a_value_is_neither_cut_nor_taken_for_something_else),
		T(a_line_that_is_too_long_is_cut_between_characters_and_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
