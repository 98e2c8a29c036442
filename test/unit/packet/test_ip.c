/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "packet/ip.h"
#include "unit/wire/hex.h"

#include "base/bytes.h"
#include "packet/csum.h"

/* UDP, 192.0.2.1 port 53 -> 198.51.100.2 port 4660, 28 bytes */
static const char *const udp4 = "45 b8 001c 1234 4000 40 11 0000 c0000201 c6336402 0035 1234 0008 0000";
/* No next header, 2001:db8::1 -> 2001:db8::2, traffic class 0xb8, 8 bytes of payload */
static const char *const none6 =
	"6b812345 0008 3b 40 20010db8000000000000000000000001 20010db8000000000000000000000002"
	"0102030405060708";

static void a_view_shows_the_header_and_what_is_behind_it(void **state)
{
	uint8_t p[64];
	struct ip_view v;
	char text[IP_STR_LEN];
	(void)state;

	size_t n = hex(udp4, p, sizeof(p));
	assert_int_equal(ip_view_of(p, n, &v), TM_OK);
	struct ip src = ip_src_of(&v), dst = ip_dst_of(&v);
	assert_string_equal(ip_format(&src, text), "192.0.2.1");
	assert_string_equal(ip_format(&dst, text), "198.51.100.2");
	assert_ptr_equal(v.p, p);
	assert_int_equal(v.version, 4);
	assert_int_equal(v.total, 28);
	assert_int_equal(v.l4, 20);
	assert_int_equal(v.proto, PROTO_UDP);
	assert_int_equal(v.sport, 53);
	assert_int_equal(v.dport, 0x1234);
	assert_int_equal(v.flags, IP_UPPER | IP_PORTS);
	assert_true(ip_plain(&v));
	assert_int_equal(ip_tos(p), 0xb8);
	assert_int_equal(ip_header_len(p), 20);

	n = hex(none6, p, sizeof(p));
	assert_int_equal(ip_view_of(p, n, &v), TM_OK);
	src = ip_src_of(&v), dst = ip_dst_of(&v);
	assert_string_equal(ip_format(&src, text), "2001:db8::1");
	assert_string_equal(ip_format(&dst, text), "2001:db8::2");
	assert_int_equal(v.version, 6);
	assert_int_equal(v.total, 48);
	assert_int_equal(v.l4, 40);
	assert_int_equal(v.proto, 59);
	assert_int_equal(v.flags, IP_UPPER);
	assert_int_equal(v.sport, 0);
	assert_true(ip_plain(&v));
	assert_int_equal(ip_tos(p), 0xb8);
	assert_int_equal(ip_header_len(p), 40);
}

static void lying_headers_are_refused_and_the_result_left_alone(void **state)
{
	static const struct {
		const char *why;
		bool v6;
		size_t n; /* 0 = all */
		size_t at;
		uint8_t value;
		uint16_t total; /* 0: refused */
	} rows[] = {
		{"version 5", false, 0, 0, 0x55, 0},
		{"version 0", false, 0, 0, 0x05, 0},
		{"19 bytes", false, 19, 3, 19, 0},
		{"header of 16 bytes", false, 0, 0, 0x44, 0},
		{"header of 60 bytes in 28", false, 0, 0, 0x4f, 0},
		{"total below the header", false, 0, 3, 19, 0},
		{"total beyond what came", false, 0, 3, 29, 0},
		{"total far beyond", false, 0, 2, 0xff, 0},
		{"cut behind the header", false, 27, 0, 0x45, 0},
		{"just a header", false, 20, 3, 20, 20},
		{"trailing bytes", false, 0, 3, 24, 24},
		{"39 bytes", true, 39, 5, 0, 0},
		{"payload beyond what came", true, 0, 5, 9, 0},
		{"payload far beyond", true, 0, 4, 0xff, 0},
		{"no payload", true, 40, 5, 0, 40},
		{"trailing bytes, IPv6", true, 0, 5, 3, 43},
		{"a jumbogram is as long as its header says", true, 0, 5, 0, 40},
	};
	const struct ip_view untouched = {.total = 1, .l4 = 2, .sport = 3};
	struct ip_view v;
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint8_t p[64];
		size_t n = hex(rows[i].v6 ? none6 : udp4, p, sizeof(p));

		v = untouched;
		p[rows[i].at] = rows[i].value;
		int err = ip_view_of(p, rows[i].n ? rows[i].n : n, &v);
		if (err != (rows[i].total ? TM_OK : TM_EBADMSG))
			fail_msg("%s: %d", rows[i].why, err);
		if (rows[i].total ? v.total != rows[i].total : memcmp(&v, &untouched, sizeof(v)) != 0)
			fail_msg("%s: %u bytes", rows[i].why, v.total);
	}
	assert_int_equal(ip_view_of((const uint8_t *)"", 0, &v), TM_EBADMSG);
}

static void an_ipv6_packet_longer_than_a_length_can_say_is_refused(void **state)
{
	uint8_t *p = calloc(1, 40 + 65535);
	struct ip_view v;
	(void)state;

	p[0] = 0x60;
	p[6] = 59;
	put_be16(p + 4, 65535 - 40);
	assert_int_equal(ip_view_of(p, 40 + 65535, &v), TM_OK);
	assert_int_equal(v.total, 65535);
	put_be16(p + 4, 65535 - 39);
	assert_int_equal(ip_view_of(p, 40 + 65535, &v), TM_EBADMSG);
	free(p);
}

#define PAIR4 "c0000201 c6336402"
#define PAIR6 "20010db8000000000000000000000001 20010db8000000000000000000000002"
#define TCP20 "0016 c350 00000001 00000000 50 02 ffff 0000 0000"
#define UDP8 "0035 1234 0008 0000"

/* Beside each packet what must be found in it. */
enum { U = IP_UPPER, P = IP_UPPER | IP_PORTS, X = IP_EXTENDED, F = IP_FRAGMENT, L = IP_LATER, M = IP_MORE };
struct found {
	const char *what, *packet;
	unsigned flags, proto, l4;
};

static void assert_found(const struct found *rows, size_t n_rows)
{
	for (size_t i = 0; i < n_rows; i++) {
		uint8_t p[160];
		struct ip_view v;
		size_t n = hex(rows[i].packet, p, sizeof(p));

		if (ip_view_of(p, n, &v) != TM_OK)
			fail_msg("%s is refused", rows[i].what);
		if (v.flags != rows[i].flags || v.proto != rows[i].proto || v.l4 != rows[i].l4)
			fail_msg("%s: flags %02x, protocol %u at %u", rows[i].what, v.flags, v.proto, v.l4);
		if (v.flags & IP_PORTS ? v.sport != get_be16(p + v.l4) || v.dport != get_be16(p + v.l4 + 2)
				       : v.sport || v.dport)
			fail_msg("%s: ports %u and %u", rows[i].what, v.sport, v.dport);
		if (ip_plain(&v) != ((v.flags & ~IP_PORTS) == IP_UPPER))
			fail_msg("%s: plain or not", rows[i].what);
	}
}

/* RFC 791 3.1 and 3.2, 4302 2.2 */
static void the_upper_layer_of_ipv4_is_found_or_said_to_be_unknown(void **state)
{
	static const struct found rows[] = {
		{"TCP", "45000028 00004000 4006 0000" PAIR4 TCP20, P, 6, 20},
		{"TCP cut", "45000027 00004000 4006 0000" PAIR4 TCP20, 0, 6, 20},
		{"UDP cut", "4500001b 00004000 4011 0000" PAIR4 UDP8, 0, 17, 20},
		{"ICMP", "45000018 00004000 4001 0000" PAIR4 "08000000", U, 1, 20},
		{"ICMP cut", "45000017 00004000 4001 0000" PAIR4 "08000000", 0, 1, 20},
		{"SCTP", "45000020 00000000 4084 0000" PAIR4 "0001 0002 00000000 00000000", P, 132, 20},
		{"a protocol without anything in it", "45000014 00000000 40fd 0000" PAIR4, U, 253, 20},
		{"options", "46000020 00000000 4011 0000" PAIR4 "01010101" UDP8, P | X, 17, 24},
		{"as many options as there can be",
			"4f000044 00000000 4011 0000" PAIR4 "01010101010101010101 01010101010101010101 "
			"01010101010101010101 01010101010101010101" UDP8,
			P | X, 17, 60},
		{"AH of IPv4 is its own upper layer",
			"45000028 00000000 4033 0000" PAIR4 "06010000 00000000 00000000 0016c350 00000000", U,
			51, 20},
		{"first fragment", "4500001c 00002000 4011 0000" PAIR4 UDP8, P | F | M, 17, 20},
		{"first fragment without all of its TCP header", "4500001c 00002000 4006 0000" PAIR4 UDP8,
			F | M, 6, 20},
		{"a fragment in the middle", "4500001c 00002001 4011 0000" PAIR4 UDP8, F | L | M, 17, 20},
		{"the last fragment", "4500001c 00001fff 4011 0000" PAIR4 UDP8, F | L, 17, 20},
		{"DF and the reserved bit are no fragment", "4500001c 0000c000 4011 0000" PAIR4 UDP8, P, 17,
			20},
	};

	(void)state;
	assert_found(rows, ARRAY_LEN(rows));
}

/* RFC 8200 4, 4302 2.2, 6946, 7112 */
static void the_upper_layer_of_ipv6_is_found_or_said_to_be_unknown(void **state)
{
	static const struct found rows[] = {
		{"TCP, IPv6", "60000000 0014 06 40" PAIR6 TCP20, P, 6, 40},
		{"TCP cut, IPv6", "60000000 0013 06 40" PAIR6 TCP20, 0, 6, 40},
		{"ICMPv6", "60000000 0004 3a 40" PAIR6 "80000000", U, 58, 40},
		{"hop-by-hop", "60000000 0010 00 40" PAIR6 "1100000000000000" UDP8, P | X, 17, 48},
		{"hop-by-hop not in its place",
			"60000000 0018 3c 40" PAIR6 "0000000000000000 1100000000000000" UDP8, X, 0, 48},
		{"destination options, routing, destination options",
			"60000000 0028 3c 40" PAIR6
			"2b00000000000000 3c01000000000000 0000000000000000 1100000000000000" UDP8,
			P | X, 17, 72},
		{"AH", "60000000 0018 33 40" PAIR6 "11 02 0000 00000000 00000000 00000000" UDP8, P | X, 17,
			56},
		{"an extension header beyond the end", "60000000 0010 3c 40" PAIR6 "1102000000000000" UDP8, X,
			60, 40},
		{"an extension header cut in its first bytes", "60000000 0007 3c 40" PAIR6 "11000000000000",
			X, 60, 40},
		{"AH beyond the end", "60000000 0010 33 40" PAIR6 "11 03 0000 00000000" UDP8, X, 51, 40},
		{"nothing behind an extension header", "60000000 0008 3c 40" PAIR6 "1100000000000000", X, 17,
			48},
		{"no next header behind one", "60000000 0008 3c 40" PAIR6 "3b00000000000000", U | X, 59, 48},
		{"a jumbogram", "60000000 0000 00 40" PAIR6 "1100c20400010000" UDP8, X, 0, 40},
		{"eight extension headers",
			"60000000 0048 3c 40" PAIR6 "3c00000000000000 3c00000000000000 3c00000000000000"
			"3c00000000000000 3c00000000000000 3c00000000000000 3c00000000000000 "
			"1100000000000000" UDP8,
			P | X, 17, 104},
		{"nine extension headers",
			"60000000 0050 3c 40" PAIR6 "3c00000000000000 3c00000000000000 3c00000000000000"
			"3c00000000000000 3c00000000000000 3c00000000000000 3c00000000000000 3c00000000000000"
			"1100000000000000" UDP8,
			X, 60, 104},
		{"an atomic fragment", "60000000 0010 2c 40" PAIR6 "1100000000000001" UDP8, P | X, 17, 48},
		{"first fragment, IPv6", "60000000 0010 2c 40" PAIR6 "1100000100000001" UDP8, P | X | F | M,
			17, 48},
		{"first fragment that ends in its headers (RFC 7112)",
			"60000000 0010 2c 40" PAIR6 "3c00000100000001 1101000000000000", X | F | M, 60, 48},
		{"a fragment in the middle, IPv6", "60000000 0010 2c 40" PAIR6 "1100000900000001" UDP8,
			X | F | L | M, 17, 48},
		{"the last fragment, IPv6", "60000000 0010 2c 40" PAIR6 "3c00fff800000001" UDP8, X | F | L,
			60, 48},
		{"a fragment of a fragment",
			"60000000 0018 2c 40" PAIR6 "2c00000100000001 1100000100000002" UDP8, X | F | M, 44,
			48},
		{"a fragment of an atomic fragment",
			"60000000 0018 2c 40" PAIR6 "2c00000000000001 1100000900000002" UDP8, X, 44, 48},
		{"mobility is an upper layer", "60000000 0008 87 40" PAIR6 "0600000000000000", U, 135, 40},
	};

	(void)state;
	assert_found(rows, ARRAY_LEN(rows));
}

/* RFC 792, 4443: as much as fits, and eight bytes of the upper layer at least. */
static void a_quote_shows_ports_where_a_packet_that_short_shows_none(void **state)
{
	static const struct {
		const char *why, *hex;
		size_t n; /* of the quote; 0: refused */
		unsigned flags;
		size_t l4;
	} rows[] = {
		{"8 bytes of 40 of TCP", "45000040 00004000 4006 0000" PAIR4 "1234567800000000", 28, P, 20},
		{"8 bytes behind options", "46000040 00004000 4006 0000" PAIR4 "01010101 1234567800000000",
			32, P | X, 24},
		{"7 bytes", "45000040 00004000 4006 0000" PAIR4 "12345678000000", 27, 0, 20},
		{"the header alone", "45000040 00004000 4006 0000" PAIR4, 20, 0, 20},
		{"a header cut", "45000040 00004000 4006 0000 0a000001 0a0000", 0, 0, 0},
		{"a header longer than the quote", "4f000040 00004000 4006 0000" PAIR4 "1234567800000000", 0,
			0, 0},
		{"a piece", "45000040 00002001 4006 0000" PAIR4 "1234567800000000", 28, F | L | M, 20},
		{"IPv6", "60000000 0400 06 40" PAIR6 "1234567800000000", 48, P, 40},
		{"IPv6 behind a header", "60000000 0400 3c 40" PAIR6 "0600000000000000 1234567800000000", 56,
			P | X, 48},
		{"IPv6, cut in an extension header", "60000000 0400 3c 40" PAIR6 "0601000000000000", 48, X,
			40},
		{"an IPv6 header cut", "60000000 0400 06 40 20010db8", 0, 0, 0},
	};
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint8_t p[256], *exact;
		struct ip_view v;
		const size_t n = hex(rows[i].hex, p, sizeof(p));

		/* So that a sanitizer sees what lies behind. */
		exact = malloc(n);
		memcpy(exact, p, n);
		const int err = ip_view_of_quote(exact, n, &v);
		if ((err == TM_OK) != (rows[i].n > 0))
			fail_msg("%s: %d", rows[i].why, err);
		if (!err && (v.total != rows[i].n || v.flags != rows[i].flags || v.l4 != rows[i].l4))
			fail_msg("%s: %u bytes, flags %#x, upper layer at %u", rows[i].why, v.total, v.flags,
				v.l4);
		if (!err && v.flags & IP_PORTS && (v.sport != 0x1234 || v.dport != 0x5678))
			fail_msg("%s: ports", rows[i].why);
		free(exact);
	}
}

static void a_piece_says_which_one_it_is_of_which_whole(void **state)
{
	static const struct {
		const char *hex;
		struct ip_piece piece;
	} rows[] = {
		{"4500001c abcd2000 4011 0000" PAIR4 UDP8, {0xabcd, 17, 0, 8}},
		{"4500001c abcd2002 4011 0000" PAIR4 UDP8, {0xabcd, 17, 16, 8}},
		{"46000020 abcd1fff 4011 0000" PAIR4 "01010101" UDP8, {0xabcd, 17, 65528, 8}},
		{"60000000 0010 2c 40" PAIR6 "11000001deadbeef" UDP8, {0xdeadbeef, 0, 0, 8}},
		{"60000000 0018 3c 40" PAIR6 "2c00000000000000 11000009deadbeef" UDP8, {0xdeadbeef, 0, 8, 8}},
		/* What is behind the fragment header is data of the whole, headers too. */
		{"60000000 0018 2c 40" PAIR6 "3c000001deadbeef 1100000000000000" UDP8,
			{0xdeadbeef, 0, 0, 16}},
		{"60000000 0010 2c 40" PAIR6 "1100fff8deadbeef" UDP8, {0xdeadbeef, 0, 65528, 8}},
	};
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint8_t p[256];
		struct ip_view v;
		const size_t n = hex(rows[i].hex, p, sizeof(p));

		assert_int_equal(ip_view_of(p, n, &v), TM_OK);
		assert_true(v.flags & IP_FRAGMENT);
		const struct ip_piece got = ip_piece_of(&v), want = rows[i].piece;
		if (got.id != want.id || got.proto != want.proto || got.first != want.first ||
			got.len != want.len)
			fail_msg("row %zu: id %#x, protocol %u, %u bytes from %u", i, got.id, got.proto,
				got.len, got.first);
	}
}

static void a_header_of_our_own_is_a_right_one(void **state)
{
	const uint8_t ones[16] = {1, 1, 1, 1}, twos[16] = {2, 2, 2, 2};
	(void)state;

	for (unsigned v6 = 0; v6 < 2; v6++) {
		struct ip from = v6 ? ip_v6(ones) : ip_v4(ones), to = v6 ? ip_v6(twos) : ip_v4(twos);
		uint8_t p[64] = {0};
		struct ip_view v;

		size_t n = ip_header_build(p, &from, &to, 0xb9, PROTO_UDP, 8);
		assert_int_equal(n, v6 ? 40 : 20);
		assert_int_equal(ip_view_of(p, sizeof(p), &v), TM_OK);
		assert_int_equal(v.total, n + 8);
		assert_int_equal(v.l4, n);
		assert_int_equal(v.flags, IP_UPPER | IP_PORTS);
		assert_int_equal(ip_tos(p), 0xb9);
		assert_false(ip_may_fragment(p));
		struct ip src = ip_src_of(&v), dst = ip_dst_of(&v);
		assert_true(ip_eq(&src, &from) && ip_eq(&dst, &to));
		if (!v6)
			assert_int_equal(csum_finish(csum_add(p, 20, 0)), 0);
	}
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
				if (ip_tos(p) != (0xb8 | table[in][out]))
					fail_msg("inner %u, outer %u: tos %02x", in, out, ip_tos(p));
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
		cmocka_unit_test(a_view_shows_the_header_and_what_is_behind_it),
		cmocka_unit_test(lying_headers_are_refused_and_the_result_left_alone),
		cmocka_unit_test(an_ipv6_packet_longer_than_a_length_can_say_is_refused),
		cmocka_unit_test(the_upper_layer_of_ipv4_is_found_or_said_to_be_unknown),
		cmocka_unit_test(the_upper_layer_of_ipv6_is_found_or_said_to_be_unknown),
		cmocka_unit_test(a_quote_shows_ports_where_a_packet_that_short_shows_none),
		cmocka_unit_test(a_piece_says_which_one_it_is_of_which_whole),
		cmocka_unit_test(a_header_of_our_own_is_a_right_one),
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
