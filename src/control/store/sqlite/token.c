/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "control/store/sqlite/sqlite_private.h"

/* In the order of TOKEN_COLUMNS. */
enum { COL_ID, COL_HASH, COL_USES, COL_USED, COL_CREATED, COL_EXPIRES, COL_REVOKED, COL_EPHEMERAL, COL_TAGS };

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
	if (!err && node_tags_split(tags, t.tags, &t.n_tags) != TM_OK)
		err = TM_ECORRUPT;
	if (err)
		return err;

	*ret_token = t;
	return TM_OK;
}

int sql_token_each(struct store *store, store_token_fn *fn, void *ctx)
{
	struct sql_store *s = sql_of(store);
	sqlite3_stmt *st = sql_stmt(s, STMT_TOKEN_EACH);
	int err;

	while (!(err = sql_row(st))) {
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

int sql_token_insert(struct store *store, const struct store_token *t)
{
	struct sql_store *s = sql_of(store);
	sqlite3_stmt *st = sql_stmt(s, STMT_TOKEN_INSERT);
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
	return sql_run(st);
}

int sql_token_by_id(struct store *store, const uint8_t id[static TOKEN_ID], struct store_token *ret_token)
{
	struct sql_store *s = sql_of(store);
	sqlite3_stmt *st = sql_stmt(s, STMT_TOKEN_BY_ID);

	bind_blob(st, 1, id, TOKEN_ID);
	int err = sql_row(st);
	if (err)
		return err;

	err = row_to_token(st, ret_token);
	sqlite3_reset(st);
	return err;
}

int sql_token_spend(struct store *store, const uint8_t id[static TOKEN_ID], int64_t now)
{
	struct sql_store *s = sql_of(store);
	sqlite3_stmt *st = sql_stmt(s, STMT_TOKEN_SPEND);

	bind_blob(st, 1, id, TOKEN_ID);
	sqlite3_bind_int64(st, 2, now);
	int err = sql_run(st);
	if (err)
		return err;

	return sqlite3_changes(s->db) == 1 ? TM_OK : TM_EUSED;
}

int sql_token_give_back(struct store *store, const uint8_t id[static TOKEN_ID])
{
	struct sql_store *s = sql_of(store);
	sqlite3_stmt *st = sql_stmt(s, STMT_TOKEN_GIVE_BACK);

	bind_blob(st, 1, id, TOKEN_ID);
	return sql_run(st);
}

int sql_token_prune(struct store *store, int64_t before)
{
	struct sql_store *s = sql_of(store);
	sqlite3_stmt *st = sql_stmt(s, STMT_TOKEN_PRUNE);

	sqlite3_bind_int64(st, 1, before);
	return sql_run(st);
}

int sql_token_revoke(struct store *store, const uint8_t id[static TOKEN_ID])
{
	struct sql_store *s = sql_of(store);
	sqlite3_stmt *st = sql_stmt(s, STMT_TOKEN_REVOKE);

	bind_blob(st, 1, id, TOKEN_ID);
	int err = sql_run(st);
	if (err)
		return err;

	return sqlite3_changes(s->db) ? TM_OK : TM_ENOENT;
}
