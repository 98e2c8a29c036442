/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* restart: what it asks, what it says, and what it finds out before anything is touched. */
#include "unit/unit.h"

#include <unistd.h>

#include "control/agent/enrolment.h"
#include "unit/cli/fixture.h"
#include "unit/cli/run.h"

#define RESTART "restart --state-dir DIR --config DIR/config.yaml"
#define REPLACED                                                                                             \
	{                                                                                                    \
		"replace", "{\"ok\":true,\"run\":7}"                                                         \
	}

static int member(void **state)
{
	struct enrolment e = {.coordinator_key = {9},
		.n_addresses = 1,
		.addresses = {"hub.example:8443"},
		.self = {.id = "00000000000000aa", .name = "laptop", .host = 2, .key = {7}}};
	struct fixture *f;
	char path[128];

	fixture_setup(state);
	f = *state;
	snprintf(e.mesh.name, sizeof(e.mesh.name), "home");
	e.mesh.secret[0] = 5;
	assert_int_equal(prefix_parse("100.101.0.0/16", &e.mesh.net4), TM_OK);
	assert_int_equal(prefix_parse("fd5c::/64", &e.mesh.net6), TM_OK);
	mesh_addresses(&e.mesh, e.self.host, &e.self.ip4, &e.self.ip6);
	snprintf(path, sizeof(path), "%s/node.json", f->dir);
	assert_int_equal(enrolment_save(path, &e, NULL), TM_OK);
	fixture_write(f, "config.yaml", 0600, "mtu: 1400\n");
	return 0;
}

static int clean_up(void **state)
{
	fixture_remove(*state, "node.json");
	fixture_remove(*state, "config.yaml");
	return fixture_teardown(state);
}

static void restart_is_over_when_another_run_answers(void **state)
{
	static const struct fake_reply replies[] = {REPLACED,
		{"version", "{\"ok\":true,\"version\":\"" TM_VERSION "\",\"run\":7}"}, {"version", NULL},
		{"version", "{\"ok\":true,\"version\":\"" TM_VERSION "\",\"run\":8}"}, {NULL, NULL}};
	struct fixture *f = *state;
	char expected[128];
	struct run r = {0};

	fake_daemon_start(&f->daemon, f->socket, f->lock, replies);
	run_cli(&r, f->dir, RESTART);
	assert_string_equal(r.err, "");
	assert_int_equal(r.status, 0);
	snprintf(expected, sizeof(expected), "  tunnelmesh restarted (process %d), the tunnel stayed\n",
		(int)getpid());
	assert_string_equal(r.out, expected);
	assert_int_equal(fake_daemon_asked(&f->daemon, "replace"), 1);
	assert_int_equal(fake_daemon_asked(&f->daemon, "version"), 3);
	run_free(&r);
}

static void another_program_than_this_one_is_told(void **state)
{
	static const struct fake_reply replies[] = {
		REPLACED, {"version", "{\"ok\":true,\"version\":\"0.0.9\",\"run\":8}"}, {NULL, NULL}};
	struct fixture *f = *state;
	struct run r = {0};

	fake_daemon_start(&f->daemon, f->socket, f->lock, replies);
	run_cli(&r, f->dir, RESTART);
	assert_int_equal(r.status, 0);
	assert_contains(r.err, "it is version 0.0.9, where it was started from, and this is " TM_VERSION);
	run_free(&r);

	run_cli(&r, f->dir, RESTART " --json");
	assert_contains(r.out, "\"version\": \"0.0.9\"");
	assert_contains(r.out, "\"kept\": true");
	run_free(&r);
}

static void what_would_keep_it_from_starting_is_said_and_nothing_asked(void **state)
{
	static const struct {
		const char *config, *says;
	} rows[] = {
		{"mtu: many\n", "config.yaml:1"},
		{"tunnel: yes\n", "unknown"},
		{"socket_group: no-such-group-here\n", "no-such-group-here"},
	};
	struct fixture *f = *state;

	fake_daemon_start(&f->daemon, f->socket, f->lock, NULL);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct run r = {0};

		fixture_write(f, "config.yaml", 0600, rows[i].config);
		run_cli(&r, f->dir, RESTART);
		assert_int_equal(r.status, 1);
		assert_contains(r.err, rows[i].says);
		assert_contains(r.err, "the one that runs was left alone");
		run_free(&r);
	}
	assert_int_equal(fake_daemon_asked(&f->daemon, "replace"), 0);
	assert_int_equal(fake_daemon_asked(&f->daemon, "down"), 0);
}

static void a_database_that_this_program_does_not_know_is_refused_before(void **state)
{
	struct fixture *f = *state;
	char path[128], head[100] = {0};
	struct enrolment e;
	struct run r = {0};

	snprintf(path, sizeof(path), "%s/node.json", f->dir);
	assert_int_equal(enrolment_load(path, &e, NULL), TM_OK);
	e.coordinator = true;
	assert_int_equal(enrolment_save(path, &e, NULL), TM_OK);
	/* Of SQLite's header the version is enough. */
	memset(head, 'x', sizeof(head) - 1);
	memcpy(head + 60, "\001\001\001\143", 4);
	fixture_write(f, "mesh.db", 0600, head);
	fake_daemon_start(&f->daemon, f->socket, f->lock, NULL);
	run_cli(&r, f->dir, RESTART);
	assert_int_equal(r.status, 1);
	assert_contains(r.err, "the mesh database is from a newer TunnelMesh");
	assert_contains(r.err, "the one that runs was left alone");
	assert_int_equal(fake_daemon_asked(&f->daemon, "replace"), 0);
	fixture_remove(f, "mesh.db");
	run_free(&r);
}

static void what_is_in_the_way_can_be_asked_for_alone(void **state)
{
	struct fixture *f = *state;
	struct run r = {0};

	run_cli(&r, f->dir, RESTART " --check"); /* also of what does not run */
	assert_int_equal(r.status, 0);
	assert_contains(r.out, "nothing is in the way");
	run_free(&r);
	fake_daemon_start(&f->daemon, f->socket, f->lock, NULL);
	run_cli(&r, f->dir, RESTART " --check --json");
	assert_contains(r.out, "\"version\": \"" TM_VERSION "\"");
	run_free(&r);
	fixture_write(f, "config.yaml", 0600, "mtu: many\n");
	run_cli(&r, f->dir, RESTART " --check");
	assert_int_equal(r.status, 1);
	assert_contains(r.err, "config.yaml:1");
	run_free(&r);
	assert_int_equal(fake_daemon_asked(&f->daemon, "replace"), 0);
}

static void nothing_runs_so_nothing_is_restarted(void **state)
{
	struct fixture *f = *state;
	struct run r = {0};

	run_cli(&r, f->dir, RESTART);
	assert_int_equal(r.status, 1);
	assert_contains(r.err, "tunnelmesh is not running (`tunnelmesh up` starts it)");
	run_free(&r);
}

static void one_that_refuses_is_believed(void **state)
{
	static const struct fake_reply replies[] = {
		{"replace", "{\"ok\":false,\"code\":\"not_replaced\",\"error\":\"no program\"}"},
		{NULL, NULL}};
	struct fixture *f = *state;
	struct run r = {0};

	fake_daemon_start(&f->daemon, f->socket, f->lock, replies);
	run_cli(&r, f->dir, RESTART);
	assert_int_equal(r.status, 1);
	assert_contains(r.err, "no program");
	assert_int_equal(fake_daemon_asked(&f->daemon, "down"), 0);
	run_free(&r);
}

static void one_that_ends_instead_is_told(void **state)
{
	static const struct fake_reply replies[] = {REPLACED, {"version", NULL}, {NULL, NULL}};
	struct fixture *f = *state;
	struct run r = {0};

	/* Without its lock: as one that has ended. */
	fake_daemon_start(&f->daemon, f->socket, NULL, replies);
	run_cli(&r, f->dir, RESTART);
	assert_int_equal(r.status, 1);
	assert_contains(r.err, "tunnelmesh has ended instead of coming up again");
	assert_contains(r.err, "daemon.log says why");
	run_free(&r);
}

#define T(f) cmocka_unit_test_setup_teardown(f, member, clean_up)
int main(void)
{
	const struct CMUnitTest tests[] = {
		T(restart_is_over_when_another_run_answers),
		T(another_program_than_this_one_is_told),
		T(what_would_keep_it_from_starting_is_said_and_nothing_asked),
		T(a_database_that_this_program_does_not_know_is_refused_before),
		T(what_is_in_the_way_can_be_asked_for_alone),
		T(nothing_runs_so_nothing_is_restarted),
		T(one_that_refuses_is_believed),
		T(one_that_ends_instead_is_told),
	};

	return cmocka_run_group_tests_name("cli/restart", tests, NULL, NULL);
}
