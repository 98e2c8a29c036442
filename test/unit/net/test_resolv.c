/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* resolv.conf and hosts. */
#include "unit/unit.h"

#include "net/resolv.h"

static void servers_domains_and_options_are_read(void **state UNUSED)
{
	struct resolv r;

	resolv_parse("# a comment\n"
		     "nameserver 192.0.2.1 # the first\n"
		     "nameserver\t2001:db8::1\n"
		     "nameserver not-an-address\n"
		     "nameserver\n"
		     "domain old.example\n"
		     "search example.org corp.example\n"
		     "options ndots:2 attempts:1 timeout:1 rotate\n"
		     "nameserver 192.0.2.3\n"
		     "nameserver 192.0.2.4",
		&r);
	assert_int_equal(r.n_servers, 3);
	assert_int_equal(r.servers[1].ip.family, IP_V6);
	assert_int_equal(r.servers[2].port, 53);
	assert_int_equal(r.n_search, 2);
	assert_string_equal(r.search[1], "corp.example");
	assert_int_equal(r.ndots, 2);
	assert_int_equal(r.attempts, 1);
	assert_int_equal(r.timeout_ms, 1000);
}

static void without_a_file_this_host_is_asked(void **state UNUSED)
{
	static const char *const texts[] = {
		"", "\n\n", "garbage\0", "options attempts:0 timeout:99999999999999999999"};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct resolv r;

		resolv_parse(texts[i], &r);
		assert_int_equal(r.n_servers, 1);
		assert_true(ip_is_loopback(&r.servers[0].ip));
		assert_in_range(r.attempts, 1, 5);
		assert_in_range(r.timeout_ms, 1000, 2000);
	}
}

static void servers_that_cannot_be_used_are_left_out(void **state UNUSED)
{
	static const struct {
		const char *text, *servers[RESOLV_SERVERS_MAX];
	} rows[] = {
		{"nameserver fe80::1%eth0\nnameserver 192.0.2.1\n", {"192.0.2.1:53"}},
		{"nameserver 192.0.2.1\nnameserver fe80::1%2\nnameserver 192.0.2.2",
			{"192.0.2.1:53", "192.0.2.2:53"}},
		{"nameserver a\nnameserver b\nnameserver c\nnameserver ::1", {"[::1]:53"}},
		/* Not this host in their place: who is asked is the administrator's choice. */
		{"nameserver fe80::1%eth0", {NULL}},
		{"nameserver dns.example.org\nsearch a.b", {NULL}},
		{"nameserver\nsearch a.b", {"127.0.0.1:53"}},
		{"#nameserver fe80::1%eth0", {"127.0.0.1:53"}},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char text[ENDPOINT_STR_LEN];
		struct resolv r;
		size_t n = 0;

		resolv_parse(rows[i].text, &r);
		for (; n < RESOLV_SERVERS_MAX && rows[i].servers[n]; n++) {
			assert_true(n < r.n_servers);
			assert_string_equal(endpoint_format(&r.servers[n], text), rows[i].servers[n]);
		}
		if (r.n_servers != n)
			fail_msg("row %zu: %zu servers", i, r.n_servers);
	}
}

static void names_are_tried_in_the_order_of_ndots(void **state UNUSED)
{
	static const struct {
		const char *conf, *host, *names[4];
	} rows[] = {
		{"search a.b c.d", "hub", {"hub.a.b", "hub.c.d", "hub"}},
		{"search a.b c.d", "hub.org", {"hub.org", "hub.org.a.b", "hub.org.c.d"}},
		{"search a.b\noptions ndots:2", "hub.org", {"hub.org.a.b", "hub.org"}},
		{"search a.b", "hub.", {"hub."}},
		{"", "hub", {"hub"}},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char name[RESOLV_NAME_MAX + 1];
		struct resolv r;
		size_t k = 0;

		resolv_parse(rows[i].conf, &r);
		for (; rows[i].names[k]; k++) {
			assert_true(resolv_name(&r, rows[i].host, k, name));
			assert_string_equal(name, rows[i].names[k]);
		}
		assert_false(resolv_name(&r, rows[i].host, k, name));
	}
}

static void hosts_are_found_by_any_of_their_names(void **state UNUSED)
{
	static const char text[] = "127.0.0.1 localhost\n"
				   "::1\tlocalhost ip6-localhost # and more\n"
				   "#192.0.2.9 hub\n"
				   "192.0.2.1  hub.example.org   HUB hub\n"
				   "nonsense hub\n"
				   "192.0.2.2";
	struct ip found[4];

	assert_int_equal(hosts_find(text, "localhost", found, 4), 2);
	assert_int_equal(found[1].family, IP_V6);
	assert_int_equal(hosts_find(text, "localhost", found, 1), 1);
	assert_int_equal(hosts_find(text, "hub", found, 4), 1);
	assert_int_equal(found[0].bytes[3], 1);
	assert_int_equal(hosts_find(text, "and", found, 4), 0);
	assert_int_equal(hosts_find("", "hub", found, 4), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(servers_domains_and_options_are_read),
		cmocka_unit_test(without_a_file_this_host_is_asked),
		cmocka_unit_test(servers_that_cannot_be_used_are_left_out),
		cmocka_unit_test(names_are_tried_in_the_order_of_ndots),
		cmocka_unit_test(hosts_are_found_by_any_of_their_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
