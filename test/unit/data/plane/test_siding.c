/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* How a worker shares its time, and how it finds who takes most of it; without a worker, in virtual time. */
#include "unit/unit.h"

#include "data/plane/siding.h"

/* --- turns --- */

/* Somebody who always has something, each batch of which takes so long. */
struct busy {
	struct turn turn;
	ns_t batch, had;
	unsigned idle_of; /* of so many rounds he is dry in one; 0: never */
};

static ns_t run(struct busy *v, size_t n, unsigned rounds)
{
	ns_t now = 1;

	for (unsigned round = 1; round <= rounds; round++)
		for (size_t i = 0; i < n; i++) {
			const ns_t ends = turn_ends(&v[i].turn, now);
			bool more = true;

			while (more && now < ends) {
				now += v[i].batch;
				v[i].had += v[i].batch;
				more = !v[i].idle_of || round % v[i].idle_of;
			}
			turn_over(&v[i].turn, ends, now, more);
		}
	return now;
}

static void who_always_has_more_gets_as_much_time_as_any_other_whatever_a_batch_of_his_costs(void **state)
{
	struct busy v[] = {{.batch = 20 * US}, {.batch = 199 * US}, {.batch = 300 * US}, {.batch = 2500 * US},
		{.batch = 1 * US}};
	const ns_t all = run(v, ARRAY_LEN(v), 5000);
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(v); i++)
		assert_in_range(v[i].had, all / 5 - 3 * MS, all / 5 + 3 * MS);
}

static void who_is_alone_has_everything(void **state)
{
	struct busy one = {.batch = 2500 * US};
	(void)state;

	const ns_t all = run(&one, 1, 1000) - 1;
	assert_int_equal(all, one.had);
}

static void who_is_of_no_use_gets_an_eighth_of_what_others_get(void **state)
{
	struct busy v[] = {
		{.batch = 20 * US, .turn.is_short = true}, {.batch = 50 * US}, {.batch = 300 * US}};
	(void)state;

	run(v, ARRAY_LEN(v), 8000);
	assert_in_range(v[0].had, v[1].had / 8 - 3 * MS, v[1].had / 8 + 3 * MS);
	assert_in_range(v[2].had, v[1].had - 3 * MS, v[1].had + 3 * MS);
}

static void what_one_leaves_the_others_have(void **state)
{
	struct busy v[] = {{.batch = 10 * US, .idle_of = 1}, {.batch = 50 * US}, {.batch = 290 * US}};
	const ns_t all = run(v, ARRAY_LEN(v), 5000);
	(void)state;

	assert_int_equal(v[0].had, 5000 * 10 * US);
	assert_in_range(v[1].had, (all - v[0].had) / 2 - MS, (all - v[0].had) / 2 + MS);
}

/* --- who is heaviest --- */

static struct endpoint member(unsigned i)
{
	uint8_t a[4] = {198, 51, (uint8_t)(i >> 8), (uint8_t)i};

	return (struct endpoint){.ip = ip_v4(a), .port = (uint16_t)(1000 + i)};
}

static void nobody_is_heaviest_of_nobody(void **state)
{
	const struct tally t = {.cost = {0}};
	(void)state;

	assert_null(tally_heaviest(&t));
}

/* Whoever has more than a seventeenth is in it, with no more than that too little (Misra and Gries 1982). */
static void who_takes_most_is_found_among_any_number_of_others(void **state)
{
	(void)state;

	for (unsigned others = 0; others < 3000; others += 97) {
		const struct endpoint heavy = member(60000), second = member(60001);
		struct tally t = {.cost = {0}};

		for (unsigned i = 0; i < 3000; i++) {
			const struct endpoint from = i % 5 == 0   ? heavy
						     : i % 9 == 0 ? second
						     : others     ? member(i % others)
								  : member(1 + i % 7);

			tally_add(&t, &from, i % 5 ? 100 : 90);
		}
		/* A few others may have more than a fifth together, none of them alone. */
		if (others == 0 || others > 7)
			assert_true(endpoint_eq(tally_heaviest(&t), &heavy));
	}
}

static void bytes_count_and_not_only_how_often(void **state)
{
	const struct endpoint often = member(1), much = member(2);
	struct tally t = {.cost = {0}};
	(void)state;

	for (int i = 0; i < 100; i++)
		tally_add(&t, &often, 100);
	for (int i = 0; i < 10; i++)
		tally_add(&t, &much, 2000);
	assert_true(endpoint_eq(tally_heaviest(&t), &much));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			who_always_has_more_gets_as_much_time_as_any_other_whatever_a_batch_of_his_costs),
		cmocka_unit_test(who_is_alone_has_everything),
		cmocka_unit_test(who_is_of_no_use_gets_an_eighth_of_what_others_get),
		cmocka_unit_test(what_one_leaves_the_others_have),
		cmocka_unit_test(nobody_is_heaviest_of_nobody),
		cmocka_unit_test(who_takes_most_is_found_among_any_number_of_others),
		cmocka_unit_test(bytes_count_and_not_only_how_often),
	};

	return cmocka_run_group_tests_name("data/plane/siding", tests, NULL, NULL);
}
