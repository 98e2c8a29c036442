/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "pair_sim.h"
#include "unit/unit.h"

#include "control/path/replied.h"

static struct sim sim;

static void assert_choice(unsigned host, const struct route *expected)
{
	char got[ENDPOINT_STR_LEN], want[ENDPOINT_STR_LEN];
	const struct path_pair *chosen = path_chosen(&sim.host[host].path);

	if (sim_chosen(&sim, host) != expected)
		fail_msg("host %u chose %s, not %s", host,
			chosen ? endpoint_format(&chosen->remote.ep, got) : "nothing",
			expected ? endpoint_format(&expected->end[!host], want) : "nothing");
}

static void both_sides_are_up_one_round_trip_after_the_candidates(void **state)
{
	struct route *wan;

	(void)state;
	sim_init(&sim, 1);
	wan = sim_route(&sim, CAND_SRFLX, "192.0.2.1:1", "198.51.100.1:1", 20 * MS);
	sim_want(&sim, A);
	sim_run(&sim, 41 * MS);
	assert_choice(A, wan);
	assert_int_equal(sim.host[A].path.state, PATH_UP);
	assert_int_equal(path_chosen(&sim.host[A].path)->rtt, 40 * MS);
	assert_int_equal(sim.host[A].changes, 1);
	sim_run(&sim, 40 * MS);
	assert_choice(B, wan);
}

static void the_first_pair_is_used_at_once_and_the_lan_soon_after(void **state)
{
	struct route *wan, *lan;

	(void)state;
	sim_init(&sim, 1);
	wan = sim_route(&sim, CAND_SRFLX, "192.0.2.1:1", "198.51.100.1:1", 4 * MS);
	lan = sim_route(&sim, CAND_HOST, "10.0.0.1:1", "10.0.0.2:1", 5 * MS);
	sim_want(&sim, A);
	sim_run(&sim, 9 * MS);
	assert_choice(A, wan);
	sim_run(&sim, 5 * MS);
	assert_choice(A, lan);
	sim_run(&sim, SEC);
	assert_choice(B, lan);
}

/* One working path, then an answer of another kind or speed. */
static void a_better_pair_replaces_the_chosen_one_but_not_for_little(void **state)
{
	static const struct {
		enum candidate_type first_type;
		const char *first;
		ns_t first_delay;
		enum candidate_type second_type;
		const char *second;
		ns_t second_delay;
		bool replaced;
	} rows[] = {
		{CAND_SRFLX, "192.0.2.1:1", 50 * MS, CAND_HOST, "10.0.0.1:1", 51 * MS, true},
		{CAND_SRFLX, "192.0.2.1:1", 50 * MS, CAND_HOST, "[2001:db8::1]:1", 51 * MS, true},
		{CAND_RELAY, "192.0.2.9:1", 50 * MS, CAND_SRFLX, "192.0.2.1:1", 90 * MS, true},
		{CAND_HOST, "10.0.0.1:1", 50 * MS, CAND_SRFLX, "192.0.2.1:1", 51 * MS, false},
		{CAND_SRFLX, "192.0.2.1:1", 50 * MS, CAND_RELAY, "192.0.2.9:1", 51 * MS, false},
		{CAND_SRFLX, "192.0.2.1:1", 50 * MS, CAND_SRFLX, "192.0.2.2:1", 51 * MS, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct route *first, *second;

		sim_init(&sim, i);
		first = sim_route(
			&sim, rows[i].first_type, "192.0.2.100:1", rows[i].first, rows[i].first_delay);
		second = sim_route(
			&sim, rows[i].second_type, "192.0.2.101:1", rows[i].second, rows[i].second_delay);
		sim_want(&sim, A);
		sim_run(&sim, SEC);
		if (sim_chosen(&sim, A) != (rows[i].replaced ? second : first))
			fail_msg("row %zu", i);
	}
}

static void among_equals_only_a_clearly_shorter_round_trip_wins(void **state)
{
	static const struct {
		ns_t now, next; /* one way */
		bool replaced;
	} rows[] = {
		{50 * MS, 45 * MS, false},
		{50 * MS, 37 * MS, true},
		{4 * MS, 1 * MS, false}, /* 6 ms less, but 20 % and 5 ms are asked for */
		{5 * MS, 1 * MS, true},
		{50 * MS, 50 * MS, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct route *first, *second;

		sim_init(&sim, i);
		first = sim_route(&sim, CAND_SRFLX, "192.0.2.1:1", "198.51.100.1:1", rows[i].now);
		second = sim_route(&sim, CAND_SRFLX, "192.0.2.2:1", "198.51.100.2:1", rows[i].next);
		second->cut = true;
		sim_want(&sim, A);
		sim_run(&sim, 20 * SEC);
		assert_choice(A, first);
		second->cut = false;
		path_restart(&sim.host[A].path, sim.now);
		sim_step(&sim, A);
		sim_run(&sim, 20 * SEC);
		if (sim_chosen(&sim, A) != (rows[i].replaced ? second : first))
			fail_msg("row %zu", i);
	}
}

static void many_candidates_leave_in_paced_bursts(void **state)
{
	char a[32], b[32];

	(void)state;
	sim_init(&sim, 1);
	for (unsigned i = 0; i < ROUTES_MAX; i++) {
		snprintf(a, sizeof(a), "192.0.2.%u:1", i + 1);
		snprintf(b, sizeof(b), "198.51.100.%u:1", i + 1);
		sim_route(&sim, CAND_SRFLX, a, b, 100 * MS);
	}
	sim_want(&sim, A);
	sim_run(&sim, 1 * MS);
	assert_int_equal(sim.host[A].sent, PATH_SENDS_MAX);
	sim_run(&sim, 20 * MS);
	assert_int_equal(sim.host[A].sent, ROUTES_MAX);
	assert_true(sim.host[A].largest_burst <= PATH_SENDS_MAX);
}

static void without_traffic_nothing_is_sent(void **state)
{
	unsigned sent[2];

	(void)state;
	sim_init(&sim, 1);
	sim_route(&sim, CAND_HOST, "10.0.0.1:1", "10.0.0.2:1", MS);
	sim_route(&sim, CAND_HOST, "10.0.1.1:1", "10.0.1.2:1", MS)->cut = true;
	sim_want(&sim, A);
	sim_run(&sim, 30 * SEC);
	sent[A] = sim.host[A].sent;
	sent[B] = sim.host[B].sent;
	sim_run(&sim, 3600 * SEC);
	assert_int_equal(sim.host[A].sent, sent[A]);
	assert_int_equal(sim.host[B].sent, sent[B]);
}

/* Both pairs work; neither side may answer the other's triggered check with one more. */
static void two_working_pairs_do_not_keep_each_other_busy(void **state)
{
	(void)state;
	sim_init(&sim, 1);
	sim_route(&sim, CAND_HOST, "10.0.0.1:1", "10.0.0.2:1", MS);
	sim_route(&sim, CAND_HOST, "10.0.1.1:1", "10.0.1.2:1", MS);
	sim_route(&sim, CAND_HOST, "[2001:db8::1]:1", "[2001:db8::2]:1", 3 * MS);
	sim_want(&sim, A);
	sim_run(&sim, 60 * SEC);
	assert_true(sim.host[A].sent <= 6);
	assert_true(sim.host[B].sent <= 6);
}

static void traffic_that_is_answered_needs_no_checks(void **state)
{
	unsigned sent;

	(void)state;
	sim_init(&sim, 1);
	sim_route(&sim, CAND_HOST, "10.0.0.1:1", "10.0.0.2:1", MS);
	sim_want(&sim, A);
	sim_run(&sim, SEC);
	sent = sim.host[A].sent;
	sim_run_with_traffic(&sim, A, true, 60 * SEC);
	assert_int_equal(sim.host[A].sent, sent);
}

static void one_way_traffic_is_backed_by_a_check_a_second(void **state)
{
	unsigned sent;

	(void)state;
	sim_init(&sim, 1);
	sim_route(&sim, CAND_HOST, "10.0.0.1:1", "10.0.0.2:1", MS);
	sim_want(&sim, A);
	sim_run(&sim, SEC);
	sent = sim.host[A].sent;
	sim_run_with_traffic(&sim, A, false, 60 * SEC);
	assert_in_range(sim.host[A].sent - sent, 50, 65);
	assert_int_equal(sim.host[A].path.state, PATH_UP);
	assert_int_equal(sim.host[A].changes, 1);
}

static void a_dead_path_is_left_within_two_seconds_of_silence(void **state)
{
	struct route *lan, *wan;

	(void)state;
	sim_init(&sim, 1);
	lan = sim_route(&sim, CAND_HOST, "10.0.0.1:1", "10.0.0.2:1", MS);
	wan = sim_route(&sim, CAND_SRFLX, "192.0.2.1:1", "198.51.100.1:1", 20 * MS);
	sim_want(&sim, A);
	sim_run_with_traffic(&sim, A, true, 5 * SEC);
	assert_choice(A, lan);
	lan->cut = true;
	sim_run_with_traffic(&sim, A, true, 2 * SEC);
	assert_choice(A, wan);
	assert_true(sim.host[A].asked >= 2); /* and fresh candidates were asked for */
}

static void a_slow_path_is_not_taken_for_dead(void **state)
{
	struct route *slow;

	(void)state;
	sim_init(&sim, 1);
	slow = sim_route(&sim, CAND_SRFLX, "192.0.2.1:1", "198.51.100.1:1", 450 * MS);
	sim_want(&sim, A);
	sim_run_with_traffic(&sim, A, false, 60 * SEC);
	assert_choice(A, slow);
	assert_int_equal(sim.host[A].changes, 1);
}

static void lost_checks_do_not_kill_a_path_that_wireguard_uses(void **state)
{
	struct route *lan;
	unsigned changes;

	(void)state;
	sim_init(&sim, 1);
	lan = sim_route(&sim, CAND_HOST, "10.0.0.1:1", "10.0.0.2:1", MS);
	sim_want(&sim, A);
	sim_run(&sim, SEC);
	changes = sim.host[A].changes;
	lan->loss_percent = 100; /* for checks; traffic is heard */
	for (int i = 0; i < 40; i++) {
		path_sending(&sim.host[A].path, sim.now);
		sim_step(&sim, A);
		sim_run(&sim, 1200 * MS);
		path_heard(&sim.host[A].path, sim.now);
	}
	assert_int_equal(sim.host[A].path.state, PATH_UP);
	assert_int_equal(sim.host[A].changes, changes);
}

static void stateful_firewalls_on_both_sides_are_passed(void **state)
{
	struct route *wan;

	(void)state;
	sim_init(&sim, 1);
	wan = sim_route(&sim, CAND_SRFLX, "192.0.2.1:1", "198.51.100.1:1", 20 * MS);
	wan->firewall[A] = wan->firewall[B] = true;
	sim_want(&sim, A);
	sim_run(&sim, 500 * MS);
	assert_choice(A, wan);
	assert_choice(B, wan);

	/* Hours later both firewalls have forgotten, B has a path that it believes in, and only A has
	 * traffic. */
	sim_run(&sim, 3600 * SEC);
	wan->opened[A] = wan->opened[B] = false;
	sim_run_with_traffic(&sim, A, false, 5 * SEC);
	assert_choice(A, wan);
	assert_true(wan->opened[B]);
}

static void loss_only_delays(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 300; seed++) {
		sim_init(&sim, seed);
		sim_route(&sim, CAND_SRFLX, "192.0.2.1:1", "198.51.100.1:1", 20 * MS)->loss_percent = 30;
		sim_want(&sim, A);
		sim_run(&sim, 25 * SEC);
		if (sim.host[A].path.state != PATH_UP)
			fail_msg("seed %" PRIu64, seed);
	}
}

static void an_unreachable_peer_is_tried_ever_more_rarely_and_given_up(void **state)
{
	unsigned in_first_minute, in_sixth;

	(void)state;
	sim_init(&sim, 1);
	sim_route(&sim, CAND_SRFLX, "192.0.2.1:1", "198.51.100.1:1", 20 * MS)->cut = true;
	sim_want(&sim, A);
	sim_run(&sim, 60 * SEC);
	in_first_minute = sim.host[A].sent;
	sim_run(&sim, 240 * SEC);
	in_sixth = sim.host[A].sent;
	sim_run(&sim, 60 * SEC);
	in_sixth = sim.host[A].sent - in_sixth;
	assert_true(in_first_minute >= 12);
	assert_true(in_sixth <= 8);
	assert_int_equal(sim.host[A].path.state, PATH_CHECKING);
	sim_run(&sim, 600 * SEC);
	assert_int_equal(sim.host[A].path.state, PATH_IDLE);
	assert_int_equal(sim.host[B].path.state, PATH_IDLE);
}

static void a_peer_that_is_sought_helps_for_a_moment_only(void **state)
{
	unsigned sent;

	(void)state;
	sim_init(&sim, 1);
	sim_route(&sim, CAND_SRFLX, "192.0.2.1:1", "198.51.100.1:1", 20 * MS)->cut = true;
	struct candidates c = sim_candidates(&sim, A);
	path_candidates(&sim.host[B].path, &c, sim.now);
	sim_step(&sim, B);
	sim_run(&sim, 60 * SEC);
	sent = sim.host[B].sent;
	assert_true(sent >= PATH_CHECK_TRIES);
	assert_int_equal(sim.host[B].path.state, PATH_IDLE);
	sim_run(&sim, 600 * SEC);
	assert_int_equal(sim.host[B].sent, sent);
}

static void a_peer_that_appears_later_is_found_by_its_own_check(void **state)
{
	struct route *wan;

	(void)state;
	sim_init(&sim, 1);
	wan = sim_route(&sim, CAND_SRFLX, "192.0.2.1:1", "198.51.100.1:1", 20 * MS);
	path_check_received(&sim.host[B].path, &wan->end[A], sim.now);
	sim_step(&sim, B);
	assert_int_equal(sim.host[B].sent, 1);
	sim_run(&sim, SEC);
	assert_choice(B, wan);
	assert_int_equal(path_chosen(&sim.host[B].path)->remote.type, CAND_PRFLX);
}

static void without_candidates_the_question_is_repeated(void **state)
{
	(void)state;
	sim_init(&sim, 1);
	sim.host[A].exchange = false;
	sim_want(&sim, A);
	sim_run(&sim, 10 * SEC);
	assert_in_range(sim.host[A].asked, 3, 6);
	assert_int_equal(sim.host[A].sent, 0);
}

static void an_answer_counts_only_from_where_the_check_went(void **state)
{
	struct route *r;
	struct path *p = &sim.host[A].path;
	struct endpoint elsewhere;

	(void)state;
	sim_init(&sim, 1);
	r = sim_route(&sim, CAND_SRFLX, "192.0.2.1:1", "198.51.100.1:1", 20 * MS);
	r->cut = true;
	sim_want(&sim, A);
	sim_run(&sim, MS);
	elsewhere = r->end[B];
	elsewhere.port++;
	path_check_answered(p, p->pairs[0].txid[0], &elsewhere, sim.now);
	assert_null(path_chosen(p));
	assert_false(path_check_answered(p, (const uint8_t[12]){9}, &r->end[B], sim.now));
	assert_null(path_chosen(p));
	assert_true(path_check_answered(p, p->pairs[0].txid[0], &r->end[B], sim.now));
	assert_non_null(path_chosen(p));
}

static void a_late_answer_to_an_earlier_try_counts(void **state)
{
	(void)state;
	sim_init(&sim, 1);
	sim_route(&sim, CAND_SRFLX, "192.0.2.1:1", "198.51.100.1:1", 400 * MS);
	sim_want(&sim, A);
	sim_run(&sim, 801 * MS);
	assert_int_equal(sim.host[A].path.state, PATH_UP);
	assert_int_equal(path_chosen(&sim.host[A].path)->rtt, 800 * MS);
}

static void roaming_moves_the_choice_without_a_report(void **state)
{
	struct route *lan, *other;

	(void)state;
	sim_init(&sim, 1);
	lan = sim_route(&sim, CAND_HOST, "10.0.0.1:1", "10.0.0.2:1", MS);
	sim_want(&sim, A);
	sim_run(&sim, SEC);
	assert_choice(A, lan);
	other = sim_route(&sim, CAND_SRFLX, "10.0.9.1:1", "198.51.100.7:1", 30 * MS);
	path_authentic(&sim.host[A].path, &other->end[B], sim.now);
	sim_step(&sim, A);
	assert_choice(A, other);
	assert_int_equal(sim.host[A].changes, 1);
	assert_int_equal(sim.host[A].path.state, PATH_UP);
}

static void roaming_to_an_address_whose_checks_had_failed_keeps_the_path_up(void **state)
{
	struct path *p = &sim.host[A].path;
	struct route *lan, *other;

	(void)state;
	sim_init(&sim, 1);
	lan = sim_route(&sim, CAND_HOST, "10.0.0.1:1", "10.0.0.2:1", MS);
	other = sim_route(&sim, CAND_HOST, "10.0.9.1:1", "10.0.9.2:1", MS);
	other->cut = true;
	sim_want(&sim, A);
	sim_run(&sim, 10 * SEC);
	assert_choice(A, lan);
	path_authentic(p, &other->end[B], sim.now);
	sim_step(&sim, A);
	assert_int_equal(p->state, PATH_UP);
	assert_choice(A, other);
}

static void new_candidates_replace_old_ones_but_not_what_is_in_use(void **state)
{
	struct candidates c;
	struct path *p = &sim.host[A].path;
	struct route *lan;

	(void)state;
	sim_init(&sim, 1);
	lan = sim_route(&sim, CAND_HOST, "10.0.0.1:1", "10.0.0.2:1", MS);
	sim_route(&sim, CAND_HOST, "10.0.1.1:1", "10.0.1.2:1", MS)->cut = true;
	sim_want(&sim, A);
	sim_run(&sim, 10 * SEC);
	assert_int_equal(p->n_pairs, 2);

	c = (struct candidates){.n = 1, .v = {{.type = CAND_HOST}}};
	assert_int_equal(endpoint_parse("10.0.5.2:1", &c.v[0].ep), 0);
	path_candidates(p, &c, sim.now);
	sim_step(&sim, A);
	assert_int_equal(p->n_pairs, 2);
	assert_choice(A, lan);
}

static void a_flood_of_addresses_does_not_push_out_the_chosen_one(void **state)
{
	struct endpoint from = {.ip = ip_v4_host(0xc6336400), .port = 1};
	struct path *p = &sim.host[A].path;
	struct route *lan;

	(void)state;
	sim_init(&sim, 1);
	lan = sim_route(&sim, CAND_HOST, "10.0.0.1:1", "10.0.0.2:1", MS);
	sim_want(&sim, A);
	sim_run(&sim, SEC);
	for (unsigned i = 0; i < 1000; i++) {
		from.port = (uint16_t)(i + 1);
		path_check_received(p, &from, sim.now);
	}
	assert_true(p->n_pairs <= PATH_PAIRS_MAX);
	assert_choice(A, lan);
	sim_step(&sim, A);
	sim_run(&sim, 60 * SEC);
	assert_choice(A, lan);
}

static void a_changed_network_is_looked_through_at_once(void **state)
{
	struct route *lan, *wan;

	(void)state;
	sim_init(&sim, 1);
	lan = sim_route(&sim, CAND_HOST, "10.0.0.1:1", "10.0.0.2:1", MS);
	wan = sim_route(&sim, CAND_SRFLX, "192.0.2.1:1", "198.51.100.1:1", 20 * MS);
	wan->cut = true;
	sim_want(&sim, A);
	sim_run(&sim, 20 * SEC);
	assert_choice(A, lan);
	lan->cut = true;
	wan->cut = false;
	path_restart(&sim.host[A].path, sim.now);
	sim_step(&sim, A);
	sim_run(&sim, SEC);
	assert_choice(A, wan);
}

/* The replay guard of checks, against a set that forgets nothing. */
static void each_stamp_is_answered_once(void **state)
{
	static const struct {
		uint64_t stamp;
		bool ok;
	} steps[] = {
		{20000000000, true},
		{20000000000, false},
		{20000000005, true},
		{20000000003, true},
		{20000000003, false},
		{14999999999, false},
		/* far older than the first */ {15000000001, true},
		{40000000000, true},
		{40000000000, false},
		{0, false},
	};
	struct replied r = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(steps); i++)
		if (replied_accept(&r, steps[i].stamp) != steps[i].ok)
			fail_msg("step %zu", i);
}

static void what_was_answered_before_a_restart_stays_refused(void **state)
{
	struct replied before = {0}, after = {0};

	(void)state;
	assert_int_equal(replied_newest(&before), 0);
	assert_true(replied_accept(&before, 90000000002));
	assert_true(replied_accept(&before, 90000000001));
	assert_int_equal(replied_newest(&before), 90000000002);
	replied_seed(&after, replied_newest(&before));
	assert_false(replied_accept(&after, 90000000001));
	assert_false(replied_accept(&after, 90000000002));
	/* The first one after it must not lower the floor again. */
	assert_true(replied_accept(&after, 90000000003));
	assert_false(replied_accept(&after, 90000000000));
	replied_seed(&after, 5);
	assert_false(replied_accept(&after, 90000000002));
}

static void no_stamp_is_ever_answered_twice(void **state)
{
	enum { N = 4000 };
	static bool seen[N];
	struct replied r = {0};
	uint32_t x = 7;
	unsigned refused_new = 0;

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		unsigned newest = i / 5, at;

		x = x * 1664525 + 1013904223;
		at = newest > x >> 26 ? newest - (x >> 26) : newest; /* up to 63 late */
		if (at >= N)
			at = N - 1;
		bool ok = replied_accept(&r, 1000 + at);
		if (ok && seen[at])
			fail_msg("stamp %u twice", at);
		refused_new += !ok && !seen[at] && newest - at < 4;
		seen[at] |= ok;
	}
	assert_int_equal(refused_new, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_sides_are_up_one_round_trip_after_the_candidates),
		cmocka_unit_test(the_first_pair_is_used_at_once_and_the_lan_soon_after),
		cmocka_unit_test(a_better_pair_replaces_the_chosen_one_but_not_for_little),
		cmocka_unit_test(among_equals_only_a_clearly_shorter_round_trip_wins),
		cmocka_unit_test(many_candidates_leave_in_paced_bursts),
		cmocka_unit_test(without_traffic_nothing_is_sent),
		cmocka_unit_test(two_working_pairs_do_not_keep_each_other_busy),
		cmocka_unit_test(traffic_that_is_answered_needs_no_checks),
		cmocka_unit_test(one_way_traffic_is_backed_by_a_check_a_second),
		cmocka_unit_test(a_dead_path_is_left_within_two_seconds_of_silence),
		cmocka_unit_test(a_slow_path_is_not_taken_for_dead),
		cmocka_unit_test(lost_checks_do_not_kill_a_path_that_wireguard_uses),
		cmocka_unit_test(stateful_firewalls_on_both_sides_are_passed),
		cmocka_unit_test(loss_only_delays),
		cmocka_unit_test(an_unreachable_peer_is_tried_ever_more_rarely_and_given_up),
		cmocka_unit_test(a_peer_that_is_sought_helps_for_a_moment_only),
		cmocka_unit_test(a_peer_that_appears_later_is_found_by_its_own_check),
		cmocka_unit_test(without_candidates_the_question_is_repeated),
		cmocka_unit_test(an_answer_counts_only_from_where_the_check_went),
		cmocka_unit_test(a_late_answer_to_an_earlier_try_counts),
		cmocka_unit_test(roaming_moves_the_choice_without_a_report),
		cmocka_unit_test(roaming_to_an_address_whose_checks_had_failed_keeps_the_path_up),
		cmocka_unit_test(new_candidates_replace_old_ones_but_not_what_is_in_use),
		cmocka_unit_test(a_flood_of_addresses_does_not_push_out_the_chosen_one),
		cmocka_unit_test(a_changed_network_is_looked_through_at_once),
		cmocka_unit_test(each_stamp_is_answered_once),
		cmocka_unit_test(what_was_answered_before_a_restart_stays_refused),
		cmocka_unit_test(no_stamp_is_ever_answered_twice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
