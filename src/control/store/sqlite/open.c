/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Opening looks before it touches: until every check has passed nothing writes to the file, and closing the
 * connection does not either (a write-ahead log of a crashed run is left beside it for a program that
 * understands it).
 */
#include "control/store/sqlite/sqlite_private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "os/files.h"

enum { BUSY_MS = 250 };

static int look_at_file(const char *path, struct diag *d)
{
	struct os_look look;
	int err = os_look(path, &look);

	if (err == TM_ENOENT) {
		diag_hint(d, "restore it from a backup, or create a mesh with `tunnelmesh init`");
		return diag_what(d, TM_ENOENT, "there is no mesh database");
	}
	if (err) {
		store_explain(err, d);
		return err;
	}
	if (!look.is_file || look.size == 0) {
		diag_hint(d, "restore the database from a backup; what is there was left as it is");
		return diag_what(d, TM_ECORRUPT,
			look.is_file ? "the mesh database is empty" : "the mesh database is not a file");
	}
	err = os_may_write(path);
	if (err) {
		if (errno == EROFS) {
			diag_hint(d, "make it writable: a coordinator cannot do without");
			return diag_what(d, err, "the mesh database is on a disk that is read-only");
		}
		store_explain(err, d);
		return err;
	}
	return TM_OK;
}

static int say_damaged(sqlite3 *db, struct diag *d)
{
	diag_hint(d, "restore it from a backup; the file was left as it is");
	if (sqlite3_errcode(db) == SQLITE_NOTADB)
		return diag_what(
			d, TM_ECORRUPT, "the mesh database is not a database, or its beginning is damaged");
	return diag_what(d, TM_ECORRUPT, "the mesh database is damaged: %s", sqlite3_errmsg(db));
}

int sql_store_new(const char *path, struct sql_store **ret_store, struct diag *d)
{
	struct sql_store *s = calloc(1, sizeof(*s));
	if (!s)
		return TM_ENOMEM;

	s->store.ops = &store_sqlite;
	_cleanup_(store_freep) struct store *until_ready = &s->store;

	int err = sql_connect(path, &s->db);
	if (err) {
		store_explain(err, d);
		return err;
	}
	sqlite3_busy_timeout(s->db, BUSY_MS);
	/* A damaged file must not be checkpointed into when we give up on it. */
	sqlite3_db_config(s->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	err = sql_exec(s->db, "PRAGMA locking_mode = EXCLUSIVE;"
			      "PRAGMA synchronous = FULL;"
			      "PRAGMA foreign_keys = ON;"
			      "PRAGMA cell_size_check = ON;"
			      "PRAGMA secure_delete = ON;");
	if (err == TM_ECORRUPT)
		return say_damaged(s->db, d);
	if (err) {
		store_explain(err, d);
		return err;
	}

	until_ready = NULL;
	*ret_store = s;
	return TM_OK;
}

int sql_store_prepare(struct sql_store *s)
{
	static const char *const sql[] = {
#define X(name, text) [STMT_##name] = text,
		STORE_STATEMENTS(X)
#undef X
	};

	return sql_prepare(s->db, sql, STMT_N, s->stmts);
}

/* Ours, and not newer than we are? */
static int check_kind(struct sql_store *s, struct diag *d)
{
	int application, version;

	int err = sql_read_int(s->db, "PRAGMA application_id", &application);
	if (!err)
		err = sql_read_int(s->db, "PRAGMA user_version", &version);
	if (err == TM_ECORRUPT)
		return say_damaged(s->db, d);
	if (err)
		return err;
	if (application != SCHEMA_APPLICATION_ID) {
		diag_hint(d, "restore the right file from a backup; this one was left as it is");
		return diag_what(d, TM_ECORRUPT, "the mesh database is a database of some other program");
	}
	if (version > schema_version)
		return sql_refuse_newer(version, d);
	return TM_OK;
}

/* The whole file: pages, indexes against tables, CHECK and NOT NULL. A mesh of 60,000 nodes takes well under
 * a second. */
static int check_integrity(struct sql_store *s, struct diag *d)
{
	sqlite3_stmt *st;

	int rc = sqlite3_prepare_v2(s->db, "PRAGMA integrity_check(1)", -1, &st, NULL);
	if (rc != SQLITE_OK)
		return sql_error(s->db, rc);

	rc = sqlite3_step(st);
	const char *answer = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(st, 0) : NULL;
	int err = answer ? TM_OK : sql_error(s->db, rc);
	if (answer && strcmp(answer, "ok") != 0) {
		const char *line = strchr(answer, '\n'); /* behind "*** in database main ***" */

		answer = line ? line + 1 : answer;
		diag_hint(d, "restore it from a backup; the file was left as it is");
		err = diag_what(d, TM_ECORRUPT, "the mesh database is damaged: %s", answer);
	}
	sqlite3_finalize(st);
	if (err)
		return err;

	rc = sqlite3_prepare_v2(s->db, "PRAGMA foreign_key_check", -1, &st, NULL);
	if (rc != SQLITE_OK)
		return sql_error(s->db, rc);

	rc = sqlite3_step(st);
	sqlite3_finalize(st);
	if (rc == SQLITE_ROW) {
		diag_hint(d, "restore it from a backup; the file was left as it is");
		return diag_what(d, TM_ECORRUPT, "the mesh database is damaged: a client has no node");
	}
	return sql_error(s->db, rc);
}

/* Takes the write lock once; with locking_mode EXCLUSIVE it is ours from now on. */
static int take_lock(struct sql_store *s)
{
	int err = sql_exec(s->db, "BEGIN IMMEDIATE");

	return err ? err : sql_exec(s->db, "COMMIT");
}

/*
 * A program that is put back refuses what it does not know: its own database must be there for it. What is
 * committed to the write-ahead log is not yet in the file, where sql_look reads the version.
 */
static int migrate(struct sql_store *s, const char *path, struct diag *d)
{
	struct store_migration *m = &s->store.migration;
	int version;

	int err = sql_read_int(s->db, "PRAGMA user_version", &version);
	if (err || version == schema_version)
		return err;

	err = sql_keep_before(s, path, version, d);
	if (!err)
		err = schema_migrate(s->db, schema_steps, schema_version, d);
	if (!err)
		err = sql_exec(s->db, "PRAGMA wal_checkpoint(TRUNCATE)");
	if (!err)
		*m = (struct store_migration){.from = version, .to = schema_version};
	if (!err)
		snprintf(m->before, sizeof(m->before), "%s" SQL_BEFORE, path);
	return err;
}

int sql_look(const char *path, struct diag *d)
{
	const int version = sql_file_version(path);

	if (!version || version == schema_version)
		return TM_OK; /* whoever opens it says what else is wrong */
	diag_where(d, "%s", path);
	return version > schema_version ? sql_refuse_newer(version, d) : sql_look_before(path, version, d);
}

int sql_open(const char *path, struct store **ret_store, struct diag *d)
{
	struct sql_store *s;

	diag_where(d, "%s", path);
	int err = look_at_file(path, d);
	if (err)
		return err;

	err = sql_store_new(path, &s, d);
	if (err)
		return err;

	_cleanup_(store_freep) struct store *store = &s->store;
	err = check_kind(s, d);
	if (!err)
		err = take_lock(s);
	if (!err)
		err = check_integrity(s, d);
	if (!err)
		err = migrate(s, path, d);
	/* In the file's header already, unless it is a copy: those have no write-ahead log. */
	if (!err)
		err = sql_exec(s->db, "PRAGMA journal_mode = WAL");
	if (!err)
		err = sql_store_prepare(s);
	if (err) {
		store_explain(err, d);
		return err;
	}
	sqlite3_db_config(s->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
	/* It holds the mesh secret, whatever a restore from a backup made of its mode. */
	os_keep_private(path);
	*ret_store = TAKE(store);
	diag_where(d, "%s", "");
	return TM_OK;
}
