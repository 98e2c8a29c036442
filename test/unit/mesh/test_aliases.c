/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "mesh/diff.h"
#include "unit/unit.h"

static const struct mesh_info info = {
	.net4 = {{IP_V4, {100, 101}}, 16},
	.net6 = {{IP_V6, {0xfd, 0x5c, [7] = 1}}, 64},
};

static struct node_rec record(unsigned i, const char *aliases)
{
	struct node_rec r = {.host = i + 1, .key = {1, (uint8_t)i}};

	snprintf(r.id, sizeof(r.id), "%016x", i);
	snprintf(r.name, sizeof(r.name), "n%u", i);
	snprintf(r.aliases.text, sizeof(r.aliases.text), "%s", aliases);
	return r;
}

static struct mesh_diff tell(struct mesh *m, uint64_t base, struct node_rec *nodes, size_t n)
{
	struct netmap update = {.version = mesh_version(m) + 1, .base = base, .nodes = nodes, .n_nodes = n};
	struct mesh_diff d;

	assert_int_equal(mesh_apply(m, &update, &d), TM_OK);
	return d;
}

static void aliases_come_and_go_one_by_one(void **state)
{
	static const struct {
		const char *before, *name;
		bool drop, done;
		const char *after;
	} rows[] = {
		{"", "a", false, true, "a"},
		{"a", "b", false, true, "a b"},
		{"a b", "a", false, true, "a b"},
		{"a b c", "b", true, true, "a c"},
		{"a b c", "a", true, true, "b c"},
		{"a b c", "c", true, true, "a b"},
		{"a", "a", true, true, ""},
		{"ab", "a", true, false, "ab"},
		{"", "a", true, false, ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct node_aliases a;
		bool done;

		assert_int_equal(node_aliases_read(rows[i].before, &a), TM_OK);
		if (rows[i].drop)
			done = node_aliases_drop(&a, rows[i].name);
		else
			done = node_aliases_add(&a, rows[i].name) == TM_OK;
		if (done != rows[i].done || strcmp(a.text, rows[i].after) != 0)
			fail_msg("row %zu: \"%s\"", i, a.text);
	}
}

static void their_room_is_255_characters(void **state)
{
	struct node_aliases a = {.text = ""};
	char name[NODE_ALIAS_LEN];

	(void)state;
	for (int i = 0; i < 3; i++) {
		snprintf(name, sizeof(name), "%063d", i);
		assert_int_equal(node_aliases_add(&a, name), TM_OK);
	}
	assert_int_equal(node_aliases_add(&a, name), TM_OK); /* it is there */
	snprintf(name, sizeof(name), "%063d", 3);
	assert_int_equal(node_aliases_add(&a, name), TM_OK);
	assert_int_equal(strlen(a.text), 255);
	assert_int_equal(node_aliases_count(&a), 4);
	assert_int_equal(node_aliases_add(&a, "x"), TM_EFULL);
}

static void texts_that_are_none_are_refused(void **state)
{
	static const char *const rows[] = {"A", "a  b", " a", "a this", "a -b", "a\tb"};
	struct node_aliases a;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (node_aliases_read(rows[i], &a) != TM_EBADMSG)
			fail_msg("\"%s\"", rows[i]);
}

/* A later version may call members what this one does not know: they stay members. */
static void of_what_is_told_only_aliases_are_taken(void **state)
{
	static const char text[] =
		"{\"id\":\"0123456789abcdef\",\"name\":\"nas\",\"host\":3,\"key\":"
		"\"AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\",\"aliases\":[\"files\",7,\"Big "
		"Name\",\"this\",\"db\",\"files\"]}";
	json_t *j = json_loads(text, 0, NULL);
	struct node_rec r;

	(void)state;
	assert_int_equal(node_rec_from_json(j, &info, &r), TM_OK);
	assert_string_equal(r.aliases.text, "files db");
	json_object_set_new(j, "aliases", json_string("files"));
	assert_int_equal(node_rec_from_json(j, &info, &r), TM_OK);
	assert_string_equal(r.aliases.text, "");
	json_decref(j);
}

static void a_member_is_found_by_its_aliases(void **state)
{
	struct node_rec nodes[] = {record(0, ""), record(1, "files nas"), record(2, "db")};
	struct mesh *m;

	(void)state;
	assert_int_equal(mesh_new(&info, &m), TM_OK);
	struct mesh_diff d = tell(m, 0, nodes, 3);
	mesh_diff_deinit(&d);
	assert_string_equal(mesh_lookup(m, "NAS.mesh.")->name, "n1");
	assert_string_equal(mesh_by_name(m, "db")->name, "n2");
	assert_null(mesh_lookup(m, "file"));

	/* They swap them, and one takes the name that another had. */
	nodes[1] = record(1, "db n2");
	nodes[2] = record(2, "nas");
	snprintf(nodes[2].name, sizeof(nodes[2].name), "files");
	d = tell(m, mesh_version(m), nodes + 1, 2);
	assert_int_equal(d.n, 2);
	assert_int_equal(d.n_bad, 0);
	assert_int_equal(d.v[0].what, MESH_ALIASES);
	assert_int_equal(d.v[1].what, MESH_ALIASES | MESH_NAME);
	mesh_diff_deinit(&d);
	assert_string_equal(mesh_lookup(m, "db")->name, "n1");
	assert_string_equal(mesh_lookup(m, "n2")->name, "n1");
	assert_string_equal(mesh_lookup(m, "nas")->name, "files");
	mesh_free(m);
}

static void no_name_is_given_twice(void **state)
{
	static const struct {
		const char *name, *aliases;
	} rows[] = {{"n2", "files"}, {"n2", "n1"}, {"files", ""}, {"n2", "x n2"}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct node_rec one = record(1, "files"), two = record(2, rows[i].aliases);
		struct mesh *m;

		snprintf(two.name, sizeof(two.name), "%s", rows[i].name);
		assert_int_equal(mesh_new(&info, &m), TM_OK);
		assert_int_equal(mesh_add(m, &one), TM_OK);
		if (mesh_add(m, &two) != TM_EEXIST)
			fail_msg("row %zu", i);
		assert_string_equal(mesh_lookup(m, "files")->name, "n1");
		assert_null(mesh_lookup(m, "x"));
		mesh_free(m);
	}
}

static void a_copy_has_them_and_is_in_no_index(void **state)
{
	struct node_rec r = record(1, "files nas");
	struct mesh *m;

	(void)state;
	r.routes.n = 1;
	assert_int_equal(prefix_parse("10.1.0.0/16", &r.routes.v[0].prefix), TM_OK);
	assert_int_equal(mesh_new(&info, &m), TM_OK);
	assert_int_equal(mesh_add(m, &r), TM_OK);
	struct mesh_node *copy = mesh_node_copy(mesh_lookup(m, "nas"));
	mesh_free(m);
	assert_non_null(copy);
	assert_string_equal(copy->aliases, "files nas");
	assert_int_equal(copy->n_aliases, 0);
	assert_true(prefix_eq(&copy->routes[0].prefix, &r.routes.v[0].prefix));
	free(copy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(aliases_come_and_go_one_by_one),
		cmocka_unit_test(their_room_is_255_characters),
		cmocka_unit_test(texts_that_are_none_are_refused),
		cmocka_unit_test(of_what_is_told_only_aliases_are_taken),
		cmocka_unit_test(a_member_is_found_by_its_aliases),
		cmocka_unit_test(no_name_is_given_twice),
		cmocka_unit_test(a_copy_has_them_and_is_in_no_index),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
