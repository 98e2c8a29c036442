/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/unit.h"
#include "wire/xml.h"

static void the_value_of_an_element_is_found_or_there_is_none(void **state)
{
	static const struct {
		const char *text, *value; /* NULL: none */
	} rows[] = {
		{"<a>1</a>", "1"}, {"<A> \r\n 1\t</A>", "1"},
		{"<?xml version=\"1.0\"?><!DOCTYPE x><r><n:a b='c/d'>1</n:a></r>", "1"},
		{"<!-- <a>0</a> --><a>1</a>", "1"}, {"<a/>", ""}, {"<a></a>", ""},
		{"<b>0</b><aa>0</aa><a>1</a><a>2</a>", "1"},
		{"<a>1&amp;2&lt;&gt;&quot;&apos;&eacute;&", "1&2<>\"'&eacute;&"}, {"<a>1", "1"},
		{"<b>1</b>", NULL}, {"<a", NULL}, {"<", NULL}, {"", NULL}, {"a>1</a>", NULL},
		{"<!-- <a>1</a>", NULL}, {"<a>1\n2</a>", NULL}, /* no line of ours shall have two */
		{"<a>12345678901234567890123456789</a>", NULL}, /* longer than the room for it */
	};
	char value[24];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		bool found = xml_value(rows[i].text, strlen(rows[i].text), "a", value, sizeof(value));
		if (found != (rows[i].value != NULL) || (found && strcmp(value, rows[i].value) != 0))
			fail_msg("row %zu: \"%s\"", i, found ? value : "none");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_value_of_an_element_is_found_or_there_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
