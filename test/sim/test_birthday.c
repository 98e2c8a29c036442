/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Stories about guessing ports: one translator is hard, the other easy, and a relay carries what they say. */
#include "control/path/birthday.h"
#include "control/path/core_private.h"
#include "sim/guess_story.h"

/* A provider's, with two outside addresses and a block of ports for each subscriber. */
static const struct nat_kind provider = {
	.mapping = NAT_ADDRESS_AND_PORT_DEPENDENT,
	.filtering = NAT_ADDRESS_AND_PORT_DEPENDENT,
	.ports = NAT_BLOCK,
	.block = 512,
	.pool = 2,
	.arbitrary_pool = true,
};

/* Each mapping has the port after the last one's. */
static const struct nat_kind counting = {
	.mapping = NAT_ADDRESS_AND_PORT_DEPENDENT,
	.filtering = NAT_ADDRESS_AND_PORT_DEPENDENT,
	.ports = NAT_SEQUENTIAL,
};
struct tally {
	unsigned runs, direct, most;
	ns_t longest;
	uint64_t guesses;
};

static void run_one(uint64_t seed, const struct nat_kind *hard_kind, unsigned loss, struct tally *t)
{
	struct mesh m = seed % 2 ? with_relay(seed, &easy, hard_kind) : with_relay(seed, hard_kind, &easy);

	host_set_line(m.a, loss, 0, 0, 5 * MS);
	host_set_line(m.b, loss, 0, 0, 5 * MS);
	ns_t took = direct_after(&m, 20 * SEC);
	t->runs++;
	if (took != NS_NEVER) {
		t->direct++;
		t->longest = MAX(t->longest, took);
		/* And it stays, though nobody says much; what was found beside it is closed. */
		talk(m.a, m.b, true, SEC, 90 * SEC);
		if (direct_after(&m, loss ? 5 * SEC : MS) == NS_NEVER)
			fail_msg("seed %llu: the path that was found did not last", (unsigned long long)seed);
		sim_run(m.s, 2 * SEC);
		/* None: the one that all have was guessed. Two: where much is lost, the easy side changes its
		 * mind. Four: where fresh ports met, each side keeps to its own two. */
		if (m.a->n_sockets + m.b->n_sockets > (hard_kind == &preserving ? 4U : loss ? 2U : 1U))
			fail_msg("seed %llu: %u sockets stay open", (unsigned long long)seed,
				m.a->n_sockets + m.b->n_sockets);
		if (!loss)
			expect_nothing_lost(m.a, m.b);
	} else {
		assert_int_equal(m.a->n_sockets + m.b->n_sockets, 0);
	}
	t->guesses += m.a->guesses + m.b->guesses;
	t->most = MAX(t->most, m.a->guesses + m.b->guesses);
	/* A whole attempt, and what else is a check: candidates and what came by a guess. */
	assert_in_range(MAX(m.a->guesses, m.b->guesses), 0, BIRTHDAY_GUESSES + 300);
	/* Where fresh ports met and that was lost again, those found with it are there for half a minute. */
	const unsigned most =
		BIRTHDAY_SOCKETS + (hard_kind == &preserving ? BIRTHDAY_SOCKETS_IN_BLOCK + 1U : 0);

	assert_in_range(MAX(m.a->sockets_most, m.b->sockets_most), 0, most);
	sim_free(m.s);
}

static struct tally run_many(const char *what, const struct nat_kind *hard_kind, unsigned loss)
{
	uint64_t runs = number_from("TM_SIM_RUNS", 40), only = number_from("TM_SIM_SEED", 0);
	struct tally t = {.runs = 0};

	for (uint64_t seed = only ? only : 1; seed <= (only ? only : runs); seed++)
		run_one(seed, hard_kind, loss, &t);
	print_message("%s: %u of %u direct, after %.1f s at most; %.0f datagrams each, %u at most\n", what,
		t.direct, t.runs, (double)t.longest / (double)SEC, (double)t.guesses / t.runs, t.most);
	return t;
}

static void a_symmetric_translator_is_guessed_in_almost_all_cases(void **state)
{
	struct tally t = run_many("symmetric", &hard, 0);

	(void)state;
	assert_true(t.direct * 100 >= t.runs * 97);
}

static void lost_datagrams_cost_little(void **state)
{
	struct tally t = run_many("symmetric, 3 % lost", &hard, 30);

	(void)state;
	assert_true(t.direct * 100 >= t.runs * 97);
}

static void a_block_of_ports_is_found_with_few_datagrams(void **state)
{
	struct tally t = run_many("blocks of 512 at two addresses", &provider, 0);

	(void)state;
	assert_true(t.direct * 100 >= t.runs * 97);
	assert_true(t.guesses / t.runs < 900);
}

static void a_translator_that_counts_is_found_with_few_datagrams(void **state)
{
	struct tally t = run_many("counting", &counting, 0);

	(void)state;
	assert_true(t.direct * 100 >= t.runs * 97);
	assert_true(t.guesses / t.runs < 500);
}

static void a_translator_that_keeps_ports_where_it_can_misleads_nobody(void **state)
{
	struct tally t = run_many("preserving", &preserving, 0);

	(void)state;
	assert_true(t.direct * 100 >= t.runs * 92);
}

static void two_symmetric_translators_are_left_alone(void **state)
{
	(void)state;
	struct mesh m = with_relay(1, &hard, &hard);

	assert_true(direct_after(&m, 20 * SEC) == NS_NEVER);
	assert_int_equal(m.a->guesses + m.b->guesses, 0);
	sim_run(m.s, 2 * SEC);
	expect_nothing_lost(m.a, m.b);
	sim_free(m.s);
}

/* Of each side's traffic the other's starts the search, in half of the runs. */
static void nineteen_of_twenty_are_direct_within_a_second(void **state)
{
	enum { RUNS_MAX = 10000 };
	const uint64_t runs = MIN(number_from("TM_SIM_RUNS", 100), (uint64_t)RUNS_MAX);
	static ns_t took[RUNS_MAX];
	(void)state;

	for (uint64_t i = 0; i < runs; i++) {
		struct mesh m =
			i % 2 ? forty_ms_apart(i + 1, &easy, &hard) : forty_ms_apart(i + 1, &hard, &easy);
		ns_t first = direct_after(&m, 5 * SEC);
		uint64_t at = i;

		for (; at && took[at - 1] > first; at--)
			took[at] = took[at - 1];
		took[at] = first;
		sim_free(m.s);
	}
	print_message("direct after %lld ms in half of the runs, after %lld ms in 19 of 20\n",
		(long long)(took[runs / 2] / MS), (long long)(took[runs * 19 / 20 - 1] / MS));
	assert_true(took[runs * 19 / 20 - 1] <= SEC);
}

static struct sim *world;
static ns_t opens_at;

static bool only_the_hub_at_first(const struct datagram *dg)
{
	return only_the_hub(dg) || world->now >= opens_at;
}

/* The first check of each is lost; the second is answered before anybody guesses. */
static void nobody_guesses_before_the_second_check_could_be_answered(void **state)
{
	struct mesh m = forty_ms_apart(1, &open_to_all, &hard);
	(void)state;

	hub_at = m.c->host->at;
	world = m.s;
	opens_at = m.s->now + 150 * MS;
	host_line(m.a)->passes = host_line(m.b)->passes = only_the_hub_at_first;
	assert_true(direct_after(&m, SEC) != NS_NEVER);
	assert_int_equal(m.a->guesses + m.b->guesses, 0);
	sim_free(m.s);
}

static unsigned guessed; /* by all, before */

static unsigned all_guesses(void)
{
	unsigned n = 0;

	for (size_t i = 0; i < world->n_hosts; i++)
		n += world->hosts[i]->guesses;
	return n;
}

/* Candidates have no chance, and whoever is guessed has. The first are questions. */
static bool only_the_hub_until_somebody_guesses(const struct datagram *dg)
{
	return only_the_hub(dg) || all_guesses() > guessed + 8;
}

/* A translator that lets in everybody finds all sockets of a hard one: far away, so that many are found
 * before the first is proved. */
static void far_and_closed_until_somebody_guesses(struct mesh *m, struct host *h)
{
	hub_at = m->c->host->at;
	world = m->s;
	guessed = all_guesses();
	host_line(h)->passes = only_the_hub_until_somebody_guesses;
	host_line(h)->delay = 200 * MS;
	host_set_line(h, 0, 0, 0, 300 * MS);
}

/* Sixty-four are kept; which one is taken is not known before. */
static void the_socket_in_use_stays_however_many_are_found(void **state)
{
	enum { SEEDS = 12 };
	unsigned full = 0;
	(void)state;

	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct mesh m = forty_ms_apart(seed, &open_to_all, &hard);

		far_and_closed_until_somebody_guesses(&m, m.a);
		far_and_closed_until_somebody_guesses(&m, m.b);
		assert_true(direct_after(&m, 5 * SEC) != NS_NEVER);
		talk(m.a, m.b, true, 20 * MS, SEC);
		const uint32_t used = host_path(m.b, m.a).way.socket;

		if (used && !host_socket_port(m.b, used))
			fail_msg("seed %llu: socket %u is closed", (unsigned long long)seed, used);
		assert_true(m.b->n_sockets <= BIRTHDAY_SOCKETS_IN_BLOCK + 1);
		full += m.b->n_sockets >= BIRTHDAY_SOCKETS_IN_BLOCK;
		sim_free(m.s);
	}
	assert_true(full > 0); /* not all that were found could stay */
}

/* The next attempt waits until there is room for what it may find. */
static void sockets_that_are_kept_are_bounded_whoever_is_found(void **state)
{
	enum { MANY = 5 };
	struct mesh m = forty_ms_apart(1, &open_to_all, &hard);
	struct host *others[MANY] = {m.a};
	unsigned most = 0;
	(void)state;

	for (unsigned i = 1; i < MANY; i++) {
		others[i] = sim_member(m.s->internet, m.c, "another");
		plug_behind(others[i], &open_to_all);
		sim_meet(m.b, others[i]);
	}
	sim_run(m.s, 10 * SEC);
	for (unsigned i = 0; i < MANY; i++) {
		far_and_closed_until_somebody_guesses(&m, others[i]);
		far_and_closed_until_somebody_guesses(&m, m.b);
		talk(m.b, others[i], true, 20 * MS, 4 * SEC);
		most = MAX(most, m.b->n_sockets);
	}
	assert_in_range(most, BIRTHDAY_SOCKETS_IN_BLOCK + 1, CORE_GUESS_KEPT);
	sim_free(m.s);
}

/* Nothing gets through but by the relay. */
static void after_an_attempt_in_vain_neither_asks_for_five_minutes(void **state)
{
	struct mesh m = forty_ms_apart(1, &easy, &hard);
	unsigned sent;
	(void)state;

	hub_at = m.c->host->at;
	host_line(m.a)->passes = host_line(m.b)->passes = only_the_hub;
	talk(m.a, m.b, true, 20 * MS, 10 * SEC);
	sent = m.a->guesses + m.b->guesses; /* with the questions */
	assert_in_range(sent, BIRTHDAY_GUESSES, 2 * BIRTHDAY_GUESSES + BIRTHDAY_ROUNDS * BIRTHDAY_SOCKETS);
	talk(m.a, m.b, true, 100 * MS, 280 * SEC);
	assert_int_equal(m.a->guesses + m.b->guesses, sent);
	talk(m.a, m.b, true, 100 * MS, 30 * SEC);
	assert_true(m.a->guesses + m.b->guesses > sent + BIRTHDAY_GUESSES);
	sim_free(m.s);
}

/* One that a node has kept, or that comes from the peer itself, tells nothing of that. */
static void a_list_that_does_not_say_where_the_peer_is_seen_takes_nothing_away(void **state)
{
	struct mesh m = forty_ms_apart(1, &easy, &hard);
	(void)state;

	hub_at = m.c->host->at;
	host_line(m.a)->passes = host_line(m.b)->passes = only_the_hub;
	talk(m.a, m.b, true, 20 * MS, 200 * MS);
	host_candidates(m.a, m.b, host_mine(m.b), false);
	talk(m.a, m.b, true, 20 * MS, 5 * SEC);
	assert_true(m.a->guesses >= BIRTHDAY_GUESSES);
	sim_free(m.s);
}

/* Who asks for the peer's addresses without a coordinator gets those that it has kept, and nothing else. */
static void recall(struct host *at, const struct host *of)
{
	struct candidates kept = *host_mine(of);

	kept.nat = (struct nat_told){.n_ports = 0};
	kept.n_seen = 0;
	host_candidates(at, of, &kept, false);
}

/* The coordinator is away, and the relay is not: what it said of the peer outlives a rest of the path. Not
 * for ever, though: the address may be somebody else's by then. */
static void where_the_peer_was_seen_is_remembered_for_a_day(void **state)
{
	static const struct {
		ns_t silence;
		bool remembered;
	} rows[] = {{3600 * SEC, true}, {25 * 3600 * SEC, false}};
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct mesh m = forty_ms_apart(1, &easy, &hard);

		hub_at = m.c->host->at;
		host_line(m.a)->passes = host_line(m.b)->passes = only_the_hub;
		talk(m.a, m.b, true, 20 * MS, 5 * SEC);
		const unsigned before = m.a->guesses;

		assert_true(before >= BIRTHDAY_GUESSES);
		control_link_cut(m.a->link, NS_NEVER);
		control_link_cut(m.b->link, NS_NEVER);
		sim_run(m.s, rows[i].silence);
		assert_true(host_path(m.a, m.b).state == PATH_IDLE);
		talk(m.a, m.b, true, 20 * MS, 200 * MS);
		recall(m.a, m.b);
		recall(m.b, m.a);
		talk(m.a, m.b, true, 20 * MS, 10 * SEC);
		if (rows[i].remembered)
			assert_true(m.a->guesses - before >= BIRTHDAY_GUESSES);
		else
			assert_in_range(m.a->guesses - before, BIRTHDAY_UNSEEN, BIRTHDAY_GUESSES / 2);
		sim_free(m.s);
	}
}

/* Who was reached without a relay half a minute ago will be again, most of the time, and guesses are many. */
static void nobody_guesses_soon_after_a_direct_path_was_lost(void **state)
{
	struct mesh m = forty_ms_apart(1, &open_to_all, &hard);
	unsigned guesses;
	(void)state;

	assert_true(direct_after(&m, SEC) != NS_NEVER); /* without any */
	assert_int_equal(m.a->guesses + m.b->guesses, 0);
	hub_at = m.c->host->at;
	host_line(m.a)->passes = host_line(m.b)->passes = only_the_hub;
	talk(m.a, m.b, true, 20 * MS, 29 * SEC);
	assert_false(is_direct(m.a, m.b));
	assert_int_equal(m.a->guesses + m.b->guesses, 0);
	talk(m.a, m.b, true, 20 * MS, 10 * SEC);
	guesses = m.a->guesses + m.b->guesses;
	assert_true(guesses > BIRTHDAY_SOCKETS);
	sim_free(m.s);
}

/* What was known of the last network says nothing about this one: where it was easy it may be hard now. */
static void after_a_change_of_network_nothing_is_guessed_from_what_was_seen_before(void **state)
{
	struct mesh m;
	unsigned direct = 0;
	(void)state;

	for (uint64_t seed = 1; seed <= 4; seed++) {
		m = forty_ms_apart(seed, &hard, &hard);
		talk(m.a, m.b, true, 20 * MS, 5 * SEC);
		plug_behind(m.a, &easy);
		talk(m.a, m.b, true, 20 * MS, SEC);
		assert_int_equal(m.a->guesses + m.b->guesses, 0);
		direct += direct_after(&m, 60 * SEC) != NS_NEVER;
		sim_free(m.s);
	}
	assert_true(direct >= 2); /* of 50 attempts one finds nothing */
	m = forty_ms_apart(1, &easy, &hard);
	plug_behind(m.a, &hard);
	assert_true(direct_after(&m, 30 * SEC) == NS_NEVER);
	assert_true(m.a->guesses + m.b->guesses <= 8); /* questions, ever more rarely */
	sim_free(m.s);
}

/* And then b's translator forgets everything. Its new ports may be among those that were guessed at. */
static bool found_within(struct mesh *m, ns_t patience)
{
	if (direct_after(m, patience) == NS_NEVER)
		return false;
	talk(m->a, m->b, true, 20 * MS, SEC);
	do {
		nat_reboot(nat_of(m->b->face[0].segment));
		talk(m->a, m->b, true, 20 * MS, 2 * SEC);
	} while (is_direct(m->a, m->b) && is_direct(m->b, m->a));
	return true;
}

static void what_was_found_is_found_again_soon_after_a_translator_forgot_it(void **state)
{
	unsigned again = 0;
	(void)state;

	for (uint64_t seed = 1; seed <= 6; seed++) {
		struct mesh m = forty_ms_apart(seed, &easy, &hard);

		again += found_within(&m, 5 * SEC) && direct_after(&m, 12 * SEC) != NS_NEVER;
		sim_free(m.s);
	}
	assert_true(again >= 5); /* of 50 attempts one finds nothing */
}

/* Of the time, while one side's translator forgets everything each half minute: how many parts of a thousand.
 */
static unsigned direct_share(uint64_t seed, bool easy_forgets, unsigned loss, ns_t pace, ns_t how_long)
{
	static const struct nat_kind moving = {
		.mapping = NAT_ENDPOINT_INDEPENDENT,
		.filtering = NAT_ADDRESS_AND_PORT_DEPENDENT,
		.ports = NAT_RANDOM,
	};
	struct mesh m = forty_ms_apart(seed, &moving, &hard);
	const struct host *forgets = easy_forgets ? m.a : m.b;
	unsigned direct = 0, looks = 0, losses = 0;
	bool was = false;

	host_set_line(m.a, loss, 0, 0, 0);
	host_set_line(m.b, loss, 0, 0, 0);
	for (ns_t end = m.s->now + how_long, next = m.s->now + 30 * SEC; m.s->now < end; looks++) {
		talk(m.a, m.b, true, pace, 2 * pace);
		const bool is = is_direct(m.a, m.b) && is_direct(m.b, m.a);

		direct += is;
		losses += was && !is;
		was = is;
		if (m.s->now < next)
			continue;
		nat_reboot(nat_of(forgets->face[0].segment));
		next += 30 * SEC;
	}
	print_message(
		"the %s one forgets, seed %llu: lost %u times, direct %u of 1,000 parts, %u datagrams\n",
		easy_forgets ? "easy" : "hard", (unsigned long long)seed, losses, 1000 * direct / looks,
		m.a->guesses + m.b->guesses);
	sim_free(m.s);
	return 1000 * direct / looks;
}

static void beside_a_translator_that_forgets_each_half_minute_most_of_the_time_is_direct(void **state)
{
	enum { SEEDS = 5 };
	(void)state;

	for (int easy_forgets = 0; easy_forgets < 2; easy_forgets++) {
		unsigned all = 0;

		for (uint64_t seed = 1; seed <= SEEDS; seed++)
			all += direct_share(seed, easy_forgets, 0, 50 * MS, 900 * SEC);
		assert_true(all >= SEEDS * 750);
	}
}

/* Of 360 times in three hours some are in vain: not so many that what an hour allows is used up. */
static void so_it_is_for_hours_and_where_datagrams_get_lost(void **state)
{
	const unsigned loss = (unsigned)number_from("TM_SIM_LOSS", 30);
	(void)state;

	assert_true(direct_share(number_from("TM_SIM_SEED", 1), true, loss, 200 * MS, 3 * 3600 * SEC) >= 750);
}

/* The waits of those who are not found outlive a path that rests: nobody has a first attempt again by
 * silence. */
static void what_was_in_vain_is_remembered_through_a_silence(void **state)
{
	struct mesh m = forty_ms_apart(1, &easy, &hard);
	unsigned sent;
	(void)state;

	hub_at = m.c->host->at;
	host_line(m.a)->passes = host_line(m.b)->passes = only_the_hub;
	talk(m.a, m.b, true, SEC, 2140 * SEC); /* the fourth waits for 40 minutes now */
	sent = m.a->guesses + m.b->guesses;
	assert_true(sent > 4 * BIRTHDAY_GUESSES);
	sim_run(m.s, 1500 * SEC);
	assert_true(host_path(m.a, m.b).state == PATH_IDLE);
	talk(m.a, m.b, true, SEC, 60 * SEC);
	assert_int_equal(m.a->guesses + m.b->guesses, sent);
	sim_free(m.s);
}

/* Two attempts at once are enough for everybody who comes to one node. */
static void many_hard_ones_are_found_in_turn(void **state)
{
	enum { MANY = 8 };
	struct mesh m = with_relay(1, &easy, &hard);
	struct host *others[MANY] = {m.b};
	unsigned direct = 0, had = 0, most = 0;
	(void)state;

	for (unsigned i = 1; i < MANY; i++) {
		others[i] = sim_member(m.s->internet, m.c, "another");
		plug_behind(others[i], &hard);
		sim_meet(m.a, others[i]);
	}
	sim_run(m.s, 10 * SEC);
	for (unsigned second = 0; second < 240 && direct < MANY; second++) {
		for (unsigned i = 0; i < MANY; i++)
			talk(m.a, others[i], true, SEC / MANY, SEC / MANY);
		most = MAX(most, m.a->guesses - had);
		had = m.a->guesses;
		direct = 0;
		for (unsigned i = 0; i < MANY; i++)
			direct += is_direct(m.a, others[i]) && is_direct(others[i], m.a);
	}
	print_message("%u of %u direct, %u guesses in a second at most\n", direct, MANY, most);
	assert_true(direct >= MANY - 1);
	assert_true(most <= 2 * BIRTHDAY_BATCH * (SEC / BIRTHDAY_PACE));
	sim_free(m.s);
}

/* Its translators forget after 30 s, and it could not be opened again. */
static void what_was_guessed_outlives_a_silence(void **state)
{
	struct nat_kind forgetful = provider;
	unsigned guesses;
	(void)state;

	forgetful.expiry = 30 * SEC;
	struct mesh m = with_relay(1, &easy, &forgetful);
	assert_true(direct_after(&m, 20 * SEC) != NS_NEVER);
	guesses = m.a->guesses + m.b->guesses;
	sim_run(m.s, 500 * SEC);
	talk(m.a, m.b, true, 100 * MS, 10 * SEC);
	assert_true(is_direct(m.a, m.b) && is_direct(m.b, m.a));
	assert_int_equal(m.a->guesses + m.b->guesses, guesses);
	/* Nobody needs it any more. */
	sim_run(m.s, 1300 * SEC);
	assert_int_equal(m.a->n_sockets + m.b->n_sockets, 0);
	sim_free(m.s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_symmetric_translator_is_guessed_in_almost_all_cases),
		cmocka_unit_test(nineteen_of_twenty_are_direct_within_a_second),
		cmocka_unit_test(nobody_guesses_before_the_second_check_could_be_answered),
		cmocka_unit_test(the_socket_in_use_stays_however_many_are_found),
		cmocka_unit_test(sockets_that_are_kept_are_bounded_whoever_is_found),
		cmocka_unit_test(after_an_attempt_in_vain_neither_asks_for_five_minutes),
		cmocka_unit_test(a_list_that_does_not_say_where_the_peer_is_seen_takes_nothing_away),
		cmocka_unit_test(where_the_peer_was_seen_is_remembered_for_a_day),
		cmocka_unit_test(nobody_guesses_soon_after_a_direct_path_was_lost),
		cmocka_unit_test(after_a_change_of_network_nothing_is_guessed_from_what_was_seen_before),
		cmocka_unit_test(what_was_found_is_found_again_soon_after_a_translator_forgot_it),
		cmocka_unit_test(
			beside_a_translator_that_forgets_each_half_minute_most_of_the_time_is_direct),
		cmocka_unit_test(so_it_is_for_hours_and_where_datagrams_get_lost),
		cmocka_unit_test(what_was_in_vain_is_remembered_through_a_silence),
		cmocka_unit_test(lost_datagrams_cost_little),
		cmocka_unit_test(a_block_of_ports_is_found_with_few_datagrams),
		cmocka_unit_test(a_translator_that_counts_is_found_with_few_datagrams),
		cmocka_unit_test(a_translator_that_keeps_ports_where_it_can_misleads_nobody),
		cmocka_unit_test(many_hard_ones_are_found_in_turn),
		cmocka_unit_test(what_was_guessed_outlives_a_silence),
		cmocka_unit_test(two_symmetric_translators_are_left_alone),
	};

	if (crypto_init(NULL) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
