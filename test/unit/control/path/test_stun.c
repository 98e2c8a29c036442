/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "control/path/stun.h"

#include "crypto/init.h"

#include "unit/unit.h"

/* The replay guard of checks, against a set that forgets nothing. */
static void each_stamp_is_answered_once(void **state)
{
	static const struct {
		uint64_t stamp;
		bool ok;
	} steps[] = {
		{20000000000, true},
		{20000000000, false},
		{20000000005, true},
		{20000000003, true},
		{20000000003, false},
		{14999999999, false},
		/* far older than the first */ {15000000001, true},
		{40000000000, true},
		{40000000000, false},
		{0, false},
	};
	struct stun_window r = {.floor = 0};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(steps); i++)
		if (stun_window_accept(&r, steps[i].stamp) != steps[i].ok)
			fail_msg("step %zu", i);
}

static void what_was_answered_before_a_restart_stays_refused(void **state)
{
	struct stun_window before = {.floor = 0}, after = {.floor = 0};

	(void)state;
	assert_int_equal(stun_window_newest(&before), 0);
	assert_true(stun_window_accept(&before, 90000000002));
	assert_true(stun_window_accept(&before, 90000000001));
	assert_int_equal(stun_window_newest(&before), 90000000002);
	after.floor = stun_window_newest(&before);
	assert_false(stun_window_accept(&after, 90000000001));
	assert_false(stun_window_accept(&after, 90000000002));
	/* The first one after it must not lower the floor again. */
	assert_true(stun_window_accept(&after, 90000000003));
	assert_false(stun_window_accept(&after, 90000000000));
}

static void no_stamp_is_ever_answered_twice(void **state)
{
	enum { N = 4000 };
	static bool seen[N];
	struct stun_window r = {.floor = 0};
	uint32_t x = 7;
	unsigned refused_new = 0;

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		unsigned newest = i / 5, at;

		x = x * 1664525 + 1013904223;
		at = newest > x >> 26 ? newest - (x >> 26) : newest; /* up to 63 late */
		if (at >= N)
			at = N - 1;
		bool ok = stun_window_accept(&r, 1000 + at);
		if (ok && seen[at])
			fail_msg("stamp %u twice", at);
		refused_new += !ok && !seen[at] && newest - at < 4;
		seen[at] |= ok;
	}
	assert_int_equal(refused_new, 0);
}

static uint32_t seven(void *ctx UNUSED)
{
	return 7;
}

static void no_answer_is_longer_than_its_question(void **state)
{
	static const struct {
		const char *why;
		struct stun_msg ask, more;
	} rows[] = {
		{"our address", {0}, {0}},
		{"a check", {.priority = 1}, {0}},
		{"a registration", {.has_lifetime = true, .has_cookie = true},
			{.has_lifetime = true, .has_cookie = true}},
		{"all", {.has_lifetime = true, .has_cookie = true, .change_ip = true},
			{.has_lifetime = true,
				.has_cookie = true,
				.other = {.ip = {.family = IP_V6}, .port = 1},
				.origin = {.ip = {.family = IP_V6}, .port = 1}}},
		{"a check of 1,472 bytes", {.priority = 1, .pad_to = 1472}, {0}},
	};
	static const uint8_t key[STUN_KEY] = {1};
	const struct endpoint from = {.ip = {.family = IP_V6, .bytes = {0x20, 1}}, .port = 51820};
	struct stun_self self = {.id = "aaaaaaaaaaaaaaaa", .random = seven},
			 peer = {.id = "bbbbbbbbbbbbbbbb"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint8_t question[STUN_MAX], answer[STUN_MAX];
		char sender[NODE_ID_LEN + 1];
		struct stun_msg req, got;
		uint64_t stamp;
		size_t n = stun_ask(&self, peer.id, key, &rows[i].ask, question, sizeof(question), &stamp);

		assert_int_equal(stun_open(&peer, question, n, &req, sender), TM_OK);
		size_t back = stun_reply(
			&peer, self.id, key, &req, n, &from, &rows[i].more, answer, sizeof(answer));
		if (!back || back > n || back > STUN_ANSWER_WHOLE)
			fail_msg("%s: %zu bytes asked, %zu answered", rows[i].why, n, back);
		/* A path that carries long ones one way need not carry them back. */
		assert_int_equal(stun_open(&self, answer, back, &got, sender), TM_OK);
		assert_true(endpoint_eq(&got.mapped, &from));
		assert_int_equal(stun_stamp(&got), stamp);
	}
}

static void a_question_too_short_for_its_answer_gets_none(void **state)
{
	static const uint8_t key[STUN_KEY] = {1};
	struct stun_self peer = {.id = "bbbbbbbbbbbbbbbb"};
	struct stun_msg req = {
		.class = STUN_REQUEST, .method = 1, .username = "bbbbbbbbbbbbbbbb:aaaaaaaaaaaaaaaa"};
	struct endpoint from = {.ip = ip_v4((uint8_t[]){192, 0, 2, 1}), .port = 9};
	uint8_t question[STUN_MAX], answer[STUN_MAX];

	(void)state;
	size_t n = stun_encode(&req, key, question, sizeof(question));
	assert_int_equal(n, 104);
	assert_int_equal(
		stun_reply(&peer, "aaaaaaaaaaaaaaaa", key, &req, n, &from, NULL, answer, sizeof(answer)), 0);
	assert_int_equal(
		stun_reply(&peer, "aaaaaaaaaaaaaaaa", key, &req, n + 12, &from, NULL, answer, sizeof(answer)),
		116);
}

static int setup(void **state UNUSED)
{
	return crypto_init(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_answer_is_longer_than_its_question),
		cmocka_unit_test(a_question_too_short_for_its_answer_gets_none),
		cmocka_unit_test(each_stamp_is_answered_once),
		cmocka_unit_test(what_was_answered_before_a_restart_stays_refused),
		cmocka_unit_test(no_stamp_is_ever_answered_twice),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
