/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* init, and up afterwards, on a fake host: what they print, what they keep, and that a failure leaves nothing
 * behind. */
#include "unit/unit.h"

#include <jansson.h>
#include <signal.h>
#include <sys/stat.h>

#include "control/agent/identity_file.h"
#include "crypto/init.h"
#include "os/os.h"
#include "unit/cli/host_fixture.h"

static void init_starts_the_daemon_and_prints_the_command_for_the_next_machine(void **state)
{
	struct host_fixture *f = *state;
	struct run r = {0};

	host_run_ok(&r, f,
		"init --name hub --net4 100.101.0.0/16 --net6 fd5c::/64 --state-dir DIR/a/state --log-level "
		"debug");
	assert_contains(r.out,
		"  mesh \"home\" 100.101.0.0/16, fd5c::/64 \u00b7 this machine is hub, 100.101.0.1\n"
		"  To add a machine run there:  sudo tunnelmesh join tm1_first   (single use, valid ");
	assert_string_equal(r.err, "");
	assert_contains(host.spawned, "up --foreground --state-dir /");
	assert_contains(host.spawned, "/a/state --socket /");
	assert_contains(host.spawned, "--log-level debug");
	assert_int_equal(fake_daemon_asked(&host.daemon, "token.create"), 1);
	run_free(&r);
}

static void init_writes_a_whole_enrolment(void **state)
{
	struct host_fixture *f = *state;
	struct enrolment e;
	struct identity id;
	struct run r = {0};
	struct stat st;
	char path[128], ip6[IP_STR_LEN];

	host_run_ok(&r, f,
		"init --no-up --name hub --mesh lab --net4 10.9.0.0/24 --net6 fd12:3456:789a::/64 "
		"--listen-port 4500 --api-port 9443 "
		"--tun tm7 --address vpn.example.org --address 203.0.113.7:99 --address 2001:db8::1 "
		"--state-dir DIR/a/state");
	assert_contains(r.out, "  Start it with:  sudo tunnelmesh --state-dir ");
	assert_string_equal(host.spawned, "");
	run_free(&r);

	host_load_enrolment(f, &e);
	assert_string_equal(e.mesh.name, "lab");
	assert_string_equal(e.self.name, "hub");
	assert_string_equal(ip_format(&e.self.ip6, ip6), "fd12:3456:789a::1");
	assert_true(e.coordinator && e.self.coordinator);
	assert_int_equal(e.listen_port, 4500);
	assert_int_equal(e.api_port, 9443);
	assert_string_equal(e.tun, "tm7");
	assert_int_equal(e.n_addresses, 3);
	assert_string_equal(e.addresses[0], "vpn.example.org:9443");
	assert_string_equal(e.addresses[1], "203.0.113.7:99");
	assert_string_equal(e.addresses[2], "[2001:db8::1]:9443");

	snprintf(path, sizeof(path), "%s/a/state/identity", f->dir);
	assert_int_equal(identity_load(path, &id, NULL), TM_OK);
	assert_memory_equal(id.x_pub, e.self.key, 32);
	assert_memory_equal(id.x_pub, e.coordinator_key, 32);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	snprintf(path, sizeof(path), "%s/a/state", f->dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
}

/* The file counts: an option that does nothing would be a riddle later. */
static void what_contradicts_the_file_or_cannot_start_is_refused_before_anything(void **state)
{
	static const struct {
		const char *config, *args, *err; /* err NULL: fine */
	} rows[] = {
		{"listen_port: 4500\n", "--listen-port 4501",
			"own.yaml sets listen_port to another value than --listen-port"},
		{"listen_port: 4500\n", "--listen-port 4500", NULL},
		{"api_port: 9000\n", "--api-port 9001", "sets api_port to another value than --api-port"},
		{"tun: tm5\n", "--tun tm6", "sets tun to another value than --tun"},
		{"socket_group: no-such-group-here\n", "", "no group \"no-such-group-here\""},
		{"mtu: 1400\n", "--listen-port 4501 --tun tm6", NULL},
	};
	struct host_fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct run r = {0};
		char args[256];

		host_write_config(f, rows[i].config);
		snprintf(args, sizeof(args),
			"init --no-up --name hub --config DIR/own.yaml --state-dir DIR/a%zu %s", i,
			rows[i].args);
		run_cli(&r, f->dir, args);
		if (rows[i].err ? !r.status || !strstr(r.err, rows[i].err) : r.status)
			fail_msg("row %zu: %d \"%s\"", i, r.status, r.err);
		run_free(&r);
	}
}

static void init_chooses_free_ranges_by_itself(void **state)
{
	struct host_fixture *f = *state;
	struct run r = {0};

	assert_int_equal(prefix_parse("100.64.0.0/11", &host.in_use), TM_OK); /* half of the choices */
	host_run_ok(&r, f, "init --no-up --name hub --json --state-dir DIR/a/state");
	json_t *j = json_loads(r.out, 0, NULL);
	struct prefix net4, net6;
	assert_int_equal(
		prefix_parse(json_string_value(json_object_get(json_object_get(j, "mesh"), "net4")), &net4),
		TM_OK);
	assert_int_equal(
		prefix_parse(json_string_value(json_object_get(json_object_get(j, "mesh"), "net6")), &net6),
		TM_OK);
	assert_false(prefix_overlaps(&net4, &host.in_use));
	assert_int_equal(net6.ip.bytes[0], 0xfd);
	json_decref(j);
	run_free(&r);
}

static void every_failure_of_init_leaves_nothing_behind(void **state)
{
	static const struct fake_reply refuses_token[] = {
		{"token.create", "{\"ok\":false,\"error\":\"disk is full\",\"hint\":\"\"}"}, {0}};
	static const struct {
		const char *args;
		int *broken;
		const char *err;
		int status; /* 0: 1 */
	} rows[] = {
		{"", &host.privileges, "needs root"},
		{"", &host.tun, "no tun"},
		{"", &host.port, "UDP port 51820 is taken"},
		{"--listen-port 7", &host.port, "UDP port 7 is taken"},
		{"--tun x1", &host.interface, "interface x1 is there already"},
		{"", &host.create, "no room for the database"},
		{"", &host.spawn, "port 51820 is taken"},
		{"", NULL, "disk is full"}, /* the daemon runs by then and is stopped again */
		{"--net4 10.1.0.0/16", NULL, "range is in use on eth7"},
		{"--net4 10.1.0.1/16", NULL, "did you mean 10.1.0.0/16?", 2},
		{"--net4 8.8.8.0/24", NULL, "--net4 8.8.8.0/24 is not for private use", 2},
		{"--identity DIR/nowhere", NULL, "nowhere"},
		{"--name Not_A_Name", NULL, "\"Not_A_Name\" is not a node name", 2},
		{"--tun far-too-long-for-a-name", NULL, "--tun wants an interface name", 2},
		{"--address host:0", NULL, "--address wants HOST or HOST:PORT, not \"host:0\"", 2},
		{"--address a:b:c", NULL, "--address wants HOST or HOST:PORT", 2},
		{"--address host:1h", NULL, "--address wants HOST or HOST:PORT", 2},
		{"--address [::1", NULL, "--address wants HOST or HOST:PORT", 2},
		{"--config DIR/none.yaml", NULL, "none.yaml"},
	};
	struct host_fixture *f = *state;
	char args[256];

	host.replies = refuses_token;
	assert_int_equal(prefix_parse("10.1.2.0/24", &host.in_use), TM_OK);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct run r = {0};

		if (rows[i].broken)
			*rows[i].broken = TM_EIO;
		snprintf(args, sizeof(args), "init --name hub --state-dir DIR/a/state %s", rows[i].args);
		run_cli(&r, f->dir, args);
		if (r.status != (rows[i].status ? rows[i].status : 1) || !strstr(r.err, rows[i].err) ||
			*r.out)
			fail_msg("row %zu: %d\n%s%s", i, r.status, r.err, r.out);
		if (host_has(f, "a"))
			fail_msg("row %zu: left files behind", i);
		if (rows[i].broken)
			*rows[i].broken = 0;
		fake_daemon_stop(&host.daemon);
		run_free(&r);
	}
}

static void a_daemon_that_crashes_is_quoted_because_its_log_goes(void **state)
{
	struct host_fixture *f = *state;
	struct run r = {0};

	host.spawn = TM_ECLOSED;
	run_cli(&r, f->dir, "init --name hub --state-dir DIR/a/state");
	assert_int_equal(r.status, 1);
	assert_string_equal(r.err, "tunnelmesh: the daemon crashed (its last words: Abort: 7)\n");
	assert_false(host_has(f, "a"));
	run_free(&r);
}

static volatile sig_atomic_t signalled;

static void on_signal(int sig UNUSED)
{
	signalled++;
}

static void a_signal_waits_until_init_is_done_or_undone(void **state)
{
	struct host_fixture *f = *state;
	struct run r = {0};

	signal(SIGTERM, on_signal);
	host.interrupt = true;
	for (int fails = 1; fails >= 0; fails--) {
		signalled = 0;
		host.spawn = fails ? TM_EIO : 0;
		run_cli(&r, f->dir, "init --name hub --state-dir DIR/a/state");
		assert_int_equal(signalled, 1);
		assert_int_equal(r.status, fails);
		assert_int_equal(host_has(f, "a/state/node.json"), !fails);
		assert_int_equal(host_has(f, "a"), !fails);
		run_free(&r);
	}
	signal(SIGTERM, SIG_DFL);
}

static void a_failed_init_keeps_what_was_there_before(void **state)
{
	struct host_fixture *f = *state;
	struct run r = {0};
	struct identity id;
	char path[128];

	snprintf(path, sizeof(path), "%s/a/state", f->dir);
	assert_int_equal(os_make_dir(path, 0700, NULL), TM_OK);
	snprintf(path, sizeof(path), "%s/a/state/identity", f->dir);
	assert_int_equal(identity_generate(&id), TM_OK);
	assert_int_equal(identity_save(&id, path, NULL), TM_OK);
	snprintf(path, sizeof(path), "%s/a/state/notes.txt", f->dir);
	assert_int_equal(os_write_file(path, "x", 1, 0600, NULL), TM_OK);
	host.spawn = TM_EIO;
	run_cli(&r, f->dir, "init --name hub --state-dir DIR/a/state");
	assert_int_equal(r.status, 1);
	assert_true(host_has(f, "a/state/identity") && host_has(f, "a/state/notes.txt"));
	assert_false(host_has(f, "a/state/node.json") || host_has(f, "a/state/mesh.db") ||
		     host_has(f, "a/state/lock") || host_has(f, "a/state/daemon.log"));
	run_free(&r);
}

static void a_second_init_or_join_is_refused_and_touches_nothing(void **state)
{
	struct host_fixture *f = *state;
	struct run r = {0};
	struct enrolment before, after;
	char args[TOKEN_TEXT_MAX + 64];

	host_run_ok(&r, f, "init --no-up --name hub --state-dir DIR/a/state");
	run_free(&r);
	host_load_enrolment(f, &before);
	for (int i = 0; i < 2; i++) {
		snprintf(args, sizeof(args), "%s%s --state-dir DIR/a/state", i ? "join " : "init",
			i ? f->token : "");
		run_cli(&r, f->dir, args);
		assert_int_equal(r.status, 1);
		assert_contains(r.err, "tunnelmesh: this machine is already in the mesh \"home\" as hub "
				       "(`tunnelmesh --state-dir ");
		run_free(&r);
	}
	host_load_enrolment(f, &after);
	assert_memory_equal(&before, &after, sizeof(before));
	assert_int_equal(host.created, 1);
	assert_int_equal(host.enrolled, 0);
	assert_true(host_has(f, "a/state/mesh.db") && host_has(f, "a/state/identity"));
}

static void a_given_identity_is_copied(void **state)
{
	struct host_fixture *f = *state;
	struct run r = {0};
	struct identity id, kept;
	char path[128];

	snprintf(path, sizeof(path), "%s/mine", f->dir);
	assert_int_equal(identity_generate(&id), TM_OK);
	assert_int_equal(identity_save(&id, path, NULL), TM_OK);
	host_run_ok(&r, f, "init --no-up --name hub --identity DIR/mine --state-dir DIR/a/state");
	run_free(&r);
	snprintf(path, sizeof(path), "%s/a/state/identity", f->dir);
	assert_int_equal(identity_load(path, &kept, NULL), TM_OK);
	assert_memory_equal(kept.ed_pub, id.ed_pub, sizeof(id.ed_pub));
}

static struct node_options seen;
static char seen_state[128];

static int node_that_fails(const struct node_options *o, struct diag *d)
{
	seen = *o;
	snprintf(seen_state, sizeof(seen_state), "%s", o->state_dir);
	return diag_what(d, TM_EBUSY, "port 8443 is taken");
}

static void up_in_the_foreground_is_the_node_and_reports_its_failure(void **state)
{
	struct host_fixture *f = *state;
	struct run r = {.run_node = node_that_fails};

	run_cli(&r, f->dir, "up --foreground --state-dir DIR/a/state --log-level warn");
	assert_int_equal(r.status, 1);
	assert_string_equal(r.err, "tunnelmesh: port 8443 is taken\n");
	assert_string_equal(host.failed, "port 8443 is taken");
	assert_false(seen.config_explicit);
	assert_contains(seen_state, "/a/state");
	run_free(&r);
}

static void up_needs_an_enrolment_and_starts_the_daemon(void **state)
{
	struct host_fixture *f = *state;
	struct run r = {0};

	run_cli(&r, f->dir, "up --state-dir DIR/a/state");
	assert_int_equal(r.status, 1);
	assert_contains(r.err, "tunnelmesh: this machine is in no mesh yet (sudo tunnelmesh --state-dir ");
	run_free(&r);

	host_run_ok(&r, f, "init --no-up --name hub --state-dir DIR/a/state");
	run_free(&r);
	host_run_ok(&r, f, "up --state-dir DIR/a/state");
	assert_contains(r.out, "  tunnelmesh started (process ");
	run_free(&r);
	host_run_ok(&r, f, "up --state-dir DIR/a/state");
	assert_contains(r.out, "  tunnelmesh is already running (process ");
	run_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, host_fixture_setup, host_fixture_teardown)
		T(init_starts_the_daemon_and_prints_the_command_for_the_next_machine),
		T(init_writes_a_whole_enrolment),
		T(what_contradicts_the_file_or_cannot_start_is_refused_before_anything),
		T(init_chooses_free_ranges_by_itself),
		T(every_failure_of_init_leaves_nothing_behind),
		T(a_daemon_that_crashes_is_quoted_because_its_log_goes),
		T(a_signal_waits_until_init_is_done_or_undone),
		T(a_failed_init_keeps_what_was_there_before),
		T(a_second_init_or_join_is_refused_and_touches_nothing),
		T(a_given_identity_is_copied),
		T(up_in_the_foreground_is_the_node_and_reports_its_failure),
		T(up_needs_an_enrolment_and_starts_the_daemon),
	};

	return crypto_init(NULL) == TM_OK ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
