/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* In a network namespace of its own; skipped where that is not allowed. */
#include "host.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "os/os.h"

static int set_up(void **state)
{
	(void)state;
	host_unshare(CLONE_NEWNET, "network");
	host_ip("link set lo up");
	host_veth("wan0", "far0");
	host_ip("addr add 192.0.2.10/24 dev wan0");
	host_ip("route add default via 192.0.2.1");
	host_veth("tm0", "other0");
	host_ip("addr add 100.101.0.5/16 dev tm0");
	return 0;
}

static struct os_own_route own(const char *text)
{
	struct os_own_route r = {.there = false};

	assert_int_equal(prefix_parse(text, &r.prefix), TM_OK);
	return r;
}

/* What `ip` lists of ours, a line each. */
static void listed(const char *family, char *buf, size_t n)
{
	char cmd[64];

	snprintf(cmd, sizeof(cmd), "ip %s route show proto 84", family);
	FILE *f = popen(cmd, "r");
	assert_non_null(f);
	size_t got = fread(buf, 1, n - 1, f);
	buf[got] = '\0';
	pclose(f);
}

static void set(struct os_own_route *v, size_t n)
{
	struct diag d = {0};

	if (os_own_routes("tm0", v, n, &d) != TM_OK)
		fail_msg("%s", d.what);
}

static void there_are_those_that_are_wanted_and_no_others(void **state)
{
	struct os_own_route v[] = {own("10.1.0.0/16"), own("10.2.0.0/16"), own("2001:db8:5::/48")};
	char text[512];

	(void)state;
	host_ip("route add 10.9.0.0/16 dev tm0"); /* somebody else's: stays */
	set(v, 3);
	listed("-4", text, sizeof(text));
	assert_non_null(strstr(text, "10.1.0.0/16 dev tm0"));
	assert_non_null(strstr(text, "10.2.0.0/16 dev tm0"));
	assert_null(strstr(text, "10.9.0.0/16"));
	listed("-6", text, sizeof(text));
	assert_non_null(strstr(text, "2001:db8:5::/48 dev tm0"));
	assert_true(v[0].there && v[1].there && v[2].there);

	set(v + 1, 1);
	listed("-4", text, sizeof(text));
	assert_null(strstr(text, "10.1.0.0/16"));
	assert_non_null(strstr(text, "10.2.0.0/16 dev tm0"));
	host_ip("route del 10.2.0.0/16 dev tm0");
	set(v + 1, 1); /* put back */
	listed("-4", text, sizeof(text));
	assert_non_null(strstr(text, "10.2.0.0/16 dev tm0"));
	set(NULL, 0);
	listed("-4", text, sizeof(text));
	assert_string_equal(text, "");
	host_ip("route del 10.9.0.0/16 dev tm0");
}

static void what_this_host_has_itself_is_not_taken_from_it(void **state)
{
	static const struct {
		const char *setup, *net;
		bool there;
	} rows[] = {
		{"addr add 10.1.0.7/16 dev wan0", "10.1.0.0/16", false}, /* the same */
		{"addr add 10.1.0.7/16 dev wan0", "10.1.2.0/24", false}, /* a part of ours */
		{"addr add 10.1.0.7/16 dev wan0", "10.0.0.0/8", true}, /* ours is more specific */
		{"route add 10.1.0.0/16 via 192.0.2.9", "10.1.0.0/16", false},
		{"route add 10.0.0.0/8 via 192.0.2.9", "10.1.0.0/16", true}, /* theirs is not */
		{"route add 0.0.0.0/1 via 192.0.2.9", "10.1.0.0/16", true}, /* a default in halves */
		{"addr add 10.1.0.7/32 dev lo", "10.1.0.0/16", true},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct os_own_route v[] = {own(rows[i].net)};

		set_up(state);
		host_ip(rows[i].setup);
		set(v, 1);
		if (v[0].there != rows[i].there || (v[0].conflict.ip.family == IP_NONE) != rows[i].there ||
			(!rows[i].there && strcmp(v[0].conflict_if, "wan0") != 0))
			fail_msg("row %zu (%s): there %d, on \"%s\"", i, rows[i].setup, v[0].there,
				v[0].conflict_if);
	}
}

static void a_host_that_comes_into_such_a_network_keeps_it_and_leaves_it(void **state)
{
	struct os_own_route v[] = {own("10.1.0.0/16")};
	char text[256];

	(void)state;
	set(v, 1);
	assert_true(v[0].there);
	host_ip("addr add 10.1.0.7/16 dev wan0");
	set(v, 1);
	assert_false(v[0].there);
	listed("-4", text, sizeof(text));
	assert_string_equal(text, "");
	host_ip("addr del 10.1.0.7/16 dev wan0");
	set(v, 1);
	assert_true(v[0].there && v[0].conflict.ip.family == IP_NONE);
}

static void one_that_is_barred_is_not_made_and_goes_when_it_becomes_so(void **state)
{
	struct os_own_route v[] = {own("10.1.0.0/16")};

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		v[0].barred = i % 2;
		set(v, 1);
		assert_int_equal(v[0].there, !v[0].barred);
		assert_int_equal(v[0].conflict.ip.family, IP_NONE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(there_are_those_that_are_wanted_and_no_others, set_up),
		cmocka_unit_test_setup(what_this_host_has_itself_is_not_taken_from_it, set_up),
		cmocka_unit_test_setup(a_host_that_comes_into_such_a_network_keeps_it_and_leaves_it, set_up),
		cmocka_unit_test_setup(one_that_is_barred_is_not_made_and_goes_when_it_becomes_so, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
