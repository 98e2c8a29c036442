/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* How often rules decided, as nodes report and as who asks for the policy is told. */
#include "unit/unit.h"

#include "policy/document.h"
#include "unit/control/coord/policy_rig.h"

#define RULES(more) "rules:\n  - {id: web, allow: tcp/80, from: any, to: any}\n" more
#define SSH "  - {id: ssh, allow: tcp/22, from: any, to: any}\n"
#define NO_SSH "  - {id: ssh, deny: tcp/22, from: any, to: any}\n"

static const json_t *shown(struct rig *r)
{
	return rig_admin(r, rig_ask("policy.get", NULL, NULL));
}

static const json_t *rule_of(const json_t *policy, const char *id)
{
	const json_t *rule;
	size_t i;

	json_array_foreach (json_object_get(policy, "rules"), i, rule)
		if (strcmp(rig_text(rule, "id"), id) == 0)
			return rule;
	fail_msg("there is no rule %s", id);
	return NULL;
}

static json_int_t hits_of(struct rig *r, const char *id)
{
	const json_t *hits = json_object_get(rule_of(shown(r), id), "hits");

	assert_true(json_is_integer(hits));
	return json_integer_value(hits);
}

static json_int_t counted(struct rig *r, const char *field)
{
	return rig_number(json_object_get(shown(r), "counted"), field);
}

/* A report that this rule decided; NULL: none did. */
static void say(struct machine *m, const char *rule, const char *action, json_int_t hits)
{
	json_t *one = json_pack("{s:s, s:I}", "action", action, "hits", hits);

	if (rule)
		json_object_set_new(one, "rule", json_string(rule));
	machine_say(m, json_pack("{s:s, s:[o]}", "t", "report", "rules", one));
}

static struct machine *member(struct rig *r, unsigned i, const char *name)
{
	struct machine *m = rig_machine(r, i);

	machine_join(m, name);
	return m;
}

static void what_nodes_report_is_one_sum_for_each_rule(void **state)
{
	struct rig *r = *state;

	rig_must_set(r, RULES(SSH));
	struct machine *a = member(r, 0, "a"), *b = member(r, 1, "b");
	assert_int_equal(hits_of(r, "web"), 0);
	say(a, "web", "allow", 3);
	say(b, "web", "allow", 4);
	say(b, "builtin:ping", "allow", 1);
	say(b, NULL, "deny", 5);
	say(a, NULL, "deny", 6);
	assert_int_equal(hits_of(r, "web"), 7);
	assert_int_equal(hits_of(r, "ssh"), 0);
	assert_int_equal(hits_of(r, "builtin:ping"), 1);
	assert_int_equal(counted(r, "no_rule"), 11);
	assert_int_equal(counted(r, "since_at"), rig_unix_now);
}

/* Somebody goes by another version, or invents. */
static void what_is_no_rule_of_the_one_in_force_is_left_out(void **state)
{
	struct rig *r = *state;

	rig_must_set(r, RULES(SSH));
	struct machine *a = member(r, 0, "a");
	say(a, "nothing", "allow", 3);
	say(a, "ssh", "deny", 3);
	say(a, NULL, "allow", 3);
	assert_int_equal(hits_of(r, "web") + hits_of(r, "ssh") + hits_of(r, "builtin:ping"), 0);
	assert_int_equal(counted(r, "no_rule"), 0);
}

static void a_rule_goes_on_counting_as_long_as_it_is_the_same(void **state)
{
	struct rig *r = *state;

	rig_must_set(r, RULES(SSH));
	struct machine *a = member(r, 0, "a");
	const int64_t since = rig_unix_now;
	say(a, "web", "allow", 3);
	say(a, "ssh", "allow", 2);
	say(a, NULL, "deny", 1);
	rig_unix_now += 100;
	rig_must_set(r, RULES(NO_SSH));
	assert_int_equal(hits_of(r, "web"), 3);
	assert_int_equal(hits_of(r, "ssh"), 0); /* what it allowed is not what it denied */
	assert_int_equal(counted(r, "no_rule"), 1);
	assert_int_equal(counted(r, "since_at"), since);
	/* By a rule more or less, too; and one that is not there is forgotten. */
	say(a, "ssh", "deny", 5);
	rig_must(r, rig_ask("policy.remove", "id", "ssh"));
	assert_int_equal(hits_of(r, "web"), 3);
	rig_must_set(r, RULES(NO_SSH));
	assert_int_equal(hits_of(r, "ssh"), 0);
	rig_must(r, json_pack("{s:s, s:i}", "cmd", "policy.rollback", "version", 1));
	assert_int_equal(hits_of(r, "web"), 3);
}

/* After a restart it begins anew, with the rules that are in force. */
static void sums_are_the_programs(void **state)
{
	struct rig *r = *state;

	rig_must_set(r, RULES(SSH));
	say(member(r, 0, "a"), "web", "allow", 3);
	assert_int_equal(hits_of(r, "web"), 3);
	rig_unix_now += 100;
	rig_stop(r);
	rig_start(r);
	assert_int_equal(hits_of(r, "web"), 0);
	assert_int_equal(counted(r, "since_at"), rig_unix_now);
	say(member(r, 1, "b"), "web", "allow", 4);
	assert_int_equal(hits_of(r, "web"), 4);
}

static void nothing_is_shown_where_nothing_is_counted(void **state)
{
	struct rig *r = *state;

	rig_must_set(r, policy_text_open());
	const json_t *policy = shown(r);
	assert_true(json_is_null(json_object_get(policy, "counted")));
	assert_true(json_is_null(json_object_get(rule_of(policy, "builtin:ping"), "hits")));
	/* An earlier one decides nothing. */
	rig_must_set(r, RULES(SSH));
	policy = rig_admin(r, json_pack("{s:s, s:i}", "cmd", "policy.get", "version", 1));
	assert_true(json_is_null(json_object_get(policy, "counted")));
	assert_true(json_is_null(json_object_get(rule_of(policy, "builtin:ping"), "hits")));
}

static void a_lie_makes_no_number_that_is_none(void **state)
{
	struct rig *r = *state;

	rig_must_set(r, RULES(SSH));
	struct machine *a = member(r, 0, "a");
	for (int i = 0; i < 3; i++)
		say(a, "web", "allow", INT64_MAX);
	assert_int_equal(hits_of(r, "web"), INT64_MAX);
}

static void before_the_first_policy_nothing_is_kept(void **state)
{
	struct rig *r = *state;

	say(member(r, 0, "a"), "web", "allow", 3);
	rig_must_set(r, RULES(SSH));
	assert_int_equal(hits_of(r, "web"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
		T(what_nodes_report_is_one_sum_for_each_rule),
		T(what_is_no_rule_of_the_one_in_force_is_left_out),
		T(a_rule_goes_on_counting_as_long_as_it_is_the_same),
		T(sums_are_the_programs),
		T(nothing_is_shown_where_nothing_is_counted),
		T(a_lie_makes_no_number_that_is_none),
		T(before_the_first_policy_nothing_is_kept),
#undef T
	};

	return cmocka_run_group_tests_name("policy hits", tests, NULL, NULL);
}
