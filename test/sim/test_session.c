/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Stories about sessions that live long: rekeying, roaming, restarts, removal. */
#include "sim/story.h"

static void rekeying_by_time_loses_no_packet(void **state)
{
	WORLD(state);

	for (unsigned i = 0; i < 1200 * 10; i++) { /* twenty minutes, ten packets a second each way */
		host_send(a, b);
		host_send(b, a);
		sim_run(s, 100 * MS);
	}
	sim_run(s, 1 * SEC);
	expect_nothing_lost(a, b);
	assert_in_range(a->sent[WG_INIT] + b->sent[WG_INIT], 9, 22);
	assert_int_equal(sim_friend(a, b)->downs + sim_friend(b, a)->downs, 0);
}

static void only_the_initiator_renews_by_age(void **state)
{
	WORLD(state);

	host_send(a, b);
	sim_run(s, 1 * SEC);
	for (unsigned i = 0; i < 118; i++) {
		host_send(b, a);
		sim_run(s, 1 * SEC);
	}
	assert_int_equal(a->sent[WG_INIT], 1);
	for (unsigned i = 0; i < 40; i++) { /* b sends past 120 s, but a started the session and is silent */
		host_send(b, a);
		sim_run(s, 1 * SEC);
	}
	assert_int_equal(b->sent[WG_INIT], 0);
	/* Its passive keepalives make a renew; at the latest what it receives after 165 s does. */
	assert_int_equal(a->sent[WG_INIT], 2);
	expect_nothing_lost(a, b);
}

static void receiving_under_an_ageing_session_asks_for_renewal(void **state)
{
	WORLD(state);

	host_send(a, b);
	sim_run(s, 166 * SEC);
	assert_int_equal(a->sent[WG_INIT], 1);
	host_send(b, a);
	sim_run(s, 1 * SEC);
	assert_int_equal(a->sent[WG_INIT], 2);
	expect_nothing_lost(a, b);
}

static void rekeying_by_message_count_loses_no_packet(void **state)
{
	WORLD(state);
	struct wg_limits l = wg_limits_default;
	struct host *c, *d;

	l.rekey_after_messages = 50;
	l.reject_after_messages = 2000;
	c = sim_host_with_limits(s, "c", &l);
	d = sim_host_with_limits(s, "d", &l);
	sim_befriend(c, d, NULL);
	for (unsigned i = 0; i < 1000; i++) {
		host_send(c, d);
		host_send(d, c);
		sim_run(s, 50 * MS);
	}
	sim_run(s, 1 * SEC);
	expect_nothing_lost(c, d);
	assert_true(c->sent[WG_INIT] + d->sent[WG_INIT] >=
		    8); /* fifty seconds, at most one each per five seconds */
	assert_true(c->sent[WG_INIT] + d->sent[WG_INIT] <= 24);
}

static void a_session_out_of_messages_is_not_used_any_further(void **state)
{
	WORLD(state);
	struct wg_limits l = wg_limits_default;
	struct host *c, *d;

	l.rekey_after_messages = 1000;
	l.reject_after_messages = 20;
	c = sim_host_with_limits(s, "c", &l);
	d = sim_host_with_limits(s, "d", &l);
	sim_befriend(c, d, NULL);
	host_send(c, d);
	sim_run(s, 1 * SEC);
	for (unsigned i = 0; i < 30; i++)
		host_send(c, d);
	sim_run(s, 1 * SEC);
	assert_in_range(c->sent[WG_DATA], 19, 20);
	sim_run(s, 10 * SEC);
	assert_int_equal(c->sent[WG_INIT], 2);
}

static void packets_under_way_during_a_rekey_arrive(void **state)
{
	WORLD(state);

	host_set_line(a, 0, 0, 0, 300 * MS);
	host_set_line(b, 0, 0, 0, 300 * MS);
	for (unsigned i = 0; i < 300 * 20; i++) {
		host_send(a, b);
		host_send(b, a);
		sim_run(s, 50 * MS);
	}
	sim_run(s, 1 * SEC);
	expect_nothing_lost(a, b);
	assert_true(a->sent[WG_INIT] + b->sent[WG_INIT] >= 3);
}

static void after_a_restart_of_the_initiator_the_mesh_heals(void **state)
{
	WORLD(state);

	expect_connected(a, b);
	host_restart(a);
	host_send(a, b);
	sim_run(s, 1 * SEC);
	expect_connected(a, b);
}

static void after_a_restart_of_the_responder_unanswered_data_heals_it(void **state)
{
	WORLD(state);

	host_send(a, b);
	sim_run(s, 60 * SEC);
	host_restart(b);
	host_send(a, b); /* goes nowhere: b has forgotten the session */
	sim_run(s, 14 * SEC);
	assert_int_equal(a->sent[WG_INIT], 1);
	sim_run(s, 2 * SEC); /* 15 s without an answer */
	assert_int_equal(a->sent[WG_INIT], 2);
	expect_connected(a, b);
}

static void a_restarted_peer_that_speaks_first_is_understood_at_once(void **state)
{
	WORLD(state);

	host_send(a, b);
	sim_run(s, 60 * SEC);
	host_restart(b);
	host_send(b, a);
	sim_run(s, 1 * SEC);
	expect_connected(a, b);
}

static void a_peer_that_moves_is_followed_by_its_next_packet(void **state)
{
	WORLD(state);
	const struct way *way;

	expect_connected(a, b);
	for (unsigned i = 0; i < 5; i++) {
		host_move(b);
		host_send(b, a);
		sim_run(s, 1 * SEC);
		way = atomic_load(&sim_friend(a, b)->p->way);
		assert_true(endpoint_eq(&way->to.remote, &b->at));
		assert_true(ip_eq(&way->to.local, &a->at.ip)); /* and is answered from where it wrote to */
		expect_connected(a, b);
	}
	expect_nothing_lost(a, b);
}

static void packets_that_waited_for_a_path_leave_when_it_arrives(void **state)
{
	WORLD(state);
	struct peer *p = sim_friend(a, b)->p;

	expect_connected(a, b);
	assert_int_equal(device_peer_set_way(a->device, p, NULL, s->now), TM_OK);
	for (unsigned i = 0; i < 10; i++)
		host_send(a, b);
	sim_run(s, 1 * SEC);
	assert_int_equal(sim_friend(b, a)->received, sim_friend(a, b)->sent - 10);
	assert_int_equal(device_peer_set_way(a->device, p, &(struct way_to){.remote = b->at}, s->now), TM_OK);
	host_settle(a);
	sim_run(s, 1 * SEC);
	expect_nothing_lost(a, b);
}

static void a_handshake_from_elsewhere_moves_the_endpoint_too(void **state)
{
	WORLD(state);

	host_move(a);
	host_send(a, b);
	sim_run(s, 1 * SEC);
	expect_connected(a, b);
	expect_nothing_lost(a, b);
}

static void a_removed_peer_is_cut_at_once(void **state)
{
	WORLD(state);
	uint64_t sent;

	expect_connected(a, b);
	host_send(a, b);
	sim_friend(b, a)->p->owner = NULL;
	device_peer_remove(b->device, sim_friend(b, a)->p);
	sim_friend(b, a)->p = NULL;
	sent = host_datagrams(b);
	sim_run(s, 1 * SEC);
	assert_int_equal(sim_friend(b, a)->received,
		sim_friend(a, b)->sent - 1); /* the one under way is refused already */
	sim_run(s, 300 * SEC);
	assert_int_equal(host_datagrams(b), sent); /* not even a goodbye */
	assert_true(b->verdicts[DEV_UNKNOWN_PEER] > 0);
	assert_int_equal(device_peer_count(b->device), 0);
}

static void an_expired_session_is_dropped_and_says_so(void **state)
{
	WORLD(state);

	host_send(a, b);
	sim_run(s, 179 * SEC);
	assert_true(host_has_session(a, b));
	sim_run(s, 2 * SEC);
	assert_false(host_has_session(a, b));
	assert_false(host_has_session(b, a));
	assert_int_equal(sim_friend(a, b)->downs, 1);
	assert_int_equal(sim_friend(b, a)->downs, 1);
	expect_connected(a, b);
}

static void nothing_decipherable_is_left_after_three_lifetimes(void **state)
{
	WORLD(state);
	struct peer *p = sim_friend(a, b)->p;

	expect_connected(a, b);
	host_line(b)->loss = 1000;
	host_send(a, b);
	sim_run(s, 17 * SEC);
	assert_true(p->hs.pending);
	sim_run(s, 540 * SEC);
	assert_null(p->keys_current);
	assert_null(p->keys_previous);
	assert_null(p->keys_next);
	assert_false(p->hs.pending);
	assert_null(p->hs.talk);
	assert_int_equal(p->timers.keys_derived, 0);
}

static void a_suspended_machine_recovers(void **state)
{
	WORLD(state);

	expect_connected(a, b);
	s->now += 3600 * SEC; /* monotonic time counts suspend */
	expect_connected(a, b);
	s->now += 150 * SEC;
	expect_connected(a, b);
	expect_nothing_lost(a, b);
}

static void a_wall_clock_set_back_a_year_does_not_lock_the_peer_out(void **state)
{
	WORLD(state);

	expect_connected(a, b);
	a->clock_offset = -365 * 86400 * SEC;
	sim_run(s, 200 * SEC);
	host_send(a, b);
	sim_run(s, 1 * SEC);
	expect_connected(a, b);
	a->clock_offset = 365 * 86400 * SEC;
	sim_run(s, 200 * SEC);
	host_send(a, b);
	sim_run(s, 1 * SEC);
	expect_connected(a, b);
}

/* A clock that was years ahead, and then the file that keeps it from going back was lost. */
static void a_peer_that_lost_its_clock_is_met_by_our_own_handshake(void **state)
{
	WORLD(state);
	struct datagram stale;

	a->clock_offset = 3 * 365 * 86400 * SEC;
	host_send(a, b);
	sim_run(s, 1 * SEC);
	expect_connected(a, b);
	a->clock_offset = 0;
	host_restart(a);
	host_send(a, b);
	sim_run(s, 6 * SEC); /* b has just answered: it initiates five seconds later */
	assert_true(b->verdicts[DEV_OLD_TIMESTAMP] > 0);
	assert_int_equal(b->sent[WG_INIT], 1);
	expect_connected(a, b);

	/* Whoever recorded it can have one such handshake in five seconds, and nothing else. */
	stale = a->last[WG_INIT];
	stale.from.port++;
	for (unsigned i = 0; i < 200; i++) {
		sim_inject(s, &stale);
		sim_run(s, 50 * MS);
	}
	assert_in_range(b->sent[WG_INIT], 2, 4);
	expect_connected(a, b);
}

static void a_recording_now_and_then_does_not_keep_us_asking_a_peer_that_is_gone(void **state)
{
	WORLD(state);
	struct datagram stale;
	unsigned before;

	host_send(a, b);
	sim_run(s, 1 * SEC);
	stale = a->last[WG_INIT];
	sim_run(s, 3600 * SEC);
	host_send(a, b);
	sim_run(s, 60 * SEC);
	host_set_line(a, 1000, 0, 0, 0);
	before = b->sent[WG_INIT];
	for (unsigned i = 0; i < 20; i++) {
		sim_inject(s, &stale);
		sim_run(s, 80 * SEC);
	}
	assert_true(b->verdicts[DEV_OLD_TIMESTAMP] >= 20);
	assert_in_range(b->sent[WG_INIT] - before, 1, 21);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENARIO(rekeying_by_time_loses_no_packet),
		SCENARIO(only_the_initiator_renews_by_age),
		SCENARIO(receiving_under_an_ageing_session_asks_for_renewal),
		SCENARIO(rekeying_by_message_count_loses_no_packet),
		SCENARIO(a_session_out_of_messages_is_not_used_any_further),
		SCENARIO(packets_under_way_during_a_rekey_arrive),
		SCENARIO(after_a_restart_of_the_initiator_the_mesh_heals),
		SCENARIO(after_a_restart_of_the_responder_unanswered_data_heals_it),
		SCENARIO(a_restarted_peer_that_speaks_first_is_understood_at_once),
		SCENARIO(a_peer_that_moves_is_followed_by_its_next_packet),
		SCENARIO(packets_that_waited_for_a_path_leave_when_it_arrives),
		SCENARIO(a_handshake_from_elsewhere_moves_the_endpoint_too),
		SCENARIO(a_removed_peer_is_cut_at_once),
		SCENARIO(an_expired_session_is_dropped_and_says_so),
		SCENARIO(nothing_decipherable_is_left_after_three_lifetimes),
		SCENARIO(a_suspended_machine_recovers),
		SCENARIO(a_wall_clock_set_back_a_year_does_not_lock_the_peer_out),
		SCENARIO(a_peer_that_lost_its_clock_is_met_by_our_own_handshake),
		SCENARIO(a_recording_now_and_then_does_not_keep_us_asking_a_peer_that_is_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
