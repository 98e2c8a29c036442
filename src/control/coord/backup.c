/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Copies of the database: for a backup of a coordinator, running or not, and the look at one that comes back.
 */
#include "base/secret.h"
#include "control/coord/coord_private.h"
#include "control/store/sqlite/sqlite.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

struct copy {
	struct job job;
	char to[PATH_MAX];
};

static int copy_body(struct store *s, struct job *j)
{
	job_event_is(j, EVENT_BACKUP, NULL); /* stored when it has been made, so it is not part of it */
	return store_copy(s, CONTAINER_OF(j, struct copy, job)->to);
}

static void copy_done(struct coord *c, struct job *j, int err)
{
	struct jsonout o = {0};

	if (err) {
		answer_refuse(c, &j->asker, err, &j->d);
		return;
	}
	answer_begin(&j->asker, &o);
	jsonout_text(&o, "database", CONTAINER_OF(j, struct copy, job)->to);
	answer_end(c, &j->asker, &o);
}

static const struct job_kind copy_kind = {
	.size = sizeof(struct copy), .body = copy_body, .done = copy_done, .alone = true};

void backup_copy(struct coord *c, const struct asker *a, const union msg_request *r UNUSED)
{
	struct copy *job = job_start(c, a, &copy_kind);

	if (!job)
		return;
	if (snprintf(job->to, sizeof(job->to), "%s" COORD_COPY_SUFFIX, c->db_path) >= (int)sizeof(job->to))
		job_fail(&job->job, TM_ERANGE);
	else
		job_submit(&job->job);
}

int coord_copy(const char *db_path, const char *to, struct diag *d)
{
	_cleanup_(store_freep) struct store *s = NULL;
	int err = store_open(&store_sqlite, db_path, &s, d);

	if (err)
		return err;

	err = store_copy(s, to);
	if (err)
		store_explain(err, d);
	return err;
}

int coord_look(const char *db_path, struct diag *d)
{
	return store_look(&store_sqlite, db_path, d);
}

int coord_check(const char *db_path, const struct identity *identity, struct diag *d)
{
	_cleanup_(store_freep) struct store *s = NULL;
	struct store_node self;
	int err = store_open(&store_sqlite, db_path, &s, d);

	if (!err)
		err = store_node_find_key(s, identity->x_pub, &self);
	if (err == TM_ENOENT || (!err && !self.rec.coordinator)) {
		diag_hint(d, "identity and database must be of one backup");
		return diag_what(
			d, TM_EINVAL, "this identity is not the coordinator of the mesh in the database");
	}
	if (err)
		store_explain(err, d);
	return err;
}
