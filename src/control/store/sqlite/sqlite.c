/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "control/store/sqlite/sqlite_private.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

int sql_error(sqlite3 *db, int rc)
{
	switch (rc & 0xff) {
	case SQLITE_OK:
	case SQLITE_DONE:
	case SQLITE_ROW:
		return TM_OK;
	case SQLITE_NOMEM:
		return TM_ENOMEM;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return TM_EBUSY;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_FORMAT:
	case SQLITE_ERROR: /* SQL that does not fit the schema: somebody changed the database by hand */
		return TM_ECORRUPT;
	case SQLITE_FULL:
		return TM_ENOSPACE;
	case SQLITE_PERM:
	case SQLITE_READONLY:
	case SQLITE_AUTH:
		return TM_EPERM;
	case SQLITE_CONSTRAINT:
		return TM_EEXIST;
	case SQLITE_TOOBIG:
	case SQLITE_RANGE:
		return TM_ERANGE;
	case SQLITE_CANTOPEN:
	case SQLITE_IOERR:
		break;
	default:
		return TM_EIO;
	}
	int errno_value = db ? sqlite3_system_errno(db) : 0;
	if (errno_value == ENOSPC || errno_value == EDQUOT)
		return TM_ENOSPACE;
	if (errno_value == EACCES || errno_value == EPERM || errno_value == EROFS)
		return TM_EPERM;
	return TM_EIO;
}

int sql_exec(sqlite3 *db, const char *sql)
{
	return sql_error(db, sqlite3_exec(db, sql, NULL, NULL, NULL));
}

sqlite3_stmt *sql_stmt(struct sql_store *s, enum sql_stmt_id which)
{
	sqlite3_stmt *st = s->stmts[which];

	sqlite3_reset(st);
	sqlite3_clear_bindings(st);
	return st;
}

int sql_row(struct sql_store *s, sqlite3_stmt *st)
{
	int rc = sqlite3_step(st);

	if (rc == SQLITE_ROW)
		return TM_OK;

	int err = rc == SQLITE_DONE ? TM_ENOENT : sql_error(s->db, rc);
	sqlite3_reset(st);
	return err;
}

int sql_run(struct sql_store *s, sqlite3_stmt *st)
{
	int err = sql_error(s->db, sqlite3_step(st));

	sqlite3_reset(st);
	sqlite3_clear_bindings(st);
	return err;
}

static void roll_back(struct sql_store *s)
{
	/* Some errors (a full disk among them) have undone everything already. */
	if (sqlite3_get_autocommit(s->db))
		return;
	if (sql_run(s, sql_stmt(s, STMT_ROLLBACK)) != TM_OK)
		sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
}

static int sql_transaction(struct store *store, store_body_fn *body, void *ctx)
{
	struct sql_store *s = sql_of(store);

	assert(!s->in_transaction);
	int err = sql_run(s, sql_stmt(s, STMT_BEGIN));
	if (err)
		return err;

	s->in_transaction = true;
	err = body(store, ctx);
	if (!err && sqlite3_get_autocommit(s->db))
		err = TM_EIO; /* undone underneath us: never report it as done */
	if (!err)
		err = sql_run(s, sql_stmt(s, STMT_COMMIT));
	if (err)
		roll_back(s);
	s->in_transaction = false;
	return err;
}

static void sql_free(struct store *store)
{
	struct sql_store *s = sql_of(store);

	for (int i = 0; i < STMT_N; i++)
		sqlite3_finalize(s->stmts[i]);
	sqlite3_close_v2(s->db);
	free(s);
}

void bind_text(sqlite3_stmt *st, int at, const char *text)
{
	sqlite3_bind_text(st, at, text, -1, SQLITE_TRANSIENT);
}

void bind_blob(sqlite3_stmt *st, int at, const void *p, size_t n)
{
	sqlite3_bind_blob(st, at, p, (int)n, SQLITE_TRANSIENT);
}

int column_text(sqlite3_stmt *st, int at, char *out, size_t out_len)
{
	const unsigned char *text = sqlite3_column_text(st, at);
	size_t n = (size_t)sqlite3_column_bytes(st, at);

	if (!text || n >= out_len || memchr(text, '\0', n))
		return TM_ECORRUPT;

	memcpy(out, text, n);
	out[n] = '\0';
	return TM_OK;
}

int column_blob(sqlite3_stmt *st, int at, void *out, size_t n)
{
	const void *p = sqlite3_column_blob(st, at);

	if (!p || (size_t)sqlite3_column_bytes(st, at) != n)
		return TM_ECORRUPT;

	memcpy(out, p, n);
	return TM_OK;
}

void tags_join(const char (*tags)[NODE_TAG_MAX + 1], size_t n, char out[static TAGS_TEXT_MAX])
{
	size_t at = 0;

	for (size_t i = 0; i < n; i++) {
		size_t len = strnlen(tags[i], NODE_TAG_MAX);

		if (i)
			out[at++] = ' ';
		memcpy(out + at, tags[i], len);
		at += len;
	}
	out[at] = '\0';
}

int tags_split(const char *text, char (*ret_tags)[NODE_TAG_MAX + 1], uint8_t *ret_n)
{
	uint8_t n = 0;

	while (*text) {
		size_t len = strcspn(text, " ");

		if (n == NODE_TAGS_MAX || len == 0 || len > NODE_TAG_MAX)
			return TM_ECORRUPT;
		memcpy(ret_tags[n], text, len);
		ret_tags[n][len] = '\0';
		if (!node_tag_valid(ret_tags[n]))
			return TM_ECORRUPT;
		n++;
		text += len;
		if (*text)
			text++;
	}
	*ret_n = n;
	return TM_OK;
}

const struct store_ops store_sqlite = {
	.create = sql_create,
	.open = sql_open,
	.free = sql_free,
	.copy = sql_copy,
	.transaction = sql_transaction,
	.mesh_load = sql_mesh_load,
	.node_each = sql_node_each,
	.node_find_key = sql_node_find_key,
	.node_name_taken = sql_node_name_taken,
	.node_insert = sql_node_insert,
	.node_rename = sql_node_rename,
	.node_remove = sql_node_remove,
	.node_touch = sql_node_touch,
	.change_each = sql_change_each,
	.token_each = sql_token_each,
	.token_insert = sql_token_insert,
	.token_by_id = sql_token_by_id,
	.token_spend = sql_token_spend,
	.token_give_back = sql_token_give_back,
	.token_revoke = sql_token_revoke,
};
