/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/unit.h"

#include <limits.h>

#include "base/suggest.h"

static void distance_counts_single_slips(void **state UNUSED)
{
	static const struct {
		const char *a, *b;
		unsigned d;
	} rows[] = {
		{"status", "status", 0},
		{"statu", "status", 1},
		{"sttatus", "status", 1},
		{"stauts", "status", 1},
		{"", "up", 2},
		{"peers", "ping", 4},
		{"a", "", 1},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(word_distance(rows[i].a, rows[i].b), rows[i].d);
		assert_int_equal(word_distance(rows[i].b, rows[i].a), rows[i].d);
	}
	assert_int_equal(word_distance("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "a"), UINT_MAX);
}

static void only_a_near_word_is_suggested(void **state UNUSED)
{
	static const char *const offered[] = {
		"init", "join", "up", "down", "leave", "status", "peers", "token"};
	static const struct {
		const char *typed, *best;
	} rows[] = {
		{"stauts", "status"},
		{"stat", "status"},
		{"jion", "join"},
		{"inti", "init"},
		{"tokens", "token"},
		{"frobnicate", NULL},
		{"x", NULL},
		{"", NULL},
		{"pu", "up"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct suggest s = suggest_for(rows[i].typed);

		for (size_t k = 0; k < ARRAY_LEN(offered); k++)
			suggest_offer(&s, offered[k]);
		if (!s.best != !rows[i].best || (s.best && strcmp(s.best, rows[i].best) != 0))
			fail_msg("\"%s\": %s", rows[i].typed, s.best ? s.best : "nothing");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(distance_counts_single_slips),
		cmocka_unit_test(only_a_near_word_is_suggested),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
