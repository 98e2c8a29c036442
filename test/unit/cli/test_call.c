/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/unit.h"

#include <fcntl.h>
#include <sys/fsuid.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli/core/call.h"
#include "unit/cli/fixture.h"

static int call(struct fixture *f, const char *cmd, json_t **ret_reply, struct diag *d)
{
	json_t *req = json_pack("{s:s}", "cmd", cmd);
	int err = call_daemon(f->socket, req, 5000, ret_reply, d);

	json_decref(req);
	return err;
}

static void an_ok_reply_is_returned(void **state)
{
	static const struct fake_reply replies[] = {{"status", "{\"ok\":true,\"x\":7}"}, {0}};
	struct fixture *f = *state;
	json_t *reply = NULL;
	struct diag d = {0};

	fake_daemon_start(&f->daemon, f->socket, NULL, replies);
	assert_int_equal(call(f, "status", &reply, &d), TM_OK);
	assert_int_equal(json_integer_value(json_object_get(reply, "x")), 7);
	json_decref(reply);
	assert_string_equal(f->daemon.requests[0], "{\"cmd\":\"status\"}");
}

static void every_other_answer_is_an_error_with_a_sentence(void **state)
{
	static const struct fake_reply replies[] = {
		{"refused", "{\"ok\":false,\"error\":\"no such node\",\"hint\":\"look again\"}"},
		{"bare", "{\"ok\":false}"},
		{"silent", NULL},
		{"garbage", "hello"},
		{"list", "[true]"},
		{"odd", "{\"ok\":1}"},
		{"cut", "{\"ok\":tr"},
		{0},
	};
	static const struct {
		const char *cmd;
		int err;
		const char *what, *hint;
	} rows[] = {
		{"refused", TM_EINVAL, "no such node", "look again"},
		{"bare", TM_EPROTO, "the daemon's answer makes no sense", ""},
		{"silent", TM_ECLOSED, "tunnelmesh stopped before it answered", ""},
		{"garbage", TM_EPROTO, "the daemon's answer makes no sense", ""},
		{"list", TM_EPROTO, "the daemon's answer makes no sense", ""},
		{"odd", TM_EPROTO, "the daemon's answer makes no sense", ""},
		{"cut", TM_EPROTO, "the daemon's answer makes no sense", ""},
	};
	struct fixture *f = *state;

	fake_daemon_start(&f->daemon, f->socket, NULL, replies);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct diag d = {0};
		json_t *reply = NULL;
		int err = call(f, rows[i].cmd, &reply, &d);

		if (err != rows[i].err || reply || strcmp(d.what, rows[i].what) != 0 ||
			strcmp(d.hint, rows[i].hint) != 0)
			fail_msg("%s: %d \"%s\" (%s)", rows[i].cmd, err, d.what, d.hint);
	}
}

static void no_daemon_is_told_apart_from_no_permission(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	struct diag d = {0};
	json_t *reply = NULL;
	int dead;

	assert_int_equal(call(f, "status", &reply, &d), TM_ENOENT);
	assert_string_equal(d.what, "tunnelmesh is not running");
	assert_int_equal(call_daemon_pid(f->socket), 0);

	dead = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", f->socket);
	assert_int_equal(bind(dead, (struct sockaddr *)&sa, sizeof(sa)), 0);
	close(dead);
	assert_int_equal(call(f, "status", &reply, &d), TM_ENOENT);
	assert_int_equal(call_daemon_pid(f->socket), 0);

	unlink(f->socket);
	fake_daemon_start(&f->daemon, f->socket, NULL, NULL);
	assert_int_equal(call_daemon_pid(f->socket), getpid());
	if (geteuid() == 0)
		return; /* root may always */

	chmod(f->socket, 0);
	assert_int_equal(call(f, "status", &reply, &d), TM_EPERM);
	chmod(f->socket, 0600);
}

/* A listener that nobody serves: the kernel takes the request, no answer comes. */
static void a_daemon_that_hangs_is_given_up_at_the_deadline(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	json_t *req = json_pack("{s:s}", "cmd", "status"), *reply = NULL;
	struct diag d = {0};

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", f->socket);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(call_daemon(f->socket, req, 30, &reply, &d), TM_ETIMEOUT);
	assert_string_equal(d.what, "the daemon does not answer");
	json_decref(req);
	close(fd);
}

static void a_long_reply_is_read_whole(void **state)
{
	struct fixture *f = *state;
	static char text[3 << 20];
	struct fake_reply replies[] = {{"status", text}, {0}};
	struct diag d = {0};
	json_t *reply = NULL;

	memset(text, 'x', sizeof(text) - 1);
	memcpy(text, "{\"ok\":true,\"pad\":\"", 18);
	memcpy(text + sizeof(text) - 3, "\"}", 3);
	fake_daemon_start(&f->daemon, f->socket, NULL, replies);
	assert_int_equal(call(f, "status", &reply, &d), TM_OK);
	assert_int_equal(json_string_length(json_object_get(reply, "pad")), sizeof(text) - 3 - 18);
	json_decref(reply);
	fake_daemon_stop(&f->daemon);
}

static void who_may_not_use_the_control_socket_asks_the_open_one_beside_it(void **state)
{
	static const struct fake_reply replies[] = {{"status", "{\"ok\":true,\"x\":7}"}, {0}};
	struct fixture *f = *state;
	struct diag d = {0};
	char open_path[108];
	json_t *reply = NULL;
	int err;

	if (geteuid() != 0)
		skip(); /* nobody could be kept out */
	snprintf(open_path, sizeof(open_path), "%s.read", f->socket);
	assert_int_equal(chmod(f->dir, 0755), 0);
	int closed = open(f->socket, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	close(closed);
	fake_daemon_start(&f->daemon, open_path, NULL, replies);
	assert_int_equal(chmod(open_path, 0666), 0);
	setfsuid(65534); /* of this thread alone: the daemon's keeps its rights */
	err = call(f, "status", &reply, &d);
	pid_t pid = call_daemon_pid(f->socket);
	setfsuid(0);
	assert_int_equal(err, TM_OK);
	assert_int_equal(pid, getpid());
	assert_int_equal(json_integer_value(json_object_get(reply, "x")), 7);
	json_decref(reply);
}

static void without_an_open_one_it_is_told_that_it_may_not(void **state)
{
	struct fixture *f = *state;
	struct diag d = {0};
	json_t *reply = NULL;

	if (geteuid() != 0)
		skip();
	assert_int_equal(chmod(f->dir, 0755), 0);
	int closed = open(f->socket, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	close(closed);
	setfsuid(65534); /* of this thread alone: the daemon's keeps its rights */
	int err = call(f, "status", &reply, &d);
	setfsuid(0);
	assert_int_equal(err, TM_EPERM);
	assert_non_null(strstr(d.what, "no permission"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
		T(an_ok_reply_is_returned),
		T(every_other_answer_is_an_error_with_a_sentence),
		T(no_daemon_is_told_apart_from_no_permission),
		T(a_daemon_that_hangs_is_given_up_at_the_deadline),
		T(a_long_reply_is_read_whole),
		T(who_may_not_use_the_control_socket_asks_the_open_one_beside_it),
		T(without_an_open_one_it_is_told_that_it_may_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
