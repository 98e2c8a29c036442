/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/unit.h"

#include "base/addr.h"
#include "base/err.h"

#include <arpa/inet.h>

static void endpoints_are_parsed_and_printed_alike(void **state)
{
	static const char *const good[] = {
		"192.0.2.1:51820", "[2001:db8::1]:1", "0.0.0.0:0", "[fe80::1%7]:9"};
	static const char *const bad[] = {"", "192.0.2.1", "192.0.2.1:", "192.0.2.1:65536", "192.0.2.1:x",
		"2001:db8::1:5", "[2001:db8::1]", "[2001:db8::1]5", "[192.0.2.1]:5", "host:5", ":5",
		"[fe80::1%]:5", "[::ffff:192.0.2.1%7]:5", "::ffff:192.0.2.1:5", "192.0.2.1:-1",
		"192.0.2.1:+1"};
	char buf[ENDPOINT_STR_LEN];
	struct endpoint ep;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		assert_int_equal(endpoint_parse(good[i], &ep), TM_OK);
		assert_string_equal(endpoint_format(&ep, buf), good[i]);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (endpoint_parse(bad[i], &ep) == TM_OK)
			fail_msg("accepted \"%s\"", bad[i]);
}

static void prefixes_are_parsed_and_bad_ones_refused(void **state)
{
	static const char *const bad[] = {
		"10.0.0.0/33", "2001:db8::/129", "10.0.0.0/", "10.0.0/8", "/8", "10.0.0.0/8x", "10.0.0.0/-1"};
	char buf[PREFIX_STR_LEN];
	struct prefix p;

	(void)state;
	assert_int_equal(prefix_parse("10.1.2.3/8", &p), TM_OK);
	p = prefix_mask(&p);
	assert_string_equal(prefix_format(&p, buf), "10.0.0.0/8");
	assert_int_equal(prefix_parse("2001:db8:ffff::/33", &p), TM_OK);
	p = prefix_mask(&p);
	assert_string_equal(prefix_format(&p, buf), "2001:db8:8000::/33");
	assert_int_equal(prefix_parse("192.0.2.1", &p), TM_OK);
	assert_int_equal(p.len, 32);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (prefix_parse(bad[i], &p) == TM_OK)
			fail_msg("accepted \"%s\"", bad[i]);
}

static void containment_and_overlap_follow_the_bits(void **state)
{
	static const struct {
		const char *prefix, *ip;
		bool in;
	} contains[] = {
		{"10.0.0.0/8", "10.255.255.255", true},
		{"10.0.0.0/8", "11.0.0.0", false},
		{"0.0.0.0/0", "1.2.3.4", true},
		{"0.0.0.0/0", "::1", false},
		{"192.0.2.129/25", "192.0.2.128", true},
		{"192.0.2.128/25", "192.0.2.127", false},
		{"2001:db8::/32", "2001:db8:ffff::1", true},
		{"2001:db8::1/128", "2001:db8::2", false},
	};
	static const struct {
		const char *a, *b;
		bool overlap;
	} overlaps[] = {
		{"10.0.0.0/8", "10.1.0.0/16", true},
		{"10.1.0.0/16", "10.0.0.0/8", true},
		{"10.0.0.0/9", "10.128.0.0/9", false},
		{"0.0.0.0/0", "10.0.0.0/8", true},
		{"::/0", "10.0.0.0/8", false},
	};
	struct prefix p, q;
	struct ip ip;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(contains); i++) {
		assert_int_equal(prefix_parse(contains[i].prefix, &p), TM_OK);
		assert_int_equal(ip_parse(contains[i].ip, &ip), TM_OK);
		if (prefix_contains(&p, &ip) != contains[i].in)
			fail_msg("%s in %s", contains[i].ip, contains[i].prefix);
	}
	for (size_t i = 0; i < ARRAY_LEN(overlaps); i++) {
		assert_int_equal(prefix_parse(overlaps[i].a, &p), TM_OK);
		assert_int_equal(prefix_parse(overlaps[i].b, &q), TM_OK);
		if (prefix_overlaps(&p, &q) != overlaps[i].overlap)
			fail_msg("%s and %s", overlaps[i].a, overlaps[i].b);
	}
}

static void addresses_know_their_kind(void **state)
{
	static const struct {
		const char *ip;
		bool loopback, link_local, multicast, unspecified;
	} rows[] = {
		{"127.1.2.3", .loopback = true},
		{"::1", .loopback = true},
		{"169.254.1.1", .link_local = true},
		{"fe80::1", .link_local = true},
		{"febf::1", .link_local = true},
		{"fec0::1"},
		{"224.0.0.1", .multicast = true},
		{"255.255.255.255", .multicast = true},
		{"ff02::1", .multicast = true},
		{"0.0.0.0", .unspecified = true},
		{"::", .unspecified = true},
		{"192.0.2.1"},
		{"2001:db8::1"},
	};
	struct ip ip;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(ip_parse(rows[i].ip, &ip), TM_OK);
		if (ip_is_loopback(&ip) != rows[i].loopback || ip_is_link_local(&ip) != rows[i].link_local ||
			ip_is_multicast(&ip) != rows[i].multicast ||
			ip_is_unspecified(&ip) != rows[i].unspecified)
			fail_msg("%s", rows[i].ip);
	}
}

static void private_ranges_are_private_as_a_whole(void **state)
{
	static const struct {
		const char *prefix;
		bool private;
	} rows[] = {
		{"10.0.0.0/8", true},
		{"10.9.0.0/24", true},
		{"172.16.0.0/12", true},
		{"172.31.255.0/24", true},
		{"192.168.7.0/24", true},
		{"100.64.0.0/10", true},
		{"100.127.1.0/30", true},
		{"fd00::/8", true},
		{"fc12::/64", true},
		{"10.0.0.0/7", false},
		{"172.0.0.0/8", false},
		{"172.32.0.0/16", false},
		{"192.169.0.0/16", false},
		{"100.128.0.0/16", false},
		{"8.8.8.0/24", false},
		{"0.0.0.0/0", false},
		{"fe00::/16", false},
		{"2001:db8::/64", false},
		{"::/0", false},
	};
	struct prefix p;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(prefix_parse(rows[i].prefix, &p), TM_OK);
		if (prefix_is_private(&p) != rows[i].private)
			fail_msg("%s", rows[i].prefix);
	}
	assert_false(prefix_is_private(&(struct prefix){0}));
}

static void an_ipv4_address_in_the_spelling_of_ipv6_is_one(void **state)
{
	static const char *const mapped[] = {"::ffff:127.0.0.1", "::FFFF:7f00:1", "0:0:0:0:0:ffff:7f00:0001"};
	struct endpoint ep;
	struct prefix p;
	struct ip ip;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(mapped); i++) {
		assert_int_equal(ip_parse(mapped[i], &ip), TM_OK);
		assert_int_equal(ip.family, IP_V4);
		assert_true(ip_is_loopback(&ip));
	}
	assert_int_equal(endpoint_parse("[::ffff:192.0.2.1]:5", &ep), TM_OK);
	assert_int_equal(ep.ip.family, IP_V4);
	assert_int_equal(ep.port, 5);
	assert_int_equal(prefix_parse("::ffff:192.0.2.1", &p), TM_OK);
	assert_int_equal(p.len, 32);
	/* No prefix of IPv6 has a mapped address in it that could be meant. */
	assert_int_not_equal(prefix_parse("::ffff:192.0.2.0/120", &p), TM_OK);
	/* Next to it, and not it. */
	assert_int_equal(ip_parse("::fffe:127.0.0.1", &ip), TM_OK);
	assert_int_equal(ip.family, IP_V6);
	assert_int_equal(ip_parse("1::ffff:127.0.0.1", &ip), TM_OK);
	assert_int_equal(ip.family, IP_V6);
}

static void the_last_host_is_the_last_address_but_one(void **state UNUSED)
{
	static const struct {
		const char *net, *last;
	} rows[] = {
		{"100.101.0.0/16", "100.101.255.254"},
		{"10.9.8.8/29", "10.9.8.14"},
		{"10.9.8.8/30", "10.9.8.10"},
		{"10.9.8.8/31", "10.9.8.9"},
		{"10.9.8.8/32", "10.9.8.8"},
		{"fd5c:1::/64", "fd5c:1::ffff:ffff:ffff:fffe"},
		{"fd5c:1::8/128", "fd5c:1::8"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char text[IP_STR_LEN];
		struct prefix net;

		assert_int_equal(prefix_parse(rows[i].net, &net), TM_OK);
		struct ip last = prefix_last_host(&net);
		assert_string_equal(ip_format(&last, text), rows[i].last);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_last_host_is_the_last_address_but_one),
		cmocka_unit_test(endpoints_are_parsed_and_printed_alike),
		cmocka_unit_test(prefixes_are_parsed_and_bad_ones_refused),
		cmocka_unit_test(containment_and_overlap_follow_the_bits),
		cmocka_unit_test(private_ranges_are_private_as_a_whole),
		cmocka_unit_test(addresses_know_their_kind),
		cmocka_unit_test(an_ipv4_address_in_the_spelling_of_ipv6_is_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
