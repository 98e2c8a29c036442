/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Joining again with a new token where the machine is a member already, on a fake host: the node goes on, is
 * started, or is started anew, and a refusal changes nothing. */
#include "unit/unit.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crypto/init.h"
#include "os/os.h"
#include "unit/cli/host_fixture.h"

static void joined_before(struct host_fixture *f, struct run *r)
{
	struct token t;

	assert_int_equal(token_decode(f->token, &t, NULL), TM_OK);
	memcpy(host.enrolment.coordinator_key, t.coordinator_key, sizeof(t.coordinator_key));
	host.enrolment.n_addresses = 0;
	addresses_add(host.enrolment.addresses, &host.enrolment.n_addresses, "192.0.2.1:8443");
	host_join(r, f, "--listen-port 4501");
	if (r->status != 0)
		fail_msg("%d\n%s%s", r->status, r->out, r->err);
	run_free(r);
	host.enrolment.n_addresses = 0;
	addresses_add(host.enrolment.addresses, &host.enrolment.n_addresses, "203.0.113.7:8443");
}

static void joining_again_tells_the_running_daemon_all_addresses(void **state)
{
	struct host_fixture *f = *state;
	struct run r = {0};
	struct enrolment before, after;

	joined_before(f, &r);
	host_load_enrolment(f, &before);
	host.spawned[0] = '\0';
	host_join(&r, f, "");
	assert_int_equal(r.status, 0);
	assert_contains(r.out, "  enrolled as laptop \u00b7 100.101.0.2 \u00b7 2 peers");
	assert_string_equal(host.spawned, "");
	fake_daemon_stop(&host.daemon);
	assert_int_equal(fake_daemon_asked(&host.daemon, "down"), 0);
	assert_int_equal(fake_daemon_asked(&host.daemon, "coordinator.addresses"), 1);
	const char *asked = NULL;
	for (unsigned i = 0; i < host.daemon.n_requests; i++)
		if (strstr(host.daemon.requests[i], "coordinator.addresses"))
			asked = host.daemon.requests[i];
	assert_non_null(asked);
	const char *first = strstr(asked, "203.0.113.7:8443"), *second = strstr(asked, "192.0.2.1:8443");
	assert_true(first && second && first < second);
	host_load_enrolment(f, &after);
	assert_memory_equal(&before, &after, sizeof(before)); /* the file is the daemon's */
	run_free(&r);
}

static void joining_again_starts_what_does_not_run_and_keeps_its_settings(void **state)
{
	static const struct {
		int enrol;
		const char *err; /* NULL: an answer came */
	} rows[] = {{TM_OK, NULL}, {TM_ETIMEOUT, "goes on without an answer"}};
	struct host_fixture *f = *state;
	struct run r = {0};
	struct enrolment e;

	joined_before(f, &r);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		fake_daemon_stop(&host.daemon);
		host.enrol = rows[i].enrol;
		host.spawned[0] = '\0';
		host_join(&r, f, "");
		assert_int_equal(r.status, 0);
		assert_contains(host.spawned, "up --foreground");
		if (rows[i].err)
			assert_contains(r.err, rows[i].err);
		else
			assert_string_equal(r.err, "");
		host_load_enrolment(f, &e);
		assert_int_equal(e.listen_port, 4501);
		assert_int_equal(e.n_addresses, 2);
		assert_string_equal(e.addresses[0], "203.0.113.7:8443");
		run_free(&r);
	}
	host.enrol = 0;
}

static void a_node_that_has_become_another_one_is_started_anew(void **state)
{
	struct host_fixture *f = *state;
	struct run r = {0};
	struct enrolment e;

	joined_before(f, &r);
	host.enrolment.self.host = 9;
	mesh_addresses(&host.enrolment.mesh, 9, &host.enrolment.self.ip4, &host.enrolment.self.ip6);
	host_join(&r, f, "");
	assert_int_equal(r.status, 0);
	assert_contains(r.out, "enrolled as laptop \u00b7 100.101.0.9");
	host_load_enrolment(f, &e);
	assert_int_equal(e.self.host, 9);
	run_free(&r);
}

static void a_refusal_to_join_again_changes_nothing(void **state)
{
	struct host_fixture *f = *state;
	struct run r = {0};
	struct enrolment before, after;

	joined_before(f, &r);
	host_load_enrolment(f, &before);
	host.enrol = TM_EPERM;
	host_join(&r, f, "");
	assert_int_equal(r.status, 1);
	assert_contains(r.err, "this token was used already");
	host.enrol = 0;
	assert_int_equal(prefix_parse("100.99.0.0/16", &host.enrolment.mesh.net4), TM_OK);
	run_free(&r);
	host_join(&r, f, "");
	assert_int_equal(r.status, 1);
	assert_contains(r.err, "other address ranges");
	host_load_enrolment(f, &after);
	assert_memory_equal(&before, &after, sizeof(before));
	assert_int_equal(fake_daemon_asked(&host.daemon, "down"), 0);
	run_free(&r);
}

/* Holds the lock of the state directory until it is told to end, or we are gone. */
static pid_t run_deaf(const struct host_fixture *f)
{
	int ready[2], hold[2], fd;
	char lock[128], byte;

	snprintf(lock, sizeof(lock), "%s/a/state/lock", f->dir);
	assert_true(pipe(ready) == 0 && pipe(hold) == 0);
	pid_t pid = fork();
	if (pid == 0) {
		close(hold[1]);
		if (os_lock_file(lock, &fd, NULL) != TM_OK || write(ready[1], "", 1) != 1)
			_exit(1);
		_exit(read(hold[0], &byte, 1) != 0);
	}
	close(ready[1]);
	close(hold[0]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return pid;
}

static void a_node_that_has_lost_its_socket_is_started_anew(void **state)
{
	struct host_fixture *f = *state;
	struct run r = {0};
	int status;

	joined_before(f, &r);
	fake_daemon_stop(&host.daemon);
	pid_t deaf = run_deaf(f);
	host.told = true;
	host.spawned[0] = '\0';
	host_join(&r, f, "");
	if (r.status)
		fail_msg("%s", r.err);
	assert_contains(host.spawned, "up --foreground");
	assert_int_equal(waitpid(deaf, &status, 0), deaf);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
	run_free(&r);
}

static void joining_again_with_settings_that_cannot_be_leaves_the_node_running(void **state)
{
	static const struct {
		const char *args, *err;
		bool stopped; /* for a moment */
	} rows[] = {
		{"--tun far-too-long-for-a-name", "--tun wants an interface name", false},
		{"--tun tm6 --config DIR/own.yaml", "sets tun to another value than --tun", false},
		{"--config DIR/none.yaml", "none.yaml", false},
		{"--tun tm9", "port 51820 is taken", true}, /* as the daemon says that cannot start with it */
	};
	struct host_fixture *f = *state;
	struct run r = {0};
	struct enrolment before, after;

	joined_before(f, &r);
	host_write_config(f, "tun: tm5\n");
	host_load_enrolment(f, &before);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		unsigned downs = fake_daemon_asked(&host.daemon, "down");

		host.spawn = TM_EIO;
		host.spawn_once = true;
		host_join(&r, f, rows[i].args);
		if (!r.status || !strstr(r.err, rows[i].err) ||
			(!rows[i].stopped && fake_daemon_asked(&host.daemon, "down") != downs))
			fail_msg("row %zu: %d\n%s", i, r.status, r.err);
		run_free(&r);
		host_load_enrolment(f, &after);
		assert_memory_equal(&before, &after, sizeof(before));
		host_run_ok(&r, f, "up --state-dir DIR/a/state");
		assert_contains(r.out, "is already running");
		run_free(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, host_fixture_setup, host_fixture_teardown)
		T(joining_again_tells_the_running_daemon_all_addresses),
		T(joining_again_starts_what_does_not_run_and_keeps_its_settings),
		T(a_node_that_has_become_another_one_is_started_anew),
		T(a_refusal_to_join_again_changes_nothing),
		T(a_node_that_has_lost_its_socket_is_started_anew),
		T(joining_again_with_settings_that_cannot_be_leaves_the_node_running),
	};

	return crypto_init(NULL) == TM_OK ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
