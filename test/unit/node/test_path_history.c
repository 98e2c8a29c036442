/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What is remembered of the ways by which a peer was reached. */
#include "unit/unit.h"

#include "node/path_history.h"

static const uint8_t nas[32] = {1}, hub[32] = {2};

static int setup(void **state)
{
	return path_history_new((struct path_history **)state) == TM_OK ? 0 : -1;
}

static int teardown(void **state)
{
	path_history_free(*state);
	return 0;
}

static void add(struct path_history *h, const uint8_t *key, enum reaching_by from, enum reaching_by to,
	uint16_t port, ns_t real)
{
	const struct endpoint at = {.ip = {.family = IP_V4, .bytes = {192, 0, 2, 1}}, .port = port};
	const struct reaching_change c = {
		.key = key, .from = from, .to = to, .at = &at, .why = to ? WHY_BETTER : WHY_DEAD};

	path_history_add(h, &c, real);
}

static void changes_come_back_in_their_order_with_all_that_was_told(void **state)
{
	struct path_change v[PATH_HISTORY_KEPT];

	assert_int_equal(path_history_of(*state, nas, v), 0);
	add(*state, nas, BY_NOTHING, BY_RELAY, 1, 1500 * MS);
	add(*state, hub, BY_NOTHING, BY_TCP, 9, 2 * SEC);
	add(*state, nas, BY_RELAY, BY_DIRECT, 2, 3 * SEC);
	add(*state, nas, BY_DIRECT, BY_NOTHING, 2, 4 * SEC);
	assert_int_equal(path_history_of(*state, nas, v), 3);
	assert_int_equal(v[0].at_ms, 1500);
	assert_int_equal(v[0].from, BY_NOTHING);
	assert_int_equal(v[0].to, BY_RELAY);
	assert_int_equal(v[1].at.port, 2);
	assert_int_equal(v[1].why, WHY_BETTER);
	assert_int_equal(v[2].to, BY_NOTHING);
	assert_int_equal(v[2].why, WHY_DEAD);
	assert_int_equal(path_history_of(*state, hub, v), 1);
	assert_int_equal(v[0].at.port, 9);
}

static void the_newest_are_kept_however_many_there_are(void **state)
{
	struct path_change v[PATH_HISTORY_KEPT];

	for (uint16_t i = 1; i <= 3 * PATH_HISTORY_KEPT; i++) {
		add(*state, nas, BY_DIRECT, BY_DIRECT, i, i * SEC);
		const size_t n = path_history_of(*state, nas, v);

		assert_int_equal(n, MIN(i, PATH_HISTORY_KEPT));
		for (size_t k = 0; k < n; k++)
			if (v[k].at.port != i - n + 1 + k)
				fail_msg("after %u the change %zu is that of %u", i, k, v[k].at.port);
	}
}

static void of_who_is_forgotten_nothing_is_left(void **state)
{
	struct path_change v[PATH_HISTORY_KEPT];

	add(*state, nas, BY_NOTHING, BY_DIRECT, 1, SEC);
	add(*state, hub, BY_NOTHING, BY_DIRECT, 1, SEC);
	path_history_forget(*state, nas);
	path_history_forget(*state, nas);
	assert_int_equal(path_history_of(*state, nas, v), 0);
	assert_int_equal(path_history_of(*state, hub, v), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(changes_come_back_in_their_order_with_all_that_was_told),
		T(the_newest_are_kept_however_many_there_are),
		T(of_who_is_forgotten_nothing_is_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
