/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Questions for addresses and what comes back. */
#include "unit/unit.h"

#include "base/bytes.h"
#include "wire/dns.h"

static uint8_t query[DNS_QUERY_MAX];
static size_t query_len;

static void ask(const char *name, enum dns_type type)
{
	assert_int_equal(dns_query_encode(0x1234, name, type, query, &query_len), TM_OK);
}

/* The query turned into an answer with these flags and this many records, whose bytes follow. */
static size_t answer(uint8_t *out, uint16_t flags, uint16_t records, const void *bytes, size_t n)
{
	memcpy(out, query, query_len);
	put_be16(out + 2, flags);
	put_be16(out + 6, records);
	memcpy(out + query_len, bytes, n);
	return query_len + n;
}

#define ADDRESS4 "\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\x01" /* 192.0.2.1 */
#define ALIAS "\xc0\x0c\0\5\0\1\0\0\0\x3c\0\7\4real\xc0\x14"

static void a_question_is_what_rfc_1035_says(void **state UNUSED)
{
	static const uint8_t expected[] = "\x12\x34\x01\0\0\1\0\0\0\0\0\0\3hub\7example\3org\0\0\x1c\0\1";

	ask("hub.example.org", DNS_AAAA);
	assert_int_equal(query_len, sizeof(expected) - 1);
	assert_memory_equal(query, expected, query_len);
	ask("hub.example.org.", DNS_AAAA); /* complete as it is */
	assert_memory_equal(query, expected, sizeof(expected) - 1);
}

static void what_is_no_name_is_not_asked_for(void **state UNUSED)
{
	static const char *const bad[] = {"", ".", "..", "a..b", ".a", "a..",
		"a123456789012345678901234567890123456789012345678901234567890123.org"};
	char longest[300];
	uint8_t out[DNS_QUERY_MAX];
	size_t n;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (dns_query_encode(1, bad[i], DNS_A, out, &n) != TM_EINVAL)
			fail_msg("\"%s\"", bad[i]);
	for (size_t i = 0; i < 254; i++)
		longest[i] = i % 50 == 49 ? '.' : 'x';
	longest[254] = '\0';
	assert_int_equal(dns_query_encode(1, longest, DNS_A, out, &n), TM_EINVAL);
	longest[253] = '\0';
	assert_int_equal(dns_query_encode(1, longest, DNS_A, out, &n), TM_OK);
	assert_int_equal(n, DNS_QUERY_MAX);
}

static void addresses_are_found_behind_aliases(void **state UNUSED)
{
	uint8_t p[512];
	struct dns_answer a;

	ask("hub.example.org", DNS_A);
	size_t n = answer(p, 0x8180, 3, ALIAS ADDRESS4 ADDRESS4, sizeof(ALIAS ADDRESS4 ADDRESS4) - 1);
	p[13] = 'H'; /* a server may change the case of letters */
	assert_int_equal(dns_answer_decode(p, n, query, query_len, &a), TM_OK);
	assert_int_equal(a.rcode, DNS_OK);
	assert_int_equal(a.n, 2);
	assert_int_equal(a.addresses[1].family, IP_V4);
	assert_int_equal(a.addresses[1].bytes[3], 1);
	/* Cut in the second address: the first still counts. */
	assert_int_equal(dns_answer_decode(p, n - 1, query, query_len, &a), TM_OK);
	assert_int_equal(a.n, 1);
	for (size_t cut = 0; cut < query_len; cut++)
		assert_int_equal(dns_answer_decode(p, cut, query, query_len, &a), TM_EBADMSG);
	/* Addresses of the other family are no answer. */
	ask("hub.example.org", DNS_AAAA);
	n = answer(p, 0x8180, 1, ADDRESS4, sizeof(ADDRESS4) - 1);
	assert_int_equal(dns_answer_decode(p, n, query, query_len, &a), TM_OK);
	assert_int_equal(a.n, 0);
}

static void only_the_answer_to_this_question_counts(void **state UNUSED)
{
	static const struct {
		size_t at;
		uint8_t xor ;
		int err;
	} rows[] = {
		{0, 1, TM_EAGAIN}, /* id */
		{2, 0x80, TM_EAGAIN}, /* a question, not an answer */
		{2, 0x08, TM_EBADMSG}, /* opcode */
		{5, 3, TM_EBADMSG}, /* two questions */
		{14, 1, TM_EAGAIN}, /* another name */
		{12, 1, TM_EAGAIN}, /* another length of its first label */
		{30, 1, TM_EAGAIN}, /* another type */
		{32, 1, TM_EAGAIN}, /* another class */
	};
	uint8_t p[512];
	struct dns_answer a;

	ask("hub.example.org", DNS_A);
	assert_int_equal(query_len, 33);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		size_t n = answer(p, 0x8180, 1, ADDRESS4, sizeof(ADDRESS4) - 1);

		p[rows[i].at] ^= rows[i].xor ;
		if (dns_answer_decode(p, n, query, query_len, &a) != rows[i].err)
			fail_msg("row %zu", i);
	}
}

static void refusals_are_told(void **state UNUSED)
{
	uint8_t p[512];
	struct dns_answer a;

	ask("no.example.org", DNS_A);
	assert_int_equal(dns_answer_decode(p, answer(p, 0x8183, 0, "", 0), query, query_len, &a), TM_OK);
	assert_int_equal(a.rcode, DNS_NXDOMAIN);
	/* REFUSED, without the question. */
	(void)answer(p, 0x8185, 0, "", 0);
	put_be16(p + 4, 0);
	assert_int_equal(dns_answer_decode(p, 12, query, query_len, &a), TM_OK);
	assert_int_equal(a.rcode, 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_question_is_what_rfc_1035_says),
		cmocka_unit_test(what_is_no_name_is_not_asked_for),
		cmocka_unit_test(addresses_are_found_behind_aliases),
		cmocka_unit_test(only_the_answer_to_this_question_counts),
		cmocka_unit_test(refusals_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
