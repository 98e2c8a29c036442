/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* systemd from outside: is it here, does it know our unit, tell it to do something. CLI; blocking with a
 * deadline. */
#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/posix/child.h"

/* What sd_booted(3) looks at. */
bool os_systemd_is_init(void)
{
	struct stat st;
	return lstat("/run/systemd/system", &st) == 0 && S_ISDIR(st.st_mode);
}

bool os_systemd_has_unit(const char *unit)
{
	/* systemd.unit(5), "System Unit Search Path" */
	static const char *const dirs[] = {
		"/etc/systemd/system",
		"/run/systemd/system",
		"/usr/local/lib/systemd/system",
		"/usr/lib/systemd/system",
		"/lib/systemd/system",
	};
	char path[512];

	if (!unit[0] || strchr(unit, '/'))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(dirs); i++) {
		snprintf(path, sizeof(path), "%s/%s", dirs[i], unit);
		if (access(path, F_OK) == 0)
			return true;
	}
	return false;
}

/*
 * The first line of what the command printed, for the error; the rest is read and dropped. False at the end.
 */
struct first_line {
	char text[200];
	size_t n;
	bool complete;
};

static bool first_line_read(struct first_line *l, int fd)
{
	char buf[512];
	ssize_t got = read(fd, buf, sizeof(buf));

	if (got < 0)
		return errno == EAGAIN || errno == EINTR;
	for (ssize_t i = 0; i < got && !l->complete; i++) {
		if (buf[i] == '\n' || l->n + 1 == sizeof(l->text))
			l->complete = l->n > 0;
		else
			l->text[l->n++] = buf[i];
	}
	l->text[l->n] = '\0';
	return got > 0;
}

/* Reads until the command ends, so that a full pipe never stops it. */
static int await(struct child *c, int out_fd, ns_t deadline, struct first_line *l, int *ret_status)
{
	bool open = true;

	for (;;) {
		if (!open)
			return child_wait(c, deadline, ret_status);

		ns_t now = time_monotonic();
		struct pollfd pfd[] = {{.fd = out_fd, .events = POLLIN}, {.fd = c->pidfd, .events = POLLIN}};
		if (poll(pfd, ARRAY_LEN(pfd), time_poll_ms(now, deadline)) == 0)
			return TM_ETIMEOUT;
		if (pfd[0].revents)
			open = first_line_read(l, out_fd);
		else if (pfd[1].revents)
			open = false;
	}
}

static int start_systemctl(const char *verb, const char *unit, int out_fd, struct child *ret_child)
{
	/* execve's argv is not const, but nothing writes to it. */
	char name[] = "systemctl", no_ask[] = "--no-ask-password", no_pager[] = "--no-pager",
	     path[] = "/dev/null";
	_cleanup_(freep) char *v = strdup(verb), *u = strdup(unit ? unit : "");
	_cleanup_(closep) int null_fd = open(path, O_RDWR | O_CLOEXEC);

	if (!v || !u)
		return ENOMEM;
	if (null_fd < 0)
		return errno;

	char *argv[] = {name, no_ask, no_pager, v, unit ? u : NULL, NULL};
	return child_start(
		&(struct child_how){
			.file = name, .argv = argv, .envp = environ, .fd = {null_fd, out_fd, out_fd, -1}},
		ret_child);
}

int os_systemctl(const char *verb, const char *unit, int timeout_ms, struct diag *d)
{
	ns_t deadline = time_monotonic() + timeout_ms * MS;
	const char *name = unit ? unit : "";
	const char *gap = unit ? " " : "";
	struct first_line line = {0};
	struct child c;
	int pipe_fd[2], status = 0;

	if (pipe2(pipe_fd, O_CLOEXEC) < 0)
		return diag_what(d, tm_err_from_errno(errno), "cannot make a pipe: %s", strerror(errno));
	(void)fcntl(pipe_fd[0], F_SETFL, O_NONBLOCK); /* our end only: systemctl may expect to block */

	int err = start_systemctl(verb, unit, pipe_fd[1], &c);
	close(pipe_fd[1]);
	if (err) {
		close(pipe_fd[0]);
		return diag_what(d, tm_err_from_errno(err), "cannot run systemctl: %s", strerror(err));
	}

	err = await(&c, pipe_fd[0], deadline, &line, &status);
	close(pipe_fd[0]);
	if (err) {
		child_end(&c);
		return diag_what(d, err, "`systemctl %s%s%s` did not finish in time", verb, gap, name);
	}
	if (status != 0) {
		char fate[CHILD_FATE_LEN];
		return diag_what(d, TM_EIO, "`systemctl %s%s%s` %s%s%s", verb, gap, name,
			child_fate(status, fate), line.n ? ": " : "", line.text);
	}
	return TM_OK;
}
