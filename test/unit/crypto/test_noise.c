/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The published vectors are run by test/vec; here: what must not work. */
#include "crypto/noise.h"

#include "crypto/init.h"
#include "hex.h"

static struct aead *aead;

struct pair {
	uint8_t i_pub[32], r_pub[32], psk[32], i_e[32], r_e[32];
	struct noise i, r;
	uint8_t msg[512], text[512];
	size_t n, text_n;
};

/* The same keys for all pairs, so that they outlive each. */
static struct dh_key *i_key, *r_key;

static void pair_begin(struct pair *p, enum noise_pattern pattern)
{
	struct noise_config cfg = {.pattern = pattern, .prologue = "p", .prologue_len = 1};

	random_bytes(p->psk, 32);
	random_bytes(p->i_e, 32);
	random_bytes(p->r_e, 32);
	memcpy(p->i_pub, dh_key_public(i_key), 32);
	memcpy(p->r_pub, dh_key_public(r_key), 32);

	cfg.role = NOISE_INITIATOR;
	cfg.s = i_key;
	cfg.rs = p->r_pub;
	cfg.psk = p->psk;
	assert_int_equal(noise_init(&p->i, &cfg), TM_OK);
	cfg.role = NOISE_RESPONDER;
	cfg.s = r_key;
	cfg.rs = NULL;
	assert_int_equal(noise_init(&p->r, &cfg), TM_OK);
}

static int write_first(struct pair *p)
{
	return noise_write(&p->i, aead, p->i_e, "hello", 5, p->msg, sizeof(p->msg), &p->n);
}

static int write_second(struct pair *p)
{
	return noise_write(&p->r, aead, p->r_e, "hi", 2, p->msg, sizeof(p->msg), &p->n);
}

static int read_by(struct pair *p, struct noise *n)
{
	return noise_read(n, aead, p->msg, p->n, p->text, &p->text_n);
}

static void each_pattern_agrees_with_itself_and_carries_data_both_ways(void **state)
{
	(void)state;
	for (int pattern = 0; pattern < NOISE_PATTERN_N; pattern++) {
		struct noise_cipher is, ir, rs, rr;
		struct pair p;

		pair_begin(&p, (enum noise_pattern)pattern);
		assert_int_equal(write_first(&p), TM_OK);
		assert_int_equal(p.n, 32 + 48 + 5 + 16);
		assert_int_equal(read_by(&p, &p.r), TM_OK);
		assert_int_equal(p.text_n, 5);
		assert_memory_equal(p.text, "hello", 5);
		assert_memory_equal(p.r.rs, p.i_pub, 32);
		assert_int_equal(write_second(&p), TM_OK);
		assert_int_equal(p.n, 32 + 2 + 16);
		assert_int_equal(read_by(&p, &p.i), TM_OK);
		assert_memory_equal(p.i.h, p.r.h, HASH_LEN);
		assert_true(p.i.done && p.r.done);

		assert_int_equal(noise_split(&p.i, &is, &ir), TM_OK);
		assert_int_equal(noise_split(&p.r, &rs, &rr), TM_OK);
		assert_memory_equal(is.key, rr.key, 32);
		assert_memory_equal(ir.key, rs.key, 32);
		for (int k = 0; k < 3; k++) {
			assert_int_equal(
				noise_cipher_seal(&is, aead, NULL, 0, (const uint8_t *)"data", 4, p.msg),
				TM_OK);
			assert_int_equal(noise_cipher_open(&rr, aead, NULL, 0, p.msg, 20, p.text), TM_OK);
			assert_memory_equal(p.text, "data", 4);
		}
		assert_int_equal(
			noise_cipher_open(&rr, aead, NULL, 0, p.msg, 20, p.text), TM_EAUTH); /* again */
	}
}

static void names_map_to_patterns_and_back(void **state)
{
	enum noise_pattern got;

	(void)state;
	for (int i = 0; i < NOISE_PATTERN_N; i++) {
		assert_int_equal(noise_pattern_parse(noise_pattern_name((enum noise_pattern)i), &got), TM_OK);
		assert_int_equal(got, i);
	}
	assert_int_equal(noise_pattern_parse("Noise_XX_25519_ChaChaPoly_BLAKE2s", &got), TM_EUNSUPPORTED);
	assert_int_equal(noise_pattern_parse("", &got), TM_EUNSUPPORTED);
}

static void a_flipped_bit_anywhere_in_either_message_is_refused(void **state)
{
	struct pair begun, p;

	(void)state;
	pair_begin(&begun, NOISE_IKPSK2);
	assert_int_equal(write_first(&begun), TM_OK);
	for (size_t bit = 0; bit < 8 * begun.n; bit++) {
		p = begun;
		p.msg[bit / 8] ^= (uint8_t)(1u << bit % 8);
		/* The top bit of a public key does not change the product, but the hash. */
		if (read_by(&p, &p.r) != TM_EAUTH)
			fail_msg("first message, bit %zu", bit);
		assert_true(p.r.failed);
		assert_int_equal(write_second(&p), TM_EPROTO);
	}

	assert_int_equal(read_by(&begun, &begun.r), TM_OK);
	assert_int_equal(write_second(&begun), TM_OK);
	for (size_t bit = 0; bit < 8 * begun.n; bit++) {
		p = begun;
		p.msg[bit / 8] ^= (uint8_t)(1u << bit % 8);
		if (read_by(&p, &p.i) != TM_EAUTH)
			fail_msg("second message, bit %zu", bit);
	}
	assert_int_equal(read_by(&begun, &begun.i), TM_OK);
}

static void a_message_cut_anywhere_is_refused(void **state)
{
	struct pair begun, p;
	int err;

	(void)state;
	pair_begin(&begun, NOISE_IK);
	assert_int_equal(write_first(&begun), TM_OK);
	for (size_t n = 0; n < begun.n; n++) {
		p = begun;
		p.n = n;
		err = read_by(&p, &p.r);
		if (err != TM_ESHORT && err != TM_EAUTH)
			fail_msg("%zu bytes: %d", n, err);
	}
}

static void an_ephemeral_of_small_order_is_refused(void **state)
{
	struct pair p;

	(void)state;
	pair_begin(&p, NOISE_IKPSK2);
	assert_int_equal(write_first(&p), TM_OK);
	memset(p.msg, 0, 32);
	assert_int_equal(read_by(&p, &p.r), TM_ECRYPTO);
	assert_true(p.r.failed);
}

static void another_psk_prologue_or_responder_is_refused(void **state)
{
	struct pair p;
	uint8_t psk[32] = {1};

	(void)state;
	pair_begin(&p, NOISE_IKPSK2);
	assert_int_equal(write_first(&p), TM_OK);
	assert_int_equal(read_by(&p, &p.r), TM_OK);
	noise_set_psk(&p.r, psk);
	assert_int_equal(write_second(&p), TM_OK);
	assert_int_equal(read_by(&p, &p.i), TM_EAUTH);

	pair_begin(&p, NOISE_IK);
	p.i.h[0] ^= 1; /* what another prologue would do */
	assert_int_equal(write_first(&p), TM_OK);
	assert_int_equal(read_by(&p, &p.r), TM_EAUTH);

	pair_begin(&p, NOISE_IK);
	p.i.rs[5] ^= 1;
	assert_int_equal(write_first(&p), TM_OK);
	assert_int_equal(read_by(&p, &p.r), TM_EAUTH);
}

static void a_precomputed_static_secret_changes_nothing_and_serves_one_peer_only(void **state)
{
	struct pair p;

	(void)state;
	pair_begin(&p, NOISE_IKPSK2);
	assert_int_equal(dh_key_exchange(i_key, p.r_pub, p.i.ss), TM_OK);
	memcpy(p.i.ss_for, p.r_pub, 32);
	p.i.has_ss = true;
	memset(p.r.ss, 0xee, 32); /* of somebody else */
	memset(p.r.ss_for, 0xee, 32);
	p.r.has_ss = true;
	assert_int_equal(write_first(&p), TM_OK);
	assert_int_equal(read_by(&p, &p.r), TM_OK);
	assert_int_equal(write_second(&p), TM_OK);
	assert_int_equal(read_by(&p, &p.i), TM_OK);
}

static void a_first_message_may_be_read_in_two_steps(void **state)
{
	(void)state;
	for (int pattern = 0; pattern < NOISE_PATTERN_N; pattern++)
		for (int precomputed = 0; precomputed < 2; precomputed++) {
			uint8_t ss[32];
			struct pair p;

			pair_begin(&p, (enum noise_pattern)pattern);
			assert_int_equal(dh_key_exchange(r_key, p.i_pub, ss), TM_OK);
			assert_int_equal(write_first(&p), TM_OK);
			assert_int_equal(noise_read_static(&p.r, aead, p.msg, p.n), TM_OK);
			assert_memory_equal(p.r.rs, p.i_pub, 32);
			assert_int_equal(noise_read_static(&p.r, aead, p.msg, p.n), TM_EPROTO); /* once */
			if (precomputed)
				noise_set_ss(&p.r, ss);
			assert_int_equal(read_by(&p, &p.r), TM_OK);
			assert_int_equal(p.text_n, 5);
			assert_memory_equal(p.text, "hello", 5);
			assert_int_equal(write_second(&p), TM_OK);
			assert_int_equal(noise_read_static(&p.i, aead, p.msg, p.n), TM_EPROTO);
			assert_int_equal(read_by(&p, &p.i), TM_OK);
			assert_memory_equal(p.i.h, p.r.h, HASH_LEN);
		}
}

static void each_step_of_reading_refuses_a_flipped_bit_and_a_cut(void **state)
{
	enum { FIRST_STEP = 32 + 48 }; /* e, sealed s */
	struct pair p;

	(void)state;
	pair_begin(&p, NOISE_IKPSK2);
	assert_int_equal(write_first(&p), TM_OK);
	for (size_t i = 0; i < p.n; i++) {
		struct noise r = p.r;

		p.msg[i] ^= 4;
		if (i < FIRST_STEP) {
			assert_true(noise_read_static(&r, aead, p.msg, p.n) < 0);
		} else {
			assert_int_equal(noise_read_static(&r, aead, p.msg, p.n), TM_OK);
			assert_int_equal(read_by(&p, &r), TM_EAUTH);
		}
		assert_true(r.failed);
		p.msg[i] ^= 4;
	}
	for (size_t n = 0; n < p.n; n++) {
		struct noise r = p.r;

		if (n < FIRST_STEP) {
			assert_true(noise_read_static(&r, aead, p.msg, n) < 0);
			continue;
		}
		assert_int_equal(noise_read_static(&r, aead, p.msg, n), TM_OK);
		assert_true(noise_read(&r, aead, p.msg, n, p.text, &p.text_n) < 0);
	}
	/* Another, shorter message the second time. */
	assert_int_equal(noise_read_static(&p.r, aead, p.msg, p.n), TM_OK);
	assert_int_equal(noise_read(&p.r, aead, p.msg, FIRST_STEP - 1, p.text, &p.text_n), TM_ESHORT);
}

static void messages_out_of_turn_are_refused_without_harm(void **state)
{
	struct noise_cipher send, recv;
	struct pair p;

	(void)state;
	pair_begin(&p, NOISE_IK);
	assert_int_equal(write_second(&p), TM_EPROTO);
	assert_int_equal(read_by(&p, &p.i), TM_EPROTO);
	assert_int_equal(noise_split(&p.i, &send, &recv), TM_EPROTO);
	assert_int_equal(write_first(&p), TM_OK);
	assert_int_equal(read_by(&p, &p.r), TM_OK);
	assert_int_equal(read_by(&p, &p.r), TM_EPROTO);
	assert_int_equal(write_second(&p), TM_OK);
	assert_int_equal(read_by(&p, &p.i), TM_OK);
	assert_int_equal(write_first(&p), TM_EPROTO);
	assert_int_equal(noise_split(&p.i, &send, &recv), TM_OK);
	assert_int_equal(noise_split(&p.i, &send, &recv), TM_EPROTO); /* the same keys from nonce 0: never */
}

static void splitting_wipes_all_keys(void **state)
{
	struct noise_cipher send, recv;
	uint8_t zero[32] = {0};
	struct pair p;

	(void)state;
	pair_begin(&p, NOISE_IKPSK2);
	assert_int_equal(write_first(&p), TM_OK);
	assert_int_equal(read_by(&p, &p.r), TM_OK);
	assert_int_equal(write_second(&p), TM_OK);
	assert_int_equal(noise_split(&p.r, &send, &recv), TM_OK);
	assert_null(p.r.s);
	assert_memory_equal(p.r.e_priv, zero, 32);
	assert_memory_equal(p.r.psk, zero, 32);
	assert_memory_equal(p.r.ck, zero, 32);
	assert_memory_equal(p.r.cipher.key, zero, 32);
	assert_memory_equal(p.r.rs, p.i_pub, 32);
}

static void a_buffer_that_is_too_small_is_not_written_to(void **state)
{
	struct pair p;

	(void)state;
	pair_begin(&p, NOISE_IK);
	memset(p.msg, 0x55, sizeof(p.msg));
	assert_int_equal(noise_write(&p.i, aead, p.i_e, "hello", 5, p.msg, 32 + 48 + 5 + 15, &p.n), TM_EFULL);
	assert_int_equal(p.msg[0], 0x55);
	assert_int_equal(write_first(&p), TM_OK); /* and may be tried again */
	assert_int_equal(read_by(&p, &p.r), TM_OK);
}

static void the_last_nonce_is_never_used(void **state)
{
	struct noise_cipher c = {.has_key = true, .n = UINT64_MAX - 1};
	uint8_t out[32];

	(void)state;
	assert_int_equal(noise_cipher_seal(&c, aead, NULL, 0, (const uint8_t *)"x", 1, out), TM_OK);
	assert_int_equal(noise_cipher_seal(&c, aead, NULL, 0, (const uint8_t *)"x", 1, out), TM_EPROTO);
	assert_int_equal(noise_cipher_open(&c, aead, NULL, 0, out, 17, out), TM_EPROTO);
}

static void roles_need_the_keys_of_their_side(void **state)
{
	uint8_t key[32] = {1};
	struct noise_config cfg = {.pattern = NOISE_IK, .role = NOISE_INITIATOR, .s = i_key};
	struct noise n;

	(void)state;
	assert_int_equal(noise_init(&n, &cfg), TM_EINVAL);
	cfg.role = NOISE_RESPONDER;
	cfg.rs = key;
	assert_int_equal(noise_init(&n, &cfg), TM_EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_pattern_agrees_with_itself_and_carries_data_both_ways),
		cmocka_unit_test(names_map_to_patterns_and_back),
		cmocka_unit_test(a_flipped_bit_anywhere_in_either_message_is_refused),
		cmocka_unit_test(a_message_cut_anywhere_is_refused),
		cmocka_unit_test(an_ephemeral_of_small_order_is_refused),
		cmocka_unit_test(another_psk_prologue_or_responder_is_refused),
		cmocka_unit_test(a_precomputed_static_secret_changes_nothing_and_serves_one_peer_only),
		cmocka_unit_test(a_first_message_may_be_read_in_two_steps),
		cmocka_unit_test(each_step_of_reading_refuses_a_flipped_bit_and_a_cut),
		cmocka_unit_test(messages_out_of_turn_are_refused_without_harm),
		cmocka_unit_test(splitting_wipes_all_keys),
		cmocka_unit_test(a_buffer_that_is_too_small_is_not_written_to),
		cmocka_unit_test(the_last_nonce_is_never_used),
		cmocka_unit_test(roles_need_the_keys_of_their_side),
	};
	static const uint8_t i_priv[32] = {1, [31] = 0x41}, r_priv[32] = {2, [31] = 0x42};
	int failed;

	if (crypto_init(NULL) < 0 || aead_new(&aead) < 0 || dh_key_new(i_priv, &i_key) < 0 ||
		dh_key_new(r_priv, &r_key) < 0)
		return 1;

	failed = cmocka_run_group_tests(tests, NULL, NULL);
	aead_free(aead);
	dh_key_free(i_key);
	dh_key_free(r_key);
	return failed;
}
