/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/node/ctl/fixture.h"

#include "unit/unit.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/strbuf.h"

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

int fixture_try_listen(
	struct fixture *f, const char *path, const char *group, struct ctl **ret_ctl, struct diag *d)
{
	const struct ctl_config cfg = {.path = path, .group = group, .handler = handler, .ctx = f};

	return ctl_new(f->base, &cfg, ret_ctl, d);
}

void fixture_listen(struct fixture *f, const char *group)
{
	struct diag d = {0};
	int err = fixture_try_listen(f, f->path, group, &f->ctl, &d);

	if (err)
		fail_msg("ctl_new: %d %s", err, d.what);
}

int fixture_setup(void **state)
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

int fixture_teardown(void **state)
{
	struct fixture *f = *state;

	ctl_free(f->ctl);
	event_base_free(f->base);
	unlink(f->path);
	rmdir(f->dir);
	free(f);
	return 0;
}

int fixture_client(const struct fixture *f)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", f->path);
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	return fd;
}

void fixture_pump(struct fixture *f)
{
	assert_true(event_base_loop(f->base, EVLOOP_ONCE) >= 0);
}

void fixture_say(struct fixture *f, int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);

		if (sent < 0 && errno == EAGAIN) {
			fixture_pump(f);
			continue;
		}
		if (sent < 0)
			return;
		p += sent;
		n -= (size_t)sent;
	}
}

int fixture_kept_client(struct fixture *f, const char *request)
{
	int fd = fixture_client(f);
	size_t n = f->n_kept;

	f->later = true;
	fixture_say(f, fd, request, strlen(request));
	while (f->n_kept == n)
		fixture_pump(f);
	return fd;
}

static void no_more_waiting(evutil_socket_t fd UNUSED, short what UNUSED, void *ctx UNUSED)
{
	fail_msg("the server neither answered nor hung up");
}

char *fixture_hear(struct fixture *f, int fd)
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
			fixture_pump(f);
		else
			break;
	}
	event_free(guard);
	close(fd);
	s = strbuf_take(&b);
	assert_non_null(s);
	return s;
}

char *fixture_ask(struct fixture *f, const char *line)
{
	int fd = fixture_client(f);

	fixture_say(f, fd, line, strlen(line));
	return fixture_hear(f, fd);
}
