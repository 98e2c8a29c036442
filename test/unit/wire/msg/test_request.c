/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/unit.h"

#include "wire/msg/request.h"

#define KEY "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA="

static int get(msg_request_get_fn *fn, const char *text, union msg_request *r)
{
	struct diag d = {0};
	json_t *j = json_loads(text, 0, NULL);

	if (!j)
		fail_msg("%s", text);
	int err = fn(j, r, &d);
	json_decref(j);
	if (err && (!d.what[0] || !d.hint[0]))
		fail_msg("%s: refused without a word", text);
	return err;
}

struct row {
	msg_request_get_fn *get;
	const char *text;
	bool ok;
};

static void expect(const struct row *rows, size_t n)
{
	union msg_request r;

	for (size_t i = 0; i < n; i++)
		if ((get(rows[i].get, rows[i].text, &r) == TM_OK) != rows[i].ok)
			fail_msg("%s", rows[i].text);
}

static void requests_that_make_no_sense_are_refused_with_a_sentence(void **state)
{
	static const struct row rows[] = {
		{msg_nothing_get, "{\"x\":1}", true},
		{msg_event_list_get, "{\"newest\":true,\"before\":3}", true},
		{msg_event_list_get, "{\"before\":3}", false},
		{msg_event_list_get, "{\"newest\":1}", false},
		{msg_report_list_get, "{}", true},
		{msg_report_list_get, "{\"after\":-1}", false},
		{msg_report_list_get, "{\"watch\":\"yes\"}", false},
		{msg_report_node_get, "{\"node\":\"laptop\"}", true},
		{msg_report_node_get, "{\"node\":\"laptop\",\"peer\":\"nas\",\"watch\":true}", true},
		{msg_report_node_get, "{\"peer\":\"nas\"}", false},
		{msg_report_node_get, "{\"node\":\"laptop\",\"peer\":7}", false},
		{msg_token_create_get, "{}", true},
		{msg_token_create_get, "{\"uses\":100000,\"ttl_s\":1,\"tags\":[\"a\"],\"ephemeral\":true}",
			true},
		{msg_token_create_get, "{\"uses\":0}", false},
		{msg_token_create_get, "{\"uses\":100001}", false},
		{msg_token_create_get, "{\"uses\":\"1\"}", false},
		{msg_token_create_get, "{\"ttl_s\":0}", false},
		{msg_token_create_get, "{\"ttl_s\":316224001}", false},
		{msg_token_create_get, "{\"ephemeral\":1}", false},
		{msg_token_create_get, "{\"tags\":\"a\"}", false},
		{msg_token_create_get, "{\"tags\":[\"A\"]}", false},
		{msg_token_create_get, "{\"tags\":[1]}", false},
		{msg_token_revoke_get, "{\"id\":\"0011223344556677\"}", true},
		{msg_token_revoke_get, "{\"id\":\"00112233445566\"}", false},
		{msg_token_revoke_get, "{}", false},
		{msg_route_offer_get, "{}", true},
		{msg_route_offer_get,
			"{\"routes\":[{\"net\":\"10.1.0.0/16\",\"ha\":true}],\"exit\":{\"ip4\":true}}", true},
		{msg_route_offer_get, "{\"routes\":7}", false},
		{msg_route_offer_get, "{\"routes\":[7]}", false},
		{msg_route_offer_get, "{\"routes\":[{\"net\":\"lan\"}]}", false},
		{msg_route_offer_get, "{\"routes\":[{\"net\":\"10.1.0.0/16\",\"ha\":1}]}", false},
		{msg_route_offer_get, "{\"exit\":true}", false},
		{msg_route_offer_get, "{\"exit\":{\"ip6\":1}}", false},
		{msg_route_get, "{\"node\":\"nas\",\"net\":\"10.1.0.0/16\"}", true},
		{msg_route_get, "{\"node\":\"nas\",\"net\":\"exit\"}", true},
		{msg_route_get, "{\"node\":\"nas\",\"net\":\"10.1.0.7/16\"}", false},
		{msg_route_get, "{\"node\":\"nas\",\"net\":\"0.0.0.0/0\"}", false},
		{msg_route_get, "{\"node\":\"nas\"}", false},
		{msg_route_get, "{\"net\":\"exit\"}", false},
		{msg_list_get, "{}", true},
		{msg_list_get, "{\"after\":65536}", true},
		{msg_list_get, "{\"after\":-1}", false},
		{msg_list_get, "{\"after\":\"x\"}", false},
		{msg_node_list_get, "{}", true},
		{msg_node_list_get, "{\"node\":\"nas\"}", true},
		{msg_node_list_get, "{\"node\":7}", false},
		{msg_node_list_get, "{\"after\":-1}", false},
		{msg_node_rename_get, "{\"node\":\"a\",\"name\":\"b\"}", true},
		{msg_node_rename_get, "{\"node\":\"a\",\"name\":\"B\"}", false},
		{msg_node_rename_get, "{\"node\":\"a\",\"name\":\"this\"}", false},
		{msg_node_rename_get, "{\"node\":\"a\"}", false},
		{msg_node_rename_get, "{\"name\":\"b\"}", false},
		{msg_node_remove_get, "{\"node\":\"a\"}", true},
		{msg_node_remove_get, "{\"node\":7}", false},
		{msg_client_add_get, "{\"name\":\"phone\",\"key\":\"" KEY "\"}", true},
		{msg_client_add_get, "{\"name\":\"phone\",\"key\":\"" KEY "\",\"via\":\"hub\"}", true},
		{msg_client_add_get, "{\"name\":\"phone\",\"key\":\"" KEY "\",\"via\":7}", false},
		{msg_client_add_get, "{\"name\":\"Phone\",\"key\":\"" KEY "\"}", false},
		{msg_client_add_get, "{\"name\":\"phone\",\"key\":\"AAAA\"}", false},
		{msg_client_add_get,
			"{\"name\":\"phone\",\"key\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"}",
			false},
		{msg_client_remove_get, "{\"name\":\"phone\"}", true},
		{msg_client_remove_get, "{}", false},
	};
	(void)state;

	expect(rows, ARRAY_LEN(rows));
}

static void so_are_those_about_the_policy(void **state)
{
	static const struct row rows[] = {
		{msg_policy_version_get, "{}", true},
		{msg_policy_version_get, "{\"version\":7}", true},
		{msg_policy_version_get, "{\"version\":0}", false},
		{msg_policy_version_get, "{\"version\":\"1\"}", false},
		{msg_policy_text_get, "{\"text\":\"\"}", true},
		{msg_policy_text_get, "{\"text\":\"a\",\"by\":\"jo\",\"name\":\"p.yaml\",\"if_version\":3}",
			true},
		{msg_policy_text_get, "{}", false},
		{msg_policy_text_get, "{\"text\":7}", false},
		{msg_policy_text_get, "{\"text\":\"a\",\"by\":\"\"}", false},
		{msg_policy_text_get, "{\"text\":\"a\",\"if_version\":-1}", false},
		{msg_policy_add_get, "{\"action\":\"deny\",\"services\":\"tcp\",\"from\":\"a\",\"to\":\"b\"}",
			true},
		{msg_policy_add_get,
			"{\"action\":\"allow\",\"services\":\"tcp\",\"from\":\"a\",\"to\":\"b\",\"id\":\"x\","
			"\"by\":\"jo\"}",
			true},
		{msg_policy_add_get, "{\"action\":\"drop\",\"services\":\"tcp\",\"from\":\"a\",\"to\":\"b\"}",
			false},
		{msg_policy_add_get, "{\"action\":\"deny\",\"from\":\"a\",\"to\":\"b\"}", false},
		{msg_policy_add_get, "{\"action\":\"deny\",\"services\":\"tcp\",\"from\":\"a\"}", false},
		{msg_policy_add_get,
			"{\"action\":\"deny\",\"services\":\"tcp\",\"from\":\"a\",\"to\":\"b\",\"id\":\"\"}",
			false},
		{msg_policy_add_get,
			"{\"action\":\"deny\",\"services\":\"tcp\",\"from\":\"a\",\"to\":\"b\",\"by\":\"\"}",
			false},
		{msg_policy_remove_get, "{\"id\":\"web\",\"by\":\"jo\"}", true},
		{msg_policy_remove_get, "{\"by\":\"jo\"}", false},
		{msg_policy_remove_get, "{\"id\":\"web\",\"by\":\"\"}", false},
		{msg_policy_explain_get, "{\"from\":\"a\",\"to\":\"b\",\"service\":\"tcp/22\"}", true},
		{msg_policy_explain_get, "{\"from\":\"a\",\"service\":\"tcp/22\"}", false},
		{msg_policy_explain_get, "{\"from\":\"a\",\"to\":\"b\"}", false},
		{msg_policy_prove_get, "{\"statement\":\"a can reach b\",\"transitive\":true}", true},
		{msg_policy_prove_get, "{\"statement\":\"\"}", false},
		{msg_policy_prove_get, "{\"statement\":\"a\",\"transitive\":1}", false},
	};
	(void)state;

	expect(rows, ARRAY_LEN(rows));
}

static void what_is_not_said_has_its_default(void **state)
{
	union msg_request r;
	(void)state;

	assert_int_equal(get(msg_token_create_get, "{}", &r), TM_OK);
	assert_true(r.token_create.uses == 1 && r.token_create.ttl_s == 86400);
	assert_true(!r.token_create.ephemeral && r.token_create.tags.n == 0);
	assert_int_equal(get(msg_token_create_get, "{\"tags\":[\"a\",\"b\",\"a\"]}", &r), TM_OK);
	assert_int_equal(r.token_create.tags.n, 2); /* a word twice counts once */
	assert_int_equal(get(msg_list_get, "{}", &r), TM_OK);
	assert_int_equal(r.after, 0);
}

static void a_name_that_is_none_is_answered_with_one_that_would_do(void **state)
{
	union msg_request r;
	struct diag d = {0};
	json_t *j = json_pack("{s:s, s:s}", "node", "a", "name", "Jo's Laptop.local");
	(void)state;

	assert_int_equal(msg_node_rename_get(j, &r, &d), TM_EINVAL);
	assert_string_equal(d.hint, "\"jo-s-laptop\" would do");
	json_decref(j);
}

static void members_and_tokens_are_shown_with_all_that_people_look_for(void **state)
{
	struct node_rec rec = {.id = "0123456789abcdef", .name = "phone", .key = {1}, .kind = NODE_CLIENT};
	struct msg_member m = {
		.rec = &rec, .os = "", .version = "1", .via_name = "hub", .created = 5, .online = true};
	struct msg_token t = {.id = {1}, .uses = 3, .used = 1, .tags = {{"ci"}, 1}, .expired = true};
	static const char *const keys[] = {"id", "name", "ip4", "ip6", "key", "tags", "coordinator", "kind",
		"via", "online", "created_at", "last_seen_at", "os", "version", "ephemeral", "via_name",
		"link_from"};
	struct jsonout o = {0};
	(void)state;

	assert_int_equal(ip_parse("192.0.2.1", &m.address) | ip_parse("100.101.0.2", &rec.ip4), TM_OK);
	jsonout_list(&o, NULL);
	msg_member_put(&o, NULL, &m);
	msg_token_put(&o, &t);
	jsonout_list_end(&o);
	char *text = jsonout_take(&o, NULL);
	json_t *j = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(j);
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (!json_object_get(json_array_get(j, 0), keys[i]))
			fail_msg("%s", keys[i]);
	assert_string_equal(json_string_value(json_object_get(json_array_get(j, 0), "ip4")), "100.101.0.2");
	assert_true(json_is_null(json_object_get(json_array_get(j, 0), "online"))); /* of a client */
	assert_string_equal(
		json_string_value(json_object_get(json_array_get(j, 1), "id")), "0100000000000000");
	assert_true(json_is_true(json_object_get(json_array_get(j, 1), "expired")));
	json_decref(j);
	free(text);
}

static void what_a_node_offers_is_taken_as_it_was_put(void **state)
{
	struct node_routes offer = {.n = 2, .exit = EXIT_IP6}, full = {.n = NODE_ROUTES_MAX};
	union msg_request r;
	struct diag d = {0};

	(void)state;
	offer.v[0] = (struct node_route){.prefix = {{IP_V4, {10, 1}}, 16}, .offered = true, .ha = true};
	offer.v[1] = (struct node_route){.prefix = {{IP_V6, {0x20, 1, 0xd, 0xb8}}, 48}, .offered = true};
	msg_object *m = msg_route_offer(&offer);
	assert_int_equal(msg_route_offer_get(m, &r, &d), TM_OK);
	assert_true(node_routes_eq(&r.offer.routes, &offer));
	assert_string_equal(msg_type(m).text, "route.offer");
	msg_object_free(m);

	for (uint8_t i = 0; i < full.n; i++)
		full.v[i] = (struct node_route){.prefix = {{IP_V4, {10, i}}, 16}, .offered = true};
	m = msg_route_offer(&full);
	assert_int_equal(msg_route_offer_get(m, &r, &d), TM_OK);
	json_array_append_new(json_object_get(m, "routes"), json_pack("{s:s}", "net", "10.99.0.0/16"));
	assert_int_equal(msg_route_offer_get(m, &r, &d), TM_EINVAL);
	msg_object_free(m);
}

static void questions_about_a_nodes_own_networks_are_read_or_refused_with_a_sentence(void **state)
{
	static const struct prefix net4 = {{IP_V4, {100, 101}}, 16}, net6 = {{IP_V6, {0xfd}}, 64};
	static const struct {
		const char *text;
		bool ok;
	} rows[] = {
		{"{\"nets\":[\"10.1.0.0/16\"]}", true},
		{"{\"nets\":[\"10.1.0.0/16\",\"2001:db8::/48\"],\"ha\":true,\"snat\":false}", true},
		{"{}", false},
		{"{\"nets\":[]}", false},
		{"{\"nets\":[1]}", false},
		{"{\"nets\":\"10.1.0.0/16\"}", false},
		{"{\"nets\":[\"100.101.0.0/24\"]}", false},
		{"{\"nets\":[\"10.1.0.0/16\"],\"snat\":0}", false},
		{"{\"nets\":[\"10.1.0.0/16\"],\"ha\":0}", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct msg_own_routes own;
		struct diag d = {0};
		json_t *j = json_loads(rows[i].text, 0, NULL);
		int err = msg_own_routes_get(j, &net4, &net6, &own, &d);

		json_decref(j);
		if (!err != rows[i].ok || (err && (!d.what[0] || !d.hint[0])))
			fail_msg("%s: %d, %s", rows[i].text, err, d.what);
		if (i == 0)
			assert_true(own.snat && !own.ha);
	}
}

static void questions_about_the_exit_likewise(void **state)
{
	struct diag d = {0};
	struct msg_exit_use use;
	int64_t seconds;
	bool on = false;
	json_t *j = json_pack("{s:b, s:s, s:b, s:i}", "on", 1, "node", "hub", "kill", 1, "seconds", 300),
	       *none = json_object();

	(void)state;
	assert_int_equal(msg_exit_offer_get(j, &on, &d), TM_OK);
	assert_true(on);
	assert_int_equal(msg_exit_use_get(j, &use, &d), TM_OK);
	assert_true(use.kill && !use.lan && strcmp(use.node, "hub") == 0);
	assert_int_equal(msg_exit_pause_get(j, &seconds, &d), TM_OK);
	assert_int_equal(seconds, 300);
	assert_int_equal(msg_exit_offer_get(none, &on, &d), TM_EINVAL);
	assert_int_equal(msg_exit_use_get(none, &use, &d), TM_EINVAL);
	json_object_set_new(none, "seconds", json_integer(86401));
	assert_int_equal(msg_exit_pause_get(none, &seconds, &d), TM_EINVAL);
	json_decref(j);
	json_decref(none);
}

static void a_rule_of_a_nodes_own_is_whole_or_refused(void **state)
{
	static const struct {
		const char *text;
		bool ok;
	} rows[] = {
		{"{\"action\":\"deny\",\"services\":\"tcp\",\"who\":\"a\",\"ttl_s\":600}", true},
		{"{\"action\":\"permit\",\"services\":\"tcp\",\"who\":\"a\",\"ttl_s\":600}", false},
		{"{\"action\":\"deny\",\"services\":\"\",\"who\":\"a\",\"ttl_s\":600}", false},
		{"{\"action\":\"deny\",\"services\":\"tcp\",\"ttl_s\":600}", false},
		{"{\"action\":\"deny\",\"services\":\"tcp\",\"who\":\"a\",\"outbound\":1,\"ttl_s\":600}",
			false},
		{"{\"action\":\"deny\",\"services\":\"tcp\",\"who\":\"a\",\"ttl_s\":0}", false},
		{"{\"action\":\"deny\",\"services\":\"tcp\",\"who\":\"a\"}", false},
	};
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		json_t *j = json_loads(rows[i].text, 0, NULL);
		struct msg_local_rule r;
		struct diag d = {0};

		if ((msg_local_rule_get(j, &r, &d) == TM_OK) != rows[i].ok || !rows[i].ok != !!d.what[0])
			fail_msg("%s", rows[i].text);
		json_decref(j);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_node_offers_is_taken_as_it_was_put),
		cmocka_unit_test(questions_about_a_nodes_own_networks_are_read_or_refused_with_a_sentence),
		cmocka_unit_test(questions_about_the_exit_likewise),
		cmocka_unit_test(requests_that_make_no_sense_are_refused_with_a_sentence),
		cmocka_unit_test(so_are_those_about_the_policy),
		cmocka_unit_test(what_is_not_said_has_its_default),
		cmocka_unit_test(a_name_that_is_none_is_answered_with_one_that_would_do),
		cmocka_unit_test(members_and_tokens_are_shown_with_all_that_people_look_for),
		cmocka_unit_test(a_rule_of_a_nodes_own_is_whole_or_refused),
	};

	return cmocka_run_group_tests_name("requests", tests, NULL, NULL);
}
