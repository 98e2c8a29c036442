/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "hex.h"
#include "unit/unit.h"
#include "wire/pcp.h"

static struct ip ip(const char *text)
{
	struct ip v;

	assert_int_equal(ip_parse(text, &v), TM_OK);
	return v;
}

static void a_request_has_its_fields_where_the_rfc_puts_them(void **state)
{
	static const struct {
		const char *client, *external, *hex;
	} rows[] = {
		{"192.0.2.7", NULL,
			"0201000000001c2000000000000000000000ffffc0000207"
			"0102030405060708090a0b0c11000000ca6c0400"
			"00000000000000000000ffff00000000"},
		{"2001:db8::7", "2001:db8::7",
			"0201000000001c2020010db8000000000000000000000007"
			"0102030405060708090a0b0c11000000ca6c0400"
			"20010db8000000000000000000000007"},
		{"2001:db8::7", NULL,
			"0201000000001c2020010db8000000000000000000000007"
			"0102030405060708090a0b0c11000000ca6c0400"
			"00000000000000000000000000000000"},
	};
	struct pcp_map map = {.nonce = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12},
		.internal_port = 51820,
		.external_port = 1024,
		.lifetime_s = 7200};
	uint8_t out[PCP_MAP_LEN], want[PCP_MAP_LEN];
	struct ip client;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		client = ip(rows[i].client);
		map.external = rows[i].external ? ip(rows[i].external) : (struct ip){0};
		assert_int_equal(pcp_map_request(&client, &map, out, sizeof(out)), PCP_MAP_LEN);
		(void)hex(rows[i].hex, want, sizeof(want));
		assert_memory_equal(out, want, PCP_MAP_LEN);
		assert_int_equal(pcp_map_request(&client, &map, out, PCP_MAP_LEN - 1), 0);
	}
	client = ip("192.0.2.7");
	assert_int_equal(pcp_announce_request(&client, out, sizeof(out)), PCP_HEADER_LEN);
	(void)hex("020000000000000000000000000000000000ffffc0000207", want, PCP_HEADER_LEN);
	assert_memory_equal(out, want, PCP_HEADER_LEN);
}

#define MAPPED "0281000000000e100000002a0000000000000000000000000102030405060708090a0b0c"

static void a_response_says_what_was_mapped(void **state)
{
	const uint8_t nonce[PCP_NONCE] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
	uint8_t p[PCP_MAX + 8] = {0};
	struct pcp_response m;
	struct ip external = ip("203.0.113.9");

	(void)state;
	(void)hex(MAPPED "11000000ca6c040000000000000000000000ffffcb007109", p, PCP_MAP_LEN);
	assert_int_equal(pcp_response_decode(p, PCP_MAP_LEN, &m), TM_OK);
	assert_int_equal(m.opcode, PCP_MAP);
	assert_int_equal(m.result, PCP_SUCCESS);
	assert_int_equal(m.lifetime_s, 3600);
	assert_int_equal(m.epoch_s, 42);
	assert_memory_equal(m.map.nonce, nonce, PCP_NONCE);
	assert_int_equal(m.map.internal_port, 51820);
	assert_int_equal(m.map.external_port, 1024);
	assert_int_equal(m.map.lifetime_s, 3600);
	assert_true(ip_eq(&m.map.external, &external));
	/* Options that we did not ask for stand behind it and say nothing. */
	assert_int_equal(pcp_response_decode(p, PCP_MAP_LEN + 8, &m), TM_OK);

	(void)hex("028000000000001e0000002a000000000000000000000000", p, PCP_HEADER_LEN);
	assert_int_equal(pcp_response_decode(p, PCP_HEADER_LEN, &m), TM_OK);
	assert_int_equal(m.opcode, PCP_ANNOUNCE);
	assert_int_equal(m.result, 0);
	p[3] = PCP_NOT_AUTHORIZED;
	assert_int_equal(pcp_response_decode(p, PCP_HEADER_LEN, &m), TM_OK);
	assert_int_equal(m.result, PCP_NOT_AUTHORIZED);
	assert_int_equal(m.lifetime_s, 30);
}

static void what_is_no_response_is_refused(void **state)
{
	static const struct {
		size_t at;
		uint8_t value;
		size_t n;
		int err;
	} rows[] = {
		{0, 2, PCP_MAP_LEN, TM_OK}, {0, 2, PCP_MAP_LEN - 4, TM_ESHORT},
		{0, 2, PCP_HEADER_LEN - 1, TM_ESHORT}, {0, 2, 0, TM_ESHORT},
		{0, 0, 8, TM_EVERSION}, /* a gateway that speaks NAT-PMP alone */
		{0, 1, PCP_MAP_LEN, TM_EVERSION}, {0, 2, PCP_MAP_LEN + 1, TM_EBADMSG}, /* RFC 6887 8.3 */
		{0, 2, PCP_MAX + 4, TM_EBADMSG}, {1, 1, PCP_MAP_LEN, TM_EBADMSG}, /* a request */
		{1, 0x82, PCP_MAP_LEN, TM_EBADMSG}, /* PEER */
		{36, 6, PCP_MAP_LEN, TM_EBADMSG}, /* TCP */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint8_t p[PCP_MAX + 8] = {0};
		struct pcp_response m = {.epoch_s = 7};

		(void)hex(MAPPED "11000000ca6c040000000000000000000000ffffcb007109", p, PCP_MAP_LEN);
		p[rows[i].at] = rows[i].value;
		if (pcp_response_decode(p, rows[i].n, &m) != rows[i].err)
			fail_msg("row %zu", i);
		assert_int_equal(m.epoch_s, rows[i].err ? 7 : 42);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_has_its_fields_where_the_rfc_puts_them),
		cmocka_unit_test(a_response_says_what_was_mapped),
		cmocka_unit_test(what_is_no_response_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
