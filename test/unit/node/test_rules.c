/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* When the plane gets rules, and which. */
#include "unit/node/rules_rig.h"

#include "control/policy/counts.h"

#include <event2/event.h>

static void a_policy_holds_at_once_and_members_follow(void **state)
{
	struct rig *r = *state;

	member(r, "self", 1, NULL, 1);
	member(r, "a", 2, NULL, 2);
	assert_int_equal(r->n_set, 0); /* without a policy nobody asks */
	policy(r, 1, WEB);
	assert_int_equal(r->n_set, 1);
	assert_int_not_equal(rules_class_of(r->rules, 2), RULES_NO_CLASS);
	member(r, "b", 3, NULL, 3);
	assert_int_equal(rules_class_of(r->rules, 3), RULES_NO_CLASS); /* and so may do nothing yet */
	run(r);
	assert_int_equal(r->n_set, 2);
	assert_int_not_equal(rules_class_of(r->rules, 3), RULES_NO_CLASS);
	member(r, "b", 3, "x", 4);
	run(r);
	assert_int_equal(r->n_set, 3);
}

/* Also when others have taken their place. */
static void what_the_planes_rules_decide_is_counted_here(void **state)
{
	struct rig *r = *state;
	struct counted told[2];

	member(r, "self", 1, NULL, 1);
	policy(r, 1, "rules: [{id: web, allow: tcp/80, from: any, to: any}]");
	rules_hit(r->rules, 0, 1);
	member(r, "a", 2, NULL, 2);
	run_until_set(r, 2);
	rules_hit(r->rules, 0, 1);
	policy(r, 2, OPEN);
	assert_null(r->rules);
	assert_int_equal(counts_tell(r->n.rules.counts, told, ARRAY_LEN(told)), 1);
	assert_string_equal(told[0].id, "web");
	assert_int_equal(told[0].n, 2);
}

static void one_that_stops_nothing_costs_nothing(void **state)
{
	struct rig *r = *state;

	member(r, "self", 1, NULL, 1);
	member(r, "a", 2, NULL, 2);
	policy(r, 1, OPEN);
	assert_int_equal(r->n_set, 0);
	policy(r, 2, WEB);
	policy(r, 3, OPEN);
	assert_int_equal(r->n_set, 2);
	assert_null(r->rules);
	policy(r, 4, WEB);
	policy(r, 0, NULL); /* no member any more */
	assert_int_equal(r->n_set, 4);
	assert_null(r->rules);
}

/* What all who are there may do, the next one may not: nothing passes meanwhile that has not been judged. */
static void who_comes_is_filtered_where_all_before_may_do_everything(void **state)
{
	struct rig *r = *state;

	member(r, "self", 1, NULL, 1);
	policy(r, 1, "");
	assert_non_null(r->rules); /* nobody is there, and who comes may do nothing */
	policy(r, 2, "rules: [{allow: any, from: any, to: any}, {deny: any, from: 'tag:guest', to: any}]");
	assert_non_null(r->rules);
	member(r, "a", 2, NULL, 2);
	member(r, "b", 3, "guest", 3);
	assert_int_equal(rules_class_of(r->rules, 3), RULES_NO_CLASS);
	run(r);
	const struct rules_at at = {.class = rules_class_of(r->rules, 3), .proto = RULES_TCP};
	assert_int_equal(rules_find(r->rules, &at, 80).verdict, VERDICT_DROP);
}

/* Until something comes behind one of them: at once, for it is reached in the same turn. */
static void one_about_members_costs_nothing_while_there_is_nothing_else(void **state)
{
	struct node_rec rec = {.host = 3, .name = "router", .routes = {.n = 1}};
	struct netmap map = {.version = 3, .base = 2, .nodes = &rec, .n_nodes = 1};
	const struct policy_kept k = {.version = 1,
		.text = (char *)(uintptr_t) "rules: [{allow: any, from: members, to: members}]",
		.nodes = (char *)(uintptr_t) "members *\n"};
	struct rig *r = *state;
	struct mesh_diff d;
	struct ip ip;

	member(r, "self", 1, NULL, 1);
	member(r, "a", 2, NULL, 2);
	assert_int_equal(node_rules_policy(&r->n, &k), TM_OK);
	assert_int_equal(r->n_set, 0);
	rig_id("router", rec.id);
	memset(rec.key, 3, sizeof(rec.key));
	rec.routes.v[0].approved = true;
	assert_int_equal(prefix_parse("10.1.0.0/16", &rec.routes.v[0].prefix), TM_OK);
	assert_int_equal(peers_update(r->n.peers, &map, &d), TM_OK);
	node_rules_mesh(&r->n, &d);
	mesh_diff_deinit(&d);
	assert_int_equal(r->n_set, 1);
	assert_int_equal(ip_parse("10.1.2.3", &ip), TM_OK);
	const struct rules_at router = {.class = rules_class_of(r->rules, 3), .dir = RULES_OUT},
			      behind = {.class = rules_class_behind(r->rules, 3, &ip), .dir = RULES_OUT};
	assert_int_equal(rules_find(r->rules, &router, 80).verdict, VERDICT_PASS);
	assert_int_equal(rules_find(r->rules, &behind, 80).verdict, VERDICT_DROP);
}

static void one_that_cannot_be_read_leaves_the_old_one_and_without_one_denies(void **state)
{
	struct rig *r = *state;

	member(r, "self", 1, NULL, 1);
	member(r, "a", 2, NULL, 2);
	policy(r, 1, "rules: [{permit: all}]");
	assert_int_not_equal(r->told, TM_OK);
	assert_int_equal(r->n_set, 1);
	const struct rules_at at = {.class = rules_class_of(r->rules, 2), .proto = RULES_TCP};
	assert_int_equal(rules_find(r->rules, &at, 80).verdict, VERDICT_DROP);
	policy(r, 2, WEB);
	assert_int_equal(r->told, TM_OK);
	policy(r, 3, "rules: [{permit: all}]");
	assert_int_not_equal(r->told, TM_OK);
	const struct rules_at now = {.class = rules_class_of(r->rules, 2), .proto = RULES_TCP};
	assert_int_equal(rules_find(r->rules, &now, 80).verdict, VERDICT_PASS);
	assert_int_equal(rules_find(r->rules, &now, 81).verdict, VERDICT_DROP);
}

static void one_that_is_lost_lets_nothing_pass_until_it_is_told(void **state)
{
	const struct policy_kept lost = {.lost = true};
	struct rig *r = *state;

	member(r, "self", 1, NULL, 1);
	member(r, "a", 2, NULL, 2);
	assert_int_equal(node_rules_policy(&r->n, &lost), TM_OK);
	const struct rules_at at = {.class = rules_class_of(r->rules, 2), .proto = RULES_TCP};
	assert_int_equal(rules_find(r->rules, &at, 80).verdict, VERDICT_DROP);
	policy(r, 1, OPEN);
	assert_null(r->rules);
}

static void what_fails_is_tried_again(void **state)
{
	struct rig *r = *state;

	member(r, "self", 1, NULL, 1);
	member(r, "a", 2, NULL, 2);
	r->err = TM_ENOMEM;
	policy(r, 1, WEB);
	assert_int_equal(r->n_set, 3); /* that nothing passes was not taken either */
	r->err = TM_OK;
	run_until_set(r, 4); /* a second later */
	const struct rules_at at = {.class = rules_class_of(r->rules, 2), .proto = RULES_TCP};
	assert_int_equal(rules_find(r->rules, &at, 80).verdict, VERDICT_PASS);
	assert_string_equal(peers_policy(r->n.peers)->text, WEB);
}

/* Too large for the filter, say: what was not in force yet must not pass because of that. */
static void one_that_no_rules_can_be_made_of_leaves_the_old_ones_and_without_any_denies(void **state)
{
	struct rig *r = *state;

	member(r, "self", 1, NULL, 1);
	member(r, "a", 2, NULL, 2);
	r->making = TM_EFULL;
	policy(r, 1, WEB);
	assert_int_equal(r->told, TM_EFULL);
	assert_non_null(r->rules);
	const struct rules_at at = {.class = rules_class_of(r->rules, 2), .proto = RULES_TCP};
	assert_int_equal(rules_find(r->rules, &at, 80).verdict, VERDICT_DROP);
	r->making = TM_OK;
	policy(r, 2, WEB);
	const struct rules_at now = {.class = rules_class_of(r->rules, 2), .proto = RULES_TCP};
	assert_int_equal(rules_find(r->rules, &now, 80).verdict, VERDICT_PASS);
	r->making = TM_EFULL;
	policy(r, 3, "");
	assert_int_equal(r->told, TM_EFULL);
	assert_int_equal(rules_find(r->rules, &now, 80).verdict, VERDICT_PASS);
}

/* At its full price, and in vain: as long as nobody comes or goes. */
static void one_that_is_too_large_is_tried_again_when_members_change(void **state)
{
	struct rig *r = *state;
	struct rules_view v;

	member(r, "self", 1, NULL, 1);
	member(r, "a", 2, NULL, 2);
	policy(r, 1, WEB);
	r->making = TM_EFULL;
	policy(r, 2, "rules: [{allow: tcp/81, from: any, to: any}]");
	const unsigned made = r->n_made;
	node_rules_view(&r->n, &v);
	assert_true(v.told == 2 && v.in_force == 1 && strstr(v.trouble, "than this node can hold"));
	event_base_loopexit(r->n.base, &(struct timeval){.tv_sec = 1, .tv_usec = 200000});
	event_base_dispatch(r->n.base);
	assert_int_equal(r->n_made, made);
	/* The old one goes on to follow the members, and the new one waits for its time. */
	r->making = TM_OK;
	member(r, "b", 3, NULL, 3);
	run_until_set(r, 2);
	const struct rules_at at = {.class = rules_class_of(r->rules, 3), .proto = RULES_TCP};
	assert_int_equal(rules_find(r->rules, &at, 80).verdict, VERDICT_PASS);
	assert_int_equal(rules_find(r->rules, &at, 81).verdict, VERDICT_DROP);
	r->n.rules.rest_until = 0;
	member(r, "c", 4, NULL, 4);
	run_until_set(r, 3);
	const struct rules_at now = {.class = rules_class_of(r->rules, 4), .proto = RULES_TCP};
	assert_int_equal(rules_find(r->rules, &now, 81).verdict, VERDICT_PASS);
	node_rules_view(&r->n, &v);
	assert_true(v.told == 2 && v.in_force == 2 && !v.trouble[0]);
	assert_int_equal(peers_policy(r->n.peers)->version, 2); /* from now on it is the one that is kept */
}

/* The mesh has grown: what holds is said, and it is no policy that waits. */
static void one_that_members_have_made_too_large_holds_as_it_was(void **state)
{
	struct policy_kept told = {.version = 1, .text = strdup(WEB), .nodes = strdup("")};
	struct rig *r = *state;
	struct rules_view v;

	member(r, "self", 1, NULL, 1);
	member(r, "a", 2, NULL, 2);
	assert_int_equal(peers_set_policy(r->n.peers, &told), TM_OK);
	assert_int_equal(node_rules_policy(&r->n, &told), TM_OK);
	r->making = TM_EFULL;
	member(r, "b", 3, NULL, 3);
	while (r->n_made < 2)
		run(r);
	node_rules_view(&r->n, &v);
	assert_true(v.told == 1 && v.in_force == 1 && strstr(v.trouble, "before the last changes"));
	const struct rules_at at = {.class = rules_class_of(r->rules, 2), .proto = RULES_TCP};
	assert_int_equal(rules_find(r->rules, &at, 80).verdict, VERDICT_PASS);
	assert_int_equal(rules_class_of(r->rules, 3), RULES_NO_CLASS);
	assert_true(r->n.rules.not_before > time_monotonic() + SEC);
	policy_kept_deinit(&told);
}

/* There was memory for the text alone. */
static void one_that_there_was_no_memory_for_is_taken_again(void **state)
{
	struct rig *r = *state;

	member(r, "self", 1, NULL, 1);
	member(r, "a", 2, NULL, 2);
	r->taking = TM_ENOMEM;
	policy(r, 1, WEB);
	assert_int_equal(r->told, TM_ENOMEM);
	assert_int_equal(rules_class_of(r->rules, 2), RULES_NO_CLASS); /* nothing passes */
	r->taking = TM_OK;
	run_until_set(r, 2);
	const struct rules_at at = {.class = rules_class_of(r->rules, 2), .proto = RULES_TCP};
	assert_int_equal(rules_find(r->rules, &at, 80).verdict, VERDICT_PASS);
	assert_int_equal(peers_policy(r->n.peers)->version, 1);
}

/* However long it takes to make them. */
static void who_loses_a_tag_keeps_its_rights_for_a_quarter_of_a_second_at_most(void **state)
{
	struct rig *r = *state;

	member(r, "self", 1, NULL, 1);
	member(r, "a", 2, "x", 2);
	r->takes_us = 40000;
	policy(r, 1, WEB);
	assert_true(r->n.rules.not_before <= time_monotonic() + 250 * MS);
	assert_true(r->n.rules.not_before > time_monotonic() - 40 * SEC);
}

static void what_is_in_force_is_shown_and_told(void **state)
{
	struct policy_kept told = {.version = 7, .text = strdup(WEB), .nodes = strdup("")};
	struct rig *r = *state;
	struct rules_view v;

	member(r, "self", 1, NULL, 1);
	node_rules_view(&r->n, &v);
	assert_true(v.told == 0 && v.in_force == 0 && !v.trouble[0]);
	assert_int_equal(r->held, v.in_force);
	r->making = TM_EFULL;
	policy(r, 7, WEB);
	node_rules_view(&r->n, &v);
	assert_true(v.told == 7 && v.in_force == 0 && strstr(v.trouble, "nothing passes"));
	assert_int_equal(r->held, v.in_force);
	r->making = TM_OK;
	assert_int_equal(node_rules_policy(&r->n, &told), TM_OK);
	assert_int_equal(peers_set_policy(r->n.peers, &told), TM_OK);
	node_rules_view(&r->n, &v);
	assert_true(v.told == 7 && v.in_force == 7 && !v.trouble[0]);
	assert_int_equal(r->held, v.in_force);
	policy(r, 8, "rules: [{permit: all}]");
	node_rules_view(&r->n, &v);
	assert_true(v.told == 8 && v.in_force == 7 && strstr(v.trouble, "version 7 still holds"));
	assert_int_equal(r->held, v.in_force);
	policy_kept_deinit(&told);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_policy_holds_at_once_and_members_follow, rules_setup, rules_teardown),
		cmocka_unit_test_setup_teardown(
			what_the_planes_rules_decide_is_counted_here, rules_setup, rules_teardown),
		cmocka_unit_test_setup_teardown(
			one_that_stops_nothing_costs_nothing, rules_setup, rules_teardown),
		cmocka_unit_test_setup_teardown(who_comes_is_filtered_where_all_before_may_do_everything,
			rules_setup, rules_teardown),
		cmocka_unit_test_setup_teardown(one_about_members_costs_nothing_while_there_is_nothing_else,
			rules_setup, rules_teardown),
		cmocka_unit_test_setup_teardown(
			one_that_cannot_be_read_leaves_the_old_one_and_without_one_denies, rules_setup,
			rules_teardown),
		cmocka_unit_test_setup_teardown(
			one_that_is_lost_lets_nothing_pass_until_it_is_told, rules_setup, rules_teardown),
		cmocka_unit_test_setup_teardown(what_fails_is_tried_again, rules_setup, rules_teardown),
		cmocka_unit_test_setup_teardown(
			one_that_no_rules_can_be_made_of_leaves_the_old_ones_and_without_any_denies,
			rules_setup, rules_teardown),
		cmocka_unit_test_setup_teardown(one_that_is_too_large_is_tried_again_when_members_change,
			rules_setup, rules_teardown),
		cmocka_unit_test_setup_teardown(
			one_that_members_have_made_too_large_holds_as_it_was, rules_setup, rules_teardown),
		cmocka_unit_test_setup_teardown(
			one_that_there_was_no_memory_for_is_taken_again, rules_setup, rules_teardown),
		cmocka_unit_test_setup_teardown(
			who_loses_a_tag_keeps_its_rights_for_a_quarter_of_a_second_at_most, rules_setup,
			rules_teardown),
		cmocka_unit_test_setup_teardown(
			what_is_in_force_is_shown_and_told, rules_setup, rules_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
