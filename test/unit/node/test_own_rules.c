/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Rules of a node's own, and of its configuration. */
#include "unit/node/rules_rig.h"

static void rename_member(struct rig *r, const char *name, uint32_t host, const char *to, uint64_t version)
{
	put_member(r, name, to, host, NULL, version);
}

static void configure(struct rig *r, const char *who)
{
	struct policy_local *rule = &r->n.config.rules[0];

	*rule = (struct policy_local){
		.id = "local-config-1", .action = POLICY_REJECT, .services = "tcp/80", .line = 7};
	snprintf(rule->who, sizeof(rule->who), "%s", who);
	r->n.config.n_rules = who[0] != 0;
	node_rules_configured(&r->n);
}

static void rules_of_its_own_hold_for_their_time(void **state)
{
	struct policy_local own = {.action = POLICY_DENY, .who = "any", .services = "tcp/80"};
	struct rig *r = *state;
	struct diag d = {0};

	member(r, "self", 1, NULL, 1);
	member(r, "a", 2, NULL, 2);
	policy(r, 1, WEB);
	assert_int_equal(node_rules_add(&r->n, &own, 3600 * SEC, &d), TM_OK);
	assert_int_equal(node_rules_add(&r->n, &own, 20 * MS, &d), TM_OK);
	const struct rules_at at = {.class = rules_class_of(r->rules, 2), .proto = RULES_TCP};
	assert_int_equal(rules_find(r->rules, &at, 80).verdict, VERDICT_DROP);
	for (unsigned i = 0; i < 5 && r->n.rules.n_own > 1; i++)
		run(r); /* what wakes the loop just before counts as well */
	assert_int_equal(r->n.rules.n_own, 1);
	assert_string_equal(r->n.rules.own[0].rule.id, "local-1");
	assert_int_equal(node_rules_remove(&r->n, "local-2", &d), TM_ENOENT);
	assert_int_equal(node_rules_remove(&r->n, "local-1", &d), TM_OK);
	const struct rules_at now = {.class = rules_class_of(r->rules, 2), .proto = RULES_TCP};
	assert_int_equal(rules_find(r->rules, &now, 80).verdict, VERDICT_PASS);
	for (unsigned i = 0; i < OWN_RULES_MAX; i++)
		assert_int_equal(node_rules_add(&r->n, &own, SEC, &d), TM_OK);
	assert_int_equal(node_rules_add(&r->n, &own, SEC, &d), TM_EFULL);
}

static void rules_of_the_configuration_hold_until_it_has_none(void **state)
{
	struct policy_local own = {.action = POLICY_DENY, .who = "any", .services = "tcp/81"};
	struct rig *r = *state;
	struct diag d = {0};

	member(r, "self", 1, NULL, 1);
	member(r, "a", 2, NULL, 2);
	policy(r, 1, OPEN);
	configure(r, "any");
	assert_int_equal(judge(r, 2, 80), VERDICT_REJECT);
	assert_int_equal(judge(r, 2, 81), VERDICT_PASS);
	assert_int_equal(node_rules_add(&r->n, &own, 3600 * SEC, &d), TM_OK);
	policy(r, 2, OPEN);
	assert_int_equal(judge(r, 2, 80), VERDICT_REJECT);
	assert_int_equal(judge(r, 2, 81), VERDICT_DROP);
	assert_int_equal(node_rules_remove(&r->n, "local-config-1", &d), TM_EPERM);
	assert_string_equal(d.what, "local-config-1 stands in the configuration, line 7");
	configure(r, "");
	assert_int_equal(judge(r, 2, 80), VERDICT_PASS);
	assert_int_equal(judge(r, 2, 81), VERDICT_DROP);
	assert_int_equal(node_rules_remove(&r->n, "local-1", &d), TM_OK);
	assert_null(r->rules);
}

/* Nobody has the name at first: who comes with it may do nothing before that is known. */
static void names_in_the_configuration_mean_who_has_them(void **state)
{
	struct rig *r = *state;

	member(r, "self", 1, NULL, 1);
	member(r, "a", 2, NULL, 2);
	configure(r, "b,a"); /* where the mesh has no policy, too */
	assert_string_equal(r->n.rules.configured[0].absent, "b");
	assert_int_equal(judge(r, 2, 80), VERDICT_REJECT);
	member(r, "b", 3, NULL, 3);
	assert_int_equal(rules_class_of(r->rules, 3), RULES_NO_CLASS);
	run(r);
	assert_int_equal(judge(r, 3, 80), VERDICT_REJECT);
	assert_int_equal(judge(r, 3, 81), VERDICT_PASS);
	assert_string_equal(r->n.rules.configured[0].absent, "");
	rename_member(r, "b", 3, "c", 4);
	run(r);
	assert_int_equal(judge(r, 3, 80), VERDICT_PASS);
	assert_int_equal(judge(r, 2, 80), VERDICT_REJECT);
	/* Whatever else they are found by. */
	node_rules_mesh(&r->n, &(struct mesh_diff){.v = &(struct mesh_change){.what = 1u << 31}, .n = 1});
	run_until_set(r, r->n_set + 1);
}

/* What is made anew for a name must be made of the new rules. */
static void a_rule_that_comes_with_a_rename_is_not_lost(void **state)
{
	struct policy_local own = {.action = POLICY_DENY, .who = "any", .services = "tcp/81"};
	struct rig *r = *state;
	struct diag d = {0};

	member(r, "self", 1, NULL, 1);
	member(r, "a", 2, NULL, 2);
	policy(r, 1, OPEN);
	configure(r, "b");
	rename_member(r, "a", 2, "b", 3);
	assert_int_equal(node_rules_add(&r->n, &own, 3600 * SEC, &d), TM_OK);
	assert_int_equal(judge(r, 2, 80), VERDICT_REJECT);
	assert_int_equal(judge(r, 2, 81), VERDICT_DROP);
}

#define GRANT "{local_allow: ['tag:lab'], rules: [{allow: tcp/80, from: any, to: any}]}"

static void what_it_allows_by_a_grant_goes_with_the_grant(void **state)
{
	struct policy_local own = {.action = POLICY_ALLOW, .who = "any", .services = "tcp/81"};
	struct rig *r = *state;
	struct diag d = {0};

	member(r, "self", 1, "lab", 1);
	member(r, "a", 2, NULL, 2);
	assert_int_equal(node_rules_add(&r->n, &own, 3600 * SEC, &d), TM_EPERM);
	assert_string_equal(d.what, "the mesh has no policy: everything is allowed already");
	policy(r, 1, WEB);
	assert_int_equal(node_rules_add(&r->n, &own, 3600 * SEC, &d), TM_EPERM);
	assert_non_null(strstr(d.what, "does not let this node allow anything"));
	policy(r, 2, GRANT);
	assert_int_equal(node_rules_add(&r->n, &own, 3600 * SEC, &d), TM_OK);
	assert_int_equal(judge(r, 2, 81), VERDICT_PASS);
	assert_int_equal(judge(r, 2, 82), VERDICT_DROP);
	assert_true(node_rules_in_force(&r->n, &own));
	policy(r, 3, WEB); /* at once */
	assert_int_equal(judge(r, 2, 81), VERDICT_DROP);
	assert_int_equal(judge(r, 2, 80), VERDICT_PASS);
	assert_true(!node_rules_in_force(&r->n, &own) && r->n.rules.in_vain);
	policy(r, 4, GRANT);
	assert_int_equal(judge(r, 2, 81), VERDICT_PASS);
	assert_false(r->n.rules.in_vain);
	member(r, "self", 1, NULL, 3); /* its tag is gone */
	run(r);
	assert_int_equal(judge(r, 2, 81), VERDICT_DROP);
}

/* Rules that can be made are no reason to let all pass that an unknown policy may deny. */
static void one_that_there_was_no_memory_for_is_not_got_round_by_rules_of_its_own(void **state)
{
	struct policy_local own = {.action = POLICY_DENY, .who = "any", .services = "tcp/81"};
	struct rig *r = *state;
	struct diag d = {0};

	member(r, "self", 1, NULL, 1);
	member(r, "a", 2, NULL, 2);
	r->taking = TM_ENOMEM;
	policy(r, 1, WEB);
	assert_int_equal(rules_class_of(r->rules, 2), RULES_NO_CLASS);
	assert_int_equal(node_rules_add(&r->n, &own, 3600 * SEC, &d), TM_OK);
	assert_int_equal(rules_class_of(r->rules, 2), RULES_NO_CLASS);
}

/* At the start: they are read before there is anybody to tell. */
static void rules_of_the_configuration_hold_before_there_is_an_agent(void **state)
{
	struct rig *r = *state;

	r->n.agent = NULL;
	configure(r, "any");
	assert_non_null(r->rules);
	r->making = TM_EFULL; /* nor anybody to tell that nothing passes */
	r->n.rules.on = false;
	configure(r, "any");
	assert_true(r->n.rules.closed);
}

/* Nobody knows whether all passes: there was no memory to deny it, nor to keep what is to be tried again. */
static void one_that_there_is_no_trace_of_is_not_got_round_either(void **state)
{
	struct policy_local own = {.action = POLICY_DENY, .who = "any", .services = "tcp/81"};
	struct rig *r = *state;
	struct diag d = {0};

	member(r, "self", 1, NULL, 1);
	member(r, "a", 2, NULL, 2);
	r->taking = r->copying = r->err = TM_ENOMEM;
	policy(r, 1, WEB);
	assert_null(r->rules);
	r->err = TM_OK;
	run_until_set(r, 2); /* a second later */
	assert_int_equal(rules_class_of(r->rules, 2), RULES_NO_CLASS);
	r->taking = r->copying = TM_OK;
	assert_int_equal(node_rules_add(&r->n, &own, 3600 * SEC, &d), TM_OK);
	assert_int_equal(rules_class_of(r->rules, 2), RULES_NO_CLASS);
	policy(r, 1, WEB);
	assert_int_equal(judge(r, 2, 80), VERDICT_PASS);
	assert_int_equal(judge(r, 2, 81), VERDICT_DROP);
}

static void one_that_the_node_cannot_hold_is_refused_and_forgotten(void **state)
{
	struct policy_local own = {.action = POLICY_DENY, .who = "any", .services = "tcp/80"};
	struct rig *r = *state;
	struct diag d = {0};

	member(r, "self", 1, NULL, 1);
	member(r, "a", 2, NULL, 2);
	policy(r, 1, WEB);
	r->making = TM_EFULL;
	assert_int_equal(node_rules_add(&r->n, &own, 3600 * SEC, &d), TM_EFULL);
	assert_non_null(strstr(d.what, "more different rights than this node can hold"));
	assert_int_equal(r->n.rules.n_own, 0);
	r->making = TM_OK;
	assert_int_equal(node_rules_add(&r->n, &own, 3600 * SEC, &d), TM_OK);
	assert_string_equal(r->n.rules.own[0].rule.id, "local-1");
	assert_int_equal(judge(r, 2, 80), VERDICT_DROP);
}

/* What has become too large goes by rules of before, or lets nothing pass. */
static void one_is_not_said_to_be_in_force_while_there_is_too_much(void **state)
{
	struct policy_local own = {.action = POLICY_DENY, .who = "any", .services = "tcp/80"};
	struct rig *r = *state;
	struct rules_view v;

	member(r, "self", 1, NULL, 1);
	policy(r, 1, OPEN);
	configure(r, "any");
	assert_true(node_rules_in_force(&r->n, &own));
	r->making = TM_EFULL;
	configure(r, "any");
	assert_true(!node_rules_in_force(&r->n, &own) && node_rules_granted(&r->n, &own));
	r->n.rules.on = false; /* as if nobody had been stopped so far */
	configure(r, "any");
	node_rules_view(&r->n, &v);
	assert_non_null(strstr(v.trouble, "this node can hold: nothing passes"));
	r->making = TM_OK;
	configure(r, "any");
	assert_true(node_rules_in_force(&r->n, &own));
}

/* Fewer of them may be what it takes. */
static void a_policy_that_is_too_large_is_tried_again_when_they_change(void **state)
{
	struct policy_local own = {.action = POLICY_DENY, .who = "any", .services = "tcp/82"};
	struct rig *r = *state;
	struct diag d = {0};

	member(r, "self", 1, NULL, 1);
	member(r, "a", 2, NULL, 2);
	policy(r, 1, WEB);
	assert_int_equal(node_rules_add(&r->n, &own, 3600 * SEC, &d), TM_OK);
	r->making = TM_EFULL;
	policy(r, 2, "rules: [{allow: tcp/81, from: any, to: any}]");
	r->making = TM_OK;
	r->n.rules.rest_until = 0;
	assert_int_equal(node_rules_remove(&r->n, "local-1", &d), TM_OK);
	assert_int_equal(judge(r, 2, 81), VERDICT_DROP);
	for (unsigned i = 0; i < 5 && peers_policy(r->n.peers)->version != 2; i++)
		run(r);
	assert_int_equal(judge(r, 2, 81), VERDICT_PASS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			rules_of_its_own_hold_for_their_time, rules_setup, rules_teardown),
		cmocka_unit_test_setup_teardown(
			rules_of_the_configuration_hold_until_it_has_none, rules_setup, rules_teardown),
		cmocka_unit_test_setup_teardown(
			names_in_the_configuration_mean_who_has_them, rules_setup, rules_teardown),
		cmocka_unit_test_setup_teardown(
			a_rule_that_comes_with_a_rename_is_not_lost, rules_setup, rules_teardown),
		cmocka_unit_test_setup_teardown(
			what_it_allows_by_a_grant_goes_with_the_grant, rules_setup, rules_teardown),
		cmocka_unit_test_setup_teardown(
			one_that_there_was_no_memory_for_is_not_got_round_by_rules_of_its_own, rules_setup,
			rules_teardown),
		cmocka_unit_test_setup_teardown(rules_of_the_configuration_hold_before_there_is_an_agent,
			rules_setup, rules_teardown),
		cmocka_unit_test_setup_teardown(
			one_that_there_is_no_trace_of_is_not_got_round_either, rules_setup, rules_teardown),
		cmocka_unit_test_setup_teardown(
			one_that_the_node_cannot_hold_is_refused_and_forgotten, rules_setup, rules_teardown),
		cmocka_unit_test_setup_teardown(
			one_is_not_said_to_be_in_force_while_there_is_too_much, rules_setup, rules_teardown),
		cmocka_unit_test_setup_teardown(a_policy_that_is_too_large_is_tried_again_when_they_change,
			rules_setup, rules_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
