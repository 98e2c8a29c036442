/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/unit.h"

#include "control/store/policy.h"
#include "control/store/sqlite/sqlite.h"
#include "unit/control/store/sqlite/shelf.h"

static int add_body(struct store *s, void *ctx)
{
	return store_policy_add(s, ctx);
}

static uint64_t add(struct store *s, const char *text)
{
	struct store_policy p = {
		.accepted = 77, .by = "jo", .text = strdup(text), .nodes = strdup("a 0123456789abcdef\n")};

	assert_int_equal(store_transaction(s, add_body, &p), TM_OK);
	uint64_t version = p.version;
	store_policy_deinit(&p);
	return version;
}

struct seen {
	size_t n;
	uint64_t first, last;
};

static int count(void *ctx, const struct store_policy *p)
{
	struct seen *c = ctx;

	assert_null(p->text);
	if (!c->n++)
		c->first = p->version;
	c->last = p->version;
	return TM_OK;
}

static void the_newest_policy_is_in_force(void **state)
{
	struct shelf *sh = *state;
	struct store_policy p;
	struct store *s;

	shelf_create(sh);
	s = shelf_open(sh);
	assert_int_equal(store_policy_load(s, 0, &p), TM_ENOENT);
	assert_int_equal(add(s, "one"), 1);
	assert_int_equal(add(s, "\xc3\xa4"), 2);
	store_free(s);
	s = shelf_open(sh);
	assert_int_equal(store_policy_load(s, 0, &p), TM_OK);
	assert_int_equal(p.version, 2);
	assert_int_equal(p.accepted, 77);
	assert_string_equal(p.by, "jo");
	assert_string_equal(p.text, "\xc3\xa4");
	assert_string_equal(p.nodes, "a 0123456789abcdef\n");
	assert_int_equal(p.bytes, 2); /* not characters */
	store_policy_deinit(&p);
	assert_int_equal(store_policy_load(s, 1, &p), TM_OK);
	assert_string_equal(p.text, "one");
	store_policy_deinit(&p);
	assert_int_equal(store_policy_load(s, 3, &p), TM_ENOENT);
	store_free(s);
}

static void the_last_hundred_are_kept_and_no_number_comes_twice(void **state)
{
	struct shelf *sh = *state;
	struct seen c = {0};
	struct store *s;

	shelf_create(sh);
	s = shelf_open(sh);
	for (int i = 0; i < STORE_POLICIES_KEPT + 5; i++)
		add(s, "x");
	assert_int_equal(store_policy_each(s, count, &c), TM_OK);
	assert_int_equal(c.n, STORE_POLICIES_KEPT);
	assert_int_equal(c.first, STORE_POLICIES_KEPT + 5);
	assert_int_equal(c.last, 6);
	store_free(s);
}

static void a_new_database_may_begin_with_a_policy(void **state)
{
	struct shelf *sh = *state;
	const struct store_mesh mesh = shelf_mesh();
	const struct store_node first = shelf_node(1);
	struct store_policy begin = {.accepted = 5,
				    .by = "init",
				    .text = strdup("rules: []\n"),
				    .nodes = strdup("")},
			    p;
	struct diag d = {0};
	struct store *s;

	assert_int_equal(store_create(&store_sqlite, sh->path, &mesh, &first, &begin, &d), TM_OK);
	s = shelf_open(sh);
	assert_int_equal(store_policy_load(s, 0, &p), TM_OK);
	assert_int_equal(p.version, 1);
	assert_string_equal(p.text, begin.text);
	store_policy_deinit(&p);
	store_policy_deinit(&begin);
	store_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_newest_policy_is_in_force, shelf_setup, shelf_teardown),
		cmocka_unit_test_setup_teardown(
			the_last_hundred_are_kept_and_no_number_comes_twice, shelf_setup, shelf_teardown),
		cmocka_unit_test_setup_teardown(
			a_new_database_may_begin_with_a_policy, shelf_setup, shelf_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
