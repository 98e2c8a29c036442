/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "control/store/token.h"

#include "base/secret.h"
#include "control/store/store_private.h"
#include "crypto/hash.h"

/* In the order of TOKEN_COLUMNS. */
enum { COL_ID, COL_HASH, COL_USES, COL_USED, COL_CREATED, COL_EXPIRES, COL_REVOKED, COL_EPHEMERAL, COL_TAGS };

static const char new_one[] = "ask for a new one: `tunnelmesh token create` on the coordinator";

void store_token_hash(const uint8_t secret[static TOKEN_SECRET], uint8_t ret_hash[static 32])
{
	struct hash_part part = {secret, TOKEN_SECRET};

	sha256(&part, 1, ret_hash);
}

static int row_to_token(sqlite3_stmt *st, struct store_token *ret_token)
{
	struct store_token t = {
		.uses = (uint32_t)sqlite3_column_int64(st, COL_USES),
		.used = (uint32_t)sqlite3_column_int64(st, COL_USED),
		.created = sqlite3_column_int64(st, COL_CREATED),
		.expires = sqlite3_column_int64(st, COL_EXPIRES),
		.revoked = sqlite3_column_int(st, COL_REVOKED) != 0,
		.ephemeral = sqlite3_column_int(st, COL_EPHEMERAL) != 0,
	};
	char tags[TAGS_TEXT_MAX];

	int err = column_blob(st, COL_ID, t.id, sizeof(t.id));
	if (!err)
		err = column_blob(st, COL_HASH, t.secret_hash, sizeof(t.secret_hash));
	if (!err)
		err = column_text(st, COL_TAGS, tags, sizeof(tags));
	if (!err)
		err = tags_split(tags, t.tags, &t.n_tags);
	if (err)
		return err;

	*ret_token = t;
	return TM_OK;
}

int store_token_each(struct store *s, store_token_fn *fn, void *ctx)
{
	sqlite3_stmt *st = store_stmt(s, STMT_TOKEN_EACH);
	int err;

	while (!(err = store_row(s, st))) {
		struct store_token t;

		err = row_to_token(st, &t);
		if (!err)
			err = fn(ctx, &t);
		if (err) {
			sqlite3_reset(st);
			return err;
		}
	}
	return err == TM_ENOENT ? TM_OK : err;
}

int store_token_insert(struct store *s, const struct store_token *t)
{
	sqlite3_stmt *st = store_stmt(s, STMT_TOKEN_INSERT);
	char tags[TAGS_TEXT_MAX];

	tags_join(t->tags, t->n_tags, tags);
	bind_blob(st, COL_ID + 1, t->id, sizeof(t->id));
	bind_blob(st, COL_HASH + 1, t->secret_hash, sizeof(t->secret_hash));
	sqlite3_bind_int64(st, COL_USES + 1, t->uses);
	sqlite3_bind_int64(st, COL_USED + 1, t->used);
	sqlite3_bind_int64(st, COL_CREATED + 1, t->created);
	sqlite3_bind_int64(st, COL_EXPIRES + 1, t->expires);
	sqlite3_bind_int(st, COL_REVOKED + 1, t->revoked);
	sqlite3_bind_int(st, COL_EPHEMERAL + 1, t->ephemeral);
	bind_text(st, COL_TAGS + 1, tags);
	return store_run(s, st);
}

int store_token_find(struct store *s, const uint8_t id[static TOKEN_ID],
	const uint8_t secret[static TOKEN_SECRET], struct store_token *ret_token, struct diag *d)
{
	sqlite3_stmt *st = store_stmt(s, STMT_TOKEN_BY_ID);
	struct store_token t = {0}; /* no secret has this hash */
	uint8_t hash[32];

	bind_blob(st, 1, id, TOKEN_ID);
	int err = store_row(s, st);
	if (!err) {
		err = row_to_token(st, &t);
		sqlite3_reset(st);
	}
	if (err && err != TM_ENOENT)
		return err;

	store_token_hash(secret, hash);
	if (!ct_eq(hash, t.secret_hash, sizeof(hash))) {
		diag_hint(d, "check that it was copied whole and is of this mesh, or %s", new_one);
		return diag_what(d, TM_ENOENT, "the coordinator does not know this join token");
	}
	*ret_token = t;
	return TM_OK;
}

static int used_up(uint32_t uses, struct diag *d)
{
	diag_hint(d, "%s", new_one);
	if (uses == 1)
		return diag_what(d, TM_EUSED, "this join token has been used already");
	return diag_what(d, TM_EUSED, "this join token has been used as often as it may be");
}

int store_token_usable(const struct store_token *t, int64_t now, struct diag *d)
{
	if (t->revoked) {
		diag_hint(d, "%s", new_one);
		return diag_what(d, TM_EAUTH, "this join token has been revoked");
	}
	if (t->used >= t->uses)
		return used_up(t->uses, d);
	if (t->expires <= now) {
		diag_hint(d, "%s", new_one);
		return diag_what(d, TM_EEXPIRED, "this join token has expired");
	}
	return TM_OK;
}

int store_token_spend(struct store *s, const uint8_t id[static TOKEN_ID], int64_t now, struct diag *d)
{
	sqlite3_stmt *st = store_stmt(s, STMT_TOKEN_SPEND);

	bind_blob(st, 1, id, TOKEN_ID);
	sqlite3_bind_int64(st, 2, now);
	int err = store_run(s, st);
	if (err)
		return err;

	return sqlite3_changes(s->db) == 1 ? TM_OK : used_up(1, d);
}

int store_token_revoke(struct store *s, const uint8_t id[static TOKEN_ID])
{
	sqlite3_stmt *st = store_stmt(s, STMT_TOKEN_REVOKE);

	bind_blob(st, 1, id, TOKEN_ID);
	int err = store_run(s, st);
	if (err)
		return err;

	return sqlite3_changes(s->db) ? TM_OK : TM_ENOENT;
}
