/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/unit.h"

#include "web/pages/html.h"

static void expect(struct strbuf *b, const char *text)
{
	assert_false(b->failed);
	assert_string_equal(b->s, text);
	strbuf_deinit(b);
}

static void what_fills_a_format_cannot_become_markup(void **state)
{
	struct strbuf b = {0};

	(void)state;
	html_put(&b, "<a title=\"%s\">%s</a>", "\" onclick=\"x", "<script>'&");
	expect(&b, "<a title=\"&quot; onclick=&quot;x\">&lt;script&gt;&#39;&amp;</a>");
}

static void what_turns_a_line_round_or_hides_is_shown_as_a_question_mark(void **state)
{
	struct strbuf b = {0};

	(void)state;
	html_put(&b, "%s", "caf\xc3\xa9\n\x1b[2J\xff\xe2\x80\xae");
	expect(&b, "caf\xc3\xa9??[2J????");
	html_put_lines(&b, "a\n\t<b>\r");
	expect(&b, "a\n\t&lt;b&gt;?");
}

/* A form is sent with such lines, and shown with them again. */
static void lines_end_as_a_browser_ends_them_too(void **state)
{
	struct strbuf b = {0};

	(void)state;
	html_put_lines(&b, "a:\r\n  - b\r\n\rc");
	expect(&b, "a:\n  - b\n?c");
}

static void numbers_of_every_kind_are_written(void **state)
{
	struct strbuf b = {0};

	(void)state;
	html_put(&b, "%d %u %zu %lld %llu %.1f%%", -1, 2u, (size_t)3, 4LL, 5ULL, 6.25);
	expect(&b, "-1 2 3 4 5 6.2%");
}

static void a_url_holds_nothing_that_means_something_in_one(void **state)
{
	struct strbuf b = {0};

	(void)state;
	html_put_url(&b, "a-Z_0.9/?&#%\"\xc3\xa9 ");
	expect(&b, "a-Z_0.9%2F%3F%26%23%25%22%C3%A9%20");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_fills_a_format_cannot_become_markup),
		cmocka_unit_test(what_turns_a_line_round_or_hides_is_shown_as_a_question_mark),
		cmocka_unit_test(lines_end_as_a_browser_ends_them_too),
		cmocka_unit_test(numbers_of_every_kind_are_written),
		cmocka_unit_test(a_url_holds_nothing_that_means_something_in_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
