/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* One leg: under which address we are seen, and registering, by hand and at set times. */
#include "unit/unit.h"

#include "base/bytes.h"
#include "control/path/leg.h"
#include "crypto/init.h"

static const char server_id[] = "0123456789abcdef";

enum { ROUND_TRIES = 7 }; /* 1, 1, 2, 2, 4, 4 and 8 waits apart */

/* Thrown so each time. */
static uint32_t dice(void *ctx)
{
	return *(const uint32_t *)ctx;
}

struct scene {
	struct leg l;
	struct leg_use use;
	uint32_t dice;
	struct stun_self self;
	uint8_t key[STUN_KEY];
	struct endpoint at[3];
	ns_t now;
	struct stun_msg asked;
};

static int scene_open(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	leg_init(&s->l);
	s->use.kept = true;
	s->self.random = dice;
	s->self.random_ctx = &s->dice;
	s->now = 100 * SEC;
	snprintf(s->self.id, sizeof(s->self.id), "fedcba9876543210");
	assert_int_equal(endpoint_parse("192.0.2.1:1", &s->at[0]), TM_OK);
	assert_int_equal(endpoint_parse("192.0.2.2:2", &s->at[1]), TM_OK);
	assert_int_equal(endpoint_parse("10.0.0.3:3", &s->at[2]), TM_OK);
	*state = s;
	return 0;
}

static int scene_close(void **state)
{
	struct scene *s = *state;

	free(s);
	return 0;
}

static void serve(struct scene *s, size_t n)
{
	leg_set_servers(&s->l, s->at, n, false, 0, s->now);
}

/* The next question is for servers[i]; its stamp. */
static uint64_t asks(struct scene *s, size_t i)
{
	uint8_t msg[256];
	struct endpoint to;
	size_t n;

	s->now = s->l.due;
	(void)leg_step(&s->l, &s->use, &s->self, server_id, s->key, s->now, msg, sizeof(msg), &n, &to);
	assert_true(n > 0);
	assert_int_equal(stun_decode(msg, n, &s->asked), TM_OK);
	if (!endpoint_eq(&to, &s->at[i]))
		fail_msg("not asked at address %zu", i);
	return s->self.last_stamp;
}

/* Nobody answers until then, and who misses the relay says so all the time: how often was it asked? */
static unsigned asked_in_vain(struct scene *s, ns_t until, bool missed)
{
	unsigned n = 0;

	for (; s->now < until; s->now += 50 * MS) {
		uint8_t msg[256];
		struct endpoint to;
		size_t len;

		if (missed)
			leg_miss(&s->l, s->now);
		(void)leg_step(
			&s->l, &s->use, &s->self, server_id, s->key, s->now, msg, sizeof(msg), &len, &to);
		n += len > 0;
	}
	return n;
}

static bool answers_so(struct scene *s, size_t i, uint64_t stamp, bool own, struct stun_msg m)
{
	m.class = STUN_SUCCESS;
	assert_int_equal(endpoint_parse("198.51.100.1:40000", &m.mapped), TM_OK);
	put_be64(m.txid, stamp);
	if (!leg_asked(&s->l, &m, &s->at[i]))
		return false;
	(void)leg_answered(&s->l, &s->use, &m, &s->at[i], own, 0, s->now);
	return true;
}

static bool answers(struct scene *s, size_t i, uint64_t stamp, bool own)
{
	return answers_so(s, i, stamp, own, (struct stun_msg){.n_unknown = 0});
}

static void the_tries_go_round_and_the_one_that_answers_is_asked_on(void **state)
{
	struct scene *s = *state;

	serve(s, 3);
	uint64_t first = asks(s, 0), second = asks(s, 1);
	(void)asks(s, 2);
	(void)asks(s, 0);
	assert_false(answers(s, 0, second, false)); /* it was asked something else */
	assert_true(answers(s, 1, second, false)); /* late, and good */
	(void)first;
	assert_true(endpoint_is_set(&s->l.reflexive));
	(void)asks(s, 1);
	(void)asks(s, 2);
	uint64_t third = asks(s, 0);
	assert_true(answers(s, 0, third, false));
	(void)asks(s, 0);
}

static void a_list_that_still_has_the_one_that_answers_changes_nothing(void **state)
{
	struct scene *s = *state;

	serve(s, 2);
	(void)asks(s, 0);
	assert_true(answers(s, 1, asks(s, 1), false));
	ns_t due = s->l.due;
	serve(s, 3);
	assert_int_equal(s->l.due, due);
	(void)asks(s, 1);
	/* One without it begins anew. */
	serve(s, 1);
	(void)asks(s, 0);
	serve(s, 0);
	assert_true(s->l.due == NS_NEVER);
}

static void when_the_one_that_answers_dies_the_others_of_the_newest_list_are_asked(void **state)
{
	struct scene *s = *state;
	const struct endpoint newest[] = {s->at[2], s->at[1]};

	serve(s, 2);
	(void)asks(s, 0);
	assert_true(answers(s, 1, asks(s, 1), false));
	leg_set_servers(&s->l, newest, 2, false, 0, s->now);
	(void)asks(s, 1);
	(void)asks(s, 2);
	(void)asks(s, 1);
}

static void an_address_of_our_own_is_no_mapping_to_be_kept_alive(void **state)
{
	struct scene *s = *state;

	serve(s, 1);
	assert_true(answers(s, 0, asks(s, 0), false));
	assert_int_equal(s->l.due - s->now, LEG_EVERY);
	assert_true(answers(s, 0, asks(s, 0), true));
	assert_int_equal(s->l.due - s->now, LEG_SELDOM);
}

static const struct stun_msg refusal = {.has_lifetime = true, .has_cookie = true, .cookie = {1, 2, 3}};
static const struct stun_msg grant = {
	.has_lifetime = true, .lifetime_s = 120, .has_cookie = true, .cookie = {4}};

static void the_first_answer_brings_the_cookie_that_the_second_question_shows(void **state)
{
	struct scene *s = *state;

	s->use.registers = true;
	serve(s, 1);
	uint64_t stamp = asks(s, 0);
	assert_true(s->asked.has_lifetime && s->asked.has_cookie);
	assert_int_equal(s->asked.lifetime_s, LEG_LIFETIME);
	s->now += 20 * MS;
	assert_true(answers_so(s, 0, stamp, false, refusal));
	assert_false(leg_registered(&s->l, s->now));
	assert_int_equal(s->l.due, s->now);
	stamp = asks(s, 0);
	assert_memory_equal(s->asked.cookie, refusal.cookie, STUN_COOKIE);
	s->now += 20 * MS;
	assert_true(answers_so(s, 0, stamp, false, grant));
	assert_true(leg_registered(&s->l, s->now));
	assert_int_equal(s->l.rtt, 20 * MS);
	/* The next one shows the newest. Another host's address or not: a relay's memory is to be kept. */
	assert_true(answers_so(s, 0, asks(s, 0), true, grant));
	assert_memory_equal(s->asked.cookie, grant.cookie, STUN_COOKIE);
	assert_int_equal(s->l.due - s->now, LEG_EVERY);
	assert_false(leg_registered(&s->l, s->now + 121 * SEC));
}

static void a_relay_that_takes_no_cookie_is_not_asked_without_end(void **state)
{
	struct scene *s = *state;
	unsigned asked = 0;

	s->use.registers = true;
	serve(s, 1);
	while (s->l.due <= s->now) {
		assert_true(asked++ < 10);
		assert_true(answers_so(s, 0, asks(s, 0), false, refusal));
	}
	assert_int_equal(asked, 3);
	assert_false(leg_registered(&s->l, s->now));
}

/* A mere question was under way when it turned out that its server relays. */
static void the_answer_to_a_mere_question_says_nothing_about_registering(void **state)
{
	struct scene *s = *state;

	serve(s, 1);
	uint64_t first = asks(s, 0);
	s->use.registers = true;
	s->l.due = s->now;
	(void)asks(s, 0);
	assert_true(answers(s, 0, first, false));
	assert_true(s->l.due == s->now);
	uint64_t second = asks(s, 0);
	assert_true(s->asked.has_lifetime);
	assert_true(answers_so(s, 0, second, false,
		(struct stun_msg){.has_lifetime = true, .lifetime_s = 120, .has_cookie = true}));
	assert_true(leg_registered(&s->l, s->now));
}

static void an_answer_without_lifetime_is_that_of_one_who_relays_nothing(void **state)
{
	struct scene *s = *state;

	s->use.registers = true;
	serve(s, 1);
	assert_true(answers(s, 0, asks(s, 0), false));
	assert_true(endpoint_is_set(&s->l.reflexive));
	assert_false(leg_registered(&s->l, s->now));
	assert_true(s->l.due > s->now);
}

/* The round ends at that moment. True: something was lost by it. */
static bool ends_in_vain(struct scene *s)
{
	uint8_t msg[256];
	struct endpoint to;
	size_t n;

	s->now = s->l.due;
	const bool lost =
		leg_step(&s->l, &s->use, &s->self, server_id, s->key, s->now, msg, sizeof(msg), &n, &to);
	assert_int_equal(n, 0);
	return lost;
}

static void after_a_round_in_vain_what_it_gave_is_lost(void **state)
{
	struct scene *s = *state;

	s->use.registers = true;
	serve(s, 1);
	assert_true(answers_so(s, 0, asks(s, 0), false, grant));
	for (unsigned i = 0; i < ROUND_TRIES; i++)
		(void)asks(s, 0);
	assert_true(leg_registered(&s->l, s->now));
	assert_true(ends_in_vain(s));
	assert_false(leg_registered(&s->l, s->now));
	assert_false(leg_hopeful(&s->l));
	assert_false(endpoint_is_set(&s->l.reflexive));
}

/* Somebody waits: the pace stays even, and all of them have it so. Each question counts when it is answered.
 */
static void a_leg_that_is_missed_is_asked_at_an_even_pace(void **state)
{
	struct scene *s = *state;
	uint64_t stamp = 0;

	s->use.registers = true;
	serve(s, 1);
	stamp = asks(s, 0);
	s->now += 20 * MS;
	assert_true(answers_so(s, 0, stamp, false, grant));
	s->now += 10 * SEC;
	leg_miss(&s->l, s->now);
	assert_int_equal(s->l.due, s->now);
	for (unsigned i = 0; i < 12; i++) {
		const ns_t before = s->now;

		stamp = asks(s, 0);
		if (i)
			assert_int_equal(s->now - before, LEG_RTO / 2);
		leg_miss(&s->l, s->now);
	}
	assert_true(answers_so(s, 0, stamp, false, grant));
	/* Whom nobody misses any more is asked ever more rarely, as ever. */
	s->now += 10 * SEC;
	leg_ask_now(&s->l, s->now);
	for (unsigned i = 0; i < ROUND_TRIES; i++)
		stamp = asks(s, 0);
	assert_int_equal(s->l.due - s->now, 8 * LEG_RTO / 2);
	leg_miss(&s->l, s->now);
	assert_int_equal(s->l.due - s->now, LEG_RTO / 2);
	leg_hurry(&s->l, s->now);
	assert_int_equal(s->l.due, s->now);
}

/* A translator forgot the flow meanwhile, or the network lets only the first datagram of one pass: one answer
 * does not tell. */
static void a_relay_that_fell_silent_has_to_answer_twice(void **state)
{
	struct scene *s = *state;

	s->use.registers = true;
	serve(s, 1);
	assert_true(answers_so(s, 0, asks(s, 0), false, grant));
	for (unsigned i = 0; i < ROUND_TRIES; i++)
		(void)asks(s, 0);
	assert_true(ends_in_vain(s));
	(void)asks(s, 0);
	assert_memory_equal(s->asked.cookie, (const uint8_t[STUN_COOKIE]){0}, STUN_COOKIE);
}

/* --- one that is away --- */

/* It had us, and then a round was in vain. */
static void goes_away(struct scene *s)
{
	s->use.registers = true;
	serve(s, 1);
	uint64_t stamp = asks(s, 0);
	s->now += 20 * MS;
	assert_true(answers_so(s, 0, stamp, false, grant));
	s->now += 10 * SEC;
	leg_ask_now(&s->l, s->now);
	while (!s->l.silent)
		(void)asked_in_vain(s, s->now + SEC, true);
}

/* Whoever misses it: there may be thousands of them. */
static void one_that_is_away_is_asked_ever_more_rarely_at_random_times(void **state)
{
	struct scene *s = *state, other = *s;
	const ns_t end = s->now + 130 * SEC;

	other.self.random_ctx = &other.dice;
	other.dice = UINT32_MAX / 3;
	s->dice = UINT32_MAX;
	for (unsigned i = 0; i < 2; i++) {
		struct scene *one = i ? &other : s;

		goes_away(one);
		assert_in_range(asked_in_vain(one, end, true), 3, 30);
	}
	assert_int_not_equal(s->l.due, other.l.due);
	/* But no more rarely than it would be if it answered. */
	for (unsigned i = 0; i < 10; i++) {
		const ns_t before = s->now;

		(void)asks(s, 0);
		assert_true(s->now - before <= LEG_EVERY + LEG_RTO);
	}
}

static void an_answer_after_the_round_counts_and_begins_a_new_one(void **state)
{
	struct scene *s = *state;

	goes_away(s);
	const uint64_t late = asks(s, 0);
	(void)asks(s, 0);
	assert_true(answers_so(s, 0, late, false, grant));
	assert_true(leg_registered(&s->l, s->now));
	s->now += 10 * SEC;
	leg_miss(&s->l, s->now);
	assert_in_range(asked_in_vain(s, s->now + 4 * SEC, true), 15, 17);
}

/* Its machine stood still for a minute, and what was asked meanwhile lay in the socket. */
static void an_answer_after_pauses_says_nothing_of_the_round_trip(void **state)
{
	struct scene *s = *state;

	s->dice = UINT32_MAX;
	goes_away(s);
	const uint64_t late = asks(s, 0);
	(void)asked_in_vain(s, s->now + 50 * SEC, false);
	assert_true(answers_so(s, 0, late, false, grant));
	assert_int_equal(s->l.rtt, 20 * MS);
	/* So if it dies, that is noticed as soon as ever. */
	leg_ask_now(&s->l, s->now);
	(void)asked_in_vain(s, s->now + 12 * SEC, true);
	assert_true(s->l.silent);
}

/* The answer lay in our own socket. */
static void who_stood_still_itself_does_not_wait_as_long_for_the_next_answer(void **state)
{
	struct scene *s = *state;

	s->use.registers = true;
	serve(s, 1);
	const uint64_t late = asks(s, 0);
	s->now += 3600 * SEC;
	assert_true(answers_so(s, 0, late, false, grant));
	leg_ask_now(&s->l, s->now);
	(void)asked_in_vain(s, s->now + 100 * SEC, true);
	assert_true(s->l.silent);
}

static void a_sign_of_one_that_was_away_begins_a_new_round(void **state)
{
	struct scene *s = *state;

	s->dice = UINT32_MAX;
	goes_away(s);
	(void)asked_in_vain(s, s->now + 60 * SEC, true);
	leg_hurry(&s->l, s->now);
	assert_in_range(asked_in_vain(s, s->now + 4 * SEC, true), 15, 17);
	/* A list that names it is none that good: it is asked soon, and then at random. */
	(void)asked_in_vain(s, s->now + 60 * SEC, true);
	leg_set_servers(&s->l, s->at, 1, false, SEC, s->now);
	assert_true(s->l.due <= s->now + SEC);
	assert_in_range(asked_in_vain(s, s->now + 15 * SEC, true), 1, 3);
}

/* Which of them it would answer at nobody knows. */
static void one_that_is_away_is_asked_at_all_its_addresses_each_time(void **state)
{
	struct scene *s = *state;
	struct endpoint to[3];

	s->dice = UINT32_MAX;
	serve(s, 3);
	while (!s->l.silent)
		(void)asked_in_vain(s, s->now + SEC, false);
	(void)asked_in_vain(s, s->now + 90 * SEC, false);
	while (s->l.tries % 3)
		(void)asked_in_vain(s, s->now + 50 * MS, false);
	const ns_t from = s->l.due;

	for (unsigned i = 0; i < 3; i++) {
		uint8_t msg[256];
		size_t n;

		s->now = s->l.due;
		(void)leg_step(
			&s->l, &s->use, &s->self, server_id, s->key, s->now, msg, sizeof(msg), &n, &to[i]);
		assert_true(n > 0);
	}
	assert_int_equal(s->now - from, 2 * LEG_RTO);
	assert_true(s->l.due - s->now > 10 * SEC);
	for (unsigned i = 0; i < 3; i++)
		assert_false(endpoint_eq(&to[i], &to[(i + 1) % 3]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			the_tries_go_round_and_the_one_that_answers_is_asked_on, scene_open, scene_close),
		cmocka_unit_test_setup_teardown(
			a_list_that_still_has_the_one_that_answers_changes_nothing, scene_open, scene_close),
		cmocka_unit_test_setup_teardown(
			when_the_one_that_answers_dies_the_others_of_the_newest_list_are_asked, scene_open,
			scene_close),
		cmocka_unit_test_setup_teardown(
			an_address_of_our_own_is_no_mapping_to_be_kept_alive, scene_open, scene_close),
		cmocka_unit_test_setup_teardown(
			the_first_answer_brings_the_cookie_that_the_second_question_shows, scene_open,
			scene_close),
		cmocka_unit_test_setup_teardown(
			a_relay_that_takes_no_cookie_is_not_asked_without_end, scene_open, scene_close),
		cmocka_unit_test_setup_teardown(the_answer_to_a_mere_question_says_nothing_about_registering,
			scene_open, scene_close),
		cmocka_unit_test_setup_teardown(an_answer_without_lifetime_is_that_of_one_who_relays_nothing,
			scene_open, scene_close),
		cmocka_unit_test_setup_teardown(
			a_leg_that_is_missed_is_asked_at_an_even_pace, scene_open, scene_close),
		cmocka_unit_test_setup_teardown(
			a_relay_that_fell_silent_has_to_answer_twice, scene_open, scene_close),
		cmocka_unit_test_setup_teardown(
			after_a_round_in_vain_what_it_gave_is_lost, scene_open, scene_close),
		cmocka_unit_test_setup_teardown(
			one_that_is_away_is_asked_ever_more_rarely_at_random_times, scene_open, scene_close),
		cmocka_unit_test_setup_teardown(
			an_answer_after_the_round_counts_and_begins_a_new_one, scene_open, scene_close),
		cmocka_unit_test_setup_teardown(
			an_answer_after_pauses_says_nothing_of_the_round_trip, scene_open, scene_close),
		cmocka_unit_test_setup_teardown(
			who_stood_still_itself_does_not_wait_as_long_for_the_next_answer, scene_open,
			scene_close),
		cmocka_unit_test_setup_teardown(
			a_sign_of_one_that_was_away_begins_a_new_round, scene_open, scene_close),
		cmocka_unit_test_setup_teardown(
			one_that_is_away_is_asked_at_all_its_addresses_each_time, scene_open, scene_close),
	};

	return crypto_init(NULL) == TM_OK ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
