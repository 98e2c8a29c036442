/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The control socket server with real Unix sockets, server and clients in one event loop. */
#include "unit/unit.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <grp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/strbuf.h"
#include "node/ctl.h"

struct fixture {
	struct event_base *base;
	struct ctl *ctl;
	char dir[64], path[96];
	/* what the handler saw and does */
	unsigned requests;
	char last[64]; /* "cmd" of the last request */
	bool later; /* keep the call instead of answering */
	struct ctl_call *kept[128];
	size_t n_kept;
	size_t pad; /* bytes of padding in the reply */
};

static json_t *reply_for(const struct fixture *f, const json_t *req)
{
	json_t *j = json_pack("{s:b, s:s}", "ok", 1, "echo", json_string_value(json_object_get(req, "cmd")));

	if (f->pad) {
		char *pad = malloc(f->pad + 1);

		assert_non_null(pad);
		memset(pad, 'x', f->pad);
		pad[f->pad] = '\0';
		json_object_set_new(j, "pad", json_string(pad));
		free(pad);
	}
	return j;
}

static void handler(void *ctx, const json_t *req, struct ctl_call *call)
{
	struct fixture *f = ctx;
	const char *cmd = json_string_value(json_object_get(req, "cmd"));

	f->requests++;
	snprintf(f->last, sizeof(f->last), "%s", cmd ? cmd : "");
	if (f->later)
		f->kept[f->n_kept++] = call;
	else
		ctl_reply(call, reply_for(f, req));
}

static int listen_on(
	struct fixture *f, const char *path, const char *group, struct ctl **ret_ctl, struct diag *d)
{
	const struct ctl_config cfg = {.path = path, .group = group, .handler = handler, .ctx = f};

	return ctl_new(f->base, &cfg, ret_ctl, d);
}

static void listen_at(struct fixture *f, const char *group)
{
	struct diag d = {0};
	int err = listen_on(f, f->path, group, &f->ctl, &d);

	if (err)
		fail_msg("ctl_new: %d %s", err, d.what);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	snprintf(f->dir, sizeof(f->dir), "/tmp/tm-ctl-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->path, sizeof(f->path), "%s/s", f->dir);
	f->base = event_base_new();
	assert_non_null(f->base);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	ctl_free(f->ctl);
	event_base_free(f->base);
	unlink(f->path);
	rmdir(f->dir);
	free(f);
	return 0;
}

static int client(const struct fixture *f)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", f->path);
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	return fd;
}

static void pump(struct fixture *f)
{
	assert_true(event_base_loop(f->base, EVLOOP_ONCE) >= 0);
}

/* Sends as the server takes it; stops when the server closes its end. */
static void say(struct fixture *f, int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);

		if (sent < 0 && errno == EAGAIN) {
			pump(f);
			continue;
		}
		if (sent < 0)
			return;
		p += sent;
		n -= (size_t)sent;
	}
}

/* One whose request has come in and is kept. */
static int kept_client(struct fixture *f, const char *request)
{
	int fd = client(f);
	size_t n = f->n_kept;

	f->later = true;
	say(f, fd, request, strlen(request));
	while (f->n_kept == n)
		pump(f);
	return fd;
}

static void no_more_waiting(evutil_socket_t fd UNUSED, short what UNUSED, void *ctx UNUSED)
{
	fail_msg("the server neither answered nor hung up");
}

/* Everything the server says until it hangs up; frees fd. The caller frees the string. */
static char *hear(struct fixture *f, int fd)
{
	struct event *guard = evtimer_new(f->base, no_more_waiting, NULL);
	struct strbuf b = {0};
	char buf[65536];
	char *s;

	evtimer_add(guard, &(struct timeval){.tv_sec = 20});
	for (;;) {
		ssize_t n = recv(fd, buf, sizeof(buf), 0);

		if (n > 0)
			strbuf_add(&b, buf, (size_t)n);
		else if (n < 0 && errno == EAGAIN)
			pump(f);
		else
			break;
	}
	event_free(guard);
	close(fd);
	s = strbuf_take(&b);
	assert_non_null(s);
	return s;
}

static char *ask(struct fixture *f, const char *line)
{
	int fd = client(f);

	say(f, fd, line, strlen(line));
	return hear(f, fd);
}

static void a_request_gets_one_reply_line_and_the_connection_ends(void **state)
{
	struct fixture *f = *state;

	listen_at(f, NULL);
	char *s = ask(f, "{\"cmd\":\"status\"}\n");
	assert_string_equal(s, "{\"ok\":true,\"echo\":\"status\"}\n");
	assert_int_equal(f->requests, 1);
	free(s);
}

static void a_request_may_arrive_byte_by_byte(void **state)
{
	struct fixture *f = *state;
	const char *line = "{\"cmd\":\"peers\"}\n";

	listen_at(f, NULL);
	int fd = client(f);
	for (const char *c = line; *c; c++) {
		say(f, fd, c, 1);
		event_base_loop(f->base, EVLOOP_NONBLOCK);
	}
	char *s = hear(f, fd);
	assert_string_equal(s, "{\"ok\":true,\"echo\":\"peers\"}\n");
	free(s);
}

static void a_reply_may_come_later_and_in_another_order(void **state)
{
	struct fixture *f = *state;

	listen_at(f, NULL);
	f->later = true;
	int a = client(f), b = client(f);
	say(f, a, "{\"cmd\":\"a\"}\n", 12);
	while (f->n_kept < 1)
		pump(f);
	say(f, b, "{\"cmd\":\"b\"}\n", 12);
	while (f->n_kept < 2)
		pump(f);
	ctl_reply(f->kept[1], json_pack("{s:b, s:i}", "ok", 1, "n", 2));
	ctl_reply(f->kept[0], json_pack("{s:b, s:i}", "ok", 1, "n", 1));
	char *sa = hear(f, a), *sb = hear(f, b);
	assert_string_equal(sa, "{\"ok\":true,\"n\":1}\n");
	assert_string_equal(sb, "{\"ok\":true,\"n\":2}\n");
	free(sa);
	free(sb);
}

static void what_is_not_one_json_object_is_refused_with_a_sentence(void **state)
{
	static const struct {
		const char *line;
		const char *error;
	} rows[] = {
		{"\n", "the request is not JSON"},
		{"GET / HTTP/1.1\r\n", "the request is not JSON"},
		{"{\"cmd\":\"status\"\n", "the request is not JSON"},
		{"{\"cmd\":\"a\",\"cmd\":\"b\"}\n", "the request is not JSON"},
		{"{\"cmd\":\"\xff\xfe\"}\n", "the request is not JSON"},
		{"{\"cmd\":\"a\\u0000b\"}\n", "the request is not JSON"},
		{"[1,2]\n", "the request is not a JSON object"},
		{"{\"cmd\":\"a\"}\n{\"cmd\":\"b\"}\n", "only one request fits on a connection"},
	};
	struct fixture *f = *state;
	char expect[160];

	listen_at(f, NULL);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char *s = ask(f, rows[i].line);

		snprintf(expect, sizeof(expect), "{\"ok\":false,\"code\":\"bad_message\",\"error\":\"%s\"}\n",
			rows[i].error);
		if (strcmp(s, expect) != 0)
			fail_msg("row %zu: %s", i, s);
		free(s);
	}
	assert_int_equal(f->requests, 0);
}

/* A request of n bytes, newline included. */
static char *request_of(size_t n)
{
	char *s = malloc(n);

	assert_non_null(s);
	memset(s, ' ', n);
	memcpy(s, "{\"cmd\":\"big\"}", 13);
	s[n - 1] = '\n';
	return s;
}

static void a_request_of_one_mebibyte_passes_and_one_byte_more_does_not(void **state)
{
	struct fixture *f = *state;

	listen_at(f, NULL);
	for (size_t more = 0; more < 2; more++) {
		char *line = request_of(CTL_REQUEST_MAX + more);
		int fd = client(f);

		say(f, fd, line, CTL_REQUEST_MAX + more);
		char *s = hear(f, fd);
		assert_int_equal(f->requests, 1);
		assert_non_null(strstr(s, more ? "too long" : "\"ok\":true"));
		free(s);
		free(line);
	}
}

static void a_slow_client_is_told_so_and_dropped(void **state)
{
	struct fixture *f = *state;

	listen_at(f, NULL);
	ctl_set_patience(f->ctl, 20 * MS);
	char *s = ask(f, "{\"cmd\":");
	assert_non_null(strstr(s, "did not arrive in time"));
	assert_int_equal(f->requests, 0);
	free(s);
}

static void patience_does_not_limit_how_long_the_handler_takes(void **state)
{
	struct fixture *f = *state;

	listen_at(f, NULL);
	ctl_set_patience(f->ctl, 20 * MS);
	int slow = kept_client(f, "{\"cmd\":\"slow\"}\n");
	/* Another client runs into the same limit: by then the first one's time would be over too. */
	free(ask(f, "x"));
	ctl_reply(f->kept[0], json_pack("{s:b}", "ok", 1));
	char *s = hear(f, slow);
	assert_string_equal(s, "{\"ok\":true}\n");
	free(s);
}

static void a_client_that_does_not_take_its_reply_is_dropped(void **state)
{
	struct fixture *f = *state;

	listen_at(f, NULL);
	ctl_set_patience(f->ctl, 20 * MS);
	f->pad = 4 << 20;
	int fd = client(f);
	say(f, fd, "{\"cmd\":\"a\"}\n", 12);
	while (f->requests == 0)
		pump(f);
	while (event_base_get_num_events(f->base, EVENT_BASE_COUNT_ADDED) >
		2) /* the listener and its look stay */
		pump(f);
	close(fd);
}

static void a_large_reply_arrives_whole(void **state)
{
	struct fixture *f = *state;

	listen_at(f, NULL);
	f->pad = 6 << 20;
	char *s = ask(f, "{\"cmd\":\"a\"}\n");
	assert_true(strlen(s) > f->pad);
	assert_int_equal(s[strlen(s) - 1], '\n');
	free(s);
}

static void a_client_that_left_before_its_reply_is_dropped_quietly(void **state)
{
	struct fixture *f = *state;

	listen_at(f, NULL);
	int fd = kept_client(f, "{\"cmd\":\"a\"}\n");
	assert_true(ctl_waits(f->kept[0]));
	close(fd);
	assert_false(ctl_waits(f->kept[0]));
	ctl_reply(f->kept[0], json_pack("{s:b}", "ok", 1));
	f->later = false;
	char *s = ask(f, "{\"cmd\":\"b\"}\n");
	assert_non_null(strstr(s, "\"ok\":true"));
	free(s);
}

static void a_client_that_leaves_in_the_middle_of_its_request_asks_nothing(void **state)
{
	struct fixture *f = *state;

	listen_at(f, NULL);
	int fd = client(f);
	say(f, fd, "{\"cmd\":\"a\"}", 11);
	close(fd);
	free(ask(f, "{\"cmd\":\"b\"}\n"));
	assert_int_equal(f->requests, 1);
	assert_string_equal(f->last, "b");
}

static void a_half_closed_client_still_gets_its_reply(void **state)
{
	struct fixture *f = *state;

	listen_at(f, NULL);
	int fd = client(f);
	say(f, fd, "{\"cmd\":\"a\"}\n", 12);
	shutdown(fd, SHUT_WR);
	char *s = hear(f, fd);
	assert_non_null(strstr(s, "\"ok\":true"));
	free(s);
}

static void no_reply_object_becomes_an_error(void **state)
{
	struct fixture *f = *state;

	listen_at(f, NULL);
	int fd = kept_client(f, "{\"cmd\":\"a\"}\n");
	ctl_reply(f->kept[0], NULL);
	char *s = hear(f, fd);
	assert_non_null(strstr(s, "\"ok\":false"));
	free(s);
}

static void more_clients_than_the_limit_wait_and_are_all_served(void **state)
{
	struct fixture *f = *state;
	int fd[CTL_CONNS_MAX + 8];

	listen_at(f, NULL);
	f->later = true;
	for (size_t i = 0; i < ARRAY_LEN(fd); i++) {
		fd[i] = client(f);
		say(f, fd[i], "{\"cmd\":\"a\"}\n", 12);
	}
	while (f->n_kept < CTL_CONNS_MAX)
		pump(f);
	event_base_loop(f->base, EVLOOP_NONBLOCK);
	assert_int_equal(f->n_kept, CTL_CONNS_MAX);
	for (size_t i = 0; i < ARRAY_LEN(fd); i++) {
		while (f->n_kept <= i)
			pump(f);
		ctl_reply(f->kept[i], json_pack("{s:b}", "ok", 1));
	}
	for (size_t i = 0; i < ARRAY_LEN(fd); i++) {
		char *s = hear(f, fd[i]);

		assert_string_equal(s, "{\"ok\":true}\n");
		free(s);
	}
}

static void a_dead_daemons_socket_is_replaced(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int dead = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", f->path);
	assert_int_equal(bind(dead, (struct sockaddr *)&sa, sizeof(sa)), 0);
	close(dead);
	listen_at(f, NULL);
	free(ask(f, "{\"cmd\":\"a\"}\n"));
	assert_int_equal(f->requests, 1);
}

static void a_live_daemons_socket_is_left_alone(void **state)
{
	struct fixture *f = *state;
	struct ctl *second = NULL;
	struct diag d = {0};

	listen_at(f, NULL);
	assert_int_equal(listen_on(f, f->path, NULL, &second, &d), TM_EBUSY);
	assert_null(second);
	assert_non_null(strstr(d.what, "another tunnelmesh answers on"));
	free(ask(f, "{\"cmd\":\"a\"}\n"));
}

static void a_file_in_the_way_is_neither_used_nor_removed(void **state)
{
	struct fixture *f = *state;
	struct ctl *c = NULL;
	struct diag d = {0};
	struct stat st;
	int fd = open(f->path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	close(fd);
	assert_int_equal(listen_on(f, f->path, NULL, &c, &d), TM_EEXIST);
	assert_non_null(strstr(d.what, "not a socket"));
	assert_int_equal(stat(f->path, &st), 0);
	assert_true(S_ISREG(st.st_mode));
}

static void the_mode_is_0600_and_with_a_group_0660(void **state)
{
	struct fixture *f = *state;
	const struct group *own = getgrgid(getegid());
	struct stat st;

	listen_at(f, "");
	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	ctl_free(f->ctl);
	f->ctl = NULL;
	if (!own)
		return;

	listen_at(f, own->gr_name);
	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
	assert_int_equal(st.st_gid, getegid());
}

static void an_unknown_group_is_named_and_leaves_nothing_behind(void **state)
{
	struct fixture *f = *state;
	struct ctl *c = NULL;
	struct diag d = {0};

	assert_int_equal(listen_on(f, f->path, "no-such-group-here", &c, &d), TM_ENOENT);
	assert_non_null(strstr(d.what, "no-such-group-here"));
	assert_int_equal(access(f->path, F_OK), -1);
}

static void a_path_too_long_for_a_socket_is_refused(void **state)
{
	struct fixture *f = *state;
	struct ctl *c = NULL;
	struct diag d = {0};
	char path[200];

	memset(path, 'a', sizeof(path) - 1);
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(listen_on(f, path, NULL, &c, &d), TM_EINVAL);
	assert_non_null(strstr(d.what, "longer than 107"));
}

static void a_missing_directory_is_made(void **state)
{
	struct fixture *f = *state;
	char dir[80];

	snprintf(dir, sizeof(dir), "%s/run", f->dir);
	snprintf(f->path, sizeof(f->path), "%s/s", dir);
	listen_at(f, NULL);
	free(ask(f, "{\"cmd\":\"a\"}\n"));
	ctl_free(f->ctl);
	f->ctl = NULL;
	assert_int_equal(rmdir(dir), 0);
}

static void closing_unlinks_the_socket_but_not_someone_elses(void **state)
{
	struct fixture *f = *state;
	struct stat st;

	listen_at(f, NULL);
	ctl_free(f->ctl);
	assert_int_equal(access(f->path, F_OK), -1);

	listen_at(f, NULL);
	unlink(f->path);
	int fd = open(f->path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	close(fd);
	ctl_free(f->ctl);
	f->ctl = NULL;
	assert_int_equal(stat(f->path, &st), 0);
}

static void expect_answer(struct fixture *f)
{
	char *s = ask(f, "{\"cmd\":\"a\"}\n");

	assert_string_equal(s, "{\"ok\":true,\"echo\":\"a\"}\n");
	free(s);
}

/* A cleaned /run, a unit of systemd that ended: the daemon lives on. */
static void a_socket_that_is_taken_away_is_made_again(void **state)
{
	struct fixture *f = *state;
	char dir[80];

	snprintf(dir, sizeof(dir), "%s/run", f->dir);
	snprintf(f->path, sizeof(f->path), "%s/s", dir);
	listen_at(f, NULL);
	ctl_look(f->ctl);
	expect_answer(f);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(unlink(f->path), 0);
		assert_int_equal(rmdir(dir), 0);
		ctl_look(f->ctl);
		expect_answer(f);
	}
	ctl_free(f->ctl);
	f->ctl = NULL;
	assert_int_equal(rmdir(dir), 0);
}

static void nobody_waits_for_long_until_it_is_made_again(void **state)
{
	struct fixture *f = *state;

	listen_at(f, NULL);
	assert_int_equal(unlink(f->path), 0);
	while (access(f->path, F_OK) < 0)
		pump(f);
	expect_answer(f);
}

static void who_is_being_answered_does_not_notice(void **state)
{
	struct fixture *f = *state;

	listen_at(f, NULL);
	int fd = kept_client(f, "{\"cmd\":\"a\"}\n");
	assert_int_equal(unlink(f->path), 0);
	ctl_look(f->ctl);
	ctl_reply(f->kept[0], json_pack("{s:b}", "ok", 1));
	char *s = hear(f, fd);
	assert_string_equal(s, "{\"ok\":true}\n");
	free(s);
}

/* What lies in its place by then is somebody's. */
static void a_socket_comes_back_when_nothing_is_in_its_place_any_more(void **state)
{
	struct fixture *f = *state;

	listen_at(f, NULL);
	assert_int_equal(unlink(f->path), 0);
	int fd = open(f->path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	close(fd);
	ctl_look(f->ctl);
	ctl_look(f->ctl);
	assert_int_equal(unlink(f->path), 0); /* it was left alone */
	ctl_look(f->ctl);
	expect_answer(f);
}

static void a_call_outlives_its_server(void **state)
{
	struct fixture *f = *state;

	listen_at(f, NULL);
	int fd = kept_client(f, "{\"cmd\":\"a\"}\n");
	ctl_free(f->ctl);
	f->ctl = NULL;
	ctl_reply(f->kept[0], json_pack("{s:b}", "ok", 1));
	char *s = hear(f, fd);
	assert_string_equal(s, "");
	free(s);
}

static void a_reply_given_just_before_the_end_is_still_delivered(void **state)
{
	struct fixture *f = *state;

	listen_at(f, NULL);
	int fd = kept_client(f, "{\"cmd\":\"down\"}\n");
	ctl_reply(f->kept[0], json_pack("{s:b}", "ok", 1));
	ctl_free(f->ctl);
	f->ctl = NULL;
	char *s = hear(f, fd);
	assert_string_equal(s, "{\"ok\":true}\n");
	free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(a_request_gets_one_reply_line_and_the_connection_ends),
		T(a_request_may_arrive_byte_by_byte),
		T(a_reply_may_come_later_and_in_another_order),
		T(what_is_not_one_json_object_is_refused_with_a_sentence),
		T(a_request_of_one_mebibyte_passes_and_one_byte_more_does_not),
		T(a_slow_client_is_told_so_and_dropped),
		T(patience_does_not_limit_how_long_the_handler_takes),
		T(a_client_that_does_not_take_its_reply_is_dropped),
		T(a_large_reply_arrives_whole),
		T(a_client_that_left_before_its_reply_is_dropped_quietly),
		T(a_client_that_leaves_in_the_middle_of_its_request_asks_nothing),
		T(a_half_closed_client_still_gets_its_reply),
		T(no_reply_object_becomes_an_error),
		T(more_clients_than_the_limit_wait_and_are_all_served),
		T(a_dead_daemons_socket_is_replaced),
		T(a_live_daemons_socket_is_left_alone),
		T(a_file_in_the_way_is_neither_used_nor_removed),
		T(the_mode_is_0600_and_with_a_group_0660),
		T(an_unknown_group_is_named_and_leaves_nothing_behind),
		T(a_path_too_long_for_a_socket_is_refused),
		T(a_missing_directory_is_made),
		T(closing_unlinks_the_socket_but_not_someone_elses),
		T(a_socket_that_is_taken_away_is_made_again),
		T(nobody_waits_for_long_until_it_is_made_again),
		T(who_is_being_answered_does_not_notice),
		T(a_socket_comes_back_when_nothing_is_in_its_place_any_more),
		T(a_call_outlives_its_server),
		T(a_reply_given_just_before_the_end_is_still_delivered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
