/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The copy of the database that `backup` has the daemon make: whatever happens, none stays behind. */
#include "unit/unit.h"

#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "control/agent/enrolment.h"
#include "os/interrupt.h"
#include "os/os.h"
#include "unit/cli/fixture.h"
#include "unit/cli/run.h"

#define BACKUP "backup DIR/out.tar --state-dir DIR --socket DIR/tunnelmesh.sock"

static int coordinator(void **state)
{
	struct enrolment e = {.coordinator = true,
		.coordinator_key = {9},
		.n_addresses = 1,
		.addresses = {"hub.example:8443"},
		.self = {.id = "00000000000000aa", .name = "hub", .host = 1, .key = {7}}};
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
	fixture_write(f, "identity", 0600, "a key");
	fixture_write(f, "mesh.db.copy", 0600, "members");
	return 0;
}

static unsigned copies(const struct fixture *f)
{
	DIR *dir = opendir(f->dir);
	unsigned n = 0;

	assert_non_null(dir);
	for (const struct dirent *e; (e = readdir(dir));)
		n += strstr(e->d_name, ".copy") != NULL;
	closedir(dir);
	return n;
}

static int clean_up(void **state)
{
	static const char *const names[] = {"node.json", "identity", "out.tar", "mesh.db.copy"};
	struct fixture *f = *state;
	char path[128];

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", f->dir, names[i]);
		unlink(path);
	}
	return fixture_teardown(state);
}

static void a_copy_is_gone_when_it_is_in_the_backup(void **state)
{
	struct fixture *f = *state;
	struct run r = {0};

	fake_daemon_start(&f->daemon, f->socket, f->lock, (const struct fake_reply[]){{NULL, NULL}});
	run_cli(&r, f->dir, BACKUP);
	assert_int_equal(r.status, 0);
	assert_int_equal(copies(f), 0);
	run_free(&r);
}

static void a_copy_that_another_backup_took_is_asked_for_again(void **state)
{
	struct fixture *f = *state;
	struct run r = {0};
	char copy[128];

	snprintf(copy, sizeof(copy), "%s/mesh.db.copy", f->dir);
	unlink(copy);
	fake_daemon_start(&f->daemon, f->socket, f->lock, (const struct fake_reply[]){{NULL, NULL}});
	run_cli(&r, f->dir, BACKUP);
	assert_int_equal(r.status, 1);
	assert_int_equal(fake_daemon_asked(&f->daemon, "backup"), 3);
	run_free(&r);
}

static void what_a_daemon_made_that_gave_no_answer_is_removed(void **state)
{
	struct fixture *f = *state;
	struct run r = {0};

	fake_daemon_start(
		&f->daemon, f->socket, f->lock, (const struct fake_reply[]){{"backup", NULL}, {NULL, NULL}});
	run_cli(&r, f->dir, BACKUP);
	assert_int_equal(r.status, 1);
	assert_int_equal(copies(f), 0);
	run_free(&r);
}

/* A refusal may mean that another backup is being made: the copy is that one's. */
static void a_refusal_leaves_the_copy_of_another_backup(void **state)
{
	static const struct fake_reply replies[] = {
		{"backup", "{\"ok\":false,\"code\":\"busy\",\"error\":\"later\"}"}, {NULL, NULL}};
	struct fixture *f = *state;
	struct run r = {0};

	fake_daemon_start(&f->daemon, f->socket, f->lock, replies);
	run_cli(&r, f->dir, BACKUP);
	assert_int_equal(r.status, 1);
	assert_int_equal(copies(f), 1);
	run_free(&r);
}

struct impatience {
	pthread_t whom, thread;
	_Atomic(bool) over;
};

static void *press_ctrl_c(void *arg)
{
	struct impatience *p = arg;

	while (!p->over) {
		pthread_kill(p->whom, SIGINT);
		(void)poll(NULL, 0, 1);
	}
	return NULL;
}

static void ctrl_c_ends_the_wait_and_leaves_no_copy(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	struct impatience p = {.whom = pthread_self()};
	int silent = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), lock;
	struct run r = {0};

	snprintf(at.sun_path, sizeof(at.sun_path), "%s", f->socket);
	assert_int_equal(bind(silent, (const struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(silent, 1), 0);
	assert_int_equal(os_lock_file(f->lock, &lock, NULL), TM_OK);
	interrupt_catch();
	assert_int_equal(pthread_create(&p.thread, NULL, press_ctrl_c, &p), 0);
	run_cli(&r, f->dir, BACKUP);
	p.over = true;
	pthread_join(p.thread, NULL);
	assert_int_equal(r.status, 1);
	assert_contains(r.err, "interrupted");
	assert_int_equal(copies(f), 0);
	run_free(&r);
	close(silent);
	close(lock);
}

#define T(name) cmocka_unit_test_setup_teardown(name, coordinator, clean_up)
int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_copy_is_gone_when_it_is_in_the_backup),
		T(a_copy_that_another_backup_took_is_asked_for_again),
		T(what_a_daemon_made_that_gave_no_answer_is_removed),
		T(a_refusal_leaves_the_copy_of_another_backup),
		T(ctrl_c_ends_the_wait_and_leaves_no_copy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
