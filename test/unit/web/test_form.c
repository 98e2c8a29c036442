/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/unit.h"

#include "web/form.h"

static struct web_form parsed(const char *text)
{
	struct web_form f = {0};

	assert_int_equal(web_form_parse(text, strlen(text), &f), TM_OK);
	return f;
}

static void names_and_values_are_decoded(void **state UNUSED)
{
	struct web_form f = parsed("name=web+server&tag=tag%3Aweb&text=a%0D%0Ab&u=%C3%BC");

	assert_int_equal(f.n, 4);
	assert_string_equal(web_form_get(&f, "name"), "web server");
	assert_string_equal(web_form_get(&f, "tag"), "tag:web");
	assert_string_equal(web_form_get(&f, "text"), "a\r\nb");
	assert_string_equal(web_form_get(&f, "u"), "\xc3\xbc");
	assert_null(web_form_get(&f, "nam"));
	web_form_deinit(&f);
}

static void what_is_empty_is_there_and_what_is_left_out_is_not(void **state UNUSED)
{
	struct web_form f = parsed("&a&b=&&=c");

	assert_int_equal(f.n, 3);
	assert_string_equal(web_form_get(&f, "a"), "");
	assert_string_equal(web_form_get(&f, "b"), "");
	assert_string_equal(web_form_get(&f, ""), "c");
	web_form_deinit(&f);
	f = parsed("");
	assert_int_equal(f.n, 0);
	web_form_deinit(&f);
}

static void of_two_fields_of_a_name_the_first_counts(void **state UNUSED)
{
	struct web_form f = parsed("role=member&role=admin");

	assert_string_equal(web_form_get(&f, "role"), "member");
	web_form_deinit(&f);
}

static void what_is_no_text_is_refused(void **state UNUSED)
{
	static const char *const bad[] = {
		"a=%", "a=%4", "a=%zz", "a=%00", "a=%ff", "a=%c0%af", "a%0a=1", "a=%1b", "a=%7f"};
	struct web_form f;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(web_form_parse(bad[i], strlen(bad[i]), &f), TM_EBADMSG);
	assert_int_equal(web_form_parse("a=\0b", 4, &f), TM_EBADMSG);
}

static void so_many_fields_and_no_more(void **state UNUSED)
{
	char text[2 * (WEB_FORM_FIELDS + 1)];
	struct web_form f;

	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = i % 2 ? '&' : 'a';
	assert_int_equal(web_form_parse(text, sizeof(text), &f), TM_EFULL);
	assert_int_equal(web_form_parse(text, sizeof(text) - 2, &f), TM_OK);
	assert_int_equal(f.n, WEB_FORM_FIELDS);
	assert_string_equal(f.fields[WEB_FORM_FIELDS - 1].name, "a");
	web_form_deinit(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_and_values_are_decoded),
		cmocka_unit_test(what_is_empty_is_there_and_what_is_left_out_is_not),
		cmocka_unit_test(of_two_fields_of_a_name_the_first_counts),
		cmocka_unit_test(what_is_no_text_is_refused),
		cmocka_unit_test(so_many_fields_and_no_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
