/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* leave on a fake host: who is asked and told, what goes, what stays, and that it is said. */
#include "unit/unit.h"

#include "crypto/init.h"
#include "os/os.h"
#include "unit/cli/host_fixture.h"

static void leave_tells_the_coordinator_stops_and_forgets(void **state)
{
	struct host_fixture *f = *state;
	struct run r = {0};

	host_join(&r, f, "");
	run_free(&r);
	host_run_ok(&r, f, "leave -y --state-dir DIR/a/state");
	assert_string_equal(r.out, "  left the mesh \"home\"\n");
	assert_string_equal(r.err, "");
	assert_int_equal(fake_daemon_asked(&host.daemon, "leave"), 1);
	assert_int_equal(fake_daemon_asked(&host.daemon, "down"), 1);
	assert_false(host_has(f, "a/state"));
	run_free(&r);

	run_cli(&r, f->dir, "leave --state-dir DIR/a/state");
	assert_int_equal(r.status, 1);
	assert_string_equal(r.err, "tunnelmesh: this machine is in no mesh\n");
	run_free(&r);
}

static void leave_takes_networks_and_the_exit_along_and_opens_its_kill_switch(void **state)
{
	static const char routes[] = "advertise 192.168.1.0/24\nuse aaaaaaaaaaaaaaaa kill\n",
			  settings[] = "net/ipv4/conf/there-is-none/forwarding 0 1 -\n";
	struct host_fixture *f = *state;
	struct run r = {0};
	char path[128];

	host_join(&r, f, "--no-up");
	run_free(&r);
	snprintf(path, sizeof(path), "%s/a/state/routes", f->dir);
	assert_int_equal(os_write_file(path, routes, strlen(routes), 0600, NULL), TM_OK);
	snprintf(path, sizeof(path), "%s/a/state/settings", f->dir);
	assert_int_equal(os_write_file(path, settings, strlen(settings), 0600, NULL), TM_OK);
	host_run_ok(&r, f, "leave -y --state-dir DIR/a/state");
	assert_int_equal(host.exits_cleared, 1);
	assert_false(host_has(f, "a/state"));
	run_free(&r);
}

static void leave_keeps_what_restore_put_aside_and_says_so(void **state)
{
	struct host_fixture *f = *state;
	struct run r = {0};
	char path[128];

	host_join(&r, f, "--no-up");
	run_free(&r);
	snprintf(path, sizeof(path), "%s/a/state/replaced", f->dir);
	assert_int_equal(os_make_dir(path, 0700, NULL), TM_OK);
	snprintf(path, sizeof(path), "%s/a/state/replaced/mesh.db", f->dir);
	assert_int_equal(os_write_file(path, "x", 1, 0600, NULL), TM_OK);
	host_run_ok(&r, f, "leave -y --state-dir DIR/a/state");
	assert_contains(r.err, "what `restore --replace` put aside is still in ");
	assert_true(host_has(f, "a/state/replaced/mesh.db"));
	assert_false(host_has(f, "a/state/node.json") || host_has(f, "a/state/identity"));
	run_free(&r);
}

static void leave_says_what_it_could_not_delete(void **state)
{
	struct host_fixture *f = *state;
	struct run r = {0};
	char path[128];

	host_join(&r, f, "--no-up");
	run_free(&r);
	snprintf(path, sizeof(path), "%s/a/state/clock", f->dir);
	assert_int_equal(os_make_dir(path, 0700, NULL), TM_OK); /* which is no file */
	run_cli(&r, f->dir, "leave -y --state-dir DIR/a/state");
	assert_int_equal(r.status, 1);
	assert_string_equal(r.out, "");
	assert_contains(r.err, "this machine has left the mesh, but ");
	assert_contains(r.err, "/a/state/clock cannot be deleted: ");
	assert_false(host_has(f, "a/state/node.json") || host_has(f, "a/state/identity"));
	run_free(&r);
}

static void leave_without_daemon_and_coordinator_says_what_remains_to_do(void **state)
{
	struct host_fixture *f = *state;
	struct run r = {0};

	host.enrol_leave = TM_ETIMEOUT;
	host_join(&r, f, "--no-up");
	run_free(&r);
	host_run_ok(&r, f, "leave -y --keep-identity --state-dir DIR/a/state");
	assert_string_equal(r.err,
		"tunnelmesh: the coordinator could not be told (the coordinator does not answer): "
		"there `tunnelmesh node remove laptop` does it\n");
	assert_int_equal(host.left, 1);
	assert_true(host_has(f, "a/state/identity"));
	assert_false(host_has(f, "a/state/node.json"));
	run_free(&r);

	/* and the kept identity is used again */
	uint8_t key[32];
	memcpy(key, host.enrol_key, sizeof(key));
	host_join(&r, f, "--no-up");
	assert_int_equal(r.status, 0);
	assert_memory_equal(host.enrol_key, key, sizeof(key));
	run_free(&r);
}

static void leave_asks_on_a_terminal(void **state)
{
	struct host_fixture *f = *state;
	struct run r = {0}, no = {.tty = true, .input = "n\n"}, yes = {.tty = true, .input = "y\n"};

	host_join(&r, f, "--no-up");
	run_free(&r);
	run_cli(&no, f->dir, "leave --state-dir DIR/a/state");
	assert_int_equal(no.status, 1);
	assert_contains(no.err, "Leave the mesh \"home\"? laptop needs a new token to come back. [y/N] ");
	assert_true(host_has(f, "a/state/node.json"));
	run_free(&no);
	host_run_ok(&yes, f, "leave --state-dir DIR/a/state");
	assert_false(host_has(f, "a/state"));
	run_free(&yes);
}

/* A script must not destroy by default what a person would be asked about. */
static void leave_wants_a_yes_where_nobody_can_be_asked(void **state)
{
	static const char *const lines[] = {
		"leave --state-dir DIR/a/state", "leave --force --state-dir DIR/a/state --json"};
	struct host_fixture *f = *state;
	struct run r = {0};

	host_join(&r, f, "--no-up");
	run_free(&r);
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		run_cli(&r, f->dir, lines[i]);
		assert_int_equal(r.status, 2);
		assert_contains(r.err, "leave wants --yes where nobody can be asked (nothing was changed)");
		assert_true(host_has(f, "a/state/node.json"));
		assert_int_equal(host.left, 0);
		run_free(&r);
	}
}

static void the_coordinator_leaves_only_by_force(void **state)
{
	struct host_fixture *f = *state;
	struct run r = {0};

	host_run_ok(&r, f, "init --no-up --name hub --state-dir DIR/a/state");
	run_free(&r);
	run_cli(&r, f->dir, "leave --yes --state-dir DIR/a/state");
	assert_int_equal(r.status, 1);
	assert_contains(r.err, "tunnelmesh: this machine is the mesh's coordinator (");
	assert_true(host_has(f, "a/state/mesh.db"));
	run_free(&r);
	host_run_ok(&r, f, "leave --yes --force --state-dir DIR/a/state");
	assert_false(host_has(f, "a/state"));
	assert_int_equal(host.left, 0);
	run_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, host_fixture_setup, host_fixture_teardown)
		T(leave_tells_the_coordinator_stops_and_forgets),
		T(leave_takes_networks_and_the_exit_along_and_opens_its_kill_switch),
		T(leave_keeps_what_restore_put_aside_and_says_so),
		T(leave_says_what_it_could_not_delete),
		T(leave_without_daemon_and_coordinator_says_what_remains_to_do),
		T(leave_asks_on_a_terminal),
		T(leave_wants_a_yes_where_nobody_can_be_asked),
		T(the_coordinator_leaves_only_by_force),
	};

	return crypto_init(NULL) == TM_OK ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
