/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/unit.h"

#include "data/link/way.h"

static const struct way_to somewhere = {
	.remote = {.ip = {IP_V4, {192, 0, 2, 7}}, .port = 51820},
	.local = {IP_V4, {10, 0, 0, 1}},
	.local_ifindex = 2,
};

static void a_way_leads_where_it_was_said(void **state)
{
	struct way *w = NULL;
	(void)state;

	assert_int_equal(way_new(&somewhere, &w), TM_OK);
	assert_true(way_to_eq(&w->to, &somewhere));
	assert_int_equal(w->headroom, 0);
	assert_true(w->payload_max >= 9000);
	free(w);
}

static void a_way_to_nowhere_is_none(void **state)
{
	struct way_to to = somewhere;
	struct way *w = NULL;
	(void)state;

	to.remote.port = 0;
	assert_int_equal(way_new(&to, &w), TM_EINVAL);
	assert_int_equal(way_new(&(struct way_to){.kind = WAY_UDP}, &w), TM_EINVAL);
	assert_null(w);
}

static void ways_differ_in_everything_that_sending_does(void **state)
{
	struct way_to other[] = {somewhere, somewhere, somewhere, somewhere, somewhere, somewhere};
	(void)state;

	other[0].kind = WAY_RELAY_UDP;
	other[1].socket = 1;
	other[2].remote.port++;
	other[3].local.bytes[3]++;
	other[4].local = (struct ip){0};
	other[5].relay = 1;
	for (size_t i = 0; i < ARRAY_LEN(other); i++)
		if (way_to_eq(&somewhere, &other[i]))
			fail_msg("row %zu", i);
}

static void what_passes_by_a_way_does_not_make_it_another(void **state)
{
	struct way_to narrow = somewhere;
	(void)state;

	narrow.payload = 1252;
	assert_true(way_to_eq(&somewhere, &narrow));
}

static void the_interface_counts_only_for_link_local_addresses(void **state)
{
	struct way_to a = somewhere, b = somewhere;
	(void)state;

	b.local_ifindex = 3;
	assert_true(way_to_eq(&a, &b));
	a.local = b.local = (struct ip){IP_V6, {0xfe, 0x80, [15] = 1}};
	assert_false(way_to_eq(&a, &b));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_way_leads_where_it_was_said),
		cmocka_unit_test(a_way_to_nowhere_is_none),
		cmocka_unit_test(ways_differ_in_everything_that_sending_does),
		cmocka_unit_test(what_passes_by_a_way_does_not_make_it_another),
		cmocka_unit_test(the_interface_counts_only_for_link_local_addresses),
	};

	return cmocka_run_group_tests_name("data/link/way", tests, NULL, NULL);
}
