/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "cli/core/call.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/secret.h"
#include "base/time.h"

static int wait_for(int fd, short what, ns_t deadline, struct diag *d)
{
	struct pollfd p = {.fd = fd, .events = what};

	for (;;) {
		int r = poll(&p, 1, time_poll_ms(time_monotonic(), deadline));

		if (r > 0)
			return TM_OK;
		if (r == 0)
			return diag_what(d, TM_ETIMEOUT, "the daemon does not answer");
		if (errno != EINTR)
			return tm_err_from_errno(errno);
	}
}

static int connect_error(int why, const char *path, struct diag *d)
{
	if (why == ENOENT || why == ECONNREFUSED || why == ENOTDIR)
		return diag_what(d, TM_ENOENT, "tunnelmesh is not running");
	if (why == EACCES || why == EPERM)
		return diag_what(d, TM_EPERM, "no permission to talk to tunnelmesh at %s", path);

	return diag_what(d, tm_err_from_errno(why), "cannot reach tunnelmesh at %s: %s", path, strerror(why));
}

static int client_connect(const char *path, ns_t deadline, int *ret_fd, struct diag *d)
{
	_cleanup_(closep) int fd = -1;
	struct sockaddr_un sa = {.sun_family = AF_UNIX};

	if (strlen(path) >= sizeof(sa.sun_path)) {
		diag_hint(d, "choose a shorter one with --socket");
		return diag_what(d, TM_EINVAL, "the path of the control socket is longer than %zu characters",
			sizeof(sa.sun_path) - 1);
	}
	memcpy(sa.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return tm_err_from_errno(errno);

	while (connect(fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0) {
		if (errno == EAGAIN && time_monotonic() < deadline)
			(void)poll(NULL, 0, 20); /* its backlog is full */
		else if (errno != EINTR)
			return connect_error(errno, path, d);
	}
	*ret_fd = fd;
	fd = -1;
	return TM_OK;
}

/* A daemon that refuses early (request too long) has answered before we are through: then its answer counts,
 * not our EPIPE. */
static int send_all(int fd, const char *p, size_t n, ns_t deadline, struct diag *d)
{
	while (n > 0) {
		ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);

		if (sent >= 0) {
			p += sent;
			n -= (size_t)sent;
		} else if (errno == EPIPE || errno == ECONNRESET) {
			return TM_OK;
		} else if (errno == EAGAIN) {
			int err = wait_for(fd, POLLOUT, deadline, d);
			if (err)
				return err;
		} else if (errno != EINTR) {
			return tm_err_from_errno(errno);
		}
	}
	return TM_OK;
}

struct reply {
	char *p;
	size_t n, cap;
};

static void reply_deinit(struct reply *r)
{
	if (r->p)
		wipe(r->p, r->cap); /* may be a token or a pre-shared key */
	free(r->p);
}

static int reply_grow(struct reply *r)
{
	size_t cap = r->cap ? r->cap * 2 : 16384;
	char *p;

	if (cap > CALL_REPLY_MAX)
		return TM_EPROTO;

	p = malloc(cap);
	if (!p)
		return TM_ENOMEM;

	if (r->n)
		memcpy(p, r->p, r->n);
	reply_deinit(r);
	r->p = p;
	r->cap = cap;
	return TM_OK;
}

static int read_line(int fd, struct reply *r, ns_t deadline, struct diag *d)
{
	for (;;) {
		int err = r->n == r->cap ? reply_grow(r) : TM_OK;
		ssize_t n;

		if (!err)
			err = wait_for(fd, POLLIN, deadline, d);
		if (err)
			return err;

		n = recv(fd, r->p + r->n, r->cap - r->n, 0);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n <= 0)
			return diag_what(d, TM_ECLOSED, "tunnelmesh stopped before it answered");

		r->n += (size_t)n;
		if (r->p[r->n - 1] == '\n')
			return TM_OK;
	}
}

static int reply_judge(const struct reply *r, json_t **ret_reply, struct diag *d)
{
	json_t *j = json_loadb(r->p, r->n, 0, NULL);
	const json_t *ok = json_object_get(j, "ok");
	const char *error = json_string_value(json_object_get(j, "error"));
	const char *hint = json_string_value(json_object_get(j, "hint"));

	if (json_is_true(ok)) {
		*ret_reply = j;
		return TM_OK;
	}
	if (!json_is_false(ok) || !error) {
		json_decref(j);
		return diag_what(d, TM_EPROTO, "the daemon's answer makes no sense");
	}
	diag_what(d, TM_EINVAL, "%s", error);
	if (hint)
		diag_hint(d, "%s", hint);
	json_decref(j);
	return TM_EINVAL;
}

int call_daemon(const char *path, const json_t *req, int timeout_ms, json_t **ret_reply, struct diag *d)
{
	ns_t deadline = time_monotonic() + timeout_ms * MS;
	_cleanup_(reply_deinit) struct reply r = {0};
	_cleanup_(closep) int fd = -1;
	char *line;
	size_t n;
	int err;

	err = client_connect(path, deadline, &fd, d);
	if (err)
		return err;

	line = json_dumps(req, JSON_COMPACT);
	if (!line)
		return TM_ENOMEM;

	n = strlen(line);
	line[n] = '\n'; /* in the place of the terminator */
	err = send_all(fd, line, n + 1, deadline, d);
	wipe(line, n);
	free(line);
	if (!err)
		err = read_line(fd, &r, deadline, d);
	if (err)
		return err;

	return reply_judge(&r, ret_reply, d);
}

pid_t call_daemon_pid(const char *path)
{
	_cleanup_(closep) int fd = -1;
	struct ucred u;
	socklen_t n = sizeof(u);

	if (client_connect(path, time_monotonic() + SEC, &fd, NULL) < 0)
		return 0;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &u, &n) < 0)
		return 0;

	return u.pid;
}
