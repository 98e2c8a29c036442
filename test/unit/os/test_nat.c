/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* In a network namespace of its own, read back by nft(8); skipped where that is not allowed. */
#include "host.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/os.h"

static char ruleset[8192];

static const char *look(void)
{
	FILE *f = popen("nft list ruleset", "r");

	assert_non_null(f);
	size_t n = fread(ruleset, 1, sizeof(ruleset) - 1, f);
	ruleset[n] = '\0';
	assert_int_equal(pclose(f), 0);
	return ruleset;
}

static int set_up(void **state)
{
	(void)state;
	host_unshare(CLONE_NEWNET, "network");
	if (system("nft list ruleset > /dev/null 2>&1") != 0)
		skip();
	return 0;
}

static struct os_nat_net net(const char *text, bool masquerade)
{
	struct os_nat_net n = {.masquerade = masquerade};

	assert_int_equal(prefix_parse(text, &n.prefix), TM_OK);
	return n;
}

static void set(struct os_nat *t, const struct os_nat_net *v, size_t n)
{
	struct diag d = {0};

	if (os_nat_set(t, v, n, &d) != TM_OK)
		fail_msg("%s", d.what);
}

static void the_rules_are_what_they_are_meant_to_be(void **state)
{
	const struct os_nat_net v[] = {net("10.1.0.0/16", true), net("10.1.2.0/24", false),
		net("0.0.0.0/0", true), net("::/0", true), net("2001:db8:5::/48", true)};
	struct os_nat *t;

	(void)state;
	assert_int_equal(os_nat_new("tm7", 0, &t), TM_OK);
	assert_string_equal(look(), "");
	set(t, v, ARRAY_LEN(v));
	look();
	static const char *const lines[] = {
		"table inet tunnelmesh-tm7",
		"type filter hook forward priority mangle; policy accept;",
		"iifname \"tm7\" tcp flags syn / syn,rst tcp option maxseg size set rt mtu",
		"oifname \"tm7\" tcp flags syn / syn,rst tcp option maxseg size set rt mtu",
		"type nat hook postrouting priority srcnat; policy accept;",
		"iifname \"tm7\" oifname != \"tm7\" ip6 daddr 2001:db8:5::/48 masquerade",
		"iifname \"tm7\" oifname != \"tm7\" ip daddr 10.1.2.0/24 accept",
		"iifname \"tm7\" oifname != \"tm7\" ip daddr 10.1.0.0/16 masquerade",
		"iifname \"tm7\" oifname != \"tm7\" meta nfproto ipv4 masquerade",
		"iifname \"tm7\" oifname != \"tm7\" meta nfproto ipv6 masquerade",
	};
	const char *at = ruleset;
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) { /* in this order: the longest prefix first */
		const char *found = strstr(at, lines[i]);

		if (!found)
			fail_msg("\"%s\" is not where it should be in:\n%s", lines[i], ruleset);
		at = found;
	}

	set(t, v, 1);
	assert_null(strstr(look(), "10.1.2.0/24"));
	assert_non_null(strstr(ruleset, "10.1.0.0/16"));
	set(t, NULL, 0);
	assert_string_equal(look(), "");
	set(t, v, 1);
	os_nat_free(t);
	assert_string_equal(look(), "");
}

static bool has(const char *line)
{
	return strstr(look(), line);
}

static void what_this_host_is_in_is_not_the_internet(void **state)
{
	const struct os_nat_net v[] = {net("0.0.0.0/0", true), net("::/0", true), net("192.0.2.0/24", true)};
	struct os_nat *t;

	(void)state;
	host_veth("home0", "far0");
	host_veth("tm7", "other7");
	host_ip("addr add 100.101.0.5/16 dev tm7");
	host_ip("addr add 192.0.2.1/24 dev home0");
	host_ip("addr add 2001:db8:7::1/64 dev home0 nodad");
	assert_int_equal(os_nat_new("tm7", 0, &t), TM_OK);
	set(t, v, 2);
	assert_true(has("iifname \"tm7\" ip6 daddr 2001:db8:7::/64 reject with icmpx admin-prohibited"));
	assert_true(has("iifname \"tm7\" ip daddr 192.0.2.0/24 reject with icmpx admin-prohibited"));
	assert_true(has("iifname \"tm7\" fib daddr type local fib daddr . iif type != local reject"));
	assert_false(has("100.101.0.0"));
	host_ip("addr add 2001:db8:8::1/64 dev home0 nodad"); /* and from the next look on, this */
	set(t, v, 2);
	assert_true(has("iifname \"tm7\" ip6 daddr 2001:db8:8::/64 reject"));
	set(t, v, 3); /* by name: the longest part of the way */
	look();
	assert_true(strstr(ruleset, "ip daddr 192.0.2.0/24 accept") <
		    strstr(ruleset, "ip daddr 192.0.2.0/24 reject"));
	set(t, v + 2, 1);
	assert_false(has("2001:db8"));
	os_nat_free(t);
}

static void an_exit_resolves_names_where_it_is_told_to(void **state)
{
	const struct os_nat_net v[] = {net("0.0.0.0/0", true), net("::/0", true)};
	const struct ip none = {.family = IP_NONE};
	struct os_nat *t;
	struct ip at;

	(void)state;
	assert_int_equal(ip_parse("192.168.1.1", &at), TM_OK);
	assert_int_equal(os_nat_new("tm7", 0, &t), TM_OK);
	os_nat_resolvers(t, &at, &none);
	set(t, v, 2);
	assert_true(has("iifname \"tm7\" ip daddr 192.0.0.53 udp dport 53 dnat ip to 192.168.1.1"));
	assert_true(has("iifname \"tm7\" ip daddr 192.0.0.53 tcp dport 53 dnat ip to 192.168.1.1"));
	assert_true(has("iifname \"tm7\" ct original ip daddr 192.0.0.53 accept"));
	assert_false(has("dnat ip6"));
	assert_true(has("iifname \"tm7\" ip6 daddr 64:ff9b::c000:35 reject"));
	os_nat_resolvers(t, &none, &none); /* it has another network now */
	set(t, v, 2);
	assert_false(has("dnat ip"));
	assert_true(has("iifname \"tm7\" ip daddr 192.0.0.53 reject"));
	os_nat_free(t);
}

static void who_is_not_to_be_seen_calls_nobody(void **state)
{
	const struct os_nat_net v[] = {net("10.1.0.0/16", true), net("10.1.2.0/24", false)};
	struct os_nat *t;

	(void)state;
	assert_int_equal(os_nat_new("tm7", 0, &t), TM_OK);
	set(t, v, 2);
	look();
	/* Nor does anybody whose source is neither ours by now nor to be seen. */
	const char *calls = strstr(ruleset, "chain calls");
	static const char *const lines[] = {"oifname != \"tm7\" accept",
		"ct state established,related accept", "fib saddr type local accept",
		"ip saddr 10.1.2.0/24 accept", "drop"};
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		calls = calls ? strstr(calls, lines[i]) : NULL;
		if (!calls)
			fail_msg("\"%s\" is not where it should be in:\n%s", lines[i], ruleset);
	}
	const char *known = strstr(ruleset, "ct state established,related accept"),
		   *seen = strstr(ruleset, "oifname \"tm7\" ip saddr 10.1.2.0/24 accept"),
		   *unseen = strstr(ruleset, "oifname \"tm7\" ip saddr 10.1.0.0/16 reject");
	if (!known || !seen || !unseen || known > seen || seen > unseen)
		fail_msg("%s", ruleset);
	/* Nor who has a source of this host, which is in those networks, without being it: he is not
	 * answered. */
	const char *forged = strstr(ruleset, "oifname \"tm7\" fib saddr type local drop");
	if (!forged || forged < known || forged > seen)
		fail_msg("%s", ruleset);
	os_nat_free(t);
}

static void who_is_not_of_the_mesh_does_not_pass_because_of_us(void **state)
{
	const struct os_nat_net v[] = {net("10.1.0.0/16", true), net("2001:db8:5::/48", true)};
	struct os_nat *t;

	(void)state;
	host_ip("link add docker0 type bridge");
	host_ip("link add vmbr0 type bridge");
	host_ip("addr add 192.0.2.1/24 dev vmbr0");
	host_ip("link set vmbr0 up");
	host_ip("route add default dev vmbr0");
	host_ip("tuntap add tm8 mode tun");
	host_ip("link set tm8 alias tunnelmesh");
	assert_int_equal(os_nat_new("tm7", 0, &t), TM_OK);
	os_nat_opened(t, IP_V4, "lan0");
	os_nat_opened(t, IP_V6, NULL);
	set(t, v, 2);
	look();
	const char *known = strstr(ruleset, "ct state established,related accept"),
		   *ip4 = strstr(ruleset, "meta nfproto ipv4 iifname \"lan0\" oifname != \"tm7\" "
					  "oifname != \"lan0\" oifname != @meshes reject"),
		   *ip6 = strstr(ruleset, "meta nfproto ipv6 iifname != \"tm7\" oifname != \"tm7\" "
					  "iifname != @guests oifname != @guests reject");
	if (!known || !ip4 || !ip6 || known > ip4 || !strstr(ruleset, "\"docker0\""))
		fail_msg("%s", ruleset);
	/* What leaves where it came in is in one network anyway. A bridge that leads out is nobody's guest;
	 * what is for another mesh is its own to say. */
	if (!strstr(ruleset, "elements = { \"tm8\" }"))
		fail_msg("%s", ruleset);
	const char *bridged = strstr(ruleset, "iifname \"vmbr0\" oifname \"vmbr0\" accept");
	if (!bridged || bridged > ip6 || strstr(ruleset, "iifname \"docker0\""))
		fail_msg("%s", ruleset);
	/* Another guest comes. */
	host_ip("link add virbr0 type bridge");
	os_nat_opened(t, IP_V6, NULL);
	set(t, v, 2);
	assert_true(has("virbr0"));
	assert_false(has("lan0"));
	/* Said no more: it is somebody else's by now. */
	set(t, v, 2);
	assert_false(has("@guests oifname"));
	os_nat_free(t);
}

static void what_a_run_left_on_a_kernel_without_owners_is_removed(void **state)
{
	struct os_nat *t;

	(void)state;
	assert_int_equal(system("nft add table inet tunnelmesh-tm7"), 0);
	assert_int_equal(os_nat_new("tm7", 0, &t), TM_OK);
	assert_false(has("tunnelmesh-tm7"));
	os_nat_free(t);
}

static void what_a_killed_run_left_is_taken_away_without_another(void **state)
{
	(void)state;
	assert_int_equal(system("nft add table inet tunnelmesh-tm7; nft add table inet tunnelmesh-tm7-own; "
				"nft add table inet tunnelmesh-tm77"),
		0);
	assert_true(os_rules_left("tm7"));
	assert_true(os_rules_undo("tm7"));
	assert_string_equal(look(), "table inet tunnelmesh-tm77 {\n}\n");
	assert_false(os_rules_left("tm7"));
	assert_false(os_rules_undo("tm7"));
}

static void they_end_with_the_process_and_not_with_a_flush(void **state)
{
	const struct os_nat_net v = net("10.1.0.0/16", true);
	int go[2], ready[2];
	char c;

	(void)state;
	assert_int_equal(pipe(go), 0);
	assert_int_equal(pipe(ready), 0);
	pid_t child = fork();
	if (child == 0) {
		struct os_nat *t;

		if (os_nat_new("tm7", 0, &t) == TM_OK && os_nat_set(t, &v, 1, NULL) == TM_OK)
			(void)!write(ready[1], "x", 1);
		(void)!read(go[0], &c, 1);
		_exit(0); /* as if killed: nothing is taken back */
	}
	assert_int_equal(read(ready[0], &c, 1), 1);
	(void)!system("nft flush ruleset 2> /dev/null");
	assert_non_null(strstr(look(), "masquerade"));
	assert_int_equal(write(go[1], "x", 1), 1);
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_string_equal(look(), "");
}

static void one_that_somebody_left_is_replaced(void **state)
{
	const struct os_nat_net v = net("10.1.0.0/16", true);
	struct os_nat *t;

	(void)state;
	assert_int_equal(
		system("nft add table inet tunnelmesh-tm7; nft add chain inet tunnelmesh-tm7 old"), 0);
	assert_int_equal(os_nat_new("tm7", 0, &t), TM_OK);
	set(t, &v, 1);
	assert_null(strstr(look(), "chain old"));
	assert_non_null(strstr(ruleset, "masquerade"));
	os_nat_free(t);
}

static void run(const char *command)
{
	if (system(command) != 0)
		fail_msg("%s", command);
}

static void a_chain_that_drops_what_passes_through_is_found(void **state)
{
	char name[128];

	(void)state;
	assert_false(os_forward_drops(IP_V4, "tm7", name, sizeof(name)));
	run("nft 'table ip filter { chain INPUT { type filter hook input priority 0; policy drop; }\n"
	    "chain FORWARD { type filter hook forward priority 0; policy accept; }\n}'");
	assert_false(os_forward_drops(IP_V4, "tm7", name, sizeof(name)));
	run("nft 'table inet wall { chain through { type filter hook forward priority 5; policy drop; }\n}'");
	assert_true(os_forward_drops(IP_V4, "tm7", name, sizeof(name)));
	assert_string_equal(name, "inet wall through");
	assert_true(os_forward_drops(IP_V6, "tm7", name, sizeof(name)));
}

/* Else who did what he was told to do would be told for ever. */
static void it_is_in_nobodys_way_once_rules_let_the_tunnel_through_both_ways(void **state)
{
	static const char *const narrow[] = {"iifname tm7 tcp dport 22 accept", "iifname tm7 drop",
		"iifname != tm7 accept", "iifname tm77 accept", "ip daddr 10.1.2.3 oifname tm7 accept",
		"iifname tm7 oifname tm7 accept", "iifname tm7 ct state established accept",
		"iifname eth0 accept"};
	char name[128], command[256];

	(void)state;
	run("nft 'table ip filter { chain FORWARD { type filter hook forward priority 0; policy drop; jump "
	    "DOCKER-USER; }\nchain DOCKER-USER { }\n}'");
	for (size_t i = 0; i < ARRAY_LEN(narrow); i++) {
		snprintf(command, sizeof(command), "nft add rule ip filter DOCKER-USER %s", narrow[i]);
		run(command);
	}
	/* Nor what does not come to it, or is about more than one sees: xtables' matches. */
	run("nft add chain ip filter INPUT '{ type filter hook input priority 0; }'; nft add chain ip filter "
	    "ours; "
	    "nft add rule ip filter INPUT jump ours; nft add rule ip filter ours iifname tm7 accept; "
	    "nft add rule ip filter INPUT iifname tm7 accept; nft add rule ip filter INPUT oifname tm7 "
	    "accept; "
	    "nft add rule ip filter ours oifname tm7 accept");
	assert_true(os_forward_drops(IP_V4, "tm7", name, sizeof(name)));
	run("nft add rule ip filter DOCKER-USER oifname tm7 ct state established,related accept");
	assert_true(os_forward_drops(IP_V4, "tm7", name, sizeof(name)));
	if (system("iptables-nft -A DOCKER-USER -i tm7 -p tcp -m multiport --dports 22,23 -j ACCEPT") == 0)
		assert_true(os_forward_drops(IP_V4, "tm7", name, sizeof(name)));
	if (system("iptables-nft -A DOCKER-USER -i tm7 -m mac --mac-source 02:00:00:00:00:01 -j ACCEPT") == 0)
		assert_true(os_forward_drops(IP_V4, "tm7", name, sizeof(name)));
	run("nft flush chain ip filter DOCKER-USER");
	run("nft add rule ip filter DOCKER-USER iifname tm7 counter accept");
	assert_true(os_forward_drops(IP_V4, "tm7", name, sizeof(name)));
	assert_string_equal(name, "ip filter FORWARD");
	run("nft add rule ip filter DOCKER-USER oifname tm7 ct state established,related accept");
	assert_false(os_forward_drops(IP_V4, "tm7", name, sizeof(name)));
	assert_false(os_forward_drops(IP_V6, "tm7", name, sizeof(name))); /* it is about IPv4 */
	/* By a map nobody sees where it goes. */
	run("nft flush chain ip filter FORWARD; nft add rule ip filter FORWARD ct state vmap "
	    "'{ established : jump DOCKER-USER, new : jump DOCKER-USER }'");
	assert_false(os_forward_drops(IP_V4, "tm7", name, sizeof(name)));
	/* A comment is no condition. */
	run("nft flush chain ip filter DOCKER-USER; nft add rule ip filter DOCKER-USER oifname tm7 accept");
	assert_true(os_forward_drops(IP_V4, "tm7", name, sizeof(name)));
	if (system("iptables-nft -A DOCKER-USER -i tm7 -m comment --comment mesh -j ACCEPT") == 0)
		assert_false(os_forward_drops(IP_V4, "tm7", name, sizeof(name)));
}

/* That many, a number in the middle of each, in one go. */
static void have_addresses(const char *before, const char *after, int count)
{
	FILE *f = popen("ip -batch -", "w");

	assert_non_null(f);
	for (int i = 0; i < count; i++)
		fprintf(f, "addr add %s%x%s dev home0 nodad\n", before, i + 1, after);
	assert_int_equal(pclose(f), 0);
}

/* A transaction is one message, and what the kernel says of it must not be too much for the socket. */
static void a_host_in_a_thousand_networks_is_no_trouble(void **state)
{
	const struct os_nat_net v[] = {net("0.0.0.0/0", true), net("::/0", true)};
	struct os_nat *t;

	(void)state;
	host_veth("home0", "far0");
	have_addresses("2001:db8:", "::1/64", 1000);
	assert_int_equal(os_nat_new("tm7", 0, &t), TM_OK);
	set(t, v, ARRAY_LEN(v));
	assert_int_equal(
		system("test $(nft list ruleset | grep -c 'ip6 daddr 2001:db8:.*reject') = 1000"), 0);
	set(t, v, ARRAY_LEN(v));
	set(t, NULL, 0);
	assert_string_equal(look(), "");
	os_nat_free(t);
}

/* As by the temporary addresses of IPv6, of which there is a new one each day. */
static void a_network_with_several_of_our_addresses_is_one(void **state)
{
	const struct os_nat_net v[] = {net("::/0", true)};
	struct os_nat *t;

	(void)state;
	host_veth("home0", "far0");
	have_addresses("2001:db8:7::", "/64", 9);
	assert_int_equal(os_nat_new("tm7", 0, &t), TM_OK);
	set(t, v, ARRAY_LEN(v));
	assert_int_equal(
		system("test $(nft list ruleset | grep -c 'ip6 daddr 2001:db8:7::/64 reject') = 1"), 0);
	os_nat_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_rules_are_what_they_are_meant_to_be, set_up),
		cmocka_unit_test_setup(what_this_host_is_in_is_not_the_internet, set_up),
		cmocka_unit_test_setup(an_exit_resolves_names_where_it_is_told_to, set_up),
		cmocka_unit_test_setup(who_is_not_to_be_seen_calls_nobody, set_up),
		cmocka_unit_test_setup(who_is_not_of_the_mesh_does_not_pass_because_of_us, set_up),
		cmocka_unit_test_setup(a_host_in_a_thousand_networks_is_no_trouble, set_up),
		cmocka_unit_test_setup(a_network_with_several_of_our_addresses_is_one, set_up),
		cmocka_unit_test_setup(what_a_run_left_on_a_kernel_without_owners_is_removed, set_up),
		cmocka_unit_test_setup(what_a_killed_run_left_is_taken_away_without_another, set_up),
		cmocka_unit_test_setup(they_end_with_the_process_and_not_with_a_flush, set_up),
		cmocka_unit_test_setup(one_that_somebody_left_is_replaced, set_up),
		cmocka_unit_test_setup(a_chain_that_drops_what_passes_through_is_found, set_up),
		cmocka_unit_test_setup(
			it_is_in_nobodys_way_once_rules_let_the_tunnel_through_both_ways, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
