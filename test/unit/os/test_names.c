/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What the system knows without asking anybody. */
#include "unit/unit.h"

#include "os/names.h"

static void the_systems_own_sources_are_asked(void **state UNUSED)
{
	struct endpoint found[8];
	size_t n = 0;

	assert_int_equal(os_names_find("localhost", found, ARRAY_LEN(found), &n), TM_OK);
	assert_in_range(n, 1, ARRAY_LEN(found));
	for (size_t i = 0; i < n; i++)
		assert_true(ip_is_loopback(&found[i].ip));
}

static void an_address_that_needs_an_interface_comes_with_it(void **state UNUSED)
{
	struct endpoint found[8];
	size_t n;

	assert_int_equal(os_names_find("fe80::1%lo", found, ARRAY_LEN(found), &n), TM_OK);
	assert_int_equal(n, 1);
	assert_int_not_equal(found[0].scope, 0);
	n = 77;
	assert_int_equal(os_names_find("fe80::1", found, ARRAY_LEN(found), &n), TM_ENOENT);
	assert_int_equal(n, 77);
}

static void no_more_are_told_than_there_is_room_for(void **state UNUSED)
{
	struct endpoint found[2] = {0};
	size_t n;

	assert_int_equal(os_names_find("192.0.2.1", found, 1, &n), TM_OK);
	assert_int_equal(n, 1);
	assert_int_equal(found[0].ip.bytes[3], 1);
	assert_int_equal(found[1].ip.family, IP_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_systems_own_sources_are_asked),
		cmocka_unit_test(an_address_that_needs_an_interface_comes_with_it),
		cmocka_unit_test(no_more_are_told_than_there_is_room_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
