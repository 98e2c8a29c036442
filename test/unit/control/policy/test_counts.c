/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* How often rules decided, while documents and sets of rules come and go. */
#include "control/policy/counts.h"
#include "data/filter/hits.h"
#include "fake/alloc.h"
#include "policy/local.h"
#include "unit/policy/rig.h"
#include "unit/unit.h"

enum { PARTS = 2, MOST = 8 };

#define WEB "{id: web, allow: tcp/80, from: any, to: any}"
#define SSH "{id: ssh, allow: tcp/22, from: any, to: any}"
#define NO_SSH "{id: ssh, deny: tcp/22, from: any, to: any}"
#define RULES(list) "rules: [" list "]\n"

static struct counts *counts;

static int setup(void **state UNUSED)
{
	return counts_new(PARTS, &counts);
}

static int teardown(void **state UNUSED)
{
	counts_free(counts);
	return 0;
}

/* Of rules that a filter has until it drops them. */
static struct hits *rules_of(const char *text)
{
	struct policy_doc *doc = rig_doc(NULL, text);
	struct hits *h = NULL;

	assert_int_equal(counts_begin(counts, doc, &h), TM_OK);
	policy_doc_free(doc);
	return h;
}

static void decide(struct hits *h, uint32_t rule, unsigned times)
{
	for (unsigned i = 0; i < times; i++)
		hits_add(h, i % PARTS, rule);
}

/* What is told now, as "web allow 3, - deny 1". */
static void expect_told(const char *want)
{
	struct counted v[MOST];
	const size_t n = counts_tell(counts, v, MOST);
	char said[256] = "";

	for (size_t i = 0; i < n; i++)
		snprintf(said + strlen(said), sizeof(said) - strlen(said), "%s%s %s %llu", i ? ", " : "",
			v[i].id[0] ? v[i].id : "-", policy_action_name(v[i].action),
			(unsigned long long)v[i].n);
	assert_string_equal(said, want);
}

static void expect_total(uint64_t allowed, uint64_t denied, uint64_t rejected)
{
	uint64_t total[COUNTS_ACTIONS];

	counts_total(counts, total);
	assert_int_equal(total[POLICY_ALLOW], allowed);
	assert_int_equal(total[POLICY_DENY], denied);
	assert_int_equal(total[POLICY_REJECT], rejected);
}

static void rules_are_told_once_by_their_ids(void **state UNUSED)
{
	struct hits *h = rules_of(RULES(WEB ", {reject: udp, from: any, to: any}, " SSH));

	expect_told("");
	decide(h, 1, 3);
	decide(h, 4, 2); /* behind those of the document */
	decide(h, 0, 1);
	expect_told("- deny 1, web allow 3, builtin:ping allow 2");
	expect_told("");
	decide(h, 1, 1);
	expect_told("web allow 1");
	decide(h, 2, 5);
	expect_total(6, 1, 5);
	hits_drop(h);
}

static void what_found_no_room_is_told_next(void **state UNUSED)
{
	struct hits *h = rules_of(RULES(WEB ", " SSH));
	struct counted v[2];

	for (uint32_t rule = 0; rule < 4; rule++)
		decide(h, rule, 1);
	assert_int_equal(counts_tell(counts, v, 2), 2);
	assert_string_equal(v[0].id, "");
	assert_string_equal(v[1].id, "web");
	decide(h, 0, 1);
	decide(h, 1, 1);
	assert_int_equal(counts_tell(counts, v, 2), 2);
	assert_string_equal(v[0].id, "ssh");
	assert_string_equal(v[1].id, "builtin:ping");
	expect_told("- deny 1, web allow 1");
	hits_drop(h);
}

/* Wherever it stands in the document. */
static void a_rule_goes_on_counting_in_the_next_version(void **state UNUSED)
{
	struct hits *first = rules_of(RULES(WEB ", " SSH));

	decide(first, 2, 3);
	struct hits *second = rules_of(RULES(SSH ", " WEB));
	decide(second, 1, 2);
	/* Somebody still goes by the first. */
	decide(first, 2, 1);
	hits_drop(first);
	expect_told("ssh allow 6");
	expect_total(6, 0, 0);
	hits_drop(second);
}

static void what_was_counted_last_is_not_lost(void **state UNUSED)
{
	struct hits *first = rules_of(RULES(SSH)), *second = rules_of(RULES(SSH));

	expect_told("");
	decide(first, 1, 1);
	hits_drop(first);
	expect_told("ssh allow 1");
	/* Without any rules, as where everybody may do everything now. */
	decide(second, 1, 1);
	hits_drop(second);
	expect_told("ssh allow 1");
	expect_told("");
	expect_total(2, 0, 0);
}

static void with_another_action_it_is_another_rule(void **state UNUSED)
{
	struct hits *first = rules_of(RULES(SSH)), *second;

	decide(first, 1, 4);
	second = rules_of(RULES(NO_SSH));
	decide(second, 1, 1);
	expect_told("ssh allow 4, ssh deny 1");
	hits_drop(first);
	hits_drop(second);
}

static void one_that_goes_is_forgotten_but_for_the_sum(void **state UNUSED)
{
	struct hits *h = rules_of(RULES(SSH));

	decide(h, 1, 4);
	hits_drop(h);
	h = rules_of(RULES(WEB));
	expect_told("");
	expect_total(4, 0, 0);
	hits_drop(h);
	/* And comes back as a new one. */
	h = rules_of(RULES(SSH));
	decide(h, 1, 1);
	expect_told("ssh allow 1");
	expect_total(5, 0, 0);
	hits_drop(h);
}

/* Its id means another one elsewhere. */
static void a_nodes_own_rules_count_and_are_nobodys_to_know(void **state UNUSED)
{
	const struct policy_local own = {
		.id = "local-1", .action = POLICY_REJECT, .who = "tag:x", .services = "tcp"};
	struct policy_doc *doc = rig_doc(NULL, RULES("{id: no, reject: udp, from: any, to: any}"));
	struct hits *h = NULL;

	assert_int_equal(policy_local_add(doc, "0123456789abcdef", &own), TM_OK);
	assert_int_equal(counts_begin(counts, doc, &h), TM_OK);
	policy_doc_free(doc);
	decide(h, 1, 1);
	decide(h, 3, 7);
	expect_told("no reject 1");
	expect_total(0, 0, 8);
	hits_drop(h);
}

static void without_memory_nothing_is_lost(void **state UNUSED)
{
	struct policy_doc *doc = rig_doc(NULL, RULES(WEB ", " SSH));
	struct hits *before = rules_of(RULES(SSH)), *h = NULL;
	unsigned n = 0;
	int err;

	decide(before, 1, 2);
	do {
		fake_alloc_fail(++n);
		err = counts_begin(counts, doc, &h);
		fake_alloc_fail(0);
		if (err)
			assert_int_equal(err, TM_ENOMEM);
	} while (err);
	assert_true(n > 3);
	decide(h, 2, 1);
	expect_told("ssh allow 3");
	policy_doc_free(doc);
	hits_drop(before);
	hits_drop(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(rules_are_told_once_by_their_ids),
		T(what_found_no_room_is_told_next),
		T(a_rule_goes_on_counting_in_the_next_version),
		T(what_was_counted_last_is_not_lost),
		T(with_another_action_it_is_another_rule),
		T(one_that_goes_is_forgotten_but_for_the_sum),
		T(a_nodes_own_rules_count_and_are_nobodys_to_know),
		T(without_memory_nothing_is_lost),
#undef T
	};

	return cmocka_run_group_tests_name("counts of rules", tests, NULL, NULL);
}
