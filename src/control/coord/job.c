/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "base/secret.h"
#include "control/coord/coord_private.h"

static void job_free(struct job *j)
{
	size_t size = j->kind->size;

	j->c->n_jobs--;
	if (j->kind->deinit)
		j->kind->deinit(j);
	feed_deinit(&j->feed);
	wipe(j, size); /* secrets of tokens */
	free(j);
}

static int job_body(struct store *s, void *arg)
{
	struct job *j = arg;

	int err = j->kind->body(s, j);

	return !err && j->event.kind != EVENT_NONE ? store_event_add(s, &j->event) : err;
}

static int event_body(struct store *s, void *event)
{
	return store_event_add(s, event);
}

/* What it did is done: without its event, too. */
static int run_alone(struct job *j)
{
	int err = j->kind->body(j->c->store, j);

	if (!err && j->event.kind != EVENT_NONE)
		j->unkept = store_transaction(j->c->store, event_body, &j->event);
	return err;
}

static int job_run(void *arg)
{
	struct job *j = arg;

	int err = j->kind->alone ? run_alone(j) : store_transaction(j->c->store, job_body, j);
	if (err) {
		store_explain(err, &j->d);
		return err;
	}
	/* It is done, whatever happens now: changes that cannot be read are read with the next job's. */
	j->unread = feed_read(j->c->store, &j->c->fed, &j->feed);
	return TM_OK;
}

/* First the answer: a node that leaves gets it before its link goes. False while changes are left. */
static bool job_finish(struct job *j)
{
	if (!j->answered) {
		j->kind->done(j->c, j, j->result);
		if (j->unkept)
			mesh_event_lost(j->c, &j->event, j->unkept);
		else if (!j->result && j->event.kind != EVENT_NONE)
			mesh_event_told(j->c, &j->event);
	}
	j->answered = true;
	return feed_apply(j->c, &j->feed, j->why);
}

/*
 * A node with ten thousand clients that goes is as many changes: they take several turns of the loop, and
 * jobs that ran later wait for their turn, so that no answer speaks of what the registry does not hold yet.
 */
static void finish_through(void *ctx)
{
	struct coord *c = ctx;

	while (!list_empty(&c->through)) {
		struct job *j = CONTAINER_OF(c->through.next, struct job, in_through);

		if (!job_finish(j)) {
			loop_timer_in(c->through_timer, 0);
			return;
		}
		list_remove(&j->in_through);
		job_free(j);
	}
}

static void job_done(void *arg, int err)
{
	struct job *j = arg;
	struct coord *c = j->c;
	bool first = list_empty(&c->through);

	if (j->unread)
		LOG_LIMITED(LOG_WARN, &j->c->log.behind, LOG_WHO_ALL,
			"coord: a change is stored, but nobody is told of it before the next one",
			KV_ERR(j->unread));
	j->result = err;
	list_push_back(&c->through, &j->in_through);
	if (first)
		finish_through(c);
}

int jobs_init(struct coord *c)
{
	return loop_timer_new(c->base, finish_through, c, &c->through_timer);
}

void jobs_deinit(struct coord *c)
{
	finish_through(c);
	loop_timer_free(c->through_timer);
}

void *job_start(struct coord *c, const struct asker *a, const struct job_kind *kind)
{
	struct job *j = calloc(1, kind->size);

	if (!j) {
		answer_refuse(c, a, TM_ENOMEM, NULL);
		return NULL;
	}
	c->n_jobs++;
	j->kind = kind;
	j->c = c;
	j->asker = *a;
	j->now = c->tuning.unix_now();
	job_event_by(j);
	return j;
}

void job_fail(struct job *j, int err)
{
	job_done(j, err);
}

void job_answer_list(struct job *j, int err, const char *key, struct jsonout *list, uint64_t next)
{
	struct jsonout o = {0};
	size_t n;
	char *text = err ? NULL : jsonout_take(list, &n);

	if (!text) {
		answer_refuse(j->c, &j->asker, err ? err : TM_ENOMEM, &j->d);
		return;
	}
	answer_begin(&j->asker, &o);
	jsonout_raw(&o, key, text, n);
	if (next)
		jsonout_int(&o, "next", (int64_t)next);
	answer_end(j->c, &j->asker, &o);
	free(text);
}

void job_submit(struct job *j)
{
	int err = j->c->stopping ? TM_ECLOSED : helper_submit(j->c->helper, job_run, job_done, j);

	if (err)
		job_done(j, err);
}
