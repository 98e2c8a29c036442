/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "crypto/init.h"

#include "unit/unit.h"

static void the_self_test_passes_and_a_second_start_does_nothing(void **state)
{
	struct diag d = {0};

	(void)state;
	assert_int_equal(crypto_init(&d), TM_OK);
	assert_int_equal(crypto_selftest(&d), TM_OK);
	assert_int_equal(crypto_init(&d), TM_OK);
	assert_string_equal(d.what, "");
}

static void random_numbers_below_n_reach_all_values_and_no_other(void **state)
{
	bool seen[7] = {false};

	(void)state;
	for (int i = 0; i < 2000; i++) {
		uint32_t v = random_below(ARRAY_LEN(seen));

		assert_true(v < ARRAY_LEN(seen));
		seen[v] = true;
	}
	for (size_t i = 0; i < ARRAY_LEN(seen); i++)
		assert_true(seen[i]);
	assert_int_equal(random_below(1), 0);
}

static void random_bytes_fills_all_of_a_long_buffer(void **state)
{
	uint8_t buf[1000] = {0};
	size_t zeros = 0;

	(void)state;
	random_bytes(buf, sizeof(buf));
	for (size_t i = sizeof(buf) - 100; i < sizeof(buf); i++)
		zeros += buf[i] == 0;
	assert_true(zeros < 50);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_self_test_passes_and_a_second_start_does_nothing),
		cmocka_unit_test(random_numbers_below_n_reach_all_values_and_no_other),
		cmocka_unit_test(random_bytes_fills_all_of_a_long_buffer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
