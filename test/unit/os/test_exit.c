/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* In a network namespace of its own, asked by ip(8); skipped where that is not allowed. */
#include "host.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/os.h"

enum { MARK = 0x54000000 };

static struct os_exit *x;

static int set_up(void **state)
{
	(void)state;
	host_unshare(CLONE_NEWNET, "network");
	host_ip("link set lo up");
	host_veth("wan0", "far0");
	host_ip("addr add 192.0.2.10/24 dev wan0");
	host_ip("addr add 2001:db8::10/64 dev wan0 nodad");
	host_ip("route add default via 192.0.2.1");
	host_ip("route add default via 2001:db8::1");
	host_veth("guests", "guest0");
	host_ip("addr add 172.17.0.1/16 dev guests");
	host_veth("tm0", "other0");
	host_ip("addr add 100.101.0.5/16 dev tm0");
	host_ip("addr add fd00::5/64 dev tm0 nodad");
	return os_exit_new("tm0", MARK, &x) == TM_OK ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	os_exit_free(x);
	return 0;
}

static char text[4096];

static const char *say(const char *args)
{
	char cmd[128];

	snprintf(cmd, sizeof(cmd), "ip %s 2>&1", args);
	FILE *f = popen(cmd, "r");
	assert_non_null(f);
	size_t n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = '\0';
	pclose(f);
	return text;
}

/* By which interface a packet of this host would leave; "" = by none. */
static void expect_way(const char *to, bool marked, const char *dev)
{
	char args[128], wanted[32];

	snprintf(args, sizeof(args), "route get %s%s", to, marked ? " mark 0x54000000" : "");
	snprintf(wanted, sizeof(wanted), "dev %s", dev);
	if (!strstr(say(args), dev[0] ? wanted : "RTNETLINK answers"))
		fail_msg("%s%s: expected \"%s\", got %s", to, marked ? " (marked)" : "", dev, text);
}

static void set(bool lan, bool hold)
{
	struct diag d = {0}, unmarked = {0};

	if (os_exit_set(x, lan, hold, &unmarked, &d) != TM_OK)
		fail_msg("%s", d.what);
}

static void clear(void)
{
	struct diag d = {0};

	if (os_exit_clear(x, &d) != TM_OK)
		fail_msg("%s", d.what);
}

static void expect_nothing_left(void)
{
	expect_way("203.0.113.7", false, "wan0");
	assert_null(strstr(say("rule"), "538"));
	assert_null(strstr(say("-6 rule"), "538"));
	assert_null(strstr(say("route show table 8484"), "default"));
	assert_null(strstr(say("-6 route show table 8484"), "default"));
}

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

static void what_somebody_takes_away_is_put_back(void **state)
{
	static const char *const acts[] = {"rule del pref 5380", "rule del pref 5381", "rule del pref 5382",
		"-6 rule del pref 5382", "route del default table 8484", "route flush table 8485"};

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
	host_ip("addr add 198.51.100.10/24 dev wan0"); /* one more network around */
	set(false, false);
	expect_way("198.51.100.77", false, "tm0");
	host_ip("addr del 198.51.100.10/24 dev wan0");
	set(false, false);
	assert_null(strstr(say("route show table 8485"), "198.51.100"));
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
		expect_way("203.0.113.7", true, "wan0");
		host_veth("tm0", "other0");
		host_ip("addr add 100.101.0.5/16 dev tm0");
		set(false, hold);
		expect_way("203.0.113.7", false, "tm0");
		/* Another run, which knows nothing of this one. */
		struct diag d = {0};
		assert_int_equal(os_exit_clear(NULL, &d), TM_OK);
		expect_nothing_left();
	}
}

static void callers_are_marked_in_a_table_of_its_own(void **state)
{
	(void)state;
	if (system("nft list ruleset > /dev/null 2>&1") != 0)
		skip();
	set(false, false);
	FILE *f = popen("nft list table inet tunnelmesh-tm0-exit", "r");
	size_t n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = '\0';
	pclose(f);
	static const char *const lines[] = {
		"iifname != \"tm0\" fib daddr type local meta mark set",
		"iifname != \"tm0\" fib daddr type local ct direction original ct mark set",
		"type route hook output priority mangle",
		"ct direction reply ct mark 0x54000000 meta mark set",
	};
	for (size_t i = 0; i < ARRAY_LEN(lines); i++)
		if (!strstr(text, lines[i]))
			fail_msg("\"%s\" is not in\n%s", lines[i], text);
	clear();
	assert_int_not_equal(system("nft list table inet tunnelmesh-tm0-exit > /dev/null 2>&1"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		T(all_goes_into_the_tunnel_but_what_is_marked_and_what_is_near),
		T(what_somebody_takes_away_is_put_back),
		T(when_the_tunnel_vanishes_all_is_as_before_or_held_back),
		T(callers_are_marked_in_a_table_of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
