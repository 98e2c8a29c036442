/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "packet/reject.h"
#include "unit/wire/hex.h"

#include "base/bytes.h"
#include "packet/csum.h"

#define PAIR4 "c0000201 c6336402"
#define PAIR6 "20010db8000000000000000000000001 20010db8000000000000000000000002"

enum { NOTHING, RESET, ICMP };

static size_t reject(const uint8_t *p, size_t n, uint8_t *out, size_t out_len)
{
	static const uint8_t us[16] = {0xfd, 1};
	struct ip_view v;

	assert_int_equal(ip_view_of(p, n, &v), TM_OK);
	struct ip from = v.version == 4 ? ip_v4(us) : ip_v6(us);
	return reject_build(&from, &v, out, out_len);
}

/* RFC 9293 3.10.7.1; the segment is 10.. -> 22, of which the rows give what matters. */
static void a_segment_is_answered_by_the_reset_that_its_sender_takes(void **state)
{
	static const struct {
		const char *what;
		uint32_t seq, ack;
		uint8_t flags;
		size_t options, payload;
		uint32_t rst_seq, rst_ack;
		uint8_t rst_flags;
	} rows[] = {
		{"SYN", 1000, 0, TCP_SYN, 20, 0, 0, 1001, TCP_RST | TCP_ACK},
		{"SYN at the end of the numbers", UINT32_MAX, 0, TCP_SYN, 0, 0, 0, 0, TCP_RST | TCP_ACK},
		{"SYN with data", 1000, 0, TCP_SYN, 4, 10, 0, 1011, TCP_RST | TCP_ACK},
		{"ACK", 1000, 7777, TCP_ACK, 12, 100, 7777, 0, TCP_RST},
		{"SYN and ACK", 1000, 7777, TCP_SYN | TCP_ACK, 0, 0, 7777, 0, TCP_RST},
		{"FIN without ACK", 1000, 0, TCP_FIN, 0, 5, 0, 1006, TCP_RST | TCP_ACK},
		{"no flags", 1000, 9, 0, 0, 5, 0, 1005, TCP_RST | TCP_ACK},
	};
	(void)state;

	for (size_t k = 0; k < 2 * ARRAY_LEN(rows); k++) {
		const size_t i = k / 2, header = TCP_HEADER + rows[i].options;
		const bool v6 = k % 2;
		uint8_t p[256] = {0}, out[ICMP_MAX];
		struct ip from = {.family = v6 ? IP_V6 : IP_V4, .bytes = {10, 1}};
		struct ip to = {.family = from.family, .bytes = {10, 2}};
		struct ip_view v;

		size_t l4 = ip_header_build(p, &from, &to, 0, PROTO_TCP, header + rows[i].payload);
		put_be16(p + l4, 50000);
		put_be16(p + l4 + 2, 22);
		put_be32(p + l4 + 4, rows[i].seq);
		put_be32(p + l4 + 8, rows[i].ack);
		p[l4 + 12] = (uint8_t)(header / 4 << 4);
		p[l4 + 13] = rows[i].flags;

		size_t n = reject(p, sizeof(p), out, sizeof(out));
		if (n != l4 + TCP_HEADER || ip_view_of(out, n, &v) != TM_OK)
			fail_msg("%s: %zu bytes", rows[i].what, n);
		struct ip src = ip_src_of(&v), dst = ip_dst_of(&v);
		assert_true(ip_eq(&src, &to) && ip_eq(&dst, &from));
		assert_int_equal(v.total, n);
		assert_int_equal(v.proto, PROTO_TCP);
		assert_int_equal(v.sport, 22);
		assert_int_equal(v.dport, 50000);
		if (get_be32(out + l4 + 4) != rows[i].rst_seq || get_be32(out + l4 + 8) != rows[i].rst_ack ||
			out[l4 + 13] != rows[i].rst_flags)
			fail_msg("%s: %u, %u, %02x", rows[i].what, get_be32(out + l4 + 4),
				get_be32(out + l4 + 8), out[l4 + 13]);
		assert_int_equal(out[l4 + 12], 0x50);
		if (!v6)
			assert_int_equal(csum_finish(csum_add(out, 20, 0)), 0);
		uint32_t pseudo = csum_pseudo(&src, &dst, PROTO_TCP, TCP_HEADER);
		assert_int_equal(csum_finish(csum_add(out + l4, TCP_HEADER, pseudo)), 0);
	}
}

static void each_packet_gets_the_answer_that_is_allowed(void **state)
{
	static const struct {
		const char *what, *packet;
		int answer;
	} rows[] = {
		{"SYN", "45000028 00000000 4006 0000" PAIR4 "c3500016 00000001 00000000 5002 ffff 00000000",
			RESET},
		{"a reset",
			"45000028 00000000 4006 0000" PAIR4 "c3500016 00000001 00000000 5004 ffff 00000000",
			NOTHING},
		{"a reset that acknowledges",
			"45000028 00000000 4006 0000" PAIR4 "c3500016 00000001 00000000 5014 ffff 00000000",
			NOTHING},
		{"SYN in a first fragment",
			"45000028 00002000 4006 0000" PAIR4 "c3500016 00000001 00000000 5002 ffff 00000000",
			ICMP},
		{"a later fragment of TCP",
			"45000028 00000003 4006 0000" PAIR4 "c3500016 00000001 00000000 5002 ffff 00000000",
			NOTHING},
		{"SYN to multicast",
			"45000028 00000000 4006 0000 c0000201 e00000fb c3500016 00000001 00000000 5002 ffff "
			"00000000",
			NOTHING},
		{"SYN to broadcast",
			"45000028 00000000 4006 0000 c0000201 ffffffff c3500016 00000001 00000000 5002 ffff "
			"00000000",
			NOTHING},
		{"SYN from 0.0.0.0",
			"45000028 00000000 4006 0000 00000000 c6336402 c3500016 00000001 00000000 5002 ffff "
			"00000000",
			NOTHING},
		{"TCP cut short", "4500001c 00000000 4006 0000" PAIR4 "c3500016 00000001", ICMP},
		{"a TCP header that is too long",
			"45000028 00000000 4006 0000" PAIR4 "c3500016 00000001 00000000 f002 ffff 00000000",
			RESET},
		{"UDP", "4500001c 00000000 4011 0000" PAIR4 "0035003500080000", ICMP},
		{"echo request", "4500001c 00000000 4001 0000" PAIR4 "0800000000000000", ICMP},
		{"an ICMP error", "4500001c 00000000 4001 0000" PAIR4 "0301000000000000", NOTHING},
		{"some protocol", "45000014 00000000 40fd 0000" PAIR4, ICMP},

		{"SYN, IPv6", "60000000 0014 06 40" PAIR6 "c3500016 00000001 00000000 5002 ffff 00000000",
			RESET},
		{"SYN behind hop-by-hop",
			"60000000 001c 00 40" PAIR6
			"0600000000000000 c3500016 00000001 00000000 5002 ffff 00000000",
			RESET},
		{"a reset, IPv6", "60000000 0014 06 40" PAIR6 "c3500016 00000001 00000000 5004 ffff 00000000",
			NOTHING},
		{"a later fragment, IPv6", "60000000 0010 2c 40" PAIR6 "0600000900000001 c350001600000001",
			NOTHING},
		{"SYN to multicast, IPv6",
			"60000000 0014 06 40 20010db8000000000000000000000001 "
			"ff020000000000000000000000000001"
			"c3500016 00000001 00000000 5002 ffff 00000000",
			NOTHING},
		{"SYN from ::",
			"60000000 0014 06 40 00000000000000000000000000000000 "
			"20010db8000000000000000000000002"
			"c3500016 00000001 00000000 5002 ffff 00000000",
			NOTHING},
		{"headers that lead nowhere", "60000000 0008 3c 40" PAIR6 "0609000000000000", NOTHING},
		{"UDP, IPv6", "60000000 0008 11 40" PAIR6 "0035003500080000", ICMP},
		{"an ICMP error, IPv6", "60000000 0008 3a 40" PAIR6 "0100000000000000", NOTHING},
	};
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint8_t p[128], out[ICMP_MAX];
		size_t n = reject(p, hex(rows[i].packet, p, sizeof(p)), out, sizeof(out));
		struct ip_view v;

		int answer = NOTHING;
		if (n) {
			assert_int_equal(ip_view_of(out, n, &v), TM_OK);
			answer = v.proto == PROTO_TCP ? RESET : ICMP;
			/* "Administratively prohibited" in both families. */
			if (answer == ICMP && get_be16(out + v.l4) != (v.version == 4 ? 0x030d : 0x0101))
				fail_msg("%s: type and code %04x", rows[i].what, get_be16(out + v.l4));
			/* And nobody rejects the answer in turn. */
			assert_int_equal(reject(out, n, p, sizeof(p)), 0);
		}
		if (answer != rows[i].answer)
			fail_msg("%s: %d", rows[i].what, answer);
	}
}

static void a_reset_needs_room_for_all_of_it(void **state)
{
	uint8_t p[64], out[64];
	(void)state;

	size_t n = hex("45000028 00000000 4006 0000" PAIR4 "c3500016 00000001 00000000 5002 ffff 00000000", p,
		sizeof(p));
	assert_int_equal(reject(p, n, out, 39), 0);
	assert_int_equal(reject(p, n, out, 40), 40);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_segment_is_answered_by_the_reset_that_its_sender_takes),
		cmocka_unit_test(each_packet_gets_the_answer_that_is_allowed),
		cmocka_unit_test(a_reset_needs_room_for_all_of_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
