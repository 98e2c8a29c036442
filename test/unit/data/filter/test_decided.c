/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What counts as a decision of which rule: each connection once in a mesh of which both ends filter. Rules
 * are numbered as a test says them, from 1 on; 0 is the lack of one. */
#include "unit/data/filter/bed.h"

enum { S = TCP_SYN, A = TCP_ACK, NO_RULE = 0 };

static struct bed bed;

static int setup(void **state UNUSED)
{
	bed_start(&bed, 4096, 1);
	return 0;
}

static int teardown(void **state UNUSED)
{
	bed_stop(&bed);
	return 0;
}

/* Of rules 0, 1 and 2, since they are those of now. */
#define EXPECT_HITS(of_none, of_first, of_second)                                                            \
	do {                                                                                                 \
		const unsigned long long said_[] = {                                                         \
			hits_of(bed.hits, NO_RULE), hits_of(bed.hits, 1), hits_of(bed.hits, 2)};             \
		if (said_[0] != (of_none) || said_[1] != (of_first) || said_[2] != (of_second))              \
			fail_msg("line %d: no rule %llu, first %llu, second %llu", __LINE__, said_[0],       \
				said_[1], said_[2]);                                                         \
	} while (0)

static void a_connection_counts_once_for_the_rule_that_let_it_in(void **state UNUSED)
{
	BED_RULES(&bed, {RULES_IN, RULES_TCP, 22, 22, VERDICT_PASS},
		{RULES_IN, RULES_UDP, 53, 53, VERDICT_PASS});
	bed_connect(&bed, 2, 1);
	for (int i = 0; i < 10; i++) {
		EXPECT(&bed, FILTER_PASS, .from = 2, .to = 1, .sport = 40000, .dport = 22, .flags = A,
			.payload = 100);
		EXPECT(&bed, FILTER_PASS, .from = 1, .to = 2, .sport = 22, .dport = 40000, .flags = A);
	}
	EXPECT_HITS(0, 1, 0);
	for (int i = 0; i < 10; i++)
		EXPECT(&bed, FILTER_PASS, .from = 2, .to = 1, .sport = 9, .dport = 53);
	EXPECT_HITS(0, 1, 1);
	EXPECT(&bed, FILTER_PASS, .from = 2, .to = 1, .sport = 10, .dport = 53);
	EXPECT_HITS(0, 1, 2);
}

static void what_is_let_out_counts_at_the_end_that_is_asked(void **state UNUSED)
{
	BED_RULES(&bed, {RULES_OUT, RULES_UDP, 53, 53, VERDICT_PASS});
	EXPECT(&bed, FILTER_PASS, .from = 1, .to = 2, .sport = 9, .dport = 53);
	EXPECT(&bed, FILTER_PASS, .from = 2, .to = 1, .sport = 53, .dport = 9);
	EXPECT_HITS(0, 0, 0);
}

/* Whichever end it is: the other never hears of it. */
static void each_try_that_is_refused_counts(void **state UNUSED)
{
	BED_RULES(&bed, {RULES_IN, RULES_TCP, 23, 23, VERDICT_REJECT},
		{RULES_OUT, RULES_TCP, 23, 23, VERDICT_DROP});
	for (int i = 0; i < 3; i++)
		EXPECT(&bed, FILTER_REJECTED, .from = 2, .to = 1, .sport = 40000, .dport = 23, .flags = S);
	for (int i = 0; i < 2; i++)
		EXPECT(&bed, FILTER_DENIED, .from = 1, .to = 2, .sport = 40000, .dport = 23, .flags = S);
	EXPECT_HITS(0, 3, 2);
	EXPECT(&bed, FILTER_DENIED, .from = 2, .to = 1, .sport = 40000, .dport = 24, .flags = S);
	EXPECT(&bed, FILTER_DENIED, .from = 1, .to = 2, .sport = 40000, .dport = 24);
	EXPECT_HITS(2, 3, 2);
	/* No rule was asked about these. */
	EXPECT(&bed, FILTER_STRAY, .from = 2, .to = 1, .sport = 23, .dport = 40001, .flags = S | A);
	EXPECT(&bed, FILTER_STRAY, .from = 2, .to = 1, .proto = PROTO_ICMP, .type = 0, .echo = 5);
	EXPECT_HITS(2, 3, 2);
}

/* It filters nothing itself, and so nobody behind this node would count it. */
static void what_is_let_out_to_a_client_behind_this_node_counts_here(void **state UNUSED)
{
	BED_RULES(&bed, {RULES_OUT, RULES_UDP, 53, 53, VERDICT_PASS, .class = 2});
	EXPECT(&bed, FILTER_PASS, .from = 1, .to = BED_CLIENT, .sport = 9, .dport = 53);
	EXPECT(&bed, FILTER_PASS, .from = BED_CLIENT, .to = 1, .sport = 53, .dport = 9);
	EXPECT_HITS(0, 1, 0);
	EXPECT(&bed, FILTER_PASS, .from = 1, .to = 20, .sport = 9, .dport = 53);
	EXPECT_HITS(0, 1, 0);
}

static void messages_that_are_no_connection_count_one_by_one(void **state UNUSED)
{
	BED_RULES(&bed, {RULES_IN, RULES_ICMP, 42, 42, VERDICT_PASS});
	for (int i = 0; i < 2; i++)
		EXPECT(&bed, FILTER_PASS, .from = 2, .to = 1, .proto = PROTO_ICMP, .type = 42);
	EXPECT(&bed, FILTER_DENIED, .from = 2, .to = 1, .proto = PROTO_ICMP, .type = 43);
	EXPECT_HITS(1, 2, 0);
}

static void other_rules_decide_about_a_connection_if_they_say_otherwise(void **state UNUSED)
{
	BED_RULES(&bed, {RULES_IN, RULES_TCP, 22, 22, VERDICT_PASS});
	bed_connect(&bed, 2, 1);
	/* The same. */
	BED_RULES(&bed, {RULES_IN, RULES_TCP, 22, 22, VERDICT_PASS});
	EXPECT(&bed, FILTER_PASS, .from = 2, .to = 1, .sport = 40000, .dport = 22, .flags = A);
	EXPECT_HITS(0, 0, 0);
	/* They end it: once, however much of it is still under way. */
	BED_RULES(&bed, {RULES_IN, RULES_UDP, 1, 1, VERDICT_PASS},
		{RULES_IN, RULES_TCP, 22, 22, VERDICT_REJECT});
	for (int i = 0; i < 3; i++)
		EXPECT(&bed, FILTER_REJECTED, .from = 2, .to = 1, .sport = 40000, .dport = 22, .flags = A);
	EXPECT_HITS(0, 0, 1);
	bed.generation++;
	EXPECT(&bed, FILTER_REJECTED, .from = 2, .to = 1, .sport = 40000, .dport = 22, .flags = A);
	EXPECT_HITS(0, 0, 1);
	/* Another one from the same ports. */
	EXPECT(&bed, FILTER_REJECTED, .from = 2, .to = 1, .sport = 40000, .dport = 22, .flags = S);
	EXPECT_HITS(0, 0, 2);
	/* And they let it go on. */
	BED_RULES(&bed, {RULES_IN, RULES_TCP, 22, 22, VERDICT_PASS});
	for (int i = 0; i < 3; i++)
		EXPECT(&bed, FILTER_PASS, .from = 2, .to = 1, .sport = 40000, .dport = 22, .flags = A);
	EXPECT_HITS(0, 1, 0);
}

static void a_connection_of_the_other_side_is_another_one(void **state UNUSED)
{
	BED_RULES(&bed, {RULES_OUT, RULES_TCP, 22, 22, VERDICT_PASS},
		{RULES_IN, RULES_TCP, 40000, 40000, VERDICT_PASS});
	bed_connect(&bed, 1, 2);
	EXPECT_HITS(0, 0, 0);
	EXPECT(&bed, FILTER_PASS, .from = 2, .to = 1, .sport = 22, .dport = 40000, .flags = S, .seq = 9);
	EXPECT_HITS(0, 0, 1);
}

static void one_that_was_forgotten_counts_as_whose_it_is(void **state UNUSED)
{
	BED_RULES(&bed, {RULES_IN, RULES_TCP, 22, 22, VERDICT_PASS},
		{RULES_IN, RULES_TCP, 23, 23, VERDICT_DROP});
	/* The other side's, of which our answer comes first. */
	EXPECT(&bed, FILTER_PASS, .from = 1, .to = 2, .sport = 22, .dport = 40000, .flags = A);
	EXPECT(&bed, FILTER_PASS, .from = 2, .to = 1, .sport = 40000, .dport = 22, .flags = A);
	EXPECT_HITS(0, 1, 0);
	/* One that a rule forbids, by which it was ended before. */
	EXPECT(&bed, FILTER_DENIED, .from = 1, .to = 2, .sport = 23, .dport = 40000, .flags = A);
	EXPECT_HITS(0, 1, 1);
	/* And one that neither may begin. */
	EXPECT(&bed, FILTER_DENIED, .from = 2, .to = 1, .sport = 40000, .dport = 24, .flags = A);
	EXPECT_HITS(1, 1, 1);
}

/* At first what may be our hosts' own is let in to them, and nothing has begun. */
static void what_is_let_in_without_being_remembered_does_not_count(void **state UNUSED)
{
	BED_RULES(&bed, {RULES_OUT, RULES_TCP, 80, 80, VERDICT_PASS});
	bed.now = 10 * SEC;
	EXPECT(&bed, FILTER_PASS, .from = 2, .to = 1, .sport = 80, .dport = 40000, .flags = A);
	EXPECT_HITS(0, 0, 0);
}

static void one_that_finds_no_room_was_not_let_in(void **state UNUSED)
{
	unsigned long long passed = 0, full = 0;

	BED_RULES(&bed, {RULES_IN, RULES_UDP, 0, UINT16_MAX, VERDICT_PASS});
	/* Two peers share the table, so that neither may take from the other. */
	for (uint16_t i = 0; i < 4000; i++)
		for (uint32_t who = 2; who < 4; who++) {
			const enum filter_says says =
				bed_says(&bed, &(struct pkt){.from = who, .to = 1, .sport = i, .dport = 9});

			passed += says == FILTER_PASS;
			full += says == FILTER_FULL;
		}
	assert_true(full > 0);
	EXPECT_HITS(0, passed, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(a_connection_counts_once_for_the_rule_that_let_it_in),
		T(what_is_let_out_counts_at_the_end_that_is_asked),
		T(each_try_that_is_refused_counts),
		T(what_is_let_out_to_a_client_behind_this_node_counts_here),
		T(messages_that_are_no_connection_count_one_by_one),
		T(other_rules_decide_about_a_connection_if_they_say_otherwise),
		T(a_connection_of_the_other_side_is_another_one),
		T(one_that_was_forgotten_counts_as_whose_it_is),
		T(what_is_let_in_without_being_remembered_does_not_count),
		T(one_that_finds_no_room_was_not_let_in),
#undef T
	};

	return cmocka_run_group_tests_name("decisions", tests, NULL, NULL);
}
