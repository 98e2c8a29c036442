/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "os/local.h"

#include <errno.h>
#include <grp.h>
#include <libgen.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "os/interrupt.h"
#include "os/os.h"

enum { BACKLOG = 128, RETRY_MS = 20 };

struct os_local {
	int fd;
	bool for_others; /* than root and ourselves: the file's mode says who */
	char *path;
	/* of the socket file: somebody may put another one in its place */
	dev_t dev;
	ino_t ino;
};

static int local_address(const char *path, struct sockaddr_un *ret_sa, struct diag *d)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};

	if (strlen(path) >= sizeof(sa.sun_path)) {
		diag_hint(d, "choose a shorter one with --socket");
		return diag_what(d, TM_EINVAL, "the path of the control socket is longer than %zu characters",
			sizeof(sa.sun_path) - 1);
	}
	memcpy(sa.sun_path, path, strlen(path) + 1);
	*ret_sa = sa;
	return TM_OK;
}

static int local_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

/* --- listening --- */

/* Removes what a dead daemon left at the path. */
static int clear_path(const struct sockaddr_un *sa, struct diag *d)
{
	_cleanup_(closep) int fd = -1;
	struct stat st;

	if (lstat(sa->sun_path, &st) < 0)
		return errno == ENOENT ? TM_OK
				       : diag_what(d, tm_err_from_errno(errno),
						 "cannot look at the control socket %s: %s", sa->sun_path,
						 strerror(errno));
	if (!S_ISSOCK(st.st_mode)) {
		diag_hint(d, "move it away or choose another path with --socket");
		return diag_what(d, TM_EEXIST, "%s is in the way: it is not a socket", sa->sun_path);
	}

	fd = local_socket();
	if (fd < 0)
		return tm_err_from_errno(errno);
	if (connect(fd, (const struct sockaddr *)sa, sizeof(*sa)) == 0 || errno == EAGAIN) {
		diag_hint(d, "stop it with `tunnelmesh down`, or choose another --state-dir");
		return diag_what(d, TM_EBUSY, "another tunnelmesh answers on %s", sa->sun_path);
	}
	if (errno != ECONNREFUSED || unlink(sa->sun_path) < 0)
		return diag_what(d, tm_err_from_errno(errno), "cannot replace the control socket %s: %s",
			sa->sun_path, strerror(errno));

	return TM_OK;
}

static int group_find(const char *name, gid_t *ret_gid, struct diag *d)
{
	char buf[16384];
	struct group g, *found = NULL;

	if (getgrnam_r(name, &g, buf, sizeof(buf), &found) != 0 || !found) {
		diag_hint(d, "create it (groupadd %s) or change socket_group in the configuration", name);
		return diag_what(
			d, TM_ENOENT, "this system has no group \"%s\" for the control socket", name);
	}
	*ret_gid = g.gr_gid;
	return TM_OK;
}

int os_local_group(const char *name, struct diag *d)
{
	gid_t ignored;

	return group_find(name, &ignored, d);
}

static int make_parent(const char *path, struct diag *d)
{
	_cleanup_(freep) char *copy = strdup(path);
	struct stat st;

	if (!copy)
		return TM_ENOMEM;

	const char *dir = dirname(copy);
	if (stat(dir, &st) == 0 && S_ISDIR(st.st_mode))
		return TM_OK; /* whose it is and who may write there is the administrator's choice */

	return os_make_dir(dir, 0755, d);
}

static int open_to(struct os_local *l, const struct os_local_access *access, const gid_t *gid, struct diag *d)
{
	if (access->everybody && chmod(l->path, 0666) < 0)
		return diag_what(d, tm_err_from_errno(errno),
			"cannot open the control socket %s to everybody: %s", l->path, strerror(errno));
	if (gid && (chown(l->path, (uid_t)-1, *gid) < 0 || chmod(l->path, 0660) < 0))
		return diag_what(d, tm_err_from_errno(errno),
			"cannot give the control socket %s to its group: %s", l->path, strerror(errno));
	return TM_OK;
}

/* Bound with mode 0600 and opened to others only afterwards: there is no moment with too much access. */
static int local_bind(struct os_local *l, const struct sockaddr_un *sa, struct diag *d)
{
	struct stat st;
	mode_t old;
	int r;

	l->fd = local_socket();
	if (l->fd < 0)
		return diag_what(d, tm_err_from_errno(errno), "no control socket: %s", strerror(errno));

	old = umask(0177);
	r = bind(l->fd, (const struct sockaddr *)sa, sizeof(*sa));
	umask(old);
	if (r < 0)
		return diag_what(d, tm_err_from_errno(errno), "cannot create the control socket %s: %s",
			l->path, strerror(errno));
	if (lstat(l->path, &st) < 0)
		return tm_err_from_errno(errno);
	l->dev = st.st_dev;
	l->ino = st.st_ino;
	return TM_OK;
}

static int local_listen(struct os_local *l, struct diag *d)
{
	if (listen(l->fd, BACKLOG) < 0)
		return diag_what(
			d, tm_err_from_errno(errno), "cannot listen on %s: %s", l->path, strerror(errno));

	return TM_OK;
}

int os_local_listen(
	const char *path, const struct os_local_access *access, struct os_local **ret_local, struct diag *d)
{
	bool for_group = !access->everybody && access->group && *access->group;
	_cleanup_(os_local_freep) struct os_local *l = NULL;
	struct sockaddr_un sa;
	gid_t gid = 0;
	int err;

	err = local_address(path, &sa, d);
	if (err)
		return err;

	l = calloc(1, sizeof(*l));
	if (!l)
		return TM_ENOMEM;

	l->fd = -1;
	l->for_others = access->everybody || for_group;
	l->path = strdup(path);
	if (!l->path)
		return TM_ENOMEM;

	if (for_group)
		err = group_find(access->group, &gid, d);
	if (!err)
		err = make_parent(path, d);
	if (!err)
		err = clear_path(&sa, d);
	if (!err)
		err = local_bind(l, &sa, d);
	if (!err)
		err = open_to(l, access, for_group ? &gid : NULL, d);
	if (!err)
		err = local_listen(l, d);
	if (err)
		return err;

	*ret_local = TAKE(l);
	return TM_OK;
}

bool os_local_is_there(const struct os_local *l)
{
	struct stat st;

	return l->ino && lstat(l->path, &st) == 0 && st.st_dev == l->dev && st.st_ino == l->ino;
}

void os_local_free(struct os_local *l)
{
	if (!l)
		return;

	if (l->fd >= 0)
		close(l->fd);
	if (os_local_is_there(l))
		unlink(l->path);
	free(l->path);
	free(l);
}

bool os_local_at(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 && S_ISSOCK(st.st_mode);
}

int os_local_fd(const struct os_local *l)
{
	return l->fd;
}

/* The file's mode let the client connect; this is for a socket whose directory or mode someone loosened. */
static bool client_allowed(const struct os_local *l, int fd)
{
	uint32_t uid;
	os_pid pid;

	if (os_local_peer(fd, &pid, &uid) != TM_OK)
		return false;

	return uid == 0 || uid == geteuid() || l->for_others;
}

int os_local_accept(const struct os_local *l, int *ret_fd)
{
	int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS ? TM_EFULL
												 : TM_EAGAIN;
	if (!client_allowed(l, fd)) {
		close(fd);
		return TM_EAGAIN;
	}
	*ret_fd = fd;
	return TM_OK;
}

/* --- connecting --- */

static int connect_error(int why, const char *path, struct diag *d)
{
	if (why == ENOENT || why == ECONNREFUSED || why == ENOTDIR)
		return diag_what(d, TM_ENOENT, "tunnelmesh is not running");
	if (why == EACCES || why == EPERM)
		return diag_what(d, TM_EPERM, "no permission to talk to tunnelmesh at %s", path);

	return diag_what(d, tm_err_from_errno(why), "cannot reach tunnelmesh at %s: %s", path, strerror(why));
}

int os_local_connect(const char *path, ns_t deadline, int *ret_fd, struct diag *d)
{
	_cleanup_(closep) int fd = -1;
	struct sockaddr_un sa;
	int err;

	err = local_address(path, &sa, d);
	if (err)
		return err;

	fd = local_socket();
	if (fd < 0)
		return tm_err_from_errno(errno);

	while (connect(fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0) {
		if (errno == EAGAIN && time_monotonic() < deadline) /* its backlog is full */
			err = os_local_wait(-1, false, time_monotonic() + RETRY_MS * MS);
		else if (errno != EINTR)
			return connect_error(errno, path, d);
		if (err == TM_EAGAIN)
			return diag_what(d, err, "interrupted before tunnelmesh answered");
	}
	*ret_fd = fd;
	fd = -1;
	return TM_OK;
}

int os_local_peer(int fd, os_pid *ret_pid, uint32_t *ret_uid)
{
	struct ucred u;
	socklen_t n = sizeof(u);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &u, &n) < 0)
		return TM_EUNSUPPORTED;

	*ret_pid = u.pid;
	*ret_uid = u.uid;
	return TM_OK;
}

/* --- bytes --- */

int os_local_send(int fd, const void *p, size_t n, size_t *ret_n)
{
	ssize_t r;

	do
		r = send(fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (r < 0 && errno == EINTR);
	if (r < 0 && errno == EAGAIN)
		return TM_EAGAIN;
	if (r < 0)
		return errno == EPIPE || errno == ECONNRESET ? TM_ECLOSED : tm_err_from_errno(errno);

	*ret_n = (size_t)r;
	return TM_OK;
}

int os_local_recv(int fd, void *p, size_t n, size_t *ret_n)
{
	ssize_t r;

	do
		r = recv(fd, p, n, MSG_DONTWAIT);
	while (r < 0 && errno == EINTR);
	if (r < 0 && errno == EAGAIN)
		return TM_EAGAIN;
	if (r <= 0)
		return TM_ECLOSED;

	*ret_n = (size_t)r;
	return TM_OK;
}

void os_local_finish(int fd)
{
	(void)shutdown(fd, SHUT_WR);
}

void os_local_close(int fd)
{
	close(fd);
}

int os_local_wait(int fd, bool to_write, ns_t deadline)
{
	struct pollfd p[1 + INTERRUPT_FDS] = {{.fd = fd, .events = to_write ? POLLOUT : POLLIN}};

	for (size_t i = 0; i < INTERRUPT_FDS; i++) /* poll passes over -1 */
		p[1 + i] = (struct pollfd){.fd = interrupt_fd(i), .events = POLLIN};
	for (;;) {
		int r = poll(p, ARRAY_LEN(p), time_poll_ms(time_monotonic(), deadline));

		if (r > 0)
			return p[0].revents ? TM_OK : TM_EAGAIN;
		if (r == 0)
			return TM_ETIMEOUT;
		if (errno != EINTR)
			return tm_err_from_errno(errno);
		if (interrupt_came())
			return TM_EAGAIN;
	}
}
