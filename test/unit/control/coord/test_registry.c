/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/unit.h"

#include "control/coord/registry.h"
#include "mesh/diff.h"
#include "wire/msg/msg.h"

enum { STEPS = 6000, VIEWERS = 4, MEMBERS = 60 };

static uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

static struct store_node node(uint32_t number)
{
	struct store_node n = {.rec = {.host = number}};

	snprintf(n.rec.id, sizeof(n.rec.id), "%016x", (unsigned)number);
	snprintf(n.rec.name, sizeof(n.rec.name), "node-%u", (unsigned)number);
	memcpy(n.rec.key, &number, sizeof(number));
	n.rec.key[31] = 1;
	return n;
}

static struct registry *registry(void)
{
	struct mesh_info mesh = {.name = "home"};
	struct registry *r;

	assert_int_equal(prefix_parse("100.101.0.0/16", &mesh.net4), TM_OK);
	assert_int_equal(prefix_parse("fd5c::/64", &mesh.net6), TM_OK);
	assert_int_equal(registry_new(&mesh, &r), TM_OK);
	return r;
}

/* The next version, as the store gives them. */
static uint64_t next(const struct registry *r)
{
	uint64_t number = store_version_number(registry_version(r)) + 1;

	return number << 31 | (number * 7919 & 0xffff);
}

static struct netmap view(struct registry *r, uint64_t base)
{
	struct jsonout o = {0};
	struct netmap m;

	registry_view_put(r, base, &o);
	char *text = jsonout_take(&o, NULL);
	json_t *j = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	free(text);
	assert_non_null(j);
	assert_int_equal(msg_netmap_get(j, registry_mesh(r), &m), TM_OK);
	assert_int_equal(m.n_bad, 0);
	json_decref(j);
	return m;
}

/* Brings map up to date as a node would. */
static void update(struct registry *r, struct mesh *map)
{
	struct mesh_diff d;

	if (mesh_version(map) == registry_version(r))
		return;

	struct netmap delta = view(r, mesh_version(map));
	assert_int_equal(mesh_apply(map, &delta, &d), TM_OK);
	assert_int_equal(d.n_bad, 0);
	mesh_diff_deinit(&d);
	netmap_deinit(&delta);
}

static bool same_rec(const struct node_rec *a, const struct mesh_node *b)
{
	return strcmp(a->id, b->id) == 0 && strcmp(a->name, b->name) == 0 && a->host == b->host &&
	       memcmp(a->key, b->key, 32) == 0 && a->kind == b->kind && strcmp(a->via, b->via) == 0;
}

static void expect_same(const struct netmap *a, const struct mesh *b, int step)
{
	if (a->n_nodes != mesh_size(b) || a->version != mesh_version(b))
		fail_msg("step %d: %zu and %zu nodes", step, a->n_nodes, mesh_size(b));
	for (size_t i = 0; i < a->n_nodes; i++) {
		const struct mesh_node *other = mesh_by_id(b, a->nodes[i].id);

		if (!other || !same_rec(&a->nodes[i], other))
			fail_msg("step %d: %s differs", step, a->nodes[i].name);
	}
}

static int rename_member(struct registry *r, struct member *m, const char *name)
{
	struct store_node n = m->s;

	snprintf(n.rec.name, sizeof(n.rec.name), "%s", name);
	return registry_put(r, next(r), &n, NULL);
}

static void random_change(struct registry *r, uint32_t *seed)
{
	uint32_t number = 1 + next_random(seed) % MEMBERS;
	struct store_node n = node(number);
	struct member *m = registry_by_id(r, n.rec.id);
	char name[NODE_NAME_MAX + 1];

	if (!m) {
		struct store_node via = node(1 + next_random(seed) % MEMBERS);

		if (next_random(seed) % 4 == 0) {
			n.rec.kind = NODE_CLIENT;
			memcpy(n.rec.via, via.rec.id, sizeof(n.rec.via));
		}
		int err = registry_put(r, next(r), &n, NULL);
		/* A name that another one got by renaming, or a node that is missing or a client itself. */
		assert_true(err == TM_OK || err == TM_EEXIST || err == TM_ENOENT);
		return;
	}
	if (next_random(seed) % 2) {
		LIST_FOREACH_SAFE (client, &m->clients, struct member, in_clients)
			registry_remove(r, next(r), client);
		registry_remove(r, next(r), m);
		return;
	}
	snprintf(name, sizeof(name), "node-%u", (unsigned)(next_random(seed) % (MEMBERS * 2)));
	int err = rename_member(r, m, name);
	assert_true(err == TM_OK || err == TM_EEXIST);
}

static void deltas_lead_to_the_same_map_as_a_snapshot(void **state)
{
	struct mesh *maps[VIEWERS];
	uint32_t seed = 11;
	struct registry *r = registry();

	(void)state;
	for (size_t v = 0; v < VIEWERS; v++)
		assert_int_equal(mesh_new(registry_mesh(r), &maps[v]), TM_OK);
	for (int step = 0; step < STEPS; step++) {
		random_change(r, &seed);
		/* Viewer v looks now and then, each at its own pace. */
		for (uint32_t v = 0; v < VIEWERS; v++)
			if (next_random(&seed) % (1 + 20 * v) == 0)
				update(r, maps[v]);
		if (next_random(&seed) % 3)
			continue;
		struct netmap snapshot = view(r, 0);
		assert_int_equal(snapshot.n_nodes, registry_size(r));
		for (uint32_t v = 0; v < VIEWERS; v++)
			if (next_random(&seed) % (1 + v) == 0) {
				update(r, maps[v]);
				expect_same(&snapshot, maps[v], step);
			}
		netmap_deinit(&snapshot);
	}
	for (size_t v = 0; v < VIEWERS; v++)
		mesh_free(maps[v]);
	registry_free(r);
}

static void a_delta_holds_only_what_changed(void **state)
{
	struct registry *r = registry();
	struct member *m;

	(void)state;
	for (uint32_t i = 1; i <= 50; i++) {
		struct store_node n = node(i);
		assert_int_equal(registry_put(r, next(r), &n, NULL), TM_OK);
	}
	uint64_t base = registry_version(r);
	m = registry_lookup(r, "node-20");
	assert_non_null(m);
	assert_int_equal(rename_member(r, m, "other"), TM_OK);
	registry_remove(r, next(r), registry_lookup(r, "node-30"));
	struct netmap d = view(r, base);
	assert_int_equal(d.base, base);
	assert_int_equal(d.n_nodes, 1);
	assert_string_equal(d.nodes[0].name, "other");
	assert_int_equal(d.n_removed, 1);
	assert_string_equal(d.removed[0], "000000000000001e");
	netmap_deinit(&d);
	registry_free(r);
}

static void who_is_online_changes_no_version_and_says_nothing_of_a_nodes_clients(void **state)
{
	struct registry *r = registry();
	struct store_node one = node(1), client = node(9);

	(void)state;
	client.rec.kind = NODE_CLIENT;
	memcpy(client.rec.via, one.rec.id, sizeof(client.rec.via));
	assert_int_equal(
		registry_put(r, next(r), &one, NULL) | registry_put(r, next(r), &client, NULL), TM_OK);
	uint64_t version = registry_version(r);
	registry_set_online(r, registry_lookup(r, "node-1"), true);
	assert_int_equal(registry_version(r), version);
	assert_true(registry_online(r, registry_lookup(r, "node-1")));
	assert_false(registry_online(r, registry_lookup(r, "node-9")));
	assert_false(presence_has(registry_presence(r), 9));
	registry_remove(r, next(r), registry_lookup(r, "node-1"));
	assert_false(presence_has(registry_presence(r), 1));
	registry_free(r);
}

static void only_who_has_a_version_that_was_gets_a_delta(void **state)
{
	struct registry *r = registry();
	struct store_node keep = node(1), passing = node(2);

	(void)state;
	assert_int_equal(registry_put(r, next(r), &keep, NULL), TM_OK);
	uint64_t first = registry_version(r);
	for (int i = 0; i < REGISTRY_CHANGES_MAX / 2; i++) {
		struct member *m;

		assert_int_equal(registry_put(r, next(r), &passing, &m), TM_OK);
		registry_remove(r, next(r), m);
	}
	uint64_t last = registry_version(r), second = ((uint64_t)2 << 31) | (2 * 7919 & 0xffff);
	const struct {
		uint64_t asked;
		bool delta;
	} rows[] = {
		{last, true},
		{second, true},
		{first, false}, /* forgotten */
		{last + 1, false}, /* the salt of another database */
		{second ^ 1, false},
		{next(r), false}, /* of a time after the backup that this was restored from */
		{0, false},
		{1, false},
		{UINT64_MAX >> 1, false},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct netmap m =
			rows[i].asked == last ? (struct netmap){.base = last} : view(r, rows[i].asked);

		if (registry_has(r, rows[i].asked) != rows[i].delta ||
			m.base != (rows[i].delta ? rows[i].asked : 0))
			fail_msg("row %zu: base %" PRIu64, i, m.base);
		netmap_deinit(&m);
	}
	registry_free(r);
}

static void members_that_changed_before_all_that_is_remembered_are_only_in_snapshots(void **state)
{
	struct registry *r = registry();
	struct store_node old = node(1), recent = node(2);
	struct member *m;

	(void)state;
	assert_int_equal(registry_put(r, 0, &old, NULL) | registry_put(r, 0, &recent, &m), TM_OK);
	registry_note_change(r, (uint64_t)500 << 31 | 7, registry_lookup(r, "node-1"));
	uint64_t base = registry_version(r);
	registry_note_removal(r, (uint64_t)501 << 31 | 8, "00000000000000aa");
	registry_note_change(r, (uint64_t)502 << 31 | 9, m);
	struct netmap delta = view(r, base), snapshot = view(r, 0);
	assert_int_equal(delta.n_nodes, 1);
	assert_string_equal(delta.nodes[0].name, "node-2");
	assert_int_equal(delta.n_removed, 1);
	assert_int_equal(snapshot.n_nodes, 2);
	assert_int_equal(snapshot.version, (uint64_t)502 << 31 | 9);
	assert_int_equal(registry_changes_since(r, base), 2);
	netmap_deinit(&delta);
	netmap_deinit(&snapshot);
	registry_free(r);
}

static void a_client_whose_node_goes_first_stays_until_it_is_removed(void **state UNUSED)
{
	struct registry *r = registry();
	struct store_node gate = node(1), phone = node(2);
	struct member *m, *client;

	phone.rec.kind = NODE_CLIENT;
	memcpy(phone.rec.via, gate.rec.id, sizeof(phone.rec.via));
	assert_int_equal(registry_put(r, next(r), &gate, &m), TM_OK);
	assert_int_equal(registry_put(r, next(r), &phone, &client), TM_OK);
	registry_set_online(r, m, true);
	registry_remove(r, next(r), m);
	assert_ptr_equal(registry_by_id(r, phone.rec.id), client);
	assert_false(registry_online(r, client));
	struct netmap left = view(r, 0);
	assert_int_equal(left.n_nodes, 1);
	netmap_deinit(&left);
	registry_remove(r, next(r), client);
	assert_int_equal(registry_size(r), 0);
	registry_free(r);
}

static void members_are_walked_in_the_order_of_their_host_numbers(void **state)
{
	static const uint32_t hosts[] = {900, 3, 77};
	struct registry *r = registry();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
		struct store_node n = node(hosts[i]);
		assert_int_equal(registry_put(r, next(r), &n, NULL), TM_OK);
	}
	assert_int_equal(registry_after(r, 0)->s.rec.host, 3);
	assert_int_equal(registry_after(r, 3)->s.rec.host, 77);
	assert_int_equal(registry_after(r, 500)->s.rec.host, 900);
	assert_null(registry_after(r, 900));
	assert_null(registry_after(r, UINT32_MAX));
	registry_free(r);
}

static void a_member_that_comes_back_is_not_among_the_removed(void **state)
{
	struct registry *r = registry();
	struct store_node n = node(1);
	struct member *m;

	(void)state;
	assert_int_equal(registry_put(r, next(r), &n, &m), TM_OK);
	uint64_t base = registry_version(r);
	registry_remove(r, next(r), m);
	assert_int_equal(registry_put(r, next(r), &n, &m), TM_OK);
	struct netmap d = view(r, base);
	assert_int_equal(d.n_nodes, 1);
	assert_int_equal(d.n_removed, 0);
	netmap_deinit(&d);
	registry_free(r);
}

static void members_are_found_by_name_id_and_key_and_are_unique(void **state)
{
	struct registry *r = registry();
	struct store_node one = node(1), two = node(2), clash, client = node(9);
	struct member *m;

	(void)state;
	assert_int_equal(registry_put(r, next(r), &one, &m), TM_OK);
	assert_ptr_equal(registry_lookup(r, "node-1"), m);
	assert_ptr_equal(registry_lookup(r, "0000000000000001"), m);
	assert_ptr_equal(registry_by_key(r, one.rec.key), m);
	assert_ptr_equal(registry_lookup(r, "Node-1.mesh"), m);
	assert_ptr_equal(registry_lookup(r, "100.101.0.1"), m);
	assert_ptr_equal(registry_lookup(r, "fd5c::1"), m);
	assert_null(registry_lookup(r, "100.101.0.2"));
	assert_null(registry_lookup(r, "100.102.0.1"));
	assert_null(registry_lookup(r, "fd5d::1"));
	assert_null(registry_lookup(r, "node-2"));
	assert_null(registry_lookup(r, ""));
	assert_null(registry_lookup(r, "0000000000000001x"));
	assert_null(registry_lookup(r, "a-very-long-name-a-very-long-name-a-very-long-name-a-very-long-name-"
				       "a-very-long-name-a-very-long-name"));
	for (int i = 0; i < 3; i++) {
		clash = two;
		if (i == 0)
			clash.rec.host = one.rec.host;
		else if (i == 1)
			memcpy(clash.rec.key, one.rec.key, sizeof(clash.rec.key));
		else
			memcpy(clash.rec.name, one.rec.name, sizeof(clash.rec.name));
		assert_int_equal(registry_put(r, next(r), &clash, NULL), TM_EEXIST);
	}
	client.rec.kind = NODE_CLIENT;
	memcpy(client.rec.via, two.rec.id, sizeof(client.rec.via));
	assert_int_equal(registry_put(r, next(r), &client, NULL), TM_ENOENT);
	assert_int_equal(registry_put(r, next(r), &two, NULL), TM_OK);
	assert_int_equal(registry_put(r, next(r), &client, NULL), TM_OK);
	assert_int_equal(rename_member(r, m, "node-2"), TM_EEXIST);
	registry_free(r);
	registry_free(NULL);
}

static void an_id_means_its_owner_even_when_another_node_has_it_as_its_name(void **state)
{
	struct registry *r = registry();
	struct store_node one = node(1), two = node(2);
	struct member *m;

	(void)state;
	assert_int_equal(registry_put(r, next(r), &one, &m), TM_OK);
	memcpy(two.rec.name, one.rec.id, sizeof(one.rec.id));
	assert_int_equal(registry_put(r, next(r), &two, NULL), TM_OK);
	assert_ptr_equal(registry_lookup(r, one.rec.id), m);
	registry_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(deltas_lead_to_the_same_map_as_a_snapshot),
		cmocka_unit_test(a_delta_holds_only_what_changed),
		cmocka_unit_test(who_is_online_changes_no_version_and_says_nothing_of_a_nodes_clients),
		cmocka_unit_test(only_who_has_a_version_that_was_gets_a_delta),
		cmocka_unit_test(members_that_changed_before_all_that_is_remembered_are_only_in_snapshots),
		cmocka_unit_test(a_client_whose_node_goes_first_stays_until_it_is_removed),
		cmocka_unit_test(members_are_walked_in_the_order_of_their_host_numbers),
		cmocka_unit_test(a_member_that_comes_back_is_not_among_the_removed),
		cmocka_unit_test(members_are_found_by_name_id_and_key_and_are_unique),
		cmocka_unit_test(an_id_means_its_owner_even_when_another_node_has_it_as_its_name),
	};

	return cmocka_run_group_tests_name("registry", tests, NULL, NULL);
}
