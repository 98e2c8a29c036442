/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* PCP and NAT-PMP: which answers are believed, and how a mapping is given back. */
#include "gateway.h"

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
		T(what_others_say_is_not_taken_for_the_gateways_answer),
		T(an_external_address_is_looked_at_before_it_is_believed),
		T(a_port_that_may_be_anything_or_somebody_elses_is_not_taken),
		T(a_small_port_of_ours_is_never_asked_for_outside),
		T(at_the_end_the_mapping_is_given_back),
		T(after_a_crash_the_same_is_asked_for_with_the_same_proof),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
