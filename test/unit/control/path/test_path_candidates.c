/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Which of the addresses that a path is told of it keeps, and how often it checks them. */
#include "rig.h"
#include "unit/unit.h"

static void many_candidates_leave_in_paced_bursts(void **state)
{
	char a[32], b[32];

	(void)state;
	for (unsigned i = 0; i < ROUTES_MAX; i++) {
		snprintf(a, sizeof(a), i % 3 ? "192.0.2.%u:1" : "[2001:db8::1:%u]:1", i + 1);
		snprintf(b, sizeof(b), i % 3 ? "198.51.100.%u:1" : "[2001:db8::2:%u]:1", i + 1);
		rig_route(&rig, i % 2 ? CAND_SRFLX : CAND_HOST, a, b, 100 * MS);
	}
	rig_want(&rig, A);
	rig_run(&rig, 1 * MS);
	assert_int_equal(rig.side[A].checks, PATH_SENDS_MAX);
	rig_run(&rig, 20 * MS);
	assert_int_equal(rig.side[A].checks, ROUTES_MAX);
	assert_true(rig.side[A].largest_burst <= PATH_SENDS_MAX);
}

static void checks_are_repeated_soon_at_first_then_each_second_and_end(void **state)
{
	static const ns_t at[] = {0, 200, 500, 1000, 2000, 3000, 4000, 5000, 6000, 7000, 8000, 9000};

	(void)state;
	rig_route(&rig, CAND_HOST, "10.0.0.1:1", "10.0.0.2:1", MS)->cut = true;
	rig_want(&rig, A);
	for (unsigned i = 0; i < ARRAY_LEN(at); i++) {
		rig_run(&rig, (at[i] - (i ? at[i - 1] : 0)) * MS + (i ? 0 : 10 * MS));
		if (rig.side[A].checks != i + 1)
			fail_msg("%u checks after %lld ms", rig.side[A].checks, (long long)at[i]);
	}
	rig_run(&rig, 5 * SEC);
	assert_int_equal(rig.side[A].checks, ARRAY_LEN(at));
}

/* Six of a kind, four of them of one family; what else the peer says has its room. */
static void many_addresses_of_one_kind_push_out_no_other(void **state)
{
	struct candidates c = {.n = CANDIDATES_MAX};
	const struct pair *chosen, *pairs;
	unsigned ip6 = 0, ip4 = 0, srflx = 0;
	size_t n;

	(void)state;
	for (unsigned i = 0; i < c.n; i++) {
		char text[40];

		snprintf(text, sizeof(text), i < 13 ? "[2001:db8::%u]:1" : "192.0.2.%u:1", i + 1);
		c.v[i].type = i < 14 ? CAND_HOST : CAND_SRFLX;
		assert_int_equal(endpoint_parse(text, &c.v[i].ep), TM_OK);
	}
	rig_want(&rig, A);
	rig_input(&rig, A,
		(struct core_in){.kind = CORE_CANDIDATES, .id = rig.side[B].self.id, .candidates = &c});
	pairs = core_pairs(rig.side[A].core, rig.side[B].self.key, &n, &chosen);
	for (size_t i = 0; i < n; i++) {
		ip6 += pairs[i].way.remote.ip.family == IP_V6;
		ip4 += pairs[i].type == CAND_HOST && pairs[i].way.remote.ip.family == IP_V4;
		srflx += pairs[i].type == CAND_SRFLX;
	}
	assert_int_equal(ip6, PATH_FAMILY_MAX);
	assert_int_equal(ip4, 1);
	assert_int_equal(srflx, 2);
}

static void new_candidates_replace_old_ones_but_not_what_is_in_use(void **state)
{
	struct candidates c = {.n = 1, .v = {{.type = CAND_HOST}}};
	struct route *lan, *dead;

	(void)state;
	lan = rig_route(&rig, CAND_HOST, "10.0.0.1:1", "10.0.0.2:1", MS);
	dead = rig_route(&rig, CAND_HOST, "10.0.1.1:1", "10.0.1.2:1", MS);
	dead->cut = true;
	rig_want(&rig, A);
	rig_run(&rig, 11 * SEC);

	assert_int_equal(endpoint_parse("10.0.5.2:1", &c.v[0].ep), 0);
	rig_input(&rig, A,
		(struct core_in){.kind = CORE_CANDIDATES, .id = rig.side[B].self.id, .candidates = &c});
	rig_assert_chosen(&rig, A, lan);
	/* What is no candidate any more is not checked, the others are. */
	rig.side[A].exchange = false;
	free(rig_lines(&rig, A));
	rig_network(&rig, A, NULL);
	_cleanup_(freep) char *lines = rig_lines(&rig, A);
	assert_non_null(strstr(lines, "send 10.0.5.2:1"));
	assert_non_null(strstr(lines, "send 10.0.0.2:1"));
	assert_null(strstr(lines, "send 10.0.1.2:1"));
}

static void a_flood_of_addresses_does_not_push_out_the_chosen_one(void **state)
{
	struct core_in heard = {.kind = CORE_HEARD, .key = rig.side[B].self.key};
	struct route *lan;

	(void)state;
	lan = rig_route(&rig, CAND_HOST, "10.0.0.1:1", "10.0.0.2:1", MS);
	rig_want(&rig, A);
	rig_run(&rig, SEC);
	heard.by.remote.ip = ip_v4_host(0xc6336401);
	for (unsigned i = 0; i < 1000; i++) {
		heard.by.remote.port = (uint16_t)(i + 1);
		rig_input(&rig, A, heard);
	}
	rig_assert_chosen(&rig, A, lan);
	assert_true(rig.side[A].largest_burst <= PATH_SENDS_MAX);
	rig_run(&rig, 60 * SEC);
	rig_assert_chosen(&rig, A, lan);
}

/* A peer that names a victim's addresses, new ones all the time, has us check few of them. */
static void addresses_that_never_answer_get_few_checks(void **state)
{
	struct candidates c = {.n = CANDIDATES_MAX};
	struct core_in in = {
		.kind = CORE_CANDIDATES, .id = rig.side[B].self.id, .candidates = &c, .looks = true};
	unsigned port = 1024;

	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		for (unsigned j = 0; j < CANDIDATES_MAX; j++)
			c.v[j] = (struct candidate){.type = CAND_HOST,
				.ep = {.ip = ip_v4_host(0xc6336401), .port = (uint16_t)port++}};
		rig_input(&rig, A, in);
		rig_run(&rig, 20 * MS);
	}
	assert_in_range(rig.side[A].checks, PATH_BLIND_MAX, PATH_BLIND_MAX + 20 * SEC / PATH_BLIND_EVERY + 1);

	/* What answers is found all the same. */
	struct route *lan = rig_route(&rig, CAND_HOST, "10.0.0.1:1", "10.0.0.2:1", MS);
	rig_want(&rig, A);
	rig_run(&rig, SEC);
	rig_assert_chosen(&rig, A, lan);
}

/* Round trips that were measured apart differ by what the line does. */
static void two_ports_of_one_address_are_one_line(void **state)
{
	struct pair slow = {.type = CAND_SRFLX, .last_ok = 1, .rtt = 90 * MS}, fast = slow;
	(void)state;

	fast.rtt = 50 * MS;
	assert_int_equal(endpoint_parse("192.0.2.1:1", &slow.way.remote), TM_OK);
	assert_int_equal(endpoint_parse("192.0.2.1:2", &fast.way.remote), TM_OK);
	assert_false(pair_clearly_better(&fast, &slow));
	assert_int_equal(endpoint_parse("192.0.2.2:1", &fast.way.remote), TM_OK);
	assert_true(pair_clearly_better(&fast, &slow));
	/* But one that has answered is safer than one that was only believed. */
	assert_int_equal(endpoint_parse("192.0.2.1:2", &fast.way.remote), TM_OK);
	slow.last_ok = 0;
	slow.next_check = NS_NEVER;
	assert_true(pair_clearly_better(&fast, &slow));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(many_candidates_leave_in_paced_bursts),
		RIG_TEST(checks_are_repeated_soon_at_first_then_each_second_and_end),
		RIG_TEST(many_addresses_of_one_kind_push_out_no_other),
		RIG_TEST(new_candidates_replace_old_ones_but_not_what_is_in_use),
		RIG_TEST(a_flood_of_addresses_does_not_push_out_the_chosen_one),
		RIG_TEST(addresses_that_never_answer_get_few_checks),
		cmocka_unit_test(two_ports_of_one_address_are_one_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
