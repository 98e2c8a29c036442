/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/unit.h"

#include "cli/core/columns.h"

static const char *const heads[] = {"NAME", "RTT", "SEEN"};

static char *printed(const struct columns *t, bool colour, unsigned width)
{
	const struct screen screen = {colour, width};
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	assert_int_equal(columns_print(t, f, &screen), TM_OK);
	fclose(f);
	return text;
}

static void columns_are_as_wide_as_their_widest_cell_and_never_cut(void **state UNUSED)
{
	struct columns t;

	columns_init(&t, heads, 3);
	columns_cell(&t, "hub");
	columns_cellf(&t, "%d ms", 11);
	columns_cell(&t, NULL);
	columns_cell(&t, "a-name-that-is-quite-long");
	columns_cell(&t, "");
	columns_cell(&t, "34 s ago");
	char *text = printed(&t, false, 0);
	assert_string_equal(text, "  NAME                       RTT    SEEN\n"
				  "  hub                        11 ms  -\n"
				  "  a-name-that-is-quite-long  -      34 s ago\n");
	free(text);
	columns_deinit(&t);
}

static void characters_count_not_bytes(void **state UNUSED)
{
	struct columns t;

	columns_init(&t, heads, 2);
	columns_cell(&t, "caf\xc3\xa9");
	columns_cell(&t, "x");
	columns_cell(&t, "hubs");
	columns_cell(&t, "y");
	char *text = printed(&t, false, 0);
	assert_string_equal(text, "  NAME  RTT\n  caf\xc3\xa9  x\n  hubs  y\n");
	free(text);
	columns_deinit(&t);
}

static void a_table_without_rows_shows_its_heads(void **state UNUSED)
{
	struct columns t;

	columns_init(&t, heads, 2);
	char *text = printed(&t, true, 0);
	assert_string_equal(text, "\033[2m  NAME  RTT\033[0m\n");
	free(text);
	columns_deinit(&t);
}

static void what_does_not_fit_is_left_out_whole_and_named(void **state UNUSED)
{
	static const struct {
		unsigned width;
		const char *text;
	} rows[] = {
		{33, "  NAME  ENDPOINT             SEEN\n  hub   [2001:db8::7]:51820  now\n"},
		{32, "  NAME  ENDPOINT\n  hub   [2001:db8::7]:51820\n  not shown: SEEN (wider terminal, or "
		     "--json)\n"},
		{26, "  NAME  SEEN\n  hub   now\n  not shown: ENDPOINT (wider terminal, or --json)\n"},
		{3, "  NAME\n  hub\n  not shown: ENDPOINT, SEEN (wider terminal, or --json)\n"},
	};
	static const char *const wide[] = {"NAME", "ENDPOINT", "SEEN"};
	struct columns t;

	columns_init(&t, wide, 3);
	columns_cell(&t, "hub");
	columns_cell(&t, "[2001:db8::7]:51820");
	columns_cell(&t, "now");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char *text = printed(&t, false, rows[i].width);

		assert_string_equal(text, rows[i].text);
		free(text);
	}
	columns_deinit(&t);
}

static void a_tone_is_a_colour_on_a_terminal_alone(void **state UNUSED)
{
	struct columns t;

	columns_init(&t, heads, 2);
	columns_tone(&t, "hub", TONE_GOOD);
	columns_cell(&t, "x");
	char *plain = printed(&t, false, 0), *coloured = printed(&t, true, 0);
	assert_string_equal(plain, "  NAME  RTT\n  hub   x\n");
	assert_string_equal(coloured, "\033[2m  NAME  RTT\033[0m\n  \033[32mhub\033[0m   x\n");
	free(plain);
	free(coloured);
	columns_deinit(&t);
}

static void words_are_wrapped_and_none_is_cut(void **state UNUSED)
{
	char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	text_wrapped(f, "one two\nthree an-endless-word caf\xc3\xa9 x", 4, 2, 10);
	text_wrapped(f, "", 0, 0, 10);
	fclose(f);
	assert_string_equal(text, "one\n  two\n  three\n  an-endless-word\n  caf\xc3\xa9 x\n\n");
	free(text);
}

static void a_thousand_rows_with_escape_sequences_stay_lines(void **state UNUSED)
{
	struct columns t;
	size_t lines = 0;

	columns_init(&t, heads, 2);
	for (int i = 0; i < 1000; i++) {
		columns_cellf(&t, "evil\n\033]0;title\a%d", i);
		columns_cell(&t, "x");
	}
	char *text = printed(&t, false, 0);
	for (const char *p = text; *p; p++) {
		lines += *p == '\n';
		assert_int_not_equal(*p, '\033');
	}
	assert_int_equal(lines, 1001);
	free(text);
	columns_deinit(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(columns_are_as_wide_as_their_widest_cell_and_never_cut),
		cmocka_unit_test(characters_count_not_bytes),
		cmocka_unit_test(a_table_without_rows_shows_its_heads),
		cmocka_unit_test(what_does_not_fit_is_left_out_whole_and_named),
		cmocka_unit_test(a_tone_is_a_colour_on_a_terminal_alone),
		cmocka_unit_test(words_are_wrapped_and_none_is_cut),
		cmocka_unit_test(a_thousand_rows_with_escape_sequences_stay_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
