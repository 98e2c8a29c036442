/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Stories about relays that die, for a while or for good, and about those beside them. */
#include "sim/relay_story.h"

static bool all_but_the_hub(const struct datagram *dg)
{
	return !endpoint_eq(&dg->to, &hub);
}

/* Two members behind symmetric translators, and another relay than the coordinator's. */
static struct host *with_second(struct mesh *m)
{
	struct host *second = sim_member(m->s->internet, m->c, "second");

	relay_new(second);
	plug_behind(m->a, &symmetric);
	plug_behind(m->b, &symmetric);
	host_restart(m->a);
	host_restart(m->b);
	sim_run(m->s, 20 * SEC);
	return second;
}

static void when_the_coordinator_dies_for_good_the_second_relay_takes_over(void **state)
{
	MESH(state);
	struct host *second = with_second(m);
	ns_t stall;

	talk(a, b, true, 20 * MS, 5 * SEC);
	expect_relay(a, b, m->c->host);
	expect_relay(b, a, m->c->host);
	coordinator_stop(m->c);
	stall = longest_stall(a, b, 10 * SEC);
	if (stall > 400 * MS + relay_rtt(a, b, m))
		fail_msg("stood still for %lld ms", (long long)(stall / MS));
	expect_relay(a, b, second);
	expect_relay(b, a, second);
	stall = longest_stall(a, b, 300 * SEC);
	assert_true(stall < 100 * MS);
}

/* Whoever says nothing notices nothing, and is reached at once all the same. */
static void the_first_packet_after_the_coordinators_death_goes_by_the_second_relay(void **state)
{
	MESH(state);
	struct host *second = with_second(m);

	for (unsigned i = 0; i < 2; i++) {
		if (i == 0)
			coordinator_stop(m->c);
		else
			sim_run(s, 3600 * SEC);
		const ns_t took = first_answer(a, b);
		if (took > SEC)
			fail_msg("%u: after %lld ms", i, (long long)(took / MS));
		talk(a, b, true, 20 * MS, 10 * SEC);
		expect_relay(a, b, second);
		expect_relay(b, a, second);
	}
}

static void a_pair_without_udp_goes_on_by_streams_to_the_second_relay(void **state)
{
	MESH(state);
	struct host *second = with_second(m);
	ns_t stall;

	relay_take_streams(second->relay);
	host_line(a)->blocked = host_line(b)->blocked = true;
	host_restart(a);
	host_restart(b);
	sim_run(s, 20 * SEC);
	talk(a, b, true, 20 * MS, 5 * SEC);
	assert_int_equal(host_path(a, b).way.kind, WAY_RELAY_TCP);
	for (unsigned i = 0; i < 3; i++) {
		coordinator_stop(m->c);
		stall = longest_stall(a, b, 10 * SEC);
		if (stall > 1500 * MS)
			fail_msg("%u: stood still for %lld ms", i, (long long)(stall / MS));
		assert_string_equal(host_path(a, b).relay, second->id);
		assert_string_equal(host_path(b, a).relay, second->id);
		coordinator_start(m->c);
		stall = longest_stall(a, b, 30 * SEC);
		if (stall > 500 * MS)
			fail_msg("%u: stood still for %lld ms when it was back", i, (long long)(stall / MS));
		relay_stop(second->relay); /* and the other way round */
		stall = longest_stall(a, b, 10 * SEC);
		if (stall > 1500 * MS)
			fail_msg(
				"%u: stood still for %lld ms without the second", i, (long long)(stall / MS));
		relay_start(second->relay);
		talk(a, b, true, 20 * MS, 20 * SEC);
	}
}

static void a_node_that_starts_without_the_coordinator_knows_its_relays(void **state)
{
	MESH(state);
	struct host *second = with_second(m);

	coordinator_stop(m->c);
	for (unsigned i = 0; i < 3; i++) {
		host_restart(i == 1 ? b : a);
		if (i == 2)
			host_restart(b);
		sim_run(s, 500 * MS);
		assert_true(first_answer(i ? b : a, i ? a : b) <= SEC);
		talk(a, b, true, 20 * MS, 10 * SEC);
		expect_relay(a, b, second);
		expect_relay(b, a, second);
	}
}

static void two_who_see_different_relays_alive_still_meet(void **state)
{
	MESH(state);
	struct host *second = with_second(m), *third = sim_member(s->internet, m->c, "third");

	relay_new(third);
	sim_run(s, 10 * SEC);
	hub = m->c->host->at;
	host_line(a)->passes = all_but_the_hub;
	control_link_cut(a->link, 0); /* and is told of the third */
	control_link_cut(b->link, 0);
	sim_run(s, 120 * SEC);
	assert_true(first_answer(a, b) <= 2 * SEC);
	talk(a, b, true, 20 * MS, 10 * SEC);
	expect_relay(a, b, second);
	expect_relay(b, a, second);
	assert_int_equal(relay_members(m->c->host->relay), 3); /* not a: b, and the two relays */
	assert_true(relay_members(third->relay) >= 1);
}

static void a_relay_that_is_missed_has_us_again_soon_after_its_start(void **state)
{
	MESH(state);

	plug_behind(a, &symmetric);
	plug_behind(b, &symmetric);
	sim_run(s, 3 * SEC);
	for (unsigned i = 0; i < 8; i++) {
		ns_t took;

		talk(a, b, true, 20 * MS, 30 * SEC);
		relay_stop(m->c->host->relay);
		talk(a, b, true, 20 * MS, SEC + i * 900 * MS);
		relay_start(m->c->host->relay);
		took = longest_stall(a, b, 5 * SEC);
		if (took > 1500 * MS)
			fail_msg(
				"away for %u ms: back after %lld ms", 1000 + i * 900, (long long)(took / MS));
	}
}

/* --- many --- */

enum { CROWD = 200, WANTED = 3 };

/* Each wants some of the others, all the time. */
static void all_want(struct host *const *h, ns_t how_long)
{
	const ns_t end = h[0]->sim->now + how_long;

	for (unsigned i = 0; h[0]->sim->now < end; i = (i + 1) % CROWD) {
		for (unsigned k = 1; k <= WANTED; k++)
			host_send(h[i], h[(i + k) % CROWD]);
		sim_run(h[i]->sim, SEC / CROWD);
	}
}

/* Its socket holds few at once, and it proves few in a second. */
static void a_relay_that_was_away_for_a_minute_is_not_asked_by_all_at_once(void **state)
{
	struct sim *s = sim_new(1);
	struct coordinator *c = coordinator_new(s, "coordinator");
	struct host *second = sim_member(s->internet, c, "second"), *h[CROWD];
	unsigned asked;

	(void)state;
	relay_new(second);
	hub = second->at;
	for (unsigned i = 0; i < CROWD; i++) {
		h[i] = sim_member(s->internet, c, "one of many");
		host_line(h[i])->passes = only_the_hub;
		for (unsigned k = 0; k < i; k++)
			if (i - k <= WANTED || i - k >= CROWD - WANTED)
				sim_meet(h[i], h[k]);
	}
	sim_run(s, 20 * SEC);
	all_want(h, 5 * SEC);
	assert_int_equal(relay_members(second->relay), CROWD);
	relay_stop(second->relay);
	all_want(h, 60 * SEC);
	asked = relay_asked(second->relay);
	relay_start(second->relay);
	all_want(h, 250 * MS);
	asked = relay_asked(second->relay) - asked;
	if (asked > CROWD / 10)
		fail_msg("asked %u times in the first 250 ms", asked);
	all_want(h, 30 * SEC);
	assert_int_equal(relay_members(second->relay), CROWD);
	sim_free(s);
}

static int ready(void **state)
{
	*state = NULL;
	return crypto_init(NULL) < 0 ? -1 : 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RELAY_SCENARIO(when_the_coordinator_dies_for_good_the_second_relay_takes_over),
		RELAY_SCENARIO(the_first_packet_after_the_coordinators_death_goes_by_the_second_relay),
		RELAY_SCENARIO(a_pair_without_udp_goes_on_by_streams_to_the_second_relay),
		RELAY_SCENARIO(a_node_that_starts_without_the_coordinator_knows_its_relays),
		RELAY_SCENARIO(two_who_see_different_relays_alive_still_meet),
		RELAY_SCENARIO(a_relay_that_is_missed_has_us_again_soon_after_its_start),
		cmocka_unit_test_setup(a_relay_that_was_away_for_a_minute_is_not_asked_by_all_at_once, ready),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
