/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The database from inside: db.c (the file), db_rows.c (what its rows mean). */
#ifndef TM_CONTROL_PEERS_DB_PRIVATE_H
#define TM_CONTROL_PEERS_DB_PRIVATE_H

#include "control/peers/db.h"
#include "sql/sql.h"

struct strbuf;

#define STATEMENTS(X)                                                                                        \
	X(BEGIN, "BEGIN IMMEDIATE")                                                                          \
	X(COMMIT, "COMMIT")                                                                                  \
	X(STATE, "INSERT OR REPLACE INTO state VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?)")                       \
	X(MEMBER, "INSERT OR REPLACE INTO member VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")                     \
	X(MEMBER_GONE, "DELETE FROM member WHERE id = ?")                                                    \
	X(CONTACT, "INSERT OR REPLACE INTO contact VALUES (?, ?, ?, ?, ?)")                                  \
	X(CONTACT_GONE, "DELETE FROM contact WHERE id = ?")                                                  \
	X(POLICY, "INSERT OR REPLACE INTO policy VALUES (1, ?, ?, ?, ?)")

enum statement {
#define X(name, sql) STMT_##name,
	STATEMENTS(X)
#undef X
		STMT_N
};

struct db {
	/* set once */
	char *path;
	struct mesh_info mesh;
	char self_id[NODE_ID_LEN + 1];
	uint8_t coordinator_key[32];
	/* NULL: there is no usable file, and the next write makes one */
	sqlite3 *sql;
	bool empty; /* nothing was read: what has been told since is all there is */
	sqlite3_stmt *stmts[STMT_N];
};

/* --- db_rows.c --- */
/* A line for each relay: its id, addresses of its data socket, and behind a bar where it takes streams. What
 * is not well-formed is left out. */
void rows_relays_write(struct strbuf *b, const struct relays *r);
void rows_relays_read(const char *text, struct relays *ret_r);
/* TM_ENOENT: there is no state. TM_EVERSION: it is of another node or mesh. Version 1 is without relays. */
NODISCARD int rows_read_state(struct db *db, bool with_relays, struct db_state *ret_s, struct diag *d);
NODISCARD int rows_read_policy(struct db *db, bool with_row, struct db_state *s);
NODISCARD int rows_read(struct db *db, const struct db_reader *reader);
NODISCARD int rows_write_state(struct db *db, const struct db_state *s);
NODISCARD int rows_write_policy(struct db *db, const struct policy_kept *k);
NODISCARD int rows_write(struct db *db, const struct db_row *row);
NODISCARD int rows_run(sqlite3_stmt *st); /* sql_run; TM_ECORRUPT for a row that the schema refuses */

#endif
