/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/unit.h"

#include "cli/core/option.h"

struct values {
	bool force, v4, v6;
	const char *name;
	struct opt_list tags;
	uint16_t port;
	uint32_t count;
	ns_t wait;
	uint64_t ttl;
};
struct more {
	bool json;
	const char *socket;
};

#define AT(field) offsetof(struct values, field)
static const struct opt options[] = {
	{"force", 'f', OPT_FLAG, AT(force), NULL, "flag", 0, 0},
	{"ipv4", '4', OPT_FLAG, AT(v4), NULL, "flag", 0, 0},
	{"ipv6", '6', OPT_FLAG, AT(v6), NULL, "flag", 0, 0},
	{"name", 0, OPT_TEXT, AT(name), "NAME", "text", 0, 0},
	{"tag", 't', OPT_LIST, AT(tags), "TAG", "list", 0, 0},
	{"port", 0, OPT_PORT, AT(port), "PORT", "port", 0, 0},
	{"count", 'c', OPT_COUNT, AT(count), "N", "number", 1, 100},
	{"wait", 'w', OPT_SECONDS, AT(wait), "S", "seconds", 250, 60000},
	{"ttl", 0, OPT_DURATION, AT(ttl), "TIME", "duration", 60, 365 * 86400},
	{0},
};
#undef AT
static const struct opt more_options[] = {
	{"json", 0, OPT_FLAG, offsetof(struct more, json), NULL, "flag", 0, 0},
	{"socket", 0, OPT_TEXT, offsetof(struct more, socket), "PATH", "text", 0, 0},
	{0},
};

enum { ARGS = 24 };

struct parsed {
	struct values v;
	struct more m;
	struct opt_words words;
	int used, err;
	struct diag d;
};

static struct parsed parse(const char *const *argv, bool stop_at_word)
{
	struct parsed p = {.used = -1};
	const struct opt_set sets[] = {{options, &p.v}, {more_options, &p.m}};
	int argc = 0;

	while (argv[argc])
		argc++;
	p.err = opt_parse(
		sets, ARRAY_LEN(sets), "demo", argc, argv, stop_at_word ? NULL : &p.words, &p.used, &p.d);
	return p;
}
#define PARSE(...) parse((const char *[]){__VA_ARGS__, NULL}, false)

static void options_and_words_may_be_mixed(void **state UNUSED)
{
	struct parsed p = PARSE("one", "--name", "hub", "two", "--json", "--force", "-");

	assert_int_equal(p.err, TM_OK);
	assert_int_equal(p.used, 7);
	assert_string_equal(p.v.name, "hub");
	assert_true(p.v.force && p.m.json);
	assert_int_equal(p.words.n, 3);
	assert_string_equal(p.words.v[0], "one");
	assert_string_equal(p.words.v[1], "two");
	assert_string_equal(p.words.v[2], "-");
}

static void a_value_follows_an_equals_sign_a_space_or_its_letter(void **state UNUSED)
{
	struct parsed p = PARSE("--name=a=b", "--port=1", "-c", "3", "-w0.25");

	assert_int_equal(p.err, TM_OK);
	assert_string_equal(p.v.name, "a=b");
	assert_int_equal(p.v.port, 1);
	assert_int_equal(p.v.count, 3);
	assert_true(p.v.wait == 250 * MS);
	p = PARSE("-46c5");
	assert_int_equal(p.err, TM_OK);
	assert_true(p.v.v4 && p.v.v6);
	assert_int_equal(p.v.count, 5);
}

static void a_value_may_look_like_an_option_or_be_empty(void **state UNUSED)
{
	struct parsed p = PARSE("--name", "--force");

	assert_string_equal(p.v.name, "--force");
	assert_false(p.v.force);
	p = PARSE("--name=");
	assert_int_equal(p.err, TM_OK);
	assert_string_equal(p.v.name, "");
}

static void after_two_dashes_everything_is_a_word(void **state UNUSED)
{
	struct parsed p = PARSE("--force", "--", "--name", "-c", "--");

	assert_int_equal(p.err, TM_OK);
	assert_int_equal(p.words.n, 3);
	assert_string_equal(p.words.v[0], "--name");
	assert_string_equal(p.words.v[2], "--");
}

static void a_repeated_option_collects_or_the_last_one_wins(void **state UNUSED)
{
	struct parsed p = PARSE("--tag", "a", "-tb", "--tag=c", "--name", "x", "--name", "y");

	assert_int_equal(p.v.tags.n, 3);
	assert_string_equal(p.v.tags.v[1], "b");
	assert_string_equal(p.v.name, "y");
}

static void parsing_stops_at_the_first_word_when_asked(void **state UNUSED)
{
	struct parsed p = parse((const char *[]){"--socket", "/s", "init", "--nonsense", NULL}, true);

	assert_int_equal(p.err, TM_OK);
	assert_int_equal(p.used, 2);
	assert_string_equal(p.m.socket, "/s");
}

static void each_mistake_gets_its_sentence(void **state UNUSED)
{
	static const struct {
		const char *argv[4];
		const char *what, *hint;
	} rows[] = {
		{{"--nmae", "x"}, "demo has no option --nmae", "did you mean --name?"},
		{{"--jsno"}, "demo has no option --jsno", "did you mean --json?"},
		{{"--zzzz"}, "demo has no option --zzzz", "see `tunnelmesh help demo`"},
		{{"--nam=x"}, "demo has no option --nam", "did you mean --name?"},
		{{"-z"}, "there is no option -z", "see `tunnelmesh help demo`"},
		{{"-4z"}, "there is no option -z", "see `tunnelmesh help demo`"},
		{{"--force=yes"}, "--force takes no value", ""},
		{{"--name"}, "--name wants a value: NAME", ""},
		{{"-c"}, "--count wants a value: N", ""},
		{{"--port", "0"}, "--port wants a port number (1-65535), not \"0\"", ""},
		{{"--port", "65536"}, "--port wants a port number (1-65535), not \"65536\"", ""},
		{{"--port", "-1"}, "--port wants a port number (1-65535), not \"-1\"", ""},
		{{"--port", " 1"}, "--port wants a port number (1-65535), not \" 1\"", ""},
		{{"--port", "1x"}, "--port wants a port number (1-65535), not \"1x\"", ""},
		{{"--port", ""}, "--port wants a port number (1-65535), not \"\"", ""},
		{{"--count", "0"}, "--count wants a number from 1 to 100, not \"0\"", ""},
		{{"--count", "101"}, "--count wants a number from 1 to 100, not \"101\"", ""},
		{{"--count", "99999999999999999999"},
			"--count wants a number from 1 to 100, not \"99999999999999999999\"", ""},
		{{"--wait", "61"}, "--wait wants seconds from 0.25 to 60, not \"61\"", ""},
		{{"--wait", "0.2"}, "--wait wants seconds from 0.25 to 60, not \"0.2\"", ""},
		{{"--wait", "."}, "--wait wants seconds from 0.25 to 60, not \".\"", ""},
		{{"--wait", "1e3"}, "--wait wants seconds from 0.25 to 60, not \"1e3\"", ""},
		{{"--wait", "99999999999999999999"},
			"--wait wants seconds from 0.25 to 60, not \"99999999999999999999\"", ""},
		{{"--ttl", "1y"}, "--ttl wants a time such as 30m, 24h or 7d, not \"1y\"", ""},
		{{"--ttl", "59"}, "--ttl wants a time from a minute to ten years, not \"59\"", ""},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct parsed p = parse(rows[i].argv, false);

		if (p.err != TM_EINVAL || strcmp(p.d.what, rows[i].what) != 0 ||
			strcmp(p.d.hint, rows[i].hint) != 0)
			fail_msg("row %zu: %d \"%s\" (%s)", i, p.err, p.d.what, p.d.hint);
	}
}

static void too_many_words_or_values_are_refused(void **state UNUSED)
{
	const char *argv[2 * OPT_VALUES_MAX + 4] = {NULL}, *words[OPT_WORDS_MAX + 2] = {NULL};
	struct parsed p;

	for (size_t i = 0; i < OPT_WORDS_MAX; i++)
		words[i] = "w";
	p = parse(words, false);
	assert_int_equal(p.err, TM_OK);
	words[OPT_WORDS_MAX] = "w";
	p = parse(words, false);
	assert_string_equal(p.d.what, "there are more than 64 arguments");
	for (size_t i = 0; i <= OPT_VALUES_MAX; i++) {
		argv[2 * i] = "--tag";
		argv[2 * i + 1] = "x";
	}
	p = parse(argv, false);
	assert_string_equal(p.d.what, "--tag is given more than 16 times");
}

static void durations_have_units(void **state UNUSED)
{
	static const struct {
		const char *text;
		int64_t seconds; /* -1 = refused */
	} rows[] = {
		{"90", 90},
		{"90s", 90},
		{"30m", 1800},
		{"24h", 86400},
		{"7d", 604800},
		{"2w", 1209600},
		{"", -1},
		{"h", -1},
		{"1hh", -1},
		{"-1h", -1},
		{"1 h", -1},
		{"1.5h", -1},
		{"99999999999999999999d", -1},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint64_t v = 0;
		int err = duration_parse(rows[i].text, &v);

		if (rows[i].seconds < 0 ? err == TM_OK : err != TM_OK || v != (uint64_t)rows[i].seconds)
			fail_msg("\"%s\": %d %" PRIu64, rows[i].text, err, v);
	}
}

static void the_usage_lists_every_row_aligned(void **state UNUSED)
{
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	opt_print(more_options, f);
	fclose(f);
	assert_string_equal(text, "      --json         flag\n      --socket PATH  text\n");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_and_words_may_be_mixed),
		cmocka_unit_test(a_value_follows_an_equals_sign_a_space_or_its_letter),
		cmocka_unit_test(a_value_may_look_like_an_option_or_be_empty),
		cmocka_unit_test(after_two_dashes_everything_is_a_word),
		cmocka_unit_test(a_repeated_option_collects_or_the_last_one_wins),
		cmocka_unit_test(parsing_stops_at_the_first_word_when_asked),
		cmocka_unit_test(each_mistake_gets_its_sentence),
		cmocka_unit_test(too_many_words_or_values_are_refused),
		cmocka_unit_test(durations_have_units),
		cmocka_unit_test(the_usage_lists_every_row_aligned),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
