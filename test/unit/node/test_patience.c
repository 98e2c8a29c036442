/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/unit.h"

#include "node/patience.h"

static void it_is_put_back_a_few_times_and_again_after_a_rest(void **state UNUSED)
{
	struct patience p = {0};
	ns_t now = 1000 * SEC;

	for (unsigned i = 0; i < PATIENCE_TIMES; i++)
		assert_true(patience_may_put_back(&p, now += SEC));
	assert_false(patience_may_put_back(&p, now += SEC));
	assert_false(patience_may_put_back(&p, now += SEC));
	assert_true(patience_may_put_back(&p, now + 6 * SEC));
}

/* Who gave in and writes once in a while does not start over by that. */
static void a_write_unasked_is_no_rest(void **state UNUSED)
{
	struct patience p = {0};
	ns_t now = 1000 * SEC;

	for (unsigned i = 0; i < PATIENCE_TIMES; i++)
		assert_true(patience_may_put_back(&p, now));
	patience_wrote(&p, now += 60 * SEC);
	assert_false(patience_may_put_back(&p, now + SEC));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_put_back_a_few_times_and_again_after_a_rest),
		cmocka_unit_test(a_write_unasked_is_no_rest),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
