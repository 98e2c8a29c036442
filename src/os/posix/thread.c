/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "os/thread.h"

#include <signal.h>
#include <stdio.h>

struct start {
	void (*main)(void *arg);
	void *arg;
	char name[16]; /* with NUL, what the kernel takes */
};

static void *run(void *start_take)
{
	struct start s = *(struct start *)start_take;

	free(start_take);
#ifdef __linux__
	pthread_setname_np(pthread_self(), s.name);
#endif
	s.main(s.arg);
	return NULL;
}

int thread_start(struct thread *t, const char *name, void (*main)(void *arg), void *arg)
{
	_cleanup_(freep) struct start *s = calloc(1, sizeof(*s));
	sigset_t all, before;
	pthread_t id;

	if (!s)
		return TM_ENOMEM;

	*s = (struct start){.main = main, .arg = arg};
	snprintf(s->name, sizeof(s->name), "%s", name);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int err = pthread_create(&id, NULL, run, s);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (err)
		return tm_err_from_errno(err);

	TAKE(s); /* run frees it */
	t->id = id;
	return TM_OK;
}

void thread_join(struct thread *t)
{
	pthread_join(t->id, NULL);
}

struct thread thread_self(void)
{
	return (struct thread){.id = pthread_self()};
}

bool thread_is_self(const struct thread *t)
{
	return pthread_equal(t->id, pthread_self());
}
