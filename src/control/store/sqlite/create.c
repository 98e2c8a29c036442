/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A new database is built under another name and appears at its own by os_name_file(), which replaces
 * nothing: at every moment there is either none or a whole one.
 */
#include "control/store/sqlite/sqlite_private.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "os/files.h"
#include "os/os.h"

struct first_rows {
	const struct store_mesh *mesh;
	struct store_node node;
	const struct store_policy *policy; /* NULL: none */
};

static int with_suffix(const char *path, const char *suffix, char out[static PATH_MAX])
{
	return snprintf(out, PATH_MAX, "%s%s", path, suffix) < PATH_MAX ? TM_OK : TM_ERANGE;
}

/* A write-ahead log without its database would be replayed into the new one, whose name it bears. */
static int refuse_if_there(const char *path, struct diag *d)
{
	static const char *const suffixes[] = {"", "-wal", "-journal"};
	char name[PATH_MAX];
	struct os_look look;

	for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
		int err = with_suffix(path, suffixes[i], name);
		if (err)
			return diag_what(d, err, "the path of the mesh database is too long");

		bool there = os_exists(name);
		if (there && i > 0 && os_look(name, &look) == TM_OK && look.size == 0)
			continue; /* left by looking at a database that was refused; nothing to replay */
		if (there) {
			diag_where(d, "%s", name);
			diag_hint(d, i == 0 ? "this machine is a coordinator already; move the file away to "
					      "start a new mesh"
					    : "move it away together with its database, or restore both");
			return diag_what(d, TM_EEXIST,
				i == 0 ? "there is a mesh database already"
				       : "a piece of an older mesh database is in the way");
		}
		err = os_find(name);
		if (err != TM_ENOENT)
			return diag_what(d, err, "the mesh database cannot be created: %s", strerror(errno));
	}
	return TM_OK;
}

static int insert_mesh(struct sql_store *s, const struct store_mesh *m)
{
	char net4[PREFIX_STR_LEN], net6[PREFIX_STR_LEN];
	sqlite3_stmt *st = sql_stmt(s, STMT_MESH_INSERT);

	bind_text(st, 1, m->info.name);
	bind_text(st, 2, prefix_format(&m->info.net4, net4));
	bind_text(st, 3, prefix_format(&m->info.net6, net6));
	bind_blob(st, 4, m->info.secret, sizeof(m->info.secret));
	sqlite3_bind_int64(st, 5, m->created);
	bind_text(st, 6, m->info.zone);
	return sql_run(st);
}

static int insert_first_rows(struct store *store, void *ctx)
{
	struct first_rows *rows = ctx;

	int err = insert_mesh(sql_of(store), rows->mesh);
	if (err)
		return err;

	err = sql_node_insert(store, &rows->node, 1);
	if (err || !rows->policy)
		return err;

	struct store_policy policy = *rows->policy;
	return sql_policy_add(store, &policy);
}

static int fill(const char *path, struct first_rows *rows, struct diag *d)
{
	struct sql_store *s;
	char application[64];

	int err = sql_store_new(path, &s, d);
	if (err)
		return err;

	_cleanup_(store_freep) struct store *store = &s->store;
	sqlite3_db_config(s->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
	snprintf(application, sizeof(application), "PRAGMA application_id = %d", SCHEMA_APPLICATION_ID);
	err = sql_exec(s->db, application);
	if (!err)
		err = schema_migrate(s->db, schema_steps, schema_version, d);
	if (!err)
		err = sql_store_prepare(s);
	if (!err)
		err = store_transaction(store, insert_first_rows, rows);
	/* Last: the setting is in the file's header and stays. */
	if (!err)
		err = sql_exec(s->db, "PRAGMA journal_mode = WAL");
	return err;
}

static void remove_built(const char *built)
{
	static const char *const suffixes[] = {"", "-wal", "-journal"};
	char name[PATH_MAX];

	for (size_t i = 0; i < ARRAY_LEN(suffixes); i++)
		if (with_suffix(built, suffixes[i], name) == TM_OK)
			(void)os_remove_file(name);
}

static int vacuum_into(struct sql_store *s, const char *path)
{
	sqlite3_stmt *st;

	/* Unlike the pages that the file and its write-ahead log have at this moment, what it writes is one
	 * whole file. */
	int rc = sqlite3_prepare_v2(s->db, "VACUUM INTO ?", -1, &st, NULL);
	if (rc != SQLITE_OK)
		return sql_error(s->db, rc);

	bind_text(st, 1, path);
	rc = sqlite3_step(st);
	int err = rc == SQLITE_DONE ? TM_OK : sql_error(s->db, rc);
	sqlite3_finalize(st);
	return err;
}

int sql_copy(struct store *store, const char *to)
{
	char built[PATH_MAX - 16];

	if (snprintf(built, sizeof(built), "%s.new", to) >= (int)sizeof(built))
		return TM_ERANGE;
	remove_built(built); /* of a copy that was cut off */
	int err = os_make_file(built); /* for its mode */
	if (!err)
		err = vacuum_into(sql_of(store), built);
	if (!err)
		err = os_sync_file(built);
	if (!err)
		err = os_move_file(built, to, NULL);
	remove_built(built);
	return err;
}

int sql_create(const char *path, const struct store_mesh *mesh, const struct store_node *first,
	const struct store_policy *policy, struct diag *d)
{
	struct first_rows rows = {mesh, *first, policy};
	char built[PATH_MAX - 16];

	diag_where(d, "%s", path);
	int err = refuse_if_there(path, d);
	if (err)
		return err;

	if (snprintf(built, sizeof(built), "%s.new", path) >= (int)sizeof(built))
		return diag_what(d, TM_ERANGE, "the path of the mesh database is too long");
	remove_built(built); /* of an `init` that was cut off */
	err = os_make_file(built);
	if (!err)
		err = fill(built, &rows, d);
	if (!err)
		err = os_sync_file(built);
	if (!err)
		err = os_name_file(built, path);
	remove_built(built);
	if (err) {
		store_explain(err, d);
		return err;
	}
	diag_where(d, "%s", "");
	return TM_OK;
}
