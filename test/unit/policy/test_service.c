/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/unit.h"

#include "policy/service.h"

static void what_is_written_is_what_is_meant(void **state)
{
	static const struct {
		const char *text;
		struct policy_service s;
		const char *shown;
	} rows[] = {
		{"tcp/22", {POLICY_TCP, 22, 22}, "tcp/22"},
		{"tcp/1-65535", {POLICY_TCP, 1, 65535}, "tcp/1-65535"},
		{"udp/53-53", {POLICY_UDP, 53, 53}, "udp/53"},
		{"udp", {POLICY_UDP, 0, 65535}, "udp"},
		{"icmp", {POLICY_ICMP, 0, 255}, "icmp"},
		{"icmp/echo", {POLICY_ICMP, 8, 8}, "icmp/echo"},
		{"icmp/42", {POLICY_ICMP, 42, 42}, "icmp/42"},
		{"icmp/3-9", {POLICY_ICMP, 3, 9}, "icmp/3-9"},
		{"icmpv6/128-129", {POLICY_ICMPV6, 128, 129}, "icmpv6/128-129"},
		{"icmpv6/128", {POLICY_ICMPV6, 128, 128}, "icmpv6/echo"},
		{"other", {POLICY_OTHER, 0, 255}, "other"},
		{"other/47", {POLICY_OTHER, 47, 47}, "other/47"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct policy_service v[POLICY_PROTO_N];
		char text[POLICY_SERVICE_LEN];
		size_t n = 0;

		if (policy_service_parse(rows[i].text, v, &n, NULL) != TM_OK || n != 1 ||
			v[0].proto != rows[i].s.proto || v[0].first != rows[i].s.first ||
			v[0].last != rows[i].s.last)
			fail_msg("%s", rows[i].text);
		assert_string_equal(policy_service_format(&v[0], text), rows[i].shown);
	}
}

static void what_means_nothing_is_refused(void **state)
{
	static const char *const rows[] = {"", "/", "tcp/", "tcp/-", "tcp/0", "tcp/1-", "tcp/-1", "tcp/65536",
		"tcp/1-2-3", "tcp/ 1", "tcp/01", "tcp/0x16", "tcp/echo", "TCP/22", "icmp/256",
		"icmpv6/echo-129", "other/256", "other/58", "any/1", "ping/1", "tcp/99999999999999999999",
		"averyveryverylongword/1", "icmp/0", "icmp/3", "icmp/3-5", "icmp/13-14", "icmpv6/1",
		"icmpv6/1-127", "icmpv6/129"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct policy_service v[POLICY_PROTO_N];
		struct diag d = {0};
		size_t n = 0;

		if (policy_service_parse(rows[i], v, &n, &d) == TM_OK || !d.what[0])
			fail_msg("\"%s\" is taken", rows[i]);
	}
}

static void what_was_accepted_once_is_read_for_ever(void **state)
{
	struct policy_service v[POLICY_PROTO_N];
	size_t n;

	(void)state;
	assert_int_equal(policy_service_parse("icmp/3", v, &n, NULL), TM_EINVAL);
	assert_int_equal(policy_service_read("icmp/3", POLICY_ACCEPTED, v, &n, NULL), TM_OK);
	assert_int_equal(n, 1);
	assert_int_equal(v[0].first, 3);
	assert_false(policy_service_clip(&v[0]));
	assert_int_equal(policy_service_read("icmpv6/1-127", POLICY_ACCEPTED, v, &n, NULL), TM_OK);
	assert_int_equal(policy_service_read("icmp/256", POLICY_ACCEPTED, v, &n, NULL), TM_ERANGE);
}

static void words_for_several_are_several(void **state)
{
	struct policy_service v[POLICY_PROTO_N];
	size_t n;

	(void)state;
	assert_int_equal(policy_service_parse("any", v, &n, NULL), TM_OK);
	assert_int_equal(n, POLICY_PROTO_N);
	assert_int_equal(policy_service_parse("ping", v, &n, NULL), TM_OK);
	assert_int_equal(n, 2);
}

static void the_lowest_port_is_one_that_packets_have(void **state)
{
	const struct policy_service all = {POLICY_TCP, 0, 65535}, zero = {POLICY_TCP, 0, 0},
				    type = {POLICY_ICMP, 0, 9};

	(void)state;
	assert_int_equal(policy_service_lowest(&all), 1);
	assert_int_equal(policy_service_lowest(&zero), 0);
	assert_int_equal(policy_service_lowest(&type), 1); /* 0 is an answer */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_what_is_meant),
		cmocka_unit_test(what_means_nothing_is_refused),
		cmocka_unit_test(what_was_accepted_once_is_read_for_ever),
		cmocka_unit_test(words_for_several_are_several),
		cmocka_unit_test(the_lowest_port_is_one_that_packets_have),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
