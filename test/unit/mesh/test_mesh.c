/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "mesh/diff.h"
#include "unit/unit.h"

static const struct mesh_info info = {
	.net4 = {{IP_V4, {100, 101}}, 16},
	.net6 = {{IP_V6, {0xfd, 0x5c, [7] = 1}}, 64},
};

static struct node_rec record(unsigned i)
{
	struct node_rec r = {.host = i + 1, .key = {1, (uint8_t)i, (uint8_t)(i >> 8)}};

	snprintf(r.id, sizeof(r.id), "%016x", i);
	snprintf(r.name, sizeof(r.name), "n%u", i);
	return r;
}

static struct node_rec client(unsigned i, unsigned via)
{
	struct node_rec r = record(i);

	r.kind = NODE_CLIENT;
	snprintf(r.via, sizeof(r.via), "%016x", via);
	return r;
}

static struct mesh *mesh_make(void)
{
	struct mesh *m;

	assert_int_equal(mesh_new(&info, &m), TM_OK);
	return m;
}

/* Takes in records, and says what became of it. */
static struct mesh_diff tell(struct mesh *m, uint64_t base, struct node_rec *nodes, size_t n)
{
	struct netmap update = {.version = mesh_version(m) + 1, .base = base, .nodes = nodes, .n_nodes = n};
	struct mesh_diff d;

	assert_int_equal(mesh_apply(m, &update, &d), TM_OK);
	return d;
}

static void a_member_is_found_by_all_that_it_is_known_by(void **state)
{
	static const struct {
		const char *text, *name;
	} rows[] = {
		{"n0", "n0"},
		{"n11", "n11"},
		{"N11.Mesh.", "n11"},
		{"n11.mesh", "n11"},
		{"n1.", "n1"},
		{"0000000000000005", "n5"},
		{"100.101.0.6", "n5"},
		{"fd5c:0:0:1::6", "n5"},
		{"100.101.1.0", NULL},
		{"100.101.0.0", NULL},
		{"100.100.0.6", NULL},
		{"fd5c:0:0:2::6", NULL},
		{"fd5c:0:0:1:1::6", NULL},
		{"n12", NULL},
		{"n1.home", NULL},
		{"", NULL},
		{".mesh", NULL},
		{"0123456789012345678901234567890123456789012345678901234567890123", NULL},
	};
	struct node_rec nodes[12];
	struct mesh *m = mesh_make();
	size_t n = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_null(mesh_lookup(m, rows[i].text));
	for (unsigned i = 0; i < 12; i++)
		nodes[i] = record(i);
	struct mesh_diff d = tell(m, 0, nodes, 12);
	mesh_diff_deinit(&d);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct mesh_node *found = mesh_lookup(m, rows[i].text);

		if (!!found != !!rows[i].name || (found && strcmp(found->name, rows[i].name) != 0))
			fail_msg("\"%s\": %s", rows[i].text, found ? found->name : "not found");
	}
	for (size_t i = 0, k = 0; i < 12; i++, n++) { /* in the order of host numbers */
		const struct mesh_node *found = mesh_by_key(m, nodes[i].key), *next = mesh_next(m, &k);

		assert_string_equal(found->id, nodes[i].id);
		assert_ptr_equal(found, next);
		assert_ptr_equal(found, mesh_by_name(m, nodes[i].name));
	}
	mesh_free(m);
}

static void texts_of_any_number_are_kept(void **state)
{
	struct node_rec r = client(3, 9);
	struct mesh *m = mesh_make();
	size_t i = 0;

	(void)state;
	r.n_tags = NODE_TAGS_MAX;
	for (i = 0; i < NODE_TAGS_MAX; i++)
		snprintf(r.tags[i], sizeof(r.tags[i]), "tag-%zu", i);
	struct mesh_diff d = tell(m, 0, &r, 1);
	const struct mesh_node *n = mesh_by_name(m, "n3");
	i = 0;
	for (const char *t = n->tags; *t; t += strlen(t) + 1)
		assert_string_equal(t, r.tags[i++]);
	assert_int_equal(i, NODE_TAGS_MAX);
	assert_string_equal(n->via, "0000000000000009");
	mesh_diff_deinit(&d);
	mesh_free(m);
}

static void a_diff_says_what_changed_and_nothing_else(void **state)
{
	struct node_rec nodes[3] = {record(0), record(1), client(2, 0)};
	struct mesh *m = mesh_make();
	struct mesh_diff d = tell(m, 0, nodes, 3);

	(void)state;
	assert_int_equal(d.n, 3);
	assert_int_equal(d.v[1].what, MESH_ADDED);
	assert_null(d.v[1].before);
	mesh_diff_deinit(&d);

	d = tell(m, mesh_version(m), nodes, 3);
	assert_int_equal(d.n, 0);
	mesh_diff_deinit(&d);

	const struct {
		struct node_rec r;
		unsigned what;
	} rows[] = {
		{{.name = "other"}, MESH_NAME},
		{{.key = {9}}, MESH_KEY},
		{{.host = 77}, MESH_ADDRESSES},
		{{.n_tags = 1, .tags = {"a"}}, MESH_TAGS},
		{{.coordinator = true}, MESH_ROLE},
		{{.kind = NODE_CLIENT, .via = "0000000000000000"}, MESH_KIND | MESH_VIA},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct node_rec r = record(1);

		if (rows[i].r.name[0])
			memcpy(r.name, rows[i].r.name, sizeof(r.name));
		if (rows[i].r.key[0])
			memcpy(r.key, rows[i].r.key, sizeof(r.key));
		if (rows[i].r.host)
			r.host = rows[i].r.host;
		memcpy(r.tags, rows[i].r.tags, sizeof(r.tags));
		r.n_tags = rows[i].r.n_tags;
		r.coordinator = rows[i].r.coordinator;
		r.kind = rows[i].r.kind;
		memcpy(r.via, rows[i].r.via, sizeof(r.via));
		d = tell(m, mesh_version(m), &r, 1);
		assert_int_equal(d.n, 1);
		if (d.v[0].what != rows[i].what)
			fail_msg("row %zu: %x", i, d.v[0].what);
		assert_string_equal(d.v[0].before->name, "n1");
		assert_ptr_equal(d.v[0].after, mesh_by_id(m, nodes[1].id));
		mesh_diff_deinit(&d);
		d = tell(m, mesh_version(m), &nodes[1], 1);
		mesh_diff_deinit(&d);
	}

	/* A snapshot removes what it does not name. */
	d = tell(m, 0, nodes, 2);
	assert_int_equal(d.n, 1);
	assert_int_equal(d.v[0].what, MESH_REMOVED);
	assert_string_equal(d.v[0].before->id, nodes[2].id);
	assert_null(mesh_by_id(m, nodes[2].id));
	mesh_diff_deinit(&d);
	mesh_free(m);
}

static void two_members_may_swap_what_is_unique(void **state)
{
	struct node_rec nodes[2] = {record(0), record(1)}, swapped[2] = {record(1), record(0)};
	struct mesh *m = mesh_make();
	struct mesh_diff d = tell(m, 0, nodes, 2);

	(void)state;
	mesh_diff_deinit(&d);
	for (unsigned i = 0; i < 2; i++)
		memcpy(swapped[i].id, nodes[i].id, sizeof(nodes[i].id));
	d = tell(m, mesh_version(m), swapped, 2);
	assert_int_equal(d.n_bad, 0);
	assert_int_equal(d.v[0].what, MESH_NAME | MESH_KEY | MESH_ADDRESSES);
	assert_string_equal(mesh_by_name(m, "n1")->id, nodes[0].id);
	assert_string_equal(mesh_by_name(m, "n0")->id, nodes[1].id);
	mesh_diff_deinit(&d);
	mesh_free(m);
}

static void a_record_that_clashes_is_left_out_and_the_rest_is_not(void **state)
{
	struct node_rec nodes[3] = {record(0), record(1), record(2)}, more[6];
	struct mesh *m = mesh_make();
	struct mesh_diff d = tell(m, 0, nodes, 3);

	(void)state;
	mesh_diff_deinit(&d);
	for (unsigned i = 0; i < 5; i++)
		more[i] = record(10 + i);
	memcpy(more[0].name, nodes[0].name, sizeof(more[0].name));
	memcpy(more[1].key, nodes[0].key, sizeof(more[1].key));
	more[2].host = nodes[0].host;
	memcpy(more[3].id, more[4].id, sizeof(more[3].id)); /* twice: the first one counts */
	more[5] = nodes[2]; /* a member that takes another's name loses its place */
	memcpy(more[5].name, nodes[1].name, sizeof(more[5].name));
	d = tell(m, mesh_version(m), more, 6);
	assert_int_equal(d.n_bad, 5);
	assert_int_equal(d.n, 2);
	assert_int_equal(mesh_size(m), 3);
	assert_string_equal(mesh_by_id(m, more[4].id)->name, "n13");
	assert_string_equal(mesh_by_name(m, "n1")->id, nodes[1].id);
	assert_null(mesh_by_id(m, nodes[2].id));
	mesh_diff_deinit(&d);
	mesh_free(m);
}

static void a_delta_to_another_version_changes_nothing(void **state)
{
	struct node_rec nodes[2] = {record(0), record(1)};
	struct netmap delta = {.version = 9, .base = 8, .nodes = nodes + 1, .n_nodes = 1};
	struct mesh *m = mesh_make();
	struct mesh_diff d = tell(m, 0, nodes, 1), none;

	(void)state;
	mesh_diff_deinit(&d);
	assert_int_equal(mesh_apply(m, &delta, &none), TM_ERANGE);
	assert_int_equal(mesh_version(m), 1);
	assert_int_equal(mesh_size(m), 1);

	mesh_set_version(m, 0);
	delta.base = 1;
	assert_int_equal(mesh_apply(m, &delta, &none), TM_ERANGE);
	assert_int_equal(mesh_size(m), 1); /* what is known still holds */
	assert_int_equal(mesh_clear(m, &d), TM_OK);
	assert_int_equal(d.n, 1);
	assert_int_equal(mesh_size(m), 0);
	mesh_diff_deinit(&d);
	mesh_free(m);
}

static void the_clients_of_a_node_are_known_before_the_node(void **state)
{
	struct node_rec nodes[4] = {client(1, 9), client(2, 9), client(3, 8), client(4, 9)};
	struct mesh *m = mesh_make();
	struct mesh_diff d = tell(m, 0, nodes, 4);
	const char *nine = nodes[0].via, *eight = nodes[2].via;
	size_t n = 0;

	(void)state;
	mesh_diff_deinit(&d);
	for (const struct mesh_node *c = mesh_clients(m, nine); c; c = c->next_client, n++)
		assert_string_equal(c->via, nine);
	assert_int_equal(n, 3);
	assert_string_equal(mesh_clients(m, eight)->name, "n3");

	struct node_rec moved = client(1, 8);
	d = tell(m, mesh_version(m), &moved, 1);
	mesh_diff_deinit(&d);
	n = 0;
	for (const struct mesh_node *c = mesh_clients(m, eight); c; c = c->next_client)
		n++;
	assert_int_equal(n, 2);
	d = tell(m, 0, nodes, 0);
	assert_null(mesh_clients(m, nine));
	assert_null(mesh_clients(m, eight));
	mesh_diff_deinit(&d);
	mesh_free(m);
}

/* The obvious: an array of records by number. Diffs, followed blindly, lead to the same. */
static void random_updates_lead_where_the_obvious_way_leads(void **state)
{
	enum { N = 60, ROUNDS = 3000 };
	static struct node_rec twin[N];
	static bool there[N], followed[N];
	struct mesh *m = mesh_make();
	uint32_t seed = 7;

	(void)state;
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct node_rec nodes[N];
		char removed[N][NODE_ID_LEN + 1];
		struct netmap update = {
			.version = round + 1, .base = round, .nodes = nodes, .removed = removed};
		bool snapshot = round % 50 == 0;
		struct mesh_diff d;

		update.base = snapshot ? 0 : round;
		for (unsigned i = 0; i < N; i++) {
			seed = seed * 1664525u + 1013904223u;
			unsigned dice = seed >> 24;

			if (dice < 20) {
				twin[i] = dice % 2 ? record(i) : client(i, dice % 5);
				twin[i].key[5] = (uint8_t)(dice / 4);
				twin[i].n_tags = dice % 3;
				memcpy(twin[i].tags, (char[2][NODE_TAG_MAX + 1]){"a", "b"},
					sizeof(twin[i].tags[0]) * 2);
				there[i] = true;
				nodes[update.n_nodes++] = twin[i];
			} else if (dice < 35) {
				there[i] = false;
				memcpy(removed[update.n_removed++], record(i).id, NODE_ID_LEN + 1);
			} else if (snapshot && there[i]) {
				nodes[update.n_nodes++] = twin[i];
			}
		}
		assert_int_equal(mesh_apply(m, &update, &d), TM_OK);
		assert_int_equal(d.n_bad, 0);
		for (size_t i = 0; i < d.n; i++) {
			const struct mesh_node *n = d.v[i].after ? d.v[i].after : d.v[i].before;

			assert_true(d.v[i].what && !followed[n->host - 1] == (d.v[i].what == MESH_ADDED));
			followed[n->host - 1] = d.v[i].after != NULL;
		}
		mesh_diff_deinit(&d);
		for (unsigned i = 0; i < N; i++) {
			const struct mesh_node *n = mesh_by_id(m, record(i).id);

			assert_true(!!n == there[i] && followed[i] == there[i]);
			assert_true(!n || (memcmp(n->key, twin[i].key, 32) == 0 &&
						  strcmp(n->via, twin[i].via) == 0));
			assert_ptr_equal(mesh_by_name(m, record(i).name), n);
		}
	}
	mesh_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_member_is_found_by_all_that_it_is_known_by),
		cmocka_unit_test(texts_of_any_number_are_kept),
		cmocka_unit_test(a_diff_says_what_changed_and_nothing_else),
		cmocka_unit_test(two_members_may_swap_what_is_unique),
		cmocka_unit_test(a_record_that_clashes_is_left_out_and_the_rest_is_not),
		cmocka_unit_test(a_delta_to_another_version_changes_nothing),
		cmocka_unit_test(the_clients_of_a_node_are_known_before_the_node),
		cmocka_unit_test(random_updates_lead_where_the_obvious_way_leads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
