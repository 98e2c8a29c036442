/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/unit.h"

#include "base/jsonout.h"

static void expect(struct jsonout *o, const char *text)
{
	size_t n = 0;
	char *s = jsonout_take(o, &n);

	assert_non_null(s);
	assert_string_equal(s, text);
	assert_int_equal(n, strlen(text));
	free(s);
}

static void commas_and_keys_stand_where_they_belong(void **state)
{
	struct jsonout o = {0};
	(void)state;

	jsonout_object(&o, NULL);
	jsonout_text(&o, "a", "x");
	jsonout_list(&o, "b");
	jsonout_int(&o, NULL, 1);
	jsonout_object(&o, NULL);
	jsonout_object_end(&o);
	jsonout_bool(&o, NULL, true);
	jsonout_list_end(&o);
	jsonout_list(&o, "c");
	jsonout_list_end(&o);
	jsonout_raw(&o, "d", "[7]", 3);
	jsonout_object_end(&o);
	expect(&o, "{\"a\":\"x\",\"b\":[1,{},true],\"c\":[],\"d\":[7]}");
	/* It can be used again. */
	jsonout_bool(&o, NULL, false);
	expect(&o, "false");
}

static void any_text_becomes_a_valid_string(void **state)
{
	static const struct {
		const char *text, *json;
	} rows[] = {
		{"", "\"\""},
		{"plain", "\"plain\""},
		{"a\"b\\c", "\"a\\u0022b\\u005cc\""},
		{"\x1b[2J\n\x7f", "\"\\u001b[2J\\u000a\\u007f\""},
		{"J\xc3\xb6 \xe2\x82\xac \xf0\x9f\x98\x80", "\"J\xc3\xb6 \xe2\x82\xac \xf0\x9f\x98\x80\""},
		{"\xff", "\"?\""},
		{"a\xc3", "\"a?\""}, /* cut off */
		{"\xc0\x80", "\"??\""}, /* not the shortest form */
		{"\xed\xa0\x80", "\"???\""}, /* a surrogate */
		{"\xf4\x90\x80\x80", "\"????\""}, /* beyond U+10FFFF */
		{"\xf4\x8f\xbf\xbf", "\"\xf4\x8f\xbf\xbf\""},
	};
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct jsonout o = {0};

		jsonout_text(&o, NULL, rows[i].text);
		expect(&o, rows[i].json);
	}
}

static void numbers_are_whole_up_to_their_ends(void **state)
{
	struct jsonout o = {0};
	(void)state;

	jsonout_list(&o, NULL);
	jsonout_int(&o, NULL, 0);
	jsonout_int(&o, NULL, -1);
	jsonout_int(&o, NULL, INT64_MAX);
	jsonout_int(&o, NULL, INT64_MIN);
	jsonout_list_end(&o);
	expect(&o, "[0,-1,9223372036854775807,-9223372036854775808]");
}

static void bytes_of_any_length_become_digits(void **state)
{
	struct jsonout o = {0};
	uint8_t bytes[200];
	(void)state;

	memset(bytes, 0, sizeof(bytes));
	jsonout_base64(&o, NULL, bytes, 2);
	expect(&o, "\"AAA=\"");
	jsonout_hex(&o, NULL, "\x01\xab", 2);
	expect(&o, "\"01ab\"");
	jsonout_base64(&o, NULL, bytes, 0);
	expect(&o, "\"\"");
	jsonout_base64(&o, NULL, bytes, sizeof(bytes));
	char *s = jsonout_take(&o, NULL);
	assert_int_equal(strlen(s), 2 + 268);
	assert_int_equal(strspn(s + 1, "A"), 267); /* no padding in the middle */
	free(s);
}

static void none_is_null(void **state)
{
	struct jsonout o = {0};
	(void)state;

	jsonout_list(&o, NULL);
	jsonout_text_or_null(&o, NULL, "");
	jsonout_text_or_null(&o, NULL, "0");
	jsonout_int_or_null(&o, NULL, 0);
	jsonout_int_or_null(&o, NULL, -1);
	jsonout_list_end(&o);
	expect(&o, "[null,\"0\",null,-1]");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commas_and_keys_stand_where_they_belong),
		cmocka_unit_test(any_text_becomes_a_valid_string),
		cmocka_unit_test(numbers_are_whole_up_to_their_ends),
		cmocka_unit_test(none_is_null),
		cmocka_unit_test(bytes_of_any_length_become_digits),
	};

	return cmocka_run_group_tests_name("jsonout", tests, NULL, NULL);
}
