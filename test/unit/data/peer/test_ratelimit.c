/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "data/peer/ratelimit.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct ip addr(const char *text)
{
	struct ip ip;

	assert_int_equal(ip_parse(text, &ip), TM_OK);
	return ip;
}

static unsigned burst(struct ratelimit *r, const struct ip *ip, ns_t now)
{
	unsigned n = 0;

	while (n < 1000 && ratelimit_allow(r, ip, now))
		n++;
	return n;
}

static void a_source_gets_a_burst_of_5_and_20_a_second(void **state)
{
	_cleanup_(ratelimit_freep) struct ratelimit *r = NULL;
	const struct ip ip = addr("192.0.2.1");
	unsigned allowed = 0;

	(void)state;
	assert_int_equal(ratelimit_new(&r), TM_OK);
	assert_int_equal(burst(r, &ip, 1000 * SEC), 5);
	for (unsigned ms = 1; ms <= 10000; ms++)
		allowed += ratelimit_allow(r, &ip, 1000 * SEC + ms * MS);
	assert_in_range(allowed, 199, 200);
	assert_int_equal(burst(r, &ip, 2000 * SEC), 5); /* never more than the bucket holds */
}

static void ipv4_addresses_and_ipv6_64s_are_sources_of_their_own(void **state)
{
	static const struct {
		const char *first, *second;
		bool same;
	} rows[] = {
		{"192.0.2.1", "192.0.2.2", false},
		{"2001:db8:0:1::1", "2001:db8:0:1:ffff::2", true},
		{"2001:db8:0:1::1", "2001:db8:0:2::1", false},
		{"192.0.2.1", "c000:201::", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		_cleanup_(ratelimit_freep) struct ratelimit *r = NULL;
		const struct ip first = addr(rows[i].first), second = addr(rows[i].second);

		assert_int_equal(ratelimit_new(&r), TM_OK);
		assert_int_equal(burst(r, &first, 1 * SEC), 5);
		assert_int_equal(burst(r, &second, 1 * SEC), rows[i].same ? 0 : 5);
	}
}

static void the_table_is_bounded_and_quiet_sources_are_forgotten(void **state)
{
	_cleanup_(ratelimit_freep) struct ratelimit *r = NULL;
	const struct ip known = ip_v4_host(1), late = ip_v4_host(0xffffffffu);

	(void)state;
	assert_int_equal(ratelimit_new(&r), TM_OK);
	for (uint32_t i = 0; i < RATELIMIT_SOURCES_MAX; i++) {
		struct ip ip = ip_v4_host(1 + i);

		assert_true(ratelimit_allow(r, &ip, 1 * SEC));
	}
	assert_false(ratelimit_allow(r, &late, 1 * SEC));
	assert_true(ratelimit_allow(r, &known, 1 * SEC)); /* those known are served on */
	assert_int_equal(ratelimit_sources(r), RATELIMIT_SOURCES_MAX);
	for (unsigned i = 0; i < RATELIMIT_SOURCES_MAX; i++)
		(void)!ratelimit_allow(r, &late, 10 * SEC);
	assert_int_equal(ratelimit_sources(r), 1);
}

static void a_clock_that_goes_back_gives_no_tokens(void **state)
{
	_cleanup_(ratelimit_freep) struct ratelimit *r = NULL;
	const struct ip ip = addr("192.0.2.1");

	(void)state;
	assert_int_equal(ratelimit_new(&r), TM_OK);
	assert_int_equal(burst(r, &ip, 1000 * SEC), 5);
	assert_int_equal(burst(r, &ip, 10 * SEC), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_source_gets_a_burst_of_5_and_20_a_second),
		cmocka_unit_test(ipv4_addresses_and_ipv6_64s_are_sources_of_their_own),
		cmocka_unit_test(the_table_is_bounded_and_quiet_sources_are_forgotten),
		cmocka_unit_test(a_clock_that_goes_back_gives_no_tokens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
