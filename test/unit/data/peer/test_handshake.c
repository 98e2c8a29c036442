/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "data/peer/handshake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/encode.h"
#include "base/secret.h"
#include "crypto/init.h"

#define REAL (1767225600 * SEC) /* 2026-01-01T00:00:00Z */
enum { INDEX_A = 0x11223344, INDEX_B = (int)0xa1b2c3d4 };

struct side {
	struct hs_self self;
	struct handshake h;
	uint8_t e_priv[WG_KEY];
};

struct pair {
	struct side a, b;
	struct aead *aead;
};

static void side_init(struct side *s, uint8_t fill, uint8_t e_fill)
{
	uint8_t priv[WG_KEY];

	memset(priv, fill, WG_KEY);
	memset(s->e_priv, e_fill, WG_KEY);
	assert_int_equal(hs_self_init(&s->self, priv), TM_OK);
}

/* The fixed keys of wg_reference.py. */
static int set_up(void **state)
{
	struct pair *p = calloc(1, sizeof(*p));
	uint8_t psk[NOISE_PSK];

	if (!p || crypto_init(NULL) < 0 || aead_new(&p->aead) < 0)
		return -1;
	memset(psk, 3, sizeof(psk));
	side_init(&p->a, 1, 4);
	side_init(&p->b, 2, 5);
	handshake_init(&p->a.h, p->b.self.pub, psk);
	handshake_init(&p->b.h, p->a.self.pub, psk);
	*state = p;
	return 0;
}

static int tear_down(void **state)
{
	struct pair *p = *state;

	handshake_deinit(&p->a.h);
	handshake_deinit(&p->b.h);
	hs_self_deinit(&p->a.self);
	hs_self_deinit(&p->b.self);
	aead_free(p->aead);
	free(p);
	return 0;
}

static int make_init(struct pair *p, ns_t real, uint8_t msg[static WG_INIT_LEN])
{
	int err = handshake_create_init(&p->a.h, &p->a.self, p->aead, INDEX_A, real, p->a.e_priv, msg);

	if (err == TM_OK)
		handshake_sign(&p->a.h, msg, WG_INIT_LEN, 0);
	return err;
}

/* b takes the initiation at `now` and answers. */
static int answer(struct pair *p, const uint8_t *init, ns_t now, uint8_t msg[static WG_RESPONSE_LEN],
	struct hs_keys *keys)
{
	struct hs_incoming in;
	struct wg_init m;
	int err = wg_init_decode(init, WG_INIT_LEN, &m);

	if (err == TM_OK)
		err = handshake_identify(&p->b.self, p->aead, &m, &in);
	if (err < 0)
		return err;

	assert_memory_equal(in.remote, p->a.self.pub, WG_KEY);
	err = handshake_consume_init(&p->b.h, &p->b.self, p->aead, &m, &in);
	if (err == TM_OK)
		err = handshake_accept_init(&p->b.h, &in, now);
	if (err == TM_OK)
		err = handshake_create_response(
			&p->b.h, &in, p->aead, (uint32_t)INDEX_B, p->b.e_priv, msg, keys);
	if (err == TM_OK)
		handshake_sign(&p->b.h, msg, WG_RESPONSE_LEN, 0);
	return err;
}

static int finish(struct pair *p, const uint8_t *response, struct hs_keys *keys)
{
	struct wg_response m;

	assert_int_equal(wg_response_decode(response, WG_RESPONSE_LEN, &m), TM_OK);
	return handshake_consume_response(&p->a.h, p->aead, &m, keys);
}

static void assert_hex(const uint8_t *p, size_t n, const char *hex)
{
	uint8_t want[WG_INIT_LEN];

	assert_int_equal(hex_decode(hex, strlen(hex), want, n), TM_OK);
	assert_memory_equal(p, want, n);
}

/* Values computed by wg_reference.py, which shares no code with us. */
static void the_golden_handshake_is_stable_to_the_byte(void **state)
{
	struct pair *p = *state;
	uint8_t init[WG_INIT_LEN], response[WG_RESPONSE_LEN];
	struct hs_keys a, b;

	assert_int_equal(make_init(p, REAL, init), TM_OK);
	assert_hex(init, sizeof(init),
		"0100000044332211ac01b2209e86354fb853237b5de0f4fab13c7fcbf433a61c019369617fecf10b740b513c32e2"
		"75aef16684"
		"5895398e87e99acf254d250c287b6d54cd606e976c3f36058412595d95933c923fff7fe8b239d9893bbc9b266933"
		"a3863cac87"
		"13df02834bd26d6e1056b80be8df00e0c846b996f5f3c0068f73d6e201740000000000000000000000000000000"
		"0");
	assert_int_equal(answer(p, init, 1 * SEC, response, &b), TM_OK);
	assert_hex(response, sizeof(response),
		"02000000d4c3b2a14433221150a61409b1ddd0325e9b16b700e719e9772c07000b1bd7786e907c653d20495d03c5"
		"8eca1178b7"
		"b90886370672900e2344605d91e52cde7e25092773d62f87da00000000000000000000000000000000");
	assert_int_equal(finish(p, response, &a), TM_OK);
	assert_hex(
		a.send, sizeof(a.send), "62a921e82c289435bdbde3004e3ad962fd852efe28b25d0cdc61252690920169");
	assert_hex(
		a.recv, sizeof(a.recv), "92d96074be1df6b535201df5ee05f9d2b0fbb4310c66154b85d9fbd7e1a44571");
	assert_memory_equal(a.send, b.recv, sizeof(a.send));
	assert_memory_equal(a.recv, b.send, sizeof(a.recv));
	assert_int_equal(a.remote_index, (uint32_t)INDEX_B);
	assert_int_equal(b.remote_index, INDEX_A);
	assert_false(p->a.h.pending);
}

static void every_flipped_bit_of_either_message_is_noticed(void **state)
{
	struct pair *p = *state;
	uint8_t init[WG_INIT_LEN], response[WG_RESPONSE_LEN], spoiled[WG_INIT_LEN];
	struct hs_keys keys;

	assert_int_equal(make_init(p, REAL, init), TM_OK);
	for (size_t bit = 8 * WG_INIT_NOISE; bit < 8 * WG_INIT_MAC1; bit++) {
		memcpy(spoiled, init, sizeof(init));
		spoiled[bit / 8] ^= (uint8_t)(1u << bit % 8);
		/* X25519 ignores the top bit of a coordinate; the transcript does not */
		assert_true(answer(p, spoiled, 1 * SEC, response, &keys) < 0);
	}
	assert_int_equal(answer(p, init, 1 * SEC, response, &keys), TM_OK);
	for (size_t bit = 8 * WG_RESPONSE_NOISE; bit < 8 * WG_RESPONSE_MAC1; bit++) {
		response[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_true(finish(p, response, &keys) < 0);
		response[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	assert_int_equal(finish(p, response, &keys), TM_OK); /* none of them spoiled the attempt */
	assert_int_equal(finish(p, response, &keys), TM_ENOENT);
}

static void only_a_newer_timestamp_is_accepted(void **state)
{
	static const struct {
		uint8_t stamp[WG_TAI64N];
		int err;
	} rows[] = {
		{{0}, TM_EREPLAY},
		{{[0] = 0x40, [11] = 5}, TM_OK},
		{{[0] = 0x40, [11] = 5}, TM_EREPLAY},
		{{[0] = 0x40, [11] = 4}, TM_EREPLAY},
		{{[0] = 0x40, [11] = 6}, TM_OK},
		{{[0] = 0x40, [7] = 1}, TM_OK},
		{{[0] = 0x40, [11] = 255}, TM_EREPLAY},
	};
	struct pair *p = *state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct hs_incoming in = {0};

		memcpy(in.stamp, rows[i].stamp, WG_TAI64N);
		if (handshake_accept_init(&p->b.h, &in, (ns_t)(i + 1) * SEC) != rows[i].err)
			fail_msg("row %zu", i);
	}
}

static void initiations_come_at_most_every_20_ms(void **state)
{
	static const struct {
		ns_t at;
		int err;
	} rows[] = {
		{0, TM_OK},
		{19 * MS, TM_EAGAIN},
		{20 * MS, TM_OK},
		{39 * MS, TM_EAGAIN},
		{41 * MS, TM_OK},
	};
	struct pair *p = *state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct hs_incoming in = {.stamp = {0x40, [11] = (uint8_t)(i + 1)}};

		if (handshake_accept_init(&p->b.h, &in, rows[i].at) != rows[i].err)
			fail_msg("row %zu", i);
	}
}

static void stamps_grow_even_when_the_clock_does_not(void **state)
{
	static const ns_t clocks[] = {
		REAL, REAL, REAL + 1, REAL - 365 * 86400 * SEC, 0, -5 * SEC, REAL + 10 * SEC};
	struct pair *p = *state;
	uint8_t last[WG_TAI64N] = {0}, msg[WG_INIT_LEN];

	for (unsigned round = 0; round < 100; round++) {
		for (size_t i = 0; i < ARRAY_LEN(clocks); i++) {
			assert_int_equal(make_init(p, clocks[i], msg), TM_OK);
			assert_true(memcmp(p->a.h.sent_stamp, last, sizeof(last)) > 0);
			memcpy(last, p->a.h.sent_stamp, sizeof(last));
			assert_true(get_be32(last + 8) < 1000000000);
		}
	}
}

static void tai64n_labels_a_known_second(void **state)
{
	uint8_t stamp[WG_TAI64N];

	(void)state;
	tai64n(0, stamp);
	assert_hex(stamp, sizeof(stamp), "400000000000000a00000000");
	tai64n(1 * SEC + 999999999, stamp);
	assert_hex(stamp, sizeof(stamp),
		"400000000000000b3b000000"); /* coarse: the exact clock is nobody's business */
}

static void a_different_psk_fails_at_the_response(void **state)
{
	struct pair *p = *state;
	uint8_t init[WG_INIT_LEN], response[WG_RESPONSE_LEN];
	struct hs_keys keys;

	p->b.h.psk[0] ^= 1;
	assert_int_equal(make_init(p, REAL, init), TM_OK);
	assert_int_equal(answer(p, init, 1 * SEC, response, &keys), TM_OK);
	assert_int_equal(finish(p, response, &keys), TM_EAUTH);
	assert_true(p->a.h.pending);
}

static void low_order_points_abort(void **state)
{
	/* RFC 7748 6.1, the points whose multiples are zero */
	static const char *const points[] = {
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
		"5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	};
	struct pair *p = *state;

	for (size_t i = 0; i < ARRAY_LEN(points); i++) {
		uint8_t init[WG_INIT_LEN], response[WG_RESPONSE_LEN], point[WG_KEY];
		struct hs_keys keys;
		struct handshake h;

		assert_int_equal(hex_decode(points[i], 64, point, WG_KEY), TM_OK);
		handshake_init(&h, point, p->a.h.psk); /* as static key */
		assert_int_equal(
			handshake_create_init(&h, &p->a.self, p->aead, INDEX_A, REAL, p->a.e_priv, init),
			TM_ECRYPTO);
		assert_int_equal(make_init(p, REAL, init), TM_OK);
		memcpy(init + 8, point, WG_KEY); /* as ephemeral key */
		assert_int_equal(answer(p, init, 1 * SEC, response, &keys), TM_ECRYPTO);
	}
}

static void nothing_secret_is_left_when_the_attempt_is_over(void **state)
{
	struct pair *p = *state;
	uint8_t init[WG_INIT_LEN], response[WG_RESPONSE_LEN];
	struct hs_keys a, b;

	assert_int_equal(make_init(p, REAL, init), TM_OK);
	assert_int_equal(answer(p, init, 1 * SEC, response, &b), TM_OK);
	assert_int_equal(finish(p, response, &a), TM_OK);
	assert_true(ct_is_zero(&p->a.h.talk->noise, sizeof(p->a.h.talk->noise)));
	assert_int_equal(make_init(p, REAL, init), TM_OK);
	handshake_abandon(&p->a.h);
	assert_true(ct_is_zero(&p->a.h.talk->noise, sizeof(p->a.h.talk->noise)));
	handshake_forget(&p->a.h);
	assert_null(p->a.h.talk);
	assert_false(ct_is_zero(p->a.h.sent_stamp, sizeof(p->a.h.sent_stamp)));
	handshake_deinit(&p->a.h);
	assert_true(ct_is_zero(&p->a.h, sizeof(p->a.h)));
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(the_golden_handshake_is_stable_to_the_byte),
		CASE(every_flipped_bit_of_either_message_is_noticed),
		CASE(only_a_newer_timestamp_is_accepted),
		CASE(initiations_come_at_most_every_20_ms),
		CASE(stamps_grow_even_when_the_clock_does_not),
		CASE(tai64n_labels_a_known_second),
		CASE(a_different_psk_fails_at_the_response),
		CASE(low_order_points_abort),
		CASE(nothing_secret_is_left_when_the_attempt_is_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
