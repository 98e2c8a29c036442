/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/unit.h"

#include "cli/core/columns.h"

static const char *const heads[] = {"NAME", "RTT", "SEEN"};

static char *printed(const struct columns *t, bool colour)
{
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	assert_int_equal(columns_print(t, f, colour), TM_OK);
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
	char *text = printed(&t, false);
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
	char *text = printed(&t, false);
	assert_string_equal(text, "  NAME  RTT\n  caf\xc3\xa9  x\n  hubs  y\n");
	free(text);
	columns_deinit(&t);
}

static void a_table_without_rows_shows_its_heads(void **state UNUSED)
{
	struct columns t;

	columns_init(&t, heads, 2);
	char *text = printed(&t, true);
	assert_string_equal(text, "\033[2m  NAME  RTT\033[0m\n");
	free(text);
	columns_deinit(&t);
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
	char *text = printed(&t, false);
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
		cmocka_unit_test(a_thousand_rows_with_escape_sequences_stay_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
