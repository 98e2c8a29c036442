/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Threads of our own. Any thread may start one; whoever started it joins it, or lets it go. */
#ifndef TM_OS_LOW_THREAD_H
#define TM_OS_LOW_THREAD_H

#include <stdbool.h>
#include <stdint.h>

/* A plain value: it may be copied. */
struct thread {
	uintptr_t own[2];
};

enum { THREAD_NAME_MAX = 15 };

/*
 * Runs main(arg), with all signals blocked: they are the control thread's. The name, cut to THREAD_NAME_MAX
 * bytes, is what tools like top show. 0, or the errno value that says why not.
 */
__attribute__((warn_unused_result)) int thread_start(
	struct thread *t, const char *name, void (*main)(void *arg), void *arg);
/* One of both, once. */
void thread_join(struct thread *t); /* waits until main has returned */
void thread_detach(struct thread *t); /* nobody will ask for it any more */

struct thread thread_self(void); /* to compare, not to join */
bool thread_is_self(const struct thread *t);

/* --- a value of each thread --- */
struct thread_value {
	uintptr_t own;
};

/* NULL in every thread at first. When a thread ends that has another one, `end` gets it, in that thread; not
 * in the last one of the program. 0, or an errno value. There is no way back: of these there are few. */
__attribute__((warn_unused_result)) int thread_value_init(struct thread_value *v, void (*end)(void *value));
/* Of the calling thread. 0, or an errno value. */
__attribute__((warn_unused_result)) int thread_value_set(const struct thread_value *v, void *value);

#endif
