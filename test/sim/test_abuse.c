/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Stories about strangers, replays and load. */
#include "base/secret.h"
#include "crypto/hash.h"
#include "sim/story.h"

static struct endpoint stranger(unsigned n)
{
	return (struct endpoint){
		.ip = ip_v4_host(0xcb007100u + n), .port = (uint16_t)(1000 + n)}; /* 203.0.113.0/24 */
}

/* Signs a message with the right mac1, as anyone who knows the public key can. */
static void sign(struct datagram *dg, const struct host *to)
{
	struct cookie_jar jar;

	cookie_jar_init(&jar, to->pub);
	cookie_jar_sign(&jar, dg->bytes, dg->n, 0);
}

static void garbage_is_answered_by_silence(void **state)
{
	WORLD(state);
	uint64_t before;

	expect_connected(a, b);
	sim_run(s, 30 * SEC);
	before = host_datagrams(a) + host_datagrams(b);
	for (unsigned i = 0; i < 20000; i++) {
		struct datagram dg = {.from = stranger(i % 200), .to = b->at};

		dg.n = sim_random(s) % (i % 2 ? 200 : 256);
		sim_entropy(s, dg.bytes, dg.n);
		if (i % 4 && dg.n >= 4) { /* mostly well-formed headers */
			const size_t lengths[] = {0, WG_INIT_LEN, WG_RESPONSE_LEN, WG_COOKIE_REPLY_LEN, 100};
			unsigned type = 1 + i % 4;

			put_le32(dg.bytes, type);
			if (i % 3)
				dg.n = lengths[type];
		}
		sim_inject(s, &dg);
	}
	sim_run(s, 100 * SEC);
	assert_int_equal(host_datagrams(a) + host_datagrams(b), before);
	expect_connected(a, b);
}

static void truncated_replayed_and_changed_messages_are_answered_by_silence(void **state)
{
	WORLD(state);
	const struct way *way;
	uint64_t before;

	expect_connected(a, b);
	sim_run(s, 30 * SEC);
	before = host_datagrams(b);
	for (unsigned type = WG_INIT; type <= WG_DATA; type++) {
		for (size_t n = 0; n <= a->last[type].n; n++) {
			struct datagram dg = a->last[type];

			dg.from = stranger(1);
			dg.n = n;
			sim_inject(s, &dg);
		}
		for (size_t bit = 0; bit < 8 * a->last[type].n; bit++) {
			struct datagram dg = a->last[type];

			dg.from = stranger(2);
			dg.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
			sim_inject(s, &dg);
		}
	}
	sim_run(s, 5 * SEC);
	assert_int_equal(host_datagrams(b), before);
	way = atomic_load(&sim_friend(b, a)->p->way);
	assert_true(endpoint_eq(&way->to.remote, &a->at)); /* nobody moved it */
	assert_int_equal(sim_friend(b, a)->twice, 0);
	expect_connected(a, b);
}

static void a_replayed_initiation_is_refused_before_and_after_the_answer(void **state)
{
	WORLD(state);
	struct datagram init;

	host_send(a, b);
	sim_run(s, 15 * MS); /* b has answered, a does not know yet */
	init = a->last[WG_INIT];
	init.from = stranger(3);
	sim_inject(s, &init);
	assert_int_equal(b->verdicts[DEV_OLD_TIMESTAMP], 1);
	sim_run(s, 1 * SEC);
	sim_inject(s, &init);
	assert_int_equal(b->verdicts[DEV_OLD_TIMESTAMP], 2);
	sim_run(s, 300 * SEC);
	sim_inject(s, &init); /* long after the session is gone */
	assert_int_equal(b->verdicts[DEV_OLD_TIMESTAMP], 3);
	assert_int_equal(b->sent[WG_RESPONSE], 1);
	expect_connected(a, b);
}

static void a_recorded_initiation_is_refused_after_a_restart(void **state)
{
	WORLD(state);
	struct datagram init;

	host_send(a, b);
	sim_run(s, 1 * SEC);
	init = a->last[WG_INIT];
	init.from = stranger(3);
	host_restart(b);
	sim_inject(s, &init);
	assert_int_equal(b->verdicts[DEV_OLD_TIMESTAMP], 1);
	assert_int_equal(b->sent[WG_RESPONSE], 1); /* the one before the restart */
	sim_run(s, 60 * SEC);
	expect_connected(a, b);
}

static void a_replayed_response_is_refused(void **state)
{
	WORLD(state);
	struct datagram response;

	host_send(a, b);
	sim_run(s, 1 * SEC);
	response = b->last[WG_RESPONSE];
	response.from = stranger(4);
	sim_inject(s, &response);
	assert_int_equal(a->verdicts[DEV_NO_HANDSHAKE], 1);
	expect_connected(a, b);
}

static void a_forged_response_does_not_spoil_the_attempt(void **state)
{
	WORLD(state);
	struct datagram forged;

	host_line(b)->delay = 1 * SEC;
	host_send(a, b);
	sim_run(s, 100 * MS);
	forged = b->last[WG_RESPONSE];
	forged.bytes[20] ^= 1;
	sign(&forged, a);
	sim_inject(s, &forged);
	assert_int_equal(a->verdicts[DEV_DECRYPT], 1);
	sim_run(s, 2 * SEC);
	assert_true(host_has_session(a, b));
	assert_int_equal(a->sent[WG_INIT], 1);
}

static void an_unknown_key_gets_no_answer(void **state)
{
	WORLD(state);
	struct host *c = sim_host(s, "c");

	sim_add_friend(c, b, NULL, &b->at);
	host_send(c, b);
	sim_run(s, 20 * SEC);
	assert_int_equal(host_datagrams(b), 0);
	assert_true(b->verdicts[DEV_UNKNOWN_PEER] > 1);
}

static void initiations_faster_than_50_per_second_are_a_flood(void **state)
{
	WORLD(state);
	struct host *twin = sim_host(s, "twin"); /* the same key on a machine of bad manners */
	unsigned answered;

	memcpy(twin->priv, a->priv, 32);
	memcpy(twin->pub, a->pub, 32);
	for (unsigned i = 0; i < 20; i++) {
		twin->clock_offset += 1 * SEC;
		host_restart(twin);
		if (i == 0)
			sim_add_friend(twin, b, NULL, &b->at);
		device_want_session(twin->device, sim_friend(twin, b)->p, s->now);
		host_settle(twin);
		sim_run(s, 5 * MS);
	}
	sim_run(s, 50 * MS);
	answered = (unsigned)b->sent[WG_RESPONSE];
	assert_in_range(answered, 4, 6);
	assert_int_equal(b->verdicts[DEV_FLOOD], 20 - answered);
}

static void under_load_a_cookie_is_demanded_and_the_handshake_then_succeeds(void **state)
{
	WORLD(state);

	b->waiting = 100; /* the threshold */
	host_send(a, b);
	sim_run(s, 1 * SEC);
	assert_int_equal(a->sent[WG_INIT], 2); /* the cookie is used at once */
	assert_int_equal(b->sent[WG_RESPONSE], 1);
	assert_int_equal(b->sent[WG_COOKIE_REPLY], 1);
	expect_nothing_lost(a, b);
}

static void an_initiator_under_load_demands_a_cookie_for_the_answer_too(void **state)
{
	WORLD(state);

	a->waiting = 100;
	host_send(a, b);
	sim_run(s, 1 * SEC);
	assert_int_equal(a->sent[WG_COOKIE_REPLY], 1);
	assert_false(host_has_session(a, b));
	sim_run(s, 6 * SEC);
	assert_true(host_has_session(a, b));
	expect_nothing_lost(a, b);
}

static void load_lingers_for_a_second(void **state)
{
	WORLD(state);

	b->waiting = 100;
	host_send(a, b);
	sim_run(s, 11 * MS);
	b->waiting = 0;
	assert_int_equal(b->verdicts[DEV_NEED_COOKIE], 1);
	sim_inject(s, &a->last[WG_INIT]);
	assert_int_equal(b->verdicts[DEV_NEED_COOKIE], 2);
	sim_run(s, 1 * SEC);
	sim_inject(s, &a->last[WG_INIT]);
	assert_int_equal(b->verdicts[DEV_OK], 1);
}

static void a_cookie_is_bound_to_the_address_it_was_sent_to(void **state)
{
	WORLD(state);

	b->waiting = 100;
	host_line(a)->delay = 400 * MS;
	host_send(a, b);
	sim_run(s, 600 * MS);
	assert_int_equal(a->sent[WG_INIT], 2); /* the second, with the cookie, is under way */
	host_move(a); /* its answer finds nobody, the next try comes from elsewhere with the old cookie */
	sim_run(s, 5500 * MS);
	assert_int_equal(b->sent[WG_RESPONSE], 1);
	assert_int_equal(b->sent[WG_COOKIE_REPLY], 2);
	assert_int_equal(a->sent[WG_INIT], 3); /* one cookie after the other hurries nobody */
	sim_run(s, 6 * SEC);
	assert_int_equal(b->sent[WG_RESPONSE], 2);
	assert_true(host_has_session(a, b));
}

static void a_cookie_reply_never_moves_the_endpoint_and_a_forged_one_is_refused(void **state)
{
	WORLD(state);
	const struct way *way;
	struct datagram reply;

	b->waiting = 100;
	host_line(b)->loss = 1000; /* the genuine one is lost on the way */
	host_send(a, b);
	sim_run(s, 1 * SEC);
	reply = b->last[WG_COOKIE_REPLY];
	reply.to = a->at;
	reply.from = stranger(5);
	reply.bytes[40] ^= 1;
	sim_inject(s, &reply);
	assert_int_equal(a->verdicts[DEV_BAD_COOKIE], 1);
	reply.bytes[40] ^= 1;
	sim_inject(s, &reply);
	assert_int_equal(a->verdicts[DEV_OK], 1);
	sim_inject(s, &reply); /* it counts once */
	assert_int_equal(a->verdicts[DEV_BAD_COOKIE], 2);
	way = atomic_load(&sim_friend(a, b)->p->way);
	assert_true(endpoint_eq(&way->to.remote, &b->at));
}

static void under_load_one_source_gets_about_20_handshakes_a_second(void **state)
{
	WORLD(state);
	enum { CLIENTS = 12 };
	struct host *c[CLIENTS]; /* many keys behind one address: only the port differs */
	struct nat *t = nat_new(s, s->internet, &nat_home, "10.0.0.0/24");

	b->waiting = 100;
	for (size_t i = 0; i < CLIENTS; i++) {
		c[i] = sim_host_in(t->inside, "c");
		sim_befriend(c[i], b, NULL);
		host_send(c[i], b);
	}
	sim_run(s, 1 * SEC); /* cookies, and everyone tries with them */
	assert_int_equal(b->verdicts[DEV_NEED_COOKIE], CLIENTS);
	assert_int_equal(b->sent[WG_RESPONSE] + b->verdicts[DEV_RATE_LIMITED], CLIENTS);
	assert_in_range(b->sent[WG_RESPONSE], 5, 12);
	sim_run(s, 30 * SEC);
	for (size_t i = 0; i < CLIENTS; i++)
		assert_true(host_has_session(c[i], b));
}

static void under_load_a_stranger_without_mac1_still_gets_silence(void **state)
{
	WORLD(state);

	b->waiting = 1000;
	host_send(a, b);
	a->last[WG_INIT].bytes[WG_INIT_MAC1] ^= 1;
	sim_inject(s, &a->last[WG_INIT]);
	assert_int_equal(b->verdicts[DEV_BAD_MAC1], 1);
	assert_int_equal(host_datagrams(b), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENARIO(garbage_is_answered_by_silence),
		SCENARIO(truncated_replayed_and_changed_messages_are_answered_by_silence),
		SCENARIO(a_replayed_initiation_is_refused_before_and_after_the_answer),
		SCENARIO(a_recorded_initiation_is_refused_after_a_restart),
		SCENARIO(a_replayed_response_is_refused),
		SCENARIO(a_forged_response_does_not_spoil_the_attempt),
		SCENARIO(an_unknown_key_gets_no_answer),
		SCENARIO(initiations_faster_than_50_per_second_are_a_flood),
		SCENARIO(under_load_a_cookie_is_demanded_and_the_handshake_then_succeeds),
		SCENARIO(an_initiator_under_load_demands_a_cookie_for_the_answer_too),
		SCENARIO(load_lingers_for_a_second),
		SCENARIO(a_cookie_is_bound_to_the_address_it_was_sent_to),
		SCENARIO(a_cookie_reply_never_moves_the_endpoint_and_a_forged_one_is_refused),
		SCENARIO(under_load_one_source_gets_about_20_handshakes_a_second),
		SCENARIO(under_load_a_stranger_without_mac1_still_gets_silence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
