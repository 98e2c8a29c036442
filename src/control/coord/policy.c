/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The policy in force: told to every link once it is another than the one that the link's node holds, as one
 * text for all. A node that misses it keeps what it has and is told when it links again.
 */
#include "base/strbuf.h"
#include "control/coord/coord_private.h"
#include "control/link/clink.h"
#include "policy/compile.h"

#include <string.h>

/* Of what was changed together one look is enough. */
#define LOOK_AFTER (1 * SEC)

/* --- telling --- */

static int take(struct policy_board *b, const struct store_policy *p)
{
	struct msg_policy m = {.version = p->version, .text = p->text, .nodes = p->nodes};
	struct clink_text *text;
	struct jsonout o = {0};

	policy_digest(p->text, p->nodes, m.digest);
	msg_policy_put(&o, &m);
	int err = conn_text(&o, &text);
	if (err)
		return err;

	clink_text_unref(TAKE(b->text));
	b->text = text;
	b->version = p->version;
	memcpy(b->digest, m.digest, sizeof(b->digest));
	return TM_OK;
}

static void tell_slice(void *ctx)
{
	struct coord *c = ctx;
	struct policy_board *b = &c->policy;
	struct list *l;

	for (unsigned sent = 0; sent < c->tuning.push_slice && (l = list_pop_front(&b->behind)); sent++)
		(void)!conn_send_text(CONTAINER_OF(l, struct conn, in_policy), b->text);
	if (!list_empty(&b->behind))
		loop_timer_in(b->timer, 0);
}

void policy_in_force(struct coord *c, const struct store_policy *p)
{
	struct policy_board *b = &c->policy;

	int err = take(b, p);
	if (err) {
		log_error("coord: the new policy is stored, but cannot be told before the next start",
			KV_ERR(err));
		return;
	}
	LIST_FOREACH (n, &c->conns, struct conn, in_conns) {
		if (n->state != CONN_MEMBER)
			continue;
		list_remove(&n->in_policy);
		list_push_back(&b->behind, &n->in_policy);
	}
	if (!c->stopping)
		loop_timer_in(b->timer, 0);
}

static void send_none(struct conn *n)
{
	const struct msg_policy none = {.version = 0};
	struct jsonout o = {0};

	msg_policy_put(&o, &none);
	(void)!conn_send(n, &o);
}

void policy_welcome(struct conn *n, const char *digest)
{
	const struct policy_board *b = &n->c->policy;

	if (b->text && strcmp(b->digest, digest) != 0)
		(void)!conn_send_text(n, b->text);
	/* A database from before the first policy: without a word the node would go by its own for ever. */
	if (!b->version && digest[0])
		send_none(n);
}

void policy_leave(struct conn *n)
{
	list_remove(&n->in_policy);
}

/* --- what it names and the mesh has not any more --- */

struct looking {
	struct job job;
	struct strbuf found;
};

/* It was not too large when it was accepted; the mesh has grown. */
static int look_at_size(const struct policy_scene *x, struct strbuf *found)
{
	_cleanup_(policy_model_freep) struct policy_model *m = NULL;
	struct diag d = {0};

	int err = policy_model_new(x->doc, &x->world, &m);
	if (!err)
		err = policy_fits(m, &d);
	if (err != TM_EFULL)
		return err;
	strbuf_printf(found, "%s\n", d.what);
	return TM_OK;
}

static int look_body(struct store *s, struct job *j)
{
	struct looking *l = CONTAINER_OF(j, struct looking, job);
	struct policy_scene x;

	int err = policy_scene_load(s, j->now, &x);
	if (err)
		return err;
	if (x.unreadable.what[0]) {
		j->d = x.unreadable;
		err = TM_EBADMSG;
	}
	if (!err && x.doc)
		err = policy_scene_warnings(&x, x.doc, &l->found);
	if (!err && x.doc)
		err = look_at_size(&x, &l->found);
	policy_scene_deinit(&x);
	return err;
}

static bool was_said(const char *before, const char *line, size_t n)
{
	for (const char *at = before; at && *at; at = strchr(at, '\n') + 1)
		if (strncmp(at, line, n) == 0 && at[n] == '\n')
			return true;
	return false;
}

static void look_done(struct coord *c, struct job *j, int err)
{
	struct looking *l = CONTAINER_OF(j, struct looking, job);
	struct policy_board *b = &c->policy;

	b->looking = false;
	if (err && c->stopping)
		return;
	if (err) {
		LOG_LIMITED(LOG_WARN, &c->log.policy, LOG_WHO_ALL,
			"coord: whether the policy still fits the mesh cannot be looked up",
			KV("why", j->d.what));
		return;
	}
	char *found = strbuf_take(&l->found);
	for (char *at = found; at && *at;) {
		size_t n = strcspn(at, "\n");

		at[n] = '\0';
		if (!was_said(b->warnings, at, n))
			LOG_LIMITED(LOG_WARN, &c->log.policy, LOG_WHO_ALL,
				"coord: the policy stays in force, but does not fit the mesh any more",
				KV("what", at));
		at[n] = '\n';
		at += n + 1;
	}
	free(b->warnings);
	b->warnings = found;
	if (b->look_again)
		policy_mesh_changed(c);
}

static void look_deinit(struct job *j)
{
	strbuf_deinit(&CONTAINER_OF(j, struct looking, job)->found);
}

static const struct job_kind look_kind = {.size = sizeof(struct looking),
	.body = look_body,
	.done = look_done,
	.deinit = look_deinit,
	.alone = true};

static void look(void *ctx)
{
	struct coord *c = ctx;
	const struct asker nobody = {.reply = NULL};
	struct looking *l = job_start(c, &nobody, &look_kind);

	c->policy.look_again = false;
	if (!l)
		return;
	c->policy.looking = true;
	job_submit(&l->job);
}

void policy_mesh_changed(struct coord *c)
{
	if (!c->policy.version || c->stopping)
		return;
	c->policy.look_again = true;
	if (!c->policy.looking)
		loop_timer_in(c->policy.look, LOOK_AFTER);
}

/* --- from start to end --- */

int policy_init(struct coord *c)
{
	list_init(&c->policy.behind);
	int err = loop_timer_new(c->base, tell_slice, c, &c->policy.timer);

	return err ? err : loop_timer_new(c->base, look, c, &c->policy.look);
}

int policy_load(struct coord *c)
{
	struct store_policy p;

	int err = store_policy_load(c->store, 0, &p);
	if (err)
		return err == TM_ENOENT ? TM_OK : err;
	err = take(&c->policy, &p);
	store_policy_deinit(&p);
	policy_mesh_changed(c);
	return err;
}

void policy_deinit(struct coord *c)
{
	clink_text_unref(TAKE(c->policy.text));
	loop_timer_free(TAKE(c->policy.timer));
	loop_timer_free(TAKE(c->policy.look));
	free(TAKE(c->policy.warnings));
}
