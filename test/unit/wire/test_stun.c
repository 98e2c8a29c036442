/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/wire/hex.h"
#include "wire/stun.h"

#include "crypto/init.h"

/* RFC 5769 2.1 to 2.4 */
static const char *const sample_request = "00010058 2112a442 b7e7a701bc34d686fa87dfae"
					  "80220010 5354554e207465737420636c69656e74"
					  "00240004 6e0001ff"
					  "80290008 932ff9b151263b36"
					  "00060009 6576746a3a68367659202020"
					  "00080014 9aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2"
					  "80280004 e57a3bcf";
static const char *const sample_response4 = "0101003c 2112a442 b7e7a701bc34d686fa87dfae"
					    "8022000b 7465737420766563746f7220"
					    "00200008 0001a147e112a643"
					    "00080014 2b91f599fd9e90c38c7489f92af9ba53f06be7d7"
					    "80280004 c07d4c96";
static const char *const sample_response6 = "01010048 2112a442 b7e7a701bc34d686fa87dfae"
					    "8022000b 7465737420766563746f7220"
					    "00200014 0002a147 0113a9faa5d3f179bc25f4b5bed2b9d9"
					    "00080014 a382954e4be67bf11784c97c8292c275bfe3ed41"
					    "80280004 c8fb0b4c";
static const char *const sample_long_term =
	"00010060 2112a442 78ad3433c6ad72c029da412e"
	"00060012 e3839ee38388e383aae38383e382afe382b90000"
	"0015001c 662f2f3439396b39353464364f4c33346f4c39465354767936347341"
	"0014000b 6578616d706c652e6f726700"
	"00080014 f67024656dd64a3e02b8e0712e85c9a28ca89666";
static const char sample_password[] = "VOkJxbRl1RmTxUk/WvJxBt";

static const uint8_t key[STUN_KEY] = {1, 2, 3, 4, 5};

static void the_sample_request_of_rfc_5769_is_understood(void **state)
{
	uint8_t p[STUN_MAX];
	struct stun_msg m;
	(void)state;

	size_t n = hex(sample_request, p, sizeof(p));
	assert_true(stun_classify(p, n));
	assert_int_equal(stun_decode(p, n, &m), TM_OK);
	assert_int_equal(m.class, STUN_REQUEST);
	assert_int_equal(m.method, 1);
	assert_memory_equal(m.txid, p + 8, STUN_TXID);
	assert_string_equal(m.username, "evtj:h6vY");
	assert_int_equal(m.priority, 0x6e0001ff);
	assert_int_equal(m.n_unknown, 0);
	assert_true(m.has_fingerprint);
	assert_int_equal(m.mapped.ip.family, IP_NONE);
	assert_int_equal(stun_verify_sha1(p, n, &m, sample_password, strlen(sample_password)), TM_OK);
	assert_int_equal(stun_verify_sha1(p, n, &m, "wrong", 5), TM_EAUTH);
	assert_int_equal(stun_verify(p, n, &m, key), TM_EAUTH);
}

static void the_sample_responses_of_rfc_5769_are_understood(void **state)
{
	static const struct {
		const char *const *packet, *mapped;
	} rows[] = {
		{&sample_response4, "192.0.2.1:32853"},
		{&sample_response6, "[2001:db8:1234:5678:11:2233:4455:6677]:32853"},
	};
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint8_t p[STUN_MAX];
		char text[ENDPOINT_STR_LEN];
		struct stun_msg m;
		size_t n = hex(*rows[i].packet, p, sizeof(p));

		assert_int_equal(stun_decode(p, n, &m), TM_OK);
		assert_int_equal(m.class, STUN_SUCCESS);
		assert_string_equal(endpoint_format(&m.mapped, text), rows[i].mapped);
		assert_true(m.has_fingerprint);
		assert_int_equal(stun_verify_sha1(p, n, &m, sample_password, strlen(sample_password)), TM_OK);
	}
}

static void the_long_term_sample_of_rfc_5769_is_understood(void **state)
{
	/* MD5 of the user name, ":example.org:TheMatrIX" */
	uint8_t p[STUN_MAX], long_term[16];
	struct stun_msg m;
	(void)state;

	hex("e8ca7ad59d5eb0518e312911d2dab2a9", long_term, sizeof(long_term));
	size_t n = hex(sample_long_term, p, sizeof(p));
	assert_int_equal(stun_decode(p, n, &m), TM_OK);
	assert_string_equal(
		m.username, "\xe3\x83\x9e\xe3\x83\x88\xe3\x83\xaa\xe3\x83\x83\xe3\x82\xaf\xe3\x82\xb9");
	assert_false(m.has_fingerprint);
	assert_int_equal(m.n_unknown, 0);
	assert_int_equal(stun_verify_sha1(p, n, &m, long_term, sizeof(long_term)), TM_OK);
}

static void a_changed_byte_is_always_noticed(void **state)
{
	uint8_t p[STUN_MAX];
	(void)state;

	size_t n = hex(sample_request, p, sizeof(p));
	for (size_t i = 0; i < n; i++) {
		struct stun_msg m;

		p[i] ^= 0x20;
		/* The fingerprint covers everything before it; without one, the integrity tag would have to
		 * tell. */
		if (stun_decode(p, n, &m) == TM_OK && m.has_fingerprint)
			fail_msg("byte %zu", i);
		p[i] ^= 0x20;
	}
}

static struct stun_msg full_message(void)
{
	struct stun_msg m = {.class = STUN_SUCCESS,
		.method = 1,
		.txid = "0123456789ab",
		.username = "0123456789abcdef:fedcba9876543210",
		.priority = 0x7effffff,
		.use_candidate = true,
		.has_lifetime = true,
		.lifetime_s = 120,
		.has_cookie = true,
		.cookie = {1, 2, 3, 4, 5, 6, 7, 0xff},
		.change_port = true,
		.guess = {.role = STUN_GUESS_MEETS, .later_ms = 149, .n = 2},
		.error_code = 487};

	assert_int_equal(endpoint_parse("192.0.2.9:40000", &m.guess.seen[0]), TM_OK);
	assert_int_equal(endpoint_parse("192.0.2.10:40100", &m.guess.seen[1]), TM_OK);
	assert_int_equal(endpoint_parse("[2001:db8::7]:51820", &m.mapped), TM_OK);
	assert_int_equal(endpoint_parse("[2001:db8::8]:51821", &m.other), TM_OK);
	assert_int_equal(endpoint_parse("192.0.2.8:443", &m.origin), TM_OK);
	return m;
}

static void everything_we_encode_comes_back_and_verifies(void **state)
{
	struct stun_msg m = full_message(), back;
	uint8_t p[STUN_MAX];
	(void)state;

	size_t n = stun_encode(&m, key, p, sizeof(p));
	assert_true(n > STUN_HEADER);
	assert_true(stun_classify(p, n));
	assert_int_equal(stun_decode(p, n, &back), TM_OK);
	assert_int_equal(back.class, m.class);
	assert_int_equal(back.method, m.method);
	assert_memory_equal(back.txid, m.txid, STUN_TXID);
	assert_string_equal(back.username, m.username);
	assert_true(endpoint_eq(&back.mapped, &m.mapped));
	assert_int_equal(back.priority, m.priority);
	assert_true(back.use_candidate);
	assert_true(back.has_lifetime);
	assert_int_equal(back.lifetime_s, 120);
	assert_true(back.has_cookie);
	assert_memory_equal(back.cookie, m.cookie, STUN_COOKIE);
	assert_false(back.change_ip);
	assert_true(back.change_port);
	assert_true(endpoint_eq(&back.other, &m.other));
	assert_true(endpoint_eq(&back.origin, &m.origin));
	assert_int_equal(back.guess.role, STUN_GUESS_MEETS);
	assert_int_equal(back.guess.later_ms, 149);
	assert_int_equal(back.guess.n, 2);
	for (size_t i = 0; i < 2; i++)
		assert_true(endpoint_eq(&back.guess.seen[i], &m.guess.seen[i]));
	assert_int_equal(back.error_code, 487);
	assert_true(back.has_fingerprint);
	assert_int_equal(back.integrity_len, 32);
	assert_int_equal(stun_verify(p, n, &back, key), TM_OK);
	uint8_t other[STUN_KEY] = {1, 2, 3, 4, 6};
	assert_int_equal(stun_verify(p, n, &back, other), TM_EAUTH);
}

/* Ending a registration is not the same as saying nothing about one, nor is a cookie of zeros none. */
static void a_lifetime_of_nothing_and_a_cookie_of_zeros_are_there(void **state)
{
	struct stun_msg m = {.method = 1, .has_lifetime = true, .has_cookie = true}, back;
	uint8_t p[STUN_MAX];
	(void)state;

	size_t n = stun_encode(&m, key, p, sizeof(p));
	assert_int_equal(stun_decode(p, n, &back), TM_OK);
	assert_true(back.has_lifetime && back.has_cookie);
	n = stun_encode(&(struct stun_msg){.method = 1}, key, p, sizeof(p));
	assert_int_equal(stun_decode(p, n, &back), TM_OK);
	assert_false(back.has_lifetime || back.has_cookie);
}

static void a_message_is_padded_to_exactly_the_length_that_is_asked_for(void **state)
{
	struct stun_msg m = {.method = 1, .username = "0123456789abcdef:fedcba9876543210", .priority = 7},
			back;
	uint8_t p[STUN_MAX];
	size_t bare = stun_encode(&m, key, p, sizeof(p));
	(void)state;

	for (unsigned length = 1; length <= STUN_MAX + 4; length++) {
		m.pad_to = (uint16_t)length;
		size_t n = stun_encode(&m, key, p, sizeof(p));

		if (length < bare || length % 4 != 0 || length > STUN_MAX) {
			assert_int_equal(n, 0);
			continue;
		}
		assert_int_equal(n, length);
		assert_int_equal(stun_decode(p, n, &back), TM_OK);
		assert_int_equal(back.n_unknown, 0);
		assert_int_equal(back.priority, 7);
		assert_int_equal(stun_verify(p, n, &back, key), TM_OK);
	}
	/* The padding is covered like everything else: nobody makes a long question of a short one. */
	m.pad_to = STUN_MAX;
	size_t n = stun_encode(&m, key, p, sizeof(p));
	p[n / 2] ^= 1;
	assert_int_equal(stun_decode(p, n, &back), TM_EBADMSG);
}

static void every_class_and_method_survives_the_round_trip(void **state)
{
	(void)state;

	for (unsigned class = 0; class < 4; class ++) {
		for (unsigned method = 0; method < 0x1000; method++) {
			struct stun_msg m = {.class = (enum stun_class) class, .method = (uint16_t)method},
					back;
			uint8_t p[STUN_HEADER + 8];
			size_t n = stun_encode(&m, NULL, p, sizeof(p));

			assert_int_equal(n, sizeof(p));
			assert_int_equal(p[0] >> 6, 0);
			assert_int_equal(stun_decode(p, n, &back), TM_OK);
			assert_int_equal(back.class, class);
			assert_int_equal(back.method, method);
		}
	}
}

static void a_message_changed_under_a_fresh_fingerprint_fails_the_integrity_check(void **state)
{
	struct stun_msg m = full_message(), back;
	uint8_t p[STUN_MAX];
	(void)state;

	size_t n = stun_encode(&m, key, p, sizeof(p)) - 8; /* without the fingerprint */
	for (size_t i = 8; i < n; i++) {
		p[i] ^= 1;
		put_be16(p + 2, (uint16_t)(n - STUN_HEADER));
		if (stun_decode(p, n, &back) == TM_OK && stun_verify(p, n, &back, key) == TM_OK)
			fail_msg("byte %zu", i);
		p[i] ^= 1;
	}
	assert_int_equal(stun_decode(p, n, &back), TM_OK);
	assert_int_equal(stun_verify(p, n, &back, key), TM_OK);
}

/* Appends an attribute to a message and corrects its length. */
static size_t append(uint8_t *p, size_t n, uint16_t type, const void *v, uint16_t len)
{
	put_be16(p + n, type);
	put_be16(p + n + 2, len);
	memset(p + n + 4, 0, (len + 3u) & ~3u);
	if (len)
		memcpy(p + n + 4, v, len);
	n += 4 + ((len + 3u) & ~3u);
	put_be16(p + 2, (uint16_t)(n - STUN_HEADER));
	return n;
}

static size_t bare_request(uint8_t *p)
{
	return hex("00010000 2112a442 000102030405060708090a0b", p, STUN_HEADER);
}

static void attributes_behind_the_integrity_tag_count_for_nothing(void **state)
{
	struct stun_msg m = {.method = 1, .username = "a:b"}, back;
	uint8_t p[STUN_MAX], tag[20] = {0};
	(void)state;

	size_t n = stun_encode(&m, key, p, sizeof(p)) - 8;
	n = append(p, n, 0x0025, "", 0);
	n = append(p, n, 0x0024, "\1\2\3\4", 4);
	n = append(p, n, 0x0006, "evil", 4);
	n = append(p, n, 0x7fff, "unknown", 7);
	assert_int_equal(stun_decode(p, n, &back), TM_OK);
	assert_false(back.use_candidate);
	assert_int_equal(back.priority, 0);
	assert_int_equal(back.n_unknown, 0);
	assert_string_equal(back.username, "a:b");
	assert_int_equal(stun_verify(p, n, &back, key), TM_OK);

	/* Behind the older MESSAGE-INTEGRITY only the newer one counts. */
	n = append(p, bare_request(p), 0x0008, tag, 20);
	n = append(p, n, 0x0025, "", 0);
	n = append(p, n, 0x001c, key, 32);
	assert_int_equal(stun_decode(p, n, &back), TM_OK);
	assert_false(back.use_candidate);
	assert_non_null(back.integrity_sha256);
}

static void a_truncated_tag_is_read_but_not_trusted(void **state)
{
	struct stun_msg m = {.method = 1}, back;
	uint8_t p[STUN_MAX];
	(void)state;

	for (size_t len = 4; len <= 36; len += 4) {
		size_t n = append(p, bare_request(p), 0x001c, (uint8_t[36]){0}, (uint16_t)len);

		assert_int_equal(stun_decode(p, n, &back), len >= 16 && len <= 32 ? TM_OK : TM_EBADMSG);
	}
	/* A right tag of 32 bytes, cut to 16 */
	size_t n = stun_encode(&m, key, p, sizeof(p)) - 8;
	put_be16(p + n - 34, 16);
	put_be16(p + 2, 20);
	assert_int_equal(stun_decode(p, n - 16, &back), TM_OK);
	assert_int_equal(back.integrity_len, 16);
	assert_int_equal(stun_verify(p, n - 16, &back, key), TM_EAUTH);
}

static void unknown_attributes_are_listed_only_when_they_must_be_understood(void **state)
{
	struct stun_msg m;
	uint8_t p[STUN_MAX];
	(void)state;

	size_t n = append(p, bare_request(p), 0x7ffe, "x", 1);
	n = append(p, n, 0x8001, "optional", 8);
	n = append(p, n, 0xffff, "", 0);
	for (uint16_t i = 0; i < 12; i++)
		n = append(p, n, (uint16_t)(0x4000 + i), "", 0);
	assert_int_equal(stun_decode(p, n, &m), TM_OK);
	assert_int_equal(m.n_unknown, 8);
	assert_int_equal(m.unknown[0], 0x7ffe);
	assert_int_equal(m.unknown[7], 0x4006);

	/* RFC 8489 6.3.1: the answer is 420 with their numbers. */
	struct stun_msg answer = {
		.class = STUN_ERROR, .method = 1, .error_code = 420, .n_unknown = 1, .unknown = {0x7ffe}};
	static const uint8_t lists[] = {0x00, 0x0a, 0x00, 0x02, 0x7f, 0xfe};
	size_t len = stun_encode(&answer, NULL, p, sizeof(p));
	assert_non_null(memmem(p, len, lists, sizeof(lists)));
	assert_int_equal(stun_decode(p, len, &m), TM_OK);
	assert_int_equal(m.error_code, 420);
}

static void the_first_of_repeated_attributes_counts(void **state)
{
	struct stun_msg m;
	uint8_t p[STUN_MAX];
	(void)state;

	size_t n = append(p, bare_request(p), 0x0006, "first", 5);
	n = append(p, n, 0x0006, "second", 6);
	n = append(p, n, 0x0024, "\0\0\0\1", 4);
	n = append(p, n, 0x0024, "\0\0\0\2", 4);
	n = append(p, n, 0x000d, "\0\0\0\3", 4);
	n = append(p, n, 0x000d, "\0\0\0\4", 4);
	n = append(p, n, 0xc0a1, "12345678", 8);
	n = append(p, n, 0xc0a1, "abcdefgh", 8);
	n = append(p, n, 0x0003, "\0\0\0\2", 4);
	n = append(p, n, 0x0003, "\0\0\0\4", 4);
	assert_int_equal(stun_decode(p, n, &m), TM_OK);
	assert_string_equal(m.username, "first");
	assert_int_equal(m.priority, 1);
	assert_int_equal(m.lifetime_s, 3);
	assert_memory_equal(m.cookie, "12345678", 8);
	assert_true(m.change_port && !m.change_ip);
}

static void malformed_attributes_are_refused(void **state)
{
	static const struct {
		const char *why;
		uint16_t type, len;
		const char *value;
	} rows[] = {
		{"user name empty", 0x0006, 0, ""},
		{"user name of 65 bytes", 0x0006, 65,
			"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"},
		{"zero byte in the user name", 0x0006, 3, "a\0b"},
		{"short SHA-1 tag", 0x0008, 16, "0123456789abcdef"},
		{"tag of 33 bytes", 0x001c, 33, "0123456789abcdef0123456789abcdef0"},
		{"tag of 18 bytes", 0x001c, 18, "0123456789abcdef01"},
		{"error code without number", 0x0009, 3, "\0\0\4"},
		{"error class 2", 0x0009, 4, "\0\0\2\0"},
		{"error class 7", 0x0009, 4, "\0\0\7\0"},
		{"error number 100", 0x0009, 4, "\0\0\4\x64"},
		{"short address", 0x0020, 7, "\0\1\1\2\3\4\5"},
		{"IPv4 address of 20 bytes", 0x0020, 20, "\0\1\1\2\3\4\5\6\7\0\0\0\0\0\0\0\0\0\0"},
		{"IPv6 address of 8 bytes", 0x0020, 8, "\0\2\1\2\3\4\5"},
		{"address family 3", 0x0020, 8, "\0\3\1\2\3\4\5"},
		{"empty address", 0x0020, 0, ""},
		{"short priority", 0x0024, 3, "\1\2\3"},
		{"long priority", 0x0024, 5, "\1\2\3\4\5"},
		{"use-candidate with a value", 0x0025, 4, "\1\2\3\4"},
		{"short lifetime", 0x000d, 3, "\1\2\3"},
		{"lifetime of 8 bytes", 0x000d, 8, "\1\2\3\4\5\6\7\10"},
		{"cookie of 7 bytes", 0xc0a1, 7, "\1\2\3\4\5\6\7"},
		{"cookie of 9 bytes", 0xc0a1, 9, "\1\2\3\4\5\6\7\10\11"},
		{"change-request of a byte", 0x0003, 1, "\2"},
		{"other address of no family", 0x802c, 8, "\0\0\1\2\3\4\5\6"},
		{"short origin", 0x802b, 7, "\0\1\1\2\3\4\5"},
		{"short fingerprint", 0x8028, 3, "\1\2\3"},
		{"wrong fingerprint", 0x8028, 4, "\1\2\3\4"},
	};
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct stun_msg m;
		uint8_t p[STUN_MAX];
		size_t n = append(p, bare_request(p), rows[i].type, rows[i].value, rows[i].len);

		if (stun_decode(p, n, &m) != TM_EBADMSG)
			fail_msg("%s", rows[i].why);
	}
}

static void malformed_messages_are_refused_and_leave_the_result_alone(void **state)
{
	static const struct {
		const char *why, *packet;
		bool classified;
		int err;
	} rows[] = {
		{"empty", "", false, TM_ESHORT},
		{"19 bytes", "00010000 2112a442 000102030405060708090a", false, TM_ESHORT},
		{"bare request", "00010000 2112a442 000102030405060708090a0b", true, TM_OK},
		{"top bit set", "80010000 2112a442 000102030405060708090a0b", false, TM_EBADMSG},
		{"next bit set", "40010000 2112a442 000102030405060708090a0b", false, TM_EBADMSG},
		{"other cookie", "00010000 2112a443 000102030405060708090a0b", false, TM_EBADMSG},
		{"odd length", "00010003 2112a442 000102030405060708090a0b 000000", false, TM_EBADMSG},
		{"length beyond the end", "00010004 2112a442 000102030405060708090a0b", false, TM_EBADMSG},
		{"bytes behind the end", "00010000 2112a442 000102030405060708090a0b 00000000", true,
			TM_EBADMSG},
		{"attribute beyond the end", "00010004 2112a442 000102030405060708090a0b 80220004", true,
			TM_EBADMSG},
		{"attribute behind the fingerprint",
			"0001000c 2112a442 000102030405060708090a0b 80280004 00000000 80220000", true,
			TM_EBADMSG},
		{"fingerprint twice",
			"00010010 2112a442 000102030405060708090a0b 80280004 00000000 80280004 00000000",
			true, TM_EBADMSG},
	};
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint8_t p[64];
		struct stun_msg m = {.priority = 77};
		size_t n = hex(rows[i].packet, p, sizeof(p));

		if (stun_classify(p, n) != rows[i].classified || stun_decode(p, n, &m) != rows[i].err)
			fail_msg("%s", rows[i].why);
		if (rows[i].err)
			assert_int_equal(m.priority, 77);
	}
}

static void a_wireguard_message_is_not_taken_for_stun(void **state)
{
	uint8_t p[148] = {0};
	(void)state;

	for (uint8_t type = 1; type <= 4; type++) {
		p[0] = type;
		assert_false(stun_classify(p, sizeof(p)));
	}
}

static void a_mapped_address_is_taken_for_the_ipv4_one(void **state)
{
	struct stun_msg m = full_message(), back;
	uint8_t p[STUN_MAX];
	(void)state;

	m.mapped.ip = (struct ip){.family = IP_V6, .bytes = {[10] = 0xff, 0xff, 127, 0, 0, 1}};
	size_t n = stun_encode(&m, key, p, sizeof(p));
	assert_int_equal(stun_decode(p, n, &back), TM_OK);
	assert_int_equal(back.mapped.ip.family, IP_V4);
	assert_true(ip_is_loopback(&back.mapped.ip));
}

static void encoding_needs_its_room(void **state)
{
	struct stun_msg m = full_message();
	uint8_t p[STUN_MAX];
	size_t n = stun_encode(&m, key, p, sizeof(p));
	(void)state;

	for (size_t room = 0; room < n; room++)
		assert_int_equal(stun_encode(&m, key, p, room), 0);
	assert_int_equal(stun_encode(&m, key, p, n), n);
	m.error_code = 299;
	assert_int_equal(stun_encode(&m, key, p, sizeof(p)), 0);
}

static int setup(void **state)
{
	(void)state;
	return crypto_init(NULL);
}

static void a_list_of_candidates_is_carried_as_it_is_up_to_its_limit(void **state)
{
	static const uint8_t a_key[STUN_KEY] = "a key of 32 bytes, known to none",
			     list[STUN_CANDIDATES_MAX + 1] = {7};
	uint8_t p[STUN_MAX];
	struct stun_msg m;

	(void)state;
	for (size_t n = 1; n <= sizeof(list); n += STUN_CANDIDATES_MAX / 2) {
		const struct stun_msg ask = {
			.method = 1, .username = "a:b", .candidates = list, .candidates_len = n};
		const size_t len = stun_encode(&ask, a_key, p, sizeof(p));

		assert_true(len > n);
		if (n > STUN_CANDIDATES_MAX) {
			assert_int_equal(stun_decode(p, len, &m), TM_EBADMSG);
			continue;
		}
		assert_int_equal(stun_decode(p, len, &m), TM_OK);
		assert_int_equal(m.candidates_len, n);
		assert_memory_equal(m.candidates, list, n);
		assert_int_equal(m.n_unknown, 0);
		assert_int_equal(stun_verify(p, len, &m, a_key), TM_OK);
	}
}

static void more_guesses_than_there_is_room_for_are_refused(void **state)
{
	uint8_t p[STUN_HEADER + 4 + 60] = {0, 1};
	struct stun_msg m;
	(void)state;

	put_be32(p + 4, STUN_MAGIC);
	put_be16(p + STUN_HEADER, 0xc0a3); /* GUESS-PORTS */
	p[STUN_HEADER + 4] = STUN_GUESS_OPENS;
	for (size_t n = STUN_GUESS_MAX; n <= STUN_GUESS_MAX + 1; n++) {
		put_be16(p + 2, (uint16_t)(4 + (4 + 6 * n + 3) / 4 * 4));
		put_be16(p + STUN_HEADER + 2, (uint16_t)(4 + 6 * n));
		assert_int_equal(stun_decode(p, STUN_HEADER + get_be16(p + 2), &m),
			n == STUN_GUESS_MAX ? TM_OK : TM_EBADMSG);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(more_guesses_than_there_is_room_for_are_refused),
		cmocka_unit_test(the_sample_request_of_rfc_5769_is_understood),
		cmocka_unit_test(the_sample_responses_of_rfc_5769_are_understood),
		cmocka_unit_test(the_long_term_sample_of_rfc_5769_is_understood),
		cmocka_unit_test(a_changed_byte_is_always_noticed),
		cmocka_unit_test(everything_we_encode_comes_back_and_verifies),
		cmocka_unit_test(a_lifetime_of_nothing_and_a_cookie_of_zeros_are_there),
		cmocka_unit_test(a_message_is_padded_to_exactly_the_length_that_is_asked_for),
		cmocka_unit_test(every_class_and_method_survives_the_round_trip),
		cmocka_unit_test(a_message_changed_under_a_fresh_fingerprint_fails_the_integrity_check),
		cmocka_unit_test(attributes_behind_the_integrity_tag_count_for_nothing),
		cmocka_unit_test(a_truncated_tag_is_read_but_not_trusted),
		cmocka_unit_test(unknown_attributes_are_listed_only_when_they_must_be_understood),
		cmocka_unit_test(the_first_of_repeated_attributes_counts),
		cmocka_unit_test(malformed_attributes_are_refused),
		cmocka_unit_test(malformed_messages_are_refused_and_leave_the_result_alone),
		cmocka_unit_test(a_wireguard_message_is_not_taken_for_stun),
		cmocka_unit_test(a_mapped_address_is_taken_for_the_ipv4_one),
		cmocka_unit_test(encoding_needs_its_room),
		cmocka_unit_test(a_list_of_candidates_is_carried_as_it_is_up_to_its_limit),
	};
	return cmocka_run_group_tests(tests, setup, NULL);
}
