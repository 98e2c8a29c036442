/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Requests about members: who there is, who is there, their tags, and their leaving. */
#include "control/coord/coord_private.h"

#include "base/strbuf.h"

#include <stdio.h>
#include <string.h>

static const char all_nodes[] = "`tunnelmesh node list` shows all";

void member_put(struct coord *c, struct jsonout *o, const char *key, const struct member *m, bool all)
{
	const struct member *node =
		m->s.rec.kind == NODE_CLIENT ? registry_by_id(c->reg, m->s.rec.via) : NULL;
	const struct msg_member shown = {
		.rec = &m->s.rec,
		.os = m->s.os,
		.version = m->s.version,
		.via_name = node ? node->s.rec.name : NULL,
		.created = m->s.created,
		.last_seen = m->s.last_seen,
		.online = registry_online(c->reg, m),
		.ephemeral = m->s.ephemeral,
		.address = all ? m->seen_at : (struct ip){0},
		.twin = all ? twin_address(m) : (struct ip){0},
	};

	msg_member_put(o, key, &shown);
}

void nodes_presence(struct coord *c, const struct asker *a, const union msg_request *r)
{
	struct jsonout o = {0};

	(void)r;
	answer_begin(a, &o);
	presence_put(&o, "online", registry_presence(c->reg));
	answer_end(c, a, &o);
}

/* A page of all, those with host numbers above `after`. */
static void put_page(struct coord *c, struct jsonout *o, uint32_t after, bool all)
{
	const struct member *m;
	uint32_t last = after;

	jsonout_list(o, "nodes");
	for (unsigned n = 0; n < LIST_PAGE && (m = registry_after(c->reg, last)); n++) {
		member_put(c, o, NULL, m, all);
		last = m->s.rec.host;
	}
	jsonout_list_end(o);
	if (registry_after(c->reg, last))
		jsonout_int(o, "next", last);
}

static void put_one(struct coord *c, struct jsonout *o, const char *name, bool all)
{
	const struct member *m = registry_lookup(c->reg, name);

	jsonout_list(o, "nodes");
	if (m)
		member_put(c, o, NULL, m, all);
	jsonout_list_end(o);
}

/* Addresses of links are for the administration, and for the coordinator's own node. */
void nodes_list(struct coord *c, const struct asker *a, const union msg_request *r)
{
	const bool all = asker_sees_all(c, a);
	struct jsonout o = {0};

	answer_begin(a, &o);
	if (r->nodes.node[0])
		put_one(c, &o, r->nodes.node, all);
	else
		put_page(c, &o, r->nodes.after, all);
	answer_end(c, a, &o);
}

int nodes_gone(struct job *j)
{
	diag_hint(&j->d, "%s", all_nodes);
	return diag_what(&j->d, TM_ENOENT, "this node has been removed meanwhile");
}

struct member *nodes_find(struct coord *c, const struct asker *a, const char *name)
{
	struct member *m = registry_lookup(c->reg, name);
	struct diag d = {0};

	if (m)
		return m;

	diag_hint(&d, "%s", all_nodes);
	diag_what(&d, TM_ENOENT, "there is no node \"%s\"", name);
	answer_refuse(c, a, TM_ENOENT, &d);
	return NULL;
}

/* --- tags --- */

struct retagging {
	struct job job;
	uint8_t key[32];
	struct msg_tags add, remove;
	struct store_node node; /* as it is then */
};

static bool is_among(const char *tag, const char (*tags)[NODE_TAG_MAX + 1], size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(tag, tags[i]) == 0)
			return true;
	return false;
}

static void drop_tags(struct node_rec *r, const struct msg_tags *tags)
{
	uint8_t n = 0;

	for (uint8_t i = 0; i < r->n_tags; i++)
		if (!is_among(r->tags[i], tags->v, tags->n))
			memmove(r->tags[n++], r->tags[i], sizeof(r->tags[i]));
	r->n_tags = n;
}

static int add_tags(struct node_rec *r, const struct msg_tags *tags, struct diag *d)
{
	for (uint8_t i = 0; i < tags->n; i++) {
		if (is_among(tags->v[i], r->tags, r->n_tags))
			continue;
		if (r->n_tags == NODE_TAGS_MAX) {
			diag_hint(d, "remove some with --remove");
			return diag_what(d, TM_EFULL, "a node has at most %d tags", NODE_TAGS_MAX);
		}
		memcpy(r->tags[r->n_tags++], tags->v[i], sizeof(tags->v[i]));
	}
	return TM_OK;
}

static void put_tags(struct event *e, const struct node_rec *r)
{
	struct strbuf b = {0};

	for (uint8_t i = 0; i < r->n_tags; i++)
		strbuf_printf(&b, "%s%s", i ? ", " : "", r->tags[i]);
	event_set_detail(e, "%s", b.s ? b.s : "");
	strbuf_deinit(&b);
}

static bool same_tags(const struct node_rec *a, const struct node_rec *b)
{
	if (a->n_tags != b->n_tags)
		return false;
	for (uint8_t i = 0; i < a->n_tags; i++)
		if (!is_among(a->tags[i], b->tags, b->n_tags))
			return false;
	return true;
}

static int retag_body(struct store *s, struct job *j)
{
	struct retagging *t = CONTAINER_OF(j, struct retagging, job);
	struct node_rec *r = &t->node.rec;
	struct node_rec before;

	int err = store_node_find_key(s, t->key, &t->node);
	if (err == TM_ENOENT)
		return nodes_gone(j);
	if (err)
		return err;

	before = *r;
	drop_tags(r, &t->remove);
	err = add_tags(r, &t->add, &j->d);
	if (err)
		return err;
	if (same_tags(&before, r)) {
		*r = before;
		return TM_OK;
	}
	job_event_is(j, EVENT_TAGS, r);
	put_tags(&j->event, r);
	return store_node_tag(s, r->id, r->tags, r->n_tags);
}

static void retag_done(struct coord *c, struct job *j, int err)
{
	const struct retagging *t = CONTAINER_OF(j, struct retagging, job);
	struct member *m = err ? NULL : registry_by_id(c->reg, t->node.rec.id);
	struct jsonout o = {0};

	if (!m) {
		answer_refuse(c, &j->asker, err ? err : TM_ENOENT, &j->d);
		return;
	}
	struct member changed = *m; /* the change itself comes after the answer */
	memcpy(changed.s.rec.tags, t->node.rec.tags, sizeof(changed.s.rec.tags));
	changed.s.rec.n_tags = t->node.rec.n_tags;
	answer_begin(&j->asker, &o);
	member_put(c, &o, "node", &changed, true);
	answer_end(c, &j->asker, &o);
}

static const struct job_kind retag_kind = {sizeof(struct retagging), retag_body, retag_done, NULL};

void nodes_tag(struct coord *c, const struct asker *a, const union msg_request *r)
{
	const struct member *m = nodes_find(c, a, r->tag.node);
	struct retagging *j = m ? job_start(c, a, &retag_kind) : NULL;

	if (!j)
		return;

	memcpy(j->key, m->s.rec.key, sizeof(j->key));
	j->add = r->tag.add;
	j->remove = r->tag.remove;
	job_submit(&j->job);
}

/* --- leaving --- */

/* A machine whose `join` failed behind the enrolment says so at once; who says it later is a member by an
 * earlier one, and stays it. */
enum { UNDO_WITHIN_S = 600 };

struct removal {
	struct job job;
	char id[NODE_ID_LEN + 1], name[NODE_NAME_MAX + 1];
	bool give_back; /* the use of this token */
	uint8_t token[TOKEN_ID];
};

static int remove_body(struct store *s, struct job *j)
{
	struct removal *r = CONTAINER_OF(j, struct removal, job);

	int err = store_node_remove(s, r->id);
	if (err == TM_ENOENT) {
		diag_hint(&j->d, "%s", all_nodes);
		diag_what(&j->d, err, "this node has been removed already");
	}
	if (!err && r->give_back)
		err = store_token_give_back(s, r->token);
	return err;
}

/* They go with it. */
static void put_clients(const struct member *m, struct jsonout *o)
{
	jsonout_list(o, "clients");
	LIST_FOREACH (client, &m->clients, const struct member, in_clients)
		jsonout_text(o, NULL, client->s.rec.name);
	jsonout_list_end(o);
}

static void remove_done(struct coord *c, struct job *j, int err)
{
	const struct removal *r = CONTAINER_OF(j, struct removal, job);
	const struct member *m = registry_by_id(c->reg, r->id); /* the change itself comes after the answer */
	struct jsonout o = {0};

	if (err) {
		answer_refuse(c, &j->asker, err, &j->d);
		return;
	}
	answer_begin(&j->asker, &o);
	if (!j->asker.conn) /* in a reply to a link `id` is the request's */
		jsonout_text(&o, "id", r->id);
	jsonout_text(&o, "name", r->name);
	if (!j->asker.conn && m && m->s.rec.kind == NODE_MESH)
		put_clients(m, &o);
	answer_end(c, &j->asker, &o);
}

static const struct job_kind remove_kind = {sizeof(struct removal), remove_body, remove_done, NULL};

static enum event_kind removal_kind(const struct member *m, const struct member *by, const struct asker *a)
{
	if (m->s.rec.kind == NODE_CLIENT)
		return EVENT_CLIENT_REMOVED;
	if (by == m)
		return EVENT_LEFT;
	return a->reply || by ? EVENT_REMOVED : EVENT_EXPIRED;
}

static struct removal *removal_start(
	struct coord *c, const struct asker *a, const struct member *m, const char *why)
{
	if (m->s.rec.coordinator) {
		answer_refuse_text(c, a, "the coordinator's own node cannot be removed: the mesh is its",
			"`tunnelmesh leave --force` there gives up the whole mesh");
		return NULL;
	}
	struct removal *j = job_start(c, a, &remove_kind);
	if (!j)
		return NULL;

	memcpy(j->id, m->s.rec.id, sizeof(j->id));
	memcpy(j->name, m->s.rec.name, sizeof(j->name));
	j->job.why = why;
	job_event_is(&j->job, removal_kind(m, asker_member(c, a), a), &m->s.rec);
	return j;
}

void nodes_remove_member(struct coord *c, const struct asker *a, struct member *m, const char *why)
{
	struct removal *j = removal_start(c, a, m, why);

	if (j)
		job_submit(&j->job);
}

void nodes_remove(struct coord *c, const struct asker *a, const union msg_request *r)
{
	struct member *m = nodes_find(c, a, r->name);

	if (m)
		nodes_remove_member(c, a, m, "this node was removed from the mesh");
}

void nodes_leave(struct coord *c, const struct asker *a, const union msg_request *r)
{
	const struct member *m = asker_member(c, a);
	int64_t age = c->tuning.unix_now() - m->s.created;

	if (r->undo && (!m->s.has_token || age > UNDO_WITHIN_S)) {
		answer_ok(c, a); /* what came to nothing is not what made it a member */
		return;
	}
	struct removal *j = removal_start(c, a, m, "this node has left the mesh");
	if (!j)
		return;
	j->give_back = r->undo;
	memcpy(j->token, m->s.token, sizeof(j->token));
	job_submit(&j->job);
}
