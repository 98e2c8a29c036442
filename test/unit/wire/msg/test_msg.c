/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Each message: what is put is got again, and what makes no sense is refused or counts as not told. */
#include "fake/meshjson.h"
#include "unit/unit.h"

#include "wire/msg/msg.h"

static struct mesh_info home(void)
{
	struct mesh_info m = {.name = "Jo's home", .secret = {1, 2}};

	assert_int_equal(prefix_parse("100.101.0.0/16", &m.net4) | prefix_parse("fd00::/64", &m.net6), TM_OK);
	return m;
}

static struct node_rec laptop(void)
{
	struct mesh_info m = home();
	struct node_rec r = {.id = "0123456789abcdef",
		.name = "laptop",
		.host = 7,
		.key = {9},
		.tags = {"ci"},
		.n_tags = 1};

	mesh_addresses(&m, r.host, &r.ip4, &r.ip6);
	return r;
}

static struct candidates one_candidate(void)
{
	struct candidates c = {.v = {{.type = CAND_SRFLX}}, .n = 1};

	assert_int_equal(endpoint_parse("192.0.2.1:51820", &c.v[0].ep), TM_OK);
	c.nat = (struct nat_told){.mapping = NAT_DEPENDENT, .ports = {40001}, .n_ports = 1};
	return c;
}

static void the_type_of_a_message_is_a_short_text(void **state)
{
	static const struct {
		const char *text, *type;
	} rows[] = {{"{\"t\":\"hello\"}", "hello"}, {"{\"t\":7}", ""}, {"{}", ""}, {"{\"t\":\"\"}", ""},
		{"{\"t\":\"a\\nb\"}", ""}, {"{\"t\":\"0123456789012345678901234567890123456789\"}", ""}};
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		json_t *j = meshjson_load(rows[i].text);

		assert_string_equal(msg_type(j).text, rows[i].type);
		assert_string_equal(msg_command(j).text, "");
		json_decref(j);
	}
}

static void hello_survives_the_round_trip(void **state)
{
	struct msg_hello m = {.os = "linux",
				 .version = "0.1.0",
				 .netmap = 1,
				 .run = 77,
				 .candidates = one_candidate(),
				 .relay = true},
			 got;
	struct jsonout o = {0};
	(void)state;

	m.netmap = (uint64_t)INT64_MAX;
	msg_hello_put(&o, &m);
	json_t *j = meshjson_parse(&o);
	assert_string_equal(msg_type(j).text, "hello");
	msg_hello_get(j, &got);
	assert_string_equal(got.os, "linux");
	assert_string_equal(got.version, "0.1.0");
	assert_int_equal(got.netmap, m.netmap);
	assert_true(got.has_candidates && candidates_eq(&got.candidates, &m.candidates));
	assert_true(got.relay);
	json_decref(j);
	j = meshjson_load(
		"{\"t\":\"hello\",\"os\":7,\"version\":\"\\u001b\",\"netmap\":-1,\"candidates\":{}}");
	msg_hello_get(j, &got);
	assert_true(!got.os[0] && !got.version[0] && !got.netmap && !got.has_candidates && !got.relay);
	json_decref(j);
}

static void an_enrolment_survives_the_round_trip_and_its_name_becomes_valid(void **state)
{
	struct msg_enrol m = {.id = 3,
				 .token = {1, 2},
				 .secret = {3, 4},
				 .ed = {5},
				 .name = "laptop",
				 .os = "linux",
				 .version = "9"},
			 got;
	struct jsonout o = {0};
	struct diag d = {0};
	(void)state;

	msg_enrol_put(&o, &m);
	json_t *j = meshjson_parse(&o);
	assert_int_equal(msg_enrol_get(j, &got, &d), TM_OK);
	assert_memory_equal(&got, &m, sizeof(m));
	json_object_set_new(j, "name", json_string("Jo's Laptop.local"));
	assert_int_equal(msg_enrol_get(j, &got, &d), TM_OK);
	assert_string_equal(got.name, "jo-s-laptop");
	json_object_del(j, "name");
	assert_int_equal(msg_enrol_get(j, &got, &d), TM_OK);
	assert_string_equal(got.name, "node");
	json_object_set_new(j, "ed", json_string("AAAA"));
	assert_int_equal(msg_enrol_get(j, &got, &d), TM_EAUTH);
	json_object_set_new(json_object_get(j, "token"), "secret", json_string("zz"));
	assert_int_equal(msg_enrol_get(j, &got, &d), TM_EBADMSG);
	assert_int_equal(got.id, 3);
	assert_string_equal(got.name, "node");
	assert_true(d.what[0] && d.hint[0]);
	json_decref(j);
}

static void a_welcome_survives_the_round_trip(void **state)
{
	struct msg_welcome m = {.node = laptop(),
				   .mesh = home(),
				   .addresses = {{"192.0.2.1:8443", "hub.example:443"}, 2},
				   .data_port = 51820,
				   .time = 1000000,
				   .pace_ms = 7500},
			   got;
	struct jsonout o = {0};
	(void)state;

	assert_int_equal(ip_parse("198.51.100.7", &m.observed), TM_OK);
	m.data.v[m.data.n++].type = CAND_HOST;
	assert_int_equal(endpoint_parse("[2001:db8::1]:51820", &m.data.v[0].ep), TM_OK);
	m.data.nat = (struct nat_told){0}; /* the coordinator's is nobody's business */
	msg_welcome_put(&o, &m);
	json_t *j = meshjson_parse(&o);
	assert_int_equal(msg_welcome_get(j, &got), TM_OK);
	assert_memory_equal(&got.node, &m.node, sizeof(m.node));
	assert_memory_equal(&got.mesh, &m.mesh, sizeof(m.mesh));
	assert_int_equal(got.addresses.n, 2);
	assert_string_equal(got.addresses.v[1], "hub.example:443");
	assert_int_equal(got.data_port, 51820);
	assert_true(candidates_eq(&got.data, &m.data));
	assert_true(ip_eq(&got.observed, &m.observed));
	assert_int_equal(got.time, 1000000);
	assert_int_equal(got.pace_ms, 7500);
	/* What is missing or wrong counts as not told, but for who we are and where. */
	json_object_set_new(j, "pace_ms", json_integer(1 << 30));
	json_object_set_new(j, "data_port", json_integer(70000));
	json_object_set_new(j, "observed", json_string("nowhere"));
	json_object_set_new(j, "data", json_string("nowhere"));
	json_object_set_new(j, "addresses", json_pack("[s,s,s]", "vps.example.org", "203.0.113.10", "vps:1"));
	assert_int_equal(msg_welcome_get(j, &got), TM_OK);
	assert_int_equal(got.addresses.n, 1); /* nobody can dial one without a port */
	assert_string_equal(got.addresses.v[0], "vps:1");
	json_object_set_new(j, "addresses", json_integer(1));
	assert_int_equal(msg_welcome_get(j, &got), TM_OK);
	assert_true(!got.pace_ms && !got.data_port && !got.data.n && !got.addresses.n &&
		    got.observed.family == IP_NONE);
	json_object_set_new(json_object_get(j, "node"), "host", json_integer(0));
	assert_int_equal(msg_welcome_get(j, &got), TM_EBADMSG);
	json_decref(j);
}

static void an_enrolments_answer_survives_the_round_trip(void **state)
{
	struct msg_enrolled m = {
		.node = laptop(), .mesh = home(), .addresses = {{"h:1"}, 1}, .data_port = 9, .existed = true};
	struct msg_enrolled got;
	struct jsonout o = {0};
	int64_t id = 4;
	(void)state;

	msg_reply_begin(&o, &id, true);
	msg_enrolled_put(&o, &m);
	jsonout_object_end(&o);
	json_t *j = meshjson_parse(&o);
	assert_string_equal(msg_type(j).text, "reply");
	assert_int_equal(json_integer_value(json_object_get(j, "id")), 4);
	assert_int_equal(msg_enrolled_get(j, &got), TM_OK);
	assert_true(got.existed);
	assert_memory_equal(&got.node, &m.node, sizeof(m.node));
	assert_string_equal(got.addresses.v[0], "h:1");
	json_decref(j);
}

static void a_netmap_is_put_record_by_record(void **state)
{
	struct mesh_info mesh = home();
	struct node_rec r = laptop();
	struct jsonout o = {0};
	struct netmap map;
	(void)state;

	msg_netmap_begin(&o, 8, 7);
	node_rec_put(&o, NULL, &r);
	msg_netmap_removed(&o);
	jsonout_text(&o, NULL, "00000000000000aa");
	msg_netmap_end(&o);
	json_t *j = meshjson_parse(&o);
	assert_int_equal(msg_netmap_get(j, &mesh, &map), TM_OK);
	assert_true(map.version == 8 && map.base == 7 && map.n_nodes == 1 && map.n_removed == 1);
	assert_memory_equal(&map.nodes[0], &r, sizeof(r));
	netmap_deinit(&map);
	json_decref(j);
}

static void relays_survive_the_round_trip(void **state)
{
	struct msg_relays m = {.partial = true,
				  .relays = {.n = 2,
					  .v = {{.node = "0123456789abcdef",
							.n_addrs = 2,
							.tcp = {"hub.example:8443", "[2001:db8::1]:443"},
							.n_tcp = 2},
						  {.node = "00000000000000aa"}}}},
			  got;
	struct jsonout o = {0};

	(void)state;
	assert_int_equal(endpoint_parse("192.0.2.1:51820", &m.relays.v[0].addrs[0]), TM_OK);
	assert_int_equal(endpoint_parse("[2001:db8::1]:51820", &m.relays.v[0].addrs[1]), TM_OK);
	msg_relays_put(&o, &m);
	json_t *j = meshjson_parse(&o);
	assert_string_equal(msg_type(j).text, "relays");
	assert_int_equal(msg_relays_get(j, &got), TM_OK);
	assert_true(got.partial && relays_eq(&got.relays, &m.relays));
	json_object_del(j, "partial");
	assert_int_equal(msg_relays_get(j, &got), TM_OK);
	assert_false(got.partial);
	json_object_del(j, "relays");
	assert_int_equal(msg_relays_get(j, &got), TM_EBADMSG);
	json_decref(j);
}

static void bad_doubled_and_surplus_relays_are_left_out(void **state)
{
	struct msg_relays got;
	const struct relays *r = &got.relays;
	json_t *j = meshjson_load("{\"relays\":[7,{},{\"node\":\"hub\"},"
				  "{\"node\":\"0123456789abcdef\",\"future\":1,"
				  "\"addrs\":[\"192.0.2.1:0\",\"example.org:5\",\"[fe80::1%lo]:5\",7,"
				  "\"192.0.2.1:5\"],\"tcp\":[7,\"no-port\",\"a\\u001b:1\",\"hub:443\"]},"
				  "{\"node\":\"0123456789abcdef\",\"addrs\":[\"192.0.2.9:5\"]}]}");
	json_t *list = json_object_get(j, "relays");

	(void)state;
	assert_int_equal(msg_relays_get(j, &got), TM_OK);
	assert_int_equal(r->n, 1);
	assert_int_equal(r->v[0].n_addrs, 1);
	assert_int_equal(r->v[0].addrs[0].port, 5);
	assert_int_equal(r->v[0].n_tcp, 1);
	assert_string_equal(r->v[0].tcp[0], "hub:443");

	for (unsigned i = 0; i < 2 * RELAYS_MAX; i++) {
		char id[NODE_ID_LEN + 1];

		snprintf(id, sizeof(id), "%016x", i);
		json_array_append_new(list, json_pack("{s:s}", "node", id));
	}
	json_t *one = json_array_get(list, 3);
	for (unsigned i = 0; i < 2 * RELAY_ADDRS_MAX; i++) {
		json_array_append_new(json_object_get(one, "addrs"), json_string("192.0.2.1:7"));
		json_array_append_new(json_object_get(one, "tcp"), json_string("hub:8443"));
	}
	assert_int_equal(msg_relays_get(j, &got), TM_OK);
	assert_int_equal(r->n, RELAYS_MAX);
	assert_int_equal(r->v[0].n_addrs, RELAY_ADDRS_MAX);
	assert_int_equal(r->v[0].n_tcp, RELAY_TCP_MAX);
	assert_int_equal(msg_relays_get(one, &got), TM_EBADMSG);
	assert_int_equal(r->n, RELAYS_MAX);
	json_decref(j);
}

static void candidates_want_and_removed_survive_the_round_trip(void **state)
{
	struct msg_candidates m = {.node = "0123456789abcdef", .candidates = one_candidate(), .online = true},
			      got;
	char id[NODE_ID_LEN + 1];
	struct msg_removed r;
	struct jsonout o = {0};
	struct candidates mine;
	(void)state;

	msg_candidates_put(&o, &m);
	json_t *j = meshjson_parse(&o);
	assert_int_equal(msg_candidates_get(j, &got), TM_OK);
	assert_string_equal(got.node, m.node);
	assert_true(got.online && !got.looks && candidates_eq(&got.candidates, &m.candidates));
	json_object_set_new(j, "node", json_string("x"));
	assert_int_equal(msg_candidates_get(j, &got), TM_EBADMSG);
	json_decref(j);
	m.looks = true;
	assert_int_equal(ip_parse("192.0.2.7", &m.candidates.seen[0]), TM_OK);
	assert_int_equal(ip_parse("2001:db8::7", &m.candidates.seen[1]), TM_OK);
	m.candidates.n_seen = 2;
	msg_candidates_put(&o, &m);
	j = meshjson_parse(&o);
	assert_int_equal(msg_candidates_get(j, &got), TM_OK);
	assert_true(got.looks && got.candidates.n_seen == 2);
	for (size_t i = 0; i < 2; i++)
		assert_true(ip_eq(&got.candidates.seen[i], &m.candidates.seen[i]));
	json_object_set_new(
		j, "seen", json_pack("[s, i, s, s, s]", "x", 7, "192.0.2.1", "192.0.2.2", "192.0.2.3"));
	assert_int_equal(msg_candidates_get(j, &got), TM_OK);
	assert_int_equal(got.candidates.n_seen, CANDIDATES_SEEN_MAX);
	assert_true(got.candidates.seen[0].bytes[3] == 1 && got.candidates.seen[1].bytes[3] == 2);
	json_decref(j);
	msg_own_candidates_put(&o, &m.candidates);
	j = meshjson_parse(&o);
	assert_int_equal(msg_own_candidates_get(j, &mine), TM_OK);
	assert_true(candidates_eq(&mine, &m.candidates));
	json_decref(j);
	msg_want_put(&o, m.node);
	j = meshjson_parse(&o);
	assert_int_equal(msg_want_get(j, id), TM_OK);
	assert_string_equal(id, m.node);
	json_decref(j);
	msg_removed_put(&o, &(struct msg_removed){.why = "because\nof you", .twin = true});
	j = meshjson_parse(&o);
	msg_removed_get(j, &r);
	assert_string_equal(r.why, "because?of you");
	assert_true(r.twin);
	json_object_set_new(j, "why", json_integer(7));
	json_object_set_new(j, "twin", json_integer(1));
	msg_removed_get(j, &r);
	assert_string_equal(r.why, "removed from the mesh");
	assert_false(r.twin);
	json_decref(j);
}

static void a_refusal_says_what_and_what_to_do(void **state)
{
	struct jsonout o = {0};
	int64_t id = 9;
	(void)state;

	msg_refusal_put(&o, &id, "full", "it is full", "wait");
	char *text = jsonout_take(&o, NULL);
	assert_string_equal(text, "{\"t\":\"reply\",\"id\":9,\"ok\":false,\"code\":\"full\",\"error\":\"it "
				  "is full\",\"hint\":\"wait\"}");
	free(text);
	msg_refusal_put(&o, NULL, "full", "it is full", "");
	text = jsonout_take(&o, NULL);
	assert_string_equal(text, "{\"ok\":false,\"code\":\"full\",\"error\":\"it is full\"}");
	free(text);
	json_t *whole = msg_refusal("full", "it is full", "wait"),
	       *bare = msg_refusal("full", "it is full", "");
	assert_string_equal(json_string_value(json_object_get(whole, "error")), "it is full");
	assert_string_equal(json_string_value(json_object_get(whole, "hint")), "wait");
	assert_true(json_is_false(json_object_get(bare, "ok")));
	assert_null(json_object_get(bare, "hint"));
	json_decref(whole);
	json_decref(bare);
}

static int policy_of(const char *text, struct msg_policy *ret_m)
{
	static json_t *kept; /* what is taken from it is borrowed */

	json_decref(kept);
	kept = json_loads(text, 0, NULL);
	assert_non_null(kept);
	return msg_policy_get(kept, ret_m);
}

static void a_policy_comes_out_as_it_was_put_and_nothing_else_does(void **state)
{
	static const char *const bad[] = {"{}",
		"{\"version\":1,\"digest\":\"0123456789abcdef\",\"text\":\"\"}",
		"{\"version\":0,\"digest\":\"0123456789abcdef\",\"text\":\"\",\"nodes\":\"\"}",
		"{\"version\":1,\"digest\":\"0123456789ABCDEF\",\"text\":\"\",\"nodes\":\"\"}"};
	const struct msg_policy m = {
		7, "0123456789abcdef", "rules: []\n# \"\xc3\xa4\"\n", "a 0011223344556677\n"};
	struct msg_policy back;
	struct jsonout o = {0};

	(void)state;
	msg_policy_put(&o, &m);
	char *text = jsonout_take(&o, NULL);
	assert_int_equal(policy_of(text, &back), TM_OK);
	free(text);
	assert_int_equal(back.version, m.version);
	assert_string_equal(back.digest, m.digest);
	assert_string_equal(back.text, m.text);
	assert_string_equal(back.nodes, m.nodes);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_not_equal(policy_of(bad[i], &back), TM_OK);
	assert_int_equal(policy_of("{\"version\":0}", &back), TM_OK); /* there is none any more */
	assert_int_equal(back.version, 0);
	assert_int_equal(
		policy_of("{\"version\":1,\"digest\":\"0123456789abcdef\",\"text\":\"\",\"nodes\":\"\"}",
			&back),
		TM_OK);
	(void)policy_of("{}", &back); /* lets go of the last */
}

/* Whoever is refused for good does something else; the others ask again. */
static void a_refusal_that_passes_is_told_from_a_decision(void **state)
{
	static const struct {
		const char *text;
		bool passes;
	} rows[] = {
		{"{\"ok\":false,\"code\":\"timeout\",\"error\":\"e\"}", true},
		{"{\"ok\":false,\"code\":\"no_link\",\"error\":\"e\"}", true},
		{"{\"ok\":false,\"code\":\"out_of_memory\",\"error\":\"e\"}", true},
		{"{\"ok\":false,\"code\":\"no_space\",\"error\":\"e\"}", true},
		{"{\"ok\":false,\"code\":\"busy\",\"error\":\"e\"}", true},
		{"{\"ok\":false,\"code\":\"exists\",\"error\":\"e\"}", false},
		{"{\"ok\":false,\"code\":\"refused\",\"error\":\"e\"}", false},
		{"{\"ok\":false,\"code\":7,\"error\":\"e\"}", false},
		{"{\"ok\":false}", false},
		{"{\"ok\":true,\"code\":\"timeout\"}", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		json_t *j = meshjson_load(rows[i].text);

		assert_int_equal(msg_reply_passes(j), rows[i].passes);
		json_decref(j);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_type_of_a_message_is_a_short_text),
		cmocka_unit_test(hello_survives_the_round_trip),
		cmocka_unit_test(an_enrolment_survives_the_round_trip_and_its_name_becomes_valid),
		cmocka_unit_test(a_welcome_survives_the_round_trip),
		cmocka_unit_test(an_enrolments_answer_survives_the_round_trip),
		cmocka_unit_test(a_netmap_is_put_record_by_record),
		cmocka_unit_test(candidates_want_and_removed_survive_the_round_trip),
		cmocka_unit_test(relays_survive_the_round_trip),
		cmocka_unit_test(bad_doubled_and_surplus_relays_are_left_out),
		cmocka_unit_test(a_refusal_says_what_and_what_to_do),
		cmocka_unit_test(a_refusal_that_passes_is_told_from_a_decision),
		cmocka_unit_test(a_policy_comes_out_as_it_was_put_and_nothing_else_does),
	};

	return cmocka_run_group_tests_name("messages", tests, NULL, NULL);
}
