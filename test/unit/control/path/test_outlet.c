/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What a path makes of where its packets leave the host. */
#include "control/path/why.h"
#include "rig.h"
#include "unit/unit.h"

#include <string.h>

/* Of its own accord: what the peer asks by that way is answered by it. Nor is it ever one of the ways. */
static void assert_never_used(const struct endpoint *to)
{
	char text[ENDPOINT_STR_LEN];
	char *lines = rig_lines(&rig, A);

	endpoint_format(to, text);
	for (char *rest = lines, *line; rest && (line = strsep(&rest, "\n"));)
		if (strstr(line, text) && !strstr(line, path_why_text(WHY_LOOP)) &&
			!strstr(line, "(a check of the peer)"))
			fail_msg("%s", line);
	free(lines);
}

/* An overlay between mesh addresses: it answers as long as the mesh does, and faster than all else. */
static void nothing_is_asked_or_used_through_the_mesh_itself(void **state)
{
	struct route *overlay, *wan;

	(void)state;
	overlay = rig_route(&rig, CAND_HOST, "10.42.1.0:1", "10.42.2.0:1", MS);
	wan = rig_route(&rig, CAND_SRFLX, "192.0.2.1:1", "198.51.100.1:1", 40 * MS);
	overlay->reach = REACH_MESH;
	rig_want(&rig, A);
	rig_run_with_traffic(&rig, A, true, 5 * SEC);
	assert_ptr_equal(rig_chosen(&rig, A), wan);
	/* The peer, which sees no overlay, sends through it. */
	for (int i = 0; i < 20; i++) {
		rig_heard(&rig, A, overlay);
		rig_run_with_traffic(&rig, A, true, SEC);
	}
	wan->cut = true;
	rig_heard(&rig, A, overlay);
	rig_run_with_traffic(&rig, A, false, 10 * SEC);
	rig_heard(&rig, A, overlay);
	assert_int_equal(rig_view(&rig, A).state, PATH_CHECKING);
	assert_never_used(&overlay->end[B]);
}

static void a_path_that_comes_to_lie_on_the_mesh_is_left_at_once(void **state)
{
	struct route *lan, *wan;

	(void)state;
	lan = rig_route(&rig, CAND_HOST, "10.0.0.1:1", "10.0.0.2:1", MS);
	wan = rig_route(&rig, CAND_SRFLX, "192.0.2.1:1", "198.51.100.1:1", 40 * MS);
	rig_want(&rig, A);
	rig_run_with_traffic(&rig, A, true, 5 * SEC);
	assert_ptr_equal(rig_chosen(&rig, A), lan);

	lan->reach = REACH_MESH;
	rig_input(&rig, A, (struct core_in){.kind = CORE_ROUTES});
	assert_ptr_not_equal(rig_chosen(&rig, A), lan);
	rig_run(&rig, 200 * MS);
	assert_ptr_equal(rig_chosen(&rig, A), wan);
	/* Nor is it remembered as the way that worked last. */
	rig_run(&rig, 2 * PATH_WANTED_FOR);
	wan->cut = true;
	rig_want(&rig, A);
	assert_ptr_not_equal(rig_chosen(&rig, A), lan);
}

static void where_all_ways_lie_on_the_mesh_none_is_used(void **state)
{
	struct route *lan, *wan;

	(void)state;
	lan = rig_route(&rig, CAND_HOST, "10.0.0.1:1", "10.0.0.2:1", MS);
	wan = rig_route(&rig, CAND_SRFLX, "192.0.2.1:1", "198.51.100.1:1", 40 * MS);
	rig_want(&rig, A);
	rig_run_with_traffic(&rig, A, true, 5 * SEC);
	assert_ptr_equal(rig_chosen(&rig, A), lan);

	free(rig_lines(&rig, A));
	lan->reach = wan->reach = REACH_MESH;
	rig_input(&rig, A, (struct core_in){.kind = CORE_ROUTES});
	rig_run_with_traffic(&rig, A, true, 5 * SEC);
	assert_null(rig_chosen(&rig, A));
	char *lines = rig_lines(&rig, A);
	if (strstr(lines, "use 198.51.100.1:1"))
		fail_msg("%s", lines);
	free(lines);
}

static void another_vpn_is_better_than_nothing_and_worse_than_anything(void **state)
{
	struct route *vpn, *wan;

	(void)state;
	vpn = rig_route(&rig, CAND_HOST, "10.9.0.1:1", "10.9.0.2:1", MS);
	wan = rig_route(&rig, CAND_SRFLX, "192.0.2.1:1", "198.51.100.1:1", 40 * MS);
	vpn->reach = REACH_TUNNEL;
	rig_want(&rig, A);
	rig_run_with_traffic(&rig, A, true, 5 * SEC);
	assert_ptr_equal(rig_chosen(&rig, A), wan);
	rig_network(&rig, A, NULL);
	rig_run_with_traffic(&rig, A, true, 5 * SEC);
	assert_ptr_equal(rig_chosen(&rig, A), wan);

	wan->cut = true;
	rig_run_with_traffic(&rig, A, true, 10 * SEC);
	assert_ptr_equal(rig_chosen(&rig, A), vpn);
	wan->cut = false;
	rig_network(&rig, A, NULL);
	rig_run_with_traffic(&rig, A, true, 5 * SEC);
	assert_ptr_equal(rig_chosen(&rig, A), wan);
}

static void a_source_whose_packets_leave_elsewhere_is_not_used(void **state)
{
	struct route *wan;

	(void)state;
	wan = rig_route(&rig, CAND_HOST, "192.0.2.1:1", "198.51.100.1:1", 20 * MS);
	wan->arrives = 3;
	rig.side[A].uplink = 3;
	rig_want(&rig, A);
	rig_run_with_traffic(&rig, A, true, 5 * SEC);
	assert_true(ip_eq(&rig.side[A].way.local, &wan->end[A].ip));

	/* The default route moves; the peer goes on sending to the old address. */
	rig.side[A].uplink = 4;
	rig_input(&rig, A, (struct core_in){.kind = CORE_ROUTES});
	assert_int_equal(rig.side[A].way.local.family, IP_NONE);
	for (int i = 0; i < 10; i++) {
		rig_heard(&rig, A, wan);
		assert_int_equal(rig.side[A].way.local.family, IP_NONE);
		rig_run_with_traffic(&rig, A, true, 500 * MS);
	}
	rig.side[A].uplink = 3;
	rig_input(&rig, A, (struct core_in){.kind = CORE_ROUTES});
	rig_heard(&rig, A, wan);
	assert_true(ip_eq(&rig.side[A].way.local, &wan->end[A].ip));
}

static void routes_that_do_not_concern_a_path_cost_it_nothing(void **state)
{
	unsigned checks, asks;

	(void)state;
	rig_route(&rig, CAND_HOST, "10.0.0.1:1", "10.0.0.2:1", MS);
	rig_want(&rig, A);
	rig_run_with_traffic(&rig, A, true, 5 * SEC);
	checks = rig.side[A].checks;
	asks = rig.side[A].outs[CORE_ASK];
	for (int i = 0; i < 50; i++) {
		rig_input(&rig, A, (struct core_in){.kind = CORE_ROUTES});
		rig_run_with_traffic(&rig, A, true, 300 * MS);
	}
	assert_int_equal(rig.side[A].checks, checks);
	assert_int_equal(rig.side[A].outs[CORE_ASK], asks);
	rig.side[A].uplink = 9;
	rig_input(&rig, A, (struct core_in){.kind = CORE_ROUTES});
	rig_run(&rig, SEC);
	assert_int_not_equal(rig.side[A].checks, checks);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(nothing_is_asked_or_used_through_the_mesh_itself),
		RIG_TEST(a_path_that_comes_to_lie_on_the_mesh_is_left_at_once),
		RIG_TEST(where_all_ways_lie_on_the_mesh_none_is_used),
		RIG_TEST(another_vpn_is_better_than_nothing_and_worse_than_anything),
		RIG_TEST(a_source_whose_packets_leave_elsewhere_is_not_used),
		RIG_TEST(routes_that_do_not_concern_a_path_cost_it_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
