/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What is kept, compared with a list of all that was put; what counts as little. */
#include "unit/unit.h"

#include "data/plane/kept.h"

#include <string.h>

static struct peer a, b;

static int set_up(void **state)
{
	struct kept *k;

	a = b = (struct peer){.follows = false};
	if (kept_new(&k) != TM_OK)
		return -1;
	*state = k;
	return 0;
}

static int tear_down(void **state)
{
	free(*state);
	return 0;
}

static void put(struct kept *k, const struct peer *p, uint32_t number, size_t n, ns_t now)
{
	uint8_t msg[2000];

	memset(msg, (int)number, n);
	memcpy(msg, &number, sizeof(number));
	kept_put(k, p, msg, n, (uint8_t)number, now);
}

static uint32_t number_of(struct kept *k, const struct kept_message *m)
{
	uint32_t number;

	memcpy(&number, kept_bytes(k, m), sizeof(number));
	for (size_t i = sizeof(number); i < m->n; i++)
		assert_int_equal(kept_bytes(k, m)[i], (uint8_t)number);
	assert_int_equal(m->tos, (uint8_t)number);
	return number;
}

/* Each is whole, in order, and the newest are there: however they come to lie, and whoever writes before
 * them. */
static void the_newest_are_kept_whole_and_in_order(void **state)
{
	struct kept *k = *state;
	uint64_t dice = 1;

	for (uint32_t number = 1; number <= 20000; number++) {
		dice = dice * 6364136223846793005u + 1442695040888963407u;
		put(k, dice >> 60 & 1 ? &a : &b, number, 32 + (size_t)(dice >> 33) % 1500, number);
		if (number % 97)
			continue;
		const struct kept_message *m;
		uint32_t last = 0, seen = 0;
		size_t bytes = 0;
		unsigned at[2] = {0};

		for (unsigned i = 0; i < k->n; i++) {
			m = &k->v[(k->first + i) % KEPT_MESSAGES];
			assert_true(m->peer == &a || m->peer == &b);
			assert_true(!last || number_of(k, m) == last + 1);
			last = number_of(k, m);
			memset(kept_bytes(k, m) - KEPT_HEADROOM, 0xff, KEPT_HEADROOM);
			bytes += m->n;
		}
		assert_int_equal(last, number);
		assert_true(number < 400 || bytes > KEPT_BYTES - 20000);
		for (unsigned i = 0; i < 2; i++)
			while (kept_next(k, i ? &a : &b, 0, &at[i]))
				seen++;
		assert_int_equal(seen, k->n);
	}
}

static void small_ones_are_bounded_by_their_number(void **state)
{
	struct kept *k = *state;
	const struct kept_message *m;
	unsigned i = 0;

	for (uint32_t number = 1; number <= 3 * KEPT_MESSAGES; number++)
		put(k, &a, number, 32, number);
	m = kept_next(k, &a, 0, &i);
	assert_int_equal(number_of(k, m), 2 * KEPT_MESSAGES + 1);
	i = 0;
	m = kept_next(k, &a, 3 * KEPT_MESSAGES - 4, &i);
	assert_int_equal(number_of(k, m), 3 * KEPT_MESSAGES - 4);
	for (unsigned more = 0; more < 4; more++)
		assert_non_null(kept_next(k, &a, 3 * KEPT_MESSAGES - 4, &i));
	assert_null(kept_next(k, &a, 3 * KEPT_MESSAGES - 4, &i));
	assert_null(kept_next(k, &b, 0, &(unsigned){0}));
}

/* A conversation is kept from its beginning to its end. Of what fills a line the beginning is, and nothing
 * while it goes on. */
static void what_fills_a_line_is_not_kept(void **state)
{
	unsigned kept = 0;
	ns_t now = 1000 * SEC;

	(void)state;
	for (unsigned i = 0; i < 1000; i++, now += 3 * MS)
		assert_true(kept_is_little(&a, 1452, now));
	for (unsigned i = 0; i < 10000; i++, now += 100 * US)
		kept += kept_is_little(&b, 1452, now);
	assert_in_range(kept, 40, 50);
	now += 200 * MS;
	assert_true(kept_is_little(&b, 1452, now));
	/* Slower again. */
	for (unsigned i = 0; i < 1000; i++, now += 100 * US)
		(void)kept_is_little(&b, 1452, now);
	kept = 0;
	for (unsigned i = 0; i < 100; i++, now += 10 * MS)
		kept += kept_is_little(&b, 140, now);
	assert_in_range(kept, 75, 95);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_newest_are_kept_whole_and_in_order, set_up, tear_down),
		cmocka_unit_test_setup_teardown(small_ones_are_bounded_by_their_number, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_fills_a_line_is_not_kept, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("data/plane/kept", tests, NULL, NULL);
}
