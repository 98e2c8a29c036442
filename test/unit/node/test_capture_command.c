/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* `capture`: who may look, and into whose tunnel. */
#include "commands_rig.h"

#include "node/capture.h"

static unsigned begun;
static struct msg_capture how_begun;
static char peer_begun[NODE_NAME_MAX + 1];

void __wrap_captures_begin(
	struct node *n, const struct mesh_node *peer, const struct msg_capture *how, struct ctl_call *call);

void __wrap_captures_begin(struct node *n UNUSED, const struct mesh_node *peer, const struct msg_capture *how,
	struct ctl_call *call)
{
	begun++;
	how_begun = *how;
	snprintf(peer_begun, sizeof(peer_begun), "%s", peer->name);
	ctl_reply(call, json_pack("{s:b}", "ok", 1));
}

static int setup(void **state)
{
	begun = 0;
	return rig_setup(state);
}

static json_t *want(const char *node)
{
	return json_pack("{s:s, s:s}", "cmd", "capture", "node", node);
}

static void root_alone_may_look(void **state)
{
	struct rig *r = *state;

	r->uid = 1000; /* of the socket's group */
	assert_string_equal(text(say(r, node_command, want("hub")), "code"), "no_permission");
	assert_int_equal(begun, 0);
	r->uid = 0;
	assert_true(ok(say(r, node_command, want("hub"))));
	assert_int_equal(begun, 1);
	assert_string_equal(peer_begun, "hub");
	assert_true(how_begun.count == 0 && how_begun.seconds == 0 && how_begun.keep == 65535);
}

static void what_has_no_tunnel_here_is_refused_with_the_reason(void **state)
{
	struct rig *r = *state;

	assert_string_equal(text(say(r, node_command, want("laptop")), "error"),
		"that is this machine itself, to which no tunnel leads");
	assert_string_equal(text(say(r, node_command, want("phone")), "error"),
		"phone is reached through hub: capture there, or capture that tunnel");
	assert_string_equal(text(say(r, node_command, want("hbu")), "hint"), "did you mean \"hub\"?");
	assert_int_equal(begun, 0);
}

static void limits_are_taken_as_they_are_meant_or_not_at_all(void **state)
{
	static const struct {
		const char *limits;
		bool taken;
	} rows[] = {
		{"{\"count\":1,\"seconds\":2592000,\"keep\":1}", true},
		{"{\"count\":4294967295,\"keep\":65535}", true},
		{"{\"count\":-1}", false},
		{"{\"count\":4294967296}", false},
		{"{\"count\":\"1\"}", false},
		{"{\"seconds\":2592001}", false},
		{"{\"seconds\":1.5}", false},
		{"{\"keep\":0}", false},
		{"{\"keep\":65536}", false},
	};
	struct rig *r = *state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		json_t *ask = want("hub"), *limits = json_loads(rows[i].limits, 0, NULL);

		json_object_update(ask, limits);
		if (ok(say(r, node_command, ask)) != rows[i].taken)
			fail_msg("%s: %s", rows[i].limits, text(r->answer, "error"));
		if (rows[i].taken)
			assert_int_equal(how_begun.keep, json_integer_value(json_object_get(limits, "keep")));
		json_decref(limits);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, rig_teardown)
		T(root_alone_may_look),
		T(what_has_no_tunnel_here_is_refused_with_the_reason),
		T(limits_are_taken_as_they_are_meant_or_not_at_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
