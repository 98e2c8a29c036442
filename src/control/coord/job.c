/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "base/secret.h"
#include "control/coord/coord_private.h"

static void job_free(struct job *j)
{
	json_decref(j->out);
	free(j->more);
	wipe(j, sizeof(*j));
	free(j);
}

static int job_body(struct store *s, void *arg)
{
	struct job *j = arg;

	return j->body(s, j);
}

static int job_run(void *arg)
{
	struct job *j = arg;

	int err = store_transaction(j->c->store, job_body, j);
	if (err)
		store_explain(err, &j->d);
	return err;
}

static void job_done(void *arg, int err)
{
	struct job *j = arg;

	j->done(j->c, j, err);
	job_free(j);
}

int job_new(
	struct coord *c, const struct asker *a, job_body_fn *body, job_done_fn *done, struct job **ret_job)
{
	struct job *j = calloc(1, sizeof(*j));

	if (!j)
		return TM_ENOMEM;

	j->c = c;
	j->asker = *a;
	j->body = body;
	j->done = done;
	j->now = c->tuning.unix_now();
	*ret_job = j;
	return TM_OK;
}

void job_fail(struct job *j, int err)
{
	job_done(j, err);
}

void job_submit(struct job *j)
{
	int err = j->c->stopping ? TM_ECLOSED : helper_submit(j->c->helper, job_run, job_done, j);

	if (err)
		job_done(j, err);
}

struct job *job_start(struct coord *c, const struct asker *a, job_body_fn *body, job_done_fn *done)
{
	struct job *j;

	int err = job_new(c, a, body, done, &j);
	if (err) {
		ask_refuse(c, a, err, NULL);
		return NULL;
	}
	return j;
}
