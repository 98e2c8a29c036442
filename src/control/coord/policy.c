/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The policy in force: told to every link once it is another than the one that the link's node holds, as one
 * text for all. A node that misses it keeps what it has and is told when it links again.
 */
#include "wire/policy.h"
#include "control/coord/coord_private.h"
#include "control/link/clink.h"
#include "policy/document.h"

#include <string.h>

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

void policy_in_force(struct coord *c, const struct store_policy *p, struct policy_sums *sums_take)
{
	struct policy_board *b = &c->policy;

	int err = take(b, p);
	if (err) {
		free(sums_take);
		log_error("coord: the new policy is stored, but cannot be told before the next start",
			KV_ERR(err));
		return;
	}
	policy_sums_take(c, sums_take);
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

/* --- from start to end --- */

int policy_init(struct coord *c)
{
	list_init(&c->policy.behind);
	int err = loop_timer_new(c->base, tell_slice, c, &c->policy.timer);

	return err ? err : policy_look_init(c);
}

/* Without them nothing is missing but figures. */
static struct policy_sums *sums_of(const struct store_policy *p)
{
	_cleanup_(policy_doc_freep) struct policy_doc *doc = NULL;
	struct policy_sums *s = NULL;

	if (policy_doc_read("policy", p->text, strlen(p->text), POLICY_ACCEPTED, &doc, NULL) == TM_OK)
		(void)!policy_sums_of(doc, &s);
	return s;
}

int policy_load(struct coord *c)
{
	struct store_policy p;

	int err = store_policy_load(c->store, 0, &p);
	if (err)
		return err == TM_ENOENT ? TM_OK : err;
	err = take(&c->policy, &p);
	if (!err)
		policy_sums_take(c, sums_of(&p));
	store_policy_deinit(&p);
	policy_mesh_changed(c);
	return err;
}

void policy_deinit(struct coord *c)
{
	clink_text_unref(TAKE(c->policy.text));
	free(TAKE(c->policy.sums));
	loop_timer_free(TAKE(c->policy.timer));
	policy_look_deinit(c);
}
