/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/unit.h"

#include "unit/control/coord/policy_rig.h"

#include "control/link/clink.h"
#include "control/store/sqlite/sqlite_private.h"
#include "policy/compile.h"
#include "policy/document.h"

#define WEB "rules:\n  - {id: web, allow: tcp/80, from: any, to: tag:server}\n"

/* Growing a mesh until its policy does not fit takes long; what does not is tried in policy/test_fits.c. */
static int too_large;

int __real_policy_fits(const struct policy_model *m, struct diag *d);
int __wrap_policy_fits(const struct policy_model *m, struct diag *d);

int __wrap_policy_fits(const struct policy_model *m, struct diag *d)
{
	return too_large ? diag_what(d, too_large, "it is too large") : __real_policy_fits(m, d);
}

static void a_mesh_without_a_policy_says_so(void **state)
{
	struct rig *r = *state;
	const json_t *answer = rig_admin(r, rig_ask("policy.get", NULL, NULL));

	assert_string_equal(rig_text(answer, "code"), "no_policy");
	assert_non_null(strstr(rig_text(answer, "error"), "every member may do everything"));
	assert_string_equal(
		rig_text(rig_admin(r, rig_ask("policy.prove", "statement", "any can reach any")), "code"),
		"no_policy");
	machine_join(rig_machine(r, 0), "a");
	rig_settle(r);
	assert_int_equal(machine_count(rig_machine(r, 0), "policy"), 0);
}

static void a_policy_is_kept_in_versions_and_comes_back_after_a_restart(void **state)
{
	struct rig *r = *state;
	const json_t *answer, *one;

	assert_int_equal(rig_number(rig_must_set(r, WEB), "version"), 1);
	rig_unix_now += 10;
	assert_int_equal(rig_number(rig_must_set(r, policy_text_deny()), "version"), 2);
	rig_stop(r);
	rig_start(r);
	assert_int_equal(rig_in_force(r), 2);
	answer = rig_admin(r, rig_ask("policy.history", NULL, NULL));
	assert_int_equal(json_array_size(json_object_get(answer, "versions")), 2);
	one = json_array_get(json_object_get(answer, "versions"), 1);
	assert_int_equal(rig_number(one, "version"), 1);
	assert_int_equal(rig_number(one, "accepted_at"), rig_unix_now - 10);
	assert_string_equal(rig_text(one, "by"), "jo");
	assert_int_equal(rig_number(one, "bytes"), strlen(WEB));
	answer = rig_admin(r, json_pack("{s:s, s:i}", "cmd", "policy.get", "version", 1));
	assert_string_equal(rig_text(answer, "text"), WEB);
	one = json_array_get(json_object_get(answer, "rules"), 0);
	assert_string_equal(rig_text(one, "id"), "web");
	assert_string_equal(rig_text(one, "services"), "tcp/80");
	assert_true(rig_is(json_array_get(json_object_get(answer, "rules"), 1), "builtin"));
	answer = rig_admin(r, json_pack("{s:s, s:i}", "cmd", "policy.rollback", "version", 1));
	assert_int_equal(rig_number(answer, "version"), 3); /* what was in force is not forgotten */
	assert_string_equal(rig_text(rig_admin(r, rig_ask("policy.get", NULL, NULL)), "text"), WEB);
	rig_refused(r, json_pack("{s:s, s:i}", "cmd", "policy.rollback", "version", 9));
	rig_refused(r, rig_ask("policy.rollback", NULL, NULL));
}

static void a_policy_that_is_none_leaves_the_old_one_in_force(void **state)
{
	static const struct {
		const char *text, *what;
	} rows[] = {
		{"rule: []\n", "policy:1:1: unknown key \"rule\" in a policy"},
		{"rules:\n  - {allow: tcp, from: nobody, to: any}\n",
			"policy:2:24: there is no node \"nobody\""},
		{WEB "tests:\n  - any cannot reach tag:server tcp/1-100\n",
			"policy:4:5: the test \"any cannot reach tag:server tcp/1-100\" does not hold"},
	};
	struct rig *r = *state;

	rig_must_set(r, WEB);
	machine_join(rig_machine(r, 0), "web");
	rig_admin(r, json_pack("{s:s, s:s, s:[s]}", "cmd", "node.tag", "node", "web", "add", "server"));
	rig_settle(r);
	machine_forget(rig_machine(r, 0));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const json_t *answer = rig_set(r, rows[i].text);

		if (rig_is(answer, "ok") || strcmp(rig_text(answer, "error"), rows[i].what) != 0)
			fail_msg("row %zu: %s", i, rig_text(answer, "error"));
		assert_false(rig_is(rig_admin(r, rig_ask("policy.test", "text", rows[i].text)), "ok"));
	}
	assert_int_equal(rig_in_force(r), 1);
	assert_int_equal(machine_count(rig_machine(r, 0), "policy"), 0);
	/* One that is would do, and is not taken for it. */
	assert_true(rig_is(rig_admin(r, rig_ask("policy.test", "text", policy_text_open())), "ok"));
	assert_int_equal(rig_in_force(r), 1);
	/* Nor is one that was written for another. */
	rig_refused(r, json_pack("{s:s, s:s, s:i}", "cmd", "policy.set", "text", WEB, "if_version", 7));
	assert_int_equal(rig_in_force(r), 1);
}

static void one_that_no_node_could_hold_is_refused(void **state)
{
	struct rig *r = *state;

	rig_must_set(r, WEB);
	too_large = TM_EFULL;
	assert_string_equal(rig_text(rig_set(r, policy_text_open()), "error"), "it is too large");
	assert_false(rig_is(rig_admin(r, rig_ask("policy.test", "text", WEB)), "ok"));
	too_large = 0;
	assert_int_equal(rig_in_force(r), 1);
}

static void links_are_told_at_once_and_those_that_come_once(void **state)
{
	struct rig *r = *state;
	struct machine *a = rig_machine(r, 0), *b = rig_machine(r, 1);
	const json_t *m;
	char digest[MSG_DIGEST_LEN + 1];

	machine_join(a, "a");
	rig_must_set(r, WEB);
	m = machine_await(a, "policy");
	assert_int_equal(rig_number(m, "version"), 1);
	assert_string_equal(rig_text(m, "text"), WEB);
	snprintf(digest, sizeof(digest), "%s", rig_text(m, "digest"));
	assert_int_equal(strlen(digest), MSG_DIGEST_LEN);
	machine_join(b, "b");
	assert_string_equal(rig_text(machine_await(b, "policy"), "digest"), digest);
	/* Who comes back with it is not told it again; who has another is. */
	for (int known = 0; known <= 1; known++) {
		machine_unlink(a);
		machine_forget(a);
		machine_link(a);
		machine_say(a,
			json_pack("{s:s, s:s}", "t", "hello", "policy", known ? digest : "0123456789abcdef"));
		machine_await(a, "welcome");
		rig_settle(r);
		assert_int_equal(machine_count(a, "policy"), !known);
	}
}

/* The database came back from before the first policy; or the node's file is damaged. */
static json_t *held(int version)
{
	return json_pack("{s:s, s:i}", "t", "policy_held", "version", version);
}

/* What is asked for of the answer about holders. */
static json_int_t holders(struct rig *r, const char *field)
{
	return rig_number(json_object_get(rig_admin(r, rig_ask("policy.get", NULL, NULL)), "holders"), field);
}

static void who_goes_by_the_policy_in_force_is_counted(void **state)
{
	struct rig *r = *state;
	struct machine *a = rig_machine(r, 0), *b = rig_machine(r, 1);
	const json_t *others;

	rig_must_set(r, WEB);
	machine_join(a, "a");
	machine_join(b, "b");
	const json_int_t before = holders(r, "linked");
	assert_int_equal(holders(r, "in_force"), 0);
	machine_say(a, held(1));
	assert_int_equal(holders(r, "in_force"), 1);
	machine_say(b, held(1));
	assert_int_equal(holders(r, "in_force"), 2);
	rig_must_set(r, policy_text_deny());
	assert_int_equal(holders(r, "in_force"), 0);
	machine_say(b, held(2));
	others = json_object_get(
		json_object_get(rig_admin(r, rig_ask("policy.get", NULL, NULL)), "holders"), "others");
	assert_int_equal(json_array_size(others), before - 1);
	for (size_t i = 0; i < json_array_size(others); i++) {
		const json_t *one = json_array_get(others, i);

		if (strcmp(rig_text(one, "name"), "a") == 0)
			assert_int_equal(rig_number(one, "version"), 1);
		else
			assert_true(json_is_null(json_object_get(one, "version")));
	}
	/* What cannot be read says nothing, and neither does who has linked again. */
	machine_say(b, json_pack("{s:s, s:s}", "t", "policy_held", "version", "two"));
	assert_int_equal(holders(r, "in_force"), 0);
	machine_say(b, held(2));
	machine_unlink(b);
	machine_hello(b, NULL);
	machine_await(b, "welcome");
	assert_int_equal(holders(r, "in_force"), 0);
	assert_int_equal(holders(r, "linked"), before);
	/* An earlier one is in force nowhere. */
	assert_null(json_object_get(
		rig_admin(r, json_pack("{s:s, s:i}", "cmd", "policy.get", "version", 1)), "holders"));
}

static void who_holds_one_where_there_is_none_is_told_so(void **state)
{
	struct rig *r = *state;
	struct machine *a = rig_machine(r, 0);

	machine_join(a, "a");
	rig_settle(r);
	assert_int_equal(machine_count(a, "policy"), 0);
	machine_unlink(a);
	machine_link(a);
	machine_say(a, json_pack("{s:s, s:s}", "t", "hello", "policy", "0123456789abcdef"));
	assert_int_equal(rig_number(machine_await(a, "policy"), "version"), 0);
}

/* A downgrade, or a damaged database: by sqlite alone it would not have to be mended. */
static void one_that_cannot_be_read_can_be_replaced(void **state)
{
	static const char *const damage[] = {
		"UPDATE policy SET text = 'rules: [{permit: any}]'", "UPDATE policy SET nodes = 'what'"};
	struct rig *r = *state;
	const json_t *answer;

	for (size_t i = 0; i < ARRAY_LEN(damage); i++) {
		rig_must_set(r, WEB);
		rig_settle(r); /* the helper is idle: the connection may be used here */
		assert_int_equal(
			sqlite3_exec(sql_of(r->c->store)->db, damage[i], NULL, NULL, NULL), SQLITE_OK);
		rig_stop(r);
		rig_start(r);
		answer = rig_admin(r, rig_ask("policy.get", NULL, NULL));
		assert_true(rig_is(answer, "ok"));
		assert_int_equal(json_array_size(json_object_get(answer, "rules")), 0);
		assert_non_null(
			strstr(json_string_value(json_array_get(json_object_get(answer, "warnings"), 0)),
				"cannot read"));
		assert_true(rig_is(rig_admin(r, rig_ask("policy.history", NULL, NULL)), "ok"));
		assert_true(rig_is(rig_admin(r, rig_ask("policy.test", "text", WEB)), "ok"));
		answer = rig_admin(r, rig_ask("policy.prove", "statement", "any can reach any"));
		assert_non_null(strstr(rig_text(answer, "error"), "cannot read"));
		rig_refused(r, rig_ask("policy.diff", "text", WEB));
		rig_must_set(r, WEB);
		assert_true(rig_is(rig_admin(r, rig_ask("policy.get", NULL, NULL)), "ok"));
	}
	/* Nor can they all be put in force again. */
	rig_refused(r, json_pack("{s:s, s:i}", "cmd", "policy.rollback", "version", 1));
	assert_true(
		rig_is(rig_admin(r, json_pack("{s:s, s:i}", "cmd", "policy.rollback", "version", 4)), "ok"));
}

/* By an earlier version of the program. */
static void one_that_was_accepted_once_stays_readable(void **state)
{
	static const char old[] =
		"UPDATE policy SET text = 'rules: [{id: old, deny: icmp/3, from: hub.mesh, to: "
		"any}]', nodes = 'hub ' || (SELECT id FROM node LIMIT 1) || char(10)";
	struct rig *r = *state;
	const json_t *answer;

	rig_must_set(r, "rules: [{allow: tcp, from: hub, to: any}]");
	rig_settle(r);
	assert_int_equal(sqlite3_exec(sql_of(r->c->store)->db, old, NULL, NULL, NULL), SQLITE_OK);
	rig_stop(r);
	rig_start(r);
	answer = rig_admin(r, rig_ask("policy.get", NULL, NULL));
	assert_string_equal(
		rig_text(json_array_get(json_object_get(answer, "rules"), 0), "services"), "icmp/3");
	assert_string_equal(rig_text(json_array_get(json_object_get(answer, "rules"), 0), "from"), "hub");
	assert_non_null(strstr(json_string_value(json_array_get(json_object_get(answer, "warnings"), 0)),
		"rule old says icmp/3, about which no rule is asked"));
	rig_must_set(r, WEB);
	rig_refused(r, rig_ask("policy.set", "text", "rules: [{deny: icmp/3, from: hub, to: any}]"));
	rig_refused(r, rig_ask("policy.set", "text", "rules: [{deny: icmp, from: hub.mesh, to: any}]"));
	assert_true(
		rig_is(rig_admin(r, json_pack("{s:s, s:i}", "cmd", "policy.rollback", "version", 1)), "ok"));
	/* Of what is typed now each mistake is one. */
	rig_refused(r, rig_ask("policy.prove", "statement", "hub cannot reach any icmp/3"));
	assert_true(rig_is(
		rig_admin(r, rig_ask("policy.prove", "statement", "hub.mesh can reach any ping")), "ok"));
}

static void names_are_bound_and_a_removed_node_is_warned_of(void **state)
{
	struct rig *r = *state;
	const json_t *answer;
	char nodes[64];

	machine_join(rig_machine(r, 0), "laptop");
	rig_must_set(r, "rules:\n  - {id: x, allow: tcp, from: laptop, to: hub}\n");
	snprintf(nodes, sizeof(nodes), "%s", rig_text(machine_await(rig_machine(r, 0), "policy"), "nodes"));
	assert_non_null(strstr(
		rig_text(machine_last(rig_machine(r, 0), "policy"), "nodes"), rig_machine(r, 0)->id.id));
	rig_admin(
		r, json_pack("{s:s, s:s, s:s}", "cmd", "node.rename", "node", "laptop", "name", "notebook"));
	answer = rig_admin(r, rig_ask("policy.get", NULL, NULL));
	assert_string_equal(
		rig_text(json_array_get(json_object_get(answer, "rules"), 0), "from"), "notebook");
	assert_string_equal(json_string_value(json_array_get(json_object_get(answer, "warnings"), 0)),
		"the node laptop is called notebook now, and still meant");
	/* The same text is taken again: it means whom it meant. */
	rig_must_set(r, "rules:\n  - {id: x, allow: tcp, from: laptop, to: hub}\n");
	rig_admin(r, rig_ask("node.remove", "node", "notebook"));
	rig_settle(r);
	answer = rig_admin(r, rig_ask("policy.get", NULL, NULL));
	assert_true(rig_is(answer, "ok"));
	assert_string_equal(
		rig_text(json_array_get(json_object_get(answer, "rules"), 0), "from"), "laptop (removed)");
	assert_string_equal(json_string_value(json_array_get(json_object_get(answer, "warnings"), 0)),
		"the node laptop has been removed: rules and tests that name it are about nobody");
}

static void a_name_that_another_took_does_not_give_it_rights_by_an_edit(void **state)
{
	static const char
		rule[] = "rules:\n  - {id: x, allow: tcp, from: laptop, to: hub}\n",
		more[] = "rules:\n  - {id: x, allow: tcp, from: laptop, to: hub}\n  - {allow: tcp/80, "
			 "from: any, to: hub}\n";
	struct rig *r = *state;
	struct machine *other = rig_machine(r, 1);
	const json_t *answer;

	machine_join(rig_machine(r, 0), "laptop");
	rig_must_set(r, rule);
	rig_admin(r, rig_ask("node.remove", "node", "laptop"));
	rig_settle(r);
	machine_join(other, "laptop");
	answer = rig_set(r, more);
	assert_false(rig_is(answer, "ok"));
	assert_non_null(
		strstr(rig_text(answer, "error"), "policy:2:31: \"laptop\" meant a node that is gone"));
	assert_non_null(strstr(rig_text(answer, "hint"), other->id.id));
	rig_must_set(r, "rules: []\n");
	assert_false(
		rig_is(rig_admin(r, json_pack("{s:s, s:i}", "cmd", "policy.rollback", "version", 1)), "ok"));
	assert_int_equal(rig_in_force(r), 2);
	/* Here it is a new name; and where it is not, it can be said. */
	rig_must_set(r, more);
	rig_settle(r);
	assert_non_null(strstr(rig_text(machine_last(other, "policy"), "nodes"), other->id.id));
	rig_admin(r, rig_ask("node.remove", "node", "laptop"));
	rig_settle(r);
	machine_join(rig_machine(r, 2), "laptop");
	assert_false(rig_is(rig_set(r, more), "ok"));
	answer = rig_admin(r, json_pack("{s:s, s:s, s:b}", "cmd", "policy.set", "text", more, "rebind", 1));
	assert_true(rig_is(answer, "ok"));
	rig_settle(r);
	assert_non_null(strstr(
		rig_text(machine_last(rig_machine(r, 2), "policy"), "nodes"), rig_machine(r, 2)->id.id));
}

/* What stands in it was accepted by an earlier version of the program, and about somebody who has gone. */
static void an_edit_is_judged_by_what_it_adds(void **state)
{
	static const char old[] =
		"UPDATE policy SET text = 'rules:' || char(10) || '- {id: old, deny: icmp/3, from: hub.mesh, "
		"to: any}' || char(10) || '- {id: gone, allow: tcp, from: laptop, to: hub}' || char(10)";
	struct rig *r = *state;
	const json_t *rules;

	machine_join(rig_machine(r, 0), "laptop");
	rig_must_set(r, "rules: [{allow: tcp, from: [hub, laptop], to: any}]");
	rig_admin(r, rig_ask("node.remove", "node", "laptop"));
	rig_settle(r);
	assert_int_equal(sqlite3_exec(sql_of(r->c->store)->db, old, NULL, NULL, NULL), SQLITE_OK);
	rig_must(r, rig_rule("web", "tcp/80", "any"));
	rig_must_not(r, rig_rule("a", "icmp/3", "any"), "no rule is asked about");
	rig_must_not(r, rig_rule("a", "tcp", "hub.mesh"), "longer than a name");
	rig_must_not(r, rig_rule("a", "tcp", "laptop"), "there is no node \"laptop\"");
	rig_must_not(r, rig_rule("a", "tcp", "desk"), "there is no node \"desk\"");
	rig_must_not(r, rig_rule("web", "tcp", "any"), "the id web is given twice");
	machine_join(rig_machine(r, 1), "laptop");
	rig_must_not(r, rig_rule("a", "tcp", "laptop"), "\"laptop\" meant a node that is gone");
	rig_must(r, rig_rule("a", "tcp", rig_machine(r, 1)->id.id));
	rig_must(r, rig_ask("policy.remove", "id", "web"));
	rules = json_object_get(rig_admin(r, rig_ask("policy.get", NULL, NULL)), "rules");
	assert_string_equal(rig_text(json_array_get(rules, 0), "from"), "laptop");
	assert_string_equal(rig_text(json_array_get(rules, 1), "services"), "icmp/3");
	assert_string_equal(rig_text(json_array_get(rules, 2), "from"), "laptop (removed)");
	rig_must(r, rig_ask("policy.remove", "id", "gone"));
	rig_must(r, rig_ask("policy.remove", "id", "old"));
	rig_must_not(r, rig_ask("policy.remove", "id", "old"), "there is no rule \"old\"");
	/* Now nothing is left that means the one who has gone. */
	rig_must(r, rig_rule("b", "udp", "laptop"));
}

static void an_edit_keeps_the_tests(void **state)
{
	struct rig *r = *state;

	rig_must_not(r, rig_rule("a", "tcp", "any"), "this mesh has no policy");
	rig_must_not(r, rig_ask("policy.remove", "id", "a"), "this mesh has no policy");
	machine_join(rig_machine(r, 0), "laptop");
	rig_must_set(r,
		"rules:\n- {id: ssh, allow: tcp/22, from: hub, to: any}\ntests: [any cannot reach hub "
		"tcp]\n");
	rig_must_not(
		r, rig_rule("a", "tcp/80", "members"), "the test \"any cannot reach hub tcp\" does not hold");
	rig_must(r, rig_rule("a", "udp", "members"));
	assert_int_equal(rig_in_force(r), 2);
}

static void questions_are_answered_by_the_engine(void **state)
{
	struct rig *r = *state;
	const json_t *answer, *one;

	machine_join(rig_machine(r, 0), "web");
	machine_join(rig_machine(r, 1), "laptop");
	rig_admin(r, json_pack("{s:s, s:s, s:[s]}", "cmd", "node.tag", "node", "web", "add", "server"));
	rig_must_set(r, WEB);

	answer = rig_admin(r, json_pack("{s:s, s:s, s:s, s:s}", "cmd", "policy.explain", "from", "laptop",
				      "to", "web", "service", "tcp/80"));
	assert_string_equal(rig_text(answer, "action"), "allow");
	assert_string_equal(rig_text(answer, "rule"), "web");
	assert_string_equal(rig_text(answer, "filter_to"), "web");
	answer = rig_admin(r, json_pack("{s:s, s:s, s:s, s:s}", "cmd", "policy.explain", "from", "web", "to",
				      "laptop", "service", "tcp/80"));
	assert_string_equal(rig_text(answer, "action"), "deny");
	assert_true(json_is_null(json_object_get(answer, "rule")));
	rig_refused(r, json_pack("{s:s, s:s, s:s, s:s}", "cmd", "policy.explain", "from", "web", "to", "web",
			       "service", "tcp/80"));
	rig_refused(r, json_pack("{s:s, s:s, s:s, s:s}", "cmd", "policy.explain", "from", "web", "to",
			       "10.1.2.3", "service", "tcp/80"));
	rig_refused(r, json_pack("{s:s, s:s, s:s, s:s}", "cmd", "policy.explain", "from", "web", "to", "hub",
			       "service", "x"));

	answer = rig_admin(
		r, rig_ask("policy.prove", "statement", "laptop cannot reach tag:server tcp/1-1023"));
	assert_false(rig_is(answer, "holds"));
	assert_string_equal(rig_text(answer, "counter"), "laptop reaches web by tcp/80: rule web allows it");
	assert_true(json_array_size(json_object_get(answer, "assumes")) > 0);
	answer = rig_admin(r, rig_ask("policy.prove", "statement", "tag:server cannot reach laptop tcp"));
	assert_true(rig_is(answer, "holds"));
	rig_refused(r, json_pack("{s:s, s:s, s:b}", "cmd", "policy.prove", "statement", "hub can reach web",
			       "transitive", 1));
	rig_refused(r, rig_ask("policy.prove", "statement", "laptop is nice"));

	/* A token could make one more server. */
	assert_true(
		rig_is(rig_admin(r, rig_ask("policy.prove", "statement", "web cannot reach tag:server tcp")),
			"holds"));
	rig_token(r, json_pack("{s:[s]}", "tags", "server"));
	answer = rig_admin(r, rig_ask("policy.prove", "statement", "web cannot reach tag:server tcp"));
	assert_false(rig_is(answer, "holds"));
	assert_non_null(strstr(rig_text(answer, "counter"), "web reaches a new node by token "));

	answer = rig_admin(r, rig_ask("policy.diff", "text", "rules: []\n"));
	assert_true(rig_number(answer, "changes_in_all") > 0);
	one = json_array_get(json_object_get(answer, "changes"), 0);
	assert_false(rig_is(one, "gained"));
	assert_string_equal(rig_text(one, "service"), "tcp/80");
	assert_string_equal(rig_text(one, "rule_before"), "web");
	assert_int_equal(rig_in_force(r), 1);
}

/* Clients come without a token, and have no tags. */
static void a_proof_counts_the_clients_that_gateways_may_make(void **state)
{
	struct rig *r = *state;
	const json_t *answer;

	machine_join(rig_machine(r, 0), "db");
	machine_join(rig_machine(r, 1), "gw");
	rig_admin(r, json_pack("{s:s, s:s, s:[s]}", "cmd", "node.tag", "node", "gw", "add", "guest"));
	rig_must_set(r,
		"rules:\n  - {allow: any, from: any, to: any}\n  - {deny: tcp, from: ['tag:guest', hub], "
		"to: db}\n");
	assert_true(rig_is(
		rig_admin(r, rig_ask("policy.prove", "statement", "any cannot reach db tcp")), "holds"));
	rig_admin(r, json_pack("{s:s, s:s, s:[s]}", "cmd", "node.tag", "node", "gw", "add", "gateway"));
	answer = rig_admin(r, rig_ask("policy.prove", "statement", "any cannot reach db tcp"));
	assert_false(rig_is(answer, "holds"));
	assert_non_null(strstr(rig_text(answer, "counter"), "a new client of gw reaches db"));
	/* Who may yet be a gateway may make some, too, whatever he may do himself. */
	rig_admin(r, json_pack("{s:s, s:s, s:[s]}", "cmd", "node.tag", "node", "gw", "remove", "gateway"));
	assert_true(rig_is(
		rig_admin(r, rig_ask("policy.prove", "statement", "any cannot reach db tcp")), "holds"));
	rig_token(r, json_pack("{s:[s,s]}", "tags", "gateway", "guest"));
	answer = rig_admin(r, rig_ask("policy.prove", "statement", "any cannot reach db tcp"));
	assert_false(rig_is(answer, "holds"));
	assert_non_null(strstr(rig_text(answer, "counter"), "a new client of a new node by token "));
}

static void only_the_administration_may_ask(void **state)
{
	static const char *const requests[] = {"policy.get", "policy.set", "policy.history", "policy.add",
		"policy.remove", "policy.rollback", "policy.test", "policy.explain", "policy.diff",
		"policy.prove"};
	struct rig *r = *state;
	struct machine *m = rig_machine(r, 0);

	machine_join(m, "a");
	for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
		machine_forget(m);
		machine_say(
			m, json_pack("{s:s, s:i, s:s}", "t", requests[i], "id", 5, "text", "rules: []\n"));
		assert_false(rig_is(machine_await(m, "reply"), "ok"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_mesh_without_a_policy_says_so, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(
			a_policy_is_kept_in_versions_and_comes_back_after_a_restart, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(
			a_policy_that_is_none_leaves_the_old_one_in_force, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(
			one_that_no_node_could_hold_is_refused, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(
			links_are_told_at_once_and_those_that_come_once, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(
			who_goes_by_the_policy_in_force_is_counted, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(
			who_holds_one_where_there_is_none_is_told_so, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(
			one_that_cannot_be_read_can_be_replaced, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(
			one_that_was_accepted_once_stays_readable, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(
			names_are_bound_and_a_removed_node_is_warned_of, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(
			a_name_that_another_took_does_not_give_it_rights_by_an_edit, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(an_edit_is_judged_by_what_it_adds, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(an_edit_keeps_the_tests, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(
			questions_are_answered_by_the_engine, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(
			a_proof_counts_the_clients_that_gateways_may_make, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(only_the_administration_may_ask, rig_setup, rig_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
