/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What stays of an exit in use when its daemon ends, whose that is, and what goes on beside it. */
#include "exit_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void what_is_held_stays_when_we_end_and_else_goes(void **state)
{
	struct diag d = {0};

	(void)state;
	needs_nftables();
	set(false, true);
	host_ip("link del tm0");
	os_exit_free(x); /* as the end of the process does */
	x = NULL;
	assert_int_not_equal(send_by("wan0", "203.0.113.7", 0), 0);
	assert_int_not_equal(send_by("wan0", "2001:db8:9::7", 0), 0);
	assert_int_equal(send_by("wan0", "203.0.113.7", MARK), 0);
	assert_int_equal(os_exit_undo("tm0", &left, &d), TM_OK);
	expect_nothing_left();
	assert_int_equal(send_by("wan0", "2001:db8:9::7", 0), 0);

	host_veth("tm0", "other0");
	assert_int_equal(os_exit_new("tm0", MARK, &x), TM_OK);
	set(false, true);
	assert_int_equal(system("nft flush ruleset"), 0); /* which the other table does not follow */
	set(false, true);
	assert_non_null(strstr(list_table("tunnelmesh-tm0-held"), "chain leaves"));
	set(false, false);
	assert_null(strstr(list_table("tunnelmesh-tm0-held"), "chain leaves"));
	clear();
	assert_null(strstr(list_table("tunnelmesh-tm0-exit"), "chain"));
}

/* As an earlier version of the kernel leaves it, where tables have no owners. */
static void make_table(const char *family, const char *name)
{
	char cmd[256];

	snprintf(cmd, sizeof(cmd),
		"nft 'table %s %s { chain leaves { type filter hook output priority 0; policy drop; }; }'",
		family, name);
	assert_int_equal(system(cmd), 0);
}

static void what_a_killed_run_left_is_found_by_its_interface(void **state)
{
	static const struct {
		const char *family, *name;
	} rows[] = {{"inet", "tunnelmesh-tm0-exit"}, {"arp", "tunnelmesh-tm0-exit"},
		{"inet", "tunnelmesh-tm0-held"}, {"inet", "tunnelmesh-held"}};
	struct diag d = {0};

	(void)state;
	needs_nftables();
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		for (unsigned by = 0; by < 2; by++) { /* a start that uses none, or who has no daemon */
			make_table(rows[i].family, rows[i].name);
			if (by)
				clear();
			else
				assert_int_equal(os_exit_undo("tm0", &left, &d), TM_OK);
			assert_true(by || left.any);
			if (system("nft list tables | grep -q tunnelmesh") == 0)
				fail_msg("%s %s, by %u", rows[i].family, rows[i].name, by);
			assert_int_equal(send_by("wan0", "203.0.113.7", 0), 0);
			assert_int_equal(os_exit_undo("tm0", &left, &d), TM_OK);
			assert_false(left.any);
		}
}

static void what_another_run_holds_is_neither_opened_nor_taken_over(void **state)
{
	struct diag d = {0}, unguarded = {0};
	struct os_exit *second;

	(void)state;
	set(false, true);
	os_exit_free(TAKE(x)); /* as the end of the process does */
	host_ip("link del tm0");
	host_veth("tm1", "other1");
	assert_int_equal(os_exit_new("tm1", MARK, &second), TM_OK);
	assert_int_equal(os_exit_clear(second, &d), TM_OK); /* as at a start */
	assert_int_equal(os_exit_set(second, false, false, &unguarded, &d), TM_EBUSY);
	assert_non_null(strstr(d.what, "by tm0, lets nothing leave"));
	assert_int_equal(os_exit_undo("tm1", &left, &d), TM_OK);
	assert_false(left.any);
	assert_string_equal(left.other, "tm0");
	expect_way("203.0.113.7", false, "");
	assert_int_not_equal(send_by("wan0", "203.0.113.7", 0), 0);
	/* The same node, whose interface has another name now, does both; and what it held goes with it. */
	os_exit_former(second, "tm0");
	assert_int_equal(os_exit_set(second, false, true, &unguarded, &d), TM_OK);
	expect_way("203.0.113.7", false, "tm1");
	assert_null(strstr(list_table("tunnelmesh-tm0-held"), "chain"));
	assert_int_equal(os_exit_clear(second, &d), TM_OK);
	os_exit_free(second);
	expect_nothing_left();
	assert_int_equal(send_by("wan0", "203.0.113.7", 0), 0);
}

static void another_tunnels_own_packets_go_on_and_nobody_elses(void **state)
{
	static const struct {
		const char *rule;
		uint32_t mark;
		bool passes;
	} rows[] = {
		{"rule add pref 5210 fwmark 0x80000/0xff0000 lookup main", 0x80000, true},
		{"rule add pref 5210 fwmark 0x80000/0xff0000 lookup main", 0x89999, true},
		{"rule add pref 5210 fwmark 0x80000/0xff0000 lookup main", 0x40000, false},
		{"rule add pref 5210 fwmark 0x80000/0xff0000 lookup main", 0, false},
		{"-6 rule add pref 5210 fwmark 0x80000/0xff0000 lookup main", 0x80000, true},
		{"rule add pref 5210 from 192.0.2.99 fwmark 0x80000 lookup main", 0x80000, false},
		{"rule add pref 5210 iif wan0 fwmark 0x80000 lookup main", 0x80000, false},
		{"rule add pref 5210 not fwmark 0x80000 lookup main", 0x80000, false},
		{"rule add pref 5210 fwmark 0x80000 lookup 77", 0x80000, false},
		{"rule add pref 5400 fwmark 0x80000 lookup main", 0x80000, false},
	};

	(void)state;
	needs_nftables();
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		host_ip(rows[i].rule);
		set(false, true);
		if ((send_by("wan0", "203.0.113.7", rows[i].mark) == 0) != rows[i].passes)
			fail_msg("mark 0x%x of \"%s\"", rows[i].mark, rows[i].rule);
		char undo[128];
		snprintf(undo, sizeof(undo), "%srule del pref %s", rows[i].rule[0] == '-' ? "-6 " : "",
			strstr(rows[i].rule, "5400") ? "5400" : "5210");
		host_ip(undo);
		set(false, true);
		assert_int_not_equal(send_by("wan0", "203.0.113.7", rows[i].mark), 0);
	}
	/* A firewall that marks everybody's packets opens nothing. */
	host_ip("rule add pref 5210 fwmark 0x80000/0xff0000 lookup main");
	assert_int_equal(system("nft 'table inet theirs { chain out { type route hook output priority -150;"
				" meta mark set 0x80000; }; }'"),
		0);
	set(false, false);
	assert_int_not_equal(send_by(NULL, "203.0.113.7", 0), 0);
	clear();
	assert_int_equal(send_by(NULL, "203.0.113.7", 0), 0);
}

static void two_on_one_machine_do_not_undo_each_others(void **state)
{
	struct diag d = {0}, unguarded = {0};
	struct os_exit *second;

	(void)state;
	host_veth("tm1", "other1");
	set(false, true);
	assert_int_equal(os_exit_new("tm1", MARK, &second), TM_OK);
	assert_int_equal(os_exit_set(second, false, false, &unguarded, &d), TM_EBUSY);
	assert_non_null(strstr(d.what, "tm0"));
	assert_int_equal(os_exit_clear(second, &d), TM_OK);
	assert_int_equal(os_exit_undo("tm1", &left, &d), TM_OK);
	assert_string_equal(left.other, "tm0");
	os_exit_free(second);
	expect_way("203.0.113.7", false, "tm0");
	host_ip("link del tm0");
	expect_way("203.0.113.7", false, "");
	assert_int_equal(os_exit_undo("tm0", &left, &d), TM_OK);
	expect_nothing_left();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		T(what_is_held_stays_when_we_end_and_else_goes),
		T(what_a_killed_run_left_is_found_by_its_interface),
		T(what_another_run_holds_is_neither_opened_nor_taken_over),
		T(another_tunnels_own_packets_go_on_and_nobody_elses),
		T(two_on_one_machine_do_not_undo_each_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
