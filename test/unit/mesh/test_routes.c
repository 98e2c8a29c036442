/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "mesh/routes.h"

#include "base/jsonout.h"
#include "mesh/diff.h"
#include "unit/unit.h"

static const struct prefix net4 = {{IP_V4, {100, 101}}, 16}, net6 = {{IP_V6, {0xfd, 0x5c, [7] = 1}}, 64};

static struct node_routes some(void)
{
	struct node_routes r = {.n = 2, .exit = EXIT_IP4 | EXIT_APPROVED};

	r.v[0] = (struct node_route){.prefix = {{IP_V4, {10, 1}}, 16}, .offered = true, .approved = true};
	r.v[1] = (struct node_route){
		.prefix = {{IP_V6, {0x20, 1, 0xd, 0xb8}}, 48}, .approved = true, .ha = true};
	return r;
}

static void what_is_no_network_behind_a_node_is_refused_with_a_sentence(void **state)
{
	static const struct {
		const char *text, *what; /* NULL: it is one */
	} rows[] = {
		{"10.1.0.0/16", NULL},
		{"192.168.7.9", NULL}, /* one host is a network */
		{"100.64.0.0/16", NULL}, /* somebody else's, beside the mesh */
		{"2001:db8:1::/64", NULL},
		{"fd00::/8", "addresses of the mesh"},
		{"100.64.0.0/10", "addresses of the mesh"},
		{"100.101.3.0/24", "addresses of the mesh"},
		{"10.1.0.7/16", "not the network"},
		{"0.0.0.0/0", "all there is"},
		{"::/0", "all there is"},
		{"0.0.0.0/1", "this very network"},
		{"127.0.0.0/8", "loopback"},
		{"::1", "loopback"},
		{"169.254.0.0/16", "link-local"},
		{"fe80::/64", "link-local"},
		{"224.0.0.0/4", "multicast"},
		{"ff02::/16", "multicast"},
		{"255.255.255.255", "broadcast"},
		{"10.1.0.0/33", "not a network"},
		{"lan", "not a network"},
		{"", "not a network"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct diag d = {0};
		struct prefix p;
		int err = route_parse(rows[i].text, &net4, &net6, &p, &d);

		if (!!err != !!rows[i].what || (err && (!strstr(d.what, rows[i].what) || !d.hint[0])))
			fail_msg("\"%s\": %d, %s; %s", rows[i].text, err, d.what, d.hint);
	}
}

static void a_text_of_routes_is_read_as_it_was_written(void **state)
{
	const struct node_routes r = some(), none = {.n = 0};
	struct node_routes back;
	char text[ROUTES_TEXT_MAX];

	(void)state;
	node_routes_join(&r, text);
	assert_string_equal(text, "10.1.0.0/16 oa;2001:db8::/48 ah;exit 4a");
	assert_int_equal(node_routes_split(text, &back), TM_OK);
	assert_true(node_routes_eq(&r, &back));
	node_routes_join(&none, text);
	assert_string_equal(text, "");
	assert_int_equal(node_routes_split("", &back), TM_OK);
	assert_true(node_routes_eq(&none, &back));
}

static void a_text_that_is_none_is_not_taken(void **state)
{
	static const char *const texts[] = {"x", "10.1.0.0/16 oa;10.1.0.0/16 o", ";", "127.0.0.0/8 o",
		"10.1.0.0", "10.1.0.0/16 oa;;exit 4",
		"10.1.0.0/16                                                                o"};
	struct node_routes back;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if (i != 4 && node_routes_split(texts[i], &back) == TM_OK)
			fail_msg("\"%s\"", texts[i]);
}

static void sixteen_routes_fit_into_the_text(void **state)
{
	struct node_routes r = {.exit = EXIT_FAMILIES | EXIT_APPROVED}, back;
	char text[ROUTES_TEXT_MAX];

	(void)state;
	for (unsigned i = 0; i < NODE_ROUTES_MAX; i++) {
		struct prefix p = {{IP_V6, {0}}, 128};

		memset(p.ip.bytes, 0x2e, sizeof(p.ip.bytes));
		p.ip.bytes[15] = (uint8_t)i;
		struct node_route *at = node_routes_add(&r, &p);
		assert_non_null(at);
		at->offered = at->approved = at->ha = true;
	}
	assert_int_equal(r.n, NODE_ROUTES_MAX);
	assert_null(node_routes_add(&r, &net4));
	node_routes_join(&r, text);
	assert_int_equal(node_routes_split(text, &back), TM_OK);
	assert_true(node_routes_eq(&r, &back));
}

static void two_nodes_clash_unless_both_say_that_others_may(void **state)
{
	static const struct {
		const char *ours, *theirs;
		bool our_ha, their_ha, clash;
	} rows[] = {
		{"10.1.0.0/16", "10.1.0.0/16", false, false, true},
		{"10.1.0.0/16", "10.1.0.0/16", true, false, true},
		{"10.1.0.0/16", "10.1.0.0/16", false, true, true},
		{"10.1.0.0/16", "10.1.0.0/16", true, true, false},
		{"10.0.0.0/8", "10.1.0.0/16", false, false, true},
		{"10.1.0.0/16", "10.0.0.0/8", false, true, true},
		{"10.1.0.0/16", "10.2.0.0/16", false, false, false},
		{"10.1.0.0/16", "2001:db8::/32", false, false, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct node_route ours = {.ha = rows[i].our_ha};
		struct node_routes theirs = {.n = 1};

		assert_int_equal(prefix_parse(rows[i].ours, &ours.prefix), TM_OK);
		assert_int_equal(prefix_parse(rows[i].theirs, &theirs.v[0].prefix), TM_OK);
		theirs.v[0].ha = rows[i].their_ha;
		theirs.v[0].offered = true;
		if (route_clash(&ours, &theirs))
			fail_msg("row %zu: an offer that nobody approved", i);
		theirs.v[0].approved = true;
		if (!!route_clash(&ours, &theirs) != rows[i].clash)
			fail_msg("row %zu", i);
	}
}

static void what_is_neither_offered_nor_approved_is_forgotten(void **state)
{
	struct node_routes r = some();

	(void)state;
	r.v[0].offered = r.v[0].approved = false;
	node_routes_tidy(&r);
	assert_int_equal(r.n, 1);
	assert_int_equal(r.v[0].prefix.len, 48);
	assert_null(node_routes_find(&r, &(struct prefix){{IP_V4, {10, 1}}, 16}));
}

static void a_record_carries_its_routes(void **state)
{
	static const struct mesh_info mesh = {
		.net4 = {{IP_V4, {100, 101}}, 16}, .net6 = {{IP_V6, {0xfd, 0x5c, [7] = 1}}, 64}};
	struct node_rec r = {.id = "0123456789abcdef",
				.name = "nas",
				.host = 3,
				.key = {1},
				.routes = some()},
			back;
	struct jsonout o = {0};

	(void)state;
	node_rec_put(&o, NULL, &r);
	char *text = jsonout_take(&o, NULL);
	assert_non_null(strstr(text,
		"\"routes\":[{\"net\":\"10.1.0.0/16\",\"offered\":true,\"approved\":true},{"
		"\"net\":\"2001:db8::/48\",\"approved\":true,\"ha\":true}],\"exit\":{\"ip4\":true,"
		"\"approved\":true}"));
	json_t *j = json_loads(text, 0, NULL);
	assert_int_equal(node_rec_from_json(j, &mesh, &back), TM_OK);
	assert_true(node_routes_eq(&r.routes, &back.routes));
	json_decref(j);
	free(text);
}

static void a_record_with_an_impossible_route_is_not_taken(void **state)
{
	static const char *const bad[] = {
		"{\"routes\":{}}",
		"{\"routes\":[7]}",
		"{\"routes\":[{\"offered\":true}]}",
		"{\"routes\":[{\"net\":\"127.0.0.0/8\",\"offered\":true}]}",
		"{\"routes\":[{\"net\":\"0.0.0.0/0\",\"offered\":true}]}",
		"{\"routes\":[{\"net\":\"10.1.0.0/16\",\"offered\":1}]}",
		"{\"routes\":[{\"net\":\"10.1.0.0/16\",\"ha\":\"yes\"}]}",
		"{\"exit\":true}",
		"{\"exit\":{\"ip4\":1}}",
		"{\"routes\":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct node_routes r;
		json_t *j = json_loads(bad[i], 0, NULL);

		assert_non_null(j);
		if (node_routes_from_json(j, &r) != TM_EBADMSG)
			fail_msg("%s", bad[i]);
		json_decref(j);
	}
}

static void a_diff_says_that_routes_changed(void **state)
{
	static const struct mesh_info mesh = {
		.net4 = {{IP_V4, {100, 101}}, 16}, .net6 = {{IP_V6, {0xfd, 0x5c, [7] = 1}}, 64}};
	struct node_rec r = {
		.id = "0123456789abcdef", .name = "nas", .host = 3, .key = {1}, .routes = some()};
	struct netmap update = {.version = 1, .nodes = &r, .n_nodes = 1};
	struct mesh_diff d;
	struct mesh *m;

	(void)state;
	r.n_tags = 1;
	memcpy(r.tags[0], "lan", 4);
	assert_int_equal(mesh_new(&mesh, &m), TM_OK);
	assert_int_equal(mesh_apply(m, &update, &d), TM_OK);
	mesh_diff_deinit(&d);
	const struct mesh_node *n = mesh_by_name(m, "nas");
	assert_int_equal(n->n_routes, 2);
	assert_memory_equal(n->routes, r.routes.v, 2 * sizeof(r.routes.v[0]));
	assert_int_equal(n->exit, EXIT_IP4 | EXIT_APPROVED);

	struct mesh_node *copy = mesh_node_copy(n);
	assert_memory_equal(copy->routes, r.routes.v, 2 * sizeof(r.routes.v[0]));
	assert_string_equal(copy->tags, "lan");
	assert_true((const char *)copy->routes > copy->name); /* its own */
	free(copy);

	update.base = 1;
	for (unsigned i = 0; i < 3; i++) {
		update.base = update.version++;
		r.routes.v[0].approved = i % 2 == 1;
		r.routes.exit = i == 2 ? EXIT_IP4 : r.routes.exit;
		assert_int_equal(mesh_apply(m, &update, &d), TM_OK);
		assert_int_equal(d.n, 1);
		assert_int_equal(d.v[0].what, MESH_ROUTES);
		mesh_diff_deinit(&d);
	}
	update.base = update.version++;
	assert_int_equal(mesh_apply(m, &update, &d), TM_OK);
	assert_int_equal(d.n, 0);
	mesh_diff_deinit(&d);
	mesh_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_no_network_behind_a_node_is_refused_with_a_sentence),
		cmocka_unit_test(a_text_of_routes_is_read_as_it_was_written),
		cmocka_unit_test(a_text_that_is_none_is_not_taken),
		cmocka_unit_test(sixteen_routes_fit_into_the_text),
		cmocka_unit_test(two_nodes_clash_unless_both_say_that_others_may),
		cmocka_unit_test(what_is_neither_offered_nor_approved_is_forgotten),
		cmocka_unit_test(a_record_carries_its_routes),
		cmocka_unit_test(a_record_with_an_impossible_route_is_not_taken),
		cmocka_unit_test(a_diff_says_that_routes_changed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
