/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "base/secret.h"
#include "control/store/sqlite/sqlite_private.h"
#include "crypto/init.h"

/* In the order of NODE_COLUMNS. */
enum {
	COL_ID,
	COL_NAME,
	COL_KEY,
	COL_ED,
	COL_HOST,
	COL_KIND,
	COL_COORDINATOR,
	COL_EPHEMERAL,
	COL_VIA,
	COL_TOKEN,
	COL_TAGS,
	COL_OS,
	COL_VERSION,
	COL_CREATED,
	COL_LAST_SEEN,
	COL_ROUTES,
	COL_ALIASES, /* read only: rows of a table of their own */
	COL_N,
};

static int row_texts(sqlite3_stmt *st, struct store_node *n)
{
	char tags[TAGS_TEXT_MAX], routes[ROUTES_TEXT_MAX], aliases[NODE_ALIASES_TEXT] = "";

	int err = column_text(st, COL_ID, n->rec.id, sizeof(n->rec.id));
	if (!err)
		err = column_text(st, COL_NAME, n->rec.name, sizeof(n->rec.name));
	if (!err)
		err = column_text(st, COL_OS, n->os, sizeof(n->os));
	if (!err)
		err = column_text(st, COL_VERSION, n->version, sizeof(n->version));
	if (!err)
		err = column_text(st, COL_TAGS, tags, sizeof(tags));
	if (!err && node_tags_split(tags, n->rec.tags, &n->rec.n_tags) != TM_OK)
		err = TM_ECORRUPT;
	if (!err)
		err = column_text(st, COL_ROUTES, routes, sizeof(routes));
	if (!err && node_routes_split(routes, &n->rec.routes) != TM_OK)
		err = TM_ECORRUPT;
	if (!err && sqlite3_column_type(st, COL_ALIASES) != SQLITE_NULL)
		err = column_text(st, COL_ALIASES, aliases, sizeof(aliases));
	if (!err && node_aliases_read(aliases, &n->rec.aliases) != TM_OK)
		err = TM_ECORRUPT;
	if (!err && n->rec.kind == NODE_CLIENT)
		err = column_text(st, COL_VIA, n->rec.via, sizeof(n->rec.via));
	return err;
}

static int row_keys(sqlite3_stmt *st, struct store_node *n)
{
	int err = column_blob(st, COL_KEY, n->rec.key, sizeof(n->rec.key));

	if (!err && n->rec.kind == NODE_MESH)
		err = column_blob(st, COL_ED, n->ed, sizeof(n->ed));
	n->has_token = sqlite3_column_type(st, COL_TOKEN) != SQLITE_NULL;
	if (!err && n->has_token)
		err = column_blob(st, COL_TOKEN, n->token, sizeof(n->token));
	return err;
}

static int row_to_node(sqlite3_stmt *st, struct store_node *ret_node)
{
	struct store_node n = {
		.ephemeral = sqlite3_column_int(st, COL_EPHEMERAL) != 0,
		.created = sqlite3_column_int64(st, COL_CREATED),
		.last_seen = sqlite3_column_int64(st, COL_LAST_SEEN),
	};

	n.rec.host = (uint32_t)sqlite3_column_int64(st, COL_HOST);
	n.rec.kind = sqlite3_column_int(st, COL_KIND) ? NODE_CLIENT : NODE_MESH;
	n.rec.coordinator = sqlite3_column_int(st, COL_COORDINATOR) != 0;
	int err = row_keys(st, &n);
	if (!err)
		err = row_texts(st, &n);
	if (err)
		return err;
	if (!node_id_valid(n.rec.id) || !node_name_valid(n.rec.name) || n.rec.host == 0 ||
		ct_is_zero(n.rec.key, 32))
		return TM_ECORRUPT;
	if (n.rec.kind == NODE_CLIENT && !node_id_valid(n.rec.via))
		return TM_ECORRUPT;

	*ret_node = n;
	return TM_OK;
}

int sql_node_each(struct store *store, store_node_fn *fn, void *ctx)
{
	struct sql_store *s = sql_of(store);
	sqlite3_stmt *st = sql_stmt(s, STMT_NODE_EACH);
	int err;

	while (!(err = sql_row(st))) {
		struct store_node n;

		err = row_to_node(st, &n);
		if (!err)
			err = fn(ctx, &n);
		if (err) {
			sqlite3_reset(st);
			return err;
		}
	}
	return err == TM_ENOENT ? TM_OK : err;
}

int sql_node_find_key(struct store *store, const uint8_t key[static 32], struct store_node *ret_node)
{
	struct sql_store *s = sql_of(store);
	sqlite3_stmt *st = sql_stmt(s, STMT_NODE_BY_KEY);

	bind_blob(st, 1, key, 32);
	int err = sql_row(st);
	if (err)
		return err;

	err = row_to_node(st, ret_node);
	sqlite3_reset(st);
	return err;
}

/* What a statement about a name or an id answers. */
static int is_so(struct sql_store *s, enum sql_stmt_id which, const char *name, bool *ret_so)
{
	sqlite3_stmt *st = sql_stmt(s, which);

	bind_text(st, 1, name);
	int err = sql_row(st);
	if (err)
		return err;

	*ret_so = sqlite3_column_int(st, 0) != 0;
	sqlite3_reset(st);
	return TM_OK;
}

int sql_node_name_taken(struct store *store, const char *name, bool *ret_taken)
{
	return is_so(sql_of(store), STMT_NODE_NAME_TAKEN, name, ret_taken);
}

/* TM_EEXIST: a node has it as an alias. The schema sees to names. */
static int refuse_alias(struct sql_store *s, const char *name)
{
	bool taken;
	int err = is_so(s, STMT_ALIAS_TAKEN, name, &taken);

	return err ? err : taken ? TM_EEXIST : TM_OK;
}

/* --- changes --- */

static int add_change(struct sql_store *s, const char *id)
{
	sqlite3_stmt *st = sql_stmt(s, STMT_CHANGE_ADD);

	sqlite3_bind_int64(st, 1, random_u32() >> 1);
	bind_text(st, 2, id);
	return sql_run(st);
}

/* Makes room for one. Comes before a transaction's own changes: all of those must be read by who made them.
 */
static int prune_changes(struct sql_store *s)
{
	sqlite3_stmt *st = sql_stmt(s, STMT_CHANGE_PRUNE);

	sqlite3_bind_int64(st, 1, STORE_CHANGES_KEPT - 1);
	return sql_run(st);
}

static int note_change(struct sql_store *s, const char *id)
{
	int err = prune_changes(s);

	return err ? err : add_change(s, id);
}

static int row_to_change(sqlite3_stmt *st, struct store_change *ret_change)
{
	uint64_t number = (uint64_t)sqlite3_column_int64(st, COL_N),
		 salt = (uint64_t)sqlite3_column_int64(st, COL_N + 1);
	struct store_change x = {
		.version = number << 31 | salt, .gone = sqlite3_column_type(st, COL_ID) == SQLITE_NULL};

	int err = x.gone ? column_text(st, COL_N + 2, x.node.rec.id, sizeof(x.node.rec.id))
			 : row_to_node(st, &x.node);
	if (!err && (!node_id_valid(x.node.rec.id) || number == 0 || number > UINT32_MAX || salt >> 31))
		err = TM_ECORRUPT;
	if (!err)
		*ret_change = x;
	return err;
}

int sql_change_each(struct store *store, uint64_t version, store_change_fn *fn, void *ctx)
{
	struct sql_store *s = sql_of(store);
	sqlite3_stmt *st = sql_stmt(s, STMT_CHANGE_EACH);
	int err;

	sqlite3_bind_int64(st, 1, (sqlite3_int64)store_version_number(version));
	while (!(err = sql_row(st))) {
		struct store_change x;

		err = row_to_change(st, &x);
		if (!err)
			err = fn(ctx, &x);
		if (err) {
			sqlite3_reset(st);
			return err;
		}
	}
	return err == TM_ENOENT ? TM_OK : err;
}

/* --- host numbers --- */

/* The number of the only row; TM_ECORRUPT when there is none. */
static int one_number(sqlite3_stmt *st, sqlite3_int64 *ret_n)
{
	int err = sql_row(st);

	if (err)
		return err == TM_ENOENT ? TM_ECORRUPT : err;
	*ret_n = sqlite3_column_int64(st, 0);
	sqlite3_reset(st);
	return TM_OK;
}

static int next_host(struct sql_store *s, sqlite3_int64 from, sqlite3_int64 *ret_host)
{
	sqlite3_stmt *st = sql_stmt(s, STMT_HOST_NEXT);

	sqlite3_bind_int64(st, 1, from);
	return one_number(st, ret_host);
}

/*
 * The next one that is free, and from the lowest on after the highest: an address that others may still have
 * in their known hosts and firewalls rests as long as there are others.
 */
static int take_host(struct sql_store *s, uint32_t hosts_max, uint32_t *ret_host)
{
	sqlite3_int64 host;

	int err = one_number(sql_stmt(s, STMT_HOST_ROUND), &host);
	if (!err)
		err = next_host(s, host, &host);
	if (!err && host > hosts_max)
		err = next_host(s, 1, &host);
	if (err)
		return err;
	if (host > hosts_max)
		return TM_EFULL;

	sqlite3_stmt *st = sql_stmt(s, STMT_HOST_TAKEN);
	sqlite3_bind_int64(st, 1, host + 1);
	*ret_host = (uint32_t)host;
	return sql_run(st);
}

/* --- */

static int insert(struct sql_store *s, const struct store_node *n)
{
	sqlite3_stmt *st = sql_stmt(s, STMT_NODE_INSERT);
	bool client = n->rec.kind == NODE_CLIENT;
	char tags[TAGS_TEXT_MAX], routes[ROUTES_TEXT_MAX];

	tags_join(n->rec.tags, n->rec.n_tags, tags);
	bind_text(st, COL_ID + 1, n->rec.id);
	bind_text(st, COL_NAME + 1, n->rec.name);
	bind_blob(st, COL_KEY + 1, n->rec.key, sizeof(n->rec.key));
	if (!client)
		bind_blob(st, COL_ED + 1, n->ed, sizeof(n->ed));
	sqlite3_bind_int64(st, COL_HOST + 1, n->rec.host);
	sqlite3_bind_int(st, COL_KIND + 1, client);
	sqlite3_bind_int(st, COL_COORDINATOR + 1, n->rec.coordinator);
	sqlite3_bind_int(st, COL_EPHEMERAL + 1, n->ephemeral);
	if (client)
		bind_text(st, COL_VIA + 1, n->rec.via);
	if (n->has_token)
		bind_blob(st, COL_TOKEN + 1, n->token, sizeof(n->token));
	bind_text(st, COL_TAGS + 1, tags);
	bind_text(st, COL_OS + 1, n->os);
	bind_text(st, COL_VERSION + 1, n->version);
	sqlite3_bind_int64(st, COL_CREATED + 1, n->created);
	sqlite3_bind_int64(st, COL_LAST_SEEN + 1, n->last_seen);
	node_routes_join(&n->rec.routes, routes);
	bind_text(st, COL_ROUTES + 1, routes);
	return sql_run(st);
}

/* Runs a statement about one row. */
static int change_one(struct sql_store *s, sqlite3_stmt *st)
{
	int err = sql_run(st);
	if (err)
		return err;

	return sqlite3_changes(s->db) ? TM_OK : TM_ENOENT;
}

int sql_node_insert(struct store *store, struct store_node *n, uint32_t hosts_max)
{
	struct sql_store *s = sql_of(store);
	int err = refuse_alias(s, n->rec.name);

	if (!err && !n->rec.host)
		err = take_host(s, hosts_max, &n->rec.host);
	if (!err)
		err = insert(s, n);
	if (!err)
		err = note_change(s, n->rec.id);
	return err;
}

/* name NULL: all that the node has. */
static int drop_alias(struct sql_store *s, const char *id, const char *name)
{
	sqlite3_stmt *st = sql_stmt(s, STMT_ALIAS_DROP);

	bind_text(st, 1, id);
	if (name)
		bind_text(st, 2, name);
	return sql_run(st);
}

static int add_alias(struct sql_store *s, const char *id, const char *name)
{
	sqlite3_stmt *st = sql_stmt(s, STMT_ALIAS_ADD);

	bind_text(st, 1, name);
	bind_text(st, 2, id);
	int err = change_one(s, st);
	return err == TM_ENOENT ? TM_EEXIST : err; /* it is a node's name */
}

int sql_node_rename(struct store *store, const char *id, const char *name)
{
	struct sql_store *s = sql_of(store);
	int err = drop_alias(s, id, name);

	if (!err)
		err = refuse_alias(s, name);
	if (err)
		return err;

	sqlite3_stmt *st = sql_stmt(s, STMT_NODE_RENAME);
	bind_text(st, 1, id);
	bind_text(st, 2, name);
	err = change_one(s, st);
	return err ? err : note_change(s, id);
}

int sql_node_aliases(struct store *store, const char *id, const struct node_aliases *aliases)
{
	struct sql_store *s = sql_of(store);
	char name[NODE_ALIAS_LEN];
	bool there;
	int err = is_so(s, STMT_NODE_THERE, id, &there);

	if (!err && !there)
		return TM_ENOENT;
	if (!err)
		err = drop_alias(s, id, NULL);
	for (const char *at = aliases->text; !err && node_alias_next(&at, name);)
		err = add_alias(s, id, name);
	return err ? err : note_change(s, id);
}

int sql_node_tag(struct store *store, const char *id, const char (*tags)[NODE_TAG_MAX + 1], size_t n)
{
	struct sql_store *s = sql_of(store);
	sqlite3_stmt *st = sql_stmt(s, STMT_NODE_TAG);
	char text[TAGS_TEXT_MAX];

	tags_join(tags, n, text);
	bind_text(st, 1, id);
	bind_text(st, 2, text);
	int err = change_one(s, st);
	return err ? err : note_change(s, id);
}

int sql_node_routes(struct store *store, const char *id, const struct node_routes *routes)
{
	struct sql_store *s = sql_of(store);
	sqlite3_stmt *st = sql_stmt(s, STMT_NODE_ROUTES);
	char text[ROUTES_TEXT_MAX];

	node_routes_join(routes, text);
	bind_text(st, 1, id);
	bind_text(st, 2, text);
	int err = change_one(s, st);
	return err ? err : note_change(s, id);
}

/* The rows of its clients go with its own (ON DELETE CASCADE); each is a change, the node's the last. */
static int note_removals(struct sql_store *s, const char *id)
{
	sqlite3_stmt *st = sql_stmt(s, STMT_NODE_AND_CLIENTS);
	char gone[NODE_ID_LEN + 1];

	int err = prune_changes(s);
	if (err)
		return err;

	bind_text(st, 1, id);
	while (!(err = sql_row(st))) {
		err = column_text(st, 0, gone, sizeof(gone));
		if (!err)
			err = add_change(s, gone);
		if (err) {
			sqlite3_reset(st);
			return err;
		}
	}
	return err == TM_ENOENT ? TM_OK : err;
}

int sql_node_remove(struct store *store, const char *id)
{
	struct sql_store *s = sql_of(store);
	int err = note_removals(s, id);
	if (err)
		return err;

	sqlite3_stmt *st = sql_stmt(s, STMT_NODE_REMOVE);
	bind_text(st, 1, id);
	return change_one(s, st);
}

int sql_node_touch(
	struct store *store, const char *id, const char *os, const char *version, int64_t last_seen)
{
	struct sql_store *s = sql_of(store);
	sqlite3_stmt *st = sql_stmt(s, STMT_NODE_TOUCH);

	bind_text(st, 1, id);
	bind_text(st, 2, os);
	bind_text(st, 3, version);
	sqlite3_bind_int64(st, 4, last_seen);
	return sql_run(st);
}
