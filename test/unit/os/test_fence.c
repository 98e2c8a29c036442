/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* In a network namespace of its own, read back by nft(8); skipped where that is not allowed. That packets go
 * by it, the lab shows. */
#include "host.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/os.h"

static char ruleset[8192];

static const char *look(void)
{
	FILE *f = popen("nft list ruleset", "r");

	assert_non_null(f);
	size_t n = fread(ruleset, 1, sizeof(ruleset) - 1, f);
	ruleset[n] = '\0';
	assert_int_equal(pclose(f), 0);
	return ruleset;
}

static int set_up(void **state)
{
	(void)state;
	host_unshare(CLONE_NEWNET, "network");
	if (system("nft list ruleset > /dev/null 2>&1") != 0)
		skip();
	host_veth("tm7", "other7");
	host_ip("addr add 100.101.0.5/16 dev tm7");
	return 0;
}

static void set(struct os_fence *f, const struct prefix *v, size_t n)
{
	struct diag d = {0};

	if (os_fence_set(f, v, n, &d) != TM_OK)
		fail_msg("%s", d.what);
	look();
}

#define DROPPED(address) address " iifname != \"tm7\" iifname != \"lo\" iifname != @guests drop"

static void each_address_is_called_by_the_tunnel_alone(void **state)
{
	struct os_fence *f;

	(void)state;
	assert_int_equal(os_fence_new("tm7", 0, &f), TM_OK);
	assert_string_equal(look(), "");
	set(f, NULL, 0);
	assert_non_null(strstr(ruleset, "type filter hook prerouting priority raw; policy accept;"));
	assert_non_null(strstr(ruleset, DROPPED("ip daddr 100.101.0.5")));
	assert_non_null(strstr(ruleset, DROPPED("ip daddr 100.101.255.255")));
	assert_non_null(strstr(ruleset, DROPPED("ip daddr 100.101.0.0")));
	assert_null(strstr(ruleset, "fe80"));
	/* Again, with another address and a guest. */
	host_ip("addr add fd5c::5/64 dev tm7 nodad");
	host_ip("link add docker0 type bridge");
	set(f, NULL, 0);
	assert_non_null(strstr(ruleset, DROPPED("ip6 daddr fd5c::5")));
	assert_non_null(strstr(ruleset, DROPPED("ip6 daddr fd5c::"))); /* of the routers there */
	assert_non_null(strstr(ruleset, "elements = { \"docker0\" }"));
	os_fence_free(f);
	assert_string_equal(look(), "");
}

static void networks_that_may_call_do_so_from_where_they_are(void **state)
{
	struct prefix v[2];
	struct os_fence *f;

	(void)state;
	assert_int_equal(prefix_parse("10.1.0.0/16", &v[0]), TM_OK);
	assert_int_equal(prefix_parse("2001:db8:5::/48", &v[1]), TM_OK);
	assert_int_equal(os_fence_new("tm7", 0, &f), TM_OK);
	set(f, v, 2);
	const char *may = strstr(ruleset, "ip daddr 100.101.0.5 ip saddr 10.1.0.0/16 fib saddr . iif oif"),
		   *not = strstr(ruleset, DROPPED("ip daddr 100.101.0.5"));
	if (!may || !not || may > not || strstr(ruleset, "2001:db8:5::")) /* of the other family */
		fail_msg("%s", ruleset);
	set(f, NULL, 0);
	assert_null(strstr(ruleset, "10.1.0.0"));
	os_fence_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(each_address_is_called_by_the_tunnel_alone, set_up),
		cmocka_unit_test_setup(networks_that_may_call_do_so_from_where_they_are, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
