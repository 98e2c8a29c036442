/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Two machines with one identity, and one machine that is no two. */
#include "unit/unit.h"

#include "unit/control/coord/rig.h"

/* A member, and a copy of it that is not linked; each with a run of its own. */
static void copied(struct rig *r, struct machine **ret_first, struct machine **ret_copy)
{
	struct machine *first = rig_machine(r, 0), *copy = rig_machine(r, 1);

	first->run = 11;
	machine_join(first, "nas");
	copy->id = first->id;
	copy->run = 22;
	*ret_first = first;
	*ret_copy = copy;
}

static const json_t *listed(struct rig *r, const char *name)
{
	const json_t *nodes = json_object_get(rig_admin(r, json_pack("{s:s}", "cmd", "node.list")), "nodes");
	size_t i;
	json_t *n;

	json_array_foreach ((json_t *)(uintptr_t)nodes, i, n)
		if (strcmp(json_string_value(json_object_get(n, "name")), name) == 0)
			return n;
	fail_msg("%s is not listed", name);
	return NULL;
}

static bool is_shown_as_two(struct rig *r, const char *name)
{
	return json_is_string(json_object_get(listed(r, name), "twin_from"));
}

static bool was_told_of_a_twin(const struct machine *m)
{
	return json_is_true(json_object_get(machine_last(m, "removed"), "twin"));
}

static void the_first_keeps_its_place_and_the_other_is_refused_and_told(void **state)
{
	struct rig *r = *state;
	struct machine *first, *copy;

	copied(r, &first, &copy);
	machine_hello(copy, NULL); /* it might be the same machine, after a restart */
	assert_null(first->conn);
	assert_false(was_told_of_a_twin(first) || is_shown_as_two(r, "nas"));
	machine_hello(first, NULL); /* but that one is alive */
	assert_non_null(first->conn);
	assert_null(copy->conn);
	assert_true(was_told_of_a_twin(copy));
	assert_non_null(strstr(copy->closed_why, "another machine, seen at 198.51.100.7"));
	for (unsigned i = 0; i < 5; i++) {
		const struct conn *before = first->conn;

		machine_forget(copy);
		machine_hello(copy, NULL);
		assert_ptr_equal(first->conn, before);
		assert_null(copy->conn);
		assert_true(was_told_of_a_twin(copy));
		assert_null(machine_last(copy, "welcome"));
	}
	assert_true(is_shown_as_two(r, "nas"));
	assert_false(is_shown_as_two(r, "hub"));
	assert_int_equal(coord_twins(r->c), 1);
}

/* Links again over one that nobody has missed yet, and restarts that leave such a link behind. */
static void one_machine_that_comes_again_and_again_is_no_two(void **state)
{
	static const uint64_t runs[] = {11, 11, 22, 22, 33, 44, 44, 0, 55, 0, 0};
	struct rig *r = *state;
	struct machine *m = rig_machine(r, 0), *again = rig_machine(r, 1);

	m->run = 11;
	machine_join(m, "nas");
	for (size_t i = 0; i < ARRAY_LEN(runs); i++) {
		struct machine *last = again;

		again = m;
		m = last;
		m->id = again->id;
		m->run = runs[i];
		machine_hello(m, NULL);
		assert_non_null(m->conn);
		assert_null(machine_last(m, "removed"));
	}
	assert_int_equal(coord_twins(r->c), 0);
}

static void a_copy_has_the_place_while_the_first_is_away(void **state)
{
	struct rig *r = *state;
	struct machine *first, *copy;

	copied(r, &first, &copy);
	machine_hello(copy, NULL);
	machine_hello(first, NULL);
	machine_unlink(first);
	machine_forget(copy);
	machine_hello(copy, NULL);
	assert_non_null(machine_last(copy, "welcome"));
	machine_hello(first, NULL);
	assert_non_null(first->conn);
	assert_null(copy->conn);
}

static void a_copy_that_comes_no_more_is_forgotten(void **state)
{
	struct rig *r = *state;
	struct machine *first, *copy;

	copied(r, &first, &copy);
	machine_hello(copy, NULL);
	machine_hello(first, NULL);
	twin_expire(r->c, time_monotonic());
	assert_int_equal(coord_twins(r->c), 1);
	twin_expire(r->c, time_monotonic() + r->c->tuning.twin_for);
	assert_int_equal(coord_twins(r->c), 0);
	assert_false(is_shown_as_two(r, "nas"));
}

static void a_node_that_is_removed_takes_its_copies_along(void **state)
{
	struct rig *r = *state;
	struct machine *first, *copy;

	copied(r, &first, &copy);
	machine_hello(copy, NULL);
	machine_hello(first, NULL);
	rig_admin(r, json_pack("{s:s, s:s}", "cmd", "node.remove", "node", "nas"));
	rig_settle(r);
	assert_int_equal(coord_twins(r->c), 0);
	machine_forget(copy);
	machine_hello(copy, NULL);
	assert_non_null(machine_last(copy, "removed"));
	assert_false(was_told_of_a_twin(copy));
}

#define T(test) cmocka_unit_test_setup_teardown(test, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(the_first_keeps_its_place_and_the_other_is_refused_and_told),
		T(one_machine_that_comes_again_and_again_is_no_two),
		T(a_copy_has_the_place_while_the_first_is_away),
		T(a_copy_that_comes_no_more_is_forgotten),
		T(a_node_that_is_removed_takes_its_copies_along),
	};

	return cmocka_run_group_tests_name("twin", tests, NULL, NULL);
}
