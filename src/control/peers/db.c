/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "control/peers/db_private.h"

#include "os/files.h"
#include "os/os.h"

#include <stdio.h>
#include <string.h>

enum { APPLICATION_ID = 0x544d6e6d /* "TMnm" */, SCHEMA_VERSION = 6 };

/* Told again or found out again when the machine loses power between two checkpoints; so no fsync per
 * transaction. The file itself stays whole. */
static const char settings[] =
	"PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
	"PRAGMA wal_autocheckpoint = 256; PRAGMA cache_size = -256;"
	"PRAGMA cell_size_check = ON;";

/* By itself: the row of the state is written often, and this is long. */
#define POLICY_TABLE                                                                                         \
	"CREATE TABLE policy (one INTEGER PRIMARY KEY CHECK (one = 1), version INTEGER, digest TEXT, text "  \
	"TEXT, nodes TEXT);"
/* There is always a row, so that one that is missing was lost. */
#define POLICY_NONE "INSERT OR IGNORE INTO policy VALUES (1, 0, '', '', '');"

static const char schema[] = "CREATE TABLE state (one INTEGER PRIMARY KEY CHECK (one = 1), self TEXT, "
			     "coordinator_key BLOB, version INTEGER,"
			     " members INTEGER, at TEXT, data_port INTEGER, pace_ms INTEGER, addresses TEXT, "
			     "relays TEXT);"
			     "CREATE TABLE member (id TEXT PRIMARY KEY, name TEXT, host INTEGER, key BLOB, "
			     "kind INTEGER, coordinator INTEGER,"
			     " via TEXT, tags TEXT, routes TEXT, aliases TEXT) WITHOUT ROWID;"
			     "CREATE TABLE contact (id TEXT PRIMARY KEY, worked TEXT, candidates TEXT, "
			     "handshake BLOB, checked INTEGER)"
			     " WITHOUT ROWID;" POLICY_TABLE POLICY_NONE;

/* What older ones lack is told again; what else they have, such as stamps against replays, nobody would. With
 * the version of the map forgotten, the routes and aliases of all members come with the next one. */
static const char *const from_version[SCHEMA_VERSION] = {
	[1] = "BEGIN; ALTER TABLE state ADD COLUMN relays TEXT; PRAGMA user_version = 2; COMMIT",
	[2] = "BEGIN;" POLICY_TABLE "PRAGMA user_version = 3; COMMIT",
	[3] = "BEGIN; ALTER TABLE member ADD COLUMN routes TEXT; UPDATE state SET version = 0;"
	      "PRAGMA user_version = 4; COMMIT",
	[4] = "BEGIN;" POLICY_NONE "PRAGMA user_version = 5; COMMIT",
	[5] = "BEGIN; ALTER TABLE member ADD COLUMN aliases TEXT; UPDATE state SET version = 0;"
	      "PRAGMA user_version = 6; COMMIT",
};

static int explain(const struct db *db, int err, struct diag *d)
{
	if (err && db->sql)
		diag_what(d, err, "%s", sqlite3_errmsg(db->sql));
	else if (err)
		diag_what(d, err, "%s", tm_strerror(err));
	return err;
}

/* --- the file --- */

static void close_file(struct db *db)
{
	sql_finalize(db->stmts, STMT_N);
	sqlite3_close(TAKE(db->sql));
}

enum open_how { TO_WRITE, TO_READ };

static int open_file(struct db *db, enum open_how how)
{
	int err =
		how == TO_READ ? sql_connect_read_only(db->path, &db->sql) : sql_connect(db->path, &db->sql);

	return err || how == TO_READ ? err : sql_exec(db->sql, settings);
}

static int prepare(struct db *db)
{
	static const char *const text[] = {
#define X(name, sql) [STMT_##name] = sql,
		STATEMENTS(X)
#undef X
	};

	return sql_prepare(db->sql, text, STMT_N, db->stmts);
}

static void remove_file(struct db *db)
{
	static const char *const suffixes[] = {"", "-wal", "-journal", "-shm"};

	close_file(db);
	for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
		char *name = sqlite3_mprintf("%s%s", db->path, suffixes[i]);

		if (name)
			(void)os_remove_file(name); /* what stays is found by whoever opens it */
		sqlite3_free(name);
	}
}

/* Any error but TM_ENOENT, with a sentence: there is no file then. */
static int make_anew(struct db *db, struct diag *d)
{
	char kind[96];

	remove_file(db);
	int err = os_write_file(db->path, "", 0, 0600, d); /* an empty file is an empty database */
	if (err)
		return err == TM_ENOENT ? TM_EIO : err;

	snprintf(kind, sizeof(kind), "PRAGMA application_id = %d; PRAGMA user_version = %d", APPLICATION_ID,
		SCHEMA_VERSION);
	err = open_file(db, TO_WRITE);
	if (!err)
		err = sql_exec(db->sql, schema);
	if (!err)
		err = sql_exec(db->sql, kind);
	if (!err)
		err = prepare(db);
	if (err) {
		explain(db, err, d);
		close_file(db);
	}
	return err;
}

int db_new(const struct db_config *cfg, struct db **ret_db)
{
	struct db *db = calloc(1, sizeof(*db));

	if (!db)
		return TM_ENOMEM;

	db->mesh.net4 = cfg->mesh->net4;
	db->mesh.net6 = cfg->mesh->net6;
	snprintf(db->self_id, sizeof(db->self_id), "%s", cfg->self_id);
	memcpy(db->coordinator_key, cfg->coordinator_key, sizeof(db->coordinator_key));
	db->path = strdup(cfg->path);
	if (!db->path) {
		db_free(db);
		return TM_ENOMEM;
	}
	*ret_db = db;
	return TM_OK;
}

void db_free(struct db *db)
{
	if (!db)
		return;
	close_file(db);
	free(db->path);
	free(db);
}

void db_distrust(struct db *db)
{
	close_file(db);
}

/* --- reading and writing it --- */

static int read_file(
	struct db *db, enum open_how how, const struct db_reader *reader, struct db_state *s, struct diag *d)
{
	int application, version, err = open_file(db, how);

	if (!err)
		err = sql_read_int(db->sql, "PRAGMA application_id", &application);
	if (!err)
		err = sql_read_int(db->sql, "PRAGMA user_version", &version);
	if (!err && (application != APPLICATION_ID || version < 1 || version > SCHEMA_VERSION))
		err = diag_what(
			d, TM_EVERSION, "it was made by another program or another version of this one");
	for (; !err && version < SCHEMA_VERSION && how == TO_WRITE; version++)
		err = sql_exec(db->sql, from_version[version]);
	if (!err)
		err = rows_read_state(db, version > 1, s, d);
	if (!err && version > 2)
		err = rows_read_policy(db, version > 4, s);
	if (!err)
		err = rows_read(db, reader);
	if (!err && how == TO_WRITE)
		err = prepare(db);
	return err == TM_EVERSION ? err : explain(db, err, d);
}

int db_load(struct db *db, const struct db_reader *reader, struct db_state *ret_state, struct diag *d)
{
	struct db_state s = {0};
	bool there = os_find(db->path) == TM_OK;
	int why = there ? read_file(db, TO_WRITE, reader, &s, d) : TM_ENOENT;
	/* On a read-only disk SQLite fails to lock it for writing, which it calls an I/O error. A full one
	 * may have no room for a log, or for a new column. */
	bool writable = why != TM_EPERM && why != TM_EIO && why != TM_ENOSPACE;

	if (!writable) {
		close_file(db);
		why = read_file(db, TO_READ, reader, &s, d);
	}
	if (!why)
		*ret_state = s;
	else
		policy_kept_deinit(&s.policy);
	if (why || !writable) /* what is written next, if that can be, is a new one */
		close_file(db);
	db->empty = why != TM_OK;
	return why;
}

static int write_all(struct db *db, const struct db_state *state, const struct db_row *rows, size_t n)
{
	int err = rows_run(db->stmts[STMT_BEGIN]);

	for (size_t i = 0; i < n && !err; i++)
		err = rows_write(db, &rows[i]);
	if (!err)
		err = rows_write_state(db, state);
	if (!err && state->policy_changed)
		err = rows_write_policy(db, &state->policy);
	if (!err)
		err = rows_run(db->stmts[STMT_COMMIT]);
	return err;
}

static int begin_anew(struct db *db, struct diag *d)
{
	int err = make_anew(db, d);

	return err ? err : TM_EAGAIN;
}

int db_write(struct db *db, const struct db_state *state, const struct db_row *rows, size_t n, struct diag *d)
{
	bool fresh = !db->sql;

	if (fresh && !db->empty)
		return begin_anew(db, d);

	int err = fresh ? make_anew(db, d) : TM_OK;
	if (err)
		return err;

	err = write_all(db, state, rows, n);
	if (!err) {
		db->empty = false;
		return TM_OK;
	}
	if (err == TM_ECORRUPT && !fresh)
		return begin_anew(db, d);

	explain(db, err, d);
	if (!sqlite3_get_autocommit(db->sql)) /* some errors have undone everything already */
		sqlite3_exec(db->sql, "ROLLBACK", NULL, NULL, NULL);
	if (fresh)
		close_file(db); /* half of a new one is none */
	return err;
}
