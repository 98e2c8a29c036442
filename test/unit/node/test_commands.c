/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The control socket's commands: who may say them, where they go, what is answered. */
#include "commands_rig.h"

#include "node/events.h"
#include "node/metrics.h"

static void every_user_may_look_and_nobody_else_may_change(void **state)
{
	static const struct {
		const char *name;
		bool all;
	} rows[] = {
		{"status", true},
		{"peers", true},
		{"peer", true},
		{"version", true},
		{"ping.resolve", true},
		{"whois", true},
		{"bench.resolve", true},
		{"node.list", true},
		{"metrics", true},
		{"events", false},
		{"nudge", false},
		{"down", false},
		{"reload", false},
		{"leave", false},
		{"backup", false},
		{"event.list", false},
		{"report.list", false},
		{"report.node", false},
		{"log.level", false},
		{"paths", false},
		{"capture", false},
		{"token.create", false},
		{"token.list", false},
		{"token.revoke", false},
		{"node.rename", false},
		{"node.remove", false},
		{"client.add", false},
		{"client.list", false},
		{"client.remove", false},
		{"node.tag", false},
		{"coordinator.addresses", false},
	};
	struct rig *r = *state;

	assert_int_equal(events_new(r->n.base, &r->n.events), TM_OK);
	assert_int_equal(path_history_new(&r->n.path_history), TM_OK);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		r->asked_link = 0;
		const char *code = text(say(r, node_question, cmd(rows[i].name)), "code");
		bool refused = strcmp(code, "no_permission") == 0;

		if (refused == rows[i].all || strcmp(code, "unknown_command") == 0)
			fail_msg("%s: %s", rows[i].name, code);
		if (refused && r->asked_link)
			fail_msg("%s: refused and done", rows[i].name);
		code = text(say(r, node_command, cmd(rows[i].name)), "code");
		if (strcmp(code, "no_permission") == 0 || strcmp(code, "unknown_command") == 0)
			fail_msg("%s: %s", rows[i].name, code);
	}
	assert_int_equal(r->stops, 1);
	assert_int_equal(r->nudges, 0); /* of nobody */
	path_history_free(r->n.path_history);
	events_free(r->n.events);
}

/* Who looks for restarts compares it. */
static void a_process_has_started_once_whenever_it_is_looked_at(void **state)
{
	struct rig *r = *state;
	struct metrics_view one, two;

	r->viewable = true;
	r->n.started = time_monotonic();
	r->n.started_real = 1700000000 * SEC;
	assert_int_equal(metrics_view_take(&r->n, &one), TM_OK);
	assert_int_equal(metrics_view_take(&r->n, &two), TM_OK);
	assert_int_equal(one.started_real, 1700000000 * SEC);
	assert_int_equal(two.started_real, one.started_real);
	metrics_view_deinit(&one);
	metrics_view_deinit(&two);
}

static void what_is_no_command_is_refused_with_a_hint(void **state)
{
	static command_fn *const ways[] = {node_command, node_question};
	struct rig *r = *state;

	for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
		assert_string_equal(text(say(r, ways[i], cmd("statu")), "code"), "unknown_command");
		assert_true(text(r->answer, "hint")[0]);
		assert_string_equal(text(say(r, ways[i], json_object()), "code"), "unknown_command");
		assert_string_equal(
			text(say(r, ways[i], json_pack("{s:i}", "cmd", 1)), "code"), "unknown_command");
	}
}

static void a_node_is_found_by_what_people_type(void **state)
{
	static const char *const names[] = {"hub", "HUB.mesh", "00000000000000bb", "100.101.0.2", "fd5c::2"};
	struct rig *r = *state;

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const json_t *a = say(
			r, node_command, json_pack("{s:s, s:s}", "cmd", "ping.resolve", "name", names[i]));

		if (strcmp(text(a, "id"), "00000000000000bb") != 0 ||
			strcmp(text(a, "ip4"), "100.101.0.2") != 0)
			fail_msg("%s", names[i]);
	}
	say(r, node_command, json_pack("{s:s, s:s}", "cmd", "ping.resolve", "name", "labtop"));
	assert_string_equal(text(r->answer, "code"), "not_found");
	assert_string_equal(text(r->answer, "hint"), "did you mean \"laptop\"?");
	say(r, node_command, json_pack("{s:s, s:s}", "cmd", "nudge", "node", "phone"));
	assert_true(ok(r->answer));
	assert_int_equal(r->nudges, 1);
}

static void an_address_is_somebodys_with_or_without_a_port(void **state)
{
	static const char *const addresses[] = {
		"100.101.0.2", "100.101.0.2:443", "fd5c::2", "[fd5c::2]:443", "hub", "hub.mesh"};
	struct rig *r = *state;

	for (size_t i = 0; i < ARRAY_LEN(addresses); i++) {
		const json_t *a =
			say(r, node_question, json_pack("{s:s, s:s}", "cmd", "whois", "who", addresses[i]));

		if (strcmp(text(a, "dns_name"), "hub.mesh") != 0 || strcmp(text(a, "kind"), "node") != 0)
			fail_msg("%s", addresses[i]);
		assert_true(json_is_true(json_object_get(a, "coordinator")));
		assert_true(json_is_array(json_object_get(a, "tags")));
	}
}

static void an_address_that_no_member_has_is_nobodys(void **state)
{
	struct rig *r = *state;

	say(r, node_question, json_pack("{s:s, s:s}", "cmd", "whois", "who", "192.0.2.1:443"));
	assert_string_equal(text(r->answer, "code"), "not_found");
	assert_string_equal(text(r->answer, "error"), "192.0.2.1 is no member's address in this mesh");
	say(r, node_question, json_pack("{s:s, s:s}", "cmd", "whois", "who", "labtop"));
	assert_string_equal(text(r->answer, "hint"), "did you mean \"laptop\"?");
}

static void a_name_that_is_too_long_is_not_found_either_wherever_it_would_be_cut(void **state)
{
	struct rig *r = *state;

	for (size_t n = 50; n < 150; n++) {
		char name[256] = "";

		memset(name, 'x', n);
		snprintf(name + n, sizeof(name) - n, "\u00e4\u20ac\U0001f600");
		say(r, node_command, json_pack("{s:s, s:s}", "cmd", "ping.resolve", "name", name));
		if (strcmp(text(r->answer, "code"), "not_found") != 0)
			fail_msg("%zu bytes before it: %s", n, text(r->answer, "code"));
	}
}

static void administration_is_done_on_the_coordinator_which_is_named(void **state)
{
	struct rig *r = *state;

	say(r, node_command, cmd("dashboard.password"));
	assert_string_equal(text(r->answer, "code"), "not_coordinator");
	say(r, node_command, cmd("token.create"));
	assert_string_equal(text(r->answer, "code"), "not_coordinator");
	assert_string_equal(text(r->answer, "hint"), "run this command on hub, 100.101.0.2");
	assert_int_equal(r->asked_link + r->asked_here, 0);
	r->n.coord = (struct coord *)r;
	say(r, node_command, cmd("token.create"));
	assert_true(ok(r->answer));
	assert_string_equal(text(r->asked, "cmd"), "token.create");
}

static void a_copy_for_which_nobody_waits_any_more_is_removed(void **state)
{
	struct rig *r = *state;
	static char reply[160];
	char copy[96];

	snprintf(copy, sizeof(copy), "%s/copy", r->dir);
	snprintf(reply, sizeof(reply), "{\"ok\":true,\"database\":\"%s\"}", copy);
	r->n.coord = (struct coord *)r;
	r->reply = reply;
	for (unsigned left = 0; left < 2; left++) {
		assert_int_equal(os_write_file(copy, "a", 1, 0600, NULL), TM_OK);
		r->left = left;
		assert_true(ok(say(r, node_command, cmd("backup"))));
		assert_true(os_exists(copy) == !left);
	}
	r->n.coord = NULL;
	remove(copy);
}

static void what_a_member_may_ask_goes_by_the_link_or_stays_here(void **state)
{
	struct rig *r = *state;

	say(r, node_command, json_pack("{s:s, s:i}", "cmd", "node.list", "after", 500));
	assert_true(ok(r->answer));
	assert_int_equal(r->asked_link, 1);
	assert_string_equal(text(r->asked, "t"), "node.list");
	assert_null(json_object_get(r->asked, "cmd"));
	assert_int_equal(json_integer_value(json_object_get(r->asked, "after")), 500);
	r->n.coord = (struct coord *)r;
	say(r, node_command, json_pack("{s:s, s:i}", "cmd", "node.list", "after", 500));
	assert_int_equal(r->asked_link, 1);
	assert_int_equal(r->asked_here, 1);
	assert_string_equal(text(r->asked, "cmd"), "node.list");
}

static void peers_are_shown_with_who_is_online_as_far_as_that_is_told(void **state)
{
	struct rig *r = *state;
	const json_t *peers;

	r->reply = "{\"ok\":false,\"error\":\"there is no link\"}";
	peers = json_object_get(say(r, node_command, cmd("peers")), "peers");
	assert_string_equal(text(r->asked, "t"), "presence");
	assert_int_equal(json_array_size(peers), 2); /* without ourselves */
	assert_true(json_is_null(json_object_get(json_array_get(peers, 0), "online")));
	/* One by its id: nobody is asked for that. */
	r->asked_link = 0;
	say(r, node_command, json_pack("{s:s, s:s}", "cmd", "peers", "node", "00000000000000bb"));
	peers = json_object_get(r->answer, "peers");
	assert_int_equal(json_array_size(peers), 1);
	assert_string_equal(text(json_array_get(peers, 0), "name"), "hub");
	assert_int_equal(r->asked_link, 0);
}

static void a_removed_node_says_so_and_not_that_there_is_nobody(void **state)
{
	static const char *const commands[][2] = {{"peers", "node"}, {"peer", "node"},
		{"ping.resolve", "name"}, {"bench.resolve", "name"}, {"netcheck", "full"}};
	struct rig *r = *state;

	snprintf(r->n.removed, sizeof(r->n.removed), "this node was removed from the mesh");
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		say(r, node_question,
			json_pack("{s:s, s:s}", "cmd", commands[i][0], commands[i][1], i ? "nas" : ""));
		assert_string_equal(text(r->answer, "code"), "no_link");
		assert_string_equal(text(r->answer, "error"), r->n.removed);
		assert_string_equal(text(r->answer, "hint"), "join again with a new token");
	}
	/* A token would not help the copy of a machine. */
	r->n.twin = true;
	assert_string_equal(text(say(r, node_question, cmd("peers")), "hint"), "");
}

static void nothing_is_shown_of_a_node_that_is_being_taken_down(void **state)
{
	static const char *const commands[] = {"status", "peers"};
	struct rig *r = *state;

	r->ends = true;
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		r->n.agent = (struct agent *)r;
		say(r, node_command, cmd(commands[i]));
		assert_null(r->answer);
	}
	assert_int_equal(r->views, 0);
}

static void peers_come_by_name_whenever_they_joined(void **state)
{
	struct node_rec desk = {.id = "00000000000000dd", .name = "desk", .host = 4, .key = {4}};
	struct netmap update = {.version = 2, .base = 1, .nodes = &desk, .n_nodes = 1};
	static const char *const names[] = {"desk", "hub", "phone"};
	struct rig *r = *state;
	struct mesh_diff d;

	assert_int_equal(peers_update(r->n.peers, &update, &d), TM_OK);
	mesh_diff_deinit(&d);
	const json_t *peers = json_object_get(say(r, node_command, cmd("peers")), "peers");
	assert_int_equal(json_array_size(peers), ARRAY_LEN(names));
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		assert_string_equal(text(json_array_get(peers, i), "name"), names[i]);
}

static void one_peer_comes_with_what_was_tried_and_this_node_is_none(void **state)
{
	struct rig *r = *state;

	say(r, node_question, json_pack("{s:s, s:s}", "cmd", "peer", "node", "hub.mesh"));
	assert_string_equal(text(json_object_get(r->answer, "peer"), "name"), "hub");
	assert_true(json_is_array(json_object_get(r->answer, "tried")));
	assert_true(json_is_object(json_object_get(r->answer, "link")));
	say(r, node_question, json_pack("{s:s, s:s}", "cmd", "peer", "node", "laptop"));
	assert_string_equal(text(r->answer, "error"), "that is this machine itself");
}

static void a_target_of_a_bench_says_what_it_is(void **state)
{
	struct rig *r = *state;

	say(r, node_command, json_pack("{s:s, s:s}", "cmd", "bench.resolve", "name", "phone"));
	assert_string_equal(text(r->answer, "kind"), "client");
	assert_true(json_is_false(json_object_get(r->answer, "self")));
	assert_true(json_is_null(json_object_get(r->answer, "online")));
	assert_int_equal(json_integer_value(json_object_get(r->answer, "bench_port")), 5209);
	say(r, node_command, json_pack("{s:s, s:s}", "cmd", "bench.resolve", "name", "laptop"));
	assert_string_equal(text(r->answer, "kind"), "node");
	assert_true(json_is_true(json_object_get(r->answer, "self")));
}

static void a_reload_says_what_waits_or_what_was_kept(void **state)
{
	struct rig *r = *state;
	const json_t *waits = json_object_get(say(r, node_command, cmd("reload")), "restart_needed");

	assert_true(ok(r->answer));
	assert_int_equal(json_array_size(waits), 2);
	assert_string_equal(json_string_value(json_array_get(waits, 1)), "tun");
	r->reload_err = TM_EINVAL;
	say(r, node_command, cmd("reload"));
	assert_false(ok(r->answer));
	assert_string_equal(text(r->answer, "code"), "bad_configuration");
	assert_non_null(strstr(text(r->answer, "error"), "line 3 makes no sense"));
	assert_string_equal(text(r->answer, "hint"), "the running configuration was kept");
}

static void a_coordinator_does_not_leave_its_mesh(void **state)
{
	struct rig *r = *state;

	say(r, node_command, cmd("leave"));
	assert_true(ok(r->answer));
	assert_string_equal(text(r->asked, "t"), "leave");
	r->asked_link = 0;
	r->n.coord = (struct coord *)r;
	say(r, node_command, cmd("leave"));
	assert_string_equal(text(r->answer, "code"), "is_coordinator");
	assert_int_equal(r->asked_link + r->asked_here, 0);
}

#define T(test) cmocka_unit_test_setup_teardown(test, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(every_user_may_look_and_nobody_else_may_change),
		T(a_process_has_started_once_whenever_it_is_looked_at),
		T(what_is_no_command_is_refused_with_a_hint),
		T(a_node_is_found_by_what_people_type),
		T(an_address_is_somebodys_with_or_without_a_port),
		T(an_address_that_no_member_has_is_nobodys),
		T(a_name_that_is_too_long_is_not_found_either_wherever_it_would_be_cut),
		T(administration_is_done_on_the_coordinator_which_is_named),
		T(a_copy_for_which_nobody_waits_any_more_is_removed),
		T(what_a_member_may_ask_goes_by_the_link_or_stays_here),
		T(peers_are_shown_with_who_is_online_as_far_as_that_is_told),
		T(a_removed_node_says_so_and_not_that_there_is_nobody),
		T(nothing_is_shown_of_a_node_that_is_being_taken_down),
		T(peers_come_by_name_whenever_they_joined),
		T(one_peer_comes_with_what_was_tried_and_this_node_is_none),
		T(a_target_of_a_bench_says_what_it_is),
		T(a_reload_says_what_waits_or_what_was_kept),
		T(a_coordinator_does_not_leave_its_mesh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
