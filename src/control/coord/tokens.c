/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Join tokens, from the control socket. They live in the database only: every decision about them is made
 * there. */
#include "base/encode.h"
#include "base/log.h"
#include "base/secret.h"
#include "control/coord/coord_private.h"
#include "crypto/init.h"

#include <string.h>

enum { USES_MAX = 100000 };
#define TTL_MAX ((json_int_t)10 * 366 * 86400)

static int insert_body(struct store *s, struct job *j)
{
	return store_token_insert(s, &j->token);
}

static int encode(const struct coord *c, const struct job *j, char text[static TOKEN_TEXT_MAX])
{
	struct token t = {.expiry = j->token.expires, .n_addrs = c->n_addresses};

	memcpy(t.coordinator_key, c->identity->x_pub, sizeof(t.coordinator_key));
	memcpy(t.id, j->token.id, sizeof(t.id));
	memcpy(t.secret, j->secret, sizeof(t.secret));
	memcpy(t.addrs, c->addresses, sizeof(t.addrs));
	int err = token_encode(&t, text, TOKEN_TEXT_MAX);
	token_wipe(&t);
	return err;
}

static void create_done(struct coord *c, struct job *j, int err)
{
	char text[TOKEN_TEXT_MAX], id[HEX_LEN(TOKEN_ID) + 1];

	if (!err)
		err = encode(c, j, text);
	if (err) {
		ask_refuse(c, &j->asker, err, &j->d);
		return;
	}
	hex_encode(j->token.id, sizeof(j->token.id), id);
	log_info("coord: token created", KV("id", id), KV_INT("uses", j->token.uses));
	ask_answer(c, &j->asker,
		json_pack("{s:b, s:s, s:s, s:I, s:i}", "ok", 1, "token", text, "id", id, "expires",
			(json_int_t)j->token.expires, "uses", (int)j->token.uses));
	wipe(text, sizeof(text));
}

/* NULL, or what is wrong. */
static const char *read_tags(const json_t *list, struct store_token *t)
{
	if (!list)
		return NULL;
	if (!json_is_array(list) || json_array_size(list) > NODE_TAGS_MAX)
		return "tags must be a list of at most 16 words";

	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *tag = json_string_value(json_array_get(list, i));
		bool twice = false;

		if (!tag || !node_tag_valid(tag))
			return "a tag must be 1 to 32 of the characters a-z, 0-9, - and _ and start with a "
			       "letter or digit";
		for (uint8_t k = 0; k < t->n_tags; k++)
			twice |= strcmp(t->tags[k], tag) == 0;
		if (!twice)
			memcpy(t->tags[t->n_tags++], tag, strlen(tag) + 1);
	}
	return NULL;
}

static const char *read_request(const json_t *req, struct store_token *t)
{
	json_int_t uses = 1, ttl = 86400;
	const json_t *ephemeral = json_object_get(req, "ephemeral");

	if (!field_int(req, "uses", 1, USES_MAX, &uses))
		return "uses must be a number from 1 to 100000";
	if (!field_int(req, "ttl_s", 1, TTL_MAX, &ttl))
		return "the time to live must be at least a second and at most ten years";
	if (ephemeral && !json_is_boolean(ephemeral))
		return "ephemeral must be true or false";

	t->uses = (uint32_t)uses;
	t->expires = t->created + ttl;
	t->ephemeral = json_is_true(ephemeral);
	return read_tags(json_object_get(req, "tags"), t);
}

void tokens_create(struct coord *c, const struct asker *a, const json_t *req)
{
	struct store_token t = {.created = c->tuning.unix_now()};

	const char *wrong = read_request(req, &t);
	if (wrong) {
		ask_refuse_text(c, a, wrong, "see `tunnelmesh help token`");
		return;
	}
	if (!c->n_addresses) {
		ask_refuse_text(c, a, "the coordinator knows no address of its own that a token could carry",
			"give one with `tunnelmesh init --address`, or set `addresses` in the configuration "
			"file");
		return;
	}
	struct job *j = job_start(c, a, insert_body, create_done);
	if (!j)
		return;

	random_bytes(t.id, sizeof(t.id));
	random_bytes(j->secret, sizeof(j->secret));
	store_token_hash(j->secret, t.secret_hash);
	j->token = t;
	job_submit(j);
}

static int list_one(void *ctx, const struct store_token *t)
{
	struct job *j = ctx;
	char id[HEX_LEN(TOKEN_ID) + 1];
	json_t *tags = json_array();

	for (size_t i = 0; tags && i < t->n_tags; i++)
		json_array_append_new(tags, json_string(t->tags[i]));
	hex_encode(t->id, sizeof(t->id), id);
	json_t *one = json_pack("{s:s, s:I, s:I, s:I, s:I, s:b, s:b, s:b, s:o}", "id", id, "uses",
		(json_int_t)t->uses, "used", (json_int_t)t->used, "expires", (json_int_t)t->expires,
		"created", (json_int_t)t->created, "revoked", t->revoked, "expired", t->expires <= j->now,
		"ephemeral", t->ephemeral, "tags", tags);
	return json_array_append_new(j->out, one) < 0 ? TM_ENOMEM : TM_OK;
}

static int list_body(struct store *s, struct job *j)
{
	j->out = json_array();
	return j->out ? store_token_each(s, list_one, j) : TM_ENOMEM;
}

static void list_done(struct coord *c, struct job *j, int err)
{
	if (err)
		ask_refuse(c, &j->asker, err, &j->d);
	else
		ask_answer(c, &j->asker, json_pack("{s:b, s:O}", "ok", 1, "tokens", j->out));
}

void tokens_list(struct coord *c, const struct asker *a)
{
	struct job *j = job_start(c, a, list_body, list_done);

	if (j)
		job_submit(j);
}

static int revoke_body(struct store *s, struct job *j)
{
	int err = store_token_revoke(s, j->token.id);

	if (err == TM_ENOENT) {
		diag_hint(&j->d, "`tunnelmesh token list` shows all");
		diag_what(&j->d, err, "there is no token with this id");
	}
	return err;
}

static void plain_done(struct coord *c, struct job *j, int err)
{
	if (err)
		ask_refuse(c, &j->asker, err, &j->d);
	else
		ask_answer(c, &j->asker, answer_ok());
}

void tokens_revoke(struct coord *c, const struct asker *a, const json_t *req)
{
	const char *id = field_text(req, "id", HEX_LEN(TOKEN_ID));
	uint8_t bytes[TOKEN_ID];

	if (!id || hex_decode(id, strlen(id), bytes, sizeof(bytes)) != TM_OK) {
		ask_refuse_text(
			c, a, "a token's id is 16 hexadecimal digits", "`tunnelmesh token list` shows all");
		return;
	}
	struct job *j = job_start(c, a, revoke_body, plain_done);
	if (!j)
		return;

	memcpy(j->token.id, bytes, sizeof(bytes));
	job_submit(j);
}
