/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "os/low/lock.h"

#include <pthread.h>
#include <stdlib.h>

_Static_assert(sizeof(pthread_mutex_t) <= sizeof(struct mutex) &&
		       _Alignof(pthread_mutex_t) <= _Alignof(struct mutex),
	"a mutex of the system has room in ours");
_Static_assert(sizeof(pthread_cond_t) <= sizeof(struct condition) &&
		       _Alignof(pthread_cond_t) <= _Alignof(struct condition),
	"a condition of the system has room in ours");

static pthread_mutex_t *mutex_own(struct mutex *m)
{
	return (void *)m->own;
}

static pthread_cond_t *condition_own(struct condition *c)
{
	return (void *)c->own;
}

static void must(int err)
{
	if (err)
		abort();
}

void mutex_init(struct mutex *m)
{
	must(pthread_mutex_init(mutex_own(m), NULL));
}

void mutex_deinit(struct mutex *m)
{
	must(pthread_mutex_destroy(mutex_own(m)));
}

void mutex_lock(struct mutex *m)
{
	must(pthread_mutex_lock(mutex_own(m)));
}

void mutex_unlock(struct mutex *m)
{
	must(pthread_mutex_unlock(mutex_own(m)));
}

void condition_init(struct condition *c)
{
	must(pthread_cond_init(condition_own(c), NULL));
}

void condition_deinit(struct condition *c)
{
	must(pthread_cond_destroy(condition_own(c)));
}

void condition_wait(struct condition *c, struct mutex *m)
{
	must(pthread_cond_wait(condition_own(c), mutex_own(m)));
}

void condition_signal(struct condition *c)
{
	must(pthread_cond_signal(condition_own(c)));
}

void condition_broadcast(struct condition *c)
{
	must(pthread_cond_broadcast(condition_own(c)));
}

void once_run(struct once *o, void (*fn)(void))
{
	static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;

	if (atomic_load_explicit(&o->done, memory_order_acquire))
		return;

	must(pthread_mutex_lock(&one_at_a_time));
	if (!atomic_load_explicit(&o->done, memory_order_relaxed)) {
		fn();
		atomic_store_explicit(&o->done, 1, memory_order_release);
	}
	must(pthread_mutex_unlock(&one_at_a_time));
}
