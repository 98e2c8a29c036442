/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Stories about several ways to one peer: who decides which is used, and what does not move it. */
#include "sim/story.h"
#include "wire/wg.h"

/* b has a second address on the internet; a uses the first or the second, by IPv4. */
static void second_address(struct host *a, struct host *b)
{
	const struct nat_kind open = {.refresh_inbound = true};

	plug_behind(a, &open); /* IPv4 only */
	host_plug(b, 1, b->sim->internet);
	sim_run(a->sim, 3 * SEC);
	talk(a, b, true, 100 * MS, 3 * SEC);
	assert_true(is_up(a, b) && is_up(b, a));
}

/* One packet from b, by that interface, whatever b itself would choose. */
static void send_by(struct host *b, struct host *a, int face)
{
	b->leaves_by = face + 1;
	host_send(b, a);
	b->leaves_by = 0;
}

static struct way_to way_of(const struct host *a, const struct host *b)
{
	const struct way *w = atomic_load(&sim_friend(a, b)->p->way);

	assert_non_null(w);
	return w->to;
}

static void packets_from_two_living_addresses_do_not_move_the_chosen_way(void **state)
{
	MESH(state);

	for (unsigned both = 0; both < 2; both++) {
		struct way_to before, after;
		unsigned uses;

		second_address(a, b);
		before = way_of(a, b);
		uses = a->uses;
		for (int i = 0; i < 100; i++) {
			send_by(b, a, i % 2);
			if (both)
				host_send(a, b);
			sim_run(s, 20 * MS);
		}
		sim_run(s, 1 * SEC);
		after = way_of(a, b);
		assert_true(way_to_eq(&before, &after));
		assert_int_equal(a->uses, uses);
		expect_nothing_lost(a, b);
	}
}

static void packets_from_the_other_address_alone_do_not_move_it_while_it_lives(void **state)
{
	MESH(state);
	struct way_to before, after;
	int other;

	second_address(a, b);
	before = way_of(a, b);
	other = ip_eq(&before.remote.ip, &b->face[0].ip4);
	for (int i = 0; i < 500; i++) {
		send_by(b, a, other);
		host_send(a, b);
		sim_run(s, 20 * MS);
	}
	after = way_of(a, b);
	assert_true(endpoint_eq(&before.remote, &after.remote));
	sim_run(s, 1 * SEC);
	expect_nothing_lost(a, b);
}

static void when_the_chosen_address_dies_the_heard_one_takes_over_at_once(void **state)
{
	MESH(state);
	struct way_to before, after;
	int chosen;

	second_address(a, b);
	before = way_of(a, b);
	chosen = !ip_eq(&before.remote.ip, &b->face[0].ip4);
	host_plug(b, (unsigned)chosen, NULL);
	for (int i = 0; i < 20; i++) {
		host_send(b, a);
		host_send(a, b);
		sim_run(s, 100 * MS);
	}
	after = way_of(a, b);
	assert_false(endpoint_eq(&before.remote, &after.remote));
	expect_connected(a, b);
}

static void a_handshake_is_answered_by_the_way_on_which_it_came(void **state)
{
	MESH(state);

	second_address(a, b);
	for (int face = 0; face < 2; face++) {
		unsigned uses = a->uses;

		sim_run(s, 200 * SEC); /* the session has ended, the path has not */
		assert_false(host_has_session(a, b));
		send_by(b, a, face);
		sim_run(s, 100 * MS);
		assert_true(ip_eq(&a->last[WG_RESPONSE].to.ip, &b->face[face].ip4));
		assert_int_equal(a->uses, uses);
		expect_connected(a, b);
	}
}

static void a_source_address_that_was_lost_is_found_again(void **state)
{
	MESH(state);
	struct peer *p = sim_friend(a, b)->p;
	struct way_to before, after;
	unsigned checks;

	talk(a, b, true, 100 * MS, 5 * SEC);
	before = way_of(a, b);
	assert_true(before.local.family != IP_NONE);
	checks = a->checks;
	device_peer_unstick(a->device, p, s->now); /* as when the kernel refuses it once */
	host_settle(a);
	assert_int_equal(way_of(a, b).local.family, IP_NONE);
	talk(a, b, true, 100 * MS, 30 * SEC);
	after = way_of(a, b);
	assert_true(way_to_eq(&before, &after));
	assert_int_equal(a->checks, checks);
	assert_true(s->now - atomic_load(&p->last_way_recv) <= SEC);
}

static void a_peer_that_moved_is_followed_by_its_next_packet(void **state)
{
	MESH(state);

	talk(a, b, true, 100 * MS, 3 * SEC);
	for (unsigned i = 0; i < 10; i++) {
		host_move(b);
		control_link_cut(b->link, 3600 * SEC); /* nobody but its own packets tells */
		host_send(b, a);
		sim_run(s, 3 * SEC);
		expect_connected(a, b);
	}
}

static void both_move_at_once_and_meet_again_by_the_coordinator(void **state)
{
	MESH(state);

	for (unsigned i = 0; i < 10; i++) {
		talk(a, b, true, 100 * MS, 3 * SEC);
		plug_behind(a, &nat_home);
		plug_behind(b, &nat_home);
		talk(a, b, true, 100 * MS, 5 * SEC);
		expect_connected(a, b);
	}
}

static void a_path_outlives_the_coordinator(void **state)
{
	MESH(state);

	plug_behind(a, &nat_home);
	plug_behind(b, &nat_home);
	sim_run(s, 3 * SEC);
	talk(a, b, true, 100 * MS, 3 * SEC);
	coordinator_stop(m->c);
	talk(a, b, true, 100 * MS, 300 * SEC);
	sim_run(s, 1 * SEC);
	expect_nothing_lost(a, b);
	coordinator_start(m->c);
	talk(a, b, true, 100 * MS, 30 * SEC);
	sim_run(s, 1 * SEC);
	expect_nothing_lost(a, b);
}

static void mappings_that_expired_in_silence_are_made_anew(void **state)
{
	MESH(state);
	const struct nat_kind short_lived = {
		.filtering = NAT_ADDRESS_AND_PORT_DEPENDENT, .ports = NAT_RANDOM, .expiry = 30 * SEC};

	plug_behind(a, &short_lived);
	plug_behind(b, &short_lived);
	sim_run(s, 3 * SEC);
	for (unsigned i = 0; i < 5; i++) {
		talk(a, b, false, 100 * MS, 6 * SEC);
		assert_true(is_up(a, b));
		expect_connected(a, b);
		sim_run(s, (ns_t)(40 + 400 * i) * SEC);
	}
}

static void after_a_suspend_traffic_flows_again(void **state)
{
	MESH(state);

	plug_behind(a, &nat_home);
	sim_run(s, 3 * SEC);
	talk(a, b, true, 100 * MS, 3 * SEC);
	for (unsigned i = 0; i < 3; i++) {
		s->now += 4000 * SEC; /* monotonic time counts suspend; everything that was due is overdue */
		talk(a, b, true, 100 * MS, 6 * SEC);
		expect_connected(a, b);
	}
}

static void a_wall_clock_that_jumps_does_not_lock_the_peer_out(void **state)
{
	MESH(state);

	talk(a, b, true, 100 * MS, 3 * SEC);
	a->clock_offset = 365 * 86400 * SEC;
	talk(a, b, true, 100 * MS, 200 * SEC);
	host_move(b);
	talk(a, b, true, 100 * MS, 6 * SEC);
	expect_connected(a, b);
}

/* Checks with stamps of the past are not answered either: the other side finds the way. */
static void a_member_that_lost_a_clock_that_was_years_ahead_is_met_again(void **state)
{
	MESH(state);

	a->clock_offset = 3 * 365 * 86400 * SEC;
	talk(a, b, true, 100 * MS, 3 * SEC);
	a->clock_offset = 0;
	host_restart(a);
	for (unsigned i = 0; i < 3; i++) {
		talk(a, b, false, 100 * MS, 200 * SEC);
		expect_connected(a, b);
	}
	host_move(b);
	talk(a, b, false, 100 * MS, 20 * SEC);
	expect_connected(a, b);
	host_restart(b);
	talk(a, b, false, 100 * MS, 20 * SEC);
	expect_connected(a, b);
}

static void a_restarted_member_is_found_again(void **state)
{
	MESH(state);

	plug_behind(a, &nat_home);
	plug_behind(b, &nat_home);
	sim_run(s, 3 * SEC);
	for (unsigned i = 0; i < 5; i++) {
		talk(a, b, true, 100 * MS, 3 * SEC);
		host_restart(i % 2 ? a : b);
		talk(a, b, true, 100 * MS, 20 * SEC);
		expect_connected(a, b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		MESH_SCENARIO(packets_from_two_living_addresses_do_not_move_the_chosen_way),
		MESH_SCENARIO(packets_from_the_other_address_alone_do_not_move_it_while_it_lives),
		MESH_SCENARIO(when_the_chosen_address_dies_the_heard_one_takes_over_at_once),
		MESH_SCENARIO(a_handshake_is_answered_by_the_way_on_which_it_came),
		MESH_SCENARIO(a_source_address_that_was_lost_is_found_again),
		MESH_SCENARIO(a_peer_that_moved_is_followed_by_its_next_packet),
		MESH_SCENARIO(both_move_at_once_and_meet_again_by_the_coordinator),
		MESH_SCENARIO(a_path_outlives_the_coordinator),
		MESH_SCENARIO(mappings_that_expired_in_silence_are_made_anew),
		MESH_SCENARIO(after_a_suspend_traffic_flows_again),
		MESH_SCENARIO(a_wall_clock_that_jumps_does_not_lock_the_peer_out),
		MESH_SCENARIO(a_member_that_lost_a_clock_that_was_years_ahead_is_met_again),
		MESH_SCENARIO(a_restarted_member_is_found_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
