/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Who gets a seat and who may cost a handshake. Virtual time. */
#include "unit/unit.h"

#include "control/link/admission.h"

static struct ip source(unsigned n)
{
	return ip_v4_host(0xc0000200u + n * 256);
}

static struct admission *with(struct admission_config cfg)
{
	struct admission *a;

	assert_int_equal(admission_new(&cfg, &a), TM_OK);
	return a;
}

/* How many of n handshakes are allowed now. */
static unsigned charge(struct admission *a, const struct ip *from, ns_t now, unsigned n)
{
	unsigned allowed = 0;

	for (unsigned i = 0; i < n; i++)
		allowed += admission_charge(a, ADMISSION_HANDSHAKE, from, now);
	return allowed;
}

static void a_source_has_its_share_of_the_seats_and_no_more(void **state UNUSED)
{
	struct admission *a = with((struct admission_config){.seats = 10, .seats_per_source = 7});
	struct ip one = source(1), two = source(2);

	for (unsigned i = 0; i < 7; i++)
		assert_true(admission_sit(a, &one));
	assert_false(admission_sit(a, &one));
	for (unsigned i = 0; i < 3; i++)
		assert_true(admission_sit(a, &two));
	assert_true(admission_full(a));
	admission_stand(a, &one);
	assert_false(admission_full(a));
	assert_true(admission_sit(a, &one));
	assert_int_equal(admission_seated(a), 10);
	admission_free(a);
}

/* What can be had for nothing must not be counted one by one: addresses of a /64, and networks of a /48. */
static void the_addresses_of_an_ipv6_network_are_one_source(void **state UNUSED)
{
	struct admission *a = with((struct admission_config){.seats = 100, .seats_per_source = 4});
	struct ip ip;
	char text[64];
	unsigned seated = 0;

	for (unsigned i = 0; i < 10; i++) {
		snprintf(text, sizeof(text), "2001:db8::%x", i);
		assert_int_equal(ip_parse(text, &ip), TM_OK);
		seated += admission_sit(a, &ip);
	}
	assert_int_equal(seated, 4);
	for (unsigned i = 1; i < 10; i++) {
		snprintf(text, sizeof(text), "2001:db8:0:%x::1", i);
		assert_int_equal(ip_parse(text, &ip), TM_OK);
		assert_false(admission_sit(a, &ip));
	}
	assert_int_equal(ip_parse("2001:db8:1::1", &ip), TM_OK);
	assert_true(admission_sit(a, &ip));
	admission_free(a);
}

static void a_budget_fills_up_with_time(void **state UNUSED)
{
	struct admission *a =
		with((struct admission_config){.budget = {[ADMISSION_HANDSHAKE] = {.burst = 10000,
								  .rate = 10000,
								  .burst_per_source = 100,
								  .rate_per_source = 20,
								  .modest_burst = 100,
								  .modest_rate = 20}}});
	struct ip one = source(1);
	ns_t now = 1000 * SEC;

	assert_int_equal(charge(a, &one, now, 300), 100);
	assert_int_equal(charge(a, &one, now + 40 * MS, 300), 0);
	assert_int_equal(charge(a, &one, now + SEC, 300), 20);
	/* Asking often does not make time slower. */
	unsigned got = 0;
	for (ns_t t = SEC; t <= 2 * SEC; t += 100 * US)
		got += charge(a, &one, now + t, 1);
	assert_in_range(got, 19, 21);
	assert_int_equal(charge(a, &one, now + 100000 * SEC, 300), 100);
	admission_free(a);
}

static void ten_thousand_members_behind_one_address_get_in(void **state UNUSED)
{
	struct admission *a = with((struct admission_config)ADMISSION_DEFAULT);
	struct ip home = source(1);
	ns_t now = SEC;
	unsigned in = 0, under_way = 0;

	/* 3,000 a second come and are through, as members, 200 ms later; who is refused comes again. */
	for (unsigned ms = 0; in < 10000; ms++, now += MS) {
		for (unsigned i = 0; i < 3; i++)
			under_way += admission_charge(a, ADMISSION_LOOK, &home, now);
		if (ms >= 200) {
			for (unsigned i = 0; i < 3 && under_way > 0; i++, under_way--, in++)
				admission_refund(a, ADMISSION_LOOK, &home);
		}
		if (ms > 5000)
			fail_msg("only %u of 10,000 after 5 s", in);
	}
	admission_free(a);
}

static void attackers_use_up_their_own_budget_and_not_that_of_others(void **state UNUSED)
{
	static const unsigned attackers[] = {1, 5, 40, 200};

	for (size_t k = 0; k < ARRAY_LEN(attackers); k++) {
		unsigned n = attackers[k];
		struct admission *a = with((struct admission_config)ADMISSION_DEFAULT);
		unsigned refused = 0;
		ns_t now = SEC;

		/* Each of n addresses asks 100 times a second; an honest node comes once a second from
		 * elsewhere. */
		for (unsigned ms = 0; ms < 30000; ms++, now += MS) {
			for (unsigned i = 0; i < n; i++)
				if (ms % 10 == i % 10)
					(void)charge(a, &(struct ip){IP_V4, {10, 0, 0, (uint8_t)i}}, now, 1);
			if (ms % 1000 == 999)
				refused += !charge(
					a, &(struct ip){IP_V4, {192, 0, 2, (uint8_t)(ms / 1000)}}, now, 1);
		}
		if (refused > 3) /* a slot may be shared with an attacker */
			fail_msg("%u attackers: %u of 30 honest nodes refused", n, refused);
		admission_free(a);
	}
}

static void the_cost_of_all_is_bounded(void **state UNUSED)
{
	struct admission_config cfg = ADMISSION_DEFAULT;
	struct admission *a = with(cfg);
	unsigned got = 0;
	ns_t now = SEC;

	for (unsigned ms = 0; ms < 10000; ms++, now += MS)
		for (unsigned i = 0; i < 20; i++)
			got += charge(a,
				&(struct ip){IP_V4, {10, (uint8_t)i, (uint8_t)ms, (uint8_t)(ms >> 8)}}, now,
				1);
	assert_in_range(got, 0,
		cfg.budget[ADMISSION_HANDSHAKE].burst + 10 * cfg.budget[ADMISSION_HANDSHAKE].rate + 20);
	admission_free(a);
}

static void looking_and_greeting_are_paid_for_apart(void **state UNUSED)
{
	struct admission *a = with((struct admission_config){
		.budget = {
			[ADMISSION_LOOK] = {9, 9, 0, 0, 9, 0}, [ADMISSION_HANDSHAKE] = {9, 2, 0, 0, 9, 0}}});
	struct ip one = source(1);
	unsigned looks = 0;

	assert_int_equal(charge(a, &one, SEC, 5), 2);
	for (unsigned i = 0; i < 20; i++)
		looks += admission_charge(a, ADMISSION_LOOK, &one, SEC);
	assert_int_equal(looks, 9);
	admission_refund(a, ADMISSION_LOOK, &one);
	assert_true(admission_charge(a, ADMISSION_LOOK, &one, SEC));
	assert_int_equal(charge(a, &one, SEC, 5), 0);
	admission_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_source_has_its_share_of_the_seats_and_no_more),
		cmocka_unit_test(the_addresses_of_an_ipv6_network_are_one_source),
		cmocka_unit_test(a_budget_fills_up_with_time),
		cmocka_unit_test(looking_and_greeting_are_paid_for_apart),
		cmocka_unit_test(ten_thousand_members_behind_one_address_get_in),
		cmocka_unit_test(attackers_use_up_their_own_budget_and_not_that_of_others),
		cmocka_unit_test(the_cost_of_all_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
