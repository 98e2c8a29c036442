/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Writing what changed. Changes are noted by id; a moment after the first one the rows, as they are by then,
 * are copied for the helper thread, which writes them in one transaction. When that fails they are noted
 * again, so that the file is behind, but never inconsistent, and the number of notes is bounded by the
 * members.
 */
#include "control/peers/peers_private.h"

#include "base/log.h"
#include "loop/helper.h"
#include "loop/timer.h"
#include "os/os.h"

#include <string.h>

#define AGAIN_AFTER (60 * SEC)
/* So many rows are a map that came whole; its text, the records in between and the rows took several times
 * the memory that stays. */
enum { MANY_ROWS = 1000 };

struct dirty {
	char id[NODE_ID_LEN + 1];
	uint8_t what; /* DIRTY_ */
};

struct save {
	struct peers *peers;
	struct db *db;
	struct db_state state;
	struct db_row *rows;
	size_t n;
	struct diag d;
};

static const void *key_id(const void *record, size_t *ret_len)
{
	*ret_len = NODE_ID_LEN;
	return ((const struct dirty *)record)->id;
}

/* --- notes --- */

static bool is_due(const struct peers *p)
{
	return p->state_dirty || p->dirty.size;
}

/* A change is tried soon, also while the disk is full; without changes a full disk is asked now and then. */
static void plan(struct peers *p, bool again)
{
	if (p->saving || p->planned || (again && loop_timer_is_set(p->timer)))
		return;

	p->planned = !again;
	loop_timer_in(p->timer, again ? AGAIN_AFTER : p->save_delay);
}

static void note(struct peers *p, const char *id, unsigned what)
{
	struct dirty *d = hashset_get(&p->dirty, id, NODE_ID_LEN);

	if (!d) {
		d = hashset_reserve(&p->dirty, 1) == TM_OK ? calloc(1, sizeof(*d)) : NULL;
		if (!d)
			return;
		memcpy(d->id, id, sizeof(d->id));
		hashset_put(&p->dirty, d);
	}
	d->what |= (uint8_t)what;
}

void save_note(struct peers *p, const char *id, unsigned what)
{
	note(p, id, what);
	plan(p, false);
}

void save_note_state(struct peers *p)
{
	p->state_dirty = true;
	plan(p, false);
}

void save_note_all(struct peers *p)
{
	const struct mesh_node *n;

	for (size_t i = 0; (n = mesh_next(p->mesh, &i));)
		save_note(p, n->id, DIRTY_MEMBER | (peers_contact(p, n->id) ? DIRTY_CONTACT : 0));
	save_note_state(p);
}

/* --- from notes to rows --- */

static void save_free(struct save *s)
{
	for (size_t i = 0; i < s->n; i++) {
		free(s->rows[i].member);
		free(s->rows[i].contact);
	}
	free(s->rows);
	free(s);
}

static struct db_contact *contact_row(const struct contact *c)
{
	struct db_contact *row = calloc(1, sizeof(*row));

	if (!row)
		return NULL;

	memcpy(row->id, c->id, sizeof(row->id));
	row->worked = c->worked;
	row->stamps = c->stamps;
	row->candidates.n = c->n_candidates;
	if (c->n_candidates)
		memcpy(row->candidates.v, c->candidates, c->n_candidates * sizeof(*c->candidates));
	return row;
}

static int fill_row(const struct peers *p, const struct dirty *note, struct db_row *row)
{
	const struct mesh_node *n = mesh_by_id(p->mesh, note->id);
	const struct contact *c = peers_contact(p, note->id);

	memcpy(row->id, note->id, sizeof(row->id));
	row->member_changed = note->what & DIRTY_MEMBER;
	row->contact_changed = note->what & DIRTY_CONTACT;
	row->member = row->member_changed && n ? mesh_node_copy(n) : NULL;
	row->contact = row->contact_changed && c ? contact_row(c) : NULL;
	return (row->member_changed && n && !row->member) || (row->contact_changed && c && !row->contact)
		       ? TM_ENOMEM
		       : TM_OK;
}

static void forget_notes(struct peers *p)
{
	struct dirty *note;

	for (size_t i = 0; (note = hashset_next(&p->dirty, &i));)
		free(note);
	hashset_deinit(&p->dirty);
	p->state_dirty = false;
}

static int save_new(struct peers *p, struct save **ret_save)
{
	struct save *s = calloc(1, sizeof(*s));
	struct dirty *note;
	int err = TM_OK;

	if (!s)
		return TM_ENOMEM;

	s->rows = calloc(p->dirty.size + 1, sizeof(*s->rows));
	if (!s->rows)
		err = TM_ENOMEM;
	for (size_t i = 0; !err && (note = hashset_next(&p->dirty, &i));)
		err = fill_row(p, note, &s->rows[s->n++]);
	if (err) {
		save_free(s);
		return err;
	}
	s->peers = p;
	s->db = p->db;
	s->state = (struct db_state){.version = mesh_version(p->mesh),
		.n_members = mesh_size(p->mesh),
		.coordinator = p->coordinator};
	forget_notes(p);
	*ret_save = s;
	return TM_OK;
}

/* --- writing --- */

static int save_run(void *job)
{
	struct save *s = job;

	return db_write(s->db, &s->state, s->rows, s->n, &s->d);
}

static void note_again(struct peers *p, const struct save *s)
{
	for (size_t i = 0; i < s->n; i++)
		note(p, s->rows[i].id,
			(s->rows[i].member_changed ? DIRTY_MEMBER : 0) |
				(s->rows[i].contact_changed ? DIRTY_CONTACT : 0));
	p->state_dirty = true;
}

static void say(struct peers *p, int err, const char *why)
{
	if (err == TM_EAGAIN)
		log_warn("peers: the file of the network map was unusable and is written anew",
			KV("file", p->path));
	else if (err && !p->failed)
		log_warn("peers: the network map cannot be written, going on without its file",
			KV("file", p->path), KV_ERR(err), KV("why", why));
	p->failed = err && err != TM_EAGAIN;
}

static void save_done(void *job, int result)
{
	struct save *s = job;
	struct peers *p = s->peers;

	p->saving = false;
	if (result != TM_ECLOSED) /* not run: the end is near, and writes it */
		say(p, result, s->d.what);
	if (result == TM_EAGAIN)
		save_note_all(p);
	else if (result)
		note_again(p, s);
	bool many = s->n >= MANY_ROWS;
	save_free(s);
	if (many)
		os_return_memory();
	if (is_due(p))
		plan(p, p->failed);
}

static void on_timer(void *ctx)
{
	struct peers *p = ctx;
	struct save *s;

	p->planned = false;
	int err = save_new(p, &s);
	if (!err) {
		p->saving = true;
		err = helper_submit(p->helper, save_run, save_done, s);
		if (err)
			save_done(s, err);
	} else {
		say(p, err, tm_strerror(err));
		plan(p, true);
	}
}

int save_open(struct event_base *base, struct peers *p)
{
	int err = hashset_init(&p->dirty, key_id);

	if (!err)
		err = loop_timer_new(base, on_timer, p, &p->timer);
	if (!err)
		err = helper_new(base, "tm-peers", &p->helper);
	return err;
}

void save_close(struct peers *p)
{
	struct save *s;

	/* A write that runs is waited for; one that still waits is noted again. */
	helper_free(TAKE(p->helper));
	for (unsigned attempt = 0; p->timer && attempt < 2 && is_due(p) && save_new(p, &s) == TM_OK;
		attempt++)
		save_done(s, save_run(s));
	loop_timer_free(TAKE(p->timer));
	forget_notes(p);
}
