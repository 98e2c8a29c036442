/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/unit.h"

#include "dns/limit.h"

static struct dns_limit limit;

static unsigned spend(const struct ip *from, unsigned tries, ns_t now)
{
	unsigned n = 0;

	while (tries--)
		n += dns_limit_allow(&limit, from, false, now);
	return n;
}

static void an_asker_has_a_burst_and_then_so_many_a_second(void **state UNUSED)
{
	const struct ip a = ip_v4_host(1), b = ip_v4_host(2);

	assert_int_equal(dns_limit_init(&limit), TM_OK);
	assert_int_equal(spend(&a, 1000, SEC), DNS_LIMIT_BURST);
	assert_int_equal(spend(&a, 1000, 2 * SEC), DNS_LIMIT_PER_SECOND);
	assert_int_equal(spend(&b, 1000, 2 * SEC), DNS_LIMIT_BURST);
	assert_int_equal(spend(&a, 1000, 100 * SEC), DNS_LIMIT_BURST);
}

static void an_ipv6_host_is_its_64(void **state UNUSED)
{
	struct ip a, b, c;

	assert_int_equal(dns_limit_init(&limit), TM_OK);
	assert_int_equal(ip_parse("2001:db8:0:1::1", &a), TM_OK);
	assert_int_equal(ip_parse("2001:db8:0:1:ffff::9", &b), TM_OK);
	assert_int_equal(ip_parse("2001:db8:0:2::1", &c), TM_OK);
	assert_int_equal(spend(&a, 1000, SEC), DNS_LIMIT_BURST);
	assert_int_equal(spend(&b, 1000, SEC), 0);
	assert_int_equal(spend(&c, 1000, SEC), DNS_LIMIT_BURST);
	assert_true(dns_limit_allow(&limit, &b, true, SEC)); /* but not a member of the mesh */
}

/* Who comes with ever new addresses takes the places of those who ask little; who is over its limit keeps its
 * own. */
static void a_crowd_does_not_wash_away_who_is_over_the_limit(void **state UNUSED)
{
	const struct ip greedy = ip_v4_host(0x0a000001);

	assert_int_equal(dns_limit_init(&limit), TM_OK);
	assert_int_equal(spend(&greedy, 1000, SEC), DNS_LIMIT_BURST);
	for (uint32_t i = 0; i < 100000; i++) {
		const struct ip other = ip_v4_host(0x14000000 + i);

		assert_true(dns_limit_allow(&limit, &other, false, SEC));
	}
	assert_int_equal(spend(&greedy, 1000, SEC), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_asker_has_a_burst_and_then_so_many_a_second),
		cmocka_unit_test(an_ipv6_host_is_its_64),
		cmocka_unit_test(a_crowd_does_not_wash_away_who_is_over_the_limit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
