/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "os/posix/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	ABOVE_TARGETS = 10, /* sources are moved out of the way of the numbers they become */
	GRACE_MS = 2000, /* between SIGTERM and SIGKILL */
	NO_PIDFD_POLL_MS = 20, /* kernels before 5.3 */
};

/* New descriptors for the child in the order 0..3, with no source overwritten before it is used. Returns an
 * errno value. */
static int add_fds(posix_spawn_file_actions_t *fa, const struct child_how *how, int tmp[static CHILD_FDS])
{
	int err = 0;

	for (int i = 0; i < CHILD_FDS && !err; i++) {
		if (how->fd[i] < 0)
			continue;
		tmp[i] = fcntl(how->fd[i], F_DUPFD_CLOEXEC, ABOVE_TARGETS);
		if (tmp[i] < 0)
			return errno;
		err = posix_spawn_file_actions_adddup2(fa, tmp[i], i);
	}
	for (int i = 0; i < CHILD_FDS && !err; i++)
		if (how->fd[i] < 0)
			err = posix_spawn_file_actions_addclose(fa, i);
	/* Whatever our own parent left open must not live as long as a daemon does. */
	return err ? err : posix_spawn_file_actions_addclosefrom_np(fa, CHILD_FDS);
}

static int set_attributes(posix_spawnattr_t *attr, bool new_session)
{
	sigset_t none, all;
	short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
	int err;

	sigemptyset(&none);
	sigfillset(&all);
	err = posix_spawnattr_setsigmask(attr, &none);
	if (!err)
		err = posix_spawnattr_setsigdefault(attr, &all);
	return err ? err
		   : posix_spawnattr_setflags(attr, (short)(flags | (new_session ? POSIX_SPAWN_SETSID : 0)));
}

int child_start(const struct child_how *how, struct child *ret_child)
{
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t attr;
	int tmp[CHILD_FDS] = {-1, -1, -1, -1};
	pid_t pid = 0;
	int err = posix_spawn_file_actions_init(&fa);

	if (err)
		return err;

	err = posix_spawnattr_init(&attr);
	if (err)
		goto out_actions;

	err = add_fds(&fa, how, tmp);
	if (!err)
		err = set_attributes(&attr, how->new_session);
	if (!err)
		err = posix_spawnp(&pid, how->file, &fa, &attr, how->argv, how->envp);
	if (!err)
		*ret_child = (struct child){.pid = pid, .pidfd = pidfd_open(pid, 0)};

	for (int i = 0; i < CHILD_FDS; i++)
		closep(&tmp[i]);
	posix_spawnattr_destroy(&attr);
out_actions:
	posix_spawn_file_actions_destroy(&fa);
	return err;
}

static bool reap(struct child *c, int *ret_status)
{
	pid_t got;

	do
		got = waitpid(c->pid, ret_status, WNOHANG);
	while (got < 0 && errno == EINTR);
	if (got == 0)
		return false;
	/* SIGCHLD is ignored in this process: the kernel has reaped it and nobody knows how it ended. */
	if (got < 0)
		*ret_status = 0;

	closep(&c->pidfd);
	*c = (struct child){.pid = 0, .pidfd = -1};
	return true;
}

int child_wait(struct child *c, ns_t deadline, int *ret_status)
{
	for (;;) {
		if (reap(c, ret_status))
			return TM_OK;

		ns_t now = time_monotonic();
		if (now >= deadline)
			return TM_ETIMEOUT;

		struct pollfd pfd = {.fd = c->pidfd, .events = POLLIN};
		int wait = time_poll_ms(now, deadline);
		if (c->pidfd < 0 && (wait < 0 || wait > NO_PIDFD_POLL_MS))
			wait = NO_PIDFD_POLL_MS;
		(void)poll(&pfd, 1, wait);
	}
}

void child_end(struct child *c)
{
	int status;

	if (c->pid <= 0)
		return;
	/* Not reaped yet, so the pid is still its own. */
	(void)kill(c->pid, SIGTERM);
	if (child_wait(c, time_monotonic() + GRACE_MS * MS, &status) == TM_OK)
		return;
	(void)kill(c->pid, SIGKILL);
	if (child_wait(c, time_monotonic() + GRACE_MS * MS, &status) == TM_OK)
		return;
	closep(&c->pidfd); /* stuck in the kernel: init gets it when we are gone */
	*c = (struct child){.pid = 0, .pidfd = -1};
}

const char *child_fate(int status, char buf[static CHILD_FATE_LEN])
{
	if (WIFSIGNALED(status))
		snprintf(buf, CHILD_FATE_LEN, "was killed by signal %d (%s)", WTERMSIG(status),
			strsignal(WTERMSIG(status)));
	else
		snprintf(buf, CHILD_FATE_LEN, "exited with status %d", WEXITSTATUS(status));
	return buf;
}
