/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* PCP and NAT-PMP over time: renewals, what gets lost, gateways that start anew. */
#include "gateway.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, gateway_set_up, gateway_tear_down)
		T(a_lease_is_renewed_at_half_time_again_and_again_with_the_same_ports),
		T(a_lease_for_ever_is_renewed_after_half_a_day),
		T(lost_datagrams_are_sent_again),
		T(a_renewal_without_an_answer_is_tried_until_the_lease_is_over),
		T(a_gateway_that_restarted_is_asked_again_at_once),
		T(a_clock_that_tells_of_a_restart_is_told_from_one_that_is_not_exact),
		T(a_gateway_that_restarted_and_refuses_is_believed),
		T(an_announcement_wakes_who_found_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
