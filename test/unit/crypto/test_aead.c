/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "crypto/aead.h"

#include "aead_twin.h"
#include "crypto/init.h"
#include "hex.h"

static struct aead *aead; /* of one provider after the other */

enum { LONG = 2048 };

static void rfc_8439_a5_opens_and_seals(void **state)
{
	const struct bytes key = unhex("1c9240a5eb55d38af333888604f6b5f0473917c1402b80099dca5cbc207075c0");
	const struct bytes ad = unhex("f33388860000000000004e91");
	const struct bytes sealed =
		unhex("64a0861575861af460f062c79be643bd5e805cfd345cf389f108670ac76c8cb24c6cfc18755d43eea09ee9"
		      "4e382d26b0"
		      "bdb7b73c321b0100d4f03b7f355894cf332f830e710b97ce98c8a84abd0b948114ad176e008d33bd60f982"
		      "b1ff37c855"
		      "9797a06ef4f0ef61c186324e2b3506383606907b6a7c02b0f9f6157b53c867e4b9166c767b804d46a59b52"
		      "16cde7a4e9"
		      "9040c5a40433225ee282a1b0a06c523eaf4534d7f83fa1155b0047718cbc546a0d072b04b3564eea1b4222"
		      "73f548271a"
		      "0bb2316053fa76991955ebd63159434ecebb4e466dae5a1073a6727627097a1049e617d91d361094fa68f0"
		      "ff77987130"
		      "305beaba2eda04df997b714d6c6f2c29a6ad5cb4022b02709beead9d67890cbb22392336fea1851f38");
	static const char start[] = "Internet-Drafts are draft documents valid for a maximum of six months";
	uint8_t text[LONG], again[LONG];

	(void)state;
	assert_int_equal(
		aead_open(aead, key.p, 0x0807060504030201, ad.p, ad.n, sealed.p, sealed.n, text), TM_OK);
	assert_memory_equal(text, start, strlen(start));
	assert_int_equal(
		aead_seal(aead, key.p, 0x0807060504030201, ad.p, ad.n, text, sealed.n - AEAD_TAG, again),
		TM_OK);
	assert_memory_equal(again, sealed.p, sealed.n);
}

static void xchacha_draft_a3_1_opens_and_seals(void **state)
{
	const struct bytes key = unhex("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f");
	const struct bytes nonce = unhex("404142434445464748494a4b4c4d4e4f5051525354555657");
	const struct bytes ad = unhex("50515253c0c1c2c3c4c5c6c7");
	static const char text[] =
		"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for "
		"the future, sunscreen would be it.";
	uint8_t out[LONG];

	(void)state;
	assert_int_equal(
		xaead_seal(aead, key.p, nonce.p, ad.p, ad.n, (const uint8_t *)text, sizeof(text) - 1, out),
		TM_OK);
	assert_hex(out, sizeof(text) - 1 + AEAD_TAG,
		"bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb731c7f1b0b4aa6440bf3a82f4eda"
		"7e39"
		"ae64c6708c54c216cb96b72e1213b4522f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3"
		"fff9"
		"21f9664c97637da9768812f615c68b13b52ec0875924c1c7987947deafd8780acf49");
	assert_int_equal(
		xaead_open(aead, key.p, nonce.p, ad.p, ad.n, out, sizeof(text) - 1 + AEAD_TAG, out), TM_OK);
	assert_memory_equal(out, text, sizeof(text) - 1);
}

static void every_length_agrees_with_libcryptos_own_aead(void **state)
{
	uint8_t key[AEAD_KEY], ad[64], in[LONG], ours[LONG + AEAD_TAG], theirs[LONG + AEAD_TAG];

	(void)state;
	for (size_t n = 0; n <= 1600; n = n < 300 ? n + 1 : n + 37) {
		const size_t ad_len = n % (sizeof(ad) + 1);
		const uint64_t counter = (uint64_t)random_u32() << (n % 40);

		random_bytes(key, sizeof(key));
		random_bytes(ad, sizeof(ad));
		random_bytes(in, n);
		twin_seal(key, counter, ad, ad_len, in, n, theirs);
		assert_int_equal(aead_seal(aead, key, counter, ad, ad_len, in, n, ours), TM_OK);
		if (memcmp(ours, theirs, n + AEAD_TAG) != 0)
			fail_msg("%zu bytes, %zu of associated data", n, ad_len);
		assert_int_equal(
			aead_open(aead, key, counter, ad, ad_len, theirs, n + AEAD_TAG, ours), TM_OK);
		assert_memory_equal(ours, in, n);
	}
}

static void a_batch_seals_and_opens_each_packet_under_its_own_key(void **state)
{
	enum { N = 7 };
	static const size_t lengths[N] = {0, 16, 63, 64, 65, 1280, 1420};
	uint8_t keys[N][AEAD_KEY], data[N][LONG], text[N][LONG], expected[LONG];
	struct aead_op ops[N];

	(void)state;
	random_bytes(keys, sizeof(keys));
	random_bytes(text, sizeof(text));
	for (size_t i = 0; i < N; i++) {
		memcpy(data[i], text[i], LONG);
		ops[i] = (struct aead_op){
			.key = keys[i], .counter = UINT64_MAX - i, .data = data[i], .n = lengths[i]};
	}
	assert_int_equal(aead_seal_batch(aead, ops, N), 0);
	for (size_t i = 0; i < N; i++) {
		twin_seal(keys[i], UINT64_MAX - i, NULL, 0, text[i], lengths[i], expected);
		assert_memory_equal(data[i], expected, lengths[i] + AEAD_TAG);
		assert_memory_equal(data[i] + lengths[i] + AEAD_TAG, text[i] + lengths[i] + AEAD_TAG,
			LONG - lengths[i] - AEAD_TAG);
	}
	assert_int_equal(aead_open_batch(aead, ops, N), 0);
	for (size_t i = 0; i < N; i++)
		assert_memory_equal(data[i], text[i], lengths[i]);
}

static void a_forged_packet_in_a_batch_leaves_no_plaintext_and_harms_no_other(void **state)
{
	enum { N = 3, TEXT = 100 };
	uint8_t key[AEAD_KEY] = {1}, data[N][TEXT + AEAD_TAG], before[TEXT];
	struct aead_op ops[N];

	(void)state;
	for (size_t i = 0; i < N; i++) {
		memset(data[i], 'x', TEXT);
		ops[i] = (struct aead_op){.key = key, .counter = i, .data = data[i], .n = TEXT};
	}
	assert_int_equal(aead_seal_batch(aead, ops, N), 0);
	data[1][TEXT + 3] ^= 0x10; /* its tag */
	memcpy(before, data[1], TEXT);

	assert_int_equal(aead_open_batch(aead, ops, N), 1);
	assert_int_equal(ops[0].err, TM_OK);
	assert_int_equal(ops[1].err, TM_EAUTH);
	assert_int_equal(ops[2].err, TM_OK);
	assert_memory_equal(data[1], before, TEXT);
	assert_int_equal(data[0][0], 'x');
	assert_int_equal(data[2][TEXT - 1], 'x');
}

static void each_flipped_bit_is_refused(void **state)
{
	enum { TEXT = 40 };
	uint8_t key[AEAD_KEY] = {2}, ad[5] = "hello", sealed[TEXT + AEAD_TAG], out[TEXT], zero[TEXT] = {0};

	(void)state;
	assert_int_equal(aead_seal(aead, key, 7, ad, sizeof(ad), zero, TEXT, sealed), TM_OK);
	for (size_t bit = 0; bit < 8 * sizeof(sealed); bit++) {
		sealed[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_equal(
			aead_open(aead, key, 7, ad, sizeof(ad), sealed, sizeof(sealed), out), TM_EAUTH);
		sealed[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	assert_int_equal(aead_open(aead, key, 8, ad, sizeof(ad), sealed, sizeof(sealed), out), TM_EAUTH);
	assert_int_equal(aead_open(aead, key, 7, ad, 4, sealed, sizeof(sealed), out), TM_EAUTH);
	assert_int_equal(aead_open(aead, key, 7, NULL, 0, sealed, sizeof(sealed), out), TM_EAUTH);
	assert_int_equal(aead_open(aead, key, 7, ad, sizeof(ad), sealed, AEAD_TAG - 1, out), TM_ESHORT);
	assert_int_equal(aead_open(aead, key, 7, ad, sizeof(ad), sealed, sizeof(sealed), out), TM_OK);
}

static void more_than_the_longest_text_is_refused_and_not_cut(void **state)
{
	uint8_t *big = calloc(1, AEAD_MAX + 1 + AEAD_TAG), key[AEAD_KEY] = {3};
	struct aead_op op = {.key = key, .data = big, .n = AEAD_MAX + 1};

	(void)state;
	assert_non_null(big);
	assert_int_equal(aead_seal_batch(aead, &op, 1), 1);
	assert_int_equal(op.err, TM_EINVAL);
	op.n = AEAD_MAX;
	assert_int_equal(aead_seal_batch(aead, &op, 1), 0);
	assert_int_equal(aead_open_batch(aead, &op, 1), 0);
	free(big);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc_8439_a5_opens_and_seals),
		cmocka_unit_test(xchacha_draft_a3_1_opens_and_seals),
		cmocka_unit_test(every_length_agrees_with_libcryptos_own_aead),
		cmocka_unit_test(a_batch_seals_and_opens_each_packet_under_its_own_key),
		cmocka_unit_test(a_forged_packet_in_a_batch_leaves_no_plaintext_and_harms_no_other),
		cmocka_unit_test(each_flipped_bit_is_refused),
		cmocka_unit_test(more_than_the_longest_text_is_refused_and_not_cut),
	};
	const char *name;
	int failed = 0;

	if (crypto_init(NULL) < 0) {
		fprintf(stderr, "the crypto self-test fails\n");
		return 1;
	}

	for (size_t i = 0; (name = aead_provider_at(i)); i++) {
		if (aead_new_with(name, &aead) < 0) {
			fprintf(stderr, "provider %s computes wrong\n", name);
			return 1;
		}
		failed += cmocka_run_group_tests_name(name, tests, NULL, NULL);
		aead_free(aead);
	}
	return failed;
}
