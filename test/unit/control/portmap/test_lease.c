/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* PCP and NAT-PMP, and which of the three protocols is taken. */
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

static void a_lease_is_renewed_at_half_time_again_and_again_with_the_same_ports(void **state)
{
	static const enum portmap_protocol by[] = {PORTMAP_PCP, PORTMAP_NATPMP};

	for (size_t i = 0; i < ARRAY_LEN(by); i++) {
		gateway_set_up(state);
		gw.pcp = by[i] == PORTMAP_PCP;
		gw.natpmp = true;
		gw.port = 40000;
		gw.grant_max_s = 600;
		node_arrives();
		node_waits(PORTMAP_WINDOW);
		assert_int_equal(gw.asked_lease_s, 7200);
		assert_int_equal(gw.asked_external, OUR_PORT);
		for (unsigned k = 1; k < 4; k++) {
			const ns_t before = gw.asked_at;

			assert_int_equal(gw.maps[by[i]], k);
			node_waits(301 * SEC);
			assert_int_equal(gw.asked_at - before, 300 * SEC);
			assert_int_equal(gw.asked_external, 40000); /* the one that we have */
			assert_int_equal(gw.asked_internal, OUR_PORT); /* and not the other's */
		}
		assert_int_equal(node_view().lease, 600 * SEC);
		assert_true(node_view().seen[by[i]]); /* however long ago it was looked for */
		assert_int_equal(node_view().external.port, 40000);
		gateway_tear_down(state);
	}
	gateway_set_up(state);
}

static void a_lease_for_ever_is_renewed_after_half_a_day(void **state)
{
	static const enum portmap_protocol by[] = {PORTMAP_PCP, PORTMAP_NATPMP};
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(by); i++) {
		gateway_set_up(state);
		gw.pcp = by[i] == PORTMAP_PCP;
		gw.natpmp = true;
		gw.grant_s = UINT32_MAX;
		node_arrives();
		node_waits(PORTMAP_WINDOW);
		assert_int_equal(node_view().lease, 86400 * SEC);
		node_waits(43201 * SEC);
		assert_int_equal(gw.maps[by[i]], 2);
		gateway_tear_down(state);
	}
	gateway_set_up(state);
}

static void lost_datagrams_are_sent_again(void **state)
{
	static const unsigned lost[] = {1, 2, 5, 6, 7, 10};

	for (size_t i = 0; i < ARRAY_LEN(lost); i++) {
		gateway_set_up(state);
		gw.pcp = true;
		gw.deaf = lost[i];
		node_arrives();
		node_waits(5 * SEC);
		if (strcmp(node_shows(), "pcp 203.0.113.9:51820") != 0)
			fail_msg("%u lost: %s", lost[i], node_shows());
		gateway_tear_down(state);
	}
	gateway_set_up(state);
}

static void a_renewal_without_an_answer_is_tried_until_the_lease_is_over(void **state)
{
	(void)state;
	gw.natpmp = true;
	gw.grant_max_s = 600;
	node_arrives();
	node_waits(PORTMAP_WINDOW);
	gw.natpmp = false;
	node_waits(590 * SEC);
	assert_string_equal(node_shows(), "nat-pmp 203.0.113.9:51820");
	assert_true(gw.maps[PORTMAP_NATPMP] > 10);
	node_waits(15 * SEC);
	assert_string_equal(node_shows(), "the router offers no ports, by PCP, NAT-PMP or UPnP");
	/* And it is looked for less and less often, but for ever. */
	gw.announces = 0;
	node_waits(24 * 3600 * SEC);
	assert_in_range(gw.announces, 3 * 24, 3 * 24 + 30);
	gw.natpmp = true;
	node_waits(3601 * SEC);
	assert_string_equal(node_shows(), "nat-pmp 203.0.113.9:51820");
}

static void a_gateway_that_restarted_is_asked_again_at_once(void **state)
{
	static const struct {
		bool pcp;
		const char *from, *announces;
		bool restarted, again;
	} rows[] = {
		{true, "192.168.1.1",
			"02800000"
			"00000000"
			"EPOCH"
			"000000000000000000000000",
			true, true},
		{true, "192.168.1.1",
			"02800000"
			"00000000"
			"EPOCH"
			"000000000000000000000000",
			false, false},
		{true, "192.168.1.9",
			"02800000"
			"00000000"
			"EPOCH"
			"000000000000000000000000",
			true, false},
		{false, "192.168.1.1",
			"00800000"
			"EPOCH"
			"cb007109",
			true, true},
		{false, "192.168.1.1",
			"00800000"
			"EPOCH"
			"cb007109",
			false, false},
		{false, "192.168.1.1",
			"00800000"
			"EPOCH"
			"cb00710a",
			false, true}, /* another address */
		{false, "192.168.1.9",
			"00800000"
			"EPOCH"
			"cb007109",
			true, false},
		{false, "192.168.1.1",
			"00810000"
			"EPOCH"
			"cb00710900000000",
			true, false}, /* no announcement */
		{false, "192.168.1.1", "0080", true, false},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		gateway_set_up(state);
		gw.pcp = rows[i].pcp;
		gw.natpmp = true;
		node_arrives();
		node_waits(100 * SEC);
		gw.mapped = false;
		if (rows[i].restarted)
			gw.started = now;
		gateway_announces(rows[i].from, rows[i].announces);
		if (gw.mapped != rows[i].again)
			fail_msg("row %zu", i);
		assert_int_equal(node_view().external.port, OUR_PORT);
		gateway_tear_down(state);
	}
	gateway_set_up(state);
}

static void a_clock_that_tells_of_a_restart_is_told_from_one_that_is_not_exact(void **state)
{
	static const struct {
		bool pcp;
		int after_s, clock_s; /* since the last answer: for us, by the gateway */
		bool restarted;
	} rows[] = {
		{true, 100, 100, false},
		{true, 100, 94, false}, /* a sixteenth slower */
		{true, 1000, 900, true},
		{true, 1000, 1100, true}, /* faster: it was set, RFC 6887 8.5 */
		{true, 1, 0, false},
		{true, 1, -1, false}, /* overtaken */
		{true, 1, -2, true},
		{true, 0, -1, false},
		{true, 0, -2, true},
		{false, 1000, 876, false}, /* an eighth slower, RFC 6886 3.6 */
		{false, 1000, 860, true},
		{false, 1000, 1100, false},
		{false, 1, -60, true},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		gateway_set_up(state);
		gw.pcp = rows[i].pcp;
		gw.natpmp = true;
		gw.started = now - 500 * SEC;
		node_arrives();
		node_waits(PORTMAP_WINDOW);
		gw.mapped = false;
		const ns_t at = now;
		node_waits(rows[i].after_s * SEC);
		gw.started = at - 500 * SEC + (rows[i].after_s - rows[i].clock_s) * SEC;
		gateway_announces("192.168.1.1", rows[i].pcp ? "02800000"
							       "00000000"
							       "EPOCH"
							       "000000000000000000000000"
							     : "00800000"
							       "EPOCH"
							       "cb007109");
		if (gw.mapped != rows[i].restarted)
			fail_msg("row %zu", i);
		gateway_tear_down(state);
	}
	gateway_set_up(state);
}

static void a_gateway_that_restarted_and_refuses_is_believed(void **state)
{
	(void)state;
	gw.pcp = true;
	node_arrives();
	node_waits(100 * SEC);
	gw.started = now;
	gw.pcp = false;
	gateway_announces("192.168.1.1", "02800000"
					 "00000000"
					 "EPOCH"
					 "000000000000000000000000");
	assert_string_equal(node_shows(), "pcp 203.0.113.9:51820"); /* perhaps it is not through yet */
	node_waits(11 * SEC);
	assert_int_equal(node_view().protocol, PORTMAP_NONE);
}

static void an_announcement_wakes_who_found_nothing(void **state)
{
	(void)state;
	node_arrives();
	node_waits(3600 * SEC);
	gw.pcp = true;
	gw.announces = 0;
	for (unsigned i = 0; i < 100; i++) /* whoever sends them, one look is enough for all */
		gateway_announces("192.168.1.1", "02800000"
						 "00000000"
						 "EPOCH"
						 "000000000000000000000000");
	node_waits(5 * SEC);
	assert_int_equal(gw.announces, 1);
	assert_string_equal(node_shows(), "pcp 203.0.113.9:51820");
}

static void what_others_say_is_not_taken_for_the_gateways_answer(void **state)
{
	(void)state;
	gw.pcp = gw.natpmp = true;
	gw.answers_from = "192.168.1.9";
	node_arrives();
	node_waits(5 * SEC);
	assert_string_equal(node_shows(), "the router offers no ports, by PCP, NAT-PMP or UPnP");

	gateway_tear_down(state);
	gateway_set_up(state);
	gw.pcp = true;
	gw.wrong_nonce = true;
	node_arrives();
	node_waits(SEC);
	assert_int_equal(node_view().protocol, PORTMAP_NONE);
	gw.wrong_nonce = false;
	node_waits(5 * SEC);
	assert_string_equal(node_shows(), "pcp 203.0.113.9:51820");
	/* Nor is an answer to what nobody asked one. */
	struct endpoint from = {.ip = ip_of("192.168.1.1"), .port = 5351};
	const uint8_t unasked[16] = {
		0, 0x81, 0, 0, 0, 0, 0, 1, OUR_PORT >> 8, OUR_PORT & 0xff, 0x99, 0x99, 0, 0, 9, 9};
	portmap_datagram(map, &from, unasked, sizeof(unasked), now);
	assert_string_equal(node_shows(), "pcp 203.0.113.9:51820");
}

static void an_external_address_is_looked_at_before_it_is_believed(void **state)
{
	static const struct {
		const char *external, *shows;
	} rows[] = {
		{"203.0.113.9", "203.0.113.9:51820"},
		{"0.0.0.0", "the router has no address outside, as if it were not connected"},
		{"127.0.0.1", "the router has no address outside, as if it were not connected"},
		{"169.254.3.4", "the router has no address outside, as if it were not connected"},
		{"239.1.2.3", "the router has no address outside, as if it were not connected"},
		/* Of use to those behind the next translator alone. */
		{"10.1.2.3", "10.1.2.3:51820 nested"},
		{"100.64.2.3", "100.64.2.3:51820 nested"},
	};

	for (size_t i = 0; i < 2 * ARRAY_LEN(rows); i++) {
		const bool pcp = i % 2;
		char shows[80];

		gateway_set_up(state);
		gw.pcp = pcp;
		gw.natpmp = !pcp;
		gw.external = rows[i / 2].external;
		node_arrives();
		node_waits(5 * SEC);
		snprintf(shows, sizeof(shows), "%s%s",
			strchr(rows[i / 2].shows, ':') ? (pcp ? "pcp " : "nat-pmp ") : "", rows[i / 2].shows);
		if (strcmp(node_shows(), shows) != 0)
			fail_msg("row %zu: %s", i, node_shows());
		/* And the gateway is asked again, for it may have one soon. */
		gw.external = "203.0.113.9";
		node_waits(130 * SEC);
		assert_true(i / 2 == 0 || node_view().protocol != PORTMAP_NONE);
		gateway_tear_down(state);
	}
	gateway_set_up(state);
}

static void a_port_that_may_be_anything_or_somebody_elses_is_not_taken(void **state)
{
	static const struct {
		uint16_t port;
		bool taken;
	} rows[] = {{0, false}, {1, false}, {1023, false}, {1024, true}, {65535, true}};

	for (size_t i = 0; i < 2 * ARRAY_LEN(rows); i++) {
		gateway_set_up(state);
		gw.pcp = i % 2;
		gw.natpmp = !gw.pcp;
		node_arrives();
		node_waits(PORTMAP_WINDOW);
		/* As the answer to a renewal: asking for 0 of the fake gateway means whatever was asked. */
		gw.port = rows[i / 2].port;
		if (!gw.port) {
			gateway_tear_down(state);
			continue;
		}
		node_waits(4000 * SEC);
		if ((node_view().protocol != PORTMAP_NONE) != rows[i / 2].taken)
			fail_msg("row %zu", i);
		gateway_tear_down(state);
	}
	gateway_set_up(state);
}

static void a_small_port_of_ours_is_never_asked_for_outside(void **state)
{
	(void)state;
	node_listens_on(443);
	gw.natpmp = true;
	gw.port = 40000;
	node_arrives();
	node_waits(PORTMAP_WINDOW);
	assert_int_equal(gw.maps[PORTMAP_NATPMP], 1);
	assert_int_equal(gw.asked_external, 0);
	assert_int_equal(gw.asked_internal, 443);
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

static void at_the_end_the_mapping_is_given_back(void **state)
{
	for (unsigned i = 0; i < 4; i++) {
		const bool pcp = i % 2, lossy = i / 2;

		gateway_set_up(state);
		gw.pcp = pcp;
		gw.natpmp = true;
		node_arrives();
		node_waits(PORTMAP_WINDOW);
		assert_true(gw.mapped);
		gw.deaf = lossy;
		portmap_end(map, now);
		assert_false(portmap_ended(map));
		node_waits(lossy ? PORTMAP_WINDOW : 0);
		assert_true(portmap_ended(map));
		assert_false(gw.mapped);
		assert_int_equal(gw.deletes, 1);
		assert_string_equal(node_shows(), "it was given back");
		assert_int_equal(gw.asked_internal, OUR_PORT);
		assert_int_equal(gw.asked_external, 0); /* RFC 6886 3.4, RFC 6887 15.1 */
		node_arrives(); /* the network changes meanwhile */
		assert_int_equal(portmap_next(map), NS_NEVER);
		gateway_tear_down(state);
	}
	/* One that does not answer is not waited for for ever, and where nothing is mapped there is nothing
	 * to do. */
	gateway_set_up(state);
	gw.pcp = true;
	node_arrives();
	gw.deaf = 1000;
	portmap_end(map, now);
	node_waits(8 * SEC);
	assert_true(portmap_ended(map));
	gateway_tear_down(state);
	gateway_set_up(state);
	node_arrives();
	portmap_end(map, now);
	assert_true(portmap_ended(map));
}

static void after_a_crash_the_same_is_asked_for_with_the_same_proof(void **state)
{
	struct portmap_out first = {0}, out;

	(void)state;
	gw.pcp = true;
	for (unsigned i = 0; i < 2; i++) {
		node_arrives();
		assert_int_equal(gw.maps[PORTMAP_PCP], i + 1);
		node_waits(60 * SEC);
		node_arrives();
		portmap_end(map, now);
		assert_true(portmap_output(map, now, &out));
		if (i)
			assert_memory_equal(out.msg, first.msg, out.n);
		first = out;
		gateway_tear_down(state); /* killed: nothing was said */
		ns_t then = now;
		struct gateway there = gw;
		gateway_set_up(state);
		gw = there;
		gw.maps[PORTMAP_PCP] = 1;
		now = then;
	}
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
		T(a_lease_is_renewed_at_half_time_again_and_again_with_the_same_ports),
		T(a_lease_for_ever_is_renewed_after_half_a_day),
		T(lost_datagrams_are_sent_again),
		T(a_renewal_without_an_answer_is_tried_until_the_lease_is_over),
		T(a_gateway_that_restarted_is_asked_again_at_once),
		T(a_clock_that_tells_of_a_restart_is_told_from_one_that_is_not_exact),
		T(a_gateway_that_restarted_and_refuses_is_believed),
		T(an_announcement_wakes_who_found_nothing),
		T(what_others_say_is_not_taken_for_the_gateways_answer),
		T(an_external_address_is_looked_at_before_it_is_believed),
		T(a_port_that_may_be_anything_or_somebody_elses_is_not_taken),
		T(a_small_port_of_ours_is_never_asked_for_outside),
		T(a_refusal_is_respected_and_the_next_protocol_asked),
		T(another_gateway_is_asked_anew_and_the_same_confirmed),
		T(at_the_end_the_mapping_is_given_back),
		T(after_a_crash_the_same_is_asked_for_with_the_same_proof),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
