/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/unit.h"

#include "base/plain.h"

static void what_could_deceive_a_reader_becomes_question_marks(void **state)
{
	static const struct {
		const char *from, *to; /* NULL: the same */
	} rows[] = {
		{"", NULL}, {"laptop-2", NULL}, {"caf\xc3\xa9 \xc2\xb7 \xe2\x9c\x93 \xf0\x9f\x90\xa7", NULL},
		{"a\033[2Jb\r\n\t\x7f", "a?[2Jb????"}, {"x\xc2\x9bz", "x??z"}, /* C1: CSI in one character */
		{"\xe2\x80\xae"
		 "gpj.exe",
			"???gpj.exe"}, /* turned round */
		{"\xe2\x81\xa6x\xe2\x81\xa9", "???x???"}, /* an isolate */
		{"\xd8\x9c\xe2\x80\x8e\xe2\x80\xa8", "????????"},
		{"ad\xe2\x80\x8bmin", "ad???min"}, /* no width */
		{"\xff\xfe", "??"}, {"\x80\xbf", "??"}, /* continuations of nothing */
		{"\xc3", "?"}, {"\xe2\x9c", "??"},
		{"\xc0\xaf\xe0\x80\xaf", "?????"}, /* longer than they need be */
		{"\xed\xa0\x80", "???"}, /* half of a pair */
		{"\xf4\x90\x80\x80", "????"}, /* beyond Unicode */
		{"\xf3\xa0\x81\x81", "????"}, /* a tag */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *to = rows[i].to ? rows[i].to : rows[i].from;
		char buf[64];

		snprintf(buf, sizeof(buf), "%s", rows[i].from);
		if (plain_is(buf) != !rows[i].to || strcmp(plain_make(buf), to) != 0 || !plain_is(buf))
			fail_msg("row %zu: %s", i, buf);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_could_deceive_a_reader_becomes_question_marks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
