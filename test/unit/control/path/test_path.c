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

static void assert_choice(unsigned side, const struct route *expected)
{
	char got[ENDPOINT_STR_LEN], want[ENDPOINT_STR_LEN];

	if (rig_chosen(&rig, side) != expected)
		fail_msg("side %u uses %s, not %s", side, endpoint_format(&rig.side[side].way.remote, got),
			expected ? endpoint_format(&expected->end[!side], want) : "nothing");
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

static void many_candidates_leave_in_paced_bursts(void **state)
{
	char a[32], b[32];

	(void)state;
	for (unsigned i = 0; i < ROUTES_MAX; i++) {
		snprintf(a, sizeof(a), i % 3 ? "192.0.2.%u:1" : "[2001:db8::1:%u]:1", i + 1);
		snprintf(b, sizeof(b), i % 3 ? "198.51.100.%u:1" : "[2001:db8::2:%u]:1", i + 1);
		rig_route(&rig, i % 2 ? CAND_SRFLX : CAND_HOST, a, b, 100 * MS);
	}
	rig_want(&rig, A);
	rig_run(&rig, 1 * MS);
	assert_int_equal(rig.side[A].checks, PATH_SENDS_MAX);
	rig_run(&rig, 20 * MS);
	assert_int_equal(rig.side[A].checks, ROUTES_MAX);
	assert_true(rig.side[A].largest_burst <= PATH_SENDS_MAX);
}

static void checks_are_repeated_soon_at_first_then_each_second_and_end(void **state)
{
	static const ns_t at[] = {0, 200, 500, 1000, 2000, 3000, 4000, 5000, 6000, 7000, 8000, 9000};

	(void)state;
	rig_route(&rig, CAND_HOST, "10.0.0.1:1", "10.0.0.2:1", MS)->cut = true;
	rig_want(&rig, A);
	for (unsigned i = 0; i < ARRAY_LEN(at); i++) {
		rig_run(&rig, (at[i] - (i ? at[i - 1] : 0)) * MS + (i ? 0 : 10 * MS));
		if (rig.side[A].checks != i + 1)
			fail_msg("%u checks after %lld ms", rig.side[A].checks, (long long)at[i]);
	}
	rig_run(&rig, 5 * SEC);
	assert_int_equal(rig.side[A].checks, ARRAY_LEN(at));
}

/* Six of a kind, four of them of one family; what else the peer says has its room. */
static void many_addresses_of_one_kind_push_out_no_other(void **state)
{
	struct candidates c = {.n = CANDIDATES_MAX};
	const struct pair *chosen, *pairs;
	unsigned ip6 = 0, ip4 = 0, srflx = 0;
	size_t n;

	(void)state;
	for (unsigned i = 0; i < c.n; i++) {
		char text[40];

		snprintf(text, sizeof(text), i < 13 ? "[2001:db8::%u]:1" : "192.0.2.%u:1", i + 1);
		c.v[i].type = i < 14 ? CAND_HOST : CAND_SRFLX;
		assert_int_equal(endpoint_parse(text, &c.v[i].ep), TM_OK);
	}
	rig_want(&rig, A);
	rig_input(&rig, A,
		(struct core_in){.kind = CORE_CANDIDATES, .id = rig.side[B].self.id, .candidates = &c});
	pairs = core_pairs(rig.side[A].core, rig.side[B].self.key, &n, &chosen);
	for (size_t i = 0; i < n; i++) {
		ip6 += pairs[i].way.remote.ip.family == IP_V6;
		ip4 += pairs[i].type == CAND_HOST && pairs[i].way.remote.ip.family == IP_V4;
		srflx += pairs[i].type == CAND_SRFLX;
	}
	assert_int_equal(ip6, PATH_FAMILY_MAX);
	assert_int_equal(ip4, 1);
	assert_int_equal(srflx, 2);
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
	assert_choice(A, NULL);
	in.stun.by.remote = r->end[B];
	rig_input(&rig, A, in);
	assert_choice(A, r);
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
	assert_choice(A, lan);
	other = rig_route(&rig, CAND_SRFLX, "10.0.9.1:1", "198.51.100.7:1", 30 * MS);
	lan->cut = true;
	rig_heard(&rig, A, other);
	assert_choice(A, lan);
	rig_run(&rig, 320 * MS);
	assert_choice(A, other);
	assert_int_equal(rig_view(&rig, A).state, PATH_UP);
}

static void also_one_that_moves_soon_after_its_old_address_answered(void **state)
{
	struct route *lan, *other;

	(void)state;
	lan = rig_route(&rig, CAND_HOST, "10.0.0.1:1", "10.0.0.2:1", MS);
	rig_want(&rig, A);
	rig_run(&rig, SEC);
	assert_choice(A, lan);
	other = rig_route(&rig, CAND_SRFLX, "10.0.9.1:1", "198.51.100.7:1", 30 * MS);
	lan->cut = true;
	rig_heard(&rig, A, other);
	rig_run(&rig, 320 * MS);
	assert_choice(A, other);
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
	assert_choice(A, lan);
	rig_heard(&rig, A, other);
	assert_choice(A, other);
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
		assert_choice(A, chosen);
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
	assert_choice(A, lan);
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
	assert_choice(A, lan);
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
	assert_choice(A, lan);
	lan->cut = true;
	rig_heard(&rig, A, other);
	rig_run(&rig, 300 * MS);
	assert_choice(A, other);
	assert_int_equal(rig_view(&rig, A).state, PATH_UP);
}

static void new_candidates_replace_old_ones_but_not_what_is_in_use(void **state)
{
	struct candidates c = {.n = 1, .v = {{.type = CAND_HOST}}};
	struct route *lan, *dead;

	(void)state;
	lan = rig_route(&rig, CAND_HOST, "10.0.0.1:1", "10.0.0.2:1", MS);
	dead = rig_route(&rig, CAND_HOST, "10.0.1.1:1", "10.0.1.2:1", MS);
	dead->cut = true;
	rig_want(&rig, A);
	rig_run(&rig, 11 * SEC);

	assert_int_equal(endpoint_parse("10.0.5.2:1", &c.v[0].ep), 0);
	rig_input(&rig, A,
		(struct core_in){.kind = CORE_CANDIDATES, .id = rig.side[B].self.id, .candidates = &c});
	assert_choice(A, lan);
	/* What is no candidate any more is not checked, the others are. */
	rig.side[A].exchange = false;
	free(rig_lines(&rig, A));
	rig_network(&rig, A, NULL);
	_cleanup_(freep) char *lines = rig_lines(&rig, A);
	assert_non_null(strstr(lines, "send 10.0.5.2:1"));
	assert_non_null(strstr(lines, "send 10.0.0.2:1"));
	assert_null(strstr(lines, "send 10.0.1.2:1"));
}

static void a_flood_of_addresses_does_not_push_out_the_chosen_one(void **state)
{
	struct core_in heard = {.kind = CORE_HEARD, .key = rig.side[B].self.key};
	struct route *lan;

	(void)state;
	lan = rig_route(&rig, CAND_HOST, "10.0.0.1:1", "10.0.0.2:1", MS);
	rig_want(&rig, A);
	rig_run(&rig, SEC);
	heard.by.remote.ip = ip_v4_host(0xc6336401);
	for (unsigned i = 0; i < 1000; i++) {
		heard.by.remote.port = (uint16_t)(i + 1);
		rig_input(&rig, A, heard);
	}
	assert_choice(A, lan);
	assert_true(rig.side[A].largest_burst <= PATH_SENDS_MAX);
	rig_run(&rig, 60 * SEC);
	assert_choice(A, lan);
}

/* A peer that names a victim's addresses, new ones all the time, has us check few of them. */
static void addresses_that_never_answer_get_few_checks(void **state)
{
	struct candidates c = {.n = CANDIDATES_MAX};
	struct core_in in = {
		.kind = CORE_CANDIDATES, .id = rig.side[B].self.id, .candidates = &c, .looks = true};
	unsigned port = 1024;

	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		for (unsigned j = 0; j < CANDIDATES_MAX; j++)
			c.v[j] = (struct candidate){.type = CAND_HOST,
				.ep = {.ip = ip_v4_host(0xc6336401), .port = (uint16_t)port++}};
		rig_input(&rig, A, in);
		rig_run(&rig, 20 * MS);
	}
	assert_in_range(rig.side[A].checks, PATH_BLIND_MAX, PATH_BLIND_MAX + 20 * SEC / PATH_BLIND_EVERY + 1);

	/* What answers is found all the same. */
	struct route *lan = rig_route(&rig, CAND_HOST, "10.0.0.1:1", "10.0.0.2:1", MS);
	rig_want(&rig, A);
	rig_run(&rig, SEC);
	assert_choice(A, lan);
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
	assert_choice(B, wan);
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
	assert_choice(A, wan);
	rig_run(&rig, 4 * SEC);
	assert_choice(A, NULL);
	assert_int_equal(rig_view(&rig, A).state, PATH_IDLE);
	rig_run(&rig, 2 * PATH_WANTED_FOR);
	assert_int_equal(core_next(rig.side[A].core), NS_NEVER);

	rig.side[A].exchange = false; /* and no coordinator */
	rig_want(&rig, A);
	assert_choice(A, wan);
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
	assert_choice(A, NULL);
	old->cut = true;
	new = rig_route(&rig, CAND_SRFLX, "192.0.2.2:1", "198.51.100.9:1", 20 * MS);
	rig_want(&rig, A);
	assert_choice(A, old);
	rig_run(&rig, 300 * MS);
	assert_choice(A, new);
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
	assert_choice(A, lan);
	lan->cut = true;
	wan->cut = false;
	rig_network(&rig, A, NULL);
	rig_run(&rig, SEC);
	assert_choice(A, wan);
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

/* Round trips that were measured apart differ by what the line does. */
static void two_ports_of_one_address_are_one_line(void **state)
{
	struct pair slow = {.type = CAND_SRFLX, .last_ok = 1, .rtt = 90 * MS}, fast = slow;
	(void)state;

	fast.rtt = 50 * MS;
	assert_int_equal(endpoint_parse("192.0.2.1:1", &slow.way.remote), TM_OK);
	assert_int_equal(endpoint_parse("192.0.2.1:2", &fast.way.remote), TM_OK);
	assert_false(pair_clearly_better(&fast, &slow));
	assert_int_equal(endpoint_parse("192.0.2.2:1", &fast.way.remote), TM_OK);
	assert_true(pair_clearly_better(&fast, &slow));
	/* But one that has answered is safer than one that was only believed. */
	assert_int_equal(endpoint_parse("192.0.2.1:2", &fast.way.remote), TM_OK);
	slow.last_ok = 0;
	slow.next_check = NS_NEVER;
	assert_true(pair_clearly_better(&fast, &slow));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_ports_of_one_address_are_one_line),
		RIG_TEST(a_better_pair_replaces_the_chosen_one_but_not_for_little),
		RIG_TEST(many_candidates_leave_in_paced_bursts),
		RIG_TEST(checks_are_repeated_soon_at_first_then_each_second_and_end),
		RIG_TEST(many_addresses_of_one_kind_push_out_no_other),
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
		RIG_TEST(new_candidates_replace_old_ones_but_not_what_is_in_use),
		RIG_TEST(a_flood_of_addresses_does_not_push_out_the_chosen_one),
		RIG_TEST(addresses_that_never_answer_get_few_checks),
		RIG_TEST(a_helper_that_used_the_peer_before_stays_a_helper),
		RIG_TEST(a_path_without_traffic_rests_and_remembers_the_way),
		RIG_TEST(a_remembered_way_that_is_dead_gives_way_to_one_that_answers),
		RIG_TEST(a_changed_network_is_looked_through_at_once),
		cmocka_unit_test(the_socket_in_use_is_not_forgotten_and_another_one_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
