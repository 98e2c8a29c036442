/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Stock WireGuard devices that come through this node, as the control socket's commands make them. */
#include "base/encode.h"
#include "commands_rig.h"

#define KEY_TEXT "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
#define HERE "192.0.2.9:51820"

static json_t *client_add(const char *key, const char *endpoint)
{
	json_t *req = json_pack("{s:s, s:s, s:s}", "cmd", "client.add", "name", "pad", "key", key);

	if (endpoint[0])
		json_object_set_new(req, "endpoint", json_string(endpoint));
	return req;
}

static void a_client_is_told_all_that_its_configuration_needs(void **state)
{
	struct rig *r = *state;
	char psk_text[BASE64_LEN(32) + 1];
	uint8_t psk[33];
	size_t n;

	say(r, node_command, client_add(KEY_TEXT, HERE));
	assert_string_equal(text(r->asked, "t"), "client.add");
	assert_string_equal(text(r->asked, "via"), "00000000000000aa");
	assert_string_equal(text(r->asked, "key"), KEY_TEXT);
	snprintf(psk_text, sizeof(psk_text), "%s", text(r->answer, "psk"));
	assert_int_equal(base64_decode(psk_text, strlen(psk_text), psk, sizeof(psk), &n), TM_OK);
	assert_int_equal(n, 32);
	assert_string_equal(json_string_value(json_array_get(json_object_get(r->answer, "allowed"), 0)),
		"100.101.0.0/16");
	assert_string_equal(text(r->answer, "endpoint"), HERE);
	assert_int_equal(json_array_size(json_object_get(r->answer, "dns")), 0);
	/* No secret with a refusal. */
	r->reply = "{\"ok\":false,\"error\":\"no\"}";
	say(r, node_command, client_add(KEY_TEXT, HERE));
	assert_false(ok(r->answer));
	assert_null(json_object_get(r->answer, "psk"));
	/* On the coordinator the same, without a link. */
	r->reply = "{\"ok\":true}";
	r->asked_link = 0;
	r->n.coord = (struct coord *)r;
	say(r, node_command, client_add(KEY_TEXT, HERE));
	assert_string_equal(text(r->answer, "psk"), psk_text);
	assert_int_equal(r->asked_link, 0);
}

/* It was under way when the daemon was told to stop. */
static void a_device_that_was_added_at_the_end_gets_no_configuration(void **state)
{
	struct rig *r = *state;

	r->n.routing = NULL;
	say(r, node_command, client_add(KEY_TEXT, HERE));
	assert_false(ok(r->answer));
	assert_string_equal(text(r->answer, "code"), "closed");
	assert_null(json_object_get(r->answer, "psk"));
}

static void a_client_finds_us_by_what_was_said_or_by_what_others_see(void **state)
{
	struct rig *r = *state;
	struct candidates *mine = &r->mine;

	assert_int_equal(endpoint_parse("10.0.0.7:51820", &mine->v[mine->n].ep), TM_OK);
	mine->v[mine->n++].type = CAND_HOST;
	say(r, node_command, client_add(KEY_TEXT, ""));
	assert_string_equal(text(r->answer, "endpoint"), "10.0.0.7:51820");
	assert_int_equal(endpoint_parse("192.0.2.7:4242", &mine->v[mine->n].ep), TM_OK);
	mine->v[mine->n++].type = CAND_SRFLX;
	assert_int_equal(endpoint_parse("10.1.0.7:51820", &mine->v[mine->n].ep), TM_OK);
	mine->v[mine->n++].type = CAND_HOST;
	say(r, node_command, client_add(KEY_TEXT, ""));
	assert_string_equal(text(r->answer, "endpoint"), "192.0.2.7:4242");
	assert_int_equal(endpoint_parse("198.51.100.7:4242", &r->n.config.advertise[0]), TM_OK);
	r->n.config.n_advertise = 1;
	say(r, node_command, client_add(KEY_TEXT, ""));
	assert_string_equal(text(r->answer, "endpoint"), "198.51.100.7:4242");
	say(r, node_command, client_add(KEY_TEXT, "gate.example.org:99"));
	assert_string_equal(text(r->answer, "endpoint"), "gate.example.org:99");
}

static void a_key_that_is_none_is_refused_before_anybody_is_asked(void **state)
{
	static const char *const keys[] = {
		"", "x", "AQEB", KEY_TEXT "AAAA", "!QEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="};
	struct rig *r = *state;

	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		say(r, node_command, client_add(keys[i], ""));
		if (strcmp(text(r->answer, "code"), "invalid") != 0 || r->asked_link)
			fail_msg("\"%s\"", keys[i]);
	}
}

/* A device that nobody could configure is not added. */
static void an_endpoint_that_is_none_or_not_known_is_refused_before_anybody_is_asked(void **state)
{
	static const struct {
		const char *endpoint, *error;
	} rows[] = {
		{"", "this node knows no address of its own for clients"},
		{"gate", "the endpoint wants to be HOST:PORT"},
		{"gate:1\nDNS = 192.0.2.1", "the endpoint wants to be HOST:PORT"},
	};
	struct rig *r = *state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		say(r, node_command, client_add(KEY_TEXT, rows[i].endpoint));
		assert_string_equal(text(r->answer, "error"), rows[i].error);
		assert_int_equal(r->asked_link, 0);
	}
}

static void a_device_takes_the_networks_behind_us_and_our_way_to_the_internet_if_that_is_approved(
	void **state)
{
	struct rig *r = *state;
	json_t *req = client_add(KEY_TEXT, HERE);
	json_t *allowed;

	json_object_set_new(req, "exit", json_true());
	say(r, node_command, json_copy(req));
	assert_string_equal(text(r->answer, "code"), "refused");
	assert_int_equal(r->asked_link, 0); /* nothing is to be taken back */

	r->approved.exit_offer = true;
	r->approved.n = 1;
	r->approved.nets[0].prefix = (struct prefix){{IP_V4, {10, 9}}, 16};
	say(r, node_command, req);
	allowed = json_object_get(r->answer, "allowed");
	assert_int_equal(json_array_size(allowed), 2);
	assert_string_equal(json_string_value(json_array_get(allowed, 0)), "0.0.0.0/0");
	assert_string_equal(json_string_value(json_array_get(allowed, 1)), "::/0");
	assert_string_equal(
		json_string_value(json_array_get(json_object_get(r->answer, "dns"), 0)), "192.0.0.53");

	say(r, node_command, client_add(KEY_TEXT, HERE));
	allowed = json_object_get(r->answer, "allowed");
	assert_int_equal(json_array_size(allowed), 3);
	assert_string_equal(json_string_value(json_array_get(allowed, 2)), "10.9.0.0/16");
}

#define T(test) cmocka_unit_test_setup_teardown(test, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_client_is_told_all_that_its_configuration_needs),
		T(a_device_that_was_added_at_the_end_gets_no_configuration),
		T(a_client_finds_us_by_what_was_said_or_by_what_others_see),
		T(a_device_takes_the_networks_behind_us_and_our_way_to_the_internet_if_that_is_approved),
		T(a_key_that_is_none_is_refused_before_anybody_is_asked),
		T(an_endpoint_that_is_none_or_not_known_is_refused_before_anybody_is_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
