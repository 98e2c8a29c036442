/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "exit_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void all_goes_into_the_tunnel_but_what_is_marked_and_what_is_near(void **state)
{
	(void)state;
	expect_way("203.0.113.7", false, "wan0");
	for (unsigned i = 0; i < 2; i++) { /* and so again and again */
		set(false, false);
		expect_way("203.0.113.7", false, "tm0");
		expect_way("203.0.113.7", true, "wan0");
		expect_way("2001:db8:9::7", false, "tm0");
		expect_way("2001:db8:9::7", true, "wan0");
		expect_way("172.17.0.9", false, "guests"); /* this host's own guests */
		expect_way("100.101.7.7", false, "tm0");
		expect_way("192.0.2.77", false, "tm0"); /* the network around */
		expect_way("192.0.2.77", true, "wan0");
		expect_way("2001:db8::77", false, "tm0");
	}
	set(true, false);
	expect_way("192.0.2.77", false, "wan0");
	expect_way("2001:db8::77", false, "wan0");
	expect_way("203.0.113.7", false, "tm0");
	clear();
	expect_nothing_left();
}

static void what_the_network_around_gives_out_leads_nothing_past_it(void **state)
{
	static const char *const given[] = {"128.0.0.0/2 via 192.0.2.1", "64.0.0.0/3 dev wan0",
		"203.0.113.0/24 via 192.0.2.1", "198.51.100.0/24 dev wan0",
		"2001:db8:9::/48 via 2001:db8::1"};
	static const char *const to[] = {
		"203.0.113.7", "198.51.100.7", "130.1.2.3", "65.1.2.3", "2001:db8:9::7"};

	(void)state;
	for (unsigned lan = 0; lan < 2; lan++) {
		set(lan, false);
		for (size_t i = 0; i < ARRAY_LEN(given); i++) { /* and before we have looked again */
			char args[128];

			snprintf(args, sizeof(args), "route add %s", given[i]);
			host_ip(args);
		}
		for (unsigned again = 0; again < 2; again++) {
			for (size_t i = 0; i < ARRAY_LEN(to); i++) {
				expect_way(to[i], false, "tm0");
				expect_way(to[i], true, "wan0");
			}
			set(lan, false);
		}
		for (size_t i = 0; i < ARRAY_LEN(given); i++) {
			char args[128];

			snprintf(args, sizeof(args), "route del %s", given[i]);
			host_ip(args);
		}
	}
	clear();
	expect_nothing_left();
}

static void a_gateway_that_somebody_names_is_looked_for_where_it_is(void **state)
{
	(void)state;
	set(false, true);
	host_ip("route replace default via 192.0.2.1");
	host_ip("-6 route del default");
	host_ip("route add default via 2001:db8::1");
	expect_way("203.0.113.7", true, "wan0"); /* the tunnel's own */
	expect_way("2001:db8:9::7", true, "wan0");
	expect_way("203.0.113.7", false, "tm0");
	clear();
}

static void a_network_that_calls_addresses_of_the_internet_its_own_is_no_network_around(void **state)
{
	(void)state;
	host_ip("addr add 9.9.0.10/16 dev wan0");
	host_ip("addr add 2a00:1::10/64 dev wan0 nodad");
	for (unsigned i = 100; i < 200; i++) { /* as machines of hosters have them */
		char args[64];

		snprintf(args, sizeof(args), "addr add 192.0.2.%u/24 dev wan0", i);
		host_ip(args);
	}
	set(true, false);
	expect_way("9.9.9.9", false, "tm0");
	expect_way("2a00:1::9", false, "tm0");
	expect_way("192.0.2.77", false, "wan0");
	clear();
}

static void every_network_around_is_one(void **state)
{
	(void)state;
	host_veth("wan1", "far1");
	host_ip("addr add 198.51.100.10/24 dev wan1");
	host_ip("route add default via 198.51.100.1 metric 600");
	for (unsigned i = 0; i < 40; i++) {
		char args[64];

		snprintf(args, sizeof(args), "addr add 10.%u.0.1/24 dev wan0", i);
		host_ip(args);
	}
	set(false, false);
	expect_way("198.51.100.77", false, "tm0");
	for (unsigned i = 0; i < 40; i++) {
		char to[32];

		snprintf(to, sizeof(to), "10.%u.0.9", i);
		expect_way(to, false, "tm0");
	}
	/* Between two networks, when there is no default route. */
	host_ip("-6 route del default");
	host_ip("route del default metric 600");
	host_ip("route del default");
	set(false, false);
	expect_way("2001:db8::77", false, "tm0");
	expect_way("192.0.2.77", false, "tm0");
	set(true, false);
	expect_way("198.51.100.77", false, "wan1");
	expect_way("10.39.0.9", false, "wan0");
	clear();
}

static void what_somebody_takes_away_is_put_back(void **state)
{
	static const char *const acts[] = {"rule del pref 5379", "rule del pref 5380", "rule del pref 5381",
		"rule del pref 5382", "-6 rule del pref 5380", "route del default table 8484",
		"route flush table 8485", "route flush table 8484"};

	(void)state;
	set(false, false);
	for (size_t i = 0; i < ARRAY_LEN(acts); i++) {
		host_ip(acts[i]);
		set(false, false);
		expect_way("203.0.113.7", false, "tm0");
		expect_way("2001:db8:9::7", false, "tm0");
		expect_way("192.0.2.77", false, "tm0");
		expect_way("172.17.0.9", false, "guests");
	}
	host_ip("link add more type bridge");
	host_ip("link set more up");
	host_ip("addr add 172.18.0.1/16 dev more"); /* one more network of guests */
	set(false, false);
	expect_way("172.18.0.77", false, "more");
	host_ip("link del more");
	set(false, false);
	assert_null(strstr(say("route show table 8484"), "172.18"));
	clear();
	expect_nothing_left();
}

static void when_the_tunnel_vanishes_all_is_as_before_or_held_back(void **state)
{
	(void)state;
	for (unsigned hold = 0; hold < 2; hold++) {
		set(false, hold);
		host_ip("link del tm0");
		expect_way("203.0.113.7", false, hold ? "" : "wan0");
		expect_way("2001:db8:9::7", false, hold ? "" : "wan0");
		expect_way("192.0.2.77", false, hold ? "" : "wan0");
		expect_way("2001:db8::77", false, hold ? "" : "wan0");
		expect_way("172.17.0.9", false, "guests");
		expect_way("203.0.113.7", true, "wan0");
		host_veth("tm0", "other0");
		host_ip("addr add 100.101.0.5/16 dev tm0");
		host_ip("addr add fd00::5/64 dev tm0 nodad");
		set(false, hold);
		expect_way("203.0.113.7", false, "tm0");
		expect_way("2001:db8:9::7", false, "tm0");
		host_ip("link del tm0");
		/* Another run, which knows nothing of this one. */
		struct diag d = {0};
		assert_int_equal(os_exit_undo("tm0", &left, &d), TM_OK);
		expect_nothing_left();
		host_veth("tm0", "other0");
	}
}

static void a_socket_that_names_its_interface_sends_nothing_past_it(void **state)
{
	static const char *const to[] = {"203.0.113.7", "192.0.2.77", "192.0.2.1", "2001:db8:9::7",
		"2001:db8::77", "ff02::fb", "224.0.0.251"};

	(void)state;
	needs_nftables();
	for (size_t i = 0; i < ARRAY_LEN(to); i++)
		assert_int_equal(send_by("wan0", to[i], 0), 0);
	set(false, false);
	for (size_t i = 0; i < ARRAY_LEN(to); i++) {
		if (send_by("wan0", to[i], 0) == 0)
			fail_msg("%s", to[i]);
		assert_int_equal(send_by("wan0", to[i], MARK), 0); /* the daemon */
		assert_int_equal(send_by("wan0", to[i], MARK | 0x80000), 0); /* and what others say of it */
	}
	assert_int_equal(send_by("guests", "172.17.0.9", 0), 0);
	set(true, false);
	assert_int_equal(send_by("wan0", "192.0.2.77", 0), 0);
	assert_int_equal(send_by("wan0", "2001:db8::77", 0), 0);
	assert_int_equal(send_by("wan0", "224.0.0.251", 0), 0);
	assert_int_not_equal(send_by("wan0", "203.0.113.7", 0), 0);
	clear();
	assert_int_equal(send_by("wan0", "203.0.113.7", 0), 0);
}

static void a_tunnel_without_ipv6_carries_none_and_lets_none_pass(void **state)
{
	(void)state;
	needs_nftables();
	assert_int_equal(system("sysctl -qw net.ipv6.conf.tm0.disable_ipv6=1"), 0);
	assert_int_equal(send_by(NULL, "2001:db8:9::7", 0), 0);
	set(false, false);
	expect_way("203.0.113.7", false, "tm0");
	assert_int_not_equal(send_by(NULL, "2001:db8:9::7", 0), 0);
	clear();
	assert_int_equal(send_by(NULL, "2001:db8:9::7", 0), 0);
}

static void without_nftables_a_tunnel_without_ipv6_is_barred_and_stays_so(void **state)
{
	(void)state;
	no_nftables = true;
	assert_int_equal(system("sysctl -qw net.ipv6.conf.tm0.disable_ipv6=1"), 0);
	for (unsigned hold = 0; hold < 2; hold++) {
		for (unsigned i = 0; i < 4; i++) { /* at each look */
			set(false, hold);
			expect_way("203.0.113.7", false, "tm0");
			expect_way("2001:db8:9::7", false, "");
			expect_way("2001:db8:9::7", true, "wan0");
		}
		assert_int_equal(system("sysctl -qw net.ipv6.conf.tm0.disable_ipv6=0"), 0);
		for (unsigned i = 0; i < 4; i++) {
			set(false, hold);
			expect_way("2001:db8:9::7", false, "tm0");
		}
		assert_int_equal(system("sysctl -qw net.ipv6.conf.tm0.disable_ipv6=1"), 0);
	}
	clear();
	expect_nothing_left();
}

static void marks_are_bits_and_the_tunnels_addresses_are_called_by_the_tunnel(void **state)
{
	(void)state;
	needs_nftables();
	set(false, false);
	list_table("tunnelmesh-tm0-exit");
	static const char *const lines[] = {
		"ip daddr 100.101.0.5 drop",
		"ip6 daddr fd00::5 drop",
		"fib daddr type local meta mark set meta mark & 0x54ffffff | 0x54000000",
		"fib daddr type local ct direction original ct mark set ct mark & 0x54ffffff | 0x54000000",
		"ct direction reply ct mark 0x54000000/8 meta mark set",
		"type route hook output priority mangle",
		"elements = { \"guests\" }",
	};
	for (size_t i = 0; i < ARRAY_LEN(lines); i++)
		if (!strstr(text, lines[i]))
			fail_msg("\"%s\" is not in\n%s", lines[i], text);
	assert_non_null(strstr(say("rule"), "fwmark 0x54000000/0xff000000 lookup 8484"));
	clear();
	assert_null(strstr(list_table("tunnelmesh-tm0-exit"), "chain"));
}

static void names_are_asked_of_the_exits_resolver(void **state)
{
	(void)state;
	needs_nftables();
	host_ip("route add 10.55.0.0/16 dev tm0"); /* behind a member */
	set(false, false);
	list_table("tunnelmesh-tm0-exit");
	static const char *const lines[] = {
		"type nat hook output priority -100; policy accept;",
		"ip daddr 10.55.0.0/16 accept",
		"oifname != \"tm0\" meta nfproto ipv4 udp dport 53 dnat ip to 192.0.0.53",
		"oifname != \"tm0\" meta nfproto ipv6 tcp dport 53 dnat ip6 to 64:ff9b::c000:35",
		"ip daddr 192.168.0.0/16 udp dport 53 dnat ip to 192.0.0.53",
		"ip6 daddr fc00::/7 udp dport 53 dnat ip6 to 64:ff9b::c000:35",
		"ip daddr 192.0.0.53 oifname \"tm0\" masquerade",
		"ip daddr 192.0.0.53 oifname != \"tm0\" drop",
		"fib daddr oifname != \"tm0\" accept",
	};
	for (size_t i = 0; i < ARRAY_LEN(lines); i++)
		if (!strstr(text, lines[i]))
			fail_msg("\"%s\" is not in\n%s", lines[i], text);
	clear();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		T(all_goes_into_the_tunnel_but_what_is_marked_and_what_is_near),
		T(what_the_network_around_gives_out_leads_nothing_past_it),
		T(a_gateway_that_somebody_names_is_looked_for_where_it_is),
		T(a_network_that_calls_addresses_of_the_internet_its_own_is_no_network_around),
		T(every_network_around_is_one),
		T(what_somebody_takes_away_is_put_back),
		T(when_the_tunnel_vanishes_all_is_as_before_or_held_back),
		T(a_socket_that_names_its_interface_sends_nothing_past_it),
		T(a_tunnel_without_ipv6_carries_none_and_lets_none_pass),
		T(without_nftables_a_tunnel_without_ipv6_is_barred_and_stays_so),
		T(names_are_asked_of_the_exits_resolver),
		T(marks_are_bits_and_the_tunnels_addresses_are_called_by_the_tunnel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
