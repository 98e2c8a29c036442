/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Stories about ways that die: how soon another takes over, and that nothing is lost meanwhile. */
#include "sim/relay_story.h"

#include "wire/relay.h"
#include "wire/wg.h"

static void a_direct_path_that_dies_is_left_for_the_relay_within_400_ms(void **state)
{
	MESH(state);

	hub = m->c->host->at;
	plug_behind(a, &nat_home);
	plug_behind(b, &nat_home);
	sim_run(s, 3 * SEC);
	for (unsigned one_way = 0; one_way < 2; one_way++) {
		ns_t stall;

		talk(a, b, true, 10 * MS, 2 * SEC);
		assert_true(is_direct(a, b) && is_direct(b, a));
		host_line(a)->passes = only_the_hub;
		if (!one_way)
			host_line(b)->passes = only_the_hub;
		stall = longest_stall(a, b, 3 * SEC);
		if (stall > 400 * MS + relay_rtt(a, b, m))
			fail_msg("stood still for %lld ms", (long long)(stall / MS));
		assert_true(is_relayed(a, b));
		host_line(a)->passes = host_line(b)->passes = NULL;
		talk(a, b, true, 20 * MS, 40 * SEC);
		assert_true(is_direct(a, b) && is_direct(b, a));
	}
}

/* What was sent while it was in doubt has arrived by the relay. */
static void what_is_sent_in_doubt_is_not_lost(void **state)
{
	MESH(state);
	struct friendship *ab = sim_friend(a, b), *ba = sim_friend(b, a);
	uint64_t sent, arrived;

	hub = m->c->host->at;
	talk(a, b, true, 10 * MS, 3 * SEC);
	host_line(a)->passes = host_line(b)->passes = only_the_hub;
	talk(a, b, true, 10 * MS, 400 * MS);
	sent = ab->sent + ba->sent;
	arrived = ba->received + ab->received;
	talk(a, b, true, 10 * MS, 5 * SEC);
	sim_run(s, SEC);
	assert_true(ab->received + ba->received - arrived >= ab->sent + ba->sent - sent);
	assert_int_equal(ab->twice + ba->twice, 0);
}

/* In both directions, there, back; both speak, or only one of them does. */
static void nothing_is_lost_when_a_direct_path_dies(void **state)
{
	MESH(state);

	hub = m->c->host->at;
	plug_behind(a, &nat_home);
	plug_behind(b, &nat_home);
	sim_run(s, 3 * SEC);
	for (unsigned i = 0; i < 6; i++) {
		const bool both_speak = i < 3;

		talk(a, b, true, 10 * MS, 2 * SEC);
		assert_true(is_direct(a, b) && is_direct(b, a));
		host_line(a)->passes = i % 3 < 2 ? only_the_hub : NULL;
		host_line(b)->passes = i % 3 != 1 ? only_the_hub : NULL;
		talk(a, b, both_speak, 10 * MS, 3 * SEC);
		sim_run(s, SEC);
		const struct friendship *ab = sim_friend(a, b), *ba = sim_friend(b, a);
		if (ab->sent != ba->received || ba->sent != ab->received)
			fail_msg("%u: %u and %u packets were lost", i, (unsigned)(ab->sent - ba->received),
				(unsigned)(ba->sent - ab->received));
		host_line(a)->passes = host_line(b)->passes = NULL;
		talk(a, b, true, 20 * MS, 60 * SEC);
		assert_true(is_direct(a, b) && is_direct(b, a));
	}
	expect_nothing_lost(a, b);
	assert_int_equal(sim_friend(a, b)->twice + sim_friend(b, a)->twice, 0);
}

/* Nor are messages sent twice for nothing: a living path is slow in one direction, and answers late. */
static void a_living_path_has_nothing_sent_again(void **state)
{
	MESH(state);

	host_line(b)->delay = 140 * MS;
	sim_run(s, 3 * SEC);
	talk(a, b, true, 20 * MS, 5 * SEC);
	talk(a, b, false, 20 * MS, 60 * SEC);
	talk(b, a, false, 20 * MS, 60 * SEC);
	assert_true(is_direct(a, b) && is_direct(b, a));
	assert_int_equal(sim_friend(a, b)->again + sim_friend(b, a)->again, 0);
}

static void a_living_path_is_not_left_whatever_flows_in_one_direction(void **state)
{
	MESH(state);
	unsigned uses;

	plug_behind(a, &nat_home);
	plug_behind(b, &nat_home);
	sim_run(s, 3 * SEC);
	talk(a, b, true, 20 * MS, 5 * SEC);
	uses = a->uses + b->uses;
	talk(a, b, false, 20 * MS, 120 * SEC);
	talk(a, b, true, 100 * MS, 60 * SEC);
	talk(b, a, false, 5 * MS, 60 * SEC);
	assert_int_equal(a->uses + b->uses, uses);
	assert_true(is_direct(a, b));
	sim_run(s, SEC);
	expect_nothing_lost(a, b);
}

/* A translator has forgotten the path meanwhile: the first packet leaves by both ways. */
static void after_a_silence_no_packet_is_lost_to_a_path_that_has_died(void **state)
{
	MESH(state);

	hub = m->c->host->at;
	talk(a, b, true, 20 * MS, 3 * SEC);
	sim_run(s, 60 * SEC);
	host_line(a)->passes = host_line(b)->passes = only_the_hub;
	assert_true(first_answer(a, b) <= 2 * relay_rtt(a, b, m) + 50 * MS);
	talk(a, b, true, 20 * MS, 10 * SEC);
	assert_true(is_relayed(a, b) && is_relayed(b, a));
	sim_run(s, SEC);
	expect_nothing_lost(a, b);
}

/* The path has rested, and so has the session: the first handshake, too, leaves by both. */
static void a_way_that_is_remembered_and_dead_costs_no_handshake(void **state)
{
	MESH(state);

	hub = m->c->host->at;
	talk(a, b, true, 20 * MS, 3 * SEC);
	assert_true(is_direct(a, b));
	sim_run(s, 1200 * SEC);
	assert_int_equal(host_path(a, b).state, PATH_IDLE);
	host_line(a)->passes = host_line(b)->passes = only_the_hub;
	assert_true(first_answer(a, b) <= 2 * relay_rtt(a, b, m) + 50 * MS);
}

/* b answers only what it gets, so a hears nothing of its own direction but by the relay. */
static void questions_and_answers_leave_a_path_that_is_dead_in_one_direction_once(void **state)
{
	MESH(state);
	struct friendship *ba = sim_friend(b, a), *ab = sim_friend(a, b);
	uint64_t sent, answered;
	unsigned moves;

	hub = m->c->host->at;
	plug_behind(a, &nat_home);
	plug_behind(b, &nat_home);
	sim_run(s, 3 * SEC);
	talk(a, b, true, 20 * MS, 5 * SEC);
	host_line(a)->passes = only_the_hub;
	sent = ab->sent;
	answered = ab->received;
	moves = a->moves;
	for (unsigned i = 0; i < 300; i++) {
		uint64_t had = ba->received;

		if (i < 250)
			host_send(a, b);
		for (unsigned k = 0; k < 10; k++) {
			sim_run(s, MS);
			for (; had < ba->received; had++)
				host_send(b, a);
		}
	}
	sim_run(s, SEC);
	assert_int_equal(ab->sent - sent, ab->received - answered);
	assert_true(is_relayed(a, b));
	assert_int_equal(a->moves, moves + 1);
}

/* --- who moves, and nobody is there who could tell the other --- */

/* For a moment there is no network at all; what is said meanwhile is not lost either. */
static void who_moves_while_the_coordinator_is_away_loses_nothing(void **state)
{
	static const struct nat_kind full = {.filtering = NAT_ENDPOINT_INDEPENDENT};
	MESH(state);

	plug_behind(b, &full);
	sim_run(s, 3 * SEC);
	talk(a, b, true, 10 * MS, 3 * SEC);
	coordinator_stop(m->c);
	talk(a, b, true, 10 * MS, 3 * SEC);
	for (ns_t gap = 0; gap <= 300 * MS; gap += 60 * MS) {
		assert_true(is_direct(a, b) && is_direct(b, a));
		if (gap)
			host_plug(a, 0, NULL);
		talk(a, b, true, 10 * MS, gap);
		host_plug(a, 0, s->internet);
		const ns_t stall = longest_stall(a, b, 3 * SEC);
		if (stall > 400 * MS + relay_rtt(a, b, m))
			fail_msg("after %lld ms: stood still for %lld ms", (long long)(gap / MS),
				(long long)(stall / MS));
		sim_run(s, SEC);
		const unsigned lost = (unsigned)(sim_friend(a, b)->sent - sim_friend(b, a)->received),
			       back = (unsigned)(sim_friend(b, a)->sent - sim_friend(a, b)->received);
		if (lost || back)
			fail_msg("after %lld ms: %u and %u packets were lost", (long long)(gap / MS), lost,
				back);
	}
}

/* --- networks that let one datagram of a flow pass in each direction --- */

static const struct nat_kind first_only = {.filtering = NAT_ADDRESS_AND_PORT_DEPENDENT, .first_only = true};

/* From a by its stream through the relay to b and back. */
static ns_t streamed_rtt(const struct host *b, const struct mesh *m)
{
	return 40 * MS + b->face[0].up.delay + m->c->host->face[0].up.delay;
}

static void an_answer_that_is_the_last_of_its_flow_costs_nothing(void **state)
{
	static const struct nat_kind *const others[] = {NULL, &nat_home, &symmetric};
	MESH(state);

	plug_behind(a, &first_only);
	for (unsigned i = 0; i < 4 * ARRAY_LEN(others); i++) {
		const struct nat_kind *other = others[i / 4];

		if (i % 4 == 0 && other)
			plug_behind(b, other);
		if (i % 4 == 2) { /* what one has learnt of the other is forgotten */
			host_restart(a);
			host_restart(b);
		}
		sim_run(s, i % 2 ? 900 * SEC : 20 * SEC);
		struct host *from = i % 4 < 2 ? a : b, *to = i % 4 < 2 ? b : a;
		const ns_t took = first_answer(from, to), allowed = 2 * streamed_rtt(b, m) + 50 * MS;
		if (took > allowed)
			fail_msg("%u: after %lld ms", i, (long long)(took / MS));
		const uint64_t lost = sim_friend(a, b)->sent + sim_friend(b, a)->sent -
				      sim_friend(a, b)->received - sim_friend(b, a)->received;
		talk(from, to, true, 20 * MS, 20 * SEC);
		sim_run(s, SEC);
		assert_true(is_relayed(a, b) && is_relayed(b, a));
		if (sim_friend(a, b)->sent + sim_friend(b, a)->sent !=
			sim_friend(a, b)->received + sim_friend(b, a)->received + lost)
			fail_msg("%u: packets were lost", i);
	}
}

/* --- relays that are away --- */

/* Longer than checks of one in use go on. Whatever was said in the last two seconds of it arrives. */
static void what_is_said_while_the_relay_is_away_arrives_when_it_is_back(void **state)
{
	MESH(state);
	ns_t stall;

	plug_behind(a, &symmetric);
	plug_behind(b, &symmetric);
	sim_run(s, 3 * SEC);
	for (ns_t away = 300 * MS; away < 1700 * MS; away += 100 * MS) {
		talk(a, b, true, 20 * MS, 5 * SEC);
		relay_stop(m->c->host->relay);
		talk(a, b, true, 20 * MS, away);
		relay_start(m->c->host->relay);
		stall = longest_stall(a, b, 5 * SEC);
		if (stall > 275 * MS + relay_rtt(a, b, m)) /* until it is asked again, and answers */
			fail_msg("after %lld ms it stood still for %lld more", (long long)(away / MS),
				(long long)(stall / MS));
		sim_run(s, SEC);
		if (sim_friend(a, b)->sent != sim_friend(b, a)->received)
			fail_msg("after %lld ms %u were lost", (long long)(away / MS),
				(unsigned)(sim_friend(a, b)->sent - sim_friend(b, a)->received));
	}
	expect_nothing_lost(a, b);
}

/* The first question for a session is lost at the relay; the check beside it is not. */
static bool loses_initiations;

static bool all_but_initiations(const struct datagram *dg)
{
	const size_t head = relay_get(dg->bytes, dg->n) ? RELAY_HEADER : 0;

	return !loses_initiations || wg_classify(dg->bytes + head, dg->n - head) != WG_INIT;
}

static void a_first_handshake_that_is_lost_is_repeated_as_soon_as_the_way_is_proved(void **state)
{
	MESH(state);

	plug_behind(a, &symmetric);
	plug_behind(b, &symmetric);
	sim_run(s, 60 * SEC);
	loses_initiations = true;
	host_line(a)->passes = all_but_initiations;
	host_send(a, b);
	sim_run(s, 5 * MS);
	loses_initiations = false;
	const uint64_t had = sim_friend(b, a)->received;
	sim_run(s, 3 * relay_rtt(a, b, m) + 100 * MS);
	assert_int_equal(sim_friend(b, a)->received, had + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RELAY_SCENARIO(a_direct_path_that_dies_is_left_for_the_relay_within_400_ms),
		RELAY_SCENARIO(what_is_sent_in_doubt_is_not_lost),
		RELAY_SCENARIO(nothing_is_lost_when_a_direct_path_dies),
		RELAY_SCENARIO(a_living_path_has_nothing_sent_again),
		RELAY_SCENARIO(a_living_path_is_not_left_whatever_flows_in_one_direction),
		RELAY_SCENARIO(after_a_silence_no_packet_is_lost_to_a_path_that_has_died),
		RELAY_SCENARIO(a_way_that_is_remembered_and_dead_costs_no_handshake),
		RELAY_SCENARIO(questions_and_answers_leave_a_path_that_is_dead_in_one_direction_once),
		RELAY_SCENARIO(who_moves_while_the_coordinator_is_away_loses_nothing),
		RELAY_SCENARIO(an_answer_that_is_the_last_of_its_flow_costs_nothing),
		RELAY_SCENARIO(what_is_said_while_the_relay_is_away_arrives_when_it_is_back),
		RELAY_SCENARIO(a_first_handshake_that_is_lost_is_repeated_as_soon_as_the_way_is_proved),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
