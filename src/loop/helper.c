/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * One mutex guards both queues. The helper thread wakes the control thread through a non-blocking pipe: one
 * byte is enough for any number of finished jobs, so a full pipe is as good as a successful write.
 */
#include "loop/helper.h"

#include "base/list.h"

#include <assert.h>
#include <event2/event.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

enum { HELPER_WAITING_MAX = 4096 };

struct job {
	struct list in_queue;
	helper_run_fn *run;
	helper_done_fn *done;
	void *arg;
	int result;
};

struct helper {
	/* set once */
	pthread_t thread;
	char name[16]; /* with NUL, what the kernel takes */
	struct event *woken;
	int wake[2];
	/* control thread */
	bool freeing, delivering;
	/* under `lock` */
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct list waiting, finished;
	size_t n_waiting;
	bool stop, running;
	void (*drop)(void *job); /* set: all of this is the thread's now */
};

static void destroy(struct helper *h)
{
	close(h->wake[0]);
	close(h->wake[1]);
	pthread_cond_destroy(&h->more);
	pthread_mutex_destroy(&h->lock);
	free(h);
}

static struct job *next_job(struct helper *h)
{
	struct job *j = NULL;

	pthread_mutex_lock(&h->lock);
	while (!h->stop && list_empty(&h->waiting))
		pthread_cond_wait(&h->more, &h->lock);
	if (!h->stop) {
		j = CONTAINER_OF(list_pop_front(&h->waiting), struct job, in_queue);
		h->n_waiting--;
	}
	h->running = j != NULL;
	pthread_mutex_unlock(&h->lock);
	return j;
}

/* Hands the job over to the control thread; false: there is nobody any more who would take it. */
static bool finish_job(struct helper *h, struct job *j)
{
	pthread_mutex_lock(&h->lock);
	void (*drop)(void *) = h->drop;
	h->running = false;
	if (!drop)
		list_push_back(&h->finished, &j->in_queue);
	pthread_mutex_unlock(&h->lock);
	if (drop) {
		drop(j->arg);
		free(j);
		return false;
	}
	ssize_t n = write(h->wake[1], "", 1);
	(void)n;
	return true;
}

static void *helper_main(void *arg)
{
	struct helper *h = arg;
	struct job *j;

#ifdef __linux__
	pthread_setname_np(pthread_self(), h->name);
#endif
	while ((j = next_job(h))) {
		j->result = j->run(j->arg);
		if (!finish_job(h, j)) {
			destroy(h);
			break;
		}
	}
	return NULL;
}

static struct job *pop_locked_list(struct helper *h, struct list *l)
{
	pthread_mutex_lock(&h->lock);
	struct list *n = list_pop_front(l);
	pthread_mutex_unlock(&h->lock);
	return n ? CONTAINER_OF(n, struct job, in_queue) : NULL;
}

static void deliver(struct helper *h)
{
	struct job *j;

	h->delivering = true;
	while ((j = pop_locked_list(h, &h->finished))) {
		j->done(j->arg, j->result);
		free(j);
	}
	h->delivering = false;
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
	char drain[64];

	(void)what;
	while (read(fd, drain, sizeof(drain)) > 0)
		;
	deliver(arg);
}

/* Signals are the control thread's: a helper starts with all of them blocked. */
static int start_thread(struct helper *h)
{
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int err = pthread_create(&h->thread, NULL, helper_main, h);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return err ? tm_err_from_errno(err) : TM_OK;
}

int helper_new(struct event_base *base, const char *thread_name, struct helper **ret_helper)
{
	struct helper *h = calloc(1, sizeof(*h));
	int err = TM_ENOMEM;

	if (!h)
		return TM_ENOMEM;

	snprintf(h->name, sizeof(h->name), "%s", thread_name);
	list_init(&h->waiting);
	list_init(&h->finished);
	pthread_mutex_init(&h->lock, NULL);
	pthread_cond_init(&h->more, NULL);
	if (pipe2(h->wake, O_CLOEXEC | O_NONBLOCK) < 0) {
		err = TM_EIO;
		goto fail_pipe;
	}
	h->woken = event_new(base, h->wake[0], EV_READ | EV_PERSIST, on_wake, h);
	if (!h->woken || event_add(h->woken, NULL) < 0)
		goto fail_event;
	err = start_thread(h);
	if (err)
		goto fail_event;

	*ret_helper = h;
	return TM_OK;

fail_event:
	if (h->woken)
		event_free(h->woken);
	close(h->wake[0]);
	close(h->wake[1]);
fail_pipe:
	pthread_cond_destroy(&h->more);
	pthread_mutex_destroy(&h->lock);
	free(h);
	return err;
}

/* What has finished, and what never ran. */
static void settle(struct helper *h)
{
	struct job *j;

	deliver(h);
	while ((j = pop_locked_list(h, &h->waiting))) {
		j->done(j->arg, TM_ECLOSED);
		free(j);
	}
	event_free(h->woken);
}

static void stop(struct helper *h)
{
	assert(!h->delivering); /* a job's `done` must not free the helper that calls it */
	h->freeing = true;
	pthread_mutex_lock(&h->lock);
	h->stop = true;
	pthread_cond_signal(&h->more);
	pthread_mutex_unlock(&h->lock);
}

void helper_free(struct helper *h)
{
	if (!h)
		return;

	stop(h);
	pthread_join(h->thread, NULL);
	settle(h);
	destroy(h);
}

void helper_abandon(struct helper *h, void (*drop)(void *job))
{
	if (!h)
		return;

	stop(h);
	settle(h);
	pthread_mutex_lock(&h->lock);
	pthread_t thread = h->thread;
	bool running = h->running;
	if (running)
		h->drop = drop;
	pthread_mutex_unlock(&h->lock);
	if (running) { /* h is the thread's now */
		pthread_detach(thread);
		return;
	}
	pthread_join(thread, NULL);
	deliver(h); /* what it finished meanwhile */
	destroy(h);
}

int helper_submit(struct helper *h, helper_run_fn *run, helper_done_fn *done, void *arg)
{
	if (h->freeing)
		return TM_ECLOSED;

	struct job *j = calloc(1, sizeof(*j));
	if (!j)
		return TM_ENOMEM;

	*j = (struct job){.run = run, .done = done, .arg = arg};
	pthread_mutex_lock(&h->lock);
	bool full = h->n_waiting >= HELPER_WAITING_MAX;
	if (!full) {
		list_push_back(&h->waiting, &j->in_queue);
		h->n_waiting++;
		pthread_cond_signal(&h->more);
	}
	pthread_mutex_unlock(&h->lock);
	if (full) {
		free(j);
		return TM_EFULL;
	}
	return TM_OK;
}
