/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "data/filter/hits.h"
#include "data/filter/rules.h"
#include "fake/alloc.h"
#include "fake/random.h"
#include "unit/unit.h"

static const struct rules_at tcp_in = {.end = RULES_SELF, .class = 0, .dir = RULES_IN, .proto = RULES_TCP};

static struct rules_builder *builder(void)
{
	struct rules_builder *b;

	assert_int_equal(rules_builder_new(&b), TM_OK);
	return b;
}

static struct rules *build_free(struct rules_builder *b)
{
	struct rules *r;

	assert_int_equal(rules_build(b, &r), TM_OK);
	rules_builder_free(b);
	return r;
}

static void expect(
	const struct rules *r, struct rules_at at, uint16_t port, enum verdict verdict, uint32_t rule)
{
	const struct rules_answer a = rules_find(r, &at, port);

	if (a.verdict != verdict || a.rule != rule)
		fail_msg("end %u class %u dir %d proto %d port %u: verdict %d by rule %u, not %d by %u",
			at.end, at.class, at.dir, at.proto, port, a.verdict, a.rule, verdict, rule);
}

static void a_port_has_the_verdict_and_the_rule_of_its_interval(void **state)
{
	static const struct rules_span v[] = {
		{22, 22, VERDICT_PASS, 1},
		{80, 443, VERDICT_REJECT, 2},
		{444, 500, VERDICT_PASS, 3},
		{60000, 65535, VERDICT_DROP, 4},
	};
	struct rules_builder *b = builder();
	(void)state;

	assert_int_equal(rules_put(b, &tcp_in, VERDICT_REJECT, v, ARRAY_LEN(v)), TM_OK);
	struct rules *r = build_free(b);
	static const struct {
		uint16_t port;
		enum verdict verdict;
		uint32_t rule;
	} rows[] = {
		{0, VERDICT_REJECT, RULE_NONE},
		{21, VERDICT_REJECT, RULE_NONE},
		{22, VERDICT_PASS, 1},
		{23, VERDICT_REJECT, RULE_NONE},
		{79, VERDICT_REJECT, RULE_NONE},
		{80, VERDICT_REJECT, 2},
		{443, VERDICT_REJECT, 2},
		{444, VERDICT_PASS, 3},
		{500, VERDICT_PASS, 3},
		{501, VERDICT_REJECT, RULE_NONE},
		{59999, VERDICT_REJECT, RULE_NONE},
		{60000, VERDICT_DROP, 4},
		{65535, VERDICT_DROP, 4},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		expect(r, tcp_in, rows[i].port, rows[i].verdict, rows[i].rule);
	rules_free(r);
}

static void each_end_class_direction_and_protocol_has_a_list_of_its_own(void **state)
{
	enum { ENDS = 3, CLASSES = 4 };
	struct rules_builder *b = builder();
	struct rules_at at;
	uint32_t rule = 1;
	(void)state;

	for (at.end = 0; at.end < ENDS; at.end++)
		for (at.class = 0; at.class < CLASSES; at.class ++)
			for (at.dir = 0; at.dir < RULES_DIRS; at.dir++)
				for (at.proto = 0; at.proto < RULES_PROTOS; at.proto++) {
					const struct rules_span v = {5, 6, VERDICT_PASS, rule++};

					assert_int_equal(rules_put(b, &at, VERDICT_DROP, &v, 1), TM_OK);
				}
	struct rules *r = build_free(b);
	rule = 1;
	for (at.end = 0; at.end < ENDS; at.end++)
		for (at.class = 0; at.class < CLASSES; at.class ++)
			for (at.dir = 0; at.dir < RULES_DIRS; at.dir++)
				for (at.proto = 0; at.proto < RULES_PROTOS; at.proto++, rule++) {
					expect(r, at, 4, VERDICT_DROP, RULE_NONE);
					expect(r, at, 6, VERDICT_PASS, rule);
					expect(r, at, 7, VERDICT_DROP, RULE_NONE);
				}
	rules_free(r);
}

static void where_nothing_was_put_everything_is_dropped(void **state)
{
	struct rules_builder *b = builder();
	struct rules *r = build_free(b);
	(void)state;

	expect(r, tcp_in, 22, VERDICT_DROP, RULE_NONE);
	rules_free(r);

	/* Beside a list that lets everything pass. */
	b = builder();
	assert_int_equal(rules_put(b, &tcp_in, VERDICT_PASS, NULL, 0), TM_OK);
	r = build_free(b);
	expect(r, tcp_in, 22, VERDICT_PASS, RULE_NONE);
	expect(r, (struct rules_at){.dir = RULES_OUT}, 22, VERDICT_DROP, RULE_NONE);
	expect(r, (struct rules_at){.proto = RULES_UDP}, 22, VERDICT_DROP, RULE_NONE);
	expect(r, (struct rules_at){.class = 1}, 22, VERDICT_DROP, RULE_NONE);
	expect(r, (struct rules_at){.end = 1}, 22, VERDICT_DROP, RULE_NONE);
	expect(r, (struct rules_at){.end = RULES_NO_END}, 22, VERDICT_DROP, RULE_NONE);
	expect(r, (struct rules_at){.class = UINT32_MAX}, 22, VERDICT_DROP, RULE_NONE);
	rules_free(r);
}

static void what_is_no_list_is_refused_and_changes_nothing(void **state)
{
	static const struct {
		const char *why;
		struct rules_at at;
		enum verdict fallback;
		struct rules_span v[2];
	} rows[] = {
		{"an interval backwards", {0}, VERDICT_DROP,
			{{1, 1, VERDICT_PASS, 1}, {3, 2, VERDICT_PASS, 1}}},
		{"two that overlap", {0}, VERDICT_DROP, {{1, 3, VERDICT_PASS, 1}, {3, 4, VERDICT_PASS, 1}}},
		{"not in order", {0}, VERDICT_DROP, {{5, 6, VERDICT_PASS, 1}, {1, 2, VERDICT_PASS, 1}}},
		{"no verdict", {0}, VERDICT_DROP, {{1, 1, 3, 1}, {2, 2, VERDICT_PASS, 1}}},
		{"no fallback", {0}, (enum verdict)3, {{1, 1, VERDICT_PASS, 1}, {2, 2, VERDICT_PASS, 1}}},
		{"no rule", {0}, VERDICT_DROP,
			{{1, 1, VERDICT_PASS, RULE_MAX + 1u}, {2, 2, VERDICT_PASS, 1}}},
		{"no end", {.end = RULES_ENDS_MAX}, VERDICT_DROP, {{1, 1, VERDICT_PASS, 1}, {2, 2, 0, 1}}},
		{"no class", {.class = RULES_CLASSES_MAX}, VERDICT_DROP,
			{{1, 1, VERDICT_PASS, 1}, {2, 2, 0, 1}}},
		{"no direction", {.dir = RULES_DIRS}, VERDICT_DROP, {{1, 1, VERDICT_PASS, 1}, {2, 2, 0, 1}}},
		{"no protocol", {.proto = RULES_PROTOS}, VERDICT_DROP,
			{{1, 1, VERDICT_PASS, 1}, {2, 2, 0, 1}}},
	};
	struct rules_builder *b = builder();
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (rules_put(b, &rows[i].at, rows[i].fallback, rows[i].v, 2) != TM_EINVAL)
			fail_msg("%s was accepted", rows[i].why);
	assert_int_equal(rules_put_end(b, 0, 1), TM_EINVAL);
	assert_int_equal(rules_put_end(b, 7, RULES_ENDS_MAX), TM_EINVAL);
	assert_int_equal(rules_put_class(b, 0, 1), TM_EINVAL);
	assert_int_equal(rules_put_class(b, 7, RULES_CLASSES_MAX), TM_EINVAL);
	assert_int_equal(rules_put_class(b, RULES_HOSTS_MAX, 1), TM_EINVAL);
	struct rules *r = build_free(b);
	expect(r, tcp_in, 1, VERDICT_DROP, RULE_NONE);
	assert_int_equal(rules_end_of(r, 7), RULES_NO_END);
	rules_free(r);
}

static void nothing_is_put_twice(void **state)
{
	struct rules_builder *b = builder();
	struct rules *r;
	(void)state;

	assert_int_equal(rules_put(b, &tcp_in, VERDICT_DROP, NULL, 0), TM_OK);
	assert_int_equal(rules_build(b, &r), TM_OK);
	rules_free(r);
	assert_int_equal(rules_put(b, &tcp_in, VERDICT_PASS, NULL, 0), TM_OK);
	assert_int_equal(rules_build(b, &r), TM_EEXIST);
	rules_builder_free(b);

	b = builder();
	assert_int_equal(rules_put_end(b, 9, 1), TM_OK);
	assert_int_equal(rules_put_end(b, 8, 1), TM_OK);
	assert_int_equal(rules_put_end(b, 9, 2), TM_OK);
	assert_int_equal(rules_build(b, &r), TM_EEXIST);
	rules_builder_free(b);

	/* Few lists, but a table with room for too many. */
	b = builder();
	assert_int_equal(rules_put(b, &(struct rules_at){.end = RULES_ENDS_MAX - 1}, 0, NULL, 0), TM_OK);
	assert_int_equal(rules_put(b, &(struct rules_at){.class = RULES_CLASSES_MAX - 1}, 0, NULL, 0), TM_OK);
	assert_int_equal(rules_build(b, &r), TM_EFULL);
	rules_builder_free(b);
}

static void pairs_share_lists(void **state)
{
	const struct rules_span v = {5, 6, VERDICT_PASS, 1};
	struct rules_builder *b = builder();
	struct rules *r;
	(void)state;

	assert_int_equal(rules_put(b, &tcp_in, VERDICT_DROP, &v, 1), TM_OK);
	assert_int_equal(rules_share(b, 2, 3, 0, 0), TM_OK);
	assert_int_equal(rules_share(b, 0, 1, 0, 0), TM_OK);
	assert_int_equal(rules_share(b, RULES_ENDS_MAX, 1, 0, 0), TM_EINVAL);
	assert_int_equal(rules_share(b, 1, 1, 0, RULES_CLASSES_MAX), TM_EINVAL);
	assert_int_equal(rules_build(b, &r), TM_OK);
	expect(r, (struct rules_at){.end = 2, .class = 3}, 5, VERDICT_PASS, 1);
	expect(r, (struct rules_at){.end = 2, .class = 3}, 7, VERDICT_DROP, RULE_NONE);
	expect(r, (struct rules_at){.end = 2, .class = 3, .proto = RULES_UDP}, 5, VERDICT_DROP, RULE_NONE);
	expect(r, (struct rules_at){.class = 1}, 5, VERDICT_PASS, 1);
	expect(r, (struct rules_at){.end = 1, .class = 1}, 5, VERDICT_DROP, RULE_NONE);
	rules_free(r);
	assert_int_equal(rules_share(b, 0, 1, 0, 0), TM_OK);
	assert_int_equal(rules_build(b, &r), TM_EEXIST);
	rules_builder_free(b);

	/* With one that has none. */
	b = builder();
	assert_int_equal(rules_share(b, 0, 1, 0, 0), TM_OK);
	assert_int_equal(rules_build(b, &r), TM_ENOENT);
	rules_builder_free(b);
}

static void members_have_classes_and_our_clients_ends(void **state)
{
	struct rules_builder *b = builder();
	(void)state;

	assert_int_equal(rules_put_end(b, 300, 2), TM_OK);
	assert_int_equal(rules_put_end(b, 7, 0), TM_OK);
	assert_int_equal(rules_put_class(b, 65535, 4), TM_OK);
	assert_int_equal(rules_put_class(b, 12, 0), TM_OK);
	assert_int_equal(rules_put_class(b, 13, RULES_CLASSES_MAX - 1), TM_OK);
	struct rules *r = build_free(b);
	assert_int_equal(rules_end_of(r, 0), RULES_SELF);
	assert_int_equal(rules_end_of(r, 7), 0);
	assert_int_equal(rules_end_of(r, 300), 2);
	assert_int_equal(rules_end_of(r, 8), RULES_NO_END);
	assert_int_equal(rules_end_of(r, 301), RULES_NO_END);
	assert_int_equal(rules_class_of(r, 12), 0);
	assert_int_equal(rules_class_of(r, 13), RULES_CLASSES_MAX - 1);
	assert_int_equal(rules_class_of(r, 65535), 4);
	assert_int_equal(rules_class_of(r, 0), RULES_NO_CLASS);
	assert_int_equal(rules_class_of(r, 14), RULES_NO_CLASS);
	rules_free(r);
}

static void the_longest_prefix_behind_a_member_says_the_class(void **state)
{
	static const struct {
		const char *prefix;
		uint32_t via, class;
	} rows[] = {{"192.0.2.0/24", 2, 1}, {"0.0.0.0/0", 2, 2}, {"192.0.2.99/25", 2, 3},
		{"192.0.2.0/24", 3, 4}, {"::/0", 2, 5}};
	static const struct {
		const char *ip;
		uint32_t via, class;
	} asked[] = {{"192.0.2.1", 2, 3}, {"192.0.2.200", 2, 1}, {"198.51.100.1", 2, 2}, {"192.0.2.1", 3, 4},
		{"198.51.100.1", 3, RULES_NO_CLASS}, {"2001:db8::1", 2, 5}, {"192.0.2.1", 4, RULES_NO_CLASS}};
	static const struct {
		const char *ip;
		uint32_t end;
	} own[] = {{"192.0.2.1", 7}, {"192.0.2.200", 8}, {"198.51.100.1", RULES_NO_END}};
	struct rules_builder *b = builder();
	struct prefix prefix;
	struct ip ip;
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(prefix_parse(rows[i].prefix, &prefix), TM_OK);
		assert_int_equal(rules_put_prefix(b, &prefix, rows[i].via, rows[i].class), TM_OK);
	}
	/* The same networks behind ourselves are ends, and nothing of the others. */
	assert_int_equal(prefix_parse("192.0.2.0/24", &prefix), TM_OK);
	assert_int_equal(rules_put_prefix_end(b, &prefix, 7), TM_OK);
	assert_int_equal(prefix_parse("192.0.2.128/25", &prefix), TM_OK);
	assert_int_equal(rules_put_prefix_end(b, &prefix, 8), TM_OK);
	assert_int_equal(rules_put_prefix_end(b, &prefix, RULES_ENDS_MAX), TM_EINVAL);
	assert_int_equal(rules_put_prefix_end(b, &(struct prefix){0}, 1), TM_EINVAL);
	assert_int_equal(rules_put_prefix(b, &(struct prefix){0}, 2, 1), TM_EINVAL);
	assert_int_equal(rules_put_prefix(b, &prefix, 0, 1), TM_EINVAL);
	assert_int_equal(rules_put_prefix(b, &prefix, 2, RULES_CLASSES_MAX), TM_EINVAL);
	struct rules *r = build_free(b);
	for (size_t i = 0; i < ARRAY_LEN(asked); i++) {
		assert_int_equal(ip_parse(asked[i].ip, &ip), TM_OK);
		if (rules_class_behind(r, asked[i].via, &ip) != asked[i].class)
			fail_msg("%s through %u", asked[i].ip, asked[i].via);
	}
	for (size_t i = 0; i < ARRAY_LEN(own); i++) {
		assert_int_equal(ip_parse(own[i].ip, &ip), TM_OK);
		assert_int_equal(rules_end_behind(r, &ip), own[i].end);
		assert_int_equal(rules_class_behind(r, 0, &ip), RULES_NO_CLASS);
	}
	rules_free(r);
}

/* The slow way: from the first interval on. */
static struct rules_answer look(const struct rules_span *v, size_t n, enum verdict fallback, uint16_t port)
{
	for (size_t i = 0; i < n; i++)
		if (v[i].first <= port && port <= v[i].last)
			return (struct rules_answer){.verdict = v[i].verdict, .rule = v[i].rule};
	return (struct rules_answer){.verdict = fallback, .rule = RULE_NONE};
}

static void random_lists_answer_like_a_look_at_every_interval(void **state)
{
	enum { ROUNDS = 60, SPANS = 400 };
	uint64_t seed = 0xf117e6;
	(void)state;

	for (unsigned round = 0; round < ROUNDS; round++) {
		struct rules_span v[SPANS];
		const enum verdict fallback = fake_random(&seed) % 3;
		uint32_t at = fake_random(&seed) % 3, step = 1 + fake_random(&seed) % 2000;
		size_t n = 0;

		while (n < SPANS && at <= UINT16_MAX) {
			const uint32_t length = fake_random(&seed) % step;
			const uint32_t last = MIN(at + length, (uint32_t)UINT16_MAX);

			v[n++] = (struct rules_span){
				.first = (uint16_t)at,
				.last = (uint16_t)last,
				.verdict = (uint8_t)(fake_random(&seed) % 3),
				.rule = fake_random(&seed) % 4,
			};
			at = last + 1 + (fake_random(&seed) % 2 ? 0 : fake_random(&seed) % step);
		}
		struct rules_builder *b = builder();
		assert_int_equal(rules_put(b, &tcp_in, fallback, v, n), TM_OK);
		struct rules *r = build_free(b);
		for (uint32_t port = 0; port <= UINT16_MAX; port++) {
			const struct rules_answer want = look(v, n, fallback, (uint16_t)port);

			expect(r, tcp_in, (uint16_t)port, want.verdict, want.rule);
		}
		rules_free(r);
	}
}

static void neighbours_that_say_the_same_are_one(void **state)
{
	static const struct rules_span two[] = {{1, 9, VERDICT_PASS, 1}, {10, 20, VERDICT_PASS, 1}};
	static const struct rules_span one = {1, 20, VERDICT_PASS, 1};
	size_t bytes[2];
	(void)state;

	for (int i = 0; i < 2; i++) {
		struct rules_builder *b = builder();

		assert_int_equal(rules_put(b, &tcp_in, VERDICT_DROP, i ? two : &one, i ? 2 : 1), TM_OK);
		struct rules *r = build_free(b);
		bytes[i] = rules_bytes(r);
		rules_free(r);
	}
	assert_int_equal(bytes[0], bytes[1]);
}

static int make_all(struct rules **ret_r)
{
	_cleanup_(rules_builder_freep) struct rules_builder *b = NULL;
	int err = rules_builder_new(&b);

	for (uint32_t i = 0; i < 20 && !err; i++) {
		const struct rules_at at = {.class = i, .dir = RULES_OUT, .proto = RULES_UDP};
		const struct rules_span v = {53, 53, VERDICT_PASS, i};

		err = rules_put(b, &at, VERDICT_DROP, &v, 1);
		if (!err)
			err = rules_put_class(b, 100 + i, i);
		if (!err)
			err = rules_put_end(b, 100 + i, i);
		if (!err)
			err = rules_put_prefix(b, &(struct prefix){.ip = {.family = IP_V4}}, 100 + i, i);
	}
	return err ? err : rules_build(b, ret_r);
}

static void without_memory_nothing_is_made_and_nothing_is_lost(void **state)
{
	struct rules *r = NULL;
	unsigned n = 0;
	int err;
	(void)state;

	do {
		fake_alloc_fail(++n);
		err = make_all(&r);
		fake_alloc_fail(0);
		if (err)
			assert_int_equal(err, TM_ENOMEM);
	} while (err);
	assert_true(n > 10);
	expect(r, (struct rules_at){.class = 19, .dir = RULES_OUT, .proto = RULES_UDP}, 53, VERDICT_PASS, 19);
	rules_free(r);
}

static void they_count_where_somebody_wants_to_know_alone(void **state)
{
	struct hits *first = NULL, *second = NULL;
	struct rules *r = NULL;
	(void)state;

	assert_int_equal(make_all(&r), TM_OK);
	rules_hit(r, 0, 1); /* nobody does */
	assert_int_equal(hits_new(1, 20, &first), TM_OK);
	assert_int_equal(hits_new(1, 20, &second), TM_OK);
	rules_count(r, hits_hold(first));
	rules_hit(r, 0, 19);
	rules_count(r, hits_hold(second));
	assert_true(hits_are_done(first));
	rules_hit(r, 0, 19);
	rules_hit(r, 0, 19);
	assert_int_equal(hits_of(first, 19), 1);
	assert_int_equal(hits_of(second, 19), 2);
	rules_free(r);
	assert_true(hits_are_done(second));
	hits_drop(first);
	hits_drop(second);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_port_has_the_verdict_and_the_rule_of_its_interval),
		cmocka_unit_test(each_end_class_direction_and_protocol_has_a_list_of_its_own),
		cmocka_unit_test(where_nothing_was_put_everything_is_dropped),
		cmocka_unit_test(what_is_no_list_is_refused_and_changes_nothing),
		cmocka_unit_test(nothing_is_put_twice),
		cmocka_unit_test(pairs_share_lists),
		cmocka_unit_test(members_have_classes_and_our_clients_ends),
		cmocka_unit_test(the_longest_prefix_behind_a_member_says_the_class),
		cmocka_unit_test(random_lists_answer_like_a_look_at_every_interval),
		cmocka_unit_test(neighbours_that_say_the_same_are_one),
		cmocka_unit_test(without_memory_nothing_is_made_and_nothing_is_lost),
		cmocka_unit_test(they_count_where_somebody_wants_to_know_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
