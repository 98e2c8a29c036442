/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Stories about relays: at once through one, directly as soon as possible, and nobody notices the change. */
#include "sim/relay_story.h"

static void two_idle_nodes_behind_symmetric_nats_answer_at_once(void **state)
{
	MESH(state);
	ns_t took;

	plug_behind(a, &symmetric);
	plug_behind(b, &symmetric);
	sim_run(s, 3600 * SEC);
	took = first_answer(a, b);
	assert_true(took <= 2 * relay_rtt(a, b, m) + 50 * MS);
	assert_true(is_relayed(a, b) && is_relayed(b, a));
	talk(a, b, true, 20 * MS, 60 * SEC);
	assert_true(is_relayed(a, b) && is_relayed(b, a));
	sim_run(s, SEC);
	expect_nothing_lost(a, b);
}

static void the_first_packet_goes_through_the_relay_and_the_next_ones_directly(void **state)
{
	MESH(state);
	ns_t took;

	plug_behind(a, &nat_home);
	plug_behind(b, &nat_home);
	sim_run(s, 3 * SEC);
	took = first_answer(a, b);
	assert_true(took <= 2 * relay_rtt(a, b, m) + 50 * MS);
	talk(a, b, true, 20 * MS, 2 * SEC);
	assert_true(is_direct(a, b) && is_direct(b, a));
	assert_true(a->uses <= 6 && b->uses <= 6);
	sim_run(s, SEC);
	expect_nothing_lost(a, b);
}

static void an_idle_member_talks_to_its_relay_alone(void **state)
{
	MESH(state);
	uint64_t datagrams, checks;

	plug_behind(a, &nat_home);
	sim_run(s, 3 * SEC);
	talk(a, b, true, 100 * MS, 5 * SEC);
	sim_run(s, 200 * SEC);
	datagrams = host_datagrams(a);
	checks = a->checks + b->checks;
	sim_run(s, 3600 * SEC);
	assert_int_equal(a->checks + b->checks, checks);
	assert_in_range(host_datagrams(a) - datagrams, 144, 200);
}

/* --- relays that come and go --- */

static void a_restart_of_the_relay_costs_little(void **state)
{
	MESH(state);
	ns_t stall;

	plug_behind(a, &symmetric);
	plug_behind(b, &symmetric);
	sim_run(s, 3 * SEC);
	talk(a, b, true, 20 * MS, 5 * SEC);
	for (unsigned i = 0; i < 5; i++) {
		relay_restart(m->c->host->relay);
		stall = longest_stall(a, b, 5 * SEC);
		if (stall > 100 * MS + 2 * relay_rtt(a, b, m))
			fail_msg("stood still for %lld ms", (long long)(stall / MS));
		assert_true(is_relayed(a, b) && is_relayed(b, a));
	}
	sim_run(s, SEC);
	expect_nothing_lost(a, b);
}

static void a_host_without_udp_is_reached_through_its_stream(void **state)
{
	MESH(state);

	plug_behind(a, &symmetric);
	plug_behind(b, &symmetric);
	host_line(a)->blocked = true;
	sim_run(s, 20 * SEC);
	assert_true(first_answer(a, b) <= SEC);
	talk(a, b, true, 20 * MS, 60 * SEC);
	assert_int_equal(host_path(a, b).way.kind, WAY_RELAY_TCP);
	assert_true(is_relayed(b, a));
	/* What lies behind the relay takes all that a tunnel sends. */
	assert_int_equal(host_path(a, b).mtu, 1420);
	assert_int_equal(host_path(b, a).mtu, 1420);
	sim_run(s, SEC);
	expect_nothing_lost(a, b);
	/* And as soon as UDP passes, it is used. */
	host_line(a)->blocked = false;
	talk(a, b, true, 20 * MS, 60 * SEC);
	assert_int_equal(host_path(a, b).way.kind, WAY_RELAY_UDP);
	sim_run(s, SEC);
	expect_nothing_lost(a, b);
}

/* Also whoever never had an address says so: others need not look for one. */
static void a_host_that_starts_without_udp_tells_it_and_when_that_is_over(void **state)
{
	MESH(state);

	host_line(a)->blocked = true;
	host_restart(a);
	sim_run(s, 20 * SEC);
	assert_int_equal(host_mine(a)->nat.mapping, NAT_BLOCKED);
	host_line(a)->blocked = false;
	sim_run(s, 30 * SEC);
	assert_int_not_equal(host_mine(a)->nat.mapping, NAT_BLOCKED);
}

/* Its stream is up after 0.7 s. Whoever asked for it after 0.4 would check again after 0.9, and then ever
 * more seldom: that is not waited for, where it was told that somebody looks for it. */
static void who_starts_without_udp_is_reached_when_its_stream_is_there(void **state)
{
	MESH(state);
	unsigned rounds = 0;

	plug_behind(a, &symmetric);
	plug_behind(b, &symmetric);
	host_line(a)->blocked = true;
	sim_run(s, 20 * SEC);
	for (unsigned tries = 0; rounds < 3; tries++) {
		ns_t since = 400 * MS;

		assert_true(tries < 100);
		host_restart(a);
		host_restart(b);
		sim_run(s, since);
		if (!a->link->up || !b->link->up) /* back at its own pace */
			continue;
		rounds++;
		since += first_answer(b, a);
		if (since > 900 * MS)
			fail_msg("answered %lld ms after its start", (long long)(since / MS));
		sim_run(s, 20 * SEC);
	}
}

static void when_udp_is_suddenly_blocked_the_stream_takes_over(void **state)
{
	MESH(state);
	ns_t stall;

	plug_behind(a, &nat_home);
	plug_behind(b, &nat_home);
	sim_run(s, 3 * SEC);
	talk(a, b, true, 20 * MS, 5 * SEC);
	assert_true(is_direct(a, b));
	host_line(a)->blocked = true;
	stall = longest_stall(a, b, 10 * SEC);
	if (stall > 1500 * MS)
		fail_msg("stood still for %lld ms", (long long)(stall / MS));
	assert_int_equal(host_path(a, b).way.kind, WAY_RELAY_TCP);
	host_line(a)->blocked = false;
	talk(a, b, true, 20 * MS, 90 * SEC);
	assert_true(is_direct(a, b) && is_direct(b, a));
}

/* A node that talks to many has one stream, which each of them would ask. */
static void a_stream_that_stands_by_is_asked_nothing_while_something_better_works(void **state)
{
	MESH(state);
	const struct host *c = m->c->host;

	plug_behind(a, &nat_home);
	plug_behind(b, &nat_home);
	sim_run(s, 3 * SEC);
	for (unsigned i = 0; i < 3; i++) {
		talk(a, b, true, 20 * MS, 20 * SEC);
		sim_run(s, 60 * SEC);
	}
	assert_true(is_direct(a, b) && is_direct(b, a));
	assert_int_equal(relay_streamed(a, c) + relay_streamed(b, c), 0);
	/* And is there when it is needed. */
	host_line(a)->blocked = true;
	talk(a, b, true, 20 * MS, 5 * SEC);
	assert_int_equal(host_path(a, b).way.kind, WAY_RELAY_TCP);
	assert_true(relay_streamed(a, c) > 0);
}

/* The coordinator is a peer of the one whose only way is the stream to it. */
static struct host *with_streaming_peer(struct mesh *m)
{
	sim_meet(m->a, m->c->host);
	plug_behind(m->a, &symmetric);
	host_line(m->a)->blocked = true;
	sim_run(m->s, 20 * SEC);
	return m->c->host;
}

static void a_coordinator_that_relays_reaches_a_member_without_udp(void **state)
{
	MESH(state);
	struct host *c = with_streaming_peer(m);

	assert_true(first_answer(a, c) <= SEC);
	talk(a, c, true, 20 * MS, 20 * SEC);
	assert_true(is_relayed(a, c) && is_relayed(c, a));
}

/* What it knew of the path ended with the stream, and no packet has to find that out. */
static void a_coordinator_that_relays_follows_a_member_to_its_next_stream(void **state)
{
	MESH(state);
	struct host *c = with_streaming_peer(m);

	talk(a, c, true, 20 * MS, 20 * SEC);
	sim_run(s, 10 * SEC);
	for (unsigned i = 0; i < 5; i++) {
		relay_break_stream(a, c);
		sim_run(s, SEC);
		const ns_t took = first_answer(c, a);
		if (took > 100 * MS)
			fail_msg("%u: %lld ms", i, (long long)(took / MS));
		assert_true(is_relayed(a, c) && is_relayed(c, a));
		sim_run(s, 10 * SEC);
	}
}

/* --- a relay of one's own --- */

static void each_is_reached_through_its_home_relay(void **state)
{
	MESH(state);
	struct host *near = sim_member(s->internet, m->c, "near");

	m->c->host->face[0].up.delay = 100 * MS;
	relay_new(near);
	plug_behind(a, &symmetric);
	plug_behind(b, &symmetric);
	host_restart(a);
	host_restart(b);
	sim_run(s, 20 * SEC);
	assert_int_equal(relay_members(near->relay), 2);
	talk(a, b, true, 20 * MS, 10 * SEC);
	assert_true(is_relayed(a, b) && is_relayed(b, a));
	expect_relay(a, b, near);
	expect_relay(b, a, near);
	relay_stop(near->relay); /* and without it, through the coordinator's */
	talk(a, b, true, 20 * MS, 20 * SEC);
	expect_relay(a, b, m->c->host);
	expect_connected(a, b);
}

static void a_member_that_moves_is_reached_directly_again(void **state)
{
	MESH(state);
	const struct nat_kind port = {.filtering = NAT_ADDRESS_AND_PORT_DEPENDENT, .ports = NAT_RANDOM};

	plug_behind(b, &port);
	sim_run(s, 3 * SEC);
	for (unsigned i = 0; i < 5; i++) {
		talk(a, b, true, 20 * MS, 5 * SEC);
		assert_true(is_direct(a, b) && is_direct(b, a));
		host_move(a);
		talk(a, b, true, 20 * MS, 5 * SEC);
		assert_true(is_direct(a, b) && is_direct(b, a));
	}
}

/* Its question for the peer's addresses got lost with the link; the peer, which asked for nothing, is told of
 * the new address only by the next one. */
static void one_that_moves_asks_again_when_its_link_is_back(void **state)
{
	MESH(state);
	const struct nat_kind port = {.filtering = NAT_ADDRESS_AND_PORT_DEPENDENT, .ports = NAT_RANDOM};

	plug_behind(b, &port);
	sim_run(s, 3 * SEC);
	first_answer(a, b);
	talk(a, b, true, 20 * MS, 5 * SEC);
	assert_true(is_direct(a, b) && is_direct(b, a));
	host_plug(a, 0, s->internet);
	talk(a, b, true, 20 * MS, 1500 * MS);
	assert_true(is_direct(a, b) && is_direct(b, a));
}

/* --- why, in words --- */

static void each_core_knows_why_a_path_is_not_direct(void **state)
{
	MESH(state);

	assert_int_equal(host_path(a, b).not_direct, PATH_NOT_UNUSED);
	host_send(a, b);
	sim_run(s, 5 * MS);
	assert_int_equal(host_path(a, b).not_direct, PATH_NOT_UNKNOWN);
	while (host_path(a, b).not_direct == PATH_NOT_UNKNOWN)
		sim_run(s, MS);
	assert_int_equal(host_path(a, b).not_direct, PATH_NOT_TRYING);
	talk(a, b, true, 20 * MS, 2 * SEC);
	assert_int_equal(host_path(a, b).not_direct, PATH_NOT_NOTHING);

	/* What a router does shows only where two are asked. */
	struct host *another = sim_member(s->internet, m->c, "another");
	relay_new(another);
	plug_behind(a, &symmetric);
	plug_behind(b, &symmetric);
	sim_run(s, 20 * SEC);
	talk(a, b, true, 20 * MS, 20 * SEC);
	assert_int_equal(host_path(a, b).not_direct, PATH_NOT_SYMMETRIC);
	assert_true(strcmp(host_path(a, b).relay, m->c->host->id) == 0 ||
		    strcmp(host_path(a, b).relay, another->id) == 0);
	assert_true(s->now - host_path(a, b).since >= 15 * SEC);
	host_line(a)->blocked = true;
	talk(a, b, true, 20 * MS, 60 * SEC);
	assert_int_equal(host_path(a, b).not_direct, PATH_NOT_UDP);
	assert_int_equal(host_path(b, a).not_direct, PATH_NOT_UDP_THERE);
	/* All the time: also when addresses are tried once more. */
	for (unsigned i = 0; i < 60; i++) {
		talk(a, b, true, 20 * MS, SEC);
		assert_int_equal(host_path(b, a).not_direct, PATH_NOT_UDP_THERE);
	}
	host_line(a)->blocked = false;
	talk(a, b, true, 20 * MS, 60 * SEC);
	assert_int_equal(host_path(a, b).not_direct, PATH_NOT_SYMMETRIC);
	assert_int_equal(host_path(b, a).not_direct, PATH_NOT_SYMMETRIC);
}

/* The coordinator is what tells both sides of new addresses: without it they tell each other, by the relay
 * that carries them meanwhile. */
static void who_moves_while_the_coordinator_is_away_is_reached_directly_again(void **state)
{
	MESH(state);
	struct host *near = sim_member(s->internet, m->c, "near");

	m->c->host->face[0].up.delay = 100 * MS;
	relay_new(near);
	plug_behind(a, &nat_home);
	plug_behind(b, &nat_home);
	host_restart(a);
	host_restart(b);
	sim_run(s, 20 * SEC);
	talk(a, b, true, 20 * MS, 5 * SEC);
	assert_true(is_direct(a, b) && is_direct(b, a));
	coordinator_stop(m->c);
	relay_stop(m->c->host->relay);
	for (unsigned i = 0; i < 3; i++) {
		plug_behind(i % 2 ? b : a, &nat_home);
		talk(a, b, true, 20 * MS, 60 * SEC);
		if (!is_direct(a, b) || !is_direct(b, a))
			fail_msg("after %u moves", i + 1);
		expect_connected(a, b);
	}
	sim_run(s, 60 * SEC); /* then they are silent about it */
	const unsigned checks = a->checks + b->checks;
	sim_run(s, 300 * SEC);
	assert_int_equal(a->checks + b->checks, checks);
}

/* Whoever is to guess ports waits for that. What firewalls do takes longer to be known. */
static void how_ports_are_mapped_is_told_soon_after_the_start(void **state)
{
	static const struct {
		const struct nat_kind *kind;
		enum nat_maps told;
	} rows[] = {{&symmetric, NAT_DEPENDENT}, {&nat_home, NAT_INDEPENDENT}};
	MESH(state);

	host_open_doors(m->c->host);
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		plug_behind(a, rows[i].kind);
		sim_run(s, 20 * SEC);
		host_restart(a);
		sim_run(s, 250 * MS);
		assert_int_equal(host_mine(a)->nat.mapping, rows[i].told);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RELAY_SCENARIO(two_idle_nodes_behind_symmetric_nats_answer_at_once),
		RELAY_SCENARIO(the_first_packet_goes_through_the_relay_and_the_next_ones_directly),
		RELAY_SCENARIO(an_idle_member_talks_to_its_relay_alone),
		RELAY_SCENARIO(a_restart_of_the_relay_costs_little),
		RELAY_SCENARIO(a_host_without_udp_is_reached_through_its_stream),
		RELAY_SCENARIO(a_host_that_starts_without_udp_tells_it_and_when_that_is_over),
		RELAY_SCENARIO(who_starts_without_udp_is_reached_when_its_stream_is_there),
		RELAY_SCENARIO(when_udp_is_suddenly_blocked_the_stream_takes_over),
		RELAY_SCENARIO(a_stream_that_stands_by_is_asked_nothing_while_something_better_works),
		RELAY_SCENARIO(a_coordinator_that_relays_reaches_a_member_without_udp),
		RELAY_SCENARIO(a_coordinator_that_relays_follows_a_member_to_its_next_stream),
		RELAY_SCENARIO(each_is_reached_through_its_home_relay),
		RELAY_SCENARIO(a_member_that_moves_is_reached_directly_again),
		RELAY_SCENARIO(one_that_moves_asks_again_when_its_link_is_back),
		RELAY_SCENARIO(how_ports_are_mapped_is_told_soon_after_the_start),
		RELAY_SCENARIO(each_core_knows_why_a_path_is_not_direct),
		RELAY_SCENARIO(who_moves_while_the_coordinator_is_away_is_reached_directly_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
