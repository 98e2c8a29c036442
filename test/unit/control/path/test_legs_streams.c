/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Streams to relays: which of them stand by, when, and what proves one. */
#include "unit/control/path/legs_scene.h"

static void a_stream_stands_by_while_there_is_traffic_and_where_udp_does_not_pass(void **state)
{
	struct scene *s = *state;
	struct way_to v[LEGS_WAYS_MAX];

	begin(s, 1);
	assert_int_equal(s->opened, 0);
	(void)ways(s, true, v); /* there is traffic */
	run(s, SEC);
	assert_int_equal(s->opened, 1);
	legs_stream(&s->legs, ids[HUB], 5, &s->told[HUB].v[0], s->now);
	assert_int_equal(ways(s, false, v), 2);
	assert_int_equal(v[1].kind, WAY_RELAY_TCP);
	assert_int_equal(v[1].socket, 5);
	run(s, 300 * SEC);
	assert_int_equal(s->closed, 1);
	assert_int_equal(ways(s, false, v), 1);

	s->deaf[0] = s->deaf[1] = true;
	run(s, 60 * SEC);
	assert_int_equal(s->opened, 2);
	run(s, 3600 * SEC);
	assert_int_equal(s->closed, 1);
	legs_stream(&s->legs, ids[HUB], 6, &s->told[HUB].v[0], s->now);
	assert_int_equal(ways(s, false, v), 1);
	assert_int_equal(v[0].kind, WAY_RELAY_TCP);
	s->deaf[0] = false;
	run(s, 60 * SEC);
	assert_int_equal(s->closed, 2);
}

static void each_time_that_udp_falls_silent_the_stream_is_claimed_at_once(void **state)
{
	struct scene *s = *state;
	struct way_to v[LEGS_WAYS_MAX];

	begin(s, 1);
	(void)ways(s, true, v); /* there is traffic */
	run(s, SEC);
	legs_stream(&s->legs, ids[HUB], 5, &s->told[HUB].v[0], s->now);
	assert_int_equal(ways(s, false, v), 2);
	for (unsigned i = 1; i < 4; i++) {
		(void)ways(s, false, v); /* of which family may have changed */
		s->deaf[0] = s->deaf[1] = true;
		legs_doubt(&s->legs, &v[0], s->now);
		run(s, 2 * SEC);
		assert_int_equal(s->claims, i);
		s->deaf[0] = s->deaf[1] = false;
		run(s, 5 * SEC);
	}
}

/* It may have started anew, and know us no more: also when it answered just now, or has not answered yet. */
static void a_relay_that_ends_the_stream_is_asked_at_once(void **state)
{
	struct scene *s = *state;
	struct way_to v[LEGS_WAYS_MAX];

	begin(s, 1);
	(void)ways(s, true, v); /* there is traffic */
	run(s, 5 * SEC);
	for (unsigned i = 0; i < 3; i++) {
		legs_stream(&s->legs, ids[HUB], 5, &s->told[HUB].v[0], s->now);
		run(s, i ? 300 * MS : 5 * SEC);
		s->rtt[HUB] = i ? 0 : 50 * MS;
		const unsigned asked = s->registered[HUB];
		legs_stream(&s->legs, ids[HUB], 0, &(struct endpoint){.port = 0}, s->now);
		run(s, MS);
		if (s->registered[HUB] != asked + 1)
			fail_msg("%u: %u questions", i, s->registered[HUB] - asked);
	}
}

/* The question by UDP left before, and is answered after that. */
static void a_stream_that_was_claimed_in_vain_is_given_back_at_once(void **state)
{
	struct scene *s = *state;
	struct way_to v[LEGS_WAYS_MAX];
	uint8_t msg[STUN_MAX];

	begin(s, 1);
	(void)ways(s, true, v);
	run(s, SEC);
	const unsigned registered = s->registered[HUB];
	for (unsigned late = 0; late < 2; late++) {
		struct leg *leg = &s->legs.v[HUB].leg[s->legs.v[HUB].family];

		run(s, 2 * SEC);
		s->deaf[0] = s->deaf[1] = true;
		legs_doubt(&s->legs, &v[0], s->now);
		run(s, 300 * MS); /* two questions were not answered */
		assert_true(leg->tries == 2);
		leg->registered = 0; /* for longer than a registration lives */
		assert_true(legs_stream_question(&s->legs, &s->self, ids[HUB], s->now, msg, sizeof(msg)) > 0);
		leg->asked[1].at = s->now + (late ? 1 : -1);
		s->deaf[0] = s->deaf[1] = false;
		struct legs_out out = {.way.remote = leg->asked[1].to};
		struct stun_msg a = {
			.class = STUN_SUCCESS, .has_lifetime = true, .lifetime_s = 120, .has_cookie = true};
		put_be64(a.txid, leg->asked[1].stamp);
		(void)legs_answered(&s->legs, leg, &a, &out.way.remote, false, 0, s->now);
		assert_int_equal(leg->due <= s->now, !late);
	}
	assert_true(s->registered[HUB] > registered);
}

static void where_nothing_is_answered_a_stream_is_wanted_after_two_tries(void **state)
{
	struct scene *s = *state;

	s->deaf[0] = s->deaf[1] = true;
	assert_int_equal(legs_set_coordinator(&s->legs, s->own, ids[HUB], s->told[HUB].member.key,
				 s->told[HUB].v, 2, 0, s->now),
		TM_OK);
	legs_set(&s->legs, s->own, s->told, 1, 0, s->now);
	run(s, 900 * MS);
	assert_int_equal(s->opened, 0);
	run(s, 200 * MS);
	assert_int_equal(s->opened, 1);
}

static void the_stream_of_a_relay_that_is_none_any_more_is_closed(void **state)
{
	struct scene *s = *state;
	struct way_to v[LEGS_WAYS_MAX];

	s->told[HUB].streams = false;
	s->told[NEAR].streams = true;
	begin(s, N);
	(void)ways(s, true, v); /* there is traffic */
	run(s, SEC);
	assert_int_equal(s->opened, 1);
	legs_stream(&s->legs, ids[NEAR], 5, &s->told[NEAR].v[0], s->now);
	s->told[NEAR] = s->told[FAR];
	legs_set(&s->legs, s->own, s->told, 2, 0, s->now);
	assert_true(legs_next(&s->legs, s->now) <= s->now);
	run(s, MS);
	assert_int_equal(s->closed, 1);
	assert_string_equal(s->closed_to, ids[NEAR]);
	run(s, 60 * SEC);
	assert_int_equal(s->closed, 1);
}

static void without_udp_two_streams_stand_by_and_the_next_where_one_does_not_come_up(void **state)
{
	struct scene *s = *state;
	struct way_to v[LEGS_WAYS_MAX];

	for (unsigned i = 0; i < N; i++)
		s->told[i].streams = true;
	s->deaf[0] = s->deaf[1] = true;
	begin(s, N);
	assert_int_equal(s->opened, N); /* ten seconds, and none has come up */
	for (unsigned i = 0; i < N; i++)
		legs_stream(&s->legs, ids[i], 5 + i, &s->told[i].v[0], s->now);
	run(s, SEC);
	assert_int_equal(s->closed, 1);
	assert_string_equal(s->closed_to, ids[FAR]);
	assert_int_equal(ways(s, false, v), 2);
	assert_int_equal(v[0].socket, 5);
	assert_int_equal(v[1].socket, 6);
	legs_stream(&s->legs, ids[HUB], 0, &(struct endpoint){.port = 0}, s->now);
	run(s, LEGS_STREAM_PATIENCE - MS);
	assert_int_equal(s->opened, N);
	run(s, 2 * MS);
	assert_int_equal(s->opened, N + 1);
	legs_stream(&s->legs, ids[HUB], 9, &s->told[HUB].v[0], s->now);
	run(s, SEC);
	assert_int_equal(s->closed, 2);
}

static void a_stream_is_proved_by_its_first_message_and_the_sealed_answer(void **state)
{
	struct scene *s = *state;
	const char *hub = s->told[HUB].member.id;
	struct stun_self there = {.random = no_dice};
	uint8_t q[STUN_ANSWER_WHOLE], a[STUN_ANSWER_WHOLE];
	struct stun_msg m;
	size_t n;

	begin(s, 1);
	assert_int_equal(legs_stream_question(&s->legs, &s->self, ids[FAR], s->now, q, sizeof(q)), 0);
	n = legs_stream_question(&s->legs, &s->self, hub, s->now, q, sizeof(q));
	assert_true(n > 0);
	assert_int_equal(stun_decode(q, n, &m), TM_OK);
	assert_true(m.has_lifetime && !m.lifetime_s); /* UDP works: it stands by */

	const struct legs_relay *v = legs_find(&s->legs, hub);
	snprintf(there.id, sizeof(there.id), "%s", hub);
	n = stun_reply(&there, s->self.id, v->key, &m, n, &s->told[HUB].v[0], NULL, a, sizeof(a));
	assert_int_equal(stun_decode(a, n, &m), TM_OK);
	assert_true(legs_stream_answered(&s->legs, hub, &m, a, n));
	a[n - 20] ^= 1;
	assert_false(legs_stream_answered(&s->legs, hub, &m, a, n));
	a[n - 20] ^= 1;
	m.txid[7] ^= 1;
	assert_false(legs_stream_answered(&s->legs, hub, &m, a, n));

	s->deaf[0] = s->deaf[1] = true;
	run(s, 60 * SEC);
	n = legs_stream_question(&s->legs, &s->self, hub, s->now, q, sizeof(q));
	assert_int_equal(stun_decode(q, n, &m), TM_OK);
	assert_true(m.lifetime_s > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEGS_TEST(a_stream_stands_by_while_there_is_traffic_and_where_udp_does_not_pass),
		LEGS_TEST(each_time_that_udp_falls_silent_the_stream_is_claimed_at_once),
		LEGS_TEST(a_stream_that_was_claimed_in_vain_is_given_back_at_once),
		LEGS_TEST(a_relay_that_ends_the_stream_is_asked_at_once),
		LEGS_TEST(where_nothing_is_answered_a_stream_is_wanted_after_two_tries),
		LEGS_TEST(the_stream_of_a_relay_that_is_none_any_more_is_closed),
		LEGS_TEST(without_udp_two_streams_stand_by_and_the_next_where_one_does_not_come_up),
		LEGS_TEST(a_stream_is_proved_by_its_first_message_and_the_sealed_answer),
	};

	return crypto_init(NULL) == TM_OK ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
