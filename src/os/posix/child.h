/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A child process with a deadline on everything: started without a shell, awaited, ended and reaped. One
 * thread. */
#ifndef TM_OS_POSIX_CHILD_H
#define TM_OS_POSIX_CHILD_H

#include "base/err.h"
#include "base/time.h"
#include "base/util.h"

#include <sys/types.h>

struct child {
	pid_t pid; /* 0 once reaped */
	int pidfd; /* readable when it has ended; -1 where the kernel has none */
};

enum { CHILD_FDS = 4, CHILD_FATE_LEN = 64 };

struct child_how {
	const char *file; /* found on PATH when without a slash */
	char *const *argv;
	char *const *envp;
	int fd[CHILD_FDS]; /* become descriptors 0 to 3; all others are closed; -1 = closed as well */
	bool new_session;
};

/* Returns an errno value, because only that tells "no such program" from the rest. */
NODISCARD int child_start(const struct child_how *how, struct child *ret_child);

/* Reaps it when it ends before the deadline, else TM_ETIMEOUT. */
NODISCARD int child_wait(struct child *c, ns_t deadline, int *ret_status);

/* Asks it to end, insists after two seconds, reaps. Nothing to do when already reaped. */
void child_end(struct child *c);

/* "exited with status 3", "was killed by signal 11 (Segmentation fault)". */
const char *child_fate(int status, char buf[static CHILD_FATE_LEN]);

#endif
