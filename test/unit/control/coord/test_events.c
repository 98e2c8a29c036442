/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What was done to the mesh, and by whom: each change leaves one event, and what was refused leaves none. */
#include "unit/unit.h"

#include "unit/control/coord/rig.h"

#define KEY_A "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE="

static const json_t *events(struct rig *r)
{
	return json_object_get(rig_admin(r, json_pack("{s:s}", "cmd", "event.list")), "events");
}

static const char *text(const json_t *j, const char *key)
{
	const char *s = json_string_value(json_object_get(j, key));

	return s ? s : "";
}

/* The newest; fails unless there are n in all. */
static const json_t *newest(struct rig *r, size_t n)
{
	const json_t *list = events(r);

	if (json_array_size(list) != n)
		fail_msg("%zu events, not %zu", json_array_size(list), n);
	return json_array_get(list, n - 1);
}

static void each_change_says_what_was_done_and_by_whom(void **state)
{
	static const struct coord_who root = {.role = COORD_ADMIN, .door = EVENT_SOCKET, .by = "root"};
	struct coord_who admin = {.role = COORD_ADMIN, .door = EVENT_DASHBOARD, .by = "desk"};
	struct rig *r = *state;
	struct machine *m = rig_machine(r, 0);

	machine_join(m, "laptop");
	memcpy(admin.id, m->id.id, sizeof(admin.id));
	const struct {
		const struct coord_who *who;
		json_t *req;
		const char *event, *about, *text;
	} rows[] = {
		{&root, json_pack("{s:s, s:s, s:s}", "cmd", "node.rename", "node", "laptop", "name", "desk"),
			"member.renamed", "laptop", "laptop is called desk now (by root)"},
		{&admin, json_pack("{s:s, s:s, s:[s]}", "cmd", "node.alias", "node", "desk", "add", "d"),
			"member.aliases", "desk", "desk has these aliases now: d (by desk)"},
		{&admin, json_pack("{s:s, s:s, s:[s,s]}", "cmd", "node.tag", "node", "desk", "add", "x", "y"),
			"member.tags", "desk", "desk has these tags now: x, y (by desk)"},
		{&root,
			json_pack("{s:s, s:s, s:s}", "cmd", "route.approve", "node", "desk", "net",
				"192.168.7.0/24"),
			"route.approved", "desk", "192.168.7.0/24 behind desk was approved (by root)"},
		{&root,
			json_pack("{s:s, s:s, s:s}", "cmd", "route.reject", "node", "desk", "net",
				"192.168.7.0/24"),
			"route.rejected", "desk",
			"the approval of 192.168.7.0/24 behind desk was taken back (by root)"},
		{&root,
			json_pack("{s:s, s:s, s:s, s:s}", "cmd", "client.add", "name", "phone", "key", KEY_A,
				"via", "desk"),
			"client.added", "phone", "the client phone was added behind desk (by root)"},
		{&root, json_pack("{s:s, s:s}", "cmd", "client.remove", "name", "phone"), "client.removed",
			"phone", "the client phone was removed (by root)"},
		{&root,
			json_pack("{s:s, s:s}", "cmd", "policy.set", "text",
				"rules:\n  - {allow: any, from: any, to: any}\n"),
			"policy.changed", "", "version 1 of the policy is in force (by root)"},
		{&root, json_pack("{s:s, s:s}", "cmd", "node.remove", "node", "desk"), "member.removed",
			"desk", "desk was removed from the mesh (by root)"},
	};
	size_t n = json_array_size(events(r));

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		rig_asked(r, rows[i].who, rows[i].req);
		const json_t *e = newest(r, ++n);

		if (strcmp(text(e, "event"), rows[i].event) != 0 ||
			strcmp(text(e, "about"), rows[i].about) != 0 ||
			strcmp(text(e, "text"), rows[i].text) != 0 ||
			strcmp(text(e, "door"), event_door_word(rows[i].who->door)) != 0 ||
			strcmp(text(e, "by_id"), rows[i].who->id) != 0)
			fail_msg("row %zu: %s", i, json_dumps(e, 0));
		assert_int_equal(json_integer_value(json_object_get(e, "happened_at")), rig_unix_now);
	}
}

static void what_is_refused_or_changes_nothing_leaves_no_event(void **state)
{
	struct rig *r = *state;
	struct machine *m = rig_machine(r, 0);

	machine_join(m, "laptop");
	rig_admin(r, json_pack("{s:s, s:s, s:[s,s]}", "cmd", "node.tag", "node", "laptop", "add", "x", "y"));
	rig_admin(r, json_pack("{s:s, s:s, s:[s]}", "cmd", "node.alias", "node", "laptop", "add", "l"));
	rig_admin(r, json_pack("{s:s, s:s, s:s}", "cmd", "route.approve", "node", "laptop", "net", "exit"));
	const size_t n = json_array_size(events(r));
	const struct {
		bool ok;
		json_t *request;
	} rows[] = {
		{false, json_pack("{s:s, s:s, s:s}", "cmd", "node.rename", "node", "laptop", "name", "hub")},
		{true, json_pack(
			       "{s:s, s:s, s:s}", "cmd", "node.rename", "node", "laptop", "name", "laptop")},
		{true, json_pack("{s:s, s:s, s:[s]}", "cmd", "node.tag", "node", "laptop", "add", "x")},
		{true, json_pack("{s:s, s:s, s:[s]}", "cmd", "node.tag", "node", "laptop", "remove", "z")},
		{true, json_pack("{s:s, s:s, s:[s], s:[s]}", "cmd", "node.tag", "node", "laptop", "add", "x",
			       "remove", "x")},
		{false, json_pack("{s:s, s:s, s:[s]}", "cmd", "node.alias", "node", "laptop", "add", "hub")},
		{true, json_pack("{s:s, s:s, s:[s]}", "cmd", "node.alias", "node", "laptop", "add", "l")},
		{false, json_pack("{s:s, s:s}", "cmd", "node.remove", "node", "nobody")},
		{false, json_pack("{s:s, s:s}", "cmd", "token.revoke", "id", "0011223344556677")},
		{false, json_pack("{s:s, s:s}", "cmd", "policy.set", "text", "rules: nonsense\n")},
		{true, json_pack("{s:s, s:s}", "cmd", "policy.test", "text",
			       "rules:\n  - {allow: any, from: any, to: any}\n")},
		{false, json_pack("{s:s, s:s, s:s}", "cmd", "route.reject", "node", "laptop", "net",
				"10.9.0.0/16")},
		{true, json_pack("{s:s, s:s, s:s}", "cmd", "route.approve", "node", "laptop", "net", "exit")},
		{true, json_pack("{s:s}", "cmd", "token.list")},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const json_t *answer = rig_admin(r, rows[i].request);

		if (json_is_true(json_object_get(answer, "ok")) != rows[i].ok)
			fail_msg("row %zu: %s", i, text(answer, "error"));
		if (json_array_size(events(r)) != n)
			fail_msg("row %zu left an event", i);
	}
}

static void joining_and_leaving_are_told_and_tokens_by_their_id_alone(void **state)
{
	struct rig *r = *state;
	struct machine *m = rig_machine(r, 0);
	struct token t = rig_token(r, json_pack("{s:i, s:[s]}", "uses", 3, "tags", "ci"));
	char id[17], secret[33];

	for (int i = 0; i < 8; i++)
		snprintf(id + 2 * i, 3, "%02x", t.id[i]);
	for (int i = 0; i < 16; i++)
		snprintf(secret + 2 * i, 3, "%02x", t.secret[i]);
	const json_t *e = newest(r, 1);
	assert_string_equal(text(e, "event"), "token.created");
	assert_string_equal(text(e, "about"), id);
	assert_string_equal(text(e, "detail"), "for 3 machines, valid 24 h, tags ci");
	machine_enrol(m, &t, "laptop");
	machine_await(m, "reply");
	e = newest(r, 2);
	assert_string_equal(text(e, "event"), "member.joined");
	assert_string_equal(text(e, "id"), m->id.id);
	assert_string_equal(text(e, "detail"), id);
	machine_enrol(m, &t, "laptop"); /* is a member already */
	machine_await(m, "reply");
	newest(r, 2);
	machine_hello(m, NULL);
	machine_say(m, json_pack("{s:s, s:i}", "t", "leave", "id", 9));
	rig_settle(r);
	e = newest(r, 3);
	assert_string_equal(text(e, "event"), "member.left");
	assert_string_equal(text(e, "by"), "laptop");
	assert_string_equal(text(e, "door"), "link");
	rig_admin(r, json_pack("{s:s, s:s}", "cmd", "token.revoke", "id", id));
	assert_string_equal(text(newest(r, 4), "about"), id);
	char *all = json_dumps(events(r), 0);
	assert_null(strstr(all, secret));
	free(all);
	rig_stop(r);
	rig_start(r);
	newest(r, 4);
}

static void a_member_is_told_of_what_is_about_it_or_was_done_by_it(void **state)
{
	struct rig *r = *state;
	struct machine *gate = rig_machine(r, 0), *other = rig_machine(r, 1);

	machine_join(gate, "gate");
	machine_join(other, "other");
	rig_admin(r, json_pack("{s:s, s:s, s:[s]}", "cmd", "node.tag", "node", "gate", "add", "gateway"));
	rig_settle(r);
	machine_say(gate,
		json_pack("{s:s, s:i, s:s, s:s}", "t", "client.add", "id", 1, "name", "phone", "key", KEY_A));
	rig_settle(r);
	machine_forget(gate);
	machine_say(gate, json_pack("{s:s, s:i}", "t", "event.list", "id", 2));
	const json_t *list = json_object_get(machine_await(gate, "reply"), "events");
	assert_int_equal(json_array_size(list), 3); /* joined, tags, client.added */
	assert_string_equal(text(json_array_get(list, 2), "event"), "client.added");
	assert_string_equal(text(json_array_get(list, 2), "by_id"), gate->id.id);
	machine_forget(other);
	machine_say(other, json_pack("{s:s, s:i}", "t", "event.list", "id", 3));
	list = json_object_get(machine_await(other, "reply"), "events");
	assert_int_equal(json_array_size(list), 1);
	assert_string_equal(text(json_array_get(list, 0), "id"), other->id.id);
}

static void a_long_list_comes_in_pages(void **state)
{
	enum { N = LIST_PAGE + 20 };
	struct rig *r = *state;

	for (unsigned i = 0; i < N; i++)
		rig_admin(r, json_pack("{s:s}", "cmd", "token.create"));
	const json_t *page = rig_admin(r, json_pack("{s:s}", "cmd", "event.list"));
	assert_int_equal(json_array_size(json_object_get(page, "events")), LIST_PAGE);
	json_int_t next = json_integer_value(json_object_get(page, "next"));
	assert_int_equal(next, LIST_PAGE);
	page = rig_admin(r, json_pack("{s:s, s:I}", "cmd", "event.list", "after", next));
	assert_int_equal(json_array_size(json_object_get(page, "events")), N - LIST_PAGE);
	assert_null(json_object_get(page, "next"));
	page = rig_admin(r, json_pack("{s:s, s:b}", "cmd", "event.list", "newest", 1));
	assert_int_equal(json_array_size(json_object_get(page, "events")), LIST_PAGE);
	assert_int_equal(json_integer_value(json_object_get(
				 json_array_get(json_object_get(page, "events"), 0), "number")),
		N);
	next = json_integer_value(json_object_get(page, "next"));
	assert_int_equal(next, N - LIST_PAGE + 1);
	page = rig_admin(r, json_pack("{s:s, s:b, s:I}", "cmd", "event.list", "newest", 1, "before", next));
	assert_int_equal(json_array_size(json_object_get(page, "events")), N - LIST_PAGE);
	assert_null(json_object_get(page, "next"));
	assert_non_null(strstr(rig_refused(r, json_pack("{s:s, s:i}", "cmd", "event.list", "before", 3)),
		"goes with newest"));
	page = rig_admin(r, json_pack("{s:s, s:I}", "cmd", "event.list", "since", rig_unix_now + 1));
	assert_int_equal(json_array_size(json_object_get(page, "events")), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(each_change_says_what_was_done_and_by_whom),
		T(what_is_refused_or_changes_nothing_leaves_no_event),
		T(joining_and_leaving_are_told_and_tokens_by_their_id_alone),
		T(a_member_is_told_of_what_is_about_it_or_was_done_by_it),
		T(a_long_list_comes_in_pages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
