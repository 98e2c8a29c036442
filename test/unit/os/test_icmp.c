/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/unit.h"

#include "base/bytes.h"
#include "os/icmp.h"
#include "packet/csum.h"

static const uint8_t cookie[ICMP_COOKIE] = "sixteen bytes..";

static struct icmp echo_to(const char *ip, bool raw)
{
	struct icmp i = {.fd = -1, .raw = raw, .ident = 0x1234};

	assert_int_equal(ip_parse(ip, &i.to), TM_OK);
	memcpy(i.cookie, cookie, sizeof(cookie));
	return i;
}

static void a_request_is_well_formed(void **state UNUSED)
{
	struct icmp v4 = echo_to("100.64.0.1", false), v6 = echo_to("fd00::1", false);
	uint8_t m[ICMP_ECHO_LEN];

	icmp_build(&v4, 0x0102, m);
	assert_int_equal(m[0], 8);
	assert_int_equal(get_be16(m + 4), 0x1234);
	assert_int_equal(get_be16(m + 6), 0x0102);
	assert_int_equal(
		csum_finish(csum_add(m, sizeof(m), 0)), 0); /* RFC 1071: sums to zero with its checksum */
	icmp_build(&v6, 1, m);
	assert_int_equal(m[0], 128);
}

static void answers_are_told_by_their_number(void **state UNUSED)
{
	struct icmp v4 = echo_to("100.64.0.1", false);
	uint8_t m[ICMP_ECHO_LEN];
	uint16_t seq = 0;

	icmp_build(&v4, 0x0107, m);
	assert_false(icmp_is_reply(
		&v4, m, sizeof(m), &seq)); /* our own request, as a raw socket on loopback sees it */
	m[0] = 0;
	put_be16(m + 4, 0x9999); /* the kernel's identifier */
	assert_true(icmp_is_reply(&v4, m, sizeof(m), &seq));
	assert_int_equal(seq, 0x0107);
	for (size_t n = 0; n < sizeof(m); n++)
		assert_false(icmp_is_reply(&v4, m, n, &seq));
	m[ICMP_ECHO_LEN - 1] ^= 1; /* somebody else's */
	assert_false(icmp_is_reply(&v4, m, sizeof(m), &seq));
}

static void a_raw_ipv4_socket_delivers_the_ip_header_as_well(void **state UNUSED)
{
	struct icmp raw = echo_to("100.64.0.1", true);
	uint8_t p[24 + ICMP_ECHO_LEN] = {0x46, 0, 0, 24 + ICMP_ECHO_LEN, [8] = 64, [9] = 1};
	uint16_t seq = 0;

	icmp_build(&raw, 7, p + 24);
	p[24] = 0;
	assert_true(icmp_is_reply(&raw, p, sizeof(p), &seq));
	assert_int_equal(seq, 7);
	assert_false(icmp_is_reply(&raw, p + 24, ICMP_ECHO_LEN, &seq));
	p[9] = 17;
	assert_false(icmp_is_reply(&raw, p, sizeof(p), &seq));
	p[9] = 1;
	p[3] = 24; /* total length ends before the message */
	assert_false(icmp_is_reply(&raw, p, sizeof(p), &seq));
}

static void loopback_answers(void **state UNUSED)
{
	static const char *const to[] = {"127.0.0.1", "::1"};

	for (size_t i = 0; i < ARRAY_LEN(to); i++) {
		struct diag d = {0};
		struct icmp e;
		struct ip ip;
		uint16_t got;

		assert_int_equal(ip_parse(to[i], &ip), TM_OK);
		if (icmp_open(&ip, cookie, &e, &d) != TM_OK) {
			assert_true(d.what[0]); /* an unprivileged user, or a host without IPv6 */
			continue;
		}
		for (uint16_t seq = 1; seq < 4; seq++)
			assert_int_equal(icmp_send(&e, seq, &d), TM_OK);
		for (uint16_t seq = 1; seq < 4; seq++) {
			assert_int_equal(icmp_wait(&e, time_monotonic() + 10 * SEC, &got), TM_OK);
			assert_int_equal(got, seq);
		}
		assert_int_equal(icmp_wait(&e, time_monotonic(), &got), TM_ETIMEOUT);
		icmp_close(&e);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_is_well_formed),
		cmocka_unit_test(answers_are_told_by_their_number),
		cmocka_unit_test(a_raw_ipv4_socket_delivers_the_ip_header_as_well),
		cmocka_unit_test(loopback_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
