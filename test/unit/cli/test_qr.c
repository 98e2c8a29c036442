/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What is drawn. That cameras read it is shown where a decoder is at hand: test/lab/test_client.py. */
#include "unit/unit.h"

#include "cli/core/qr.h"

enum { SIDE_MAX = 185, MARGIN = 4 };

struct drawing {
	char *text;
	bool light[SIDE_MAX][SIDE_MAX];
	int width, height;
};

static int draw(const char *text, bool colour, unsigned width, struct drawing *ret_drawing, struct diag *d)
{
	const struct screen screen = {colour, width};
	size_t n = 0;
	FILE *f = open_memstream(&ret_drawing->text, &n);
	int err = qr_print(text, f, &screen, d);

	fclose(f);
	return err;
}

/* Two rows for each line, one column for each character. */
static void look(struct drawing *g)
{
	static const struct {
		const char *block;
		bool above, below;
	} blocks[] = {{" ", 0, 0}, {"\u2580", 1, 0}, {"\u2584", 0, 1}, {"\u2588", 1, 1}};

	for (const char *p = g->text; *p; p++, g->height += 2) {
		int x = 0;

		for (size_t i; *p != '\n'; x++, p += strlen(blocks[i].block)) {
			for (i = 0;
				i < ARRAY_LEN(blocks) && strncmp(p, blocks[i].block, strlen(blocks[i].block));
				i++)
				;
			assert_true(i < ARRAY_LEN(blocks) && x < SIDE_MAX && g->height + 1 < SIDE_MAX);
			g->light[g->height][x] = blocks[i].above;
			g->light[g->height + 1][x] = blocks[i].below;
		}
		assert_true(!g->width || g->width == x);
		g->width = x;
	}
}

/* The squares by which a camera finds it: dark, a light ring in them, a dark heart. */
static void expect_finder(const struct drawing *g, int left, int top)
{
	for (int y = 0; y < 7; y++)
		for (int x = 0; x < 7; x++) {
			const int out = MAX(abs(x - 3), abs(y - 3));

			assert_int_equal(g->light[top + y][left + x], out == 2);
		}
}

static void a_code_is_a_square_in_a_light_margin(void **state UNUSED)
{
	struct drawing g = {0};

	assert_int_equal(draw("[Interface]\nPrivateKey = x\n", false, 0, &g, NULL), TM_OK);
	look(&g);
	assert_int_equal(g.height, g.width + 1); /* of two rows to the line the last has one to spare */
	for (int y = 0; y < g.height; y++)
		for (int x = 0; x < g.width; x++)
			if (MIN(x, y) < MARGIN || MAX(x, y) >= g.width - MARGIN)
				assert_true(g.light[y][x]);
	expect_finder(&g, MARGIN, MARGIN);
	expect_finder(&g, g.width - MARGIN - 7, MARGIN);
	expect_finder(&g, MARGIN, g.width - MARGIN - 7);
	free(g.text);
}

static void colours_are_set_for_each_line_and_end_with_it(void **state UNUSED)
{
	struct drawing plain = {0}, coloured = {0};
	const char *p;

	assert_int_equal(draw("mesh", false, 0, &plain, NULL), TM_OK);
	assert_int_equal(draw("mesh", true, 0, &coloured, NULL), TM_OK);
	p = coloured.text;
	for (const char *line = plain.text, *end; *line; line = end + 1) {
		end = strchr(line, '\n');
		assert_int_equal(strncmp(p, "\033[38;5;231;48;5;16m", 19), 0);
		assert_int_equal(strncmp(p + 19, line, (size_t)(end - line)), 0);
		p += 19 + (end - line);
		assert_int_equal(strncmp(p, "\033[0m\n", 5), 0);
		p += 5;
	}
	assert_int_equal(*p, '\0');
	free(plain.text);
	free(coloured.text);
}

static void what_does_not_fit_is_said_and_nothing_is_printed(void **state UNUSED)
{
	struct drawing g = {0};
	struct diag d = {0};
	char *text = malloc(3001);

	assert_non_null(text);
	memset(text, 'a', 3000);
	text[3000] = '\0';
	assert_int_equal(draw(text, false, 0, &g, &d), TM_ERANGE);
	assert_non_null(strstr(d.what, "holds the 3000 characters"));
	assert_string_equal(g.text, "");
	free(g.text);
	text[2953] = '\0'; /* ISO/IEC 18004 table 7: version 40, level L */
	assert_int_equal(draw(text, false, 0, &g, NULL), TM_OK);
	free(g.text);
	free(text);

	/* The smallest has 21 modules. */
	assert_int_equal(draw("mesh", false, 28, &g, &d), TM_EFULL);
	assert_non_null(strstr(d.what, "takes 29 columns, and there are 28"));
	assert_string_equal(g.text, "");
	free(g.text);
	assert_int_equal(draw("mesh", false, 29, &g, NULL), TM_OK);
	free(g.text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_code_is_a_square_in_a_light_margin),
		cmocka_unit_test(colours_are_set_for_each_line_and_end_with_it),
		cmocka_unit_test(what_does_not_fit_is_said_and_nothing_is_printed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
