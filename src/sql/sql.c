/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sql/sql.h"

#include <errno.h>
#include <string.h>

static int system_error(sqlite3 *db)
{
	int e = db ? sqlite3_system_errno(db) : 0;

	if (e == ENOSPC || e == EDQUOT)
		return TM_ENOSPACE;
	if (e == EACCES || e == EPERM || e == EROFS)
		return TM_EPERM;
	return TM_EIO;
}

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
	case SQLITE_MISMATCH: /* likewise: a column has another type than the values that we put there */
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
		return system_error(db);
	default:
		return TM_EIO;
	}
}

static int connect_as(const char *name, int flags, sqlite3 **ret_db)
{
	sqlite3 *db = NULL;
	int rc = sqlite3_open_v2(name, &db, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
	int err = sql_error(db, rc);

	if (err) {
		sqlite3_close(db);
		return err;
	}
	/* A damaged or foreign schema must not run anything. */
	sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
	*ret_db = db;
	return TM_OK;
}

int sql_connect(const char *path, sqlite3 **ret_db)
{
	return connect_as(path, SQLITE_OPEN_READWRITE, ret_db);
}

int sql_connect_read_only(const char *path, sqlite3 **ret_db)
{
	sqlite3_str *uri = sqlite3_str_new(NULL);

	/* Only when it is told that the file cannot change SQLite makes do without a log beside it. */
	sqlite3_str_appendall(uri, "file:");
	for (const char *p = path; *p; p++)
		sqlite3_str_appendf(uri, strchr("%?#", *p) ? "%%%02x" : "%c", (unsigned char)*p);
	sqlite3_str_appendall(uri, "?immutable=1");
	char *name = sqlite3_str_finish(uri);
	int err = name ? connect_as(name, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, ret_db) : TM_ENOMEM;

	sqlite3_free(name);
	return err;
}

int sql_exec(sqlite3 *db, const char *sql)
{
	return sql_error(db, sqlite3_exec(db, sql, NULL, NULL, NULL));
}

int sql_read_int(sqlite3 *db, const char *pragma, int *ret_value)
{
	sqlite3_stmt *st;
	int rc = sqlite3_prepare_v2(db, pragma, -1, &st, NULL);

	if (rc != SQLITE_OK)
		return sql_error(db, rc);

	int err = sql_row(st);
	if (!err)
		*ret_value = sqlite3_column_int(st, 0);
	sqlite3_finalize(st);
	return err;
}

int sql_prepare(sqlite3 *db, const char *const *sql, size_t n, sqlite3_stmt **stmts)
{
	int rc = SQLITE_OK;

	for (size_t i = 0; i < n && rc == SQLITE_OK; i++)
		rc = sqlite3_prepare_v3(db, sql[i], -1, SQLITE_PREPARE_PERSISTENT, &stmts[i], NULL);
	return sql_error(db, rc);
}

void sql_finalize(sqlite3_stmt **stmts, size_t n)
{
	for (size_t i = 0; i < n; i++)
		sqlite3_finalize(TAKE(stmts[i]));
}

int sql_run(sqlite3_stmt *st)
{
	int err = sql_error(sqlite3_db_handle(st), sqlite3_step(st));

	sqlite3_reset(st);
	sqlite3_clear_bindings(st);
	return err;
}

int sql_row(sqlite3_stmt *st)
{
	int rc = sqlite3_step(st);

	if (rc == SQLITE_ROW)
		return TM_OK;

	int err = rc == SQLITE_DONE ? TM_ENOENT : sql_error(sqlite3_db_handle(st), rc);
	sqlite3_reset(st);
	return err;
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
