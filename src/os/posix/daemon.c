/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Starting a daemon and learning how it went. The command that starts it keeps one end of a socket pair; the
 * daemon has the other as descriptor 3, named in its environment together with the socket's inode number, so
 * that a variable that leaked from elsewhere is never taken for it. The daemon sends "R" when it is ready, or
 * "F" and a sentence; its death closes the socket. A socket rather than a pipe, because a send to a starter
 * that gave up must not raise SIGPIPE.
 */
#include "os/posix/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "os/os.h"
#include "os/posix/child.h"

#define READY_ENV "TUNNELMESH_READY_FD"
#define NOTIFY_ENV "NOTIFY_SOCKET"

enum {
	READY_FD = 3,
	REPORT_MAX = 384, /* of a failure's sentence: what struct diag holds */
	EXIT_GRACE_MS = 5000, /* from a reported failure to the end of the process */
};

/* ---- in the daemon ---- */

/* The readiness descriptor, or -1 when nobody waits for us. */
static int ready_fd(void)
{
	const char *s = getenv(READY_ENV);
	struct stat st;
	uintmax_t inode;
	char *end;

	if (!s)
		return -1;

	errno = 0;
	long fd = strtol(s, &end, 10);
	if (errno || end == s || *end != ':' || fd < READY_FD || fd > INT16_MAX)
		return -1;

	const char *num = end + 1;
	inode = strtoumax(num, &end, 10);
	if (errno || end == num || *end != '\0')
		return -1;
	if (fstat((int)fd, &st) < 0 || !S_ISSOCK(st.st_mode) || (uintmax_t)st.st_ino != inode)
		return -1;
	return (int)fd;
}

void daemon_adopt(void)
{
	int fd = ready_fd();

	if (fd >= 0)
		(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
}

static void report(char kind, const char *sentence)
{
	char msg[1 + REPORT_MAX];
	int fd = ready_fd();

	if (fd < 0)
		return;

	int n = snprintf(msg, sizeof(msg), "%c%s", kind, sentence);
	if (n >= (int)sizeof(msg))
		n = sizeof(msg) - 1;
	/* Nobody to tell when the starter is gone: it gave up, and its user knows. */
	(void)!send(fd, msg, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT);
	close(fd);
	unsetenv(READY_ENV);
}

void daemon_notify(const char *state)
{
	const char *path = getenv(NOTIFY_ENV);
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	size_t n = path ? strlen(path) : 0;

	if (n < 2 || n >= sizeof(sa.sun_path) || (path[0] != '/' && path[0] != '@'))
		return;

	memcpy(sa.sun_path, path, n);
	socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
	if (path[0] == '@')
		sa.sun_path[0] = '\0'; /* abstract: no terminator counts */
	else
		len++;

	_cleanup_(closep) int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	(void)!sendto(fd, state, strlen(state), MSG_NOSIGNAL | MSG_DONTWAIT, (struct sockaddr *)&sa, len);
}

void os_daemon_ready(void)
{
	report('R', "");
	daemon_notify("READY=1\nSTATUS=Running");
}

void os_daemon_failed(const char *sentence)
{
	char status[REPORT_MAX + 16];

	report('F', sentence);
	snprintf(status, sizeof(status), "STATUS=%s", sentence);
	for (char *p = status; *p; p++)
		if (*p == '\n')
			*p = ' '; /* a line break would start another assignment */
	daemon_notify(status);
}

void os_daemon_stopping(void)
{
	daemon_notify("STOPPING=1");
}

/* ---- in the command that starts it ---- */

struct start {
	const char *log_path;
	struct child child;
	int fd; /* our end of the socket pair */
	ns_t deadline;
	char report[1 + REPORT_MAX];
	size_t n;
};

static int open_log(const char *path, int *ret_fd, struct diag *d)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0600);
	struct stat st;

	if (fd < 0)
		return diag_what(
			d, tm_err_from_errno(errno), "cannot open the log %s: %s", path, strerror(errno));
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 077))
		(void)fchmod(fd, 0600); /* one of ours from before; never worse than it was */
	*ret_fd = fd;
	return TM_OK;
}

/* Our environment with the readiness variable, without those that speak of this process and not of the
 * daemon. */
static char **daemon_env(char *ready_take)
{
	size_t n = 0, out = 0;

	while (environ && environ[n])
		n++;

	char **env = calloc(n + 2, sizeof(*env));
	if (!env)
		return NULL;

	for (size_t i = 0; i < n; i++)
		if (strncmp(environ[i], READY_ENV "=", sizeof(READY_ENV)) != 0 &&
			strncmp(environ[i], NOTIFY_ENV "=", sizeof(NOTIFY_ENV)) != 0)
			env[out++] = environ[i];
	env[out] = ready_take;
	return env;
}

static int launch(struct start *s, char *const argv[], int log_fd, int their_fd, struct diag *d)
{
	_cleanup_(closep) int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	_cleanup_(freep) char **env = NULL;
	char ready[64];
	struct stat st;

	if (null_fd < 0 || fstat(their_fd, &st) < 0)
		return diag_what(d, tm_err_from_errno(errno), "cannot open /dev/null: %s", strerror(errno));

	snprintf(ready, sizeof(ready), READY_ENV "=%d:%ju", READY_FD, (uintmax_t)st.st_ino);
	env = daemon_env(ready);
	if (!env)
		return TM_ENOMEM;

	int err = child_start(&(struct child_how){.file = argv[0],
				      .argv = argv,
				      .envp = env,
				      .fd = {null_fd, log_fd, log_fd, their_fd},
				      .new_session = true},
		&s->child);
	if (err)
		return diag_what(d, tm_err_from_errno(err), "cannot start %s: %s", argv[0], strerror(err));
	return TM_OK;
}

/* What is there to read; false at its end. */
static bool drain(struct start *s)
{
	for (;;) {
		size_t room = sizeof(s->report) - 1 - s->n;
		char over[64];
		ssize_t got =
			recv(s->fd, room ? s->report + s->n : over, room ? room : sizeof(over), MSG_DONTWAIT);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && errno == EAGAIN)
			return true;
		if (got <= 0)
			return false;
		if (room)
			s->n += (size_t)got;
		s->report[s->n] = '\0';
	}
}

/* The daemon is gone or about to go: why? */
static int explain_end(struct start *s, struct diag *d)
{
	char fate[CHILD_FATE_LEN];
	int status = 0;
	ns_t until = time_monotonic() + EXIT_GRACE_MS * MS;
	int err = child_wait(&s->child, ns_min(until, MAX(s->deadline, time_monotonic())), &status);

	(void)drain(s);
	if (err)
		child_end(&s->child);
	if (s->n > 1 && s->report[0] == 'F')
		return diag_what(d, TM_EIO, "%s", s->report + 1);

	diag_hint(d, "its log is %s", s->log_path);
	if (err)
		return diag_what(d, TM_EIO, "the daemon stopped reporting and was ended");
	return diag_what(d, TM_EIO, "the daemon %s before it was ready", child_fate(status, fate));
}

/* Waits for "R", a failure, the end of the process or the deadline, whichever comes first. */
static int await_report(struct start *s, struct diag *d)
{
	for (;;) {
		struct pollfd pfd[] = {
			{.fd = s->fd, .events = POLLIN}, {.fd = s->child.pidfd, .events = POLLIN}};
		int ready = poll(pfd, ARRAY_LEN(pfd), time_poll_ms(time_monotonic(), s->deadline));

		if (ready < 0 && errno != EINTR)
			return diag_what(d, TM_EIO, "cannot wait for the daemon: %s", strerror(errno));
		if (ready < 0)
			continue;

		bool open = drain(s);
		if (s->n > 0 && s->report[0] == 'R') {
			/* Ready, but is it still there? */
			struct pollfd alive = {.fd = s->child.pidfd, .events = POLLIN};
			return poll(&alive, 1, 0) > 0 ? explain_end(s, d) : TM_OK;
		}
		if (s->n > 0 || !open || (pfd[1].revents & POLLIN))
			return explain_end(s, d);
		if (ready == 0) {
			diag_hint(d, "its log is %s", s->log_path);
			return diag_what(
				d, TM_ETIMEOUT, "the daemon was not ready in time and has been ended");
		}
	}
}

/* A machine whose disk is full or read-only is the one that somebody has to reach. */
static int open_log_or_null(const char *path, int *ret_fd, struct diag *unlogged, struct diag *d)
{
	if (open_log(path, ret_fd, unlogged) == TM_OK)
		return TM_OK;

	*ret_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	return *ret_fd >= 0
		       ? TM_OK
		       : diag_what(d, tm_err_from_errno(errno), "cannot open /dev/null: %s", strerror(errno));
}

int os_spawn_daemon(
	char *const argv[], const char *log_path, int timeout_ms, struct diag *unlogged, struct diag *d)
{
	_cleanup_(closep) int log_fd = -1;
	struct start s = {.log_path = log_path, .fd = -1, .child = {.pidfd = -1}};
	int pair[2];
	int err = open_log_or_null(log_path, &log_fd, unlogged, d);

	if (err)
		return err;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return diag_what(
			d, tm_err_from_errno(errno), "cannot make a socket pair: %s", strerror(errno));

	s.fd = pair[0];
	s.deadline = time_monotonic() + timeout_ms * MS;
	err = launch(&s, argv, log_fd, pair[1], d);
	close(pair[1]); /* so that the daemon's death is the end of the stream */
	if (!err)
		err = await_report(&s, d);
	if (err)
		child_end(&s.child);
	closep(&s.child.pidfd);
	close(s.fd);
	return err;
}
