/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * One mutex guards both queues. The helper thread wakes the control thread by a bell, which rings once for
 * any number of finished jobs.
 */
#include "loop/helper.h"

#include "base/list.h"
#include "os/low/bell.h"
#include "os/low/lock.h"
#include "os/low/thread.h"

#include <assert.h>
#include <event2/event.h>

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
	struct thread thread;
	struct event *woken;
	struct bell wake;
	/* control thread */
	bool freeing, delivering;
	/* under `lock` */
	struct mutex lock;
	struct condition more;
	struct list waiting, finished;
	size_t n_waiting;
	bool stop, running;
	void (*drop)(void *job); /* set: all of this is the thread's now */
};

static void destroy(struct helper *h)
{
	bell_deinit(&h->wake);
	condition_deinit(&h->more);
	mutex_deinit(&h->lock);
	free(h);
}

static struct job *next_job(struct helper *h)
{
	struct job *j = NULL;

	mutex_lock(&h->lock);
	while (!h->stop && list_empty(&h->waiting))
		condition_wait(&h->more, &h->lock);
	if (!h->stop) {
		j = CONTAINER_OF(list_pop_front(&h->waiting), struct job, in_queue);
		h->n_waiting--;
	}
	h->running = j != NULL;
	mutex_unlock(&h->lock);
	return j;
}

/* Hands the job over to the control thread; false: there is nobody any more who would take it. */
static bool finish_job(struct helper *h, struct job *j)
{
	mutex_lock(&h->lock);
	void (*drop)(void *) = h->drop;
	h->running = false;
	if (!drop)
		list_push_back(&h->finished, &j->in_queue);
	mutex_unlock(&h->lock);
	if (drop) {
		drop(j->arg);
		free(j);
		return false;
	}
	bell_ring(&h->wake);
	return true;
}

static void helper_main(void *arg)
{
	struct helper *h = arg;
	struct job *j;

	while ((j = next_job(h))) {
		j->result = j->run(j->arg);
		if (!finish_job(h, j)) {
			destroy(h);
			break;
		}
	}
}

static struct job *pop_locked_list(struct helper *h, struct list *l)
{
	mutex_lock(&h->lock);
	struct list *n = list_pop_front(l);
	mutex_unlock(&h->lock);
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
	struct helper *h = arg;

	(void)fd;
	(void)what;
	bell_stop(&h->wake);
	deliver(h);
}

int helper_new(struct event_base *base, const char *thread_name, struct helper **ret_helper)
{
	struct helper *h = calloc(1, sizeof(*h));
	int err = TM_ENOMEM;

	if (!h)
		return TM_ENOMEM;

	list_init(&h->waiting);
	list_init(&h->finished);
	mutex_init(&h->lock);
	condition_init(&h->more);
	int why = bell_init(&h->wake);
	if (why) {
		err = tm_err_from_errno(why);
		goto fail;
	}
	h->woken = event_new(base, bell_fd(&h->wake), EV_READ | EV_PERSIST, on_wake, h);
	if (!h->woken || event_add(h->woken, NULL) < 0)
		goto fail;
	err = tm_err_from_errno(thread_start(&h->thread, thread_name, helper_main, h));
	if (err)
		goto fail;

	*ret_helper = h;
	return TM_OK;

fail:
	if (h->woken)
		event_free(h->woken);
	destroy(h);
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
	mutex_lock(&h->lock);
	h->stop = true;
	condition_signal(&h->more);
	mutex_unlock(&h->lock);
}

void helper_free(struct helper *h)
{
	if (!h)
		return;

	stop(h);
	thread_join(&h->thread);
	settle(h);
	destroy(h);
}

void helper_abandon(struct helper *h, void (*drop)(void *job))
{
	if (!h)
		return;

	stop(h);
	settle(h);
	mutex_lock(&h->lock);
	struct thread thread = h->thread;
	bool running = h->running;
	if (running)
		h->drop = drop;
	mutex_unlock(&h->lock);
	if (running) { /* h is the thread's now */
		thread_detach(&thread);
		return;
	}
	thread_join(&thread);
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
	mutex_lock(&h->lock);
	bool full = h->n_waiting >= HELPER_WAITING_MAX;
	if (!full) {
		list_push_back(&h->waiting, &j->in_queue);
		h->n_waiting++;
		condition_signal(&h->more);
	}
	mutex_unlock(&h->lock);
	if (full) {
		free(j);
		return TM_EFULL;
	}
	return TM_OK;
}
