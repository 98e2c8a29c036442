/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Whose answer is it? */
#include "unit/unit.h"

#include "crypto/init.h"
#include "wire/portal.h"

static const char token[] = "0123456789abcdef";

static void the_coordinators_answer_is_the_only_clean_one(void **state)
{
	static const struct {
		const char *answer;
		bool over;
		enum portal_verdict verdict;
	} rows[] = {
		{"", false, PORTAL_WAITS},
		{"", true, PORTAL_SILENT},
		{"HTTP/1.1 200 OK\r\n", false, PORTAL_WAITS},
		{"HTTP/1.1 200 OK\r\n", true, PORTAL_OTHER},
		{"HTTP/1.1 200 OK\r\n\r\n<html>sign in", false, PORTAL_OTHER},
		{"HTTP/1.1 200 OK\r\n\r\n0123456789abcdef\n", true,
			PORTAL_OTHER}, /* what was asked, repeated */
		{"HTTP/1.1 302 Found\r\nLocation: http://portal/\r\n\r\n", false, PORTAL_SIGN_IN},
		{"HTTP/1.1 511 Network Authentication Required\r\n\r\n", false, PORTAL_SIGN_IN},
		{"HTTP/1.1 404 Not Found\r\n\r\n", false, PORTAL_OTHER},
		{"SSH-2.0-OpenSSH_9.2\r\n\r\n", false, PORTAL_OTHER},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (portal_judge(rows[i].answer, strlen(rows[i].answer), rows[i].over, token) !=
			rows[i].verdict)
			fail_msg("row %zu", i);
}

static void a_question_is_answered_and_the_answer_recognised_in_any_pieces(void **state)
{
	char question[PORTAL_TEXT_MAX], answer[PORTAL_TEXT_MAX], seen[PORTAL_TOKEN + 1];
	size_t n = portal_question("example.org:8443", token, question, sizeof(question));

	(void)state;
	assert_true(n > 0);
	assert_true(portal_is_question(question, n, seen));
	assert_string_equal(seen, token);
	n = portal_answer(seen, answer, sizeof(answer));
	assert_true(n > 0);
	for (size_t i = 0; i < n - 1; i++)
		if (portal_judge(answer, i, false, token) != PORTAL_WAITS)
			fail_msg("%zu bytes", i);
	assert_int_equal(portal_judge(answer, n, false, token), PORTAL_CLEAN);
	assert_int_equal(portal_judge(answer, n, true, "0123456789abcdee"), PORTAL_OTHER);
	assert_int_equal(portal_question("example.org", token, question, 20), 0);
}

static void other_requests_are_no_such_question(void **state)
{
	static const char *const rows[] = {
		"GET / HTTP/1.1\r\n\r\n",
		"GET /generate-check HTTP/1.1\r\n\r\n",
		"GET /generate-check?0123456789abcde HTTP/1.1\r\n\r\n",
		"GET /generate-check?0123456789abcdeg HTTP/1.1\r\n\r\n",
		"GET /generate-check?0123456789abcdef0 HTTP/1.1\r\n\r\n",
		"GET /generate-check?0123456789abcdef",
	};
	char seen[PORTAL_TOKEN + 1];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_false(portal_is_question(rows[i], strlen(rows[i]), seen));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_coordinators_answer_is_the_only_clean_one),
		cmocka_unit_test(a_question_is_answered_and_the_answer_recognised_in_any_pieces),
		cmocka_unit_test(other_requests_are_no_such_question),
	};

	return crypto_init(NULL) == TM_OK ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
