/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What a path makes of answers to probes; the search itself: test_mtu, whole hosts: test/sim/test_sizes. */
#include "unit/unit.h"

#include "control/path/path_private.h"

enum { FULL = 1420 + 32, NOW = 1000 };

static struct path path;

static struct way_to way_at(const char *remote)
{
	struct way_to way = {.kind = WAY_UDP};

	assert_int_equal(endpoint_parse(remote, &way.remote), TM_OK);
	return way;
}

/* One pair in use, and one probe of the full length on its way. */
static int one_probe(void **state)
{
	(void)state;
	path_init(&path, &(struct path_memory){.type = CAND_HOST});
	path.pairs = calloc(2, sizeof(*path.pairs));
	assert_non_null(path.pairs);
	path.room = path.n_pairs = 2;
	for (unsigned i = 0; i < 2; i++)
		path.pairs[i] = pair_make(
			&(struct way_to[]){way_at("192.0.2.1:1"), way_at("192.0.2.2:1")}[i], CAND_HOST, NOW);
	path.chosen = 0;
	path.state = PATH_UP;
	path.mtu_way = path.pairs[0].way;
	mtu_begin(&path.mtu, FULL, 28, 1360, NOW);
	path.pairs[0].way.payload = 1360;
	mtu_sent(&path.mtu, FULL, 7);
	return 0;
}

static int end(void **state)
{
	(void)state;
	path_deinit(&path);
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
	path.chosen = 1;
	assert_true(path_mtu_answered(&path, 7, &path.pairs[0].way, NOW));
	assert_int_equal(path.pairs[1].way.payload, 0);
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

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, one_probe, end)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		CASE(an_answer_from_where_it_was_asked_changes_the_way),
		CASE(from_elsewhere_it_proves_nothing),
		CASE(what_is_known_of_one_pair_says_nothing_of_another),
		CASE(an_answer_to_a_probe_of_an_earlier_pair_proves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
