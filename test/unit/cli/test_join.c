/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The first join of a machine on a fake host: what it prints, what it keeps, what it does not join, and that
 * a failure leaves nothing behind. */
#include "unit/unit.h"

#include "crypto/init.h"
#include "unit/cli/host_fixture.h"

static void join_prints_name_address_peers_and_path(void **state)
{
	struct host_fixture *f = *state;
	struct run r = {0};
	struct enrolment e;

	host_join(&r, f, "--listen-port 4501 --tun tm3");
	assert_string_equal(r.err, "");
	assert_string_equal(r.out, "  enrolled as laptop \u00b7 100.101.0.2 \u00b7 2 peers \u00b7 direct to "
				   "hub (203.0.113.7:51820, 11 ms)\n");
	assert_int_equal(r.status, 0);
	assert_string_equal(host.enrol_name, "laptop");
	host_load_enrolment(f, &e);
	assert_int_equal(e.listen_port, 4501);
	assert_string_equal(e.tun, "tm3");
	assert_false(e.coordinator);
	run_free(&r);
}

static void join_without_a_path_says_what_is_known(void **state)
{
	static const struct fake_reply offline[] = {
		{"status", "{\"ok\":true,\"link\":{\"up\":false,\"error\":\"connection "
			   "refused\"},\"peers\":[{\"name\":\"hub\",\"id\":\"b\","
			   "\"coordinator\":true,\"session\":false,\"path\":\"checking\"}]}"},
		{0},
	};
	struct host_fixture *f = *state;
	struct run r = {0};

	host.replies = offline;
	host_join(&r, f, "");
	assert_int_equal(r.status, 0);
	assert_string_equal(r.out, "  enrolled as laptop \u00b7 100.101.0.2 \u00b7 1 peer \u00b7 no link to "
				   "the coordinator yet: "
				   "connection refused\n");
	assert_true(fake_daemon_asked(&host.daemon, "nudge") == 1);
	run_free(&r);
}

static void a_name_that_is_taken_is_told_with_the_way_to_get_it_back(void **state)
{
	struct host_fixture *f = *state;
	struct run r = {0};

	host.enrol_as = "laptop-2";
	host_join(&r, f, "--no-up");
	assert_int_equal(r.status, 0);
	assert_contains(r.out, "enrolled as laptop-2");
	assert_contains(r.err, "another node is named laptop, so this one is laptop-2");
	assert_contains(r.err, "tunnelmesh node remove laptop, then tunnelmesh node rename laptop-2 laptop");
	run_free(&r);
}

static void the_token_may_come_from_standard_input(void **state)
{
	struct host_fixture *f = *state;
	char input[TOKEN_TEXT_MAX + 8];
	struct run r = {.input = input};

	snprintf(input, sizeof(input), "%s\r\n", f->token);
	host_run_ok(&r, f, "join - --no-up --name laptop --state-dir DIR/a/state");
	assert_contains(r.out, "  enrolled as laptop \u00b7 100.101.0.2 \u00b7 mesh \"home\"\n  Start it "
			       "with:  sudo tunnelmesh ");
	run_free(&r);
}

static void every_failure_of_join_leaves_nothing_behind(void **state)
{
	static const struct {
		const char *token; /* NULL = the good one */
		int *broken;
		const char *in_use, *err;
		unsigned undone; /* the coordinator was told */
	} rows[] = {
		{NULL, &host.privileges, NULL, "needs root", 0},
		{NULL, &host.port, NULL, "UDP port 51820 is taken", 0},
		{NULL, &host.interface, NULL, "interface tm0 is there already", 0},
		{"tm1_garbage", NULL, NULL, "token", 0},
		{"hello", NULL, NULL, "token", 0},
		{"-", NULL, NULL, "there is no token on standard input", 0},
		{NULL, &host.enrol, NULL, "this token was used already", 0},
		{NULL, NULL, "100.101.9.0/24", "range is in use on eth7 (the mesh's range 100.101.0.0/16", 1},
		{NULL, NULL, "fd5c::/64", "range is in use on eth7 (the mesh's range fd5c::/64", 1},
		{NULL, &host.spawn, NULL, "port 51820 is taken", 1},
	};
	struct host_fixture *f = *state;
	char args[TOKEN_TEXT_MAX + 128];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct run r = {0};

		host.undone = 0;
		host.in_use = (struct prefix){0};
		if (rows[i].broken)
			*rows[i].broken = TM_EIO;
		if (rows[i].in_use)
			assert_int_equal(prefix_parse(rows[i].in_use, &host.in_use), TM_OK);
		snprintf(args, sizeof(args), "join %s --name laptop --state-dir DIR/a/state",
			rows[i].token ? rows[i].token : f->token);
		run_cli(&r, f->dir, args);
		if (r.status != 1 || !strstr(r.err, rows[i].err) || *r.out)
			fail_msg("row %zu: %d\n%s%s", i, r.status, r.err, r.out);
		if (strstr(r.err, f->token))
			fail_msg("row %zu: prints the token", i);
		if (host_has(f, "a") || host.undone != rows[i].undone)
			fail_msg("row %zu: undone %u times, directory %s", i, host.undone,
				host_has(f, "a") ? "kept" : "gone");
		if (rows[i].broken)
			*rows[i].broken = 0;
		run_free(&r);
	}
}

/* Its tags and clients would go with it. */
static void a_failed_join_of_a_member_does_not_end_its_membership(void **state)
{
	struct host_fixture *f = *state;
	struct run r = {0};

	host.enrolment.existed = true;
	host.spawn = TM_EIO;
	host_join(&r, f, "");
	assert_int_equal(r.status, 1);
	assert_int_equal(host.enrolled, 1);
	assert_int_equal(host.undone, 0);
	run_free(&r);
}

/* A coordinator that was taken over must not get at what a new member sends to others. */
static void ranges_that_are_not_for_private_use_are_joined_by_force_only(void **state)
{
	static const struct {
		const char *net4, *net6, *err; /* NULL: with --force it joins */
		bool forceable;
	} rows[] = {
		{"8.8.8.0/24", "fd5c::/64", "the mesh's range 8.8.8.0/24 is not for private use", true},
		{"100.101.0.0/16", "2001:db8::/32", "the mesh's range 2001:db8::/32 is not for", true},
		{"0.0.0.0/0", "fd5c::/64", "the mesh's range 0.0.0.0/0: the prefix length must be", false},
		{"100.101.0.0/16", "::/0", "the mesh's range ::/0: the prefix length must be", false},
		{"127.0.0.0/8", "fd5c::/64", "the mesh's range 127.0.0.0/8 is not a range for", false},
	};
	struct host_fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct mesh_info *mesh = &host.enrolment.mesh;
		struct run r = {0};

		assert_int_equal(prefix_parse(rows[i].net4, &mesh->net4), TM_OK);
		assert_int_equal(prefix_parse(rows[i].net6, &mesh->net6), TM_OK);
		host.undone = 0;
		host_join(&r, f, "--no-up");
		if (r.status != 1 || !strstr(r.err, rows[i].err) || host_has(f, "a/state/node.json") ||
			host.undone != 1)
			fail_msg("row %zu: %d\n%s", i, r.status, r.err);
		run_free(&r);
		host_join(&r, f, "--no-up --force");
		if ((r.status == 0) != rows[i].forceable ||
			host_has(f, "a/state/node.json") != rows[i].forceable)
			fail_msg("row %zu, by force: %d\n%s", i, r.status, r.err);
		run_free(&r);
		if (rows[i].forceable)
			host_run_ok(&r, f, "leave -y --state-dir DIR/a/state");
		run_free(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, host_fixture_setup, host_fixture_teardown)
		T(join_prints_name_address_peers_and_path),
		T(join_without_a_path_says_what_is_known),
		T(a_name_that_is_taken_is_told_with_the_way_to_get_it_back),
		T(the_token_may_come_from_standard_input),
		T(every_failure_of_join_leaves_nothing_behind),
		T(a_failed_join_of_a_member_does_not_end_its_membership),
		T(ranges_that_are_not_for_private_use_are_joined_by_force_only),
	};

	return crypto_init(NULL) == TM_OK ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
