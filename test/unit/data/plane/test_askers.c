/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/unit.h"

#include "data/plane/askers.h"
#include "data/plane/event.h"

static struct askers askers;

static struct ip at(const char *text)
{
	struct ip ip;

	assert_int_equal(ip_parse(text, &ip), TM_OK);
	return ip;
}

/* How many of n messages from there pass at that time. */
static unsigned pass(const char *from, unsigned n, ns_t now)
{
	const struct ip ip = at(from);
	unsigned passed = 0;

	for (unsigned i = 0; i < n; i++)
		passed += askers_may(&askers, &ip, now);
	return passed;
}

static void whoever_floods_leaves_room_for_others(void **state)
{
	(void)state;

	assert_int_equal(askers_init(&askers), TM_OK);
	assert_int_equal(pass("192.0.2.1", 100000, SEC), ASKERS_BURST);
	/* One of them may share its slot. */
	assert_true(
		pass("192.0.2.2", 10, SEC) + pass("198.51.100.1", 10, SEC) + pass("2001:db8::1", 10, SEC) >=
		20);
}

static void what_was_sent_is_forgotten_at_the_rate(void **state)
{
	unsigned passed = 0;
	(void)state;

	assert_int_equal(askers_init(&askers), TM_OK);
	for (ns_t now = SEC; now < 2 * SEC; now += MS)
		passed += pass("192.0.2.1", 20, now);
	assert_in_range(passed, ASKERS_RATE, ASKERS_RATE + ASKERS_BURST);
	assert_int_equal(pass("192.0.2.1", 100, 3 * SEC), ASKERS_BURST);
}

static void a_network_of_ipv6_is_one_source(void **state)
{
	(void)state;

	assert_int_equal(askers_init(&askers), TM_OK);
	assert_int_equal(pass("2001:db8:0:1::1", 100, SEC), ASKERS_BURST);
	assert_int_equal(pass("2001:db8:0:1:ffff::2", 100, SEC), 0);
	/* And its neighbour another: a provider gives each customer a /56 at best. One may share the slot. */
	assert_true(pass("2001:db8:0:2::1", 100, SEC) + pass("2001:db8:0:3::1", 100, SEC) +
			    pass("2001:db8:0:fe::1", 100, SEC) >=
		    2 * ASKERS_BURST);
}

static void those_whose_address_is_unknown_are_one_source(void **state)
{
	const struct ip unknown = {.family = IP_NONE};
	unsigned passed = 0;
	(void)state;

	assert_int_equal(askers_init(&askers), TM_OK);
	for (int i = 0; i < 100; i++)
		passed += askers_may(&askers, &unknown, SEC);
	assert_int_equal(passed, ASKERS_BURST);
}

static void a_leg_has_a_little_of_its_own(void **state)
{
	unsigned passed = 0;
	(void)state;

	assert_int_equal(askers_init(&askers), TM_OK);
	assert_int_equal(pass("192.0.2.1", 1000, SEC), ASKERS_BURST);
	for (int i = 0; i < 100; i++)
		passed += askers_may_from_leg(&askers, 5, SEC);
	assert_int_equal(passed, ASKERS_LEG_BURST);
	/* And nothing of another's. */
	assert_true(askers_may_from_leg(&askers, 6, SEC));
	passed = 0;
	for (ns_t now = 2 * SEC; now < 12 * SEC; now += 10 * MS)
		passed += askers_may_from_leg(&askers, 5, now);
	assert_in_range(passed, 10 * ASKERS_LEG_RATE, 10 * ASKERS_LEG_RATE + ASKERS_LEG_BURST);
}

static void one_source_cannot_fill_the_queue(void **state)
{
	(void)state;

#define SHARE_STUN(name, share) +(EVENT_##name == EVENT_STUN ? (share) : 0)
	assert_true(ASKERS_BURST < 0 PLANE_EVENTS(SHARE_STUN));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whoever_floods_leaves_room_for_others),
		cmocka_unit_test(what_was_sent_is_forgotten_at_the_rate),
		cmocka_unit_test(a_network_of_ipv6_is_one_source),
		cmocka_unit_test(those_whose_address_is_unknown_are_one_source),
		cmocka_unit_test(a_leg_has_a_little_of_its_own),
		cmocka_unit_test(one_source_cannot_fill_the_queue),
	};

	return cmocka_run_group_tests_name("data/plane/askers", tests, NULL, NULL);
}
