/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "crypto/hash.h"

#include "crypto/init.h"
#include "crypto/kdf.h"
#include "hex.h"

#include <pthread.h>

/* 00 01 02 ... as in the BLAKE2 authors' known answers */
static uint8_t counting[1000];

static const struct {
	size_t n;
	const char *blake2s, *sha256, *hmac_blake2s;
} rows[] = {
	{0, "69217a3079908094e11121d042354a7c1f55b6482ca1a51e1b250dfd1ed0eef9",
		"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		"e2641d24dfa8dd89e8cb77f1cdc77d8c006e5bebdfc4d6a3a3a6f8d5b7586fb0"},
	{1, "e34d74dbaf4ff4c6abd871cc220451d2ea2648846c7757fbaac82fe51ad64bea",
		"6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
		"3c657ea8362eeb115466cc90a81a36d2994b7153729c01f50a19be2ca3cce643"},
	{63, "e57cb79487dd57902432b250733813bd96a84efce59f650fac26e6696aefafc3",
		"29af2686fd53374a36b0846694cc342177e428d1647515f078784d69cdb9e488",
		"4dba371c585b23403dc53dc5ababbe4264c339bd8d9a1440d8c06ce07c15f547"},
	{64, "56f34e8b96557e90c1f24b52d0c89d51086acf1b00f634cf1dde9233b8eaaa3e",
		"fdeab9acf3710362bd2658cdc9a29e8f9c757fcf9811603a8c447cd1d9151108",
		"3b35e945d05ac982850451ac8b6cdfffb98e56f50b95272fab665de081691056"},
	{65, "1b53ee94aaf34e4b159d48de352c7f0661d0a40edff95a0b1639b4090e974472",
		"4bfd2c8b6f1eec7a2afeb48b934ee4b2694182027e6d0fc075074f2fabb31781",
		"e0bf9ad5f46ae7cb59268a338f24391ad8cc125148746599da55803c3d80c2e2"},
	{1000, "b5f9d7799111edafc9326fbf667be98140b5e20ce5e151793c59125bf654ac18",
		"a8af099bf2e878609558dbf69d8f88f4a31040a8cf84b549a0cfa912f12ffc3f",
		"19243de110e92c58b2a94e2c734e1622f4331c0be9269ede063d85dea61b8c5d"},
};

static void rfc_7693_appendix_b(void **state)
{
	uint8_t out[HASH_LEN];

	(void)state;
	blake2s(&(struct hash_part){"abc", 3}, 1, out);
	assert_hex(out, sizeof(out), "508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982");
}

static void hashes_of_many_lengths_agree_with_another_implementation(void **state)
{
	uint8_t out[HASH_LEN];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct hash_part whole = {counting, rows[i].n};

		blake2s(&whole, 1, out);
		assert_hex(out, sizeof(out), rows[i].blake2s);
		sha256(&whole, 1, out);
		assert_hex(out, sizeof(out), rows[i].sha256);
		hmac_blake2s(counting, 32, &whole, 1, out);
		assert_hex(out, sizeof(out), rows[i].hmac_blake2s);
	}
}

static void a_hash_does_not_depend_on_how_the_text_is_cut(void **state)
{
	uint8_t whole[64], parts[64];

	(void)state;
	for (size_t cut = 0; cut <= 130; cut++) {
		const struct hash_part two[] = {{counting, cut}, {counting + cut, 130 - cut}, {NULL, 0}};
		const struct hash_part one = {counting, 130};

		blake2s(&one, 1, whole);
		blake2s(two, 3, parts);
		assert_memory_equal(whole, parts, HASH_LEN);
		sha512(&one, 1, whole);
		sha512(two, 3, parts);
		assert_memory_equal(whole, parts, 64);
	}
}

static void keyed_blake2s_of_16_bytes_agrees_with_another_implementation(void **state)
{
	static const struct {
		size_t key_len, n;
		const char *mac;
	} macs[] = {
		{16, 0, "af4e5d3bb230e9ff9096ca6f7c501f76"},
		{32, 1, "13bacfb85b48a1223c595f8c1e7e82cb"},
		{32, 64, "f1efa90d2547036841ecd3627fafbc36"},
		{32, 65, "811ff8686d23a435ecbd0bdafcd27b1b"},
		{7, 200, "596900e9caf286bc872101471dc64525"},
	};
	uint8_t out[BLAKE2S_MAC_LEN];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(macs); i++) {
		blake2s_mac(counting, macs[i].key_len, counting, macs[i].n, out);
		assert_hex(out, sizeof(out), macs[i].mac);
	}
}

static void rfc_4231_and_2202_hmac(void **state)
{
	uint8_t key[131], out[32];

	(void)state;
	memset(key, 0x0b, sizeof(key));
	hmac_sha256(key, 20, &(struct hash_part){"Hi There", 8}, 1, out);
	assert_hex(out, 32, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
	hmac_sha1(key, 20, "Hi There", 8, out);
	assert_hex(out, 20, "b617318655057264e28bc0b6fb378c8ef146be00");

	hmac_sha256((const uint8_t *)"Jefe", 4,
		(struct hash_part[]){{"what do ya ", 11}, {"want for nothing?", 17}}, 2, out);
	assert_hex(out, 32, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
	hmac_sha1((const uint8_t *)"Jefe", 4, "what do ya want for nothing?", 28, out);
	assert_hex(out, 20, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");

	memset(key, 0xaa, sizeof(key));
	hmac_sha256(key, 131,
		&(struct hash_part){"Test Using Larger Than Block-Size Key - Hash Key First", 54}, 1, out);
	assert_hex(out, 32, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

static void rfc_6455_accept_key(void **state)
{
	static const char text[] = "dGhlIHNhbXBsZSBub25jZQ==258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	uint8_t out[20];

	(void)state;
	sha1(text, strlen(text), out);
	assert_hex(out, sizeof(out), "b37a4f2cc0624f1690f64606cf385945b2bec4ea");
}

static void rfc_5869_hkdf(void **state)
{
	struct bytes ikm = unhex("0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b"),
		     salt = unhex("000102030405060708090a0b0c");
	char info[81] = {0};
	uint8_t out[255 * 32 + 1];

	(void)state;
	assert_int_equal(hkdf_sha256(ikm.p, ikm.n, salt.p, salt.n, "\xf0\xf1\xf2\xf3\xf4\xf5\xf6\xf7\xf8\xf9",
				 out, 42),
		0);
	assert_hex(out, 42,
		"3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");

	assert_int_equal(hkdf_sha256(ikm.p, ikm.n, NULL, 0, NULL, out, 42), 0);
	assert_hex(out, 42,
		"8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8");

	ikm.n = salt.n = 80;
	for (size_t i = 0; i < 80; i++) {
		ikm.p[i] = (uint8_t)i;
		salt.p[i] = (uint8_t)(0x60 + i);
		info[i] = (char)(0xb0 + i);
	}
	assert_int_equal(hkdf_sha256(ikm.p, ikm.n, salt.p, salt.n, info, out, 82), 0);
	assert_hex(out, 82,
		"b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e59"
		"0e09"
		"da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87");

	assert_int_equal(hkdf_sha256(ikm.p, ikm.n, NULL, 0, "", out, 255 * 32), 0);
	assert_int_equal(hkdf_sha256(ikm.p, ikm.n, NULL, 0, "", out, 255 * 32 + 1), TM_ERANGE);
}

static void rfc_7914_scrypt(void **state)
{
	const struct scrypt_cost none = {0, 1, 1}, little = {4, 1, 1}, some = {10, 8, 16};
	uint8_t out[64];

	(void)state;
	assert_int_equal(scrypt_sha256("", 0, (const uint8_t *)"", 0, &little, out, sizeof(out)), TM_OK);
	assert_hex(out, sizeof(out),
		"77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442"
		"fcd0069ded0948f8326a753a0fc81f17e8d3e0fb2e0d3628cf35e20c38d18906");
	assert_int_equal(
		scrypt_sha256("password", 8, (const uint8_t *)"NaCl", 4, &some, out, sizeof(out)), TM_OK);
	assert_hex(out, sizeof(out),
		"fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162"
		"2eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640");
	assert_int_equal(scrypt_sha256("x", 1, counting, 4, &none, out, 32), TM_ENOMEM);
}

static void noise_hkdf_gives_the_outputs_that_are_asked_for(void **state)
{
	uint8_t one[32], two[2][32], three[3][32];

	(void)state;
	noise_hkdf(counting, counting, 5, one, NULL, NULL);
	noise_hkdf(counting, counting, 5, two[0], two[1], NULL);
	noise_hkdf(counting, counting, 5, three[0], three[1], three[2]);
	assert_memory_equal(one, three[0], 32);
	assert_memory_equal(two, three, 64);
	assert_memory_not_equal(three[1], three[2], 32);
}

static void *hash_much(void *arg)
{
	uint8_t out[HASH_LEN], mac[BLAKE2S_MAC_LEN];

	(void)arg;
	for (size_t i = 0; i < 200; i++) {
		blake2s(&(struct hash_part){"abc", 3}, 1, out);
		blake2s_mac(counting, 32, counting, i, mac);
		hmac_sha256(counting, 32, &(struct hash_part){counting, i}, 1, out);
	}
	blake2s(&(struct hash_part){"abc", 3}, 1, out);
	return (void *)(uintptr_t)(out[0] == 0x50 && out[31] == 0x82);
}

static void threads_hash_without_disturbing_each_other(void **state)
{
	pthread_t t[4];
	void *ok;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		assert_int_equal(pthread_create(&t[i], NULL, hash_much, NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		assert_int_equal(pthread_join(t[i], &ok), 0);
		assert_non_null(ok);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc_7693_appendix_b),
		cmocka_unit_test(hashes_of_many_lengths_agree_with_another_implementation),
		cmocka_unit_test(a_hash_does_not_depend_on_how_the_text_is_cut),
		cmocka_unit_test(keyed_blake2s_of_16_bytes_agrees_with_another_implementation),
		cmocka_unit_test(rfc_4231_and_2202_hmac),
		cmocka_unit_test(rfc_6455_accept_key),
		cmocka_unit_test(rfc_5869_hkdf),
		cmocka_unit_test(rfc_7914_scrypt),
		cmocka_unit_test(noise_hkdf_gives_the_outputs_that_are_asked_for),
		cmocka_unit_test(threads_hash_without_disturbing_each_other),
	};

	for (size_t i = 0; i < sizeof(counting); i++)
		counting[i] = (uint8_t)i;
	if (crypto_init(NULL) < 0)
		return 1;

	return cmocka_run_group_tests(tests, NULL, NULL);
}
