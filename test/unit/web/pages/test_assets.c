/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/unit.h"

#include "unit/web/pages/fixture.h"
#include "web/assets/assets.h"

static bool has(const struct web_asset *a, const char *text)
{
	return memmem(a->bytes, *a->n, text, strlen(text));
}

static void what_is_embedded_is_the_file_and_all_of_it(void **state)
{
	const struct web_asset *css = web_asset_find("style.css"), *js = web_asset_find("script.js"),
			       *icon = web_asset_find("icon.svg");

	(void)state;
	assert_non_null(css);
	assert_non_null(js);
	assert_non_null(icon);
	assert_true(has(css, "prefers-color-scheme: dark"));
	assert_true(has(js, "EventSource"));
	assert_true(has(js, "main.dataset.at")); /* what frame.c writes */
	assert_memory_equal(icon->bytes, "<svg", 4);
	assert_memory_equal(icon->bytes + *icon->n - 7, "</svg>\n", 7);
	assert_null(web_asset_find("style"));
}

/* What may be kept for ever has an address that changes with it. */
static void each_has_an_address_of_its_content(void **state)
{
	static const char *const names[] = {"style.css", "script.js", "icon.svg"};
	char part[17] = "";

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const char *url = web_asset_url(names[i]);

		assert_int_equal(strlen(url), strlen("/assets/") + 16 + 1 + strlen(names[i]));
		assert_memory_equal(url, "/assets/", 8);
		assert_string_equal(url + 25, names[i]);
		assert_int_equal(strspn(url + 8, "0123456789abcdef"), 16);
		assert_memory_not_equal(url + 8, part, 16);
		memcpy(part, url + 8, 16);
	}
}

/* What the security headers forbid would be missing without a word. */
static void nothing_is_fetched_from_elsewhere(void **state)
{
	(void)state;
	assert_false(has(web_asset_find("style.css"), "url("));
	assert_false(has(web_asset_find("style.css"), "@import"));
	assert_false(has(web_asset_find("script.js"), "://"));
	assert_false(has(web_asset_find("script.js"), "innerHTML = "));
}

static void a_page_loads_what_there_is_and_has_no_script_or_style_of_its_own(void **state)
{
	(void)state;
	expect_shown(page_overview, &nobody, "href=\"/style.css\"");
	expect_shown(page_overview, &nobody, "src=\"/script.js\"");
	expect_shown(page_overview, &nobody, "href=\"/icon.svg\"");
	expect_not_shown(page_overview, &nobody, "<style");
	expect_not_shown(page_overview, &nobody, " style=");
	expect_not_shown(page_overview, &nobody, " onclick=");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_embedded_is_the_file_and_all_of_it),
		cmocka_unit_test(each_has_an_address_of_its_content),
		cmocka_unit_test(nothing_is_fetched_from_elsewhere),
		cmocka_unit_test(a_page_loads_what_there_is_and_has_no_script_or_style_of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
