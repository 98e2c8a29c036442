/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The open control socket with real Unix sockets: every user gets in, and none shuts out another one. */
#include "unit/unit.h"

#include <event2/event.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "node/ctl.h"
#include "node/ctl_users.h"

enum { STRANGER = 65534 };

struct fixture {
	struct event_base *base;
	struct ctl *ctl;
	char dir[64], path[96];
	unsigned requests;
};

static void handler(void *ctx, const json_t *req, struct ctl_call *call)
{
	struct fixture *f = ctx;

	(void)req;
	f->requests++;
	ctl_reply(call, json_pack("{s:b}", "ok", 1));
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct diag d = {0};

	assert_non_null(f);
	snprintf(f->dir, sizeof(f->dir), "/tmp/tm-open-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	assert_int_equal(chmod(f->dir, 0755), 0);
	snprintf(f->path, sizeof(f->path), "%s/s", f->dir);
	f->base = event_base_new();
	const struct ctl_config cfg = {.path = f->path, .open = true, .handler = handler, .ctx = f};
	assert_int_equal(ctl_new(f->base, &cfg, &f->ctl, &d), TM_OK);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	ctl_free(f->ctl);
	event_base_free(f->base);
	rmdir(f->dir);
	free(f);
	return 0;
}

/* As another user, where the test may become one. */
static int client(const struct fixture *f, bool stranger)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", f->path);
	if (stranger)
		assert_int_equal(seteuid(STRANGER), 0);
	int r = connect(fd, (struct sockaddr *)&sa, sizeof(sa));
	if (stranger)
		assert_int_equal(seteuid(0), 0);
	assert_int_equal(r, 0);
	return fd;
}

/* The answer on the connection, which ends with it. */
static void answer_of(struct fixture *f, int fd, char buf[static 512])
{
	ssize_t n;

	while ((n = recv(fd, buf, 511, 0)) < 0)
		assert_true(event_base_loop(f->base, EVLOOP_ONCE) >= 0);
	buf[n] = '\0';
	close(fd);
}

static void ask(struct fixture *f, bool stranger, char buf[static 512])
{
	static const char question[] = "{\"cmd\":\"status\"}\n";
	int fd = client(f, stranger);

	assert_int_equal(send(fd, question, sizeof(question) - 1, MSG_NOSIGNAL), sizeof(question) - 1);
	answer_of(f, fd, buf);
}

static void every_user_is_answered(void **state)
{
	struct fixture *f = *state;
	char buf[512];
	struct stat st;

	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0666);
	if (geteuid() != 0)
		skip();
	ask(f, true, buf);
	assert_string_equal(buf, "{\"ok\":true}\n");
	assert_int_equal(f->requests, 1);
}

static void one_who_holds_connections_open_does_not_shut_out_others(void **state)
{
	struct fixture *f = *state;
	int held[CTL_USER_CONNS_MAX];
	char buf[512];

	if (geteuid() != 0)
		skip();
	for (size_t i = 0; i < CTL_USER_CONNS_MAX; i++)
		held[i] = client(f, true);
	ask(f, true, buf);
	assert_non_null(strstr(buf, "this user asks too much at once"));
	ask(f, false, buf);
	assert_string_equal(buf, "{\"ok\":true}\n");
	for (size_t i = 0; i < CTL_USER_CONNS_MAX; i++)
		close(held[i]);
}

static void one_who_asks_all_the_time_is_told_to_wait(void **state)
{
	struct fixture *f = *state;
	char buf[512] = "";

	for (unsigned i = 0; i < 1000 && !strstr(buf, "too much"); i++)
		ask(f, false, buf);
	assert_non_null(strstr(buf, "\"hint\":\"wait a moment, or ask as root\""));
}

static void a_long_request_is_refused(void **state)
{
	struct fixture *f = *state;
	char line[CTL_OPEN_REQUEST_MAX + 1], buf[512];
	int fd = client(f, false);

	memset(line, ' ', sizeof(line));
	assert_int_equal(send(fd, line, sizeof(line), MSG_NOSIGNAL), sizeof(line));
	answer_of(f, fd, buf);
	assert_non_null(strstr(buf, "the request is too long"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_user_is_answered, setup, teardown),
		cmocka_unit_test_setup_teardown(
			one_who_holds_connections_open_does_not_shut_out_others, setup, teardown),
		cmocka_unit_test_setup_teardown(one_who_asks_all_the_time_is_told_to_wait, setup, teardown),
		cmocka_unit_test_setup_teardown(a_long_request_is_refused, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
