/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What a path decides, where it depends on single messages; how whole hosts find each other: test/sim. */
#include "rig.h"
#include "unit/unit.h"

#include "control/path/pairs.h"

static void start_again(uint64_t seed)
{
	rig_deinit(&rig);
	rig_init(&rig, seed);
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

		start_again(i);
		first = rig_route(
			&rig, rows[i].first_type, "192.0.2.100:1", rows[i].first, rows[i].first_delay);
		second = rig_route(
			&rig, rows[i].second_type, "192.0.2.101:1", rows[i].second, rows[i].second_delay);
		rig_want(&rig, A);
		rig_run(&rig, SEC);
		if (rig_chosen(&rig, A) != (rows[i].replaced ? second : first))
			fail_msg("row %zu", i);
	}
}

static void one_way_traffic_is_backed_by_five_checks_a_second(void **state)
{
	unsigned sent;

	(void)state;
	rig_route(&rig, CAND_HOST, "10.0.0.1:1", "10.0.0.2:1", MS);
	rig_want(&rig, A);
	rig_run(&rig, SEC);
	sent = rig.side[A].checks;
	rig_run_with_traffic(&rig, A, false, 60 * SEC);
	assert_in_range(rig.side[A].checks - sent, 200, 350);
	assert_int_equal(rig_view(&rig, A).state, PATH_UP);
	assert_int_equal(rig.side[A].outs[CORE_USE], 1);
}

static void lost_checks_do_not_kill_a_path_that_wireguard_uses(void **state)
{
	struct side *a = &rig.side[A];
	struct route *lan;
	unsigned changes;

	(void)state;
	lan = rig_route(&rig, CAND_HOST, "10.0.0.1:1", "10.0.0.2:1", MS);
	rig_want(&rig, A);
	rig_run(&rig, SEC);
	changes = a->outs[CORE_USE];
	lan->loses_checks = true; /* traffic is heard */
	for (int i = 0; i < 40; i++) {
		a->tx_bytes += 100;
		rig_run(&rig, 700 * MS);
		a->last_recv = rig.now;
		rig_run(&rig, 900 * MS);
	}
	assert_true(a->checks > 10);
	assert_int_equal(rig_view(&rig, A).state, PATH_UP);
	assert_int_equal(a->outs[CORE_USE], changes);
}

static void an_answer_counts_only_from_where_the_check_went(void **state)
{
	struct datagram answer;
	struct route *r;
	struct core_in in = {.kind = CORE_STUN};

	(void)state;
	r = rig_route(&rig, CAND_SRFLX, "192.0.2.1:1", "198.51.100.1:1", 20 * MS);
	rig_want(&rig, A);
	rig_run(&rig, 20 * MS);
	answer = rig.wire[0];
	assert_int_equal(answer.to, A);
	rig.n_wire = 0;
	in.stun.msg = answer.msg;
	in.stun.n = answer.n;
	in.stun.by.remote = r->end[B];
	in.stun.by.remote.port++;
	rig_input(&rig, A, in);
	rig_assert_chosen(&rig, A, NULL);
	in.stun.by.remote = r->end[B];
	rig_input(&rig, A, in);
	rig_assert_chosen(&rig, A, r);
	assert_int_equal(core_refused(rig.side[A].core), 0);
}

/* The peer moves: its packets come from elsewhere, and nothing at its old address answers. */
static void a_peer_that_moves_is_followed_within_a_third_of_a_second(void **state)
{
	struct route *lan, *other;

	(void)state;
	lan = rig_route(&rig, CAND_HOST, "10.0.0.1:1", "10.0.0.2:1", MS);
	rig_want(&rig, A);
	rig_run(&rig, 10 * SEC);
	rig_assert_chosen(&rig, A, lan);
	other = rig_route(&rig, CAND_SRFLX, "10.0.9.1:1", "198.51.100.7:1", 30 * MS);
	lan->cut = true;
	rig_heard(&rig, A, other);
	rig_assert_chosen(&rig, A, lan);
	rig_run(&rig, 320 * MS);
	rig_assert_chosen(&rig, A, other);
	assert_int_equal(rig_view(&rig, A).state, PATH_UP);
}

static void also_one_that_moves_soon_after_its_old_address_answered(void **state)
{
	struct route *lan, *other;

	(void)state;
	lan = rig_route(&rig, CAND_HOST, "10.0.0.1:1", "10.0.0.2:1", MS);
	rig_want(&rig, A);
	rig_run(&rig, SEC);
	rig_assert_chosen(&rig, A, lan);
	other = rig_route(&rig, CAND_SRFLX, "10.0.9.1:1", "198.51.100.7:1", 30 * MS);
	lan->cut = true;
	rig_heard(&rig, A, other);
	rig_run(&rig, 320 * MS);
	rig_assert_chosen(&rig, A, other);
}

static void what_a_dead_path_is_followed_by_is_taken_at_once(void **state)
{
	struct route *lan, *other;

	(void)state;
	lan = rig_route(&rig, CAND_HOST, "10.0.0.1:1", "10.0.0.2:1", MS);
	rig_want(&rig, A);
	rig_run_with_traffic(&rig, A, true, 10 * SEC);
	other = rig_route(&rig, CAND_SRFLX, "10.0.9.1:1", "198.51.100.7:1", 30 * MS);
	lan->cut = true;
	rig_run_with_traffic(&rig, A, true, 600 * MS); /* silence, and a check */
	rig_assert_chosen(&rig, A, lan);
	rig_heard(&rig, A, other);
	rig_assert_chosen(&rig, A, other);
}

static ns_t time_until_death(ns_t lateness)
{
	struct route *lan;
	ns_t start;

	start_again(1);
	rig.lateness = lateness;
	lan = rig_route(&rig, CAND_HOST, "10.0.0.1:1", "10.0.0.2:1",
		70 * MS); /* no try ends when traffic is looked at anyway */
	rig_want(&rig, A);
	rig_run_with_traffic(&rig, A, true, 10 * SEC);
	lan->cut = true;
	for (start = rig.now; rig_view(&rig, A).state == PATH_UP && rig.now < start + 10 * SEC;) {
		rig.side[A].tx_bytes += 100;
		rig_run(&rig, 10 * MS);
	}
	return rig.now - start;
}

static void a_death_is_noticed_as_soon_when_timers_are_late(void **state)
{
	const ns_t punctual = time_until_death(0);

	(void)state;
	assert_in_range(punctual, 1450 * MS, 1800 * MS);
	for (ns_t late = 100 * US; late <= 2 * MS; late += 100 * US)
		assert_in_range(time_until_death(late), punctual, punctual + 8 * late + PATH_SAMPLE_GRID);
}

/* Both addresses live, and the peer sends by both in turn. */
static void packets_by_two_living_ways_in_turn_leave_the_choice_alone(void **state)
{
	struct route *chosen, *other;
	unsigned changes, checks;

	(void)state;
	chosen = rig_route(&rig, CAND_SRFLX, "192.0.2.1:1", "198.51.100.1:1", 20 * MS);
	other = rig_route(&rig, CAND_SRFLX, "192.0.2.2:1", "198.51.100.2:1", 20 * MS);
	rig_want(&rig, A);
	rig_run_with_traffic(&rig, A, true, 5 * SEC);
	chosen = rig_chosen(&rig, A) == other ? other : chosen;
	other = &rig.routes[chosen == &rig.routes[0]];
	changes = rig.side[A].outs[CORE_USE];
	checks = rig.side[A].checks;
	for (int i = 0; i < 100; i++) {
		if (i % 2)
			rig_heard(&rig, A, other);
		else
			rig.side[A].last_recv = rig.now;
		assert_int_equal(rig_run_with_traffic(&rig, A, true, 100 * MS), 1);
		rig_assert_chosen(&rig, A, chosen);
	}
	/* Only which of our addresses the peer reaches may have been news. */
	assert_in_range(rig.side[A].outs[CORE_USE] - changes, 0, 1);
	assert_in_range(rig.side[A].checks - checks, 2, 12);
}

static void the_address_that_a_peer_reaches_us_by_becomes_the_source(void **state)
{
	struct route *lan;

	(void)state;
	lan = rig_route(&rig, CAND_HOST, "10.0.0.1:1", "10.0.0.2:1", MS);
	rig_want(&rig, A);
	rig_run(&rig, SEC);
	assert_int_equal(rig.side[A].way.local.family, IP_NONE);
	rig_heard(&rig, A, lan);
	assert_true(ip_eq(&rig.side[A].way.local, &lan->end[A].ip));
	/* Until our network changes: then it may be ours no longer. */
	rig_network(&rig, A, NULL);
	rig_assert_chosen(&rig, A, lan);
	assert_int_equal(rig.side[A].way.local.family, IP_NONE);
}

/* A handshake that is tried again, or a send that the kernel refuses, leaves the source out. */
static void lose_source(struct side *s)
{
	s->way.local = (struct ip){.family = IP_NONE};
	s->way.local_ifindex = 0;
}

static void a_source_that_the_plane_gave_up_is_set_again_by_the_next_packet(void **state)
{
	struct side *a = &rig.side[A];
	struct route *lan;
	unsigned checks, uses;

	(void)state;
	lan = rig_route(&rig, CAND_HOST, "10.0.0.1:1", "10.0.0.2:1", MS);
	rig_want(&rig, A);
	rig_run_with_traffic(&rig, A, true, 5 * SEC);
	assert_true(ip_eq(&a->way.local, &lan->end[A].ip));
	checks = a->checks;
	uses = a->outs[CORE_USE];
	lose_source(a);
	rig_run_with_traffic(&rig, A, true, 30 * SEC);
	assert_true(ip_eq(&a->way.local, &lan->end[A].ip));
	assert_int_equal(a->outs[CORE_USE] - uses, 1);
	assert_int_equal(a->checks, checks);
	assert_true(rig.now - a->last_recv <= SEC);
}

static void what_is_heard_by_the_chosen_pair_proves_it_whatever_the_source(void **state)
{
	struct side *a = &rig.side[A];
	struct route *lan;
	unsigned asked;

	(void)state;
	lan = rig_route(&rig, CAND_HOST, "10.0.0.1:1", "10.0.0.2:1", MS);
	rig_want(&rig, A);
	rig_run_with_traffic(&rig, A, true, 5 * SEC);
	asked = a->outs[CORE_ASK];
	rig.side[B].exchange = false; /* it does lose its path */
	lan->loses_checks = true;
	for (int i = 0; i < 20; i++) {
		a->tx_bytes += 100;
		rig_run(&rig, 1200 * MS); /* silence: a check is under way */
		lose_source(a); /* and what the plane counts stands still */
		rig_heard(&rig, A, lan);
	}
	rig_assert_chosen(&rig, A, lan);
	assert_int_equal(rig_view(&rig, A).state, PATH_UP);
	assert_int_equal(a->outs[CORE_ASK], asked);
}

static void a_way_whose_checks_had_failed_is_taken_when_it_is_heard(void **state)
{
	struct route *lan, *other;

	(void)state;
	lan = rig_route(&rig, CAND_HOST, "10.0.0.1:1", "10.0.0.2:1", MS);
	other = rig_route(&rig, CAND_HOST, "10.0.9.1:1", "10.0.9.2:1", MS);
	other->cut = true;
	rig_want(&rig, A);
	rig_run(&rig, 11 * SEC);
	rig_assert_chosen(&rig, A, lan);
	lan->cut = true;
	rig_heard(&rig, A, other);
	rig_run(&rig, 300 * MS);
	rig_assert_chosen(&rig, A, other);
	assert_int_equal(rig_view(&rig, A).state, PATH_UP);
}

/* What was sent to the peer by an earlier path is no traffic of this one. */
static void a_helper_that_used_the_peer_before_stays_a_helper(void **state)
{
	struct side *b = &rig.side[B];
	struct route *wan;

	(void)state;
	wan = rig_route(&rig, CAND_SRFLX, "192.0.2.1:1", "198.51.100.1:1", 20 * MS);
	b->tx_bytes = 5000;
	rig_want(&rig, A);
	rig_run(&rig, 10 * SEC);
	rig_assert_chosen(&rig, B, wan);
	wan->cut = true;
	rig_network(&rig, B, NULL); /* its own checks fail now */
	rig_run(&rig, 60 * SEC);
	assert_int_equal(rig_view(&rig, B).state, PATH_IDLE);
	assert_int_equal(b->outs[CORE_ASK], 0);
}

/* A path that rests costs nothing, and is there at once when it is wanted again. */
static void a_path_without_traffic_rests_and_remembers_the_way(void **state)
{
	struct route *wan;

	(void)state;
	wan = rig_route(&rig, CAND_SRFLX, "192.0.2.1:1", "198.51.100.1:1", 20 * MS);
	rig_want(&rig, A);
	rig_run_with_traffic(&rig, A, true, 60 * SEC);
	rig_run(&rig, PATH_WANTED_FOR - SEC);
	rig_assert_chosen(&rig, A, wan);
	rig_run(&rig, 4 * SEC);
	rig_assert_chosen(&rig, A, NULL);
	assert_int_equal(rig_view(&rig, A).state, PATH_IDLE);
	rig_run(&rig, 2 * PATH_WANTED_FOR);
	assert_int_equal(core_next(rig.side[A].core), NS_NEVER);

	rig.side[A].exchange = false; /* and no coordinator */
	rig_want(&rig, A);
	rig_assert_chosen(&rig, A, wan);
	rig_run(&rig, 41 * MS);
	assert_int_equal(rig_view(&rig, A).rtt, 40 * MS);
}

static void a_remembered_way_that_is_dead_gives_way_to_one_that_answers(void **state)
{
	struct route *old, *new;

	(void)state;
	old = rig_route(&rig, CAND_SRFLX, "192.0.2.1:1", "198.51.100.1:1", 20 * MS);
	rig_want(&rig, A);
	rig_run(&rig, 3 * PATH_WANTED_FOR);
	rig_assert_chosen(&rig, A, NULL);
	old->cut = true;
	new = rig_route(&rig, CAND_SRFLX, "192.0.2.2:1", "198.51.100.9:1", 20 * MS);
	rig_want(&rig, A);
	rig_assert_chosen(&rig, A, old);
	rig_run(&rig, 300 * MS);
	rig_assert_chosen(&rig, A, new);
}

static void a_changed_network_is_looked_through_at_once(void **state)
{
	struct route *lan, *wan;

	(void)state;
	lan = rig_route(&rig, CAND_HOST, "10.0.0.1:1", "10.0.0.2:1", MS);
	wan = rig_route(&rig, CAND_SRFLX, "192.0.2.1:1", "198.51.100.1:1", 20 * MS);
	wan->cut = true;
	rig_want(&rig, A);
	rig_run(&rig, 20 * SEC);
	rig_assert_chosen(&rig, A, lan);
	lan->cut = true;
	wan->cut = false;
	rig_network(&rig, A, NULL);
	rig_run(&rig, SEC);
	rig_assert_chosen(&rig, A, wan);
}

/* Of three further sockets the middle one is in use. */
static void the_socket_in_use_is_not_forgotten_and_another_one_is(void **state)
{
	const struct path_memory none = {.type = CAND_HOST};
	struct way_to way = {.kind = WAY_UDP, .socket = 1};
	struct path p;

	(void)state;
	path_init(&p, &none);
	assert_int_equal(endpoint_parse("192.0.2.1:1", &way.remote), TM_OK);
	for (; way.socket <= 3; way.socket++)
		assert_int_equal(pairs_add(&p, &way, CAND_PRFLX, 0), (int)way.socket - 1);
	p.chosen = 1;
	path_forget_socket(&p, 2);
	assert_int_equal(p.n_pairs, 3);
	path_forget_socket(&p, 1);
	assert_int_equal(p.n_pairs, 2);
	assert_int_equal(path_chosen(&p)->way.socket, 2);
	path_forget_socket(&p, 1); /* again */
	assert_int_equal(p.n_pairs, 2);
	path_deinit(&p);
}

/* The peer's address changed, and what it sends reaches the same further socket. */
static void a_socket_leads_to_where_the_peer_is_now_and_goes_with_all_that_was_by_it(void **state)
{
	const struct path_memory none = {.type = CAND_HOST};
	struct way_to way = {.kind = WAY_UDP, .socket = 1};
	struct path p;

	(void)state;
	path_init(&p, &none);
	assert_int_equal(endpoint_parse("192.0.2.1:1", &way.remote), TM_OK);
	assert_int_equal(pairs_add(&p, &way, CAND_PRFLX, 0), 0);
	way.remote.port = 2;
	assert_int_equal(pairs_add(&p, &way, CAND_PRFLX, 0), 1);
	way.socket = 2;
	assert_int_equal(pairs_add(&p, &way, CAND_PRFLX, 0), 2);

	p.chosen = 1;
	assert_ptr_equal(path_by_socket(&p, 1, SEC), &p.pairs[1].way);
	path_forget_socket(&p, 1);
	assert_int_equal(p.n_pairs, 3);

	p.chosen = 2;
	assert_null(path_by_socket(&p, 1, SEC));
	p.pairs[0].last_heard = 2 * SEC;
	p.pairs[1].last_heard = 3 * SEC;
	assert_ptr_equal(path_by_socket(&p, 1, SEC), &p.pairs[1].way);
	path_forget_socket(&p, 1);
	assert_int_equal(p.n_pairs, 1);
	assert_int_equal(path_chosen(&p)->way.socket, 2);
	path_deinit(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(a_better_pair_replaces_the_chosen_one_but_not_for_little),
		RIG_TEST(one_way_traffic_is_backed_by_five_checks_a_second),
		RIG_TEST(lost_checks_do_not_kill_a_path_that_wireguard_uses),
		RIG_TEST(an_answer_counts_only_from_where_the_check_went),
		RIG_TEST(a_peer_that_moves_is_followed_within_a_third_of_a_second),
		RIG_TEST(also_one_that_moves_soon_after_its_old_address_answered),
		RIG_TEST(what_a_dead_path_is_followed_by_is_taken_at_once),
		RIG_TEST(a_death_is_noticed_as_soon_when_timers_are_late),
		RIG_TEST(packets_by_two_living_ways_in_turn_leave_the_choice_alone),
		RIG_TEST(the_address_that_a_peer_reaches_us_by_becomes_the_source),
		RIG_TEST(a_source_that_the_plane_gave_up_is_set_again_by_the_next_packet),
		RIG_TEST(what_is_heard_by_the_chosen_pair_proves_it_whatever_the_source),
		RIG_TEST(a_way_whose_checks_had_failed_is_taken_when_it_is_heard),
		RIG_TEST(a_helper_that_used_the_peer_before_stays_a_helper),
		RIG_TEST(a_path_without_traffic_rests_and_remembers_the_way),
		RIG_TEST(a_remembered_way_that_is_dead_gives_way_to_one_that_answers),
		RIG_TEST(a_changed_network_is_looked_through_at_once),
		cmocka_unit_test(the_socket_in_use_is_not_forgotten_and_another_one_is),
		cmocka_unit_test(a_socket_leads_to_where_the_peer_is_now_and_goes_with_all_that_was_by_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
