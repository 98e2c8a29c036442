/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/unit.h"

#include "web/http.h"

static void the_first_cookie_of_the_name_is_found_and_no_other(void **state UNUSED)
{
	static const struct {
		const char *field, *value; /* NULL: none */
	} rows[] = {
		{NULL, NULL},
		{"", NULL},
		{"tm=abc", "abc"},
		{"tm=", ""},
		{"a=1; tm=abc", "abc"},
		{"a=1;tm=abc;b=2", "abc"},
		{"tm=abc; tm=def", "abc"},
		{"atm=1; tm=abc", "abc"},
		{"tma=1; tm=abc", "abc"},
		{"tm", NULL},
		{"tm; x=tm=abc", NULL},
		{"TM=abc", NULL},
		{";;; ; tm=a=b", "a=b"},
		{"a=\"tm=abc\"", NULL},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct web_caller c = {.cookie = rows[i].field};
		size_t n = 0;
		const char *v = web_cookie(&c, "tm", &n);

		if ((v == NULL) != (rows[i].value == NULL) ||
			(v && (n != strlen(rows[i].value) || memcmp(v, rows[i].value, n) != 0)))
			fail_msg("row %zu: %s", i, rows[i].field);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_cookie_of_the_name_is_found_and_no_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
