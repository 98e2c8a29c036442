/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* UPnP gateways, and what each of them does differently. */
#include "gateway.h"

static int upnp_set_up(void **state)
{
	int err = gateway_set_up(state);

	gw.upnp = true;
	return err;
}

static void arrive(void)
{
	node_arrives();
	node_waits(PORTMAP_WINDOW);
}

static void an_answer_may_come_from_another_port_or_address_but_the_gateway_is_asked(void **state)
{
	static const struct {
		const char *from, *location;
		uint16_t port;
		bool found;
	} rows[] = {
		{NULL, NULL, 0, true},
		{NULL, NULL, 40000, true},
		{"192.168.1.2", NULL, 0, true},
		{"192.168.1.2", "http://192.168.1.2:5000/root.xml", 0, true},
		{NULL, "http://10.0.0.138/root.xml", 0, true},
		{NULL, "https://192.168.1.1/root.xml", 0, false},
		{NULL, "", 0, false},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		upnp_set_up(state);
		gw.answers_from = rows[i].from;
		gw.search_port = rows[i].port;
		gw.location = rows[i].location;
		arrive();
		if ((strcmp(node_shows(), "upnp 203.0.113.9:51820") == 0) != rows[i].found)
			fail_msg("row %zu: %s", i, node_shows());
		gateway_tear_down(state);
	}
	upnp_set_up(state);
}

static void of_several_connections_one_that_is_up_and_public_is_taken(void **state)
{
	static const struct {
		struct {
			bool connected;
			const char *external;
		} v[GATEWAY_SERVICES];
		size_t n;
		unsigned taken;
		const char *shows;
	} rows[] = {
		{{{true, "203.0.113.9"}, {true, "203.0.113.8"}}, 2, 0, "upnp 203.0.113.9:51820"},
		{{{false, "203.0.113.8"}, {true, "203.0.113.9"}}, 2, 1, "upnp 203.0.113.9:51820"},
		{{{true, "10.0.0.9"}, {true, "203.0.113.9"}}, 2, 1, "upnp 203.0.113.9:51820"},
		{{{true, "0.0.0.0"}, {false, "203.0.113.9"}, {true, "10.0.0.9"}}, 3, 2,
			"upnp 10.0.0.9:51820 nested"},
		{{{true, ""}, {false, "203.0.113.9"}}, 2, 1, "upnp 203.0.113.9:51820"},
		{{{true, "127.0.0.1"}, {false, "0.0.0.0"}}, 2, 0,
			"the router has no address outside, as if it were not connected"},
		{{{true, "fe80::1"}}, 1, 0, "the router has no address outside, as if it were not connected"},
		{{{true, "nonsense"}}, 1, 0,
			"the router has no address outside, as if it were not connected"},
		{{{false, NULL}}, 0, 0, "the router offers no ports, by PCP, NAT-PMP or UPnP"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		upnp_set_up(state);
		for (size_t k = 0; k < rows[i].n; k++) {
			gw.services[k].connected = rows[i].v[k].connected;
			gw.services[k].external = rows[i].v[k].external;
		}
		gw.n_services = rows[i].n;
		arrive();
		if (strcmp(node_shows(), rows[i].shows) != 0)
			fail_msg("row %zu: %s", i, node_shows());
		if (gw.mapped && gw.asked_service != rows[i].taken)
			fail_msg("row %zu: service %u", i, gw.asked_service);
		gateway_tear_down(state);
	}
	upnp_set_up(state);
}

static void one_that_takes_no_leases_gets_a_mapping_without_and_it_is_deleted_all_the_same(void **state)
{
	static const unsigned faults[] = {725, 402};

	for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
		upnp_set_up(state);
		gw.fault = faults[i];
		arrive();
		assert_string_equal(node_shows(), "upnp 203.0.113.9:51820");
		assert_int_equal(gw.asked_lease_s, 0);
		assert_int_equal(node_view().until, NS_NEVER);
		assert_int_equal(gw.maps[PORTMAP_UPNP], 2);
		node_waits(PORTMAP_FRESH + SEC); /* it is asked whether it still has it */
		assert_int_equal(gw.maps[PORTMAP_UPNP], 3);
		portmap_end(map, now);
		node_waits(0);
		assert_true(portmap_ended(map));
		assert_false(gw.mapped);
		gateway_tear_down(state);
	}
	upnp_set_up(state);
}

static void a_mapping_is_made_again_after_a_restart_that_nobody_told_of(void **state)
{
	(void)state;
	arrive();
	assert_string_equal(gw.asked_client, "192.168.1.7");
	for (unsigned i = 1; i < 4; i++) {
		assert_int_equal(gw.maps[PORTMAP_UPNP], i);
		gw.mapped = false;
		gw.services[0].external = i % 2 ? "203.0.113.10" : "203.0.113.9";
		node_waits(PORTMAP_FRESH + SEC);
		assert_true(gw.mapped);
		assert_int_equal(gw.asked_internal, OUR_PORT);
		assert_int_equal(gw.asked_external, OUR_PORT);
		assert_string_equal(
			node_shows(), i % 2 ? "upnp 203.0.113.10:51820" : "upnp 203.0.113.9:51820");
	}
}

static void a_port_that_somebody_else_has_is_left_to_them(void **state)
{
	(void)state;
	gw.taken = 3;
	arrive();
	assert_int_equal(gw.maps[PORTMAP_UPNP], 4);
	assert_true(gw.external_port >= 49152);
	assert_int_equal(node_view().external.port, gw.external_port);
	gateway_tear_down(state);
	upnp_set_up(state);
	gw.taken = 100;
	arrive();
	assert_int_equal(gw.maps[PORTMAP_UPNP], 4);
	assert_string_equal(node_shows(), "the router refuses, so a port has to be forwarded by hand");
}

static void port_0_and_those_below_1024_are_never_asked_for(void **state)
{
	static const uint16_t ports[] = {1, 443, 1023};

	for (size_t i = 0; i < ARRAY_LEN(ports); i++) {
		upnp_set_up(state);
		node_listens_on(ports[i]);
		arrive();
		assert_true(gw.mapped);
		assert_true(gw.external_port >= 1024);
		assert_int_equal(gw.asked_internal, ports[i]);
		gateway_tear_down(state);
	}
	upnp_set_up(state);
}

static void one_that_does_not_answer_is_asked_again_later(void **state)
{
	(void)state;
	gw.no_http = true;
	arrive();
	assert_string_equal(node_shows(), "the router offers no ports, by PCP, NAT-PMP or UPnP");
	gw.no_http = false;
	node_waits(62 * SEC);
	assert_string_equal(node_shows(), "upnp 203.0.113.9:51820");
	/* A gateway that starts anew takes a while: the mapping may be back then. */
	gw.no_http = true;
	node_waits(PORTMAP_FRESH + 30 * SEC);
	assert_string_equal(node_shows(), "upnp 203.0.113.9:51820");
	gw.no_http = gw.mapped = false;
	node_waits(31 * SEC);
	assert_true(gw.mapped);
	gw.no_http = true;
	node_waits(PORTMAP_FRESH + 125 * SEC);
	assert_int_equal(node_view().protocol, PORTMAP_NONE);
	gw.no_http = false;
	node_waits(62 * SEC);
	assert_string_equal(node_shows(), "upnp 203.0.113.9:51820");
}

static void of_several_descriptions_a_broken_one_is_passed_over(void **state)
{
	(void)state;
	gw.broken = "http://192.168.1.1:81/old.xml";
	arrive();
	assert_string_equal(node_shows(), "upnp 203.0.113.9:51820");
}

static void an_answer_that_nobody_waits_for_changes_nothing(void **state)
{
	char text[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

	(void)state;
	arrive();
	unsigned before = changes;
	for (unsigned i = 0; i < 10; i++)
		assert_true(portmap_fetched(map, i, text, strlen(text), true, now));
	node_waits(0);
	assert_int_equal(changes, before);
	assert_string_equal(node_shows(), "upnp 203.0.113.9:51820");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, upnp_set_up, gateway_tear_down)
		T(an_answer_may_come_from_another_port_or_address_but_the_gateway_is_asked),
		T(of_several_connections_one_that_is_up_and_public_is_taken),
		T(one_that_takes_no_leases_gets_a_mapping_without_and_it_is_deleted_all_the_same),
		T(a_mapping_is_made_again_after_a_restart_that_nobody_told_of),
		T(a_port_that_somebody_else_has_is_left_to_them),
		T(port_0_and_those_below_1024_are_never_asked_for),
		T(one_that_does_not_answer_is_asked_again_later),
		T(of_several_descriptions_a_broken_one_is_passed_over),
		T(an_answer_that_nobody_waits_for_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
