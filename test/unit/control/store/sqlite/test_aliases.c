/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/unit.h"

#include "unit/control/store/sqlite/shelf.h"

struct naming {
	const char *id, *name; /* NULL: no new name */
	struct node_aliases aliases;
};

static int name_body(struct store *s, void *ctx)
{
	const struct naming *x = ctx;

	return x->name ? store_node_rename(s, x->id, x->name) : store_node_aliases(s, x->id, &x->aliases);
}

static int give(struct store *s, const char *id, const char *aliases)
{
	struct naming x = {.id = id};

	snprintf(x.aliases.text, sizeof(x.aliases.text), "%s", aliases);
	return store_transaction(s, name_body, &x);
}

static int rename_to(struct store *s, const char *id, const char *name)
{
	struct naming x = {.id = id, .name = name};

	return store_transaction(s, name_body, &x);
}

static const char *kept(struct store *s, const struct store_node *n)
{
	static struct store_node found;

	assert_int_equal(store_node_find_key(s, n->rec.key, &found), TM_OK);
	return found.rec.aliases.text;
}

static void aliases_are_kept_and_each_is_given_once(void **state)
{
	static const char one[] = "0000000000000001", two[] = "0000000000000002";
	struct shelf *sh = *state;
	struct store_node first = shelf_node(1), second = shelf_node(2), third = shelf_node(3);
	bool taken;

	shelf_create(sh);
	struct store *s = shelf_open(sh);
	assert_int_equal(shelf_insert_node(s, &second), TM_OK);
	assert_int_equal(give(s, one, "nas files"), TM_OK);
	assert_string_equal(kept(s, &first), "files nas");
	assert_int_equal(give(s, two, "db nas"), TM_EEXIST);
	assert_int_equal(give(s, two, "node-1"), TM_EEXIST);
	assert_int_equal(give(s, two, "node-2"), TM_EEXIST);
	assert_int_equal(give(s, "0000000000000003", "db"), TM_ENOENT);
	assert_int_equal(give(s, "0000000000000003", ""), TM_ENOENT);
	assert_string_equal(kept(s, &second), "");
	assert_int_equal(rename_to(s, two, "nas"), TM_EEXIST);
	assert_int_equal(store_node_name_taken(s, "nas", &taken), TM_OK);
	assert_true(taken);
	snprintf(third.rec.name, sizeof(third.rec.name), "nas");
	assert_int_equal(shelf_insert_node(s, &third), TM_EEXIST);
	/* Its own becomes its name. */
	assert_int_equal(rename_to(s, one, "nas"), TM_OK);
	assert_string_equal(kept(s, &first), "files");
	assert_int_equal(give(s, two, "files"), TM_EEXIST);
	store_free(s);
	s = shelf_open(sh);
	assert_string_equal(kept(s, &first), "files");
	assert_int_equal(give(s, one, ""), TM_OK);
	assert_int_equal(give(s, two, "files"), TM_OK);
	assert_int_equal(shelf_remove_node(s, two), TM_OK);
	assert_int_equal(give(s, one, "files"), TM_OK);
	store_free(s);
}

static int last_aliases(void *ctx, const struct store_change *change)
{
	memcpy(ctx, change->node.rec.aliases.text, NODE_ALIASES_TEXT);
	return TM_OK;
}

static void a_change_of_aliases_is_a_change_of_the_map(void **state)
{
	struct shelf *sh = *state;
	char last[NODE_ALIASES_TEXT] = "";

	shelf_create(sh);
	struct store *s = shelf_open(sh);
	assert_int_equal(give(s, "0000000000000001", "nas files"), TM_OK);
	assert_int_equal(store_change_each(s, 0, last_aliases, last), TM_OK);
	assert_string_equal(last, "files nas");
	store_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			aliases_are_kept_and_each_is_given_once, shelf_setup, shelf_teardown),
		cmocka_unit_test_setup_teardown(
			a_change_of_aliases_is_a_change_of_the_map, shelf_setup, shelf_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
