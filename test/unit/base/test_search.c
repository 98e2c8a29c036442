/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* base/text.h beside the C library's own, on texts of so few letters that there is much to be found. */
#include "base/text.h"

#include "unit/unit.h"

#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 20000, LETTERS = 12 };

static uint32_t dice = 1;

static uint32_t below(uint32_t n)
{
	dice = dice * 1664525 + 1013904223;
	return (dice >> 16) % n;
}

static size_t make(char text[static LETTERS + 1], size_t most)
{
	static const char letters[] = "aAbB,;";
	const size_t n = below((uint32_t)most + 1);

	for (size_t i = 0; i < n; i++)
		text[i] = letters[below(sizeof(letters) - 1)];
	text[n] = '\0';
	return n;
}

static void what_is_found_is_what_the_c_library_finds(void **state)
{
	char text[LETTERS + 1], part[LETTERS + 1];

	(void)state;
	for (unsigned i = 0; i < ROUNDS; i++) {
		const size_t n = make(text, LETTERS), m = make(part, 3);

		assert_ptr_equal(bytes_find(text, n, part, m), memmem(text, n, part, m));
		assert_ptr_equal(bytes_find_last(text, 'a', n), memrchr(text, 'a', n));
		assert_int_equal(text_has(text, part), strcasestr(text, part) != NULL);
	}
}

static void nothing_is_read_behind_the_end(void **state)
{
	char *text = malloc(3);

	(void)state;
	assert_non_null(text);
	memcpy(text, "aab", 3);
	assert_null(bytes_find(text, 2, "ab", 2));
	assert_null(bytes_find(text, 3, "bc", 2));
	assert_null(bytes_find(text, 3, "aabb", 4));
	assert_null(bytes_find_last(text, 'b', 2));
	assert_null(bytes_find(NULL, 0, "a", 1));
	assert_null(bytes_find_last(NULL, 'a', 0));
	free(text);
}

static void texts_are_split_as_the_c_library_does(void **state)
{
	char ours[LETTERS + 1], theirs[LETTERS + 1];

	(void)state;
	for (unsigned i = 0; i < ROUNDS; i++) {
		char *a = ours, *b = theirs, *word, *same;

		make(ours, LETTERS);
		memcpy(theirs, ours, sizeof(ours));
		do {
			word = text_split(&a, ",;");
			same = strsep(&b, ",;");
			assert_int_equal(word != NULL, same != NULL);
			if (word)
				assert_string_equal(word, same);
			assert_int_equal(a ? a - ours : -1, b ? b - theirs : -1);
		} while (word);
	}
}

static void what_is_printed_is_as_long_as_it_is(void **state)
{
	char long_text[5000];

	(void)state;
	memset(long_text, 'x', sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = '\0';

	char *s = text_printf("%s-%d", long_text, 7);
	assert_non_null(s);
	assert_int_equal(strlen(s), sizeof(long_text) - 1 + 2);
	assert_string_equal(s + sizeof(long_text) - 1, "-7");
	free(s);

	s = text_printf("%s", "");
	assert_non_null(s);
	assert_string_equal(s, "");
	free(s);
}

static void an_array_beyond_all_memory_is_refused_and_stays(void **state)
{
	uint32_t *v = array_resize(NULL, 2, sizeof(*v));

	(void)state;
	assert_non_null(v);
	v[0] = 1;
	v[1] = 2;
	assert_null(array_resize(v, SIZE_MAX / sizeof(*v) + 2, sizeof(*v)));
	assert_int_equal(v[1], 2);

	uint32_t *more = array_resize(v, 1000, sizeof(*v));
	assert_non_null(more);
	assert_int_equal(more[0], 1);
	assert_int_equal(more[1], 2);
	free(more);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_found_is_what_the_c_library_finds),
		cmocka_unit_test(nothing_is_read_behind_the_end),
		cmocka_unit_test(texts_are_split_as_the_c_library_does),
		cmocka_unit_test(what_is_printed_is_as_long_as_it_is),
		cmocka_unit_test(an_array_beyond_all_memory_is_refused_and_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
