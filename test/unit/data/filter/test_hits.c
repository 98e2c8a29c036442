/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "data/filter/hits.h"
#include "fake/alloc.h"
#include "unit/unit.h"

enum { PARTS = 3, RULES = 10 }; /* more than a cache line has, and no whole number of them */

static struct hits *made(void)
{
	struct hits *h = NULL;

	assert_int_equal(hits_new(PARTS, RULES, &h), TM_OK);
	return h;
}

static void parts_count_for_themselves_and_are_read_together(void **state UNUSED)
{
	struct hits *h = made();

	for (unsigned part = 0; part < PARTS; part++)
		for (uint32_t rule = 0; rule < RULES; rule++)
			for (uint32_t i = 0; i < rule; i++)
				hits_add(h, part, rule);
	for (uint32_t rule = 0; rule < RULES; rule++)
		assert_int_equal(hits_of(h, rule), PARTS * rule);
	hits_drop(h);
}

/* Nor is it anybody else's. */
static void what_there_is_no_counter_for_is_not_counted(void **state UNUSED)
{
	struct hits *h = made();

	hits_add(h, PARTS, 0);
	hits_add(h, 0, RULES);
	hits_add(h, 0, UINT32_MAX);
	assert_int_equal(hits_of(h, RULES), 0);
	for (uint32_t rule = 0; rule < RULES; rule++)
		assert_int_equal(hits_of(h, rule), 0);
	hits_drop(h);
}

static void no_two_parts_write_the_same_line(void **state UNUSED)
{
	struct hits *h = made();

	assert_int_equal((uintptr_t)h->n % 64, 0);
	assert_int_equal(h->row * sizeof(h->n[0]) % 64, 0);
	assert_true(h->row >= RULES);
	hits_drop(h);
}

static void they_are_done_when_one_alone_holds_them(void **state UNUSED)
{
	struct hits *h = made();

	assert_true(hits_are_done(h));
	assert_ptr_equal(hits_hold(h), h);
	assert_false(hits_are_done(h));
	hits_add(h, 0, 7);
	hits_drop(h);
	assert_true(hits_are_done(h));
	assert_int_equal(hits_of(h, 7), 1);
	hits_drop(h);
	hits_drop(NULL);
}

static void without_memory_there_are_none(void **state UNUSED)
{
	struct hits *h = NULL;

	fake_alloc_fail(1);
	const int err = hits_new(PARTS, RULES, &h);
	fake_alloc_fail(0);
	assert_int_equal(err, TM_ENOMEM);
	assert_null(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parts_count_for_themselves_and_are_read_together),
		cmocka_unit_test(what_there_is_no_counter_for_is_not_counted),
		cmocka_unit_test(no_two_parts_write_the_same_line),
		cmocka_unit_test(they_are_done_when_one_alone_holds_them),
		cmocka_unit_test(without_memory_there_are_none),
	};

	return cmocka_run_group_tests_name("hits", tests, NULL, NULL);
}
