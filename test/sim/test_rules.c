/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Stories about when a host speaks by itself, and when it is silent. */
#include "sim/story.h"

static void idle_peers_fall_silent_for_an_hour(void **state)
{
	WORLD(state);
	uint64_t before;

	expect_connected(a, b);
	sim_run(s, 30 * SEC);
	before = s->wire_datagrams;
	sim_run(s, 3600 * SEC);
	assert_int_equal(s->wire_datagrams, before);
	assert_true(a->next == NS_NEVER); /* and nothing even wakes up */
	assert_true(b->next == NS_NEVER);
	expect_connected(a, b);
}

static void hosts_that_never_spoke_are_silent(void **state)
{
	WORLD(state);

	sim_run(s, 3600 * SEC);
	assert_int_equal(s->wire_datagrams, 0);
}

static void received_data_is_answered_by_a_keepalive_after_10_seconds(void **state)
{
	WORLD(state);

	host_send(a, b);
	sim_run(s, 9900 * MS);
	assert_int_equal(b->keepalives, 0);
	sim_run(s, 1 * SEC);
	assert_int_equal(b->keepalives, 1);
	sim_run(s, 60 * SEC);
	assert_int_equal(b->keepalives, 1); /* and a keepalive is not answered by one */
	assert_int_equal(a->keepalives, 0);
	assert_int_equal(a->sent[WG_INIT], 1); /* a is content */
}

static void whoever_answers_with_data_sends_no_keepalive(void **state)
{
	WORLD(state);

	expect_connected(a, b);
	for (unsigned i = 0; i < 60; i++) {
		host_send(a, b);
		sim_run(s, 500 * MS);
		host_send(b, a);
		sim_run(s, 500 * MS);
	}
	assert_int_equal(a->keepalives + b->keepalives, 0);
}

static void one_way_traffic_is_acknowledged_every_10_seconds(void **state)
{
	WORLD(state);

	for (unsigned i = 0; i < 100 * 10; i++) {
		host_send(a, b);
		sim_run(s, 100 * MS);
	}
	assert_in_range(b->keepalives, 8, 10);
	assert_int_equal(a->sent[WG_INIT], 1);
	expect_nothing_lost(a, b);
}

static void unanswered_data_starts_a_handshake_after_15_seconds(void **state)
{
	WORLD(state);

	expect_connected(a, b);
	sim_run(s, 12 * SEC);
	host_line(b)->loss = 1000;
	host_send(a, b);
	sim_run(s, 14900 * MS);
	assert_int_equal(a->sent[WG_INIT], 1);
	sim_run(s, 200 * MS);
	assert_int_equal(a->sent[WG_INIT], 2);
}

static void persistent_keepalives_are_sent_at_their_interval_only_when_idle(void **state)
{
	WORLD(state);
	uint64_t before;

	device_peer_set_keepalive(a->device, sim_friend(a, b)->p, 25, s->now);
	host_settle(a);
	sim_run(s, 1 * SEC);
	assert_true(host_has_session(a, b)); /* at once, not an interval later */
	before = a->keepalives;
	sim_run(s, 100 * SEC);
	assert_int_equal(a->keepalives, before + 4);
	before = a->keepalives;
	for (unsigned i = 0; i < 50; i++) {
		host_send(a, b);
		sim_run(s, 100 * MS);
		host_send(b, a);
		sim_run(s, 900 * MS);
	}
	assert_in_range(a->keepalives, before, before + 1); /* one may confirm a renewed session */
	sim_run(s, 3600 * SEC);
	assert_true(host_has_session(a, b)); /* an hour later the session is still there */
	device_peer_set_keepalive(a->device, sim_friend(a, b)->p, 0, s->now);
	sim_run(s, 20 * SEC);
	before = s->wire_datagrams;
	sim_run(s, 3600 * SEC);
	assert_int_equal(s->wire_datagrams, before);
}

static void a_persistent_keepalive_never_gives_up_and_never_hurries(void **state)
{
	WORLD(state);

	host_line(b)->loss = 1000;
	device_peer_set_keepalive(a->device, sim_friend(a, b)->p, 25, s->now);
	host_settle(a);
	sim_run(s, 1800 * SEC);
	assert_in_range(a->sent[WG_INIT], 100, 1800 / 5);
	host_line(b)->loss = 0;
	sim_run(s, 40 * SEC);
	assert_true(host_has_session(a, b));
}

static void behind_a_nat_that_forgets_after_a_minute(struct host *h)
{
	const struct nat_kind kind = {.filtering = NAT_ADDRESS_AND_PORT_DEPENDENT,
		.ports = NAT_RANDOM,
		.expiry = 60 * SEC,
		.refresh_inbound = true};

	host_plug(h, 0, nat_new(h->sim, h->sim->internet, &kind, "192.168.1.0/24")->inside);
}

static void a_persistent_keepalive_keeps_the_way_through_a_nat_open(void **state)
{
	WORLD(state);

	behind_a_nat_that_forgets_after_a_minute(a);
	device_peer_set_keepalive(a->device, sim_friend(a, b)->p, 25, s->now);
	host_settle(a);
	sim_run(s, 600 * SEC);
	host_send(b, a);
	sim_run(s, 1 * SEC);
	assert_int_equal(sim_friend(a, b)->received, 1);
}

static void without_it_the_nat_closes_until_the_inner_side_speaks(void **state)
{
	WORLD(state);

	behind_a_nat_that_forgets_after_a_minute(a);
	host_send(a, b);
	sim_run(s, 100 * SEC);
	host_send(b, a);
	sim_run(s, 1 * SEC);
	assert_int_equal(sim_friend(a, b)->received, 0);
	host_send(a, b); /* through a new mapping: b follows */
	sim_run(s, 1 * SEC);
	expect_connected(a, b);
}

static void retries_come_every_five_seconds_with_jitter_and_end_after_90(void **state)
{
	WORLD(state);
	ns_t last = 0, shortest = NS_NEVER, longest = 0, start = s->now;
	uint64_t seen = 0;

	host_line(b)->loss = 1000;
	host_send(a, b);
	while (s->now < start + 200 * SEC) {
		if (a->sent[WG_INIT] != seen) {
			seen = a->sent[WG_INIT];
			if (last) {
				shortest = ns_min(shortest, s->now - last);
				longest = MAX(longest, s->now - last);
			}
			last = s->now;
		}
		sim_run(s, 1 * MS);
	}
	assert_in_range(seen, 17, 18);
	assert_true(last - start < 90 * SEC);
	assert_true(shortest >= 5 * SEC && longest <= 5 * SEC + 340 * MS);
	assert_true(longest - shortest > 20 * MS);
	assert_int_equal(sim_friend(a, b)->dropped, 1); /* what waited is dropped, and counted */
	assert_true(a->next == NS_NEVER);

	host_line(b)->loss = 0;
	expect_connected(a, b); /* new data starts anew */
}

static void new_data_extends_the_tries(void **state)
{
	WORLD(state);

	host_line(b)->loss = 1000;
	for (unsigned i = 0; i < 20; i++) {
		host_send(a, b);
		sim_run(s, 20 * SEC);
	}
	assert_in_range(a->sent[WG_INIT], 70, 81);
	assert_int_equal(sim_friend(a, b)->dropped, 0);
}

static void initiations_are_never_closer_than_five_seconds(void **state)
{
	WORLD(state);
	ns_t last = 0;
	uint64_t seen = 0;

	host_set_line(b, 700, 0, 0, 0);
	for (unsigned i = 0; i < 6000; i++) {
		if (i % 7 == 0)
			host_send(a, b);
		if (i % 50 == 0)
			device_want_session(a->device, sim_friend(a, b)->p, s->now);
		if (i % 300 == 0)
			assert_int_equal(device_peer_set_way(a->device, sim_friend(a, b)->p,
						 &(struct way_to){.remote = b->at}, s->now),
				TM_OK);
		sim_run(s, 50 * MS);
		if (a->sent[WG_INIT] == seen)
			continue;
		assert_int_equal(a->sent[WG_INIT], seen + 1);
		assert_true(!last || s->now - last >= 5 * SEC - 50 * MS);
		seen = a->sent[WG_INIT];
		last = s->now;
	}
	assert_true(seen > 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENARIO(idle_peers_fall_silent_for_an_hour),
		SCENARIO(hosts_that_never_spoke_are_silent),
		SCENARIO(received_data_is_answered_by_a_keepalive_after_10_seconds),
		SCENARIO(whoever_answers_with_data_sends_no_keepalive),
		SCENARIO(one_way_traffic_is_acknowledged_every_10_seconds),
		SCENARIO(unanswered_data_starts_a_handshake_after_15_seconds),
		SCENARIO(persistent_keepalives_are_sent_at_their_interval_only_when_idle),
		SCENARIO(a_persistent_keepalive_never_gives_up_and_never_hurries),
		SCENARIO(a_persistent_keepalive_keeps_the_way_through_a_nat_open),
		SCENARIO(without_it_the_nat_closes_until_the_inner_side_speaks),
		SCENARIO(retries_come_every_five_seconds_with_jitter_and_end_after_90),
		SCENARIO(new_data_extends_the_tries),
		SCENARIO(initiations_are_never_closer_than_five_seconds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
