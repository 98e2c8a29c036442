/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "fake/meshjson.h"
#include "mesh/model.h"
#include "unit/unit.h"

#define KEY "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA="
#define GOOD                                                                                                 \
	"\"id\":\"00112233445566ff\",\"name\":\"laptop\",\"host\":2,"                                        \
	"\"key\":\"" KEY "\""

static void names_follow_the_rules_of_a_dns_label(void **state)
{
	static const struct {
		const char *name;
		bool valid;
	} rows[] = {
		{"laptop", true},
		{"a", true},
		{"7", true},
		{"a-b", true},
		{"a--b", true},
		{"0ad", true},
		{"", false},
		{"-a", false},
		{"a-", false},
		{"-", false},
		{"A", false},
		{"a.b", false},
		{"a_b", false},
		{"a b", false},
		{"\xc3\xa4", false},
		{"a\n", false},
		{"012345678901234567890123456789012345678901234567890123456789012", true},
		{"0123456789012345678901234567890123456789012345678901234567890123", false},
	};
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (node_name_valid(rows[i].name) != rows[i].valid)
			fail_msg("\"%s\"", rows[i].name);
}

static void a_zone_has_itself_and_what_is_below(void **state)
{
	static const struct {
		const char *host;
		bool has;
	} rows[] = {{"example.org", true}, {"vpn.example.org", true}, {"a.b.example.org.", true},
		{"VPN.Example.ORG", true}, {"org", false}, {"myexample.org", false},
		{"example.org.net", false}, {"vpn.example.com", false}, {"192.0.2.1", false},
		{"fd00::1", false}, {".", false}, {"", false}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (mesh_zone_has("example.org", rows[i].host) != rows[i].has)
			fail_msg("%s", rows[i].host);
}

static void a_zone_is_labels_that_mean_nothing_else(void **state)
{
	static const struct {
		const char *zone;
		bool valid;
	} rows[] = {{"mesh", true}, {"home.arpa", true}, {"flat.home.arpa", true}, {"vpn.example.org", true},
		{"a.b.c.d", true}, {"locale", true}, {"farpa", true}, {"", false}, {".", false},
		{"mesh.", false}, {".mesh", false}, {"a..b", false}, {"Mesh", false}, {"my_mesh", false},
		{"-a.b", false}, {"a-.b", false}, {"local", false}, {"office.local", false},
		{"localhost", false}, {"a.onion", false}, {"arpa", false}, {"in-addr.arpa", false},
		{"100.in-addr.arpa", false}, {"nothome.arpa", false}};
	char longest[MESH_ZONE_MAX + 3];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (mesh_zone_valid(rows[i].zone) != rows[i].valid)
			fail_msg("%s", rows[i].zone);
	memset(longest, 'a', sizeof(longest));
	longest[63] = '.';
	longest[MESH_ZONE_MAX] = '\0';
	assert_true(mesh_zone_valid(longest));
	longest[MESH_ZONE_MAX] = 'a';
	longest[MESH_ZONE_MAX + 1] = '\0';
	assert_false(mesh_zone_valid(longest));
}

static void a_name_is_known_with_its_zone_and_without(void **state)
{
	static const struct {
		const char *text, *zone, *bare;
	} rows[] = {{"laptop", "home.arpa", "laptop"}, {"laptop.home.arpa", "home.arpa", "laptop"},
		{"Laptop.HOME.arpa.", "home.arpa", "laptop"}, {"laptop.mesh", "mesh", "laptop"},
		{"laptop.mesh", "home.arpa", "laptop.mesh"}, {"laptopmesh", "mesh", "laptopmesh"},
		{"mesh", "mesh", "mesh"}, {".mesh", "mesh", ".mesh"}};
	char bare[NODE_NAME_MAX + 1];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_true(node_name_bare(rows[i].text, rows[i].zone, bare));
		assert_string_equal(bare, rows[i].bare);
	}
}

static void any_host_name_becomes_a_valid_name(void **state)
{
	static const struct {
		const char *host, *name;
	} rows[] = {
		{"Jo's Laptop.local", "jo-s-laptop"},
		{"laptop", "laptop"},
		{"LAPTOP", "laptop"},
		{"web01.example.org", "web01"},
		{"my_host", "my-host"},
		{"a---b", "a-b"},
		{"--a--", "a"},
		{"  spaced  out  ", "spaced-out"},
		{"", "node"},
		{".", "node"},
		{".local", "node"},
		{"---", "node"},
		{"this", "node"},
		{"This.example.org", "node"},
		{"this-one", "this-one"},
		{"\xe4\xb8\xad\xe6\x96\x87", "node"},
		{"caf\xc3\xa9", "caf"},
		{"stra\xc3\x9f"
		 "e",
			"stra-e"},
		{"\x01\x02x\x7f", "x"},
		{"localhost.localdomain", "localhost"},
		{"0123456789012345678901234567890123456789012345678901234567890123456789",
			"012345678901234567890123456789012345678901234567890123456789012"},
		{"01234567890123456789012345678901234567890123456789012345678901_xyz",
			"01234567890123456789012345678901234567890123456789012345678901"},
	};
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char name[NODE_NAME_MAX + 1], again[NODE_NAME_MAX + 1];

		node_name_sanitize(rows[i].host, name);
		assert_string_equal(name, rows[i].name);
		assert_true(node_name_valid(name));
		node_name_sanitize(name, again);
		assert_string_equal(again, name);
	}
}

static void ids_and_tags_are_checked(void **state)
{
	static const struct {
		const char *text;
		bool id, tag;
	} rows[] = {
		{"0123456789abcdef", true, true},
		{"0123456789ABCDEF", false, false},
		{"0123456789abcde", false, true},
		{"0123456789abcdef0", false, true},
		{"0123456789abcdeg", false, true},
		{"", false, false},
		{"gateway", false, true},
		{"a_b-c", false, true},
		{"-a", false, false},
		{"_a", false, false},
		{"a b", false, false},
		{"01234567890123456789012345678901", false, true},
		{"012345678901234567890123456789012", false, false},
	};
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (node_id_valid(rows[i].text) != rows[i].id || node_tag_valid(rows[i].text) != rows[i].tag)
			fail_msg("\"%s\"", rows[i].text);
}

static const struct mesh_info *home(void)
{
	static struct mesh_info m = {.name = "home"};

	assert_int_equal(
		prefix_parse("100.101.0.0/16", &m.net4) | prefix_parse("fd00::/112", &m.net6), TM_OK);
	return &m;
}

static struct node_rec record(unsigned i)
{
	struct node_rec r = {.key = {1}, .host = i, .n_tags = 1, .tags = {"a"}};

	snprintf(r.id, sizeof(r.id), "%016x", i);
	snprintf(r.name, sizeof(r.name), "n%u", i);
	mesh_addresses(home(), i, &r.ip4, &r.ip6);
	r.key[1] = (uint8_t)i;
	r.key[2] = (uint8_t)(i >> 8);
	r.key[3] = (uint8_t)(i >> 16);
	return r;
}

static void a_record_survives_the_round_trip(void **state)
{
	struct node_rec r = record(7), back;
	(void)state;

	r.n_tags = NODE_TAGS_MAX;
	for (size_t i = 0; i < NODE_TAGS_MAX; i++)
		snprintf(r.tags[i], sizeof(r.tags[i]), "tag-%zu", i);
	r.coordinator = true;
	r.kind = NODE_CLIENT;
	snprintf(r.via, sizeof(r.via), "%016x", 1);
	json_t *j = meshjson_record(&r);
	assert_non_null(j);
	assert_int_equal(node_rec_from_json(j, home(), &back), TM_OK);
	assert_memory_equal(&back, &r, sizeof(r));
	json_decref(j);
}

static void a_record_has_the_documented_form(void **state)
{
	struct node_rec r;
	(void)state;

	json_t *j =
		meshjson_load("{\"id\":\"00112233445566ff\",\"name\":\"laptop\",\"host\":258,\"key\":\"" KEY
			      "\",\"tags\":[\"a\",\"b\"],\"coordinator\":true}");
	assert_int_equal(node_rec_from_json(j, home(), &r), TM_OK);
	assert_string_equal(r.id, "00112233445566ff");
	assert_string_equal(r.name, "laptop");
	assert_int_equal(r.n_tags, 2);
	assert_string_equal(r.tags[1], "b");
	assert_true(r.coordinator);
	assert_int_equal(r.kind, NODE_MESH);
	char text[IP_STR_LEN];
	assert_string_equal(ip_format(&r.ip4, text), "100.101.1.2");
	assert_string_equal(ip_format(&r.ip6, text), "fd00::102");
	assert_int_equal(r.key[31], 32);
	json_t *again = meshjson_record(&r);
	assert_true(json_equal(j, again));
	json_decref(j);
	json_decref(again);
}

static void records_are_checked_field_by_field(void **state)
{
	static const struct {
		const char *text;
		int err;
	} rows[] = {
		{"{" GOOD "}", TM_OK},
		{"{" GOOD ",\"future\":{\"x\":[1]}}", TM_OK},
		{"{" GOOD ",\"kind\":\"node\",\"via\":\"junk\"}", TM_OK},
		{"{" GOOD ",\"kind\":\"client\",\"via\":\"0000000000000001\"}", TM_OK},
		{"{" GOOD ",\"kind\":\"client\"}", TM_EBADMSG},
		{"{" GOOD ",\"kind\":\"client\",\"via\":\"junk\"}", TM_EBADMSG},
		{"{" GOOD ",\"kind\":\"client\",\"via\":\"00112233445566ff\"}", TM_EBADMSG},
		{"{" GOOD ",\"kind\":\"router\"}", TM_EUNSUPPORTED},
		{"{" GOOD ",\"kind\":7}", TM_EUNSUPPORTED},
		{"{" GOOD ",\"coordinator\":\"yes\"}", TM_EBADMSG},
		{"{" GOOD ",\"tags\":\"a\"}", TM_EBADMSG},
		{"{" GOOD ",\"tags\":[1]}", TM_EBADMSG},
		{"{" GOOD ",\"tags\":[\"Bad Tag\"]}", TM_EBADMSG},
		{"{" GOOD ",\"tags\":[\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\","
		 "\"a\",\"a\",\"a\",\"a\",\"a\",\"a\"]}",
			TM_EBADMSG},
		{"{" GOOD ",\"id\":\"short\"}", TM_EBADMSG},
		{"{" GOOD ",\"id\":7}", TM_EBADMSG},
		{"{" GOOD ",\"name\":\"-\"}", TM_EBADMSG},
		{"{" GOOD ",\"name\":null}", TM_EBADMSG},
		{"{" GOOD ",\"host\":0}", TM_EBADMSG},
		{"{" GOOD ",\"host\":-1}", TM_EBADMSG},
		{"{" GOOD ",\"host\":65534}", TM_OK},
		{"{" GOOD ",\"host\":65535}", TM_EBADMSG}, /* the broadcast address of net4 */
		{"{" GOOD ",\"host\":4294967298}", TM_EBADMSG},
		{"{" GOOD ",\"host\":\"2\"}", TM_EBADMSG},
		{"{" GOOD ",\"host\":null}", TM_EBADMSG},
		{"{" GOOD ",\"key\":\"AQID\"}", TM_EBADMSG},
		{"{" GOOD ",\"key\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"}", TM_EBADMSG},
		{"{" GOOD ",\"key\":\"AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA\"}", TM_EBADMSG},
		{"{}", TM_EBADMSG},
		{"[]", TM_EBADMSG},
		{"7", TM_EBADMSG},
		{"\"x\"", TM_EBADMSG},
		{"null", TM_EBADMSG},
	};
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct node_rec r;
		json_error_t e;
		json_t *j = json_loads(rows[i].text, JSON_DECODE_ANY, &e);
		int err = node_rec_from_json(j, home(), &r);

		if (err != rows[i].err)
			fail_msg("%s: %d", rows[i].text, err);
		json_decref(j);
	}
	struct node_rec r;
	assert_int_equal(node_rec_from_json(NULL, home(), &r), TM_EBADMSG);
}

static void mesh_information_survives_the_round_trip(void **state)
{
	struct mesh_info m = {.name = "Jo's home", .secret = {1, 2, 3}}, back;
	(void)state;

	assert_int_equal(
		prefix_parse("100.101.0.0/16", &m.net4) | prefix_parse("fd12:3456::/64", &m.net6), TM_OK);
	json_t *j = meshjson_mesh(&m);
	assert_int_equal(mesh_info_from_json(j, &back), TM_OK);
	assert_memory_equal(&back, &m, sizeof(m));
	assert_null(json_object_get(j, "zone")); /* nor is there a difference to before there were zones */
	assert_string_equal(mesh_zone(&back), "mesh");
	json_decref(j);
	memcpy(m.zone, "home.arpa", 10);
	j = meshjson_mesh(&m);
	assert_int_equal(mesh_info_from_json(j, &back), TM_OK);
	assert_memory_equal(&back, &m, sizeof(m));
	assert_string_equal(mesh_zone(&back), "home.arpa");
	json_decref(j);
}

static void mesh_information_is_checked(void **state)
{
	static const char *const good =
		"{\"name\":\"home\",\"net4\":\"100.101.0.0/16\",\"net6\":\"fd00::/64\",\"secret\":\"" KEY
		"\"}";
	static const char *const bad[][2] = {
		{"name", "\"\""},
		{"name", "7"},
		{"name", "\"a\\u001b[2Jb\""},
		{"name", "\"a\\u009b2Jb\""},
		{"name", "\"a\\u202eb\""},
		{"name", "\"a\\u007f\""},
		{"net4", "\"fd00::/64\""},
		{"net4", "\"100.101.0.0/33\""},
		{"net6", "\"100.101.0.0/16\""},
		{"net6", "null"},
		{"secret", "\"AQID\""},
		{"secret", "null"},
		{"zone", "\"\""},
		{"zone", "\"in-addr.arpa\""},
		{"zone", "\"Home\""},
		{"zone", "null"},
	};
	struct mesh_info m;
	(void)state;

	json_t *j = meshjson_load(good);
	assert_int_equal(mesh_info_from_json(j, &m), TM_OK);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		json_t *copy = json_copy(j);

		json_object_set_new(copy, bad[i][0], json_loads(bad[i][1], JSON_DECODE_ANY, NULL));
		if (mesh_info_from_json(copy, &m) != TM_EBADMSG)
			fail_msg("%s = %s", bad[i][0], bad[i][1]);
		json_decref(copy);
	}
	json_decref(j);
	assert_int_equal(mesh_info_from_json(NULL, &m), TM_EBADMSG);
}

static struct netmap map_of(unsigned first, unsigned n, uint64_t version, uint64_t base)
{
	struct netmap m = {
		.version = version, .base = base, .nodes = calloc(n + 1, sizeof(*m.nodes)), .n_nodes = n};

	for (unsigned i = 0; i < n; i++)
		m.nodes[i] = record(first + i);
	return m;
}

static void remove_ids(struct netmap *m, const unsigned *ids, size_t n)
{
	m->removed = calloc(n, sizeof(*m->removed));
	m->n_removed = n;
	for (size_t i = 0; i < n; i++)
		snprintf(m->removed[i], sizeof(m->removed[i]), "%016x", ids[i]);
}

static void ten_thousand_nodes_survive_the_round_trip(void **state)
{
	struct netmap m = map_of(1, 10000, 5, 0), back = {0};
	(void)state;

	json_t *j = meshjson_netmap(&m);
	char *text = json_dumps(j, JSON_COMPACT);
	json_decref(j);
	j = meshjson_load(text);
	assert_int_equal(netmap_from_json(j, home(), &back), TM_OK);
	assert_int_equal(back.n_nodes, 10000);
	assert_int_equal(back.n_bad, 0);
	assert_int_equal(back.version, 5);
	assert_memory_equal(back.nodes, m.nodes, 10000 * sizeof(*m.nodes));
	netmap_deinit(&m);
	netmap_deinit(&back);
	json_decref(j);
	free(text);
}

static void one_bad_record_of_many_is_skipped_and_counted(void **state)
{
	struct netmap m = map_of(1, 100, 5, 0), back = {0};
	(void)state;

	json_t *j = meshjson_netmap(&m);
	json_t *nodes = json_object_get(j, "nodes");
	json_object_set_new(json_array_get(nodes, 50), "key", json_string("junk"));
	json_array_set_new(nodes, 60, json_integer(7));
	assert_int_equal(netmap_from_json(j, home(), &back), TM_OK);
	assert_int_equal(back.n_nodes, 98);
	assert_int_equal(back.n_bad, 2);
	assert_string_equal(back.nodes[49].id, m.nodes[49].id);
	assert_string_equal(back.nodes[50].id, m.nodes[51].id);
	assert_string_equal(back.nodes[59].id, m.nodes[61].id);
	netmap_deinit(&m);
	netmap_deinit(&back);
	json_decref(j);
}

static void maps_that_are_no_maps_are_refused(void **state)
{
	static const char *const rows[] = {
		"[]",
		"{}",
		"{\"version\":1,\"base\":0}",
		"{\"version\":1,\"base\":0,\"nodes\":{}}",
		"{\"version\":-1,\"base\":0,\"nodes\":[]}",
		"{\"version\":\"1\",\"base\":0,\"nodes\":[]}",
		"{\"version\":1,\"nodes\":[]}",
		"{\"version\":1,\"base\":-1,\"nodes\":[]}",
		"{\"version\":5,\"base\":5,\"nodes\":[]}",
		"{\"version\":5,\"base\":6,\"nodes\":[]}",
		"{\"version\":5,\"base\":4,\"nodes\":[],\"removed\":7}",
		"{\"version\":1.5,\"base\":0,\"nodes\":[]}",
	};
	struct netmap m;
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		json_t *j = meshjson_load(rows[i]);

		if (netmap_from_json(j, home(), &m) != TM_EBADMSG)
			fail_msg("%s", rows[i]);
		json_decref(j);
	}
	assert_int_equal(netmap_from_json(NULL, home(), &m), TM_EBADMSG);
}

static void more_nodes_than_allowed_are_refused(void **state)
{
	struct netmap m;
	json_t *j = meshjson_load("{\"version\":1,\"base\":0,\"nodes\":[]}");
	(void)state;

	for (size_t i = 0; i <= NETMAP_NODES_MAX; i++)
		json_array_append_new(json_object_get(j, "nodes"), json_null());
	assert_int_equal(netmap_from_json(j, home(), &m), TM_EFULL);
	json_decref(j);
}

static void a_delta_survives_the_round_trip(void **state)
{
	struct netmap delta = map_of(4, 2, 11, 10), back;
	static const unsigned gone[] = {2, 77};
	(void)state;

	remove_ids(&delta, gone, ARRAY_LEN(gone));
	json_t *j = meshjson_netmap(&delta);
	json_array_append_new(json_object_get(j, "removed"), json_string("junk"));
	assert_int_equal(netmap_from_json(j, home(), &back), TM_OK);
	assert_int_equal(back.base, 10);
	assert_int_equal(back.n_removed, 2);
	assert_string_equal(back.removed[1], "000000000000004d");
	assert_int_equal(back.n_bad, 1);
	json_decref(j);
	netmap_deinit(&delta);
	netmap_deinit(&back);
}

static void prefixes_have_the_room_that_is_left_between_network_and_broadcast(void **state)
{
	static const struct {
		const char *net4, *net6;
		uint32_t limit;
	} rows[] = {
		{"100.101.0.0/16", "fd00::/64", 65534},
		{"10.0.0.0/8", "fd00::/64", NETMAP_NODES_MAX},
		{"0.0.0.0/0", "fd00::/8", NETMAP_NODES_MAX},
		{"192.168.5.0/24", "fd00::/64", 254},
		{"192.168.5.0/30", "fd00::/64", 2},
		{"192.168.5.0/31", "fd00::/64", 0},
		{"192.168.5.1/32", "fd00::/64", 0},
		{"192.168.0.0/16", "fd00::/120", 255},
		{"192.168.0.0/16", "fd00::/126", 3},
		{"192.168.0.0/16", "fd00::/127", 0},
		{"fd01::/64", "fd00::/64", 0},
		{"10.0.0.0/8", "10.0.0.0/8", 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct prefix net4, net6;

		assert_int_equal(prefix_parse(rows[i].net4, &net4), TM_OK);
		assert_int_equal(prefix_parse(rows[i].net6, &net6), TM_OK);
		if (mesh_hosts_max(&net4, &net6) != rows[i].limit)
			fail_msg("%s %s: %u", rows[i].net4, rows[i].net6, mesh_hosts_max(&net4, &net6));
	}
}

static void both_addresses_are_the_prefix_plus_the_number(void **state)
{
	static const struct {
		uint32_t host;
		const char *ip4, *ip6;
	} rows[] = {
		{1, "100.101.0.1", "fd5c::1"},
		{255, "100.101.0.255",
			"fd5c::ff"}, /* inside the prefix .0 and .255 are hosts like any other */
		{256, "100.101.1.0", "fd5c::100"},
		{65534, "100.101.255.254", "fd5c::fffe"},
	};
	struct mesh_info mesh;

	(void)state;
	assert_int_equal(prefix_parse("100.101.7.7/16", &mesh.net4), TM_OK);
	assert_int_equal(prefix_parse("fd5c::7/64", &mesh.net6), TM_OK);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct ip ip4, ip6;
		char text[IP_STR_LEN];

		mesh_addresses(&mesh, rows[i].host, &ip4, &ip6);
		assert_string_equal(ip_format(&ip4, text), rows[i].ip4);
		assert_string_equal(ip_format(&ip6, text), rows[i].ip6);
	}
}

static void presence_survives_the_round_trip_and_ends_with_the_last_who_is_there(void **state)
{
	static const uint32_t there[] = {1, 7, 8, 9999, NETMAP_NODES_MAX};
	struct presence p = {0}, back;
	(void)state;

	json_t *j = meshjson_presence(&p);
	assert_string_equal(json_string_value(j), "");
	json_decref(j);
	for (size_t i = 0; i < ARRAY_LEN(there); i++)
		presence_set(&p, there[i], true);
	presence_set(&p, 8, false);
	presence_set(&p, NETMAP_NODES_MAX + 8, true); /* nobody has such a number */
	j = meshjson_presence(&p);
	assert_int_equal(presence_from_json(j, &back), TM_OK);
	assert_memory_equal(&back, &p, sizeof(p));
	assert_true(presence_has(&back, 9999) && presence_has(&back, NETMAP_NODES_MAX));
	assert_false(presence_has(&back, 8) || presence_has(&back, NETMAP_NODES_MAX + 8));
	json_decref(j);
	j = json_string("x");
	assert_int_equal(presence_from_json(j, &back), TM_EBADMSG);
	json_decref(j);
	assert_int_equal(presence_from_json(NULL, &back), TM_EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prefixes_have_the_room_that_is_left_between_network_and_broadcast),
		cmocka_unit_test(both_addresses_are_the_prefix_plus_the_number),
		cmocka_unit_test(presence_survives_the_round_trip_and_ends_with_the_last_who_is_there),
		cmocka_unit_test(names_follow_the_rules_of_a_dns_label),
		cmocka_unit_test(a_zone_is_labels_that_mean_nothing_else),
		cmocka_unit_test(a_zone_has_itself_and_what_is_below),
		cmocka_unit_test(a_name_is_known_with_its_zone_and_without),
		cmocka_unit_test(any_host_name_becomes_a_valid_name),
		cmocka_unit_test(ids_and_tags_are_checked),
		cmocka_unit_test(a_record_survives_the_round_trip),
		cmocka_unit_test(a_record_has_the_documented_form),
		cmocka_unit_test(records_are_checked_field_by_field),
		cmocka_unit_test(mesh_information_survives_the_round_trip),
		cmocka_unit_test(mesh_information_is_checked),
		cmocka_unit_test(ten_thousand_nodes_survive_the_round_trip),
		cmocka_unit_test(one_bad_record_of_many_is_skipped_and_counted),
		cmocka_unit_test(maps_that_are_no_maps_are_refused),
		cmocka_unit_test(more_nodes_than_allowed_are_refused),
		cmocka_unit_test(a_delta_survives_the_round_trip),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
