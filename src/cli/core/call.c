/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "cli/core/call.h"

#include <stdio.h>
#include <string.h>

#include "base/secret.h"
#include "base/time.h"
#include "node/ctl.h"
#include "os/local.h"

static int wait_for(int fd, bool to_write, ns_t deadline, struct diag *d)
{
	int err = os_local_wait(fd, to_write, deadline);

	if (err == TM_EAGAIN)
		return diag_what(d, err, "interrupted before the daemon answered");
	return err == TM_ETIMEOUT ? diag_what(d, err, "the daemon does not answer") : err;
}

/* A daemon that refuses early (request too long) has answered before we are through: then its answer counts,
 * not that it hung up. */
static int send_all(int fd, const char *p, size_t n, ns_t deadline, struct diag *d)
{
	while (n > 0) {
		size_t sent = 0;
		int err = os_local_send(fd, p, n, &sent);

		if (err == TM_ECLOSED)
			return TM_OK;
		if (err == TM_EAGAIN)
			err = wait_for(fd, true, deadline, d);
		if (err)
			return err;
		p += sent;
		n -= sent;
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

/* most: bytes at once; 1 where more than the line comes. */
static int read_line(int fd, size_t most, struct reply *r, ns_t deadline, struct diag *d)
{
	for (;;) {
		int err = r->n == r->cap ? reply_grow(r) : TM_OK;
		size_t n = 0;

		if (!err)
			err = wait_for(fd, false, deadline, d);
		if (err)
			return err;

		err = os_local_recv(fd, r->p + r->n, MIN(r->cap - r->n, most), &n);
		if (err == TM_EAGAIN)
			continue;
		if (err)
			return diag_what(d, TM_ECLOSED, "tunnelmesh stopped before it answered");

		r->n += n;
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
	const char *code = json_string_value(json_object_get(j, "code"));

	diag_code(d, code ? code : "refused");
	diag_what(d, TM_EINVAL, "%s", error);
	if (hint)
		diag_hint(d, "%s", hint);
	json_decref(j);
	return TM_EINVAL;
}

/* By the control socket; who may not use it, by the open one. */
static int reach_daemon(const char *path, ns_t deadline, int *ret_fd, struct diag *d)
{
	int err = os_local_connect(path, deadline, ret_fd, d);
	struct diag not_why = {0};
	char open_path[512];

	if (err != TM_EPERM)
		return err;

	snprintf(open_path, sizeof(open_path), "%s" CTL_OPEN_SUFFIX, path);
	return os_local_connect(open_path, deadline, ret_fd, &not_why) == TM_OK ? TM_OK : err;
}

static int converse(int fd, const json_t *req, size_t most, ns_t deadline, json_t **ret_reply, struct diag *d)
{
	_cleanup_(reply_deinit) struct reply r = {0};
	char *line = json_dumps(req, JSON_COMPACT);

	if (!line)
		return TM_ENOMEM;

	const size_t n = strlen(line);
	line[n] = '\n'; /* in the place of the terminator */
	int err = send_all(fd, line, n + 1, deadline, d);
	wipe(line, n);
	free(line);
	if (!err)
		err = read_line(fd, most, &r, deadline, d);
	return err ? err : reply_judge(&r, ret_reply, d);
}

int call_daemon(const char *path, const json_t *req, int timeout_ms, json_t **ret_reply, struct diag *d)
{
	const ns_t deadline = time_monotonic() + timeout_ms * MS;
	_cleanup_(closep) int fd = -1;
	int err = reach_daemon(path, deadline, &fd, d);

	return err ? err : converse(fd, req, SIZE_MAX, deadline, ret_reply, d);
}

int call_daemon_open(
	const char *path, const json_t *req, int timeout_ms, json_t **ret_reply, int *ret_fd, struct diag *d)
{
	const ns_t deadline = time_monotonic() + timeout_ms * MS;
	_cleanup_(closep) int fd = -1;
	int err = os_local_connect(path, deadline, &fd, d);

	if (!err)
		err = converse(fd, req, 1, deadline, ret_reply, d);
	if (err)
		return err;
	*ret_fd = fd;
	fd = -1;
	return TM_OK;
}

os_pid call_daemon_pid(const char *path)
{
	_cleanup_(closep) int fd = -1;

	struct diag not_why = {0};
	uint32_t uid;
	os_pid pid;

	if (reach_daemon(path, time_monotonic() + SEC, &fd, &not_why) < 0 ||
		os_local_peer(fd, &pid, &uid) < 0)
		return 0;
	return pid;
}
