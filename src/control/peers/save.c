/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Writing what changed. Changes are noted by id; when the saver asks, the rows, as they are by then, are
 * copied for it, and it writes them in one transaction. When that fails they are noted again, so that the
 * file is behind, but never inconsistent, and the number of notes is bounded by the members.
 */
#include "control/peers/peers_private.h"

#include "base/log.h"
#include "loop/saver.h"
#include "os/os.h"

#include <stdio.h>
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
	struct db *db;
	struct db_state state;
	struct db_row *rows;
	size_t n;
	struct diag d;
	bool made_anew; /* written, and everything else is due now */
};

static const void *key_id(const void *record, size_t *ret_len)
{
	*ret_len = NODE_ID_LEN;
	return ((const struct dirty *)record)->id;
}

/* --- notes --- */

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
	saver_note(p->saver);
}

void save_note_state(struct peers *p)
{
	saver_note(p->saver);
}

void save_note_all(struct peers *p)
{
	const struct mesh_node *n;

	for (size_t i = 0; (n = mesh_next(p->mesh, &i));)
		save_note(p, n->id, DIRTY_MEMBER | (peers_contact(p, n->id) ? DIRTY_CONTACT : 0));
	p->policy_dirty = true;
	save_note_state(p);
}

/* --- from notes to rows --- */

static void save_free(struct save *s)
{
	for (size_t i = 0; i < s->n; i++) {
		free(s->rows[i].member);
		free(s->rows[i].contact);
	}
	policy_kept_deinit(&s->state.policy);
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
}

static int save_take(void *ctx, void **ret_job)
{
	struct peers *p = ctx;
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
	s->db = p->db;
	s->state = (struct db_state){.version = mesh_version(p->mesh),
		.n_members = mesh_size(p->mesh),
		.coordinator = p->coordinator,
		.relays = p->relays,
		.policy_changed = p->policy_dirty};
	if (!err && p->policy_dirty)
		err = policy_kept_copy(&p->policy, &s->state.policy);
	if (err) {
		save_free(s);
		return err;
	}
	p->policy_dirty = false;
	forget_notes(p);
	*ret_job = s;
	return TM_OK;
}

/* --- writing --- */

static int save_write(void *job)
{
	struct save *s = job;
	int err = db_write(s->db, &s->state, s->rows, s->n, &s->d);

	s->made_anew = err == TM_EAGAIN;
	return s->made_anew ? TM_OK : err;
}

static void note_again(struct peers *p, const struct save *s)
{
	p->policy_dirty |= s->state.policy_changed;
	for (size_t i = 0; i < s->n; i++)
		note(p, s->rows[i].id,
			(s->rows[i].member_changed ? DIRTY_MEMBER : 0) |
				(s->rows[i].contact_changed ? DIRTY_CONTACT : 0));
}

static void say(struct peers *p, int err, const char *why)
{
	if (err == TM_ECLOSED) /* not tried: the end is near, and tries it */
		return;
	if (err && !p->failure[0])
		log_warn("peers: the network map cannot be written, going on without its file",
			KV("file", p->path), KV_ERR(err), KV("why", why));
	snprintf(p->failure, sizeof(p->failure), "%s", err ? why : "");
}

static void save_done(void *ctx, void *job, int result)
{
	struct peers *p = ctx;
	struct save *s = job;

	say(p, result, s ? s->d.what : tm_strerror(result));
	if (!s)
		return;

	if (s->made_anew) {
		log_warn("peers: the file of the network map was unusable and is written anew",
			KV("file", p->path));
		save_note_all(p);
	}
	if (result)
		note_again(p, s);
	bool many = s->n >= MANY_ROWS;
	save_free(s);
	if (many)
		os_return_memory();
}

int save_open(struct event_base *base, struct peers *p, ns_t delay)
{
	const struct saver_config cfg = {.thread = "tm-peers",
		.delay = delay,
		.again = AGAIN_AFTER,
		.ctx = p,
		.take = save_take,
		.write = save_write,
		.done = save_done};
	int err = hashset_init(&p->dirty, key_id);

	return err ? err : saver_new(base, &cfg, &p->saver);
}

void save_close(struct peers *p)
{
	saver_free(p->saver); /* which may note what a file made anew lacks */
	p->saver = NULL;
	forget_notes(p);
}
