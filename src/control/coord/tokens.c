/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Join tokens. They live in the database only: every decision about them is made there. */
#include "base/encode.h"
#include "base/format.h"
#include "base/secret.h"
#include "base/text.h"
#include "control/coord/coord_private.h"
#include "crypto/init.h"
#include "wire/token.h"

#include <string.h>

/* So long the list tells of one that cannot be used any more. */
#define TOKEN_KEPT_S ((int64_t)30 * 86400)

/* --- token.create --- */

struct creation {
	struct job job;
	struct store_token token;
	uint8_t secret[TOKEN_SECRET];
};

static int create_body(struct store *s, struct job *j)
{
	int err = store_token_prune(s, j->now - TOKEN_KEPT_S);

	return err ? err : store_token_insert(s, &CONTAINER_OF(j, struct creation, job)->token);
}

static int encode(const struct coord *c, const struct creation *n, char text[static TOKEN_TEXT_MAX])
{
	struct token t = {.expiry = n->token.expires, .n_addrs = c->addresses.n};

	memcpy(t.coordinator_key, c->identity->x_pub, sizeof(t.coordinator_key));
	memcpy(t.id, n->token.id, sizeof(t.id));
	memcpy(t.secret, n->secret, sizeof(t.secret));
	memcpy(t.addrs, c->addresses.v, sizeof(t.addrs));
	int err = token_encode(&t, text, TOKEN_TEXT_MAX);
	token_wipe(&t);
	return err;
}

static void create_done(struct coord *c, struct job *j, int err)
{
	const struct creation *n = CONTAINER_OF(j, struct creation, job);
	char text[TOKEN_TEXT_MAX], id[HEX_LEN(TOKEN_ID) + 1];
	struct jsonout o = {0};

	if (!err)
		err = encode(c, n, text);
	if (err) {
		answer_refuse(c, &j->asker, err, &j->d);
		return;
	}
	hex_encode(n->token.id, sizeof(n->token.id), id);
	policy_mesh_changed(c);
	log_info("coord: token created", KV("id", id), KV_INT("uses", n->token.uses));
	answer_begin(&j->asker, &o);
	jsonout_text(&o, "token", text);
	jsonout_text(&o, "id", id);
	jsonout_int(&o, "expires_at", n->token.expires);
	jsonout_int(&o, "uses", n->token.uses);
	jsonout_bool(&o, "ephemeral", n->token.ephemeral);
	jsonout_list(&o, "tags");
	for (size_t i = 0; i < n->token.n_tags; i++)
		jsonout_text(&o, NULL, n->token.tags[i]);
	jsonout_list_end(&o);
	answer_end(c, &j->asker, &o);
	wipe(text, sizeof(text));
}

static const struct job_kind create_kind = {sizeof(struct creation), create_body, create_done, NULL};

/* Its id, which lists show: never the token. */
static void remember_creation(struct creation *n, int64_t ttl_s)
{
	const struct store_token *t = &n->token;
	struct strbuf tags = {0};
	char span[FORMAT_LEN];

	for (size_t i = 0; i < t->n_tags; i++)
		strbuf_printf(&tags, "%s%s", i ? ", " : ", tags ", t->tags[i]);
	job_event_is(&n->job, EVENT_TOKEN_CREATED, NULL);
	hex_encode(t->id, sizeof(t->id), n->job.event.about);
	event_set_detail(&n->job.event, "for %u machine%s, valid %s%s%s", t->uses, t->uses == 1 ? "" : "s",
		format_span(ttl_s, span), t->ephemeral ? ", ephemeral" : "", tags.s ? tags.s : "");
	strbuf_deinit(&tags);
}

void tokens_create(struct coord *c, const struct asker *a, const union msg_request *r)
{
	const struct msg_token_create *q = &r->token_create;

	if (!c->addresses.n) {
		answer_refuse_text(c, a,
			"the coordinator knows no address of its own that a token could carry",
			"give one with `tunnelmesh init --address`, or set `addresses` in the configuration "
			"file");
		return;
	}
	struct creation *n = job_start(c, a, &create_kind);
	if (!n)
		return;

	struct store_token *t = &n->token;
	t->uses = q->uses;
	t->created = n->job.now;
	t->expires = n->job.now + q->ttl_s;
	t->ephemeral = q->ephemeral;
	t->n_tags = q->tags.n;
	memcpy(t->tags, q->tags.v, sizeof(t->tags));
	random_bytes(t->id, sizeof(t->id));
	random_bytes(n->secret, sizeof(n->secret));
	store_token_hash(n->secret, t->secret_hash);
	remember_creation(n, q->ttl_s);
	job_submit(&n->job);
}

/* --- token.list --- */

/* A member, and the token that it joined with. */
struct user {
	uint8_t token[TOKEN_ID];
	char name[NODE_NAME_MAX + 1];
};

struct listing {
	struct job job;
	struct jsonout list;
	struct user *users; /* by token */
	size_t n_users, room;
};

static int keep_user(void *ctx, const struct store_node *n)
{
	struct listing *l = ctx;

	if (!n->has_token)
		return TM_OK;
	if (l->n_users == l->room) {
		size_t room = l->room ? 2 * l->room : 64;
		struct user *v = array_resize(l->users, room, sizeof(*v));

		if (!v)
			return TM_ENOMEM;
		l->users = v;
		l->room = room;
	}
	struct user *u = &l->users[l->n_users++];
	memcpy(u->token, n->token, sizeof(u->token));
	memcpy(u->name, n->rec.name, sizeof(u->name));
	return TM_OK;
}

static int by_token(const void *a, const void *b)
{
	const struct user *x = a, *y = b;
	int order = memcmp(x->token, y->token, sizeof(x->token));

	return order ? order : strcmp(x->name, y->name);
}

/* The users of one token lie side by side. */
static void find_users(const struct listing *l, struct msg_token *m)
{
	size_t low = 0, high = l->n_users;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (memcmp(l->users[mid].token, m->id, sizeof(m->id)) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	for (; low < l->n_users && memcmp(l->users[low].token, m->id, sizeof(m->id)) == 0; low++)
		if (m->n_used_by < TOKEN_USERS_SHOWN)
			m->used_by[m->n_used_by++] = l->users[low].name;
}

static int list_one(void *ctx, const struct store_token *t)
{
	struct listing *l = ctx;
	struct msg_token m = {
		.uses = t->uses,
		.used = t->used,
		.created = t->created,
		.expires = t->expires,
		.revoked = t->revoked,
		.expired = t->expires <= l->job.now,
		.ephemeral = t->ephemeral,
		.tags.n = t->n_tags,
	};

	memcpy(m.id, t->id, sizeof(m.id));
	memcpy(m.tags.v, t->tags, sizeof(m.tags.v));
	find_users(l, &m);
	msg_token_put(&l->list, &m);
	return TM_OK;
}

static int list_body(struct store *s, struct job *j)
{
	struct listing *l = CONTAINER_OF(j, struct listing, job);

	int err = store_node_each(s, keep_user, l);
	if (err)
		return err;

	if (l->n_users)
		qsort(l->users, l->n_users, sizeof(*l->users), by_token);
	jsonout_list(&l->list, NULL);
	err = store_token_each(s, list_one, l);
	jsonout_list_end(&l->list);
	return err;
}

static void list_done(struct coord *c UNUSED, struct job *j, int err)
{
	job_answer_list(j, err, "tokens", &CONTAINER_OF(j, struct listing, job)->list, 0);
}

static void list_deinit(struct job *j)
{
	struct listing *l = CONTAINER_OF(j, struct listing, job);

	jsonout_deinit(&l->list);
	free(l->users);
}

static const struct job_kind list_kind = {sizeof(struct listing), list_body, list_done, list_deinit};

void tokens_list(struct coord *c, const struct asker *a, const union msg_request *r)
{
	struct listing *l = job_start(c, a, &list_kind);

	(void)r;
	if (l)
		job_submit(&l->job);
}

/* --- token.revoke --- */

struct revocation {
	struct job job;
	uint8_t id[TOKEN_ID];
};

static int revoke_body(struct store *s, struct job *j)
{
	int err = store_token_revoke(s, CONTAINER_OF(j, struct revocation, job)->id);

	if (err == TM_ENOENT) {
		diag_hint(&j->d, "`tunnelmesh token list` shows all");
		diag_what(&j->d, err, "there is no token with this id");
	}
	return err;
}

static void revoke_done(struct coord *c, struct job *j, int err)
{
	char id[HEX_LEN(TOKEN_ID) + 1];

	if (err) {
		answer_refuse(c, &j->asker, err, &j->d);
		return;
	}
	hex_encode(CONTAINER_OF(j, struct revocation, job)->id, TOKEN_ID, id);
	policy_mesh_changed(c);
	log_info("coord: token revoked", KV("id", id));
	answer_ok(c, &j->asker);
}

static const struct job_kind revoke_kind = {sizeof(struct revocation), revoke_body, revoke_done, NULL};

void tokens_revoke(struct coord *c, const struct asker *a, const union msg_request *r)
{
	struct revocation *v = job_start(c, a, &revoke_kind);

	if (!v)
		return;

	memcpy(v->id, r->token_id, sizeof(v->id));
	job_event_is(&v->job, EVENT_TOKEN_REVOKED, NULL);
	hex_encode(v->id, sizeof(v->id), v->job.event.about);
	job_submit(&v->job);
}
