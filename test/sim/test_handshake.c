/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Stories about two hosts finding each other. */
#include "sim/story.h"

static void the_first_packet_starts_a_handshake_and_arrives(void **state)
{
	WORLD(state);

	host_send(a, b);
	sim_run(s, 100 * MS);
	expect_nothing_lost(a, b);
	assert_int_equal(a->sent[WG_INIT], 1);
	assert_int_equal(b->sent[WG_RESPONSE], 1);
	assert_int_equal(a->keepalives, 0); /* the packet itself confirms the keys */
	assert_true(host_has_session(a, b) && host_has_session(b, a));
	expect_connected(a, b);
	assert_int_equal(a->sent[WG_INIT] + b->sent[WG_INIT], 1);
}

static void either_side_may_start(void **state)
{
	WORLD(state);

	host_send(b, a);
	sim_run(s, 100 * MS);
	expect_nothing_lost(a, b);
	assert_int_equal(b->sent[WG_INIT], 1);
	expect_connected(a, b);
}

static void with_nothing_staged_an_empty_packet_confirms_the_keys(void **state)
{
	WORLD(state);

	device_want_session(a->device, sim_friend(a, b)->p, s->now);
	host_settle(a);
	sim_run(s, 100 * MS);
	assert_int_equal(a->keepalives, 1);
	assert_true(host_has_session(b, a));
}

static void the_responder_sends_nothing_under_keys_that_are_not_confirmed(void **state)
{
	WORLD(state);

	host_line(b)->delay = 1 * SEC; /* a will not have the answer yet */
	host_send(a, b);
	sim_run(s, 100 * MS);
	assert_int_equal(b->sent[WG_RESPONSE], 1);
	assert_false(host_has_session(b, a));
	host_send(b, a);
	sim_run(s, 100 * MS);
	assert_int_equal(b->sent[WG_DATA], 0);
	assert_int_equal(b->sent[WG_INIT], 0);
	sim_run(s, 3 * SEC);
	expect_nothing_lost(a, b);
	assert_int_equal(b->sent[WG_INIT], 0);
}

static void a_handshake_gets_through_with_30_percent_loss(void **state)
{
	WORLD(state);

	for (unsigned seed = 0; seed < 20; seed++) {
		struct sim *t = sim_new(seed);
		struct host *c = sim_host(t, "c"), *d = sim_host(t, "d");

		sim_befriend(c, d, NULL);
		host_set_line(c, 300, 0, 0, 0);
		host_set_line(d, 300, 0, 0, 0);
		host_send(c, d);
		sim_run(t, 80 * SEC);
		if (!host_has_session(c, d))
			fail_msg("no session after 80 s (seed %u)", seed);
		sim_free(t);
	}
}

static void duplicated_and_reordered_handshakes_make_one_session(void **state)
{
	WORLD(state);

	host_set_line(a, 0, 1000, 0, 200 * MS);
	host_set_line(b, 0, 1000, 0, 200 * MS);
	host_send(a, b);
	sim_run(s, 4 * SEC);
	expect_nothing_lost(a, b);
	assert_int_equal(b->sent[WG_RESPONSE], 1);
	assert_int_equal(sim_friend(a, b)->ups, 1);
	assert_int_equal(sim_friend(b, a)->ups, 1);
	for (unsigned i = 0; i < 200; i++)
		host_send(a, b);
	sim_run(s, 4 * SEC);
	expect_nothing_lost(a, b);
}

static void simultaneous_initiations_converge(void **state)
{
	WORLD(state);

	host_send(a, b);
	host_send(b, a);
	sim_run(s, 1 * SEC);
	expect_nothing_lost(a, b);
	assert_int_equal(a->sent[WG_INIT], 1);
	assert_int_equal(b->sent[WG_INIT], 1);
	for (unsigned i = 0; i < 100; i++)
		expect_connected(a, b);
	expect_nothing_lost(a, b);
}

static void simultaneous_initiations_converge_when_an_answer_is_lost(void **state)
{
	WORLD(state);

	for (unsigned seed = 0; seed < 50; seed++) {
		struct sim *t = sim_new(seed);
		struct host *c = sim_host(t, "c"), *d = sim_host(t, "d");

		sim_befriend(c, d, NULL);
		host_set_line(c, 400, 100, 0, 30 * MS);
		host_set_line(d, 400, 100, 0, 30 * MS);
		host_send(c, d);
		host_send(d, c);
		sim_run(t, 10 * SEC);
		host_set_line(c, 0, 0, 0, 0);
		host_set_line(d, 0, 0, 0, 0);
		sim_run(t, 30 * SEC);
		expect_connected(c, d);
		sim_free(t);
	}
}

static void different_pre_shared_keys_make_no_session(void **state)
{
	WORLD(state);
	struct host *c = sim_host(s, "c"), *d = sim_host(s, "d");
	const uint8_t psk[32] = {1}, other[32] = {2};

	sim_add_friend(c, d, psk, &d->at);
	sim_add_friend(d, c, other, &c->at);
	host_send(c, d);
	sim_run(s, 20 * SEC);
	assert_false(host_has_session(c, d));
	assert_false(host_has_session(d, c));
	assert_true(c->verdicts[DEV_DECRYPT] > 0);

	/* The right key, and the next try succeeds. */
	device_peer_set_psk(d->device, sim_friend(d, c)->p, psk);
	sim_run(s, 10 * SEC);
	assert_true(host_has_session(c, d) && host_has_session(d, c));
	expect_nothing_lost(c, d);
}

static void a_changed_psk_counts_from_the_next_handshake(void **state)
{
	WORLD(state);
	const uint8_t psk[32] = {7};

	expect_connected(a, b);
	device_peer_set_psk(a->device, sim_friend(a, b)->p, psk);
	expect_connected(a, b); /* the running session goes on */
	assert_int_equal(a->sent[WG_INIT] + b->sent[WG_INIT], 2);
	sim_run(s, 200 * SEC);
	host_send(a, b);
	sim_run(s, 1 * SEC);
	assert_false(host_has_session(a, b)); /* only one side changed: no new session */
	device_peer_set_psk(b->device, sim_friend(b, a)->p, psk);
	sim_run(s, 10 * SEC);
	assert_true(host_has_session(a, b));
	expect_connected(a, b);
}

static void without_an_endpoint_one_is_wanted_and_the_handshake_starts_when_it_arrives(void **state)
{
	WORLD(state);
	struct host *c = sim_host(s, "c"), *d = sim_host(s, "d");

	sim_add_friend(c, d, NULL, NULL);
	sim_add_friend(d, c, NULL, NULL);
	host_send(c, d);
	assert_int_equal(sim_friend(c, d)->want_way, 1);
	sim_run(s, 12 * SEC);
	assert_true(sim_friend(c, d)->want_way >= 3);
	assert_int_equal(host_datagrams(c), 0);
	assert_int_equal(device_peer_set_way(
				 c->device, sim_friend(c, d)->p, &(struct way_to){.remote = d->at}, s->now),
		TM_OK);
	host_send(c, d);
	assert_int_equal(c->sent[WG_INIT], 1);
	sim_run(s, 100 * MS);
	expect_nothing_lost(c, d);
}

static void the_retry_goes_to_the_current_endpoint_and_forgets_the_sticky_source(void **state)
{
	WORLD(state);
	struct endpoint wrong = b->at;
	const struct ip sticky = a->at.ip;
	struct peer *p = sim_friend(a, b)->p;

	wrong.ip.bytes[2] = 77;
	assert_int_equal(
		device_peer_set_way(a->device, p,
			&(struct way_to){.remote = wrong, .local = sticky, .local_ifindex = 3}, s->now),
		TM_OK);
	host_send(a, b);
	assert_true(ip_eq(&a->last_local, &sticky));
	sim_run(s, 1 * SEC);
	assert_int_equal(
		device_peer_set_way(a->device, p,
			&(struct way_to){.remote = b->at, .local = sticky, .local_ifindex = 3}, s->now),
		TM_OK);
	assert_int_equal(a->sent[WG_INIT], 1); /* at most one per REKEY_TIMEOUT, whatever happens */
	sim_run(s, 5 * SEC);
	assert_int_equal(a->sent[WG_INIT], 2);
	assert_int_equal(a->last_local.family, IP_NONE);
	expect_nothing_lost(a, b);
}

static void many_hosts_all_meet(void **state)
{
	WORLD(state);
	struct host *h[6];

	for (size_t i = 0; i < ARRAY_LEN(h); i++) {
		h[i] = sim_host(s, "n");
		for (size_t k = 0; k < i; k++)
			sim_befriend(h[i], h[k], NULL);
	}
	for (size_t i = 0; i < ARRAY_LEN(h); i++) {
		for (size_t k = 0; k < ARRAY_LEN(h); k++) {
			if (i != k)
				host_send(h[i], h[k]);
		}
	}
	sim_run(s, 10 * SEC);
	for (size_t i = 0; i < ARRAY_LEN(h); i++) {
		for (size_t k = 0; k < i; k++) {
			expect_connected(h[i], h[k]);
			expect_nothing_lost(h[i], h[k]);
		}
	}
}

static void the_same_seed_gives_the_same_run(void **state)
{
	uint64_t hash[2], count[2];
	WORLD(state);

	for (unsigned i = 0; i < 2; i++) {
		struct sim *t = sim_new(99);
		struct host *c = sim_host(t, "c"), *d = sim_host(t, "d");

		sim_befriend(c, d, NULL);
		host_set_line(c, 200, 200, 100, 50 * MS);
		for (unsigned k = 0; k < 100; k++) {
			host_send(c, d);
			sim_run(t, 1 * SEC);
		}
		hash[i] = t->wire_hash;
		count[i] = t->wire_datagrams;
		sim_free(t);
	}
	assert_true(hash[0] == hash[1]);
	assert_true(count[0] == count[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENARIO(the_first_packet_starts_a_handshake_and_arrives),
		SCENARIO(either_side_may_start),
		SCENARIO(with_nothing_staged_an_empty_packet_confirms_the_keys),
		SCENARIO(the_responder_sends_nothing_under_keys_that_are_not_confirmed),
		SCENARIO(a_handshake_gets_through_with_30_percent_loss),
		SCENARIO(duplicated_and_reordered_handshakes_make_one_session),
		SCENARIO(simultaneous_initiations_converge),
		SCENARIO(simultaneous_initiations_converge_when_an_answer_is_lost),
		SCENARIO(different_pre_shared_keys_make_no_session),
		SCENARIO(a_changed_psk_counts_from_the_next_handshake),
		SCENARIO(without_an_endpoint_one_is_wanted_and_the_handshake_starts_when_it_arrives),
		SCENARIO(the_retry_goes_to_the_current_endpoint_and_forgets_the_sticky_source),
		SCENARIO(many_hosts_all_meet),
		SCENARIO(the_same_seed_gives_the_same_run),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
