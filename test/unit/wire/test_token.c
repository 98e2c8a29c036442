/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/unit.h"
#include "wire/token.h"

#include "base/encode.h"
#include "crypto/hash.h"
#include "crypto/init.h"

static struct token sample(void)
{
	struct token t = {
		.expiry = 1800000000,
		.n_addrs = 3,
		.addrs = {"192.0.2.1:8443", "[2001:db8::1]:8443", "coordinator.example.org:443"},
	};

	for (size_t i = 0; i < TOKEN_KEY; i++)
		t.coordinator_key[i] = (uint8_t)(i + 1);
	memset(t.id, 0xa1, TOKEN_ID);
	memset(t.secret, 0x5e, TOKEN_SECRET);
	return t;
}

static void encode(const struct token *t, char text[static TOKEN_TEXT_MAX])
{
	assert_int_equal(token_encode(t, text, TOKEN_TEXT_MAX), TM_OK);
}

static void a_token_survives_the_round_trip(void **state)
{
	struct token t = sample(), back;
	struct diag d = {0};
	char text[TOKEN_TEXT_MAX];
	(void)state;

	encode(&t, text);
	assert_memory_equal(text, "tm1_", 4);
	assert_int_equal(token_decode(text, &back, &d), TM_OK);
	assert_memory_equal(&back, &t, sizeof(t));
}

/* Programs that know no URLs say that they are too old, instead of calling a good token garbled. */
static void only_a_token_with_a_url_is_of_the_second_version(void **state UNUSED)
{
	struct token t = sample(), back;
	char text[TOKEN_TEXT_MAX];

	encode(&t, text);
	assert_memory_equal(text + 4, "AQ", 2);
	strcpy(t.addrs[2], "https://hub.example.org/a~b");
	encode(&t, text);
	assert_memory_equal(text + 4, "Ag", 2);
	assert_int_equal(token_decode(text, &back, NULL), TM_OK);
	assert_memory_equal(&back, &t, sizeof(t));
}

/* Whoever takes the one for the other would not understand the addresses. */
static void a_version_that_does_not_fit_the_addresses_is_refused(void **state UNUSED)
{
	struct token t = sample(), back = {.expiry = 77};

	for (unsigned url = 0; url < 2; url++) {
		char text[TOKEN_TEXT_MAX];
		uint8_t raw[TOKEN_TEXT_MAX], digest[32];
		size_t n;

		if (url)
			strcpy(t.addrs[2], "https://hub.example.org/a");
		encode(&t, text);
		assert_int_equal(base64url_decode(text + 4, strlen(text + 4), raw, sizeof(raw), &n), TM_OK);
		raw[0] = (uint8_t)(3 - raw[0]);
		sha256(&(struct hash_part){raw, n - 4}, 1, digest);
		memcpy(raw + n - 4, digest, 4);
		base64url_encode(raw, n, text + 4);
		assert_int_not_equal(token_decode(text, &back, NULL), TM_OK);
		assert_int_equal(back.expiry, 77);
	}
}

static void the_largest_token_fits(void **state)
{
	struct token t = sample(), back;
	char text[TOKEN_TEXT_MAX];
	(void)state;

	t.n_addrs = TOKEN_ADDRS_MAX;
	for (size_t i = 0; i < TOKEN_ADDRS_MAX; i++) {
		memset(t.addrs[i], 'a', 255);
		t.addrs[i][255] = '\0';
	}
	encode(&t, text);
	assert_int_equal(token_decode(text, &back, NULL), TM_OK);
	assert_memory_equal(&back, &t, sizeof(t));
}

static void white_space_around_is_forgiven(void **state)
{
	struct token t = sample(), back;
	char text[TOKEN_TEXT_MAX], padded[TOKEN_TEXT_MAX + 16];
	(void)state;

	encode(&t, text);
	snprintf(padded, sizeof(padded), " \t\r\n%s \r\n\n", text);
	assert_int_equal(token_decode(padded, &back, NULL), TM_OK);
	assert_memory_equal(&back, &t, sizeof(t));
}

/* Every character of the text, replaced by every other kind of character. */
static void a_token_garbled_at_any_position_is_refused(void **state)
{
	static const char others[] = "Ab0-_= \n+/.\x01\xff";
	struct token t = sample(), back = {.expiry = 77};
	char text[TOKEN_TEXT_MAX];
	(void)state;

	encode(&t, text);
	for (size_t i = 0; text[i]; i++) {
		char was = text[i];

		for (const char *c = others; *c; c++) {
			struct diag d = {0};

			if (*c == was)
				continue;
			/* White space at the very end only cuts the token. */
			text[i] = *c;
			if (token_decode(text, &back, &d) == TM_OK)
				fail_msg("position %zu, '%c'", i, *c);
			if (!d.what[0] || !d.hint[0])
				fail_msg("position %zu: no sentence", i);
			text[i] = was;
		}
	}
	assert_int_equal(back.expiry, 77);
}

static void every_garbled_byte_below_the_text_is_noticed(void **state)
{
	struct token t = sample(), back;
	char text[TOKEN_TEXT_MAX];
	uint8_t raw[TOKEN_TEXT_MAX];
	size_t n;
	(void)state;

	encode(&t, text);
	assert_int_equal(base64url_decode(text + 4, strlen(text + 4), raw, sizeof(raw), &n), TM_OK);
	for (size_t i = 0; i < n; i++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			raw[i] ^= (uint8_t)(1u << bit);
			base64url_encode(raw, n, text + 4);
			if (token_decode(text, &back, NULL) == TM_OK)
				fail_msg("byte %zu, bit %u", i, bit);
			raw[i] ^= (uint8_t)(1u << bit);
		}
	}
}

static void a_cut_token_is_called_cut(void **state)
{
	struct token t = sample(), back;
	char text[TOKEN_TEXT_MAX];
	(void)state;

	encode(&t, text);
	for (size_t n = strlen(text) - 1; n >= 4; n--) {
		struct diag d = {0};

		text[n] = '\0';
		int err = token_decode(text, &back, &d);
		if (err != TM_ESHORT || !strstr(d.what, "cut off"))
			fail_msg("%zu characters left: %d, %s", n, err, d.what);
	}
	text[3] = '\0';
	assert_int_equal(token_decode(text, &back, NULL), TM_EBADMSG);
}

static void bytes_behind_the_end_are_refused(void **state)
{
	struct token t = sample(), back;
	char text[TOKEN_TEXT_MAX];
	(void)state;

	encode(&t, text);
	size_t n = strlen(text);
	memcpy(text + n, "AAAA", 5);
	assert_int_equal(token_decode(text, &back, NULL), TM_ECORRUPT);
}

/* Encodes raw bytes with a right checksum behind them. */
static void seal(uint8_t *raw, size_t n, char text[static TOKEN_TEXT_MAX])
{
	uint8_t sum[32];

	sha256(&(struct hash_part){raw, n}, 1, sum);
	memcpy(raw + n, sum, 4);
	snprintf(text, TOKEN_TEXT_MAX, "tm1_");
	base64url_encode(raw, n + 4, text + 4);
}

static void a_newer_version_is_told_from_garbage(void **state)
{
	static const struct {
		const char *text;
		int err;
	} rows[] = {
		{"tm2_AQID", TM_EVERSION},
		{"tm17_", TM_EVERSION},
		{"tm_AQID", TM_EBADMSG},
		{"tm2", TM_EBADMSG},
		{"tmx_", TM_EBADMSG},
		{"", TM_EBADMSG},
		{"   ", TM_EBADMSG},
		{"hello", TM_EBADMSG},
		{"TM1_AQID", TM_EBADMSG},
		{"-----BEGIN OPENSSH PRIVATE KEY-----", TM_EBADMSG},
		{"tm1_", TM_ESHORT},
		{"tm1_????", TM_ECORRUPT},
		{"tm1_AgID", TM_ESHORT}, /* of URLs, and cut off */
		{"tm1_AwID", TM_ECORRUPT},
	};
	struct token back;
	char text[TOKEN_TEXT_MAX];
	uint8_t raw[64] = {3, 1, 2, 3};
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct diag d = {0};
		int err = token_decode(rows[i].text, &back, &d);

		if (err != rows[i].err || !d.what[0] || !d.hint[0])
			fail_msg("\"%s\": %d, %s", rows[i].text, err, d.what);
	}
	/* The same prefix, a newer layout inside, intact */
	seal(raw, 40, text);
	assert_int_equal(token_decode(text, &back, NULL), TM_EVERSION);
}

static void well_sealed_nonsense_is_refused(void **state)
{
	struct token t = sample(), back;
	char text[TOKEN_TEXT_MAX];
	uint8_t raw[TOKEN_TEXT_MAX] = {1};
	(void)state;

	raw[65] = 0; /* no address */
	seal(raw, 66, text);
	assert_int_equal(token_decode(text, &back, NULL), TM_ECORRUPT);
	raw[65] = 9; /* nine addresses */
	for (size_t i = 0; i < 9; i++) {
		raw[66 + 2 * i] = 1;
		raw[67 + 2 * i] = 'a';
	}
	seal(raw, 66 + 18, text);
	assert_int_equal(token_decode(text, &back, NULL), TM_ECORRUPT);
	raw[65] = 1; /* an empty one */
	raw[66] = 0;
	seal(raw, 67, text);
	assert_int_equal(token_decode(text, &back, NULL), TM_ECORRUPT);
	raw[66] = 2; /* one that talks to the terminal */
	memcpy(raw + 67, "\033[", 2);
	seal(raw, 69, text);
	assert_int_equal(token_decode(text, &back, NULL), TM_ECORRUPT);
	raw[66] = 1; /* and then some */
	raw[67] = 'a';
	raw[68] = 'b';
	seal(raw, 69, text);
	assert_int_equal(token_decode(text, &back, NULL), TM_ECORRUPT);
	/* And none of them can be made. */
	t.n_addrs = 0;
	assert_int_equal(token_encode(&t, text, sizeof(text)), TM_EINVAL);
	t.n_addrs = TOKEN_ADDRS_MAX + 1;
	assert_int_equal(token_encode(&t, text, sizeof(text)), TM_EINVAL);
	t.n_addrs = 1;
	snprintf(t.addrs[0], TOKEN_ADDR_LEN, "host name:8443");
	assert_int_equal(token_encode(&t, text, sizeof(text)), TM_EINVAL);
	t.addrs[0][0] = '\0';
	assert_int_equal(token_encode(&t, text, sizeof(text)), TM_EINVAL);
	t = sample();
	assert_int_equal(token_encode(&t, text, TOKEN_TEXT_MAX - 1), TM_EFULL);
}

static void a_text_of_any_length_is_survived(void **state)
{
	struct token back;
	size_t n = 100000;
	char *text = malloc(n + 1);
	(void)state;

	memset(text, 'A', n);
	memcpy(text, "tm1_", 4);
	text[n] = '\0';
	assert_int_equal(token_decode(text, &back, NULL), TM_ECORRUPT);
	free(text);
}

static void wiping_leaves_nothing(void **state)
{
	struct token t = sample();
	static const struct token zero;
	(void)state;

	token_wipe(&t);
	assert_memory_equal(&t, &zero, sizeof(t));
}

static int setup(void **state)
{
	(void)state;
	return crypto_init(NULL);
}

static void an_address_is_completed_as_a_person_writes_it(void **state UNUSED)
{
	static const struct {
		const char *given, *text; /* NULL: an error */
		int err;
	} rows[] = {
		{"vps.example.org", "vps.example.org:8443", TM_OK},
		{"vps.example.org:443", "vps.example.org:443", TM_OK},
		{"203.0.113.10", "203.0.113.10:8443", TM_OK},
		{"203.0.113.10:99", "203.0.113.10:99", TM_OK},
		{"2001:db8::1", "[2001:db8::1]:8443", TM_OK},
		{"[2001:db8::1]", "[2001:db8::1]:8443", TM_OK},
		{"[2001:db8::1]:99", "[2001:db8::1]:99", TM_OK},
		{"169.254.3.4", "169.254.3.4:8443", TM_OK},
		{"fe80::1", NULL, TM_EUNREACH},
		{"[fe80::1%lo]:8443", NULL, TM_EUNREACH},
		{"", NULL, TM_EINVAL},
		{":8443", NULL, TM_EINVAL},
		{"host:", NULL, TM_EINVAL},
		{"host:0", NULL, TM_EINVAL},
		{"host:65536", NULL, TM_EINVAL},
		{"host:1h", NULL, TM_EINVAL},
		{"192.0.2.1:0", NULL, TM_EINVAL},
		{"a:b:c", NULL, TM_EINVAL},
		{"a b", NULL, TM_EINVAL},
		{"[::1", NULL, TM_EINVAL},
		{"[192.0.2.1]", NULL, TM_EINVAL},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char out[TOKEN_ADDR_LEN] = "";
		int err = token_address(rows[i].given, 8443, out);

		if (err != rows[i].err || (!err && strcmp(out, rows[i].text) != 0))
			fail_msg("%s: %d %s", rows[i].given, err, out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_address_is_completed_as_a_person_writes_it),
		cmocka_unit_test(a_token_survives_the_round_trip),
		cmocka_unit_test(only_a_token_with_a_url_is_of_the_second_version),
		cmocka_unit_test(a_version_that_does_not_fit_the_addresses_is_refused),
		cmocka_unit_test(the_largest_token_fits),
		cmocka_unit_test(white_space_around_is_forgiven),
		cmocka_unit_test(a_token_garbled_at_any_position_is_refused),
		cmocka_unit_test(every_garbled_byte_below_the_text_is_noticed),
		cmocka_unit_test(a_cut_token_is_called_cut),
		cmocka_unit_test(bytes_behind_the_end_are_refused),
		cmocka_unit_test(a_newer_version_is_told_from_garbage),
		cmocka_unit_test(well_sealed_nonsense_is_refused),
		cmocka_unit_test(a_text_of_any_length_is_survived),
		cmocka_unit_test(wiping_leaves_nothing),
	};
	return cmocka_run_group_tests(tests, setup, NULL);
}
