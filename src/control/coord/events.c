/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What was done to the mesh, and by whom. A job that changes something says so in its event, which is stored
 * in its transaction: no change without its event, no event of what did not happen, and no commit more. Only
 * a backup, which is no change and is made outside of one, has its event after it.
 */
#include "control/coord/coord_private.h"

#include <stdio.h>
#include <string.h>

void job_event_by(struct job *j)
{
	const struct member *m = j->asker.conn ? asker_member(j->c, &j->asker) : NULL;
	struct event *e = &j->event;

	e->at = j->now;
	if (!m) {
		e->door = j->asker.who.door;
		memcpy(e->by, j->asker.who.by, sizeof(e->by));
		memcpy(e->by_id, j->asker.who.id, sizeof(e->by_id));
		return;
	}
	e->door = EVENT_LINK;
	memcpy(e->by, m->s.rec.name, sizeof(e->by));
	memcpy(e->by_id, m->s.rec.id, sizeof(e->by_id));
}

void job_event_is(struct job *j, enum event_kind kind, const struct node_rec *about)
{
	j->event.kind = kind;
	if (!about)
		return;
	memcpy(j->event.about, about->name, sizeof(j->event.about));
	memcpy(j->event.id, about->id, sizeof(j->event.id));
}

void mesh_event_told(struct coord *c, const struct event *e)
{
	if (c->on_event && !c->stopping)
		c->on_event(c->on_event_ctx, e);
}

void mesh_event_lost(struct coord *c, const struct event *e, int err)
{
	if (!c->stopping)
		LOG_LIMITED(LOG_WARN, &c->log.behind, LOG_WHO_ALL, "coord: an event is not stored",
			KV("event", event_word(e->kind)), KV_ERR(err));
}

/* --- by itself --- */

static int note_body(struct store *s UNUSED, struct job *j UNUSED)
{
	return TM_OK; /* the event is all there is */
}

static void note_done(struct coord *c, struct job *j, int err)
{
	if (err)
		mesh_event_lost(c, &j->event, err);
}

static const struct job_kind note_kind = {.size = sizeof(struct job), .body = note_body, .done = note_done};

void mesh_event_note(struct coord *c, enum event_kind kind, enum event_door door,
	const struct node_rec *about, const char *detail)
{
	const struct asker nobody = {.who.door = door};
	struct job *j = job_start(c, &nobody, &note_kind);

	if (!j)
		return;
	job_event_is(j, kind, about);
	event_set_detail(&j->event, "%s", detail);
	job_submit(j);
}

/* --- event.list --- */

struct listing {
	struct job job;
	struct msg_event_list q;
	char of[NODE_ID_LEN + 1]; /* "": all */
	struct jsonout list;
	unsigned n;
	uint64_t last;
	bool more;
};

/* One more than a page says that there are more. */
static int list_one(void *ctx, const struct event *e)
{
	struct listing *l = ctx;

	l->more = l->n == LIST_PAGE;
	if (l->more)
		return TM_EFULL;
	event_put(&l->list, e, false);
	l->last = e->number;
	l->n++;
	return TM_OK;
}

static int list_body(struct store *s, struct job *j)
{
	struct listing *l = CONTAINER_OF(j, struct listing, job);
	const struct store_events which = {.after = l->q.after,
		.since = l->q.since,
		.of = l->of[0] ? l->of : NULL,
		.newest = l->q.newest,
		.before = l->q.before};

	jsonout_list(&l->list, NULL);
	int err = store_event_each(s, &which, list_one, l);
	jsonout_list_end(&l->list);
	return l->more ? TM_OK : err;
}

static void list_done(struct coord *c UNUSED, struct job *j, int err)
{
	struct listing *l = CONTAINER_OF(j, struct listing, job);

	job_answer_list(j, err, "events", &l->list, l->more ? l->last : 0);
}

static void list_deinit(struct job *j)
{
	jsonout_deinit(&CONTAINER_OF(j, struct listing, job)->list);
}

static const struct job_kind list_kind = {.size = sizeof(struct listing),
	.body = list_body,
	.done = list_done,
	.deinit = list_deinit,
	.alone = true};

/* An id is that of a key: whoever comes with the one of a member that was removed is told nothing of that. */
static void list_own(struct listing *l, const struct member *by)
{
	snprintf(l->of, sizeof(l->of), "%s", by ? by->s.rec.id : "-"); /* nobody has that id */
	if (by)
		l->q.since = MAX(l->q.since, by->s.created);
}

/* A member is told of what is about it, and of what it did. */
void events_list(struct coord *c, const struct asker *a, const union msg_request *r)
{
	struct listing *l = job_start(c, a, &list_kind);

	if (!l)
		return;
	l->q = r->events;
	if (!asker_sees_all(c, a))
		list_own(l, asker_member(c, a));
	job_submit(&l->job);
}
