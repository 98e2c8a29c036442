/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Stories about finding a path, keeping it, and leaving it for another. */
#include "sim/story.h"
#include "wire/stun.h"

/* A second line between the two: a LAN with private addresses. */
static struct segment *plug_lan(struct host *a, struct host *b, ns_t delay)
{
	struct segment *lan = segment_new(a->sim, "10.0.0.0/24", NULL);

	host_plug(a, 1, lan);
	host_plug(b, 1, lan);
	a->face[1].up.delay = b->face[1].up.delay = delay;
	return lan;
}

static bool no_stun(const struct datagram *dg)
{
	return !stun_classify(dg->bytes, dg->n);
}

/* Everything between members that is not about their own outer address. */
static uint64_t spent(const struct host *h)
{
	uint64_t n = h->checks;

	for (unsigned type = 1; type < ARRAY_LEN(h->sent); type++)
		n += h->sent[type];
	return n;
}

/* --- finding one --- */

static void both_sides_are_up_one_round_trip_after_the_candidates(void **state)
{
	MESH(state);

	host_send(a, b);
	sim_run(s, 2 * m->c->links[a->number]->delay); /* asked and told */
	assert_false(is_up(a, b));
	sim_run(s, 20 * MS);
	assert_true(is_up(a, b));
	assert_int_equal(host_path(a, b).rtt, 20 * MS);
	sim_run(s, 20 * MS);
	assert_true(is_up(b, a));
	sim_run(s, 100 * MS);
	expect_nothing_lost(a, b);
}

static void a_packet_waits_for_the_path_and_is_not_lost(void **state)
{
	MESH(state);

	host_line(a)->delay = host_line(b)->delay = 200 * MS;
	for (unsigned i = 0; i < 20; i++)
		host_send(a, b);
	sim_run(s, 3 * SEC);
	expect_nothing_lost(a, b);
	expect_connected(a, b);
}

static void stateful_firewalls_on_both_sides_are_passed_also_hours_later(void **state)
{
	MESH(state);
	const struct nat_kind kind = {.filtering = NAT_ADDRESS_AND_PORT_DEPENDENT, .expiry = 30 * SEC};

	host_plug(a, 0, firewall_new(s, s->internet, &kind)->inside);
	host_plug(b, 0, firewall_new(s, s->internet, &kind)->inside);
	sim_run(s, 3 * SEC);
	for (unsigned i = 0; i < 3; i++) {
		talk(a, b, false, 100 * MS, 3 * SEC);
		assert_true(is_up(a, b) && is_up(b, a));
		expect_connected(a, b);
		sim_run(s, 3600 * SEC);
	}
}

/* Both paths come up by the same checks, at about the same moment. */
static void a_first_contact_takes_one_handshake(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 60; seed++) {
		struct mesh m = mesh_new(seed);

		if (seed % 3 == 1)
			plug_behind(m.a, &nat_home);
		if (seed % 3)
			plug_behind(m.b, &nat_home);
		host_line(m.a)->delay = (ns_t)sim_between(m.s, 1, 100) * MS;
		host_line(m.b)->delay = (ns_t)sim_between(m.s, 1, 100) * MS;
		m.a->link->delay = (ns_t)sim_between(m.s, 1, 100) * MS;
		m.b->link->delay = (ns_t)sim_between(m.s, 1, 100) * MS;
		sim_run(m.s, 3 * SEC);
		host_send(m.a, m.b);
		sim_run(m.s, 8 * SEC);
		expect_nothing_lost(m.a, m.b);
		if (m.a->sent[WG_INIT] + m.b->sent[WG_INIT] != 1)
			fail_msg("seed %llu: %llu and %llu initiations", (unsigned long long)seed,
				(unsigned long long)m.a->sent[WG_INIT],
				(unsigned long long)m.b->sent[WG_INIT]);
		sim_free(m.s);
	}
}

static void loss_only_delays(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 50; seed++) {
		struct mesh m = mesh_new(seed);

		host_set_line(m.a, 300, 0, 0, 0);
		host_set_line(m.b, 300, 0, 0, 0);
		sim_run(m.s, 5 * SEC);
		for (unsigned i = 0; i < 25 && !is_up(m.a, m.b); i++)
			talk(m.a, m.b, false, 1 * SEC, 1 * SEC);
		if (!is_up(m.a, m.b))
			fail_msg("no path after 25 s (seed %llu)", (unsigned long long)seed);
		sim_free(m.s);
	}
}

static void a_peer_that_appears_later_is_found(void **state)
{
	MESH(state);
	struct segment *was = b->face[0].segment;

	host_plug(b, 0, NULL);
	control_link_cut(b->link, NS_NEVER);
	talk(a, b, false, 1 * SEC, 20 * SEC);
	assert_false(is_up(a, b));
	host_plug(b, 0, was);
	host_send(a, b);
	sim_run(s, 1 * SEC);
	assert_true(is_up(a, b));
	expect_connected(a, b);
}

static void without_a_coordinator_the_question_is_repeated_and_answered_when_it_is_back(void **state)
{
	MESH(state);
	unsigned asked;

	coordinator_stop(m->c);
	talk(a, b, false, 1 * SEC, 30 * SEC);
	asked = a->link->asked;
	assert_in_range(asked, 4, 40);
	assert_int_equal(a->checks, 0);
	coordinator_start(m->c);
	talk(a, b, false, 1 * SEC, 30 * SEC);
	assert_true(is_up(a, b));
	expect_connected(a, b);
}

static void an_unreachable_peer_is_tried_ever_more_rarely_and_given_up(void **state)
{
	MESH(state);
	unsigned first, sixth;

	host_line(b)->blocked = true;
	host_send(a, b);
	sim_run(s, 60 * SEC);
	first = a->checks;
	sim_run(s, 240 * SEC);
	sixth = a->checks;
	sim_run(s, 60 * SEC);
	sixth = a->checks - sixth;
	assert_true(first >= 12);
	assert_true(sixth <= 36);
	sim_run(s, 1200 * SEC);
	assert_int_equal(host_path(a, b).state, PATH_IDLE);
	first = a->checks + b->checks;
	sim_run(s, 3600 * SEC);
	assert_int_equal(a->checks + b->checks, first);
}

static void a_peer_that_is_sought_helps_for_a_moment_only(void **state)
{
	MESH(state);
	unsigned sent;

	host_line(a)->blocked = true;
	host_send(a, b);
	sim_run(s, 60 * SEC);
	sent = b->checks;
	assert_true(sent >= 6);
	control_link_cut(a->link, NS_NEVER);
	sim_run(s, 100 * SEC);
	sent = b->checks;
	sim_run(s, 600 * SEC);
	assert_int_equal(b->checks, sent);
	assert_int_equal(host_path(b, a).state, PATH_IDLE);
}

/* --- choosing --- */

static void the_first_pair_is_used_at_once_and_the_lan_soon_after(void **state)
{
	MESH(state);

	plug_behind(a, &(struct nat_kind){.refresh_inbound = true}); /* lets everybody in */
	plug_behind(b, &(struct nat_kind){.refresh_inbound = true});
	plug_lan(a, b, 11 * MS);
	sim_run(s, 3 * SEC);
	host_send(a, b);
	sim_run(s, 61 * MS);
	assert_true(is_up(a, b));
	assert_false(leads_to(a, b, &b->face[1].ip4));
	sim_run(s, 1 * SEC);
	expect_way(a, b, &b->face[1].ip4);
	expect_way(b, a, &a->face[1].ip4);
	expect_nothing_lost(a, b);
}

static void ip6_without_translation_is_preferred_to_ip4(void **state)
{
	MESH(state);

	host_send(a, b);
	sim_run(s, 1 * SEC);
	expect_way(a, b, &b->face[0].ip6);
}

static void among_equals_only_a_clearly_shorter_round_trip_wins(void **state)
{
	static const struct {
		ns_t now, next; /* one way */
		bool replaced;
	} rows[] = {
		{50 * MS, 45 * MS, false},
		{50 * MS, 37 * MS, true},
		{6 * MS, 2 * MS, false}, /* 8 ms less, but 10 ms are asked for */
		{7 * MS, 1 * MS, true},
		{50 * MS, 50 * MS, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct mesh m = mesh_new(i + 1);
		struct segment *second = segment_new(m.s, "10.0.1.0/24", NULL);

		plug_behind(m.a, &nat_home);
		plug_behind(m.b, &nat_home);
		host_line(m.a)->delay = host_line(m.b)->delay = 60 * MS;
		plug_lan(m.a, m.b, rows[i].now);
		sim_run(m.s, 3 * SEC);
		talk(m.a, m.b, true, 200 * MS, 20 * SEC);
		expect_way(m.a, m.b, &m.b->face[1].ip4);
		host_plug(m.b, 2, second);
		host_plug(m.a, 2, second);
		m.a->face[2].up.delay = m.b->face[2].up.delay = rows[i].next;
		talk(m.a, m.b, true, 200 * MS, 20 * SEC);
		if (leads_to(m.a, m.b, &m.b->face[2].ip4) != rows[i].replaced)
			fail_msg("row %zu", i);
		expect_nothing_lost(m.a, m.b);
		sim_free(m.s);
	}
}

static void promotion_to_a_better_pair_loses_no_packet(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct mesh m = mesh_new(seed);

		host_set_line(m.a, 0, 0, 0, (ns_t)(seed % 3) * 20 * MS);
		host_set_line(m.b, 0, 0, 0, (ns_t)(seed % 5) * 20 * MS);
		plug_behind(m.a, &nat_home);
		sim_run(m.s, 3 * SEC);
		talk(m.a, m.b, true, 10 * MS, 2 * SEC);
		plug_lan(m.a, m.b, 1 * MS);
		talk(m.a, m.b, true, 10 * MS, 5 * SEC);
		expect_way(m.a, m.b, &m.b->face[1].ip4);
		expect_way(m.b, m.a, &m.a->face[1].ip4);
		sim_run(m.s, 1 * SEC);
		expect_nothing_lost(m.a, m.b);
		sim_free(m.s);
	}
}

/* --- a peer that has lost its sessions --- */

/* Sent at 0, 1, 2 and 3 s to one that was restarted just before: the first that arrives, counted from 1. */
static unsigned first_to_arrive(struct mesh *m)
{
	const struct friendship *f;

	host_restart(m->b);
	f = sim_friend(m->b, m->a);
	for (unsigned i = 1; i <= 4; i++) {
		const uint64_t before = f->received;

		host_send(m->a, m->b);
		sim_run(m->s, 1 * SEC);
		if (f->received > before)
			return i;
	}
	return 5;
}

static void a_restarted_peer_is_met_again_by_one_check(void **state)
{
	(void)state;
	/* Whatever the moment: traffic is looked at once a second. */
	for (ns_t phase = 0; phase < 1 * SEC; phase += 20 * MS) {
		struct mesh m = mesh_new(1);

		sim_run(m.s, 3 * SEC);
		expect_connected(m.a, m.b);
		sim_run(m.s, 5 * SEC + phase);
		assert_in_range(first_to_arrive(&m), 1, 2);
		sim_free(m.s);
	}
}

static bool loses_data;

static bool all_but_data(const struct datagram *dg)
{
	return !loses_data || wg_classify(dg->bytes, dg->n) != WG_DATA;
}

/* Without it the other side goes on under the session that we have lost, and not for one packet only. */
static void the_packet_that_confirms_a_restarted_peers_session_may_get_lost(void **state)
{
	MESH(state);

	expect_connected(a, b);
	sim_run(s, 5 * SEC);
	host_restart(b);
	host_line(b)->passes = all_but_data;
	loses_data = true;
	host_send(a, b);
	sim_run(s, 1500 * MS);
	loses_data = false;
	assert_true(host_has_session(b, a));
	for (unsigned i = 0; i < 2; i++) {
		host_send(a, b);
		sim_run(s, 1300 * MS);
	}
	expect_connected(a, b);
}

/* --- idle and busy --- */

static void an_idle_pair_is_silent(void **state)
{
	MESH(state);
	uint64_t before;

	plug_lan(a, b, 1 * MS);
	sim_run(s, 1 * SEC);
	talk(a, b, true, 100 * MS, 10 * SEC);
	sim_run(s, 30 * SEC);
	before = spent(a) + spent(b);
	sim_run(s, 3600 * SEC);
	assert_int_equal(spent(a) + spent(b), before);
	expect_connected(a, b);
}

/* The coordinator tells of changes for minutes after the question. */
static void whom_nobody_uses_any_more_nobody_asks_when_its_addresses_change(void **state)
{
	MESH(state);
	struct core_in in = {.kind = CORE_PORTMAP, .portmap = {.ip = ip_v4_host(0xc6336401), .port = 1}};
	unsigned told, checks;

	talk(a, b, true, 100 * MS, 10 * SEC);
	sim_run(s, 60 * SEC);
	told = a->told;
	checks = a->checks + b->checks;
	host_input(b, &in);
	host_settle(b);
	sim_run(s, 60 * SEC);
	assert_int_equal(a->told, told + 1);
	assert_int_equal(a->checks + b->checks, checks);
	/* Who speaks to it tries them. */
	talk(a, b, true, 100 * MS, SEC);
	checks = a->checks;
	in.portmap.port++;
	host_input(b, &in);
	host_settle(b);
	talk(a, b, true, 100 * MS, SEC);
	assert_int_equal(a->told, told + 2);
	assert_true(a->checks > checks);
}

static void several_working_pairs_do_not_keep_each_other_busy(void **state)
{
	MESH(state);

	plug_lan(a, b, 1 * MS);
	sim_run(s, 1 * SEC);
	host_send(a, b);
	sim_run(s, 60 * SEC);
	assert_true(a->checks <= 8);
	assert_true(b->checks <= 8);
}

static void traffic_that_is_answered_needs_no_checks(void **state)
{
	MESH(state);
	unsigned before;

	talk(a, b, true, 100 * MS, 5 * SEC);
	before = a->checks + b->checks;
	talk(a, b, true, 100 * MS, 60 * SEC);
	assert_int_equal(a->checks + b->checks, before);
}

static void one_way_traffic_is_backed_by_five_checks_a_second(void **state)
{
	MESH(state);
	unsigned before;

	talk(a, b, true, 100 * MS, 5 * SEC);
	before = a->checks;
	talk(a, b, false, 100 * MS, 60 * SEC);
	assert_in_range(a->checks - before, 180, 350);
	assert_true(is_up(a, b));
	expect_nothing_lost(a, b);
}

/* Every check leaves from another port, which the other side has not seen yet and checks back. */
static void nats_that_map_by_port_and_let_everybody_in_do_not_chase_each_other(void **state)
{
	MESH(state);
	const struct nat_kind kind = {.mapping = NAT_ADDRESS_AND_PORT_DEPENDENT, .ports = NAT_RANDOM};

	plug_behind(a, &kind);
	plug_behind(b, &kind);
	sim_run(s, 3 * SEC);
	talk(a, b, false, 1 * SEC, 30 * SEC);
	assert_false(is_up(a, b));
	assert_in_range(a->checks + b->checks, 20, 1000);
}

/* --- losing one --- */

static void a_dead_path_is_left_within_two_seconds_of_silence(void **state)
{
	MESH(state);

	plug_lan(a, b, 1 * MS);
	sim_run(s, 1 * SEC);
	talk(a, b, true, 100 * MS, 5 * SEC);
	expect_way(a, b, &b->face[1].ip4);
	a->face[1].up.loss = b->face[1].up.loss = 1000;
	talk(a, b, true, 100 * MS, 2 * SEC);
	assert_false(leads_to(a, b, &b->face[1].ip4));
	expect_connected(a, b);
}

static void a_slow_path_is_not_taken_for_dead(void **state)
{
	MESH(state);
	unsigned uses;

	host_line(a)->delay = host_line(b)->delay = 450 * MS;
	sim_run(s, 3 * SEC);
	/* b's first packet, which says at which of our addresses it reaches us, is a keepalive after ten. */
	talk(a, b, false, 100 * MS, 15 * SEC);
	uses = a->uses;
	talk(a, b, false, 100 * MS, 60 * SEC);
	assert_true(is_up(a, b));
	assert_int_equal(a->uses, uses);
	sim_run(s, 1 * SEC);
	expect_nothing_lost(a, b);
}

static void a_late_answer_to_an_earlier_try_counts(void **state)
{
	MESH(state);

	host_line(a)->delay = host_line(b)->delay = 400 * MS;
	sim_run(s, 3 * SEC);
	host_send(a, b);
	sim_run(s, 2 * m->c->links[a->number]->delay + 800 * MS);
	assert_true(is_up(a, b));
	assert_int_equal(host_path(a, b).rtt, 800 * MS);
}

static void lost_checks_do_not_kill_a_path_that_wireguard_uses(void **state)
{
	MESH(state);
	unsigned uses;

	talk(a, b, true, 100 * MS, 3 * SEC);
	uses = a->uses;
	host_line(a)->passes = no_stun;
	for (unsigned i = 0; i < 40; i++) { /* silences of more than a second, each ended by a packet */
		talk(a, b, false, 200 * MS, 1200 * MS);
		host_send(b, a);
		sim_run(s, 100 * MS);
	}
	assert_true(is_up(a, b));
	assert_int_equal(a->uses, uses);
	expect_nothing_lost(a, b);
}

static void a_router_that_was_switched_off_and_on_is_passed_again(void **state)
{
	MESH(state);
	struct nat *t = nat_new(s, s->internet, &nat_home, "192.168.1.0/24");

	t->kind.ports = NAT_RANDOM;
	host_plug(a, 0, t->inside);
	plug_behind(b, &nat_home);
	sim_run(s, 3 * SEC);
	for (unsigned i = 0; i < 100; i++) {
		talk(a, b, true, 250 * MS, 3 * SEC);
		if (!is_up(a, b))
			fail_msg("after %u times", i);
		nat_reboot(t);
	}
	talk(a, b, true, 250 * MS, 3 * SEC);
	expect_connected(a, b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		MESH_SCENARIO(both_sides_are_up_one_round_trip_after_the_candidates),
		MESH_SCENARIO(a_packet_waits_for_the_path_and_is_not_lost),
		MESH_SCENARIO(stateful_firewalls_on_both_sides_are_passed_also_hours_later),
		MESH_SCENARIO(a_first_contact_takes_one_handshake),
		MESH_SCENARIO(loss_only_delays),
		MESH_SCENARIO(a_peer_that_appears_later_is_found),
		MESH_SCENARIO(without_a_coordinator_the_question_is_repeated_and_answered_when_it_is_back),
		MESH_SCENARIO(an_unreachable_peer_is_tried_ever_more_rarely_and_given_up),
		MESH_SCENARIO(a_peer_that_is_sought_helps_for_a_moment_only),
		MESH_SCENARIO(the_first_pair_is_used_at_once_and_the_lan_soon_after),
		MESH_SCENARIO(ip6_without_translation_is_preferred_to_ip4),
		MESH_SCENARIO(among_equals_only_a_clearly_shorter_round_trip_wins),
		MESH_SCENARIO(promotion_to_a_better_pair_loses_no_packet),
		cmocka_unit_test(a_restarted_peer_is_met_again_by_one_check),
		MESH_SCENARIO(the_packet_that_confirms_a_restarted_peers_session_may_get_lost),
		MESH_SCENARIO(an_idle_pair_is_silent),
		MESH_SCENARIO(whom_nobody_uses_any_more_nobody_asks_when_its_addresses_change),
		MESH_SCENARIO(several_working_pairs_do_not_keep_each_other_busy),
		MESH_SCENARIO(traffic_that_is_answered_needs_no_checks),
		MESH_SCENARIO(one_way_traffic_is_backed_by_five_checks_a_second),
		MESH_SCENARIO(nats_that_map_by_port_and_let_everybody_in_do_not_chase_each_other),
		MESH_SCENARIO(a_dead_path_is_left_within_two_seconds_of_silence),
		MESH_SCENARIO(a_slow_path_is_not_taken_for_dead),
		MESH_SCENARIO(a_late_answer_to_an_earlier_try_counts),
		MESH_SCENARIO(lost_checks_do_not_kill_a_path_that_wireguard_uses),
		MESH_SCENARIO(a_router_that_was_switched_off_and_on_is_passed_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
