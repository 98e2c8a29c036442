/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "data/peer/cookie.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/secret.h"
#include "crypto/init.h"

static const uint8_t server_pub[WG_KEY] = {1, 2, 3}, other_pub[WG_KEY] = {9};
static const struct endpoint home = {.ip = {IP_V4, {192, 0, 2, 1}}, .port = 4000};

struct scene {
	struct cookie_oven oven; /* the server's */
	struct cookie_jar jar; /* the client's, for the server */
	struct aead *aead;
	uint8_t msg[WG_INIT_LEN];
};

static void counted(void *ctx, void *out, size_t n)
{
	static uint8_t v;

	(void)ctx;
	memset(out, ++v, n);
}

static int set_up(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));

	if (!s || crypto_init(NULL) < 0 || aead_new(&s->aead) < 0)
		return -1;
	cookie_oven_init(&s->oven, server_pub);
	cookie_jar_init(&s->jar, server_pub);
	memset(s->msg, 0x5a, sizeof(s->msg));
	*state = s;
	return 0;
}

static int tear_down(void **state)
{
	struct scene *s = *state;

	aead_free(s->aead);
	free(s);
	return 0;
}

static int fetch_cookie(struct scene *s, const struct endpoint *from, ns_t now)
{
	uint8_t reply[WG_COOKIE_REPLY_LEN];
	struct wg_cookie_reply m;

	assert_int_equal(cookie_reply_create(&s->oven, s->aead, from, 77, s->msg, sizeof(s->msg), now,
				 counted, NULL, reply),
		TM_OK);
	assert_int_equal(wg_cookie_reply_decode(reply, sizeof(reply), &m), TM_OK);
	assert_int_equal(m.receiver, 77);
	return cookie_jar_consume(&s->jar, s->aead, &m, now);
}

static void mac1_proves_knowledge_of_the_public_key(void **state)
{
	struct scene *s = *state;
	struct cookie_jar wrong;

	cookie_jar_sign(&s->jar, s->msg, sizeof(s->msg), 0);
	assert_true(cookie_mac1_ok(&s->oven, s->msg, sizeof(s->msg)));
	for (size_t i = 0; i < sizeof(s->msg) - WG_MAC; i++) {
		s->msg[i] ^= 1;
		assert_false(cookie_mac1_ok(&s->oven, s->msg, sizeof(s->msg)));
		s->msg[i] ^= 1;
	}
	cookie_jar_init(&wrong, other_pub);
	cookie_jar_sign(&wrong, s->msg, sizeof(s->msg), 0);
	assert_false(cookie_mac1_ok(&s->oven, s->msg, sizeof(s->msg)));
	for (size_t n = 0; n < 2 * WG_MAC; n++)
		assert_false(cookie_mac1_ok(&s->oven, s->msg, n));
}

static void without_a_cookie_mac2_is_zero(void **state)
{
	struct scene *s = *state;

	cookie_jar_sign(&s->jar, s->msg, sizeof(s->msg), 1 * SEC);
	assert_true(ct_is_zero(s->msg + WG_INIT_MAC2, WG_MAC));
	assert_false(cookie_mac2_ok(&s->oven, &home, s->msg, sizeof(s->msg), 1 * SEC));
}

static void a_cookie_makes_mac2_valid_at_its_address_and_port_only(void **state)
{
	struct scene *s = *state;
	struct endpoint other_port = home, other_ip = home;

	cookie_jar_sign(&s->jar, s->msg, sizeof(s->msg), 1 * SEC);
	assert_int_equal(fetch_cookie(s, &home, 1 * SEC), TM_OK);
	cookie_jar_sign(&s->jar, s->msg, sizeof(s->msg), 2 * SEC);
	assert_true(cookie_mac2_ok(&s->oven, &home, s->msg, sizeof(s->msg), 2 * SEC));
	other_port.port++;
	other_ip.ip.bytes[3]++;
	assert_false(cookie_mac2_ok(&s->oven, &other_port, s->msg, sizeof(s->msg), 2 * SEC));
	assert_false(cookie_mac2_ok(&s->oven, &other_ip, s->msg, sizeof(s->msg), 2 * SEC));
	s->msg[20] ^= 1;
	assert_false(cookie_mac2_ok(&s->oven, &home, s->msg, sizeof(s->msg), 2 * SEC));
}

static void a_cookie_is_used_for_115_seconds(void **state)
{
	struct scene *s = *state;

	cookie_jar_sign(&s->jar, s->msg, sizeof(s->msg), 1 * SEC);
	assert_int_equal(fetch_cookie(s, &home, 1 * SEC), TM_OK);
	cookie_jar_sign(&s->jar, s->msg, sizeof(s->msg), 115 * SEC);
	assert_false(ct_is_zero(s->msg + WG_INIT_MAC2, WG_MAC));
	cookie_jar_sign(&s->jar, s->msg, sizeof(s->msg), 116 * SEC);
	assert_true(ct_is_zero(s->msg + WG_INIT_MAC2, WG_MAC));
}

static void the_cookie_secret_lives_120_seconds(void **state)
{
	struct scene *s = *state;
	uint8_t secret[32];

	cookie_jar_sign(&s->jar, s->msg, sizeof(s->msg), 1 * SEC);
	assert_int_equal(fetch_cookie(s, &home, 1 * SEC), TM_OK);
	memcpy(secret, s->oven.secret, sizeof(secret));
	cookie_jar_sign(&s->jar, s->msg, sizeof(s->msg), 100 * SEC);
	assert_true(cookie_mac2_ok(&s->oven, &home, s->msg, sizeof(s->msg), 120 * SEC));
	assert_false(cookie_mac2_ok(&s->oven, &home, s->msg, sizeof(s->msg), 121 * SEC));
	assert_int_equal(fetch_cookie(s, &home, 120 * SEC), TM_OK);
	assert_memory_equal(secret, s->oven.secret, sizeof(secret));
	cookie_jar_sign(&s->jar, s->msg, sizeof(s->msg), 121 * SEC);
	assert_int_equal(fetch_cookie(s, &home, 121 * SEC), TM_OK);
	assert_memory_not_equal(secret, s->oven.secret, sizeof(secret));
}

static void a_reply_counts_once_and_only_for_our_last_message(void **state)
{
	struct scene *s = *state;
	uint8_t reply[WG_COOKIE_REPLY_LEN];
	struct wg_cookie_reply m;

	assert_int_equal(fetch_cookie(s, &home, 1 * SEC), TM_EAUTH); /* nothing was sent yet */
	cookie_jar_sign(&s->jar, s->msg, sizeof(s->msg), 1 * SEC);
	assert_int_equal(cookie_reply_create(&s->oven, s->aead, &home, 1, s->msg, sizeof(s->msg), 1 * SEC,
				 counted, NULL, reply),
		TM_OK);
	assert_int_equal(wg_cookie_reply_decode(reply, sizeof(reply), &m), TM_OK);
	for (size_t i = 8; i < sizeof(reply); i++) {
		reply[i] ^= 1;
		assert_int_equal(cookie_jar_consume(&s->jar, s->aead, &m, 1 * SEC), TM_EAUTH);
		reply[i] ^= 1;
	}
	assert_int_equal(cookie_jar_consume(&s->jar, s->aead, &m, 1 * SEC), TM_OK);
	assert_int_equal(cookie_jar_consume(&s->jar, s->aead, &m, 1 * SEC), TM_EAUTH);
	s->msg[9] ^= 1;
	cookie_jar_sign(&s->jar, s->msg, sizeof(s->msg), 2 * SEC);
	assert_int_equal(
		cookie_jar_consume(&s->jar, s->aead, &m, 2 * SEC), TM_EAUTH); /* about an older message */
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(mac1_proves_knowledge_of_the_public_key),
		CASE(without_a_cookie_mac2_is_zero),
		CASE(a_cookie_makes_mac2_valid_at_its_address_and_port_only),
		CASE(a_cookie_is_used_for_115_seconds),
		CASE(the_cookie_secret_lives_120_seconds),
		CASE(a_reply_counts_once_and_only_for_our_last_message),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
