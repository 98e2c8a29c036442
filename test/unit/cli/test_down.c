/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* down and up of a daemon that runs already, and what --cleanup removes after one that was killed. */
#include "unit/unit.h"

#include <unistd.h>

#include "fake/settings.h"
#include "node/exit_journal.h"
#include "node/host_settings.h"
#include "node/route_settings.h"
#include "os/os.h"
#include "unit/cli/fixture.h"
#include "unit/cli/run.h"

static unsigned exits_cleared;

static char cleared[64];

int __wrap_os_exit_undo(const char *ifname, struct os_exit_left *ret_left, struct diag *d);
bool __wrap_os_rules_left(const char *ifname);
bool __wrap_os_rules_undo(const char *ifname);

static char ruled[16]; /* the interface whose rules are there */

bool __wrap_os_rules_left(const char *ifname)
{
	return strcmp(ruled, ifname) == 0;
}

bool __wrap_os_rules_undo(const char *ifname)
{
	const bool there = strcmp(ruled, ifname) == 0;

	ruled[0] = there ? '\0' : ruled[0];
	return there;
}

int __wrap_os_exit_undo(const char *ifname, struct os_exit_left *ret_left, struct diag *d UNUSED)
{
	const size_t n = strlen(cleared);

	*ret_left = (struct os_exit_left){.any = true};
	snprintf(cleared + n, sizeof(cleared) - n, "%s ", ifname);
	exits_cleared++;
	return TM_OK;
}

static void down_waits_for_the_daemons_lock(void **state)
{
	struct fixture *f = *state;
	struct run r = {0};
	int fd = -1;

	fake_daemon_start(&f->daemon, f->socket, f->lock, NULL);
	run_cli(&r, f->dir, "down --state-dir DIR");
	assert_int_equal(r.status, 0);
	assert_string_equal(r.out, "  tunnelmesh stopped\n");
	assert_int_equal(os_lock_file(f->lock, &fd, NULL), TM_OK);
	close(fd);
	run_free(&r);

	run_cli(&r, f->dir, "down --state-dir DIR");
	assert_int_equal(r.status, 0);
	assert_string_equal(r.out, "  tunnelmesh is not running\n");
	run_free(&r);
}

static void cleanup_removes_a_dead_socket_but_not_a_live_one(void **state)
{
	struct fixture *f = *state;
	struct run r = {0};

	fake_daemon_start(&f->daemon, f->socket, f->lock, NULL);
	run_cli(&r, f->dir, "down --cleanup --state-dir DIR");
	assert_int_equal(r.status, 0);
	assert_contains(r.out, "nothing to remove: tunnelmesh is running");
	run_free(&r);
	assert_int_equal(access(f->socket, F_OK), 0);

	/* Another name keeps the socket file when the fake unlinks its own, as kill -9 would. */
	char kept[112];
	snprintf(kept, sizeof(kept), "%s.kept", f->socket);
	assert_int_equal(link(f->socket, kept), 0);
	fake_daemon_stop(&f->daemon);
	assert_int_equal(rename(kept, f->socket), 0);

	run_cli(&r, f->dir, "down --cleanup --state-dir DIR");
	assert_int_equal(r.status, 0);
	assert_string_equal(r.out, "  removed what a killed tunnelmesh left\n");
	assert_string_equal(r.err, "");
	assert_int_equal(access(f->socket, F_OK), -1);
	run_free(&r);

	run_cli(&r, f->dir, "down --cleanup --state-dir DIR");
	assert_string_equal(r.out, "  nothing to remove\n");
	run_free(&r);
}

/* As kill -9 leaves it: bound, and nobody listens any more. */
static void make_dead_socket(const char *path)
{
	struct fake_daemon dead = {0};
	char kept[112];

	fake_daemon_start(&dead, path, NULL, NULL);
	snprintf(kept, sizeof(kept), "%s.kept", path);
	assert_int_equal(link(path, kept), 0);
	fake_daemon_stop(&dead);
	assert_int_equal(rename(kept, path), 0);
}

static void the_open_socket_is_cleaned_up_with_and_without_the_other(void **state)
{
	struct fixture *f = *state;
	char open_path[112];

	snprintf(open_path, sizeof(open_path), "%s.read", f->socket);
	for (int with = 0; with < 2; with++) {
		struct run r = {0};

		make_dead_socket(open_path);
		if (with)
			make_dead_socket(f->socket);
		run_cli(&r, f->dir, with ? "down --state-dir DIR" : "down --cleanup --state-dir DIR");
		assert_int_equal(r.status, 0);
		assert_int_equal(access(open_path, F_OK), -1);
		assert_int_equal(access(f->socket, F_OK), -1);
		run_free(&r);
	}
}

/* As a kernel without owners of tables keeps them. */
static void rules_that_a_killed_run_left_are_taken_away(void **state)
{
	static const char *const commands[] = {"down --cleanup --state-dir DIR", "down --state-dir DIR"};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		struct run r = {0};

		snprintf(ruled, sizeof(ruled), "tm0");
		run_cli(&r, f->dir, commands[i]);
		assert_int_equal(r.status, 0);
		assert_string_equal(ruled, "");
		if (i == 0)
			assert_string_equal(r.out, "  removed what a killed tunnelmesh left\n");
		run_free(&r);
	}
}

#define LAN "net/ipv4/conf/lan0/forwarding"
#define USE "use aaaaaaaaaaaaaaaa"

static void cleanup_takes_back_what_a_killed_router_set(void **state)
{
	struct fixture *f = *state;
	struct run r = {0};

	kernel_empty();
	kernel_has(LAN, "1");
	fixture_write(f, HOST_SETTINGS_FILE, 0600, LAN " 0 1 -\n");
	run_cli(&r, f->dir, "down --cleanup --state-dir DIR");
	assert_string_equal(r.out, "  removed what a killed tunnelmesh left\n");
	assert_string_equal(kernel_value(LAN), "0");
	run_free(&r);
	/* Once is enough: now it is somebody else's. */
	kernel_write(LAN, "1");
	run_cli(&r, f->dir, "down --cleanup --state-dir DIR");
	assert_string_equal(r.out, "  nothing to remove\n");
	assert_string_equal(kernel_value(LAN), "1");
	run_free(&r);
	fixture_remove(f, HOST_SETTINGS_FILE);
}

static void cleanup_leaves_a_running_router_its_settings(void **state)
{
	struct fixture *f = *state;
	struct run r = {0};

	kernel_empty();
	kernel_has(LAN, "1");
	fixture_write(f, HOST_SETTINGS_FILE, 0600, LAN " 0 1 -\n");
	fixture_write(f, ROUTE_SETTINGS_FILE, 0600, USE "\n");
	exits_cleared = 0;
	fake_daemon_start(&f->daemon, f->socket, f->lock, NULL);
	run_cli(&r, f->dir, "down --cleanup --state-dir DIR");
	assert_string_equal(kernel_value(LAN), "1");
	assert_int_equal(exits_cleared, 0);
	run_free(&r);
	fake_daemon_stop(&f->daemon);
	fixture_remove(f, HOST_SETTINGS_FILE);
	fixture_remove(f, ROUTE_SETTINGS_FILE);
}

static void cleanup_ends_an_exit_but_no_kill_switch_and_down_both(void **state)
{
	static const struct {
		const char *routes;
		unsigned cleared, by_down;
	} rows[] = {{USE "\n", 1, 1}, {USE " lan\n", 1, 1}, {USE " kill\n", 0, 1}, {USE " lan kill\n", 0, 1},
		{"offer\n", 0, 0}, {"nonsense\n", 0, 1}};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct run r = {0};

		exits_cleared = 0;
		fixture_write(f, ROUTE_SETTINGS_FILE, 0600, rows[i].routes);
		run_cli(&r, f->dir, "down --cleanup --state-dir DIR");
		assert_int_equal(r.status, 0);
		assert_int_equal(exits_cleared, rows[i].cleared);
		run_free(&r);
		exits_cleared = 0;
		run_cli(&r, f->dir, "down --state-dir DIR");
		assert_int_equal(exits_cleared, rows[i].by_down);
		run_free(&r);
	}
	fixture_remove(f, ROUTE_SETTINGS_FILE);
}

static void an_exit_is_looked_for_by_every_name_that_its_interface_had(void **state)
{
	static const struct {
		const char *journal, *config, *cleared;
	} rows[] = {
		{"", NULL, "tm0 "}, /* as an earlier version left it */
		{"tm0", NULL, "tm0 "},
		{"tm5", NULL, "tm5 tm0 "},
		{"tm5\ntm7", NULL, "tm5 tm0 "},
		{"tm0\ntm7", NULL, "tm7 tm0 "},
		{"../x", NULL, "tm0 "},
		{"tm5", "tun: tm9\n", "tm5 tm9 "},
	};
	struct fixture *f = *state;
	char journal[128];

	snprintf(journal, sizeof(journal), "%s/" EXIT_JOURNAL, f->dir);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct run r = {0};

		fixture_write(f, ROUTE_SETTINGS_FILE, 0600, USE "\n");
		fixture_write(f, EXIT_JOURNAL, 0600, rows[i].journal);
		if (rows[i].config)
			fixture_write(f, "config.yaml", 0600, rows[i].config);
		cleared[0] = '\0';
		run_cli(&r, f->dir,
			rows[i].config ? "down --state-dir DIR --config DIR/config.yaml"
				       : "down --state-dir DIR");
		assert_string_equal(r.out,
			"  tunnelmesh is not running\n"
			"  removed what a killed tunnelmesh held back for its exit node\n");
		assert_string_equal(cleared, rows[i].cleared);
		assert_false(os_exists(journal));
		run_free(&r);
	}
	fixture_remove(f, ROUTE_SETTINGS_FILE);
	/* The note alone is enough: whoever was told `exit-node off` may have been killed in the middle. */
	fixture_write(f, EXIT_JOURNAL, 0600, "tm0");
	struct run r = {0};
	run_cli(&r, f->dir, "down --cleanup --state-dir DIR");
	assert_string_equal(r.out, "  removed what a killed tunnelmesh left\n");
	assert_false(os_exists(journal));
	run_free(&r);
	fixture_remove(f, "config.yaml");
}

static void up_of_a_running_daemon_is_done_already(void **state)
{
	struct fixture *f = *state;
	struct run r = {0};

	fake_daemon_start(&f->daemon, f->socket, NULL, NULL);
	run_cli(&r, f->dir, "up --state-dir DIR");
	assert_int_equal(r.status, 0);
	assert_contains(r.out, "  tunnelmesh is already running (process ");
	run_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
		T(down_waits_for_the_daemons_lock),
		T(cleanup_removes_a_dead_socket_but_not_a_live_one),
		T(the_open_socket_is_cleaned_up_with_and_without_the_other),
		T(rules_that_a_killed_run_left_are_taken_away),
		T(cleanup_takes_back_what_a_killed_router_set),
		T(cleanup_leaves_a_running_router_its_settings),
		T(cleanup_ends_an_exit_but_no_kill_switch_and_down_both),
		T(an_exit_is_looked_for_by_every_name_that_its_interface_had),
		T(up_of_a_running_daemon_is_done_already),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
