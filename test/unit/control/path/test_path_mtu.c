/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What a path makes of answers to probes; the search itself: test_mtu, whole hosts: test/sim/test_sizes. */
#include "unit/control/path/made_path.h"

/* One probe of the full length is on its way. */
static int one_probe(void **state)
{
	make_path(state);
	path.mtu_way = path.pairs[0].way;
	mtu_begin(&path.mtu, FULL, 28, 1360, NOW);
	path.pairs[0].way.payload = 1360;
	mtu_sent(&path.mtu, FULL, 7);
	return 0;
}

static void an_answer_from_where_it_was_asked_changes_the_way(void **state)
{
	(void)state;
	assert_true(path_mtu_answered(&path, 7, &path.pairs[0].way, NOW));
	assert_int_equal(path.pairs[0].way.payload, 0);
	assert_true(path.using);
	assert_int_equal(path.use_why, WHY_SIZE);
	assert_int_equal(path.last_proof, NOW);
	assert_int_equal(path_mtu(&path, 1420), 1420);
}

static void a_second_answer_to_a_probe_is_none(void **state)
{
	uint16_t sizes[MTU_SIZES];

	(void)state;
	/* From elsewhere it does not use up the first. */
	assert_true(path_mtu_answered(&path, 7, &path.pairs[1].way, NOW));
	assert_true(path_mtu_answered(&path, 7, &path.pairs[0].way, NOW));
	assert_int_equal(path.last_proof, NOW);
	assert_false(path_mtu_answered(&path, 7, &path.pairs[0].way, NOW + SEC));
	assert_int_equal(path.last_proof, NOW);
	/* Nor does it say that the length still passes. */
	assert_int_equal(mtu_round(&path.mtu, 0, NOW, sizes), 0);
	mtu_doubt(&path.mtu, NOW + MTU_DOUBT);
	assert_int_equal(path.mtu.passes, 0);
	assert_false(path_mtu_answered(&path, 7, &path.pairs[0].way, NOW + MTU_DOUBT));
	assert_int_equal(path.mtu.passes, 0);
}

static void from_elsewhere_it_proves_nothing(void **state)
{
	(void)state;
	assert_true(path_mtu_answered(&path, 7, &path.pairs[1].way, NOW));
	assert_int_equal(path.pairs[0].way.payload, 1360);
	assert_false(path.using);
	assert_int_equal(path.last_proof, 0);
	assert_int_equal(path_mtu(&path, 1420), 0);
	/* And another stamp is that of another message. */
	assert_false(path_mtu_answered(&path, 8, &path.pairs[0].way, NOW));
}

static void what_is_known_of_one_pair_says_nothing_of_another(void **state)
{
	(void)state;
	path.chosen = 2;
	assert_true(path_mtu_answered(&path, 7, &path.pairs[0].way, NOW));
	assert_int_equal(path.pairs[2].way.payload, 0);
	assert_false(path.using);
	assert_int_equal(path_mtu(&path, 1420), 0);
}

/* Nor does what was asked before the pair came into use again: the answer may be as old. */
static void an_answer_to_a_probe_of_an_earlier_pair_proves_nothing(void **state)
{
	(void)state;
	mtu_begin(&path.mtu, FULL, 28, 1360, NOW + SEC);
	assert_true(path_mtu_answered(&path, 7, &path.pairs[0].way, NOW + SEC));
	assert_int_equal(path.last_proof, 0);
	assert_int_equal(path.pairs[0].way.payload, 1360);
	assert_false(path.using);
}

static void what_the_network_adds_is_that_of_the_narrowest_leg(void **state)
{
	static const struct {
		enum way_kind kind;
		const char *remote;
		uint16_t headers;
	} rows[] = {
		{WAY_UDP, "192.0.2.9:1", 20 + 8}, {WAY_UDP, "[2001:db8::9]:1", 40 + 8},
		{WAY_RELAY_UDP, "192.0.2.9:1", 20 + 8 + 8}, {WAY_RELAY_UDP, "[2001:db8::9]:1", 40 + 8 + 8},
		{WAY_RELAY_TCP, "192.0.2.9:1", 40 + 8 + 8}, /* behind a stream may be IPv6 */
	};
	struct turn t = turn_at(NOW);

	(void)state;
	t.longest = FULL;
	path.pairs[0].last_ok = NOW;
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		struct way_to *way = &path.pairs[0].way;

		way->kind = rows[i].kind;
		way->relay = rows[i].kind != WAY_UDP;
		assert_int_equal(endpoint_parse(rows[i].remote, &way->remote), TM_OK);
		(void)path_mtu_step(&path, &t);
		if (path.mtu.headers != rows[i].headers)
			fail_msg("row %u: %u", i, path.mtu.headers);
	}
}

static void in_another_network_what_is_not_known_any_more_is_not_used_either(void **state)
{
	struct turn t = turn_at(NOW);

	(void)state;
	path.restart = true;
	path.alarm = NOW;
	path.also = 1; /* and stays */
	(void)path_step(&path, &t);
	assert_non_null(came(CORE_USE));
	assert_int_equal(came(CORE_USE)->way.payload, 0);
	assert_true(endpoint_eq(&came(CORE_USE)->also.remote, &path.pairs[1].way.remote));
	/* What is used as before needs no word. */
	t = turn_at(NOW);
	path.restart = true;
	(void)path_step(&path, &t);
	assert_null(came(CORE_USE));
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, one_probe, end_path)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		CASE(an_answer_from_where_it_was_asked_changes_the_way),
		CASE(a_second_answer_to_a_probe_is_none),
		CASE(from_elsewhere_it_proves_nothing),
		CASE(what_is_known_of_one_pair_says_nothing_of_another),
		CASE(an_answer_to_a_probe_of_an_earlier_pair_proves_nothing),
		CASE(what_the_network_adds_is_that_of_the_narrowest_leg),
		CASE(in_another_network_what_is_not_known_any_more_is_not_used_either),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
