/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What is mapped is known to who comes after a crash, and what leads to a port that nobody has is taken back.
 */
#include "gateway.h"

enum { OLD_PORT = 40001 };

static const struct {
	enum portmap_protocol by;
	uint16_t external;
} each[] = {{PORTMAP_PCP, 0}, {PORTMAP_NATPMP, 0}, {PORTMAP_UPNP, OLD_PORT}};

static struct portmap_owed old(enum portmap_protocol by, uint16_t external)
{
	return (struct portmap_owed){.by = by,
		.gateway = ip_of("192.168.1.1"),
		.own = ip_of("192.168.1.7"),
		.internal = OLD_PORT,
		.external = external};
}

static void speak(enum portmap_protocol by)
{
	gw.pcp = by == PORTMAP_PCP;
	gw.natpmp = by == PORTMAP_NATPMP;
	gw.upnp = by == PORTMAP_UPNP;
}

/* The gateway still has what an earlier run listened at. */
static void leave(const struct portmap_owed *what)
{
	gw.left.internal = what->internal;
	gw.left.external = what->external;
	gw.left.client = "192.168.1.7";
	portmap_owe(map, what, 1);
}

static void arrive(void)
{
	node_arrives();
	node_waits(PORTMAP_WINDOW);
}

static size_t owes(struct portmap_owed ret_v[static PORTMAP_OWED_MAX])
{
	return portmap_owes(map, ret_v);
}

static void it_is_to_be_kept_before_it_is_asked_for_and_until_it_is_given_back(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(each); i++) {
		struct portmap_owed v[PORTMAP_OWED_MAX];

		gateway_set_up(state);
		speak(each[i].by);
		arrive();
		assert_true(gw.mapped);
		assert_int_equal(gw.asked_unkept, 0);
		assert_int_equal(keeps, 1);
		assert_int_equal(owes(v), 1);
		assert_int_equal(v[0].by, each[i].by);
		assert_int_equal(v[0].internal, OUR_PORT);
		assert_int_equal(v[0].external, each[i].external ? OUR_PORT : 0);
		node_waits(7200 * SEC); /* renewals are the same */
		assert_int_equal(keeps, 1);
		portmap_end(map, now);
		node_waits(0);
		assert_true(portmap_ended(map));
		assert_int_equal(owes(v), 0);
		assert_int_equal(keeps, 2);
		gateway_tear_down(state);
	}
	gateway_set_up(state);
}

static void the_end_is_not_before_that_is_to_be_kept_too(void **state)
{
	const struct endpoint from = endpoint_of("192.168.1.1:5351");
	uint8_t a[60] = {0};
	struct portmap_out out;

	(void)state;
	speak(PORTMAP_PCP);
	arrive();
	portmap_end(map, now);
	assert_true(portmap_output(map, now, &out));
	assert_int_equal(out.n, sizeof(a));
	memcpy(a, out.msg, sizeof(a));
	a[1] |= 0x80;
	memset(a + 8, 0, 16);
	portmap_datagram(map, &from, a, sizeof(a), now);
	assert_false(portmap_ended(map));
	assert_true(portmap_output(map, now, &out));
	assert_int_equal(out.kind, PORTMAP_KEEP);
	assert_false(portmap_ended(map));
	assert_true(portmap_output(map, now, &out));
	assert_int_equal(out.kind, PORTMAP_CHANGED);
	assert_true(portmap_ended(map));
}

static void what_cannot_be_given_back_stays_owed(void **state)
{
	struct portmap_owed v[PORTMAP_OWED_MAX];

	(void)state;
	speak(PORTMAP_NATPMP);
	arrive();
	gw.deaf = 1000;
	portmap_end(map, now);
	node_waits(8 * SEC);
	assert_true(portmap_ended(map));
	assert_int_equal(owes(v), 1);
}

static void what_an_earlier_run_left_at_another_port_is_taken_back(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(each); i++) {
		struct portmap_owed what, v[PORTMAP_OWED_MAX];

		gateway_set_up(state);
		what = old(each[i].by, each[i].external);
		speak(each[i].by);
		leave(&what);
		arrive();
		assert_int_equal(gw.left.internal, 0);
		assert_int_equal(gw.deletes, 1);
		assert_true(gw.mapped); /* ours is not touched */
		assert_int_equal(owes(v), 1);
		assert_int_equal(v[0].internal, OUR_PORT);
		/* And ours is renewed as ever. */
		node_waits(4000 * SEC);
		assert_true(gw.maps[each[i].by] >= 2);
		assert_int_equal(gw.asked_internal, OUR_PORT);
		assert_int_equal(gw.deletes, 1);
		gateway_tear_down(state);
	}
	gateway_set_up(state);
}

static void the_same_port_is_taken_over_and_nothing_taken_back(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(each); i++) {
		struct portmap_owed what, v[PORTMAP_OWED_MAX];

		gateway_set_up(state);
		what = old(each[i].by, each[i].external);
		what.internal = OUR_PORT;
		speak(each[i].by);
		leave(&what);
		arrive();
		assert_int_equal(gw.deletes, 0);
		/* By UPnP at the port that we had outside, although another was nearer. */
		assert_int_equal(gw.external_port, each[i].external ? OLD_PORT : OUR_PORT);
		assert_int_equal(owes(v), 1);
		assert_int_equal(keeps, 0);
		gateway_tear_down(state);
	}
	gateway_set_up(state);
}

static void of_two_that_lead_to_our_port_one_is_enough(void **state)
{
	struct portmap_owed two[] = {old(PORTMAP_UPNP, OLD_PORT), old(PORTMAP_UPNP, OLD_PORT + 1)},
			    v[PORTMAP_OWED_MAX];

	(void)state;
	two[0].internal = two[1].internal = OUR_PORT;
	speak(PORTMAP_UPNP);
	portmap_owe(map, &two[0], 1);
	leave(&two[1]);
	arrive();
	assert_int_equal(gw.external_port, OLD_PORT);
	assert_int_equal(gw.deletes, 1);
	assert_int_equal(owes(v), 1);
	assert_int_equal(v[0].external, OLD_PORT);
}

static void what_is_owed_elsewhere_waits_for_that_place(void **state)
{
	static const struct {
		const char *gateway, *own;
	} rows[] = {{"192.168.1.2", "192.168.1.7"}, {"192.168.1.1", "192.168.1.8"}};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct portmap_owed what, v[PORTMAP_OWED_MAX];

		gateway_set_up(state);
		what = old(PORTMAP_NATPMP, 0);
		what.gateway = ip_of(rows[i].gateway);
		what.own = ip_of(rows[i].own);
		speak(PORTMAP_NATPMP);
		leave(&what);
		arrive();
		assert_int_equal(gw.deletes, 0);
		assert_int_equal(owes(v), 2);
		gateway_tear_down(state);
	}
	gateway_set_up(state);
}

/* By UPnP everybody may delete everything at some gateways. */
static void a_port_that_somebody_else_has_by_now_is_left_alone(void **state)
{
	static const struct {
		const char *client;
		uint16_t internal;
	} rows[] = {{"192.168.1.8", OLD_PORT}, {"192.168.1.7", 22}, {NULL, 0}};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct portmap_owed what, v[PORTMAP_OWED_MAX];

		gateway_set_up(state);
		what = old(PORTMAP_UPNP, OLD_PORT);
		speak(PORTMAP_UPNP);
		leave(&what);
		gw.left.client = rows[i].client;
		gw.left.internal = rows[i].internal;
		arrive();
		if (gw.deletes || !gw.mapped || owes(v) != 1)
			fail_msg("row %zu", i);
		gateway_tear_down(state);
	}
	gateway_set_up(state);
}

static void one_that_does_not_answer_is_not_asked_without_end(void **state)
{
	struct portmap_owed what = old(PORTMAP_NATPMP, 0), v[PORTMAP_OWED_MAX];

	(void)state;
	speak(PORTMAP_PCP); /* NAT-PMP it does not speak any more */
	leave(&what);
	arrive();
	node_waits(20 * SEC);
	assert_int_equal(gw.deletes, 5);
	assert_string_equal(node_shows(), "pcp 203.0.113.9:51820");
	node_waits(3 * 3600 * SEC);
	assert_int_equal(gw.deletes, 5);
	assert_true(gw.maps[PORTMAP_PCP] > 2);
	assert_int_equal(owes(v), 2);
	/* Who comes back to it tries again. */
	portmap_gateway(map, IP_V4, &(struct endpoint){0}, &(struct ip){0}, now);
	speak(PORTMAP_NATPMP);
	arrive();
	assert_int_equal(gw.left.internal, 0);
	assert_int_equal(owes(v), 2); /* and ours by both */
}

static void by_upnp_nobody_is_asked_where_it_is_not_spoken(void **state)
{
	struct portmap_owed what = old(PORTMAP_UPNP, OLD_PORT), v[PORTMAP_OWED_MAX];

	(void)state;
	speak(PORTMAP_PCP);
	leave(&what);
	arrive();
	node_waits(3 * 3600 * SEC);
	assert_int_equal(gw.fetches, 0);
	assert_true(gw.maps[PORTMAP_PCP] > 2);
	assert_int_equal(owes(v), 2);
}

/* A lease that is over before nobody has answered for the last time. */
static void a_mapping_that_ends_meanwhile_is_made_again(void **state)
{
	struct portmap_owed what = old(PORTMAP_NATPMP, 0);

	(void)state;
	speak(PORTMAP_PCP);
	gw.grant_s = 6;
	leave(&what);
	arrive();
	assert_int_equal(gw.maps[PORTMAP_PCP], 1);
	node_waits(7 * SEC);
	assert_int_equal(gw.maps[PORTMAP_PCP], 2);
	assert_string_equal(node_shows(), "pcp 203.0.113.9:51820");
}

/* It lost what it maps to us now as well: the one it tells with its answer, the other by itself. */
static void a_gateway_that_restarts_meanwhile_is_asked_for_ours_again(void **state)
{
	static const struct {
		enum portmap_protocol by;
		const char *announces; /* NULL: only its answer tells */
	} rows[] = {
		{PORTMAP_PCP, NULL},
		{PORTMAP_NATPMP, NULL},
		{PORTMAP_PCP, "02800000"
			      "00000000"
			      "EPOCH"
			      "000000000000000000000000"},
		{PORTMAP_NATPMP, "00800000"
				 "EPOCH"
				 "cb007109"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct portmap_owed what, v[PORTMAP_OWED_MAX];

		gateway_set_up(state);
		what = old(rows[i].by, 0);
		speak(rows[i].by);
		leave(&what);
		gw.deaf_to_deletes = 2;
		arrive();
		assert_true(gw.mapped && gw.left.internal);
		gw.mapped = false;
		gw.started = now;
		if (rows[i].announces)
			gateway_announces("192.168.1.1", rows[i].announces);
		node_waits(SEC);
		if (!gw.mapped || gw.asked_internal != OUR_PORT || gw.left.internal || owes(v) != 1)
			fail_msg("row %zu", i);
		assert_int_equal(gw.maps[rows[i].by], 2);
		gateway_tear_down(state);
	}
	gateway_set_up(state);
}

static void one_that_restarts_meanwhile_and_says_nothing_more_is_not_offered(void **state)
{
	struct portmap_owed what = old(PORTMAP_PCP, 0);

	(void)state;
	speak(PORTMAP_PCP);
	leave(&what);
	gw.deaf_to_deletes = 1000;
	arrive();
	gw.started = now;
	gateway_announces("192.168.1.1", "02800000"
					 "00000000"
					 "EPOCH"
					 "000000000000000000000000");
	gw.deaf = 1000;
	assert_string_equal(node_shows(), "pcp 203.0.113.9:51820"); /* perhaps it is not through yet */
	node_waits(11 * SEC);
	assert_int_equal(node_view().protocol, PORTMAP_NONE);
}

static void of_many_the_oldest_are_forgotten(void **state)
{
	struct portmap_owed v[PORTMAP_OWED_MAX + 3];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		v[i] = old(PORTMAP_PCP, 0);
		v[i].own.bytes[3] = (uint8_t)(100 + i);
	}
	portmap_owe(map, v, ARRAY_LEN(v));
	assert_int_equal(owes(v), PORTMAP_OWED_MAX);
	assert_int_equal(v[0].own.bytes[3], 103);
	speak(PORTMAP_PCP);
	arrive();
	assert_int_equal(owes(v), PORTMAP_OWED_MAX);
	assert_int_equal(v[PORTMAP_OWED_MAX - 1].own.bytes[3], 7);
}

/* A gateway at which all ports are taken notes another one at every try. */
static void what_is_refused_is_forgotten_first(void **state)
{
	struct portmap_owed what = old(PORTMAP_PCP, 0), v[PORTMAP_OWED_MAX];

	(void)state;
	what.own.bytes[3] = 100;
	portmap_owe(map, &what, 1);
	speak(PORTMAP_UPNP);
	gw.taken = 1000;
	gw.chance = 7;
	arrive();
	node_waits(24 * 3600 * SEC);
	assert_true(gw.maps[PORTMAP_UPNP] > 2 * PORTMAP_OWED_MAX);
	assert_int_equal(owes(v), PORTMAP_OWED_MAX);
	assert_int_equal(v[0].own.bytes[3], 100);
	/* When it gives us one at last the others are asked about and let be. */
	gw.taken = 0;
	node_waits(2 * 3600 * SEC);
	assert_true(gw.mapped);
	assert_int_equal(gw.deletes, 0);
	assert_int_equal(owes(v), 2);
	assert_int_equal(v[1].external, gw.external_port);
	/* It was refused once, too, but it is ours now. */
	for (size_t i = 1; i < PORTMAP_OWED_MAX; i++) {
		what.own.bytes[3]++;
		portmap_owe(map, &what, 1);
	}
	assert_int_equal(owes(v), PORTMAP_OWED_MAX);
	assert_int_equal(v[0].external, gw.external_port);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, gateway_set_up, gateway_tear_down)
		T(it_is_to_be_kept_before_it_is_asked_for_and_until_it_is_given_back),
		T(the_end_is_not_before_that_is_to_be_kept_too),
		T(what_cannot_be_given_back_stays_owed),
		T(what_an_earlier_run_left_at_another_port_is_taken_back),
		T(the_same_port_is_taken_over_and_nothing_taken_back),
		T(of_two_that_lead_to_our_port_one_is_enough),
		T(what_is_owed_elsewhere_waits_for_that_place),
		T(a_port_that_somebody_else_has_by_now_is_left_alone),
		T(one_that_does_not_answer_is_not_asked_without_end),
		T(by_upnp_nobody_is_asked_where_it_is_not_spoken),
		T(a_mapping_that_ends_meanwhile_is_made_again),
		T(a_gateway_that_restarts_meanwhile_is_asked_for_ours_again),
		T(one_that_restarts_meanwhile_and_says_nothing_more_is_not_offered),
		T(of_many_the_oldest_are_forgotten),
		T(what_is_refused_is_forgotten_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
