/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "crypto/dh.h"

#include "crypto/identity.h"
#include "crypto/init.h"
#include "hex.h"

static void rfc_7748_5_2(void **state)
{
	static const struct {
		const char *scalar, *u, *out;
	} rows[] = {
		{"a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
			"e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
			"c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552"},
		{"4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
			"e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
			"95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957"},
	};
	uint8_t out[DH_KEY];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(dh(unhex(rows[i].scalar).p, unhex(rows[i].u).p, out), TM_OK);
		assert_hex(out, sizeof(out), rows[i].out);
	}
}

static void rfc_7748_5_2_iterated(void **state)
{
	uint8_t k[DH_KEY] = {9}, u[DH_KEY] = {9}, next[DH_KEY];

	(void)state;
	for (int i = 1; i <= 1000; i++) {
		assert_int_equal(dh(k, u, next), TM_OK);
		memcpy(u, k, sizeof(u));
		memcpy(k, next, sizeof(k));
		if (i == 1)
			assert_hex(k, sizeof(k),
				"422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079");
	}
	assert_hex(k, sizeof(k), "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51");
}

static void rfc_7748_6_1(void **state)
{
	const struct bytes a = unhex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a");
	const struct bytes b = unhex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb");
	static const char shared[] = "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742";
	uint8_t a_pub[DH_KEY], b_pub[DH_KEY], out[DH_KEY];

	(void)state;
	assert_int_equal(dh_public(a.p, a_pub), TM_OK);
	assert_hex(a_pub, sizeof(a_pub), "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a");
	assert_int_equal(dh_public(b.p, b_pub), TM_OK);
	assert_hex(b_pub, sizeof(b_pub), "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
	assert_int_equal(dh(a.p, b_pub, out), TM_OK);
	assert_hex(out, sizeof(out), shared);
	assert_int_equal(dh(b.p, a_pub, out), TM_OK);
	assert_hex(out, sizeof(out), shared);
}

/* RFC 7748 6.1: the check for the all-zero value. These are all points of small order, in all their
 * encodings. */
static void points_of_small_order_are_refused_and_nothing_is_left(void **state)
{
	static const char *const points[] = {
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
		"5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"0000000000000000000000000000000000000000000000000000000000000080",
		"0100000000000000000000000000000000000000000000000000000000000080",
	};
	uint8_t priv[DH_KEY], out[DH_KEY], zero[DH_KEY] = {0};

	(void)state;
	random_bytes(priv, sizeof(priv));
	for (size_t i = 0; i < ARRAY_LEN(points); i++) {
		memset(out, 0xff, sizeof(out));
		if (dh(priv, unhex(points[i]).p, out) != TM_ECRYPTO || dh_public_usable(unhex(points[i]).p))
			fail_msg("%s", points[i]);
		assert_memory_equal(out, zero, sizeof(out));
	}
}

static void every_other_point_is_usable(void **state)
{
	uint8_t pub[DH_KEY];

	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		random_bytes(pub, sizeof(pub));
		assert_true(dh_public_usable(pub));
	}
	for (unsigned i = 2; i < 256; i++) /* next to the small ones */
		assert_true(dh_public_usable((uint8_t[DH_KEY]){(uint8_t)i}));
}

static void a_key_made_ready_does_what_its_bytes_do(void **state)
{
	uint8_t priv[DH_KEY], theirs[DH_KEY], pub[DH_KEY], one[DH_KEY], other[DH_KEY];
	struct dh_key *k;

	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		random_bytes(priv, sizeof(priv));
		random_bytes(theirs, sizeof(theirs));
		assert_int_equal(dh_key_new(priv, &k), TM_OK);
		assert_int_equal(dh_public(priv, pub), TM_OK);
		assert_memory_equal(dh_key_public(k), pub, sizeof(pub));
		for (unsigned again = 0; again < 2; again++) {
			assert_int_equal(dh(priv, theirs, one), TM_OK);
			assert_int_equal(dh_key_exchange(k, theirs, other), TM_OK);
			assert_memory_equal(one, other, sizeof(one));
		}
		dh_key_free(k);
	}
	dh_key_free(NULL);
}

static void clamping_sets_the_five_bits(void **state)
{
	uint8_t low[DH_KEY] = {0}, high[DH_KEY];

	(void)state;
	memset(high, 0xff, sizeof(high));
	dh_clamp(low);
	dh_clamp(high);
	assert_int_equal(low[0], 0);
	assert_int_equal(low[31], 64);
	assert_int_equal(high[0], 248);
	assert_int_equal(high[31], 127);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc_7748_5_2),
		cmocka_unit_test(rfc_7748_5_2_iterated),
		cmocka_unit_test(rfc_7748_6_1),
		cmocka_unit_test(points_of_small_order_are_refused_and_nothing_is_left),
		cmocka_unit_test(every_other_point_is_usable),
		cmocka_unit_test(a_key_made_ready_does_what_its_bytes_do),
		cmocka_unit_test(clamping_sets_the_five_bits),
	};

	if (crypto_init(NULL) < 0)
		return 1;

	return cmocka_run_group_tests(tests, NULL, NULL);
}
