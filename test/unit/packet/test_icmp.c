/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "packet/icmp.h"
#include "unit/wire/hex.h"

#include "base/bytes.h"
#include "packet/csum.h"

static const char *const udp4 = "45 00 001c 1234 4000 40 11 0000 c0000201 c6336402 0035 0035 0008 0000";
static const char *const udp6 =
	"60000000 0008 11 40 20010db8000000000000000000000001 20010db8000000000000000000000002"
	"0035 0035 0008 0000";

static struct ip ip(const char *text)
{
	struct ip a;

	assert_int_equal(ip_parse(text, &a), TM_OK);
	return a;
}

/* Of whatever is given; what is no packet gets no answer either. */
static size_t build(enum icmp_error kind, uint32_t mtu, const struct ip *from, const uint8_t *p, size_t n,
	uint8_t *out, size_t out_len)
{
	struct ip_view v;

	return ip_view_of(p, n, &v) ? 0 : icmp_error_build(kind, mtu, from, &v, out, out_len);
}

static void every_kind_has_its_type_and_code_in_both_families(void **state)
{
	static const struct {
		enum icmp_error kind;
		uint8_t type4, code4, type6, code6;
	} rows[] = {
		{ICMP_NO_ROUTE, 3, 0, 1, 0},
		{ICMP_HOST_UNREACHABLE, 3, 1, 1, 3},
		{ICMP_ADMIN_PROHIBITED, 3, 13, 1, 1},
		{ICMP_TOO_BIG, 3, 4, 2, 0},
		{ICMP_TIME_EXCEEDED, 11, 0, 3, 0},
	};
	struct ip from4 = ip("100.101.0.1"), from6 = ip("fd00::1");
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint8_t p[64], out[1280];
		struct ip_view v;

		size_t n = hex(udp4, p, sizeof(p));
		size_t len = build(rows[i].kind, 1400, &from4, p, n, out, sizeof(out));
		assert_int_equal(len, 20 + 8 + n);
		assert_int_equal(ip_view_of(out, len, &v), TM_OK);
		assert_int_equal(v.total, len);
		assert_int_equal(v.proto, 1);
		assert_memory_equal(ip_src(out), from4.bytes, 4);
		assert_memory_equal(ip_dst(out), ip_src(p), 4);
		assert_int_equal(csum_finish(csum_add(out, 20, 0)), 0);
		assert_int_equal(csum_finish(csum_add(out + 20, len - 20, 0)), 0);
		assert_int_equal(out[20], rows[i].type4);
		assert_int_equal(out[21], rows[i].code4);
		assert_int_equal(get_be32(out + 24), rows[i].kind == ICMP_TOO_BIG ? 1400 : 0);
		assert_memory_equal(out + 28, p, n);

		n = hex(udp6, p, sizeof(p));
		len = build(rows[i].kind, 1400, &from6, p, n, out, sizeof(out));
		assert_int_equal(len, 40 + 8 + n);
		assert_int_equal(ip_view_of(out, len, &v), TM_OK);
		assert_int_equal(v.total, len);
		assert_int_equal(v.proto, 58);
		assert_memory_equal(ip_src(out), from6.bytes, 16);
		assert_memory_equal(ip_dst(out), ip_src(p), 16);
		const struct ip to = ip_dst_of(&v);
		assert_int_equal(csum_finish(csum_add(out + 40, len - 40,
					 csum_pseudo(&from6, &to, 58, (uint32_t)(len - 40)))),
			0);
		assert_int_equal(out[40], rows[i].type6);
		assert_int_equal(out[41], rows[i].code6);
		assert_int_equal(get_be32(out + 44), rows[i].kind == ICMP_TOO_BIG ? 1400 : 0);
		assert_memory_equal(out + 48, p, n);
	}
}

static void a_long_packet_is_quoted_up_to_the_limit_of_its_family(void **state)
{
	struct ip from4 = ip("100.101.0.1"), from6 = ip("fd00::1");
	uint8_t p[1600], out[1280];
	(void)state;

	memset(p, 0xaa, sizeof(p));
	hex(udp4, p, sizeof(p));
	put_be16(p + 2, 1500);
	assert_int_equal(build(ICMP_TOO_BIG, 1280, &from4, p, 1600, out, sizeof(out)), 576);
	assert_memory_equal(out + 28, p, 576 - 28);
	hex(udp6, p, sizeof(p));
	put_be16(p + 4, 1460);
	assert_int_equal(build(ICMP_TOO_BIG, 1280, &from6, p, 1600, out, sizeof(out)), 1280);
	assert_memory_equal(out + 48, p, 1280 - 48);
}

static void bytes_behind_the_packet_are_not_quoted(void **state)
{
	struct ip from = ip("100.101.0.1");
	uint8_t p[64] = {0}, out[1280];
	(void)state;

	size_t n = hex(udp4, p, sizeof(p));
	assert_int_equal(build(ICMP_NO_ROUTE, 0, &from, p, 64, out, sizeof(out)), 28 + n);
}

static void a_small_output_gets_less_quote_or_nothing_at_all(void **state)
{
	struct ip from = ip("100.101.0.1");
	uint8_t p[300] = {0}, out[1280];
	(void)state;

	hex(udp4, p, sizeof(p));
	put_be16(p + 2, 300);
	/* Header and eight bytes of payload are the least (RFC 792). */
	for (size_t room = 0; room < 28 + 28; room++)
		assert_int_equal(build(ICMP_NO_ROUTE, 0, &from, p, 300, out, room), 0);
	for (size_t room = 28 + 28; room < 400; room++)
		assert_int_equal(build(ICMP_NO_ROUTE, 0, &from, p, 300, out, room), MIN(room, (size_t)328));
}

/* RFC 1122 3.2.2, RFC 1812 4.3.2.7, RFC 4443 2.4 (e) */
static void what_may_not_be_answered_is_not_answered(void **state)
{
#define A6 "20010db8000000000000000000000001"
#define B6 "20010db8000000000000000000000002"
	static const struct {
		const char *why;
		bool answered;
		const char *packet;
	} rows[] = {
		{"echo request", true, "4500001c 00000000 4001 0000 c0000201 c6336402 0800 0000 00000000"},
		{"echo reply", true, "4500001c 00000000 4001 0000 c0000201 c6336402 0000 0000 00000000"},
		{"unreachable", false, "4500001c 00000000 4001 0000 c0000201 c6336402 0301 0000 00000000"},
		{"source quench", false, "4500001c 00000000 4001 0000 c0000201 c6336402 0400 0000 00000000"},
		{"redirect", false, "4500001c 00000000 4001 0000 c0000201 c6336402 0500 0000 00000000"},
		{"time exceeded", false, "4500001c 00000000 4001 0000 c0000201 c6336402 0b00 0000 00000000"},
		{"parameter problem", false,
			"4500001c 00000000 4001 0000 c0000201 c6336402 0c00 0000 00000000"},
		{"ICMP without a type", false, "45000014 00000000 4001 0000 c0000201 c6336402"},
		{"error behind options", false,
			"46000020 00000000 4001 0000 c0000201 c6336402 01010101 0301 0000 00000000"},
		{"echo behind options", true,
			"46000020 00000000 4001 0000 c0000201 c6336402 01010101 0800 0000 00000000"},
		{"first fragment", true, "4500001c 00002000 4011 0000 c0000201 c6336402 0035 0035 0008 0000"},
		{"later fragment", false,
			"4500001c 00002001 4011 0000 c0000201 c6336402 0035 0035 0008 0000"},
		{"last fragment", false, "4500001c 00001fff 4011 0000 c0000201 c6336402 0035 0035 0008 0000"},
		{"to multicast", false, "4500001c 00000000 4011 0000 c0000201 e00000fb 0035 0035 0008 0000"},
		{"to broadcast", false, "4500001c 00000000 4011 0000 c0000201 ffffffff 0035 0035 0008 0000"},
		{"from 0.0.0.0", false, "4500001c 00000000 4011 0000 00000000 c6336402 0035 0035 0008 0000"},
		{"from loopback", false, "4500001c 00000000 4011 0000 7f000001 c6336402 0035 0035 0008 0000"},
		{"from multicast", false,
			"4500001c 00000000 4011 0000 e0000001 c6336402 0035 0035 0008 0000"},
		{"from class E", false, "4500001c 00000000 4011 0000 f0000001 c6336402 0035 0035 0008 0000"},
		{"from broadcast", false,
			"4500001c 00000000 4011 0000 ffffffff c6336402 0035 0035 0008 0000"},
		{"garbage", false, "0102030405"},

		{"echo request, IPv6", true, "60000000 0008 3a 40" A6 B6 "8000 0000 00000000"},
		{"neighbour solicitation", true, "60000000 0008 3a 40" A6 B6 "8700 0000 00000000"},
		{"unreachable, IPv6", false, "60000000 0008 3a 40" A6 B6 "0100 0000 00000000"},
		{"unknown error, IPv6", false, "60000000 0008 3a 40" A6 B6 "7f00 0000 00000000"},
		{"redirect, IPv6", false, "60000000 0008 3a 40" A6 B6 "8900 0000 00000000"},
		{"ICMPv6 without a type", false, "60000000 0000 3a 40" A6 B6},
		{"UDP behind hop-by-hop", true,
			"60000000 0010 00 40" A6 B6 "1100000000000000 0035003500080000"},
		{"error behind hop-by-hop", false,
			"60000000 0010 00 40" A6 B6 "3a00000000000000 0100000000000000"},
		{"echo behind destination options and routing", true,
			"60000000 0018 3c 40" A6 B6 "2b00000000000000 3a00000000000000 8000000000000000"},
		{"error behind routing", false,
			"60000000 0010 2b 40" A6 B6 "3a00000000000000 0100000000000000"},
		{"error behind AH", false,
			"60000000 0018 33 40" A6 B6 "3a02000000000000 0000000000000000 0300000000000000"},
		{"extension header beyond the end", false, "60000000 0008 00 40" A6 B6 "1109000000000000"},
		{"first fragment, IPv6", true,
			"60000000 0010 2c 40" A6 B6 "1100000100000000 0035003500080000"},
		{"later fragment, IPv6", false,
			"60000000 0010 2c 40" A6 B6 "1100000900000000 0035003500080000"},
		{"to multicast, IPv6", false,
			"60000000 0008 11 40" A6 "ff020000000000000000000000000001 0035003500080000"},
		{"from ::", false,
			"60000000 0008 11 40"
			"00000000000000000000000000000000" B6 "0035003500080000"},
		{"from multicast, IPv6", false,
			"60000000 0008 11 40"
			"ff020000000000000000000000000001" B6 "0035003500080000"},
	};
	struct ip from4 = ip("100.101.0.1"), from6 = ip("fd00::1");
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint8_t p[128], out[1280];
		size_t n = hex(rows[i].packet, p, sizeof(p));
		size_t len =
			build(ICMP_NO_ROUTE, 0, p[0] >> 4 == 6 ? &from6 : &from4, p, n, out, sizeof(out));

		if ((len > 0) != rows[i].answered)
			fail_msg("%s: %zu", rows[i].why, len);
		/* And never an error about the error just built. */
		if (len)
			assert_int_equal(build(ICMP_NO_ROUTE, 0, p[0] >> 4 == 6 ? &from6 : &from4, out, len,
						 p, sizeof(p)),
				0);
	}
}

static void an_address_of_the_other_family_answers_nothing(void **state)
{
	struct ip from6 = ip("fd00::1"), from4 = ip("100.101.0.1");
	uint8_t p[64], out[1280];
	(void)state;

	size_t n = hex(udp4, p, sizeof(p));
	assert_int_equal(build(ICMP_NO_ROUTE, 0, &from6, p, n, out, sizeof(out)), 0);
	n = hex(udp6, p, sizeof(p));
	assert_int_equal(build(ICMP_NO_ROUTE, 0, &from4, p, n, out, sizeof(out)), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_has_its_type_and_code_in_both_families),
		cmocka_unit_test(a_long_packet_is_quoted_up_to_the_limit_of_its_family),
		cmocka_unit_test(bytes_behind_the_packet_are_not_quoted),
		cmocka_unit_test(a_small_output_gets_less_quote_or_nothing_at_all),
		cmocka_unit_test(what_may_not_be_answered_is_not_answered),
		cmocka_unit_test(an_address_of_the_other_family_answers_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
