/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* All our legs: which relay is home, which ones have us, by which family. */
#include "unit/control/path/legs_scene.h"

static bool is_home(struct scene *s, unsigned i)
{
	return legs_find(&s->legs, ids[i])->home;
}

static void the_coordinator_is_home_until_another_answers_clearly_sooner(void **state)
{
	static const struct {
		ns_t hub, near;
		bool moves;
	} rows[] = {
		{100 * MS, 95 * MS, false},
		{100 * MS, 70 * MS, false}, /* by more than 10 ms, but not below two thirds */
		{100 * MS, 60 * MS, true},
		{20 * MS, 11 * MS, false}, /* below two thirds, but not by 10 ms */
		{20 * MS, 5 * MS, true},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct scene *s;

		if (i) {
			scene_close(state);
			scene_open(state);
		}
		s = *state;
		s->rtt[HUB] = rows[i].hub;
		s->rtt[NEAR] = rows[i].near;
		begin(s, 2);
		if (is_home(s, NEAR) != rows[i].moves)
			fail_msg("row %zu", i);
	}
}

static void home_and_coordinator_have_us_and_the_others_are_only_measured(void **state)
{
	struct scene *s = *state;
	struct endpoint at[2 * LEGS_MAX];

	s->rtt[NEAR] = 5 * MS;
	begin(s, N);
	assert_int_equal(legs_endpoints(&s->legs, s->now, at), 2);
	assert_int_equal(s->registered[FAR], 0);
	s->asked[FAR] = s->registered[HUB] = s->registered[NEAR] = 0;
	run(s, 600 * SEC);
	assert_in_range(s->asked[FAR], 2, 6);
	assert_in_range(s->registered[HUB], 24, 30);
	assert_in_range(s->registered[NEAR], 24, 30);
}

static void neither_a_lost_answer_nor_a_slow_one_moves_home(void **state)
{
	struct scene *s = *state;

	s->rtt[NEAR] = 20 * MS;
	begin(s, 2);
	assert_true(is_home(s, NEAR));
	s->rtt[NEAR] = 0;
	for (unsigned before = s->asked[NEAR]; s->asked[NEAR] == before;)
		run(s, 100 * MS); /* one question is lost */
	assert_true(is_home(s, NEAR));
	s->rtt[NEAR] = 60 * MS;
	run(s, 26 * SEC);
	assert_true(is_home(s, NEAR));
	s->rtt[NEAR] = 0;
	run(s, 60 * SEC);
	assert_true(is_home(s, HUB));
}

static void home_stays_while_the_coordinator_is_out_of_reach(void **state)
{
	struct scene *s = *state;

	begin(s, 2);
	assert_true(is_home(s, HUB));
	s->legs.link_up = false;
	s->rtt[NEAR] = 1 * MS;
	run(s, 1000 * SEC);
	assert_true(is_home(s, HUB));
	s->legs.link_up = true;
	run(s, 1000 * SEC);
	assert_true(is_home(s, NEAR));
}

static void one_family_registers_and_the_other_takes_over_when_it_is_deaf(void **state)
{
	struct scene *s = *state;
	struct way_to v[LEGS_WAYS_MAX];

	begin(s, 1);
	assert_int_equal(ways(s, false, v), 1);
	assert_int_equal(v[0].kind, WAY_RELAY_UDP);
	assert_int_equal(v[0].remote.ip.family, IP_V4);
	assert_int_equal(v[0].relay, 77);
	s->deaf[0] = true;
	run(s, 60 * SEC);
	assert_int_equal(ways(s, false, v), 1);
	assert_int_equal(v[0].remote.ip.family, IP_V6);
	s->deaf[0] = false; /* the relay knows one address: no going back and forth */
	run(s, 60 * SEC);
	assert_int_equal(ways(s, false, v), 1);
	assert_int_equal(v[0].remote.ip.family, IP_V6);
}

static void a_relay_that_a_path_wants_is_registered_with_while_it_is_used(void **state)
{
	struct scene *s = *state;
	const struct core_member peer = {.id = "00000000000000ff"};
	char told[1][NODE_ID_LEN + 1] = {"0000000000000003"};
	struct way_to v[LEGS_WAYS_MAX];

	begin(s, N);
	assert_int_equal(legs_ways(&s->legs, 77, &peer, told, 1, true, s->now, v), 2);
	run(s, 1 * SEC);
	assert_int_equal(legs_ways(&s->legs, 77, &peer, told, 1, true, s->now, v), 3);
	assert_true(endpoint_eq(&v[0].remote, &s->told[FAR].v[0]));
	s->registered[FAR] = 0;
	run(s, 600 * SEC);
	assert_in_range(s->registered[FAR], 3, 7);
	assert_int_equal(legs_ways(&s->legs, 77, &peer, told, 1, false, s->now, v), 2);
}

static void doubt_that_comes_again_and_again_asks_once_a_second(void **state)
{
	struct scene *s = *state;
	struct way_to v[LEGS_WAYS_MAX];

	begin(s, 1);
	assert_int_equal(ways(s, false, v), 1);
	s->asked[HUB] = 0;
	for (unsigned i = 0; i < 300; i++) {
		legs_doubt(&s->legs, &v[0], s->now);
		run(s, 10 * MS);
	}
	assert_int_equal(s->asked[HUB], 3);
}

static bool has_us(struct scene *s, unsigned i)
{
	const struct legs_relay *v = legs_find(&s->legs, ids[i]);

	return leg_registered(&v->leg[v->family], s->now);
}

static void the_first_two_that_answer_have_us(void **state)
{
	struct scene *s = *state;
	struct way_to v[LEGS_WAYS_MAX];

	begin(s, N);
	assert_true(has_us(s, HUB) && has_us(s, NEAR) && !has_us(s, FAR));
	assert_int_equal(ways(s, false, v), 2);
	assert_true(endpoint_eq(&v[0].remote, &s->told[HUB].v[0]));
	assert_true(endpoint_eq(&v[1].remote, &s->told[NEAR].v[0]));
	s->rtt[HUB] = 0;
	run(s, 40 * SEC); /* its turn comes within 25, and shows that it is dead */
	assert_true(!has_us(s, HUB) && has_us(s, NEAR) && has_us(s, FAR));
	assert_int_equal(ways(s, false, v), 2);
	s->rtt[HUB] = 50 * MS;
	s->asked[HUB] = 0;
	run(s, 27 * SEC);
	assert_true(has_us(s, HUB));
	run(s, LEGS_USED_FOR /
			2); /* longer than until its next turn: whoever uses it is not let go at once */
	assert_true(has_us(s, FAR));
	run(s, LEGS_USED_FOR + 60 * SEC);
	assert_false(has_us(s, FAR));
}

/* A relay that is new is told to all at one moment; our start is nobody else's. */
static void who_starts_is_registered_at_once_and_with_a_new_relay_in_its_turn(void **state)
{
	struct scene *s = *state;

	legs_set(&s->legs, s->own, &s->told[NEAR], 1, UINT32_MAX, s->now);
	run(s, LEGS_SOON + 200 * MS);
	assert_true(has_us(s, NEAR));
	legs_set(&s->legs, s->own, &s->told[NEAR], 2, UINT32_MAX, s->now);
	run(s, LEGS_SETTLE - SEC);
	assert_false(has_us(s, FAR));
	run(s, 2 * SEC);
	assert_true(has_us(s, FAR));
}

static void what_is_sent_to_one_that_died_shows_it_at_once(void **state)
{
	struct scene *s = *state;
	struct way_to v[LEGS_WAYS_MAX];

	begin(s, N);
	assert_int_equal(ways(s, true, v), 2);
	s->rtt[HUB] = 0;
	legs_doubt(&s->legs, &v[0], s->now);
	run(s, 1500 * MS);
	assert_true(has_us(s, FAR));
}

static uint32_t middling_dice(void *ctx UNUSED)
{
	return UINT32_MAX / 2;
}

/* What a peer sends by it arrives: then it is no more away than its last answer got lost. */
static void a_relay_that_was_away_is_asked_when_something_comes_by_it(void **state)
{
	struct scene *s = *state;
	struct way_to v[LEGS_WAYS_MAX];

	s->deaf[1] = true;
	begin(s, N);
	assert_int_equal(ways(s, true, v), 2);
	const struct way_to directly = {.kind = WAY_UDP, .remote = v[0].remote};
	s->self.random = middling_dice;
	s->rtt[HUB] = 0;
	run(s, 60 * SEC);
	assert_true(legs_next(&s->legs, s->now) > s->now + 200 * MS); /* by itself */
	s->rtt[HUB] = 50 * MS;
	legs_heard(&s->legs, &directly, s->now);
	run(s, 100 * MS);
	assert_false(has_us(s, HUB));
	legs_heard(&s->legs, &v[0], s->now);
	run(s, 100 * MS);
	assert_true(has_us(s, HUB));
	/* Which costs nothing while it has us. */
	s->asked[HUB] = 0;
	for (unsigned i = 0; i < 100; i++) {
		legs_heard(&s->legs, &v[0], s->now);
		run(s, 10 * MS);
	}
	assert_int_equal(s->asked[HUB], 0);
}

static void all_dead_relays_together_are_asked_little(void **state)
{
	struct scene *s = *state;

	s->self.random = middling_dice;
	begin(s, N);
	s->deaf[0] = s->deaf[1] = true;
	run(s, 60 * SEC);
	s->asked[HUB] = s->asked[NEAR] = s->asked[FAR] = 0;
	run(s, 600 * SEC);
	/* Of each family one question in half of 25 s. */
	assert_true(s->asked[HUB] < 100 && s->asked[NEAR] < 100 && s->asked[FAR] < 100);
}

static void of_many_that_do_not_answer_four_are_waited_for(void **state)
{
	struct scene *s = *state;
	unsigned standing = 0;

	s->deaf[0] = s->deaf[1] = true;
	begin(s, MANY);
	run(s, 120 * SEC);
	for (unsigned i = 0; i < MANY; i++)
		standing += legs_find(&s->legs, ids[i])->standing;
	assert_int_equal(standing, LEGS_STANDING_MAX);
}

static void the_order_is_that_of_the_host_numbers_whoever_comes_first(void **state)
{
	struct scene *s = *state;
	struct way_to v[LEGS_WAYS_MAX];

	s->told[NEAR].member.host = 9;
	begin(s, N);
	assert_true(has_us(s, HUB) && has_us(s, FAR) && !has_us(s, NEAR));
	assert_int_equal(ways(s, false, v), 2);
	assert_true(endpoint_eq(&v[1].remote, &s->told[FAR].v[0]));
}

static void a_coordinator_that_turns_out_to_relay_is_registered_with_soon(void **state)
{
	struct scene *s = *state;
	struct endpoint at[2 * LEGS_MAX];

	begin(s, 0);
	assert_int_equal(s->registered[HUB], 0);
	assert_int_equal(legs_endpoints(&s->legs, s->now, at), 0);
	legs_set(&s->legs, s->own, s->told, 1, UINT32_MAX, s->now);
	run(s, LEGS_SOON + 200 * MS);
	assert_int_equal(legs_endpoints(&s->legs, s->now, at), 1);
	legs_set(&s->legs, s->own, s->told, 0, 0, s->now); /* and no longer */
	s->registered[HUB] = 0;
	run(s, 60 * SEC);
	assert_int_equal(s->registered[HUB], 0);
	assert_int_equal(legs_endpoints(&s->legs, s->now, at), 0);
}

static void where_the_coordinator_does_not_relay_another_is_home_at_any_distance(void **state)
{
	struct scene *s = *state;

	s->rtt[FAR] = 300 * MS;
	assert_int_equal(legs_set_coordinator(&s->legs, s->own, ids[HUB], s->told[HUB].member.key,
				 s->told[HUB].v, 2, 0, s->now),
		TM_OK);
	s->legs.link_up = true;
	legs_set(&s->legs, s->own, &s->told[FAR], 1, 0, s->now);
	run(s, 10 * SEC);
	assert_true(is_home(s, FAR));
	assert_int_equal(s->registered[HUB], 0);
	assert_true(s->registered[FAR] > 0);
}

static void what_another_relay_sees_is_believed_when_it_was_seen_twice(void **state)
{
	struct scene *s = *state;
	struct endpoint at[LEGS_REFLEXIVE_MAX];

	begin(s, N); /* who is registered with it has been answered twice already */
	assert_int_equal(legs_reflexive(&s->legs, at), 3);
	run(s, 400 * SEC);
	assert_int_equal(legs_reflexive(&s->legs, at), 6);
	assert_true(ip_eq(&at[0].ip, &s->told[HUB].v[0].ip)); /* the coordinator's view comes first */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEGS_TEST(the_coordinator_is_home_until_another_answers_clearly_sooner),
		LEGS_TEST(home_and_coordinator_have_us_and_the_others_are_only_measured),
		LEGS_TEST(neither_a_lost_answer_nor_a_slow_one_moves_home),
		LEGS_TEST(home_stays_while_the_coordinator_is_out_of_reach),
		LEGS_TEST(one_family_registers_and_the_other_takes_over_when_it_is_deaf),
		LEGS_TEST(a_relay_that_a_path_wants_is_registered_with_while_it_is_used),
		LEGS_TEST(doubt_that_comes_again_and_again_asks_once_a_second),
		LEGS_TEST(the_first_two_that_answer_have_us),
		LEGS_TEST(who_starts_is_registered_at_once_and_with_a_new_relay_in_its_turn),
		LEGS_TEST(what_is_sent_to_one_that_died_shows_it_at_once),
		LEGS_TEST(a_relay_that_was_away_is_asked_when_something_comes_by_it),
		LEGS_TEST(all_dead_relays_together_are_asked_little),
		LEGS_TEST(of_many_that_do_not_answer_four_are_waited_for),
		LEGS_TEST(the_order_is_that_of_the_host_numbers_whoever_comes_first),
		LEGS_TEST(a_coordinator_that_turns_out_to_relay_is_registered_with_soon),
		LEGS_TEST(where_the_coordinator_does_not_relay_another_is_home_at_any_distance),
		LEGS_TEST(what_another_relay_sees_is_believed_when_it_was_seen_twice),
	};

	return crypto_init(NULL) == TM_OK ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
