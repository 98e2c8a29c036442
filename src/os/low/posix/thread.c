/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "os/low/thread.h"

#include "os/low/thread_private.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(sizeof(pthread_t) <= sizeof(struct thread), "a thread of the system has room in ours");
_Static_assert(sizeof(pthread_key_t) <= sizeof(struct thread_value), "a key of the system has room in ours");

static struct thread thread_of(pthread_t id)
{
	struct thread t = {0};

	memcpy(t.own, &id, sizeof(id));
	return t;
}

static pthread_t id_of(const struct thread *t)
{
	pthread_t id;

	memcpy(&id, t->own, sizeof(id));
	return id;
}

struct start {
	void (*main)(void *arg);
	void *arg;
	char name[THREAD_NAME_MAX + 1];
};

static void *run(void *start_take)
{
	struct start s = *(struct start *)start_take;

	free(start_take);
	thread_call_self(s.name);
	s.main(s.arg);
	return NULL;
}

int thread_start(struct thread *t, const char *name, void (*main)(void *arg), void *arg)
{
	struct start *s = calloc(1, sizeof(*s));
	sigset_t all, before;
	pthread_t id;

	if (!s)
		return ENOMEM;

	*s = (struct start){.main = main, .arg = arg};
	snprintf(s->name, sizeof(s->name), "%s", name);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int err = pthread_create(&id, NULL, run, s);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (err) {
		free(s);
		return err;
	}
	*t = thread_of(id); /* run frees s */
	return 0;
}

void thread_join(struct thread *t)
{
	pthread_join(id_of(t), NULL);
}

void thread_detach(struct thread *t)
{
	pthread_detach(id_of(t));
}

struct thread thread_self(void)
{
	return thread_of(pthread_self());
}

bool thread_is_self(const struct thread *t)
{
	return pthread_equal(id_of(t), pthread_self());
}

int thread_value_init(struct thread_value *v, void (*end)(void *value))
{
	pthread_key_t key;

	int err = pthread_key_create(&key, end);
	if (err)
		return err;

	v->own = key;
	return 0;
}

int thread_value_set(const struct thread_value *v, void *value)
{
	return pthread_setspecific((pthread_key_t)v->own, value);
}
