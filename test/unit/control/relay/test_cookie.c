/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "control/relay/cookie.h"

#include "crypto/init.h"
#include "unit/unit.h"

#define HOUR (3600 * SEC)

static const uint8_t private_key[32] = {1, 2, 3};

static struct endpoint at(const char *text)
{
	struct endpoint ep;

	assert_int_equal(endpoint_parse(text, &ep), TM_OK);
	return ep;
}

static void a_cookie_is_good_for_one_member_at_one_address_for_an_hour_or_two(void **state)
{
	static const struct {
		const char *why, *id, *at;
		ns_t after;
		bool right;
	} rows[] = {
		{"the same", "0123456789abcdef", "192.0.2.1:4000", 0, true},
		{"later in the hour", "0123456789abcdef", "192.0.2.1:4000", HOUR - 1, true},
		{"in the next hour", "0123456789abcdef", "192.0.2.1:4000", 2 * HOUR - 1, true},
		{"two hours later", "0123456789abcdef", "192.0.2.1:4000", 2 * HOUR, false},
		{"an hour that is still to come", "0123456789abcdef", "192.0.2.1:4000", -HOUR, false},
		{"another member", "0123456789abcdee", "192.0.2.1:4000", 0, false},
		{"another port", "0123456789abcdef", "192.0.2.1:4001", 0, false},
		{"another address", "0123456789abcdef", "192.0.2.2:4000", 0, false},
		{"the same bytes as IPv6", "0123456789abcdef", "[c000:201::]:4000", 0, false},
	};
	const ns_t then = 1000 * HOUR;
	const struct endpoint from = at("192.0.2.1:4000");
	struct cookie_key key;
	uint8_t cookie[STUN_COOKIE];

	(void)state;
	assert_int_equal(cookie_key_init(&key, private_key), TM_OK);
	cookie_make(&key, "0123456789abcdef", &from, then, cookie);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct endpoint ep = at(rows[i].at);

		if (cookie_is_right(&key, rows[i].id, &ep, then + rows[i].after, cookie) != rows[i].right)
			fail_msg("%s", rows[i].why);
	}
	for (size_t i = 0; i < 8 * STUN_COOKIE; i++) {
		cookie[i / 8] ^= (uint8_t)(1u << i % 8);
		assert_false(cookie_is_right(&key, "0123456789abcdef", &from, then, cookie));
		cookie[i / 8] ^= (uint8_t)(1u << i % 8);
	}
	assert_false(cookie_is_right(&key, "0123456789abcdef", &from, then, (uint8_t[STUN_COOKIE]){0}));
	cookie_key_deinit(&key);
}

static void a_relay_that_starts_anew_takes_its_cookies_and_no_other_does(void **state)
{
	static const uint8_t other_key[32] = {1, 2, 4};
	const struct endpoint from = at("[2001:db8::1]:4000");
	struct cookie_key key, again, other;
	uint8_t cookie[STUN_COOKIE];

	(void)state;
	assert_int_equal(cookie_key_init(&key, private_key), TM_OK);
	assert_int_equal(cookie_key_init(&again, private_key), TM_OK);
	assert_int_equal(cookie_key_init(&other, other_key), TM_OK);
	cookie_make(&key, "0123456789abcdef", &from, HOUR, cookie);
	assert_true(cookie_is_right(&again, "0123456789abcdef", &from, HOUR, cookie));
	assert_false(cookie_is_right(&other, "0123456789abcdef", &from, HOUR, cookie));
}

static int setup(void **state UNUSED)
{
	return crypto_init(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_cookie_is_good_for_one_member_at_one_address_for_an_hour_or_two),
		cmocka_unit_test(a_relay_that_starts_anew_takes_its_cookies_and_no_other_does),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
