/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The control socket's commands: who may say them, where they go, what is answered. The socket, the plane,
 * the agent and the coordinator are stand-ins that the linker puts in. */
#include "fake/quiet.h"
#include "unit/unit.h"

#include "base/encode.h"
#include "crypto/init.h"
#include "node/node_private.h"
#include "node/view.h"
#include "os/os.h"

#include <unistd.h>

#define KEY_TEXT "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="

struct rig {
	char dir[64], path[96];
	struct node n;
	json_t *answer, *asked; /* of the control socket; of the coordinator, by whichever way */
	unsigned answers, asked_link, asked_here, nudges, stops, views;
	bool ends; /* the agent, while it is asked */
	const char *reply; /* of the coordinator */
	int reload_err;
	bool left; /* the client has */
	struct candidates mine;
};

static struct rig *rig;

/* --- stand-ins --- */

void __wrap_ctl_reply(struct ctl_call *call, json_t *reply_take);
void __wrap_ctl_reply_text(struct ctl_call *call, char *text_take);
bool __wrap_ctl_waits(const struct ctl_call *call);
const char *__wrap_plane_aead_provider(const struct plane *p);
void __wrap_plane_nudge(struct plane *p, const uint8_t key[static 32]);
void __wrap_node_kick_plane(struct node *n);
void __wrap_node_stop_soon(struct node *n);
int __wrap_node_reload(struct node *n, struct diag *d, char *restart_keys, size_t restart_len);
int __wrap_node_view_take(
	const struct node *n, const struct presence *presence, bool brief, struct node_view *ret_view);
void __wrap_peer_view_take(const struct node *n, const struct mesh_node *member,
	const struct presence *presence, struct peer_view *ret_view);
void __wrap_reach_view_take(const struct node *n, const struct mesh_node *member,
	const struct presence *presence, struct reach_view *ret_view);
void __wrap_agent_request(
	struct agent *a, const json_t *req, agent_reply_fn *reply, void *ctx, int timeout_ms);
void __wrap_coord_admin(struct coord *c, const json_t *req, coord_reply_fn *reply, void *ctx);
const struct candidates *__wrap_core_mine(const struct core *c);

void __wrap_ctl_reply(struct ctl_call *call, json_t *reply_take)
{
	assert_ptr_equal(call, rig);
	json_decref(rig->answer);
	rig->answer = reply_take;
	rig->answers++;
}

void __wrap_ctl_reply_text(struct ctl_call *call, char *text_take)
{
	__wrap_ctl_reply(call, text_take ? json_loads(text_take, JSON_REJECT_DUPLICATES, NULL) : NULL);
	free(text_take);
}

bool __wrap_ctl_waits(const struct ctl_call *call)
{
	assert_ptr_equal(call, rig);
	return !rig->left;
}

const char *__wrap_plane_aead_provider(const struct plane *p UNUSED)
{
	return "some provider";
}

void __wrap_plane_nudge(struct plane *p UNUSED, const uint8_t key[static 32] UNUSED)
{
	rig->nudges++;
}

void __wrap_node_kick_plane(struct node *n UNUSED)
{
}

void __wrap_node_stop_soon(struct node *n UNUSED)
{
	rig->stops++;
}

int __wrap_node_reload(struct node *n UNUSED, struct diag *d, char *restart_keys, size_t restart_len)
{
	snprintf(restart_keys, restart_len, "mtu, tun");
	return rig->reload_err ? diag_what(d, rig->reload_err, "line 3 makes no sense") : TM_OK;
}

int __wrap_node_view_take(const struct node *n UNUSED, const struct presence *presence UNUSED,
	bool brief UNUSED, struct node_view *ret_view UNUSED)
{
	rig->views++;
	return TM_ENOMEM;
}

void __wrap_peer_view_take(const struct node *n UNUSED, const struct mesh_node *member,
	const struct presence *presence, struct peer_view *ret_view)
{
	rig->views++;
	*ret_view = (struct peer_view){.member = member,
		.candidate = "",
		.via_name = "",
		.relay_name = "",
		.online_known = presence != NULL,
		.online = presence && presence_has(presence, member->host)};
}

void __wrap_reach_view_take(const struct node *n, const struct mesh_node *member,
	const struct presence *presence, struct reach_view *ret_view)
{
	*ret_view = (struct reach_view){.mine = &rig->mine, .link = {.error = "", .proxy = ""}};
	__wrap_peer_view_take(n, member, presence, &ret_view->peer);
}

static char *asked(const json_t *req)
{
	json_decref(rig->asked);
	rig->asked = json_deep_copy(req);
	return strdup(rig->reply);
}

void __wrap_agent_request(
	struct agent *a UNUSED, const json_t *req, agent_reply_fn *reply, void *ctx, int timeout_ms)
{
	char *text = asked(req);

	assert_true(timeout_ms > 0);
	rig->asked_link++;
	if (rig->ends)
		rig->n.agent = NULL;
	reply(ctx, json_loads(text, 0, NULL));
	free(text);
}

void __wrap_coord_admin(struct coord *c UNUSED, const json_t *req, coord_reply_fn *reply, void *ctx)
{
	rig->asked_here++;
	reply(ctx, asked(req));
}

const struct candidates *__wrap_core_mine(const struct core *c UNUSED)
{
	return &rig->mine;
}

/* --- the rig --- */

static int setup(void **state)
{
	struct node_rec nodes[] = {
		{.id = "00000000000000aa", .name = "laptop", .host = 1, .key = {1}},
		{.id = "00000000000000bb", .name = "hub", .host = 2, .key = {2}, .coordinator = true},
		{.id = "00000000000000cc",
			.name = "phone",
			.host = 3,
			.key = {3},
			.kind = NODE_CLIENT,
			.via = "00000000000000bb"},
	};
	struct netmap update = {.version = 1, .nodes = nodes, .n_nodes = ARRAY_LEN(nodes)};
	struct rig *r = calloc(1, sizeof(*r));
	struct mesh_diff d;

	assert_non_null(r);
	rig = r;
	assert_int_equal(crypto_init(NULL), TM_OK);
	log_set_sink(quiet_log, NULL);
	snprintf(r->dir, sizeof(r->dir), "/tmp/test-commands-XXXXXX");
	assert_non_null(mkdtemp(r->dir));
	snprintf(r->path, sizeof(r->path), "%s/netmap.db", r->dir);
	r->reply = "{\"ok\":true}";
	r->n.base = event_base_new();
	r->n.agent = (struct agent *)r; /* only its stand-in looks at it */
	r->n.enrolment.self = nodes[0];
	r->n.config.bench_port = 5209;
	assert_int_equal(prefix_parse("100.101.0.0/16", &r->n.mesh.net4), TM_OK);
	assert_int_equal(prefix_parse("fd5c::/64", &r->n.mesh.net6), TM_OK);
	const struct peers_config peers = {.path = r->path,
		.mesh = &r->n.mesh,
		.self_id = nodes[0].id,
		.coordinator_key = nodes[1].key,
		.save_delay = SEC};
	assert_int_equal(peers_new(r->n.base, &peers, &r->n.peers), TM_OK);
	assert_int_equal(peers_update(r->n.peers, &update, &d), TM_OK);
	mesh_diff_deinit(&d);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;

	peers_free(r->n.peers);
	event_base_free(r->n.base);
	json_decref(r->answer);
	json_decref(r->asked);
	(void)unlink(r->path);
	assert_int_equal(rmdir(r->dir), 0);
	log_set_sink(NULL, NULL);
	free(r);
	return 0;
}

typedef void command_fn(void *ctx, const json_t *req, struct ctl_call *call);

/* Says it and gives the answer, which comes exactly once. */
static const json_t *say(struct rig *r, command_fn *how, json_t *req_take)
{
	assert_non_null(req_take);
	r->answers = 0;
	how(&r->n, req_take, (struct ctl_call *)r);
	json_decref(req_take);
	assert_int_equal(r->answers, 1);
	return r->answer;
}

static json_t *cmd(const char *name)
{
	return json_pack("{s:s}", "cmd", name);
}

static const char *text(const json_t *j, const char *key)
{
	const char *s = json_string_value(json_object_get(j, key));

	return s ? s : "";
}

static bool ok(const json_t *j)
{
	return json_is_true(json_object_get(j, "ok"));
}

/* --- tests --- */

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
		{"bench.resolve", true},
		{"node.list", true},
		{"nudge", false},
		{"down", false},
		{"reload", false},
		{"leave", false},
		{"backup", false},
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
	static const char *const commands[][2] = {
		{"peers", "node"}, {"peer", "node"}, {"ping.resolve", "name"}, {"bench.resolve", "name"}};
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

	say(r, node_command, client_add(KEY_TEXT, ""));
	assert_string_equal(text(r->asked, "t"), "client.add");
	assert_string_equal(text(r->asked, "via"), "00000000000000aa");
	assert_string_equal(text(r->asked, "key"), KEY_TEXT);
	snprintf(psk_text, sizeof(psk_text), "%s", text(r->answer, "psk"));
	assert_int_equal(base64_decode(psk_text, strlen(psk_text), psk, sizeof(psk), &n), TM_OK);
	assert_int_equal(n, 32);
	assert_string_equal(json_string_value(json_array_get(json_object_get(r->answer, "allowed"), 0)),
		"100.101.0.0/16");
	assert_string_equal(text(r->answer, "endpoint"), "");
	/* No secret with a refusal. */
	r->reply = "{\"ok\":false,\"error\":\"no\"}";
	say(r, node_command, client_add(KEY_TEXT, ""));
	assert_false(ok(r->answer));
	assert_null(json_object_get(r->answer, "psk"));
	/* On the coordinator the same, without a link. */
	r->reply = "{\"ok\":true}";
	r->asked_link = 0;
	r->n.coord = (struct coord *)r;
	say(r, node_command, client_add(KEY_TEXT, ""));
	assert_string_equal(text(r->answer, "psk"), psk_text);
	assert_int_equal(r->asked_link, 0);
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

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(every_user_may_look_and_nobody_else_may_change),
		T(what_is_no_command_is_refused_with_a_hint),
		T(a_node_is_found_by_what_people_type),
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
		T(a_client_is_told_all_that_its_configuration_needs),
		T(a_client_finds_us_by_what_was_said_or_by_what_others_see),
		T(a_key_that_is_none_is_refused_before_anybody_is_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
