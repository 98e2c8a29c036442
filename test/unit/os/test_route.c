/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* In a network namespace of its own; skipped where that is not allowed. */
#include "host.h"

#include <sched.h>

#include "os/os.h"

static void make_mesh(void)
{
	struct prefix net;
	struct diag d = {0};

	host_unshare(CLONE_NEWNET, "network");
	host_ip("link set lo up");
	host_veth("wan0", "far0");
	host_ip("addr add 192.0.2.10/24 dev wan0");
	host_ip("route add default via 192.0.2.1");
	host_veth("tm0", "other0");
	assert_int_equal(prefix_parse("100.101.0.5/16", &net), TM_OK);
	assert_int_equal(os_if_configure("tm0", &net, 1, &d), TM_OK);
}

static void a_route_is_judged_by_what_it_lies_on_in_the_end(void **state)
{
	static const struct {
		const char *setup[4];
		const char *to;
		enum os_route_kind kind;
	} rows[] = {
		{{NULL}, "203.0.113.7", OS_ROUTE_PLAIN},
		{{NULL}, "2001:db8::7", OS_ROUTE_NONE},
		{{NULL}, "100.101.7.7", OS_ROUTE_MESH},
		{{"route add 203.0.113.8 dev tm0"}, "203.0.113.8", OS_ROUTE_MESH},
		/* Overlays on the mesh: by interface, by their own address, by where their frames go. */
		{{"link add v0 up type vxlan id 1 dev tm0 dstport 4789", "addr add 10.0.0.1/24 dev v0"},
			"10.0.0.2", OS_ROUTE_MESH},
		{{"link add v1 up type vxlan id 2 local 100.101.0.5 dstport 4790",
			 "addr add 10.0.1.1/24 dev v1"},
			"10.0.1.2", OS_ROUTE_MESH},
		{{"link add v2 up type vxlan id 3 remote 100.101.0.9 dstport 4791",
			 "addr add 10.0.2.1/24 dev v2"},
			"10.0.2.2", OS_ROUTE_MESH},
		{{"link add v3 up type vxlan id 4 dstport 4792", "addr add 10.0.3.1/24 dev v3"}, "10.0.3.2",
			OS_ROUTE_TUNNEL},
		{{"link add v4 up address 02:00:00:00:00:01 type vxlan id 5 dstport 4793",
			 "addr add 10.0.4.1/24 dev v4",
			 "link show v4 > /dev/null; bridge fdb append 02:00:00:00:00:02 dev v4 dst "
			 "100.101.0.9"},
			"10.0.4.2", OS_ROUTE_MESH},
		/* What lies on them in turn. */
		{{"link add link v0 name m0 up type macvlan", "addr add 10.0.5.1/24 dev m0"}, "10.0.5.2",
			OS_ROUTE_MESH},
		{{"link add br0 up type bridge", "addr add 10.0.6.1/24 dev br0"}, "10.0.6.2", OS_ROUTE_PLAIN},
		{{"link set v1 master br0"}, "10.0.6.2", OS_ROUTE_MESH},
		/* Somebody else's. */
		{{"link add v7 up type vxlan id 7 dev wan0 remote 192.0.2.99 dstport 4794",
			 "addr add 10.0.7.1/24 dev v7"},
			"10.0.7.2", OS_ROUTE_TUNNEL},
		{{"tuntap add dev vpn0 mode tun", "link set vpn0 up", "addr add 10.0.8.1/24 dev vpn0"},
			"10.0.8.2", OS_ROUTE_TUNNEL},
	};
	struct os_routes *routes;
	struct diag d = {0};

	(void)state;
	make_mesh();
	assert_int_equal(os_routes_new("tm0", 0, &routes, &d), TM_OK);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct os_route r;
		struct ip to;

		for (size_t k = 0; k < ARRAY_LEN(rows[i].setup) && rows[i].setup[k]; k++)
			host_ip(rows[i].setup[k]);
		os_routes_forget(routes);
		assert_int_equal(ip_parse(rows[i].to, &to), TM_OK);
		os_route_to(routes, &to, NULL, &r);
		if (r.kind != rows[i].kind)
			fail_msg("row %zu (%s): kind %d", i, rows[i].setup[0] ? rows[i].setup[0] : rows[i].to,
				r.kind);
	}
	os_routes_free(routes);
}

static void a_route_is_the_one_of_the_source_and_of_the_mark(void **state)
{
	struct os_routes *plain, *marked;
	struct os_route first, second, r;
	struct ip to, from;
	struct diag d = {0};

	(void)state;
	make_mesh();
	host_veth("lan0", "lan1");
	host_ip("addr add 198.51.100.1/24 dev lan0");
	assert_int_equal(os_routes_new("tm0", 0, &plain, &d), TM_OK);
	assert_int_equal(os_routes_new("tm0", 77, &marked, &d), TM_OK);
	assert_int_equal(ip_parse("203.0.113.7", &to), TM_OK);
	assert_int_equal(ip_parse("198.51.100.1", &from), TM_OK);

	os_route_to(plain, &to, NULL, &first);
	/* Without a rule for it the source changes nothing: what has it leaves by the other interface. */
	os_route_to(plain, &to, &from, &r);
	assert_int_equal(r.ifindex, first.ifindex);
	host_ip("route add default via 198.51.100.2 table 9");
	host_ip("rule add from 198.51.100.1 lookup 9");
	os_route_to(plain, &to, &from, &second);
	assert_int_not_equal(second.ifindex, first.ifindex);
	os_route_to(plain, &to, NULL, &r);
	assert_int_equal(r.ifindex, first.ifindex);

	host_ip("rule add fwmark 77 lookup 9");
	os_route_to(marked, &to, NULL, &r);
	assert_int_equal(r.ifindex, second.ifindex);
	assert_true(ip_eq(&r.source, &from));
	os_routes_free(plain);
	os_routes_free(marked);
}

static void the_gateway_is_the_next_hop_to_the_internet_unless_that_is_a_tunnels(void **state)
{
	static const struct {
		const char *setup[3];
		const char *gateway4, *own4, *gateway6, *own6; /* NULL: none */
	} rows[] = {
		{{NULL}, "192.0.2.1", "192.0.2.10", NULL, NULL},
		{{"addr add 2001:db8::7/64 dev wan0 nodad", "route add default via fe80::1 dev wan0"},
			"192.0.2.1", "192.0.2.10", "fe80::1", "2001:db8::7"},
		{{"route replace default dev wan0"}, NULL, NULL, "fe80::1", "2001:db8::7"},
		{{"route del default"}, NULL, NULL, "fe80::1", "2001:db8::7"},
		{{"tuntap add dev vpn0 mode tun", "addr add 10.9.0.2/24 dev vpn0", "link set vpn0 up"}, NULL,
			NULL, "fe80::1", "2001:db8::7"},
		{{"route add default via 10.9.0.1"}, NULL, NULL, "fe80::1", "2001:db8::7"},
	};
	struct os_routes *routes;
	struct diag d = {0};

	(void)state;
	make_mesh();
	assert_int_equal(os_routes_new("tm0", 0, &routes, &d), TM_OK);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *const want[2][2] = {
			{rows[i].gateway4, rows[i].own4}, {rows[i].gateway6, rows[i].own6}};

		for (size_t k = 0; k < ARRAY_LEN(rows[i].setup) && rows[i].setup[k]; k++)
			host_ip(rows[i].setup[k]);
		os_routes_forget(routes);
		for (size_t side = 0; side < 2; side++) {
			struct endpoint gateway;
			struct ip own, ip;

			os_gateway(routes, side ? IP_V6 : IP_V4, &gateway, &own);
			if ((want[side][0] != NULL) != (gateway.ip.family != IP_NONE))
				fail_msg("row %zu, side %zu", i, side);
			if (!want[side][0])
				continue;
			assert_int_equal(ip_parse(want[side][0], &ip), TM_OK);
			if (!ip_eq(&gateway.ip, &ip) || (gateway.scope != 0) != side)
				fail_msg("row %zu, side %zu: another gateway", i, side);
			assert_int_equal(ip_parse(want[side][1], &ip), TM_OK);
			if (!ip_eq(&own, &ip))
				fail_msg("row %zu, side %zu: another source", i, side);
		}
	}
	os_routes_free(routes);
}

#define T(f) cmocka_unit_test_setup_teardown(f, host_setup, host_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_route_is_judged_by_what_it_lies_on_in_the_end),
		T(a_route_is_the_one_of_the_source_and_of_the_mark),
		T(the_gateway_is_the_next_hop_to_the_internet_unless_that_is_a_tunnels),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
