/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Stories about routers that answer for themselves what nobody inside has asked for, and take it for a flow
 * of their own: whose datagram comes too early spoils the port that it came to.
 */
#include "control/path/birthday.h"
#include "sim/guess_story.h"

/* The way between the routers is what takes time, and some of it inside. */
static struct mesh far_apart(uint64_t seed, const struct nat_kind *at_a, const struct nat_kind *at_b)
{
	struct mesh m = with_relay(seed, at_a, at_b);

	m.s->internet->delay = (ns_t)sim_between(m.s, 5, 40) * MS;
	host_line(m.c->host)->delay = MS;
	host_line(m.a)->delay = (ns_t)sim_between(m.s, 1, 30) * MS;
	host_line(m.b)->delay = (ns_t)sim_between(m.s, 1, 30) * MS;
	return m;
}

static struct sim *world;
static ns_t opens_at;

static bool only_the_hub_at_first(const struct datagram *dg)
{
	return only_the_hub(dg) || world->now >= opens_at;
}

/* From now on the one that h stands behind is written to before it writes itself. */
static void comes_late(struct mesh *m, struct host *h)
{
	hub_at = m->c->host->at;
	world = m->s;
	opens_at = m->s->now + 300 * MS;
	host_line(h)->passes = only_the_hub_at_first;
}

static unsigned tickets(const struct mesh *m)
{
	return m->a->guesses + m->b->guesses;
}

/* Whichever of the two it is, and whichever router alone it is. */
static void what_came_too_early_keeps_nobody_from_a_direct_path(void **state)
{
	const struct nat_kind *const behind[][2] = {
		{&nat_bare_linux, &nat_bare_linux}, {&nat_bare_linux, &easy}, {&easy, &nat_bare_linux}};
	ns_t longest = 0;
	(void)state;

	for (uint64_t seed = 1; seed <= 30; seed++) {
		const struct nat_kind *const *kinds = behind[seed % ARRAY_LEN(behind)];
		struct mesh m = far_apart(seed, kinds[0], kinds[1]);

		comes_late(&m, kinds[0] == &nat_bare_linux && (kinds[1] == &easy || seed % 2) ? m.a : m.b);
		host_set_line(m.a, 0, 0, 0, 5 * MS);
		host_set_line(m.b, 0, 0, 0, 5 * MS);
		ns_t took = direct_after(&m, 10 * SEC);
		if (took == NS_NEVER)
			fail_msg("seed %llu: no direct path", (unsigned long long)seed);
		longest = MAX(longest, took);
		assert_true(tickets(&m) > 1);
		sim_run(m.s, SEC);
		expect_nothing_lost(m.a, m.b);
		sim_free(m.s);
	}
	print_message("direct after %.2f s at most\n", (double)longest / (double)SEC);
}

/* The routers have forgotten them, and only one of the two speaks. */
static void who_wakes_up_an_idle_pair_finds_it_again(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 10; seed++) {
		struct mesh m = far_apart(seed, &nat_bare_linux, &nat_bare_linux);

		if (direct_after(&m, 10 * SEC) == NS_NEVER)
			fail_msg("seed %llu: no direct path", (unsigned long long)seed);
		sim_run(m.s, 100 * SEC);
		talk(m.a, m.b, false, 20 * MS, 2 * SEC);
		if (direct_after(&m, 45 * SEC) == NS_NEVER)
			fail_msg("seed %llu: no direct path any more", (unsigned long long)seed);
		/* What was found is kept, and needs no second search. */
		const unsigned spent = tickets(&m);
		sim_run(m.s, 100 * SEC);
		talk(m.a, m.b, true, 20 * MS, 2 * SEC);
		if (spent)
			assert_true(is_direct(m.a, m.b) && is_direct(m.b, m.a));
		sim_free(m.s);
	}
}

/* Nothing gets through but by the relay: two hundred small datagrams of each, and not again for five minutes.
 */
static void who_cannot_be_met_is_not_tried_again_soon(void **state)
{
	struct mesh m = forty_ms_apart(1, &easy, &easy);
	unsigned sent;
	(void)state;

	hub_at = m.c->host->at;
	host_line(m.a)->passes = host_line(m.b)->passes = only_the_hub;
	talk(m.a, m.b, true, 20 * MS, 10 * SEC);
	sent = tickets(&m); /* with the questions */
	assert_in_range(sent, 2 * BIRTHDAY_MEETINGS, 2 * BIRTHDAY_MEETINGS + 4);
	assert_int_equal(m.a->n_sockets + m.b->n_sockets, 0);
	talk(m.a, m.b, true, 100 * MS, 280 * SEC);
	assert_int_equal(tickets(&m), sent);
	sim_free(m.s);
}

/* Where the candidates do, nobody tries anything else: also with a few checks lost. */
static void where_candidates_answer_no_other_ports_are_tried(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 40; seed++) {
		struct mesh m = with_relay(seed, &easy, &easy);

		host_set_line(m.a, 30, 0, 0, 5 * MS);
		assert_true(direct_after(&m, 10 * SEC) != NS_NEVER);
		assert_int_equal(tickets(&m), 0);
		sim_free(m.s);
	}
}

/* --- a translator that forgets, on the side that is written to --- */

/* Where others are to write to has changed, long before a report says so. */
static void what_the_easy_translator_forgot_is_found_again_where_it_is_now(void **state)
{
	struct nat_kind moving = easy;
	unsigned again = 0;
	(void)state;

	moving.ports = NAT_RANDOM;
	for (uint64_t seed = 1; seed <= 6; seed++) {
		struct mesh m = forty_ms_apart(seed, &moving, &hard);

		assert_true(direct_after(&m, 5 * SEC) != NS_NEVER);
		host_input(m.a,
			&(struct core_in){.kind = CORE_PROBE}); /* the next one is fifteen seconds away */
		talk(m.a, m.b, true, 20 * MS, 2 * SEC);
		nat_reboot(nat_of(m.a->face[0].segment));
		talk(m.a, m.b, true, 20 * MS, 2 * SEC);
		again += direct_after(&m, 12 * SEC) != NS_NEVER;
		sim_free(m.s);
	}
	assert_true(again >= 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_came_too_early_keeps_nobody_from_a_direct_path),
		cmocka_unit_test(who_wakes_up_an_idle_pair_finds_it_again),
		cmocka_unit_test(who_cannot_be_met_is_not_tried_again_soon),
		cmocka_unit_test(where_candidates_answer_no_other_ports_are_tried),
		cmocka_unit_test(what_the_easy_translator_forgot_is_found_again_where_it_is_now),
	};

	if (crypto_init(NULL) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
