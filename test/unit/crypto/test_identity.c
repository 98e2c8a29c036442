/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "crypto/identity.h"

#include "base/encode.h"
#include "crypto/dh.h"
#include "crypto/init.h"
#include "hex.h"

static void rfc_8032_7_1(void **state)
{
	static const struct {
		const char *seed, *pub, *msg, *sig;
	} rows[] = {
		{"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
			"d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
			"e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e"
			"39701cf9b46b"
			"d25bf5f0595bbe24655141438e7a100b"},
		{"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
			"3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
			"92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f"
			"3613d0f11d8c"
			"387b2eaeb4302aeeb00d291612bb0c00"},
		{"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
			"fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
			"6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67"
			"f760984dc659"
			"4a7c15e9716ed28dc027beceea1ec40a"},
	};
	struct identity id;
	uint8_t sig[ED_SIG];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct bytes msg = unhex(rows[i].msg);

		assert_int_equal(identity_from_seed(unhex(rows[i].seed).p, &id), TM_OK);
		assert_hex(id.ed_pub, ED_KEY, rows[i].pub);
		assert_int_equal(identity_sign(&id, msg.p, msg.n, sig), TM_OK);
		assert_hex(sig, sizeof(sig), rows[i].sig);
		assert_int_equal(identity_verify(id.ed_pub, msg.p, msg.n, sig), TM_OK);
		sig[40] ^= 1;
		assert_int_equal(identity_verify(id.ed_pub, msg.p, msg.n, sig), TM_EAUTH);
	}
}

static void both_ways_to_the_x25519_public_key_agree(void **state)
{
	uint8_t x[32], again[32];
	struct identity id;

	(void)state;
	for (int i = 0; i < 50; i++) {
		assert_int_equal(identity_generate(&id), TM_OK);
		assert_int_equal(identity_x_from_ed_public(id.ed_pub, x), TM_OK);
		assert_memory_equal(x, id.x_pub, 32);
		assert_int_equal(dh_public(id.x_priv, again), TM_OK);
		assert_memory_equal(again, id.x_pub, 32);
	}
}

/* Computed with an independent implementation (Python: hashlib, cryptography). */
static void the_derivation_is_the_one_that_is_documented(void **state)
{
	struct identity id;

	(void)state;
	assert_int_equal(
		identity_from_seed(
			unhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60").p, &id),
		TM_OK);
	assert_hex(id.x_priv, 32, "307c83864f2833cb427a2ef1c00a013cfdff2768d980c0a3a520f006904de94f");
	assert_hex(id.x_pub, 32, "d85e07ec22b0ad881537c2f44d662d1a143cf830c57aca4305d85c7a90f6b62e");
	assert_string_equal(id.id, "21fe31dfa154a261");
}

static void bad_points_have_no_x25519_key(void **state)
{
	static const char *const rows[] = {
		"0100000000000000000000000000000000000000000000000000000000000000", /* neutral element */
		"0000000000000000000000000000000000000000000000000000000000000000", /* order 4 */
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", /* order 2 */
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05", /* order 8 */
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", /* p: not canonical */
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"0100000000000000000000000000000000000000000000000000000000000080", /* x = 0 has no sign */
		"0200000000000000000000000000000000000000000000000000000000000000", /* not on the curve */
	};
	uint8_t x[32];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (identity_x_from_ed_public(unhex(rows[i]).p, x) != TM_EINVAL)
			fail_msg("%s", rows[i]);
}

static int parse(const char *text, struct identity *ret_id, struct diag *d)
{
	*d = (struct diag){0};
	return identity_parse(text, strlen(text), ret_id, d);
}

static void what_is_written_can_be_read(void **state)
{
	static const char *const comments[] = {
		"", "a", "me@here", "1234567", "12345678", "a rather long comment, see?"};
	struct identity id, back;
	struct diag d;
	char *text;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(comments); i++) {
		assert_int_equal(identity_generate(&id), TM_OK);
		assert_int_equal(identity_format(&id, comments[i], &text), TM_OK);
		assert_int_equal(parse(text, &back, &d), TM_OK);
		assert_memory_equal(&id, &back, sizeof(id));
		free(text);
	}
}

static const char begin[] = "-----BEGIN OPENSSH PRIVATE KEY-----\n",
		  end[] = "\n-----END OPENSSH PRIVATE KEY-----\n";

/* The bytes inside a key file; offsets below count from "openssh-key-v1". */
static struct bytes dearmoured(const struct identity *id)
{
	struct bytes b;
	char *text, digits[1024] = "", *line, *rest;

	assert_int_equal(identity_format(id, "c", &text), TM_OK);
	rest = text;
	while ((line = strsep(&rest, "\n")))
		if (line[0] != '-')
			stpcpy(digits + strlen(digits), line);
	assert_int_equal(base64_decode(digits, strlen(digits), b.p, sizeof(b.p), &b.n), TM_OK);
	free(text);
	return b;
}

static int parse_bytes(const struct bytes *b, struct diag *d)
{
	char text[4096];
	struct identity id;
	char *at = stpcpy(text, begin);

	base64_encode(b->p, b->n, at);
	stpcpy(at + strlen(at), end);
	return parse(text, &id, d);
}

enum {
	AT_CIPHER = 15 + 4,
	AT_KEYS = 15 + 8 + 8 + 4,
	AT_TYPE = AT_KEYS + 4 + 4 + 4,
	AT_PUB = AT_TYPE + 11 + 4,
	AT_SECTION = AT_PUB + 32 + 4,
	AT_CHECK2 = AT_SECTION + 4,
	AT_INNER_TYPE = AT_CHECK2 + 4 + 4,
	AT_INNER_PUB = AT_INNER_TYPE + 11 + 4,
	AT_SEED = AT_INNER_PUB + 32 + 4,
	AT_PAIR_PUB = AT_SEED + 32,
};

static void damage_is_told_from_what_is_not_supported(void **state)
{
	static const struct {
		const char *what;
		size_t at;
		uint8_t value;
		int err;
	} rows[] = {
		{"magic", 3, 'X', TM_EBADMSG},
		{"magic's NUL", 14, 'X', TM_EBADMSG},
		{"cipher", AT_CIPHER, 'N', TM_EUNSUPPORTED},
		{"two keys", AT_KEYS + 3, 2, TM_EUNSUPPORTED},
		{"no key", AT_KEYS + 3, 0, TM_EUNSUPPORTED},
		{"type", AT_TYPE, 'x', TM_EUNSUPPORTED},
		{"outer public", AT_PUB, 0, TM_ECORRUPT},
		{"check words", AT_CHECK2, 0, TM_EBADMSG},
		{"inner type", AT_INNER_TYPE, 'x', TM_EBADMSG},
		{"inner public", AT_INNER_PUB + 1, 0, TM_ECORRUPT},
		{"seed", AT_SEED, 0, TM_ECORRUPT},
		{"pair's public", AT_PAIR_PUB + 2, 0, TM_ECORRUPT},
		{"public length", AT_PUB - 1, 31, TM_EBADMSG},
		{"huge length", AT_PUB - 4, 0xff, TM_EBADMSG},
	};
	struct identity id;
	struct diag d;

	(void)state;
	/* A seed whose bytes at the offsets above are not what the rows put there. */
	memset(id.ed_seed, 0x11, sizeof(id.ed_seed));
	assert_int_equal(identity_from_seed(id.ed_seed, &id), TM_OK);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct bytes b = dearmoured(&id);
		int err;

		b.p[rows[i].at] =
			b.p[rows[i].at] == rows[i].value ? (uint8_t)(rows[i].value ^ 1) : rows[i].value;
		err = parse_bytes(&b, &d);
		if (err != rows[i].err || !d.what[0])
			fail_msg("%s: %d %s", rows[i].what, err, d.what);
	}
}

static void a_key_cut_or_lengthened_anywhere_is_refused(void **state)
{
	struct identity id;
	struct bytes whole, b;
	struct diag d;

	(void)state;
	assert_int_equal(identity_generate(&id), TM_OK);
	whole = dearmoured(&id);
	assert_int_equal(parse_bytes(&whole, &d), TM_OK);
	for (size_t n = 0; n < whole.n; n++) {
		b = whole;
		b.n = n;
		if (parse_bytes(&b, &d) == TM_OK)
			fail_msg("%zu bytes", n);
	}
	b = whole;
	b.p[b.n++] = 0;
	assert_int_equal(parse_bytes(&b, &d), TM_EBADMSG);
	b = whole;
	b.p[b.n - 1] ^= 1; /* padding */
	assert_int_equal(parse_bytes(&b, &d), TM_EBADMSG);
}

static void other_files_are_refused_with_a_sentence(void **state)
{
	static const struct {
		const char *text;
		int err;
		const char *says;
	} rows[] = {
		{"", TM_EBADMSG, "empty"},
		{"\n\n", TM_EBADMSG, "empty"},
		{"hello\n", TM_EBADMSG, "not an OpenSSH private key"},
		{"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 me\n", TM_EUNSUPPORTED, "a public key"},
		{"-----BEGIN RSA PRIVATE KEY-----\nMIIE\n", TM_EUNSUPPORTED, "PEM"},
		{"-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIE\n", TM_EUNSUPPORTED, "passphrase"},
		{"PuTTY-User-Key-File-3: ssh-ed25519\n", TM_EUNSUPPORTED, "PuTTY"},
		{"-----BEGIN OPENSSH PRIVATE KEY-----\n", TM_EBADMSG, "garbled"},
		{"-----BEGIN OPENSSH PRIVATE KEY-----\n%%%%\n-----END OPENSSH PRIVATE KEY-----\n", TM_EBADMSG,
			"garbled"},
		{"-----BEGIN OPENSSH PRIVATE KEY-----\n-----END OPENSSH PRIVATE KEY-----\n", TM_EBADMSG,
			"garbled"},
	};
	struct identity id;
	struct diag d;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int err = parse(rows[i].text, &id, &d);

		if (err != rows[i].err || !strstr(d.what, rows[i].says))
			fail_msg("%s: %d %s", rows[i].text, err, d.what);
	}
}

static void a_file_that_is_too_large_is_refused(void **state)
{
	const size_t n = 64 * 1024 + 1;
	char *text = calloc(1, n);
	struct identity id;
	struct diag d = {0};

	(void)state;
	assert_non_null(text);
	assert_int_equal(identity_parse(text, n, &id, &d), TM_ERANGE);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc_8032_7_1),
		cmocka_unit_test(both_ways_to_the_x25519_public_key_agree),
		cmocka_unit_test(the_derivation_is_the_one_that_is_documented),
		cmocka_unit_test(bad_points_have_no_x25519_key),
		cmocka_unit_test(what_is_written_can_be_read),
		cmocka_unit_test(damage_is_told_from_what_is_not_supported),
		cmocka_unit_test(a_key_cut_or_lengthened_anywhere_is_refused),
		cmocka_unit_test(other_files_are_refused_with_a_sentence),
		cmocka_unit_test(a_file_that_is_too_large_is_refused),
	};

	if (crypto_init(NULL) < 0)
		return 1;

	return cmocka_run_group_tests(tests, NULL, NULL);
}
