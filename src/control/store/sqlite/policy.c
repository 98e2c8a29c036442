/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "control/store/sqlite/sqlite_private.h"

#include <string.h>

/* In the order of POLICY_COLUMNS; texts last, for lists are without. */
enum { COL_VERSION, COL_ACCEPTED, COL_BY, COL_BYTES, COL_TEXT, COL_NODES };

static int column_copy(sqlite3_stmt *st, int at, char **ret_text)
{
	const char *text = (const char *)sqlite3_column_text(st, at);

	/* SQLite gives NULL for a text without memory as well. */
	if (!text || strlen(text) != (size_t)sqlite3_column_bytes(st, at))
		return sqlite3_column_type(st, at) == SQLITE_TEXT && !text ? TM_ENOMEM : TM_ECORRUPT;
	*ret_text = strdup(text);
	return *ret_text ? TM_OK : TM_ENOMEM;
}

static int row_to_policy(sqlite3_stmt *st, bool with_texts, struct store_policy *ret_p)
{
	struct store_policy p = {
		.version = (uint64_t)sqlite3_column_int64(st, COL_VERSION),
		.accepted = sqlite3_column_int64(st, COL_ACCEPTED),
		.bytes = (size_t)sqlite3_column_int64(st, COL_BYTES),
	};

	int err = column_text(st, COL_BY, p.by, sizeof(p.by));
	if (!err && with_texts)
		err = column_copy(st, COL_TEXT, &p.text);
	if (!err && with_texts)
		err = column_copy(st, COL_NODES, &p.nodes);
	if (err)
		store_policy_deinit(&p);
	else
		*ret_p = p;
	return err;
}

int sql_policy_load(struct store *store, uint64_t version, struct store_policy *ret_p)
{
	sqlite3_stmt *st = sql_stmt(sql_of(store), version ? STMT_POLICY_BY_VERSION : STMT_POLICY_IN_FORCE);

	if (version)
		sqlite3_bind_int64(st, 1, (sqlite3_int64)version);
	int err = sql_row(st);
	if (err)
		return err;

	err = row_to_policy(st, true, ret_p);
	sqlite3_reset(st);
	return err;
}

int sql_policy_add(struct store *store, struct store_policy *p)
{
	struct sql_store *s = sql_of(store);
	sqlite3_stmt *st = sql_stmt(s, STMT_POLICY_ADD);

	sqlite3_bind_int64(st, 1, p->accepted);
	bind_text(st, 2, p->by);
	bind_text(st, 3, p->text);
	bind_text(st, 4, p->nodes);
	int err = sql_run(st);
	if (err)
		return err;

	p->version = (uint64_t)sqlite3_last_insert_rowid(s->db);
	p->bytes = strlen(p->text);
	st = sql_stmt(s, STMT_POLICY_PRUNE);
	sqlite3_bind_int64(st, 1, STORE_POLICIES_KEPT);
	return sql_run(st);
}

int sql_policy_each(struct store *store, store_policy_fn *fn, void *ctx)
{
	sqlite3_stmt *st = sql_stmt(sql_of(store), STMT_POLICY_EACH);
	int err;

	while (!(err = sql_row(st))) {
		struct store_policy p;

		err = row_to_policy(st, false, &p);
		if (!err)
			err = fn(ctx, &p);
		if (err) {
			sqlite3_reset(st);
			return err;
		}
	}
	return err == TM_ENOENT ? TM_OK : err;
}
