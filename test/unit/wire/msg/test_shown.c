/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/unit.h"

#include "wire/msg/shown.h"

static json_t *object_of(const char *text)
{
	json_t *j = json_loads(text, 0, NULL);

	assert_non_null(j);
	return j;
}

static void what_is_there_is_shown_and_all_else_is_empty(void **state)
{
	json_t *j = object_of("{\"s\":\"x\",\"i\":7,\"f\":1.5,\"t\":true,\"n\":null,\"no\":false,\"o\":{}}");

	(void)state;
	assert_string_equal(msg_shown_text(j, "s"), "x");
	assert_string_equal(msg_shown_text(j, "i"), "");
	assert_string_equal(msg_shown_text(j, "gone"), "");
	assert_string_equal(msg_shown_text(NULL, "s"), "");
	assert_int_equal(msg_shown_int(j, "i"), 7);
	assert_int_equal(msg_shown_int(j, "s"), 0);
	assert_true(msg_shown_number(j, "f") > 1.4);
	assert_true(msg_shown_number(j, "i") > 6.9);
	assert_true(msg_shown_number(j, "n") < 0);
	assert_true(msg_shown_true(j, "t"));
	assert_false(msg_shown_true(j, "i"));
	assert_true(msg_shown_false(j, "no"));
	assert_false(msg_shown_false(j, "n"));
	assert_non_null(msg_shown_object(j, "o"));
	assert_null(msg_shown_object(j, "s"));
	json_decref(j);
}

static void only_a_whole_object_is_read(void **state)
{
	msg_object *j = msg_object_read("{\"ok\":true}");

	(void)state;
	assert_true(msg_shown_true(j, "ok"));
	msg_object_free(j);
	assert_null(msg_object_read("{\"ok\":"));
}

static void a_list_gives_what_is_of_its_kind(void **state)
{
	json_t *j = object_of("{\"l\":[{\"a\":1},\"w\",3,{\"a\":2},\"v\"]}");
	size_t i = 0;

	(void)state;
	assert_int_equal(msg_shown_int(msg_shown_member(j, "l", &i), "a"), 1);
	assert_int_equal(msg_shown_int(msg_shown_member(j, "l", &i), "a"), 2);
	assert_null(msg_shown_member(j, "l", &i));
	i = 0;
	assert_string_equal(msg_shown_word(j, "l", &i), "w");
	assert_string_equal(msg_shown_word(j, "l", &i), "v");
	assert_null(msg_shown_word(j, "l", &i));
	assert_null(msg_shown_member(j, "gone", &i));
	assert_int_equal(msg_shown_count(j, "l"), 5);
	json_decref(j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_there_is_shown_and_all_else_is_empty),
		cmocka_unit_test(only_a_whole_object_is_read),
		cmocka_unit_test(a_list_gives_what_is_of_its_kind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
