/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Stories about lines that do not take long datagrams: each side finds out what passes in its direction. */
#include "sim/relay_story.h"

enum { FULL = 1420, PPPOE = 1492 - 28, MOBILE = 1400 - 28, LEAST = 1280 - 28 }; /* lines: UDP's payload */

/* The longest packet of the tunnel that a datagram of n bytes holds. */
static unsigned packet_in(unsigned n)
{
	return n >= FULL + 32 ? FULL : (n - 32) / 16 * 16;
}

/* Of the way that packets take, and as it is told. */
static unsigned takes(const struct host *a, const struct host *b)
{
	const struct way *way = atomic_load(&sim_friend(a, b)->p->way);

	assert_non_null(way);
	return way->to.payload ? way->to.payload - 32u : FULL;
}

static void expect_takes(const struct host *a, const struct host *b, unsigned packet)
{
	if (takes(a, b) != packet || host_path(a, b).mtu != packet)
		fail_msg("%s sends packets of %u and says %u, not %u", a->name, takes(a, b),
			host_path(a, b).mtu, packet);
}

static void each_direction_has_its_own_length(void **state)
{
	MESH(state);

	host_line(a)->mtu = MOBILE;
	host_line(b)->mtu = PPPOE - 40;
	talk(a, b, true, 20 * MS, 5 * SEC);
	expect_takes(a, b, packet_in(MOBILE));
	expect_takes(b, a, packet_in(PPPOE - 40));
	expect_nothing_lost(a, b);
}

static void where_all_passes_two_probes_say_so_and_nothing_changes(void **state)
{
	MESH(state);
	const unsigned before = a->uses;

	talk(a, b, true, 20 * MS, 3 * SEC);
	expect_takes(a, b, FULL);
	assert_in_range(a->probes, 2, 4); /* of each pair that was in use */
	assert_true(a->uses - before <= 3);
}

static void a_path_that_gets_narrow_or_wide_stays_the_same_path(void **state)
{
	MESH(state);

	talk(a, b, true, 20 * MS, 5 * SEC);
	const unsigned moves = a->moves;

	host_line(a)->mtu = LEAST;
	talk(a, b, true, 20 * MS, 12 * SEC);
	expect_takes(a, b, packet_in(LEAST));
	expect_takes(b, a, FULL);
	host_line(a)->mtu = 0;
	talk(a, b, true, 100 * MS, 620 * SEC);
	expect_takes(a, b, FULL);
	assert_int_equal(a->moves, moves);
	sim_run(s, SEC);
	expect_nothing_lost(a, b);
}

static void data_that_nobody_answers_is_noticed_within_a_second(void **state)
{
	MESH(state);

	talk(a, b, true, 20 * MS, 5 * SEC);
	host_line(a)->mtu = MOBILE;
	talk(a, b, false, 20 * MS, SEC); /* as when the other side's answers wait for what does not come */
	expect_takes(a, b, packet_in(MOBILE));
}

static void idle_peers_ask_nothing(void **state)
{
	MESH(state);

	talk(a, b, true, 100 * MS, 5 * SEC);
	sim_run(s, 20 * SEC);
	const unsigned before = a->probes + b->probes;

	sim_run(s, 60 * SEC);
	host_plug(a, 0, s->internet); /* all that is up is checked again */
	sim_run(s, 3600 * SEC);
	assert_int_equal(a->probes + b->probes, before);
}

static void what_was_found_is_remembered_and_asked_again(void **state)
{
	MESH(state);

	host_line(a)->mtu = MOBILE;
	talk(a, b, true, 100 * MS, 5 * SEC);
	sim_run(s, 1200 * SEC);
	host_send(a, b);
	assert_int_equal(takes(a, b), packet_in(MOBILE));
	host_line(a)->mtu = 0;
	talk(a, b, true, 100 * MS, 3 * SEC);
	expect_takes(a, b, FULL);
}

static void another_network_is_another_matter(void **state)
{
	MESH(state);

	host_line(a)->mtu = MOBILE;
	talk(a, b, true, 100 * MS, 5 * SEC);
	host_line(a)->mtu = 0;
	host_move(a);
	host_plug(a, 0, s->internet);
	talk(a, b, true, 100 * MS, 10 * SEC);
	expect_takes(a, b, FULL);
}

static void by_a_relay_the_narrower_leg_counts(void **state)
{
	static const unsigned lines[] = {0, PPPOE, PPPOE - 20, MOBILE, LEAST};

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(lines); i++) {
		struct mesh m = mesh_new(i + 1);

		relay_new(m.c->host);
		plug_behind(m.a, &symmetric);
		plug_behind(m.b, &symmetric);
		sim_run(m.s, 10 * SEC);
		host_line(m.c->host)->mtu = lines[i]; /* what it hands on, to either */
		host_send(m.a, m.b);
		sim_run(m.s, 300 * MS);
		assert_int_equal(host_path(m.a, m.b).way.kind, WAY_RELAY_UDP);
		assert_int_equal(takes(m.a, m.b), 1444 - 32);
		talk(m.a, m.b, true, 20 * MS, 5 * SEC);
		expect_takes(m.a, m.b, lines[i] ? packet_in(lines[i] - 8) : FULL);
		expect_takes(m.b, m.a, lines[i] ? packet_in(lines[i] - 8) : FULL);
		sim_free(m.s);
	}
}

static void on_lossy_lines_nothing_is_taken_for_too_long_that_passes(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 40; seed++) {
		struct mesh m = mesh_new(seed);

		host_set_line(m.a, 50, 0, 0, 5 * MS);
		host_set_line(m.b, 50, 0, 0, 5 * MS);
		host_line(m.a)->mtu = MOBILE;
		sim_run(m.s, 5 * SEC);
		talk(m.a, m.b, true, 20 * MS, 30 * SEC);
		assert_in_range(takes(m.a, m.b), packet_in(MOBILE) - 32, packet_in(MOBILE));
		assert_in_range(takes(m.b, m.a), FULL - 44, FULL);
		sim_free(m.s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		MESH_SCENARIO(each_direction_has_its_own_length),
		MESH_SCENARIO(where_all_passes_two_probes_say_so_and_nothing_changes),
		MESH_SCENARIO(a_path_that_gets_narrow_or_wide_stays_the_same_path),
		MESH_SCENARIO(data_that_nobody_answers_is_noticed_within_a_second),
		MESH_SCENARIO(idle_peers_ask_nothing),
		MESH_SCENARIO(what_was_found_is_remembered_and_asked_again),
		MESH_SCENARIO(another_network_is_another_matter),
		cmocka_unit_test(by_a_relay_the_narrower_leg_counts),
		cmocka_unit_test(on_lossy_lines_nothing_is_taken_for_too_long_that_passes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
