/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Threads of our own. Any thread may start one; whoever started it joins it. */
#ifndef TM_OS_THREAD_H
#define TM_OS_THREAD_H

#include "base/err.h"
#include "base/util.h"

#include <pthread.h>

struct thread {
	pthread_t id;
};

/*
 * Runs main(arg), with all signals blocked: they are the control thread's. The name (up to 15 bytes) is what
 * tools like top show.
 */
NODISCARD int thread_start(struct thread *t, const char *name, void (*main)(void *arg), void *arg);
void thread_join(struct thread *t); /* waits until main has returned */

struct thread thread_self(void);
bool thread_is_self(const struct thread *t);

#endif
