/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Who is asked for a port, and which of the three protocols is taken. */
#include "gateway.h"

static void the_best_protocol_that_the_gateway_speaks_is_taken(void **state)
{
	static const struct {
		bool pcp, old, natpmp, upnp;
		const char *shows;
		ns_t within;
	} rows[] = {
		{true, false, true, true, "pcp 203.0.113.9:51820", 0},
		{true, false, false, true, "pcp 203.0.113.9:51820", 0},
		/* It says that it does not speak the better one: nothing is waited for. */
		{false, true, true, true, "nat-pmp 203.0.113.9:51820", 0},
		{false, false, true, true, "nat-pmp 203.0.113.9:51820", PORTMAP_WINDOW},
		{false, false, false, true, "upnp 203.0.113.9:51820", PORTMAP_WINDOW},
		{false, true, false, true, "upnp 203.0.113.9:51820", PORTMAP_WINDOW},
		{false, false, false, false, "the router offers no ports, by PCP, NAT-PMP or UPnP", 2 * SEC},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		gateway_set_up(state);
		gw.pcp = rows[i].pcp;
		gw.old = rows[i].old;
		gw.natpmp = rows[i].natpmp;
		gw.upnp = rows[i].upnp;
		node_arrives();
		node_waits(rows[i].within);
		if (strcmp(node_shows(), rows[i].shows) != 0)
			fail_msg("row %zu: %s", i, node_shows());
		gateway_tear_down(state);
	}
	gateway_set_up(state);
}

static void what_else_the_gateway_speaks_is_known_and_used_when_the_best_fails(void **state)
{
	(void)state;
	gw.pcp = gw.natpmp = gw.upnp = true;
	node_arrives();
	assert_string_equal(node_shows(), "pcp 203.0.113.9:51820");
	assert_true(node_view().seen[PORTMAP_PCP] && node_view().seen[PORTMAP_NATPMP] &&
		    node_view().seen[PORTMAP_UPNP]);
	gw.pcp_result = 2;
	gw.natpmp_result = 2;
	node_waits(5 * SEC);
	node_arrives(); /* it is asked again */
	node_waits(SEC);
	assert_string_equal(node_shows(), "upnp 203.0.113.9:51820");
}

static void what_was_seen_long_ago_is_looked_for_anew(void **state)
{
	(void)state;
	gw.pcp = gw.natpmp = true;
	gw.grant_max_s = 4000;
	node_arrives();
	node_waits(1990 * SEC);
	assert_int_equal(gw.maps[PORTMAP_PCP], 1);
	gw.pcp_result = 2;
	gw.announces = 0;
	node_waits(20 * SEC); /* the renewal is refused */
	assert_int_equal(gw.maps[PORTMAP_PCP], 2);
	assert_int_equal(gw.maps[PORTMAP_NATPMP], 0);
	node_waits(70 * SEC);
	assert_true(gw.announces > 0);
	assert_string_equal(node_shows(), "nat-pmp 203.0.113.9:51820");
}

static void all_three_are_asked_at_once_the_gateway_before_everybody(void **state)
{
	const struct endpoint gateway = {.ip = ip_of("192.168.1.1")};
	const struct ip own = ip_of("192.168.1.7");
	struct portmap_out out;
	static const char *const to[] = {"192.168.1.1:5351", "192.168.1.1:5351", "192.168.1.1:1900",
		"239.255.255.250:1900", "239.255.255.250:1900"};

	(void)state;
	portmap_gateway(map, IP_V4, &gateway, &own, now);
	for (size_t i = 0; i < ARRAY_LEN(to); i++) {
		struct endpoint want = endpoint_of(to[i]);
		assert_true(portmap_output(map, now, &out));
		assert_true(endpoint_eq(&out.to, &want));
		assert_true(ip_eq(&out.from, &own));
	}
}

static void one_that_is_not_behind_a_translator_asks_nobody(void **state)
{
	static const struct {
		enum ip_family family;
		const char *gateway, *own;
		bool asks;
	} rows[] = {
		{IP_V4, "192.168.1.1", "192.168.1.7", true},
		{IP_V4, "100.64.0.1", "100.64.0.7", true},
		{IP_V4, "203.0.113.1", "203.0.113.7", false},
		{IP_V4, "169.254.0.1", "169.254.0.7", false},
		{IP_V6, "fe80::1", "2001:db8::7", true}, /* a hole in its firewall */
		{IP_V6, "fe80::1", "fd00::7", false},
		{IP_V6, "fe80::1", "fe80::7", false},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct endpoint gateway = {.ip = ip_of(rows[i].gateway)};
		const struct ip own = ip_of(rows[i].own);
		struct portmap_view v;

		gateway_set_up(state);
		portmap_gateway(map, rows[i].family, &gateway, &own, now);
		portmap_look(map, rows[i].family, &v);
		if ((portmap_next(map) == 0) == false || (v.problem == PORTMAP_FINE) != rows[i].asks)
			fail_msg("row %zu", i);
		gw.deaf = 100;
		node_waits(PORTMAP_WINDOW);
		if ((gw.deaf < 100) != rows[i].asks)
			fail_msg("row %zu asked", i);
		gateway_tear_down(state);
	}
	gateway_set_up(state);
}

static void a_hole_for_ipv6_is_asked_for_by_pcp_first(void **state)
{
	const struct endpoint gateway = {.ip = ip_of("fe80::1"), .scope = 2},
			      other = {.ip = gateway.ip, .scope = 3};
	const struct ip own = ip_of("2001:db8::7");
	struct portmap_out out;
	struct portmap_view v;

	(void)state;
	portmap_gateway(map, IP_V6, &gateway, &own, now);
	assert_true(portmap_output(map, now, &out));
	assert_int_equal(out.to.port, 5351);
	assert_int_equal(out.to.scope, 2);
	assert_int_equal(out.msg[0], 2);
	while (portmap_output(map, now, &out)) /* and searched for by UPnP */
		assert_true(out.kind == PORTMAP_CHANGED || out.to.port == 1900);
	/* The gateway answers, and what comes by another interface is not from it. */
	uint8_t a[60] = {2, 0x80};
	struct endpoint from = other;
	from.port = 5351;
	portmap_datagram(map, &from, a, 24, now);
	assert_false(portmap_output(map, now, &out));
	from.scope = 2;
	portmap_datagram(map, &from, a, 24, now);
	assert_true(portmap_output(map, now, &out));
	assert_int_equal(out.kind, PORTMAP_KEEP);
	assert_true(portmap_output(map, now, &out));
	assert_int_equal(out.n, 60);
	memcpy(a, out.msg, 60);
	a[1] = 0x81;
	memset(a + 8, 0, 16);
	memcpy(a + 44, own.bytes, 16);
	portmap_datagram(map, &from, a, 60, now);
	portmap_look(map, IP_V6, &v);
	assert_int_equal(v.protocol, PORTMAP_PCP);
	assert_true(ip_eq(&v.external.ip, &own));
	assert_int_equal(v.external.port, OUR_PORT);
}

static void a_refusal_is_respected_and_the_next_protocol_asked(void **state)
{
	static const struct {
		uint8_t pcp_result;
		const char *shows;
	} rows[] = {
		{2, "nat-pmp 203.0.113.9:51820"}, /* NOT_AUTHORIZED: it is there, and of no use */
		{4, "nat-pmp 203.0.113.9:51820"}, /* UNSUPP_OPCODE */
		{8, "nat-pmp 203.0.113.9:51820"}, /* NO_RESOURCES */
		/* ADDRESS_MISMATCH: the others would map what is not ours, without noticing. */
		{12, "the router is behind another one, which its ports do not pass"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		gateway_set_up(state);
		gw.pcp = gw.natpmp = true;
		gw.pcp_result = rows[i].pcp_result;
		gw.error_lifetime_s = 600;
		node_arrives();
		node_waits(5 * SEC);
		if (strcmp(node_shows(), rows[i].shows) != 0)
			fail_msg("row %zu: %s", i, node_shows());
		assert_int_equal(gw.maps[PORTMAP_PCP], 1);
		node_waits(590 * SEC);
		assert_int_equal(gw.maps[PORTMAP_PCP], 1);
		gateway_tear_down(state);
	}
	gateway_set_up(state);
	/* Where nobody else is, it is asked again when the refusal is over. */
	gw.pcp = true;
	gw.pcp_result = 8;
	gw.error_lifetime_s = 90;
	node_arrives();
	node_waits(80 * SEC);
	assert_int_equal(gw.maps[PORTMAP_PCP], 1);
	assert_string_equal(node_shows(), "the router refuses, so a port has to be forwarded by hand");
	gw.pcp_result = 0;
	node_waits(120 * SEC);
	assert_string_equal(node_shows(), "pcp 203.0.113.9:51820");
}

static void another_gateway_is_asked_anew_and_the_same_confirmed(void **state)
{
	const struct endpoint same = {.ip = ip_of("192.168.1.1")};
	const struct ip own = ip_of("192.168.1.8"), none = {0};

	(void)state;
	gw.pcp = true;
	node_arrives();
	node_waits(60 * SEC);
	assert_int_equal(gw.maps[PORTMAP_PCP], 1);
	node_arrives();
	assert_int_equal(gw.maps[PORTMAP_PCP], 2);
	node_arrives(); /* a network that flaps is no reason to ask all the time */
	node_waits(SEC);
	assert_int_equal(gw.maps[PORTMAP_PCP], 2);
	portmap_gateway(map, IP_V4, &same, &own, now); /* another address of ours */
	assert_int_equal(node_view().protocol, PORTMAP_NONE);
	node_waits(0);
	assert_int_equal(gw.maps[PORTMAP_PCP], 3);
	portmap_gateway(map, IP_V4, &(struct endpoint){0}, &none, now);
	assert_string_equal(node_shows(), "there is no router");
	node_waits(3 * 3600 * SEC);
	assert_int_equal(gw.maps[PORTMAP_PCP], 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, gateway_set_up, gateway_tear_down)
		T(the_best_protocol_that_the_gateway_speaks_is_taken),
		T(what_else_the_gateway_speaks_is_known_and_used_when_the_best_fails),
		T(what_was_seen_long_ago_is_looked_for_anew),
		T(all_three_are_asked_at_once_the_gateway_before_everybody),
		T(one_that_is_not_behind_a_translator_asks_nobody),
		T(a_hole_for_ipv6_is_asked_for_by_pcp_first),
		T(a_refusal_is_respected_and_the_next_protocol_asked),
		T(another_gateway_is_asked_anew_and_the_same_confirmed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
