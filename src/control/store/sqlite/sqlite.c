/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "control/store/sqlite/sqlite_private.h"

#include <assert.h>
#include <string.h>

sqlite3_stmt *sql_stmt(struct sql_store *s, enum sql_stmt_id which)
{
	sqlite3_stmt *st = s->stmts[which];

	sqlite3_reset(st);
	sqlite3_clear_bindings(st);
	return st;
}

static void roll_back(struct sql_store *s)
{
	/* Some errors (a full disk among them) have undone everything already. */
	if (sqlite3_get_autocommit(s->db))
		return;
	if (sql_run(sql_stmt(s, STMT_ROLLBACK)) != TM_OK)
		sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
}

static int sql_transaction(struct store *store, store_body_fn *body, void *ctx)
{
	struct sql_store *s = sql_of(store);

	assert(!s->in_transaction);
	int err = sql_run(sql_stmt(s, STMT_BEGIN));
	if (err)
		return err;

	s->in_transaction = true;
	err = body(store, ctx);
	if (!err && sqlite3_get_autocommit(s->db))
		err = TM_EIO; /* undone underneath us: never report it as done */
	if (!err)
		err = sql_run(sql_stmt(s, STMT_COMMIT));
	if (err)
		roll_back(s);
	s->in_transaction = false;
	return err;
}

static void sql_free(struct store *store)
{
	struct sql_store *s = sql_of(store);

	sql_finalize(s->stmts, STMT_N);
	sqlite3_close_v2(s->db);
	free(s);
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

const struct store_ops store_sqlite = {
	.create = sql_create,
	.look = sql_look,
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
	.node_aliases = sql_node_aliases,
	.node_tag = sql_node_tag,
	.node_routes = sql_node_routes,
	.node_remove = sql_node_remove,
	.node_touch = sql_node_touch,
	.change_each = sql_change_each,
	.token_each = sql_token_each,
	.token_insert = sql_token_insert,
	.token_by_id = sql_token_by_id,
	.token_spend = sql_token_spend,
	.token_give_back = sql_token_give_back,
	.token_prune = sql_token_prune,
	.token_revoke = sql_token_revoke,
	.event_add = sql_event_add,
	.event_each = sql_event_each,
	.policy_load = sql_policy_load,
	.policy_add = sql_policy_add,
	.policy_each = sql_policy_each,
};
