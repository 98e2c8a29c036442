/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "os/run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "os/posix/child.h"

/* The first line of what it printed; the rest is read and dropped, unless somebody wants it. */
struct first_line {
	char text[200];
	size_t n;
	bool complete;
	struct strbuf *whole; /* NULL: nobody does */
	size_t left; /* that it may still take */
};

static void keep(struct first_line *l, const char *p, size_t n)
{
	if (!l->whole)
		return;
	strbuf_add(l->whole, p, MIN(n, l->left));
	l->left -= MIN(n, l->left);
}

/* False at the end. */
static bool first_line_read(struct first_line *l, int fd)
{
	char buf[4096];
	ssize_t got = read(fd, buf, sizeof(buf));

	if (got < 0)
		return errno == EAGAIN || errno == EINTR;
	keep(l, buf, (size_t)got);
	for (ssize_t i = 0; i < got && !l->complete; i++) {
		if (buf[i] == '\n' || l->n + 1 == sizeof(l->text))
			l->complete = l->n > 0;
		else
			l->text[l->n++] = buf[i];
	}
	l->text[l->n] = '\0';
	return got > 0;
}

/* Reads until the program ends, so that a full pipe never stops it. */
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

/* What it reads, whole, in a pipe that has room for it; or nothing. A descriptor, -1 with errno. */
static int open_input(const char *text)
{
	int fd[2];

	if (!text)
		return open("/dev/null", O_RDWR | O_CLOEXEC);
	if (pipe2(fd, O_CLOEXEC) < 0)
		return -1;
	const ssize_t wrote = write(fd[1], text, strlen(text));
	close(fd[1]);
	if (wrote == (ssize_t)strlen(text))
		return fd[0];
	close(fd[0]);
	errno = EIO;
	return -1;
}

static int start(const struct os_run *r, int out_fd, struct child *ret_child)
{
	char *argv[OS_RUN_ARGS + 1];
	_cleanup_(closep) int in_fd = open_input(r->input);
	size_t n = 0;

	if (in_fd < 0)
		return errno;
	/* execve's argv is not const, but nothing writes to it. */
	for (; r->argv[n] && n < OS_RUN_ARGS; n++)
		argv[n] = (char *)(uintptr_t)r->argv[n];
	argv[n] = NULL;
	return child_start(
		&(struct child_how){
			.file = argv[0], .argv = argv, .envp = environ, .fd = {in_fd, out_fd, out_fd, -1}},
		ret_child);
}

static const char *shown(const struct os_run *r, char *buf, size_t size)
{
	size_t n = 0;

	if (r->shown)
		return r->shown;
	for (size_t i = 0; r->argv[i] && n < size; i++)
		n += (size_t)snprintf(buf + n, size - n, "%s%s", i ? " " : "", r->argv[i]);
	return buf;
}

int os_run(const struct os_run *r, struct diag *d)
{
	const ns_t deadline = time_monotonic() + r->timeout_ms * MS;
	char text[160], fate[CHILD_FATE_LEN];
	struct first_line line = {.whole = r->whole, .left = r->whole_max};
	struct child c;
	int pipe_fd[2], status = 0;

	if (pipe2(pipe_fd, O_CLOEXEC) < 0)
		return diag_what(d, tm_err_from_errno(errno), "cannot make a pipe: %s", strerror(errno));
	(void)fcntl(pipe_fd[0], F_SETFL, O_NONBLOCK); /* our end only: the program may expect to block */

	int err = start(r, pipe_fd[1], &c);
	close(pipe_fd[1]);
	if (err) {
		close(pipe_fd[0]);
		return diag_what(d, tm_err_from_errno(err), "cannot run %s: %s", r->argv[0], strerror(err));
	}

	err = await(&c, pipe_fd[0], deadline, &line, &status);
	close(pipe_fd[0]);
	if (err) {
		child_end(&c);
		return diag_what(d, err, "`%s` did not finish in time", shown(r, text, sizeof(text)));
	}
	if (status != 0)
		return diag_what(d, TM_EIO, "`%s` %s%s%s", shown(r, text, sizeof(text)),
			child_fate(status, fate), line.n ? ": " : "", line.text);
	if (r->out)
		snprintf(r->out, r->out_size, "%s", line.text);
	return TM_OK;
}

void os_become(const char *const *argv)
{
	/* execvp's argv is not const, but nothing writes to it. */
	execvp(argv[0], (char *const *)(uintptr_t)argv);
}

bool os_has_program(const char *name)
{
	const char *path = getenv("PATH");
	char file[512];

	while (path && *path) {
		const size_t n = strcspn(path, ":");

		snprintf(file, sizeof(file), "%.*s/%s", (int)n, path, name);
		if (n && access(file, X_OK) == 0)
			return true;
		path += n + (path[n] == ':');
	}
	return false;
}
