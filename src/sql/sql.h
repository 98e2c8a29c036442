/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What all our databases have in common: how an SQLite file is opened, what its results mean, how values get
 * into a statement and out of a row. The tables are their owners' business: the mesh's are of
 * control/store/sqlite, those of what a node knows of control/peers. A connection is used by one thread at a
 * time.
 */
#ifndef TM_SQL_SQL_H
#define TM_SQL_SQL_H

#include "base/err.h"
#include "base/util.h"

#include <sqlite3.h>

/*
 * TM_E* for a result of SQLite. TM_EEXIST: the row breaks a rule of the schema. TM_ECORRUPT: the file is
 * damaged, or its schema is not the one that the statement was written for. db may be NULL; it knows which
 * error of the system is behind TM_EIO.
 */
int sql_error(sqlite3 *db, int rc);

/* Opens a file that is there, for reading and writing. No trigger of it runs, and no function that its schema
 * names. */
NODISCARD int sql_connect(const char *path, sqlite3 **ret_db);
/* The same on a disk to which nobody can write: what was committed before the last clean end is there. */
NODISCARD int sql_connect_read_only(const char *path, sqlite3 **ret_db);
/* One or several statements without parameters or rows. */
NODISCARD int sql_exec(sqlite3 *db, const char *sql);
/* What a pragma answers. */
NODISCARD int sql_read_int(sqlite3 *db, const char *pragma, int *ret_value);

/* Statements for the life of a connection. On failure those before it are there; sql_finalize takes all. */
NODISCARD int sql_prepare(sqlite3 *db, const char *const *sql, size_t n, sqlite3_stmt **stmts);
void sql_finalize(sqlite3_stmt **stmts, size_t n); /* they are NULL then */

/* Runs a statement that returns no rows; its bindings are gone then. */
NODISCARD int sql_run(sqlite3_stmt *st);
/* One row: TM_OK with st on it (the caller resets), TM_ENOENT when there is none. */
NODISCARD int sql_row(sqlite3_stmt *st);

/* Both copy. */
void bind_text(sqlite3_stmt *st, int at, const char *text);
void bind_blob(sqlite3_stmt *st, int at, const void *p, size_t n);
/* TM_ECORRUPT: not a text that fits out; not a blob of exactly n bytes. */
NODISCARD int column_text(sqlite3_stmt *st, int at, char *out, size_t out_len);
NODISCARD int column_blob(sqlite3_stmt *st, int at, void *out, size_t n);

#endif
