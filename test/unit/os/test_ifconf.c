/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Each test in a network namespace of its own; skipped where that is not allowed. */
#include "host.h"

#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "os/os.h"

static struct prefix px(const char *s)
{
	struct prefix p;

	if (prefix_parse(s, &p) != TM_OK)
		fail_msg("bad prefix %s", s);
	return p;
}

/* veth pair wan0 - far0, wan0 with the addresses of a usual host. */
static void make_host(void)
{
	host_unshare(CLONE_NEWNET, "network");
	host_ip("link set lo up");
	host_ip("link add wan0 type veth peer name far0");
	host_ip("link set far0 up");
	host_ip("link set wan0 up");
	host_ip("addr add 192.0.2.10/24 dev wan0");
	host_ip("addr add 2001:db8:5::10/64 dev wan0 nodad");
}

static bool lists(const char *except, const char *ip)
{
	struct ip got[32], want;
	size_t n = os_local_addresses(except, 0, got, ARRAY_LEN(got));

	assert_int_equal(ip_parse(ip, &want), TM_OK);
	for (size_t i = 0; i < n; i++)
		if (ip_eq(&got[i], &want))
			return true;
	return false;
}

static bool has(const char *ifname, const char *ip)
{
	char line[128];

	snprintf(line, sizeof(line), "ip -o addr show dev %s to %s | grep -q .", ifname, ip);
	return system(line) == 0;
}

static void overlaps_are_found_in_every_table_and_named(void **state)
{
	static const struct {
		const char *setup, *wanted, *except, *says; /* says NULL: free */
	} rows[] = {
		{NULL, "100.101.0.0/16", NULL, NULL},
		{NULL, "192.0.2.0/25", NULL, "192.0.2.0/25 overlaps the route 192.0.2.0/24 on wan0"},
		{NULL, "192.0.0.0/16", NULL, "192.0.0.0/16 overlaps the route 192.0.2.0/24 on wan0"},
		{NULL, "192.0.2.99/16", NULL, "192.0.0.0/16 overlaps the route 192.0.2.0/24 on wan0"},
		{NULL, "192.0.2.0/24", "wan0", NULL},
		{NULL, "192.0.2.0/24", "absent0", "192.0.2.0/24 overlaps the route 192.0.2.0/24 on wan0"},
		{"route add default via 192.0.2.1", "100.101.0.0/16", NULL, NULL},
		{"route add 0.0.0.0/1 via 192.0.2.1", "100.101.0.0/16", NULL, NULL},
		{"route add 100.64.0.0/10 via 192.0.2.1", "100.101.0.0/16", NULL,
			"100.101.0.0/16 overlaps the route 100.64.0.0/10 on wan0"},
		{"route add 100.101.9.0/24 via 192.0.2.1 table 52", "100.101.0.0/16", NULL,
			"100.101.0.0/16 overlaps the route 100.101.9.0/24 on wan0"},
		{"route add 100.101.9.1/32 via 192.0.2.1 table 52", "100.101.0.0/16", NULL, NULL},
		{"route add 100.101.9.1/32 via 192.0.2.1", "100.101.0.0/16", NULL,
			"100.101.0.0/16 overlaps the route 100.101.9.1/32 on wan0"},
		{"route add blackhole 100.101.9.0/24", "100.101.0.0/16", NULL, NULL},
		{"route add 100.101.7.0/24 nexthop via 192.0.2.1 nexthop via 192.0.2.2", "100.101.0.0/16",
			NULL, "100.101.0.0/16 overlaps the route 100.101.7.0/24 on wan0"},
		{"addr add 100.101.3.4/32 dev far0", "100.101.0.0/16", NULL,
			"100.101.0.0/16 contains this host's address 100.101.3.4 on far0"},
		{"addr add 100.101.3.4/32 dev far0", "100.101.0.0/16", "far0", NULL},
		{"addr add 100.101.3.4/32 dev lo", "100.101.0.0/16", NULL,
			"100.101.0.0/16 contains this host's address 100.101.3.4 on lo"},
		{NULL, "fd5c::/64", NULL, NULL},
		{NULL, "2001:db8::/32", NULL, "2001:db8::/32 overlaps the route 2001:db8:5::/64 on wan0"},
		{"route add default via 2001:db8:5::1", "fd5c::/64", NULL, NULL},
		{"route add fd00::/8 via 2001:db8:5::1", "fd5c::/64", NULL,
			"fd5c::/64 overlaps the route fd00::/8 on wan0"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct prefix p = px(rows[i].wanted);
		struct diag d = {0};
		make_host();
		if (rows[i].setup)
			host_ip(rows[i].setup);
		int err = os_prefix_in_use(&p, rows[i].except, &d);
		if (rows[i].says ? err != TM_EEXIST || strcmp(d.what, rows[i].says) != 0 : err != TM_OK)
			fail_msg("row %zu (%s, %s): %d \"%s\"", i, rows[i].setup ? rows[i].setup : "-",
				rows[i].wanted, err, d.what);
	}
}

static void a_configured_interface_has_exactly_its_addresses_and_routes(void **state)
{
	struct prefix first[] = {px("100.101.0.5/16"), px("fd5c::5/64")};
	struct prefix second[] = {px("100.101.0.6/16"), px("100.102.0.6/16"), px("fd5c::6/64")};
	struct diag d = {0};
	struct prefix net = px("100.101.0.0/16");

	(void)state;
	make_host();
	host_ip("link add tm0 type veth peer name other0");
	host_ip("link set other0 up");
	assert_int_equal(os_if_configure("tm0", first, ARRAY_LEN(first), &d), TM_OK);
	assert_true(has("tm0", "100.101.0.5"));
	assert_true(has("tm0", "fd5c::5"));
	/* Not a way to reach this host from another mesh. */
	assert_false(lists(NULL, "100.101.0.5"));
	assert_int_equal(os_prefix_in_use(&net, NULL, &d), TM_EEXIST);
	assert_string_equal(d.what, "100.101.0.0/16 overlaps the route 100.101.0.0/16 on tm0");
	assert_int_equal(os_prefix_in_use(&net, "tm0", &d), TM_OK);

	/* Again the same, then others: idempotent, and the old ones are gone. */
	assert_int_equal(os_if_configure("tm0", first, ARRAY_LEN(first), &d), TM_OK);
	assert_int_equal(os_if_configure("tm0", second, ARRAY_LEN(second), &d), TM_OK);
	assert_false(has("tm0", "100.101.0.5"));
	assert_false(has("tm0", "fd5c::5"));
	assert_true(has("tm0", "100.101.0.6"));
	assert_true(has("tm0", "100.102.0.6"));
	assert_true(has("tm0", "fd5c::6"));
	assert_true(lists(NULL, "192.0.2.10"));
}

static void a_missing_interface_and_lacking_rights_are_told(void **state)
{
	struct prefix p = px("100.101.0.5/16");
	struct diag d = {0};

	(void)state;
	make_host();
	assert_int_equal(os_if_configure("absent0", &p, 1, &d), TM_ENOENT);
	assert_string_equal(d.what, "there is no interface absent0");
}

static void an_ipv4_address_is_set_where_ipv6_is_disabled(void **state)
{
	struct prefix both[] = {px("100.101.0.5/16"), px("fd5c::5/64")};
	struct diag d = {0};

	(void)state;
	make_host();
	host_ip("link add tm0 type veth peer name other0");
	host_ip("link set other0 up");
	FILE *f = fopen("/proc/sys/net/ipv6/conf/tm0/disable_ipv6", "w");
	if (!f || fputs("1", f) < 0 || fclose(f) != 0) {
		print_message("skipped: /proc/sys is read-only here\n");
		skip();
	}
	assert_int_equal(os_if_configure("tm0", both, 2, &d), TM_OK);
	assert_true(has("tm0", "100.101.0.5"));
	assert_false(has("tm0", "fd5c::5"));
	assert_false(os_if_has_ip6("tm0"));
	assert_true(os_if_has_ip6("other0"));
	assert_false(os_if_has_ip6("absent0"));
	assert_int_not_equal(os_if_configure("tm0", both + 1, 1, &d), TM_OK);
	assert_non_null(strstr(d.what, "cannot set the address fd5c::5/64 on tm0"));
	assert_non_null(strstr(d.hint, "IPv6 is disabled"));
}

static void only_addresses_that_others_can_reach_are_candidates(void **state)
{
	static const struct {
		const char *ip;
		bool listed;
	} rows[] = {
		{"192.0.2.10", true},
		{"2001:db8:5::10", true},
		{"198.51.100.1", false}, /* link is down */
		{"2001:db8:6::1", false}, /* deprecated */
		{"127.0.0.1", false},
		{"::1", false},
		{"169.254.7.7", false},
	};
	struct ip all[1];

	(void)state;
	make_host();
	host_ip("addr add 169.254.7.7/16 dev wan0");
	host_ip("addr add 2001:db8:6::1/64 dev wan0 nodad preferred_lft 0");
	host_ip("link add down0 type veth peer name down1");
	host_ip("addr add 198.51.100.1/24 dev down0");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (lists(NULL, rows[i].ip) != rows[i].listed)
			fail_msg("%s", rows[i].ip);
	assert_false(lists("wan0", "192.0.2.10"));
	assert_int_equal(os_local_addresses(NULL, 0, all, 1), 1);
	assert_int_equal(os_local_addresses(NULL, 0, all, 0), 0);
}

static void what_was_taken_from_an_interface_is_put_back(void **state)
{
	static const struct {
		const char *ip[2];
		struct os_if_restored restored;
	} rows[] = {
		{{NULL}, {false, 0, 0}},
		{{"addr flush dev tm0"}, {false, 2, 0}},
		{{"-4 route flush dev tm0"}, {false, 0, 1}},
		{{"-6 route flush dev tm0 root fd5c::/64"}, {false, 0, 1}},
		{{"addr del 100.101.0.5/16 dev tm0"}, {false, 1, 0}},
		{{"link set tm0 down"}, {true, 1, 0}}, /* IPv6 goes with it, IPv4 stays */
		{{"link set tm0 down", "link set tm0 up"}, {false, 1, 0}},
		{{"addr add 100.101.9.9/32 dev tm0"}, {false, 0, 0}},
	};
	const struct prefix addrs[] = {px("100.101.0.5/16"), px("fd5c::5/64")};
	struct os_if_restored r;
	struct diag d = {0};

	(void)state;
	make_host();
	host_ip("link add tm0 type veth peer name other0");
	host_ip("link set other0 up");
	assert_int_equal(os_if_configure("tm0", addrs, ARRAY_LEN(addrs), &d), TM_OK);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		for (size_t k = 0; k < ARRAY_LEN(rows[i].ip) && rows[i].ip[k]; k++)
			host_ip(rows[i].ip[k]);
		if (os_if_restore("tm0", addrs, ARRAY_LEN(addrs), &r, &d) != TM_OK)
			fail_msg("row %zu: %s", i, d.what);
		if (r.link != rows[i].restored.link || r.addresses != rows[i].restored.addresses ||
			r.routes != rows[i].restored.routes)
			fail_msg("row %zu: link %d, %u addresses, %u routes", i, r.link, r.addresses,
				r.routes);
		assert_true(has("tm0", "100.101.0.5"));
		assert_true(has("tm0", "fd5c::5"));
		host_ip("route get 100.101.77.1 | grep -q 'dev tm0'");
		host_ip("route get fd5c::77 | grep -q 'dev tm0'");
	}
	assert_true(has("tm0", "100.101.9.9"));
	/* Nothing is left to do, and a restored route goes with its address. */
	assert_int_equal(os_if_restore("tm0", addrs, ARRAY_LEN(addrs), &r, &d), TM_OK);
	assert_int_equal(r.link + r.addresses + r.routes, 0);
	host_ip("-4 route flush dev tm0");
	assert_int_equal(os_if_restore("tm0", addrs, ARRAY_LEN(addrs), &r, &d), TM_OK);
	host_ip("addr del 100.101.0.5/16 dev tm0");
	assert_int_not_equal(system("ip route show dev tm0 | grep -q 100.101.0.0/16"), 0);
	assert_int_equal(os_if_restore("absent0", addrs, ARRAY_LEN(addrs), &r, &d), TM_ENOENT);
}

static void the_best_addresses_come_first(void **state)
{
	static const char *const wanted[] = {
		"192.0.2.10", "2001:db8:5::10", "192.0.2.11", "2001:db8:5::11", "198.51.100.1", "10.9.0.1"};
	struct ip got[16], ip;

	(void)state;
	host_unshare(CLONE_NEWNET, "network");
	/* The bridges of containers are older than the network card, which was plugged in again. */
	for (int i = 0; i < 2; i++) {
		char line[96];

		snprintf(line, sizeof(line), "link add docker%d type bridge", i);
		host_ip(line);
		host_veth(i ? "pod1" : "pod0", i ? "in1" : "in0");
		snprintf(line, sizeof(line), "link set pod%d master docker%d", i, i);
		host_ip(line);
		snprintf(line, sizeof(line), "addr add 172.%d.0.1/16 dev docker%d", 17 + i, i);
		host_ip(line);
		snprintf(line, sizeof(line), "link set docker%d up", i);
		host_ip(line);
	}
	host_ip("link add other0 address 02:00:00:00:00:77 type vxlan id 7 remote 192.0.2.99 dstport 4789");
	host_ip("link set other0 up");
	host_ip("addr add 10.9.0.1/24 dev other0");
	host_veth("lan0", "lan1");
	host_ip("addr add 198.51.100.1/24 dev lan0");
	host_veth("wan0", "far0");
	host_ip("addr add 192.0.2.10/24 dev wan0");
	host_ip("addr add 192.0.2.11/24 dev wan0");
	host_ip("addr add 2001:db8:5::11/64 dev wan0 nodad");
	host_ip("addr add 2001:db8:5::10/64 dev wan0 nodad");
	host_ip("route add default via 192.0.2.1");
	host_ip("route add default via 2001:db8:5::1");
	assert_int_equal(os_local_addresses(NULL, 0, got, ARRAY_LEN(got)), ARRAY_LEN(wanted));
	for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
		assert_int_equal(ip_parse(wanted[i], &ip), TM_OK);
		if (!ip_eq(&ip, &got[i]))
			fail_msg("number %zu is not %s", i, wanted[i]);
	}
}

static bool owns(const struct ip *v, size_t n, const char *ip)
{
	struct ip wanted;

	assert_int_equal(ip_parse(ip, &wanted), TM_OK);
	for (size_t i = 0; i < n; i++)
		if (ip_eq(&v[i], &wanted))
			return true;
	return false;
}

/* What is sent to one of them reaches this host, and what may be sent to it is asked of its rules. */
static void broadcasts_and_anycasts_of_its_networks_are_a_hosts_own(void **state)
{
	static const struct {
		const char *ip;
		bool own;
	} rows[] = {
		{"192.0.2.10", true},
		{"192.0.2.255", true},
		{"192.0.2.9", false},
		{"198.51.100.77", true}, /* as it was set */
		{"203.0.113.1", true}, /* of two: RFC 3021 */
		{"203.0.113.0", false},
		{"2001:db8:5::10", true},
		{"2001:db8:5::", true},
		{"2001:db8:6::1", true},
		{"2001:db8:6::", false}, /* the other end's: RFC 6164 */
		{"100.101.0.5", false},
		{"100.101.255.255", false},
		{"fd5c::", false},
	};
	const struct prefix addrs[] = {px("100.101.0.5/16"), px("fd5c::5/64")};
	struct ip *v = NULL;
	struct diag d = {0};
	size_t n = 0;

	(void)state;
	make_host();
	host_ip("link add tm0 type veth peer name other0");
	host_ip("link set other0 up");
	assert_int_equal(os_if_configure("tm0", addrs, ARRAY_LEN(addrs), &d), TM_OK);
	host_ip("addr add 198.51.100.1/24 brd 198.51.100.77 dev far0");
	host_ip("addr add 203.0.113.1/31 dev far0");
	host_ip("addr add 2001:db8:6::1/127 dev far0 nodad");
	assert_int_equal(os_own_addresses("tm0", &v, &n, &d), TM_OK);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (owns(v, n, rows[i].ip) != rows[i].own)
			fail_msg("%s", rows[i].ip);
	free(v);
	assert_int_equal(os_own_addresses(NULL, &v, &n, &d), TM_OK);
	assert_true(owns(v, n, "100.101.0.5") && owns(v, n, "100.101.255.255"));
	free(v);
}

#define T(f) cmocka_unit_test_setup_teardown(f, host_setup, host_teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		T(overlaps_are_found_in_every_table_and_named),
		T(a_configured_interface_has_exactly_its_addresses_and_routes),
		T(a_missing_interface_and_lacking_rights_are_told),
		T(an_ipv4_address_is_set_where_ipv6_is_disabled),
		T(only_addresses_that_others_can_reach_are_candidates),
		T(what_was_taken_from_an_interface_is_put_back),
		T(the_best_addresses_come_first),
		T(broadcasts_and_anycasts_of_its_networks_are_a_hosts_own),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
