/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "packet/ip.h"
#include "unit/wire/hex.h"

#include "base/bytes.h"

/* UDP, 192.0.2.1 -> 198.51.100.2, 28 bytes */
static const char *const udp4 = "45 b8 001c 1234 4000 40 11 0000 c0000201 c6336402 0035 0035 0008 0000";
/* No next header, 2001:db8::1 -> 2001:db8::2, traffic class 0xb8, 8 bytes of payload */
static const char *const none6 =
	"6b812345 0008 3b 40 20010db8000000000000000000000001 20010db8000000000000000000000002"
	"0102030405060708";

static void an_ipv4_header_is_taken_apart(void **state)
{
	uint8_t p[64];
	struct ip_header h;
	char text[IP_STR_LEN];
	(void)state;

	size_t n = hex(udp4, p, sizeof(p));
	assert_int_equal(ip_header_decode(p, n, &h), TM_OK);
	assert_string_equal(ip_format(&h.src, text), "192.0.2.1");
	assert_string_equal(ip_format(&h.dst, text), "198.51.100.2");
	assert_int_equal(h.total, 28);
	assert_int_equal(h.tos, 0xb8);
	assert_int_equal(h.ttl, 64);
	assert_int_equal(h.proto, 17);
	assert_int_equal(h.header_len, 20);
	assert_memory_equal(ip_dst(p), h.dst.bytes, 4);
	assert_memory_equal(ip_src(p), h.src.bytes, 4);
}

static void an_ipv6_header_is_taken_apart(void **state)
{
	uint8_t p[64];
	struct ip_header h;
	char text[IP_STR_LEN];
	(void)state;

	size_t n = hex(none6, p, sizeof(p));
	assert_int_equal(ip_header_decode(p, n, &h), TM_OK);
	assert_string_equal(ip_format(&h.src, text), "2001:db8::1");
	assert_string_equal(ip_format(&h.dst, text), "2001:db8::2");
	assert_int_equal(h.total, 48);
	assert_int_equal(h.tos, 0xb8);
	assert_int_equal(h.ttl, 64);
	assert_int_equal(h.proto, 59);
	assert_int_equal(h.header_len, 40);
	assert_memory_equal(ip_dst(p), h.dst.bytes, 16);
	assert_memory_equal(ip_src(p), h.src.bytes, 16);
}

static void lying_headers_are_refused(void **state)
{
	static const struct {
		const char *why;
		bool v6;
		size_t n; /* 0 = all */
		size_t at;
		uint8_t value;
		int err;
	} rows[] = {
		{"empty", false, 0, 0, 0, TM_EBADMSG},
		{"version 5", false, 0, 0, 0x55, TM_EBADMSG},
		{"19 bytes", false, 19, 0, 0x45, TM_ESHORT},
		{"header of 16 bytes", false, 0, 0, 0x44, TM_EBADMSG},
		{"header of 60 bytes in 28", false, 0, 0, 0x4f, TM_EBADMSG},
		{"total below the header", false, 0, 3, 19, TM_EBADMSG},
		{"total beyond what came", false, 0, 3, 29, TM_EBADMSG},
		{"cut behind the header", false, 27, 0, 0x45, TM_EBADMSG},
		{"just a header", false, 20, 3, 20, TM_OK},
		{"39 bytes", true, 39, 0, 0x6b, TM_ESHORT},
		{"payload beyond what came", true, 0, 5, 9, TM_EBADMSG},
		{"payload far beyond", true, 0, 4, 0xff, TM_EBADMSG},
		{"no payload", true, 40, 5, 0, TM_OK},
		{"trailing bytes", true, 0, 5, 3, TM_OK},
	};
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint8_t p[64];
		struct ip_header h;
		size_t n = hex(rows[i].v6 ? none6 : udp4, p, sizeof(p));

		p[rows[i].at] = rows[i].value;
		int err = ip_header_decode(p, rows[i].n ? rows[i].n : n, &h);
		if (err != rows[i].err)
			fail_msg("%s: %d", rows[i].why, err);
	}
	struct ip_header h;
	assert_int_equal(ip_header_decode((const uint8_t *)"", 0, &h), TM_ESHORT);
}

static void an_ipv6_packet_longer_than_a_length_can_say_is_refused(void **state)
{
	uint8_t *p = calloc(1, 40 + 65535);
	struct ip_header h;
	(void)state;

	p[0] = 0x60;
	put_be16(p + 4, 65535 - 40);
	assert_int_equal(ip_header_decode(p, 40 + 65535, &h), TM_OK);
	assert_int_equal(h.total, 65535);
	put_be16(p + 4, 65535 - 39);
	assert_int_equal(ip_header_decode(p, 40 + 65535, &h), TM_EBADMSG);
	free(p);
}

static void the_checksum_of_rfc_1071_comes_out(void **state)
{
	/* RFC 1071 3: the sum of these bytes is ddf2 with the carries added back. */
	static const uint8_t p[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
	(void)state;

	assert_int_equal(csum_finish(csum_add(p, sizeof(p), 0)), 0xffff - 0xddf2);
	/* A checked header sums to zero; this one is a classic example: 45 00 00 73 ... b8 61. */
	uint8_t header[20];
	hex("4500 0073 0000 4000 4011 b861 c0a80001 c0a800c7", header, sizeof(header));
	assert_int_equal(csum_finish(csum_add(header, 20, 0)), 0);
}

static uint16_t slow_csum(const uint8_t *p, size_t n)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < n; i++) {
		sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return (uint16_t)~sum;
}

static void the_checksum_equals_its_naive_twin_whole_and_in_pieces(void **state)
{
	uint8_t p[1501];
	uint32_t random = 1;
	(void)state;

	for (size_t i = 0; i < sizeof(p); i++) {
		random = random * 1664525 + 1013904223;
		p[i] = (uint8_t)(random >> 24);
	}
	for (size_t n = 0; n <= sizeof(p); n += n < 64 ? 1 : 61) {
		assert_int_equal(csum_finish(csum_add(p, n, 0)), slow_csum(p, n));
		for (size_t cut = 0; cut <= n; cut += 2 + 2 * (n > 64) * 20)
			assert_int_equal(csum_finish(csum_add(p + cut, n - cut, csum_add(p, cut, 0))),
				slow_csum(p, n));
	}
	memset(p, 0xff, sizeof(p));
	assert_int_equal(csum_finish(csum_add(p, 1500, 0)), 0);
	assert_int_equal(csum_finish(csum_add(p, 1500, UINT32_MAX)), 0);
}

static void the_pseudo_header_is_summed_for_both_families(void **state)
{
	uint8_t twin[40];
	struct ip a4, b4, a6, b6;
	(void)state;

	assert_int_equal(ip_parse("192.0.2.1", &a4) | ip_parse("198.51.100.2", &b4), 0);
	assert_int_equal(ip_parse("2001:db8::1", &a6) | ip_parse("fd12:3456::789a", &b6), 0);
	size_t n = hex("c0000201 c6336402 00 11 1234", twin, sizeof(twin));
	assert_int_equal(csum_finish(csum_pseudo(&a4, &b4, 17, 0x1234)), slow_csum(twin, n));
	n = hex("20010db8000000000000000000000001 fd12345600000000000000000000789a 00011234 0000003a", twin,
		sizeof(twin));
	assert_int_equal(csum_finish(csum_pseudo(&a6, &b6, 58, 0x11234)), slow_csum(twin, n));
}

static void set_ip4_csum(uint8_t *p)
{
	put_be16(p + 10, 0);
	put_be16(p + 10, csum_finish(csum_add(p, (p[0] & 15u) * 4, 0)));
}

static void lowering_the_ttl_keeps_the_ipv4_checksum_right(void **state)
{
	uint8_t p[64];
	(void)state;

	for (unsigned ttl = 2; ttl < 256; ttl++) {
		for (unsigned id = 0; id < 65536; id += 251) {
			hex(udp4, p, sizeof(p));
			p[8] = (uint8_t)ttl;
			put_be16(p + 4, (uint16_t)id);
			set_ip4_csum(p);
			assert_true(ip_decrement_ttl(p));
			assert_int_equal(p[8], ttl - 1);
			if (csum_finish(csum_add(p, 20, 0)) != 0)
				fail_msg("ttl %u, id %u", ttl, id);
		}
	}
}

/* RFC 1624 3: eqn. 2 of RFC 1141 turns such a checksum into ffff, the right one is 0000. */
static void a_checksum_that_becomes_zero_becomes_plus_zero(void **state)
{
	uint8_t p[20] = {0x45};
	(void)state;

	put_be16(p + 4, 0xffff - 0x4500 - 0x0111); /* so that all words sum to ffff once the TTL is 1 */
	put_be16(p + 8, 0x0211); /* TTL 2, UDP */
	set_ip4_csum(p);
	assert_int_equal(get_be16(p + 10), 0xfeff);
	assert_true(ip_decrement_ttl(p));
	assert_int_equal(get_be16(p + 10), 0x0000);
}

static void a_ttl_that_would_reach_zero_is_refused_and_left_alone(void **state)
{
	uint8_t p[64], was[64];
	(void)state;

	for (unsigned ttl = 0; ttl < 2; ttl++) {
		hex(udp4, p, sizeof(p));
		p[8] = (uint8_t)ttl;
		memcpy(was, p, 28);
		assert_false(ip_decrement_ttl(p));
		assert_memory_equal(p, was, 28);
		hex(none6, p, sizeof(p));
		p[7] = (uint8_t)ttl;
		memcpy(was, p, 48);
		assert_false(ip_decrement_ttl(p));
		assert_memory_equal(p, was, 48);
	}
	hex(none6, p, sizeof(p));
	assert_true(ip_decrement_ttl(p));
	assert_int_equal(p[7], 63);
}

/* RFC 6040 figure 4. ECN values: 0 = not-ECT, 2 = ECT(0), 1 = ECT(1), 3 = CE. -1 = drop. */
static void ecn_is_combined_as_rfc_6040_says_for_all_sixteen_cases(void **state)
{
	static const int table[4][4] = {
		/* outer:   not-ECT  ECT(1)  ECT(0)  CE     inner */
		[0] = {0, 0, 0, -1}, /* not-ECT */
		[2] = {2, 1, 2, 3}, /* ECT(0) */
		[1] = {1, 1, 1, 3}, /* ECT(1) */
		[3] = {3, 3, 3, 3}, /* CE */
	};
	(void)state;

	for (unsigned v6 = 0; v6 < 2; v6++) {
		for (unsigned in = 0; in < 4; in++) {
			for (unsigned out = 0; out < 4; out++) {
				uint8_t p[64], was[64];
				struct ip_header h;
				size_t n = hex(v6 ? none6 : udp4, p, sizeof(p));

				if (v6) {
					p[1] = (uint8_t)((p[1] & 0xcf) | in << 4);
				} else {
					p[1] = (uint8_t)((p[1] & 0xfc) | in);
					set_ip4_csum(p);
				}
				memcpy(was, p, n);
				/* The DSCP of the outer header is never taken over. */
				bool kept = ecn_decapsulate(p, (uint8_t)(0x28 | out));
				if (kept != (table[in][out] >= 0))
					fail_msg("inner %u, outer %u", in, out);
				if (!kept) {
					assert_memory_equal(p, was, n);
					continue;
				}
				assert_int_equal(ip_header_decode(p, n, &h), TM_OK);
				if (h.tos != (0xb8 | table[in][out]))
					fail_msg("inner %u, outer %u: tos %02x", in, out, h.tos);
				if (!v6)
					assert_int_equal(csum_finish(csum_add(p, 20, 0)), 0);
				/* Nothing else moved. */
				was[1] = p[1];
				if (!v6)
					memcpy(was + 10, p + 10, 2);
				assert_memory_equal(p, was, n);
			}
		}
	}
}

static void encapsulation_copies_ecn_and_hides_dscp(void **state)
{
	(void)state;

	for (unsigned tos = 0; tos < 256; tos++)
		assert_int_equal(ecn_encapsulate((uint8_t)tos), tos & 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_ipv4_header_is_taken_apart),
		cmocka_unit_test(an_ipv6_header_is_taken_apart),
		cmocka_unit_test(lying_headers_are_refused),
		cmocka_unit_test(an_ipv6_packet_longer_than_a_length_can_say_is_refused),
		cmocka_unit_test(the_checksum_of_rfc_1071_comes_out),
		cmocka_unit_test(the_checksum_equals_its_naive_twin_whole_and_in_pieces),
		cmocka_unit_test(the_pseudo_header_is_summed_for_both_families),
		cmocka_unit_test(lowering_the_ttl_keeps_the_ipv4_checksum_right),
		cmocka_unit_test(a_checksum_that_becomes_zero_becomes_plus_zero),
		cmocka_unit_test(a_ttl_that_would_reach_zero_is_refused_and_left_alone),
		cmocka_unit_test(ecn_is_combined_as_rfc_6040_says_for_all_sixteen_cases),
		cmocka_unit_test(encapsulation_copies_ecn_and_hides_dscp),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
