/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Private to sqlite/: statements, the schema, and the functions behind store_sqlite. */
#ifndef TM_CONTROL_STORE_SQLITE_PRIVATE_H
#define TM_CONTROL_STORE_SQLITE_PRIVATE_H

#include "control/store/ops.h"
#include "control/store/sqlite/sqlite.h"
#include "sql/sql.h"

#define NODE_COLUMNS                                                                                         \
	"id, name, key, ed, host, kind, coordinator, ephemeral, via, token, tags, os, version, created, "    \
	"last_seen, routes"
/* Those of `of`, in the order of names. */
#define NODE_ALIASES(of)                                                                                     \
	"(SELECT group_concat(name, ' ') FROM (SELECT name FROM alias WHERE node = " of ".id ORDER BY "      \
	"name))"
#define NODE_COLUMNS_OF_N                                                                                    \
	"n.id, n.name, n.key, n.ed, n.host, n.kind, n.coordinator, n.ephemeral, n.via, n.token, n.tags, "    \
	"n.os, "                                                                                             \
	"n.version, n.created, n.last_seen, n.routes, " NODE_ALIASES("n")
#define POLICY_COLUMNS "version, accepted, who, length(CAST(text AS BLOB))"
#define EVENT_COLUMNS "number, at, kind, id, about, detail, who, who_id, door"
#define TOKEN_COLUMNS "id, secret_hash, uses, used, created, expires, revoked, ephemeral, tags"
/* About the member ?3 or by it: two indices that are read side by side, so that a page costs a page. */
#define EVENTS_OF_SQL(side, order)                                                                           \
	"SELECT " EVENT_COLUMNS " FROM event WHERE id = ?3 AND number " side                                 \
	" ?1 AND at >= ?2 UNION ALL SELECT " EVENT_COLUMNS                                                   \
	" FROM event WHERE who_id = ?3 AND id <> ?3 AND number " side " ?1 AND at >= ?2 "                    \
	"ORDER BY number" order

#define STORE_STATEMENTS(X)                                                                                  \
	X(BEGIN, "BEGIN IMMEDIATE")                                                                          \
	X(COMMIT, "COMMIT")                                                                                  \
	X(ROLLBACK, "ROLLBACK")                                                                              \
	X(MESH_LOAD, "SELECT name, net4, net6, secret, created, zone FROM mesh")                             \
	X(MESH_INSERT, "INSERT INTO mesh (one, name, net4, net6, secret, created, zone) VALUES (1, ?, ?, "   \
		       "?, ?, ?, ?)")                                                                        \
	X(NODE_EACH, "SELECT " NODE_COLUMNS ", " NODE_ALIASES("node") " FROM node ORDER BY kind, host")      \
	X(NODE_BY_KEY, "SELECT " NODE_COLUMNS ", " NODE_ALIASES("node") " FROM node WHERE key = ?")          \
	X(NODE_NAME_TAKEN, "SELECT EXISTS (SELECT 1 FROM node WHERE name = ?1 UNION ALL SELECT 1 FROM "      \
			   "alias WHERE name = ?1)")                                                         \
	X(NODE_INSERT,                                                                                       \
		"INSERT INTO node (" NODE_COLUMNS ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "  \
		"?)")                                                                                        \
	X(NODE_AND_CLIENTS, "SELECT id FROM node WHERE id = ?1 OR via = ?1 ORDER BY kind DESC")              \
	X(NODE_RENAME, "UPDATE node SET name = ?2 WHERE id = ?1")                                            \
	X(NODE_THERE, "SELECT EXISTS (SELECT 1 FROM node WHERE id = ?)")                                     \
	X(ALIAS_TAKEN, "SELECT EXISTS (SELECT 1 FROM alias WHERE name = ?)")                                 \
	X(ALIAS_ADD, "INSERT INTO alias (name, node) SELECT ?1, ?2 WHERE NOT EXISTS (SELECT 1 FROM node "    \
		     "WHERE name = ?1)")                                                                     \
	X(ALIAS_DROP, "DELETE FROM alias WHERE node = ?1 AND (?2 IS NULL OR name = ?2)")                     \
	X(NODE_TAG, "UPDATE node SET tags = ?2 WHERE id = ?1")                                               \
	X(NODE_ROUTES, "UPDATE node SET routes = ?2 WHERE id = ?1")                                          \
	X(NODE_REMOVE, "DELETE FROM node WHERE id = ?")                                                      \
	X(NODE_TOUCH, "UPDATE node SET os = ?2, version = ?3, last_seen = ?4 WHERE id = ?1")                 \
	/* The numbers are given in a round; free_host is where it has come to. */                           \
	X(HOST_ROUND, "SELECT free_host FROM mesh")                                                          \
	X(HOST_NEXT, "SELECT CASE WHEN NOT EXISTS (SELECT 1 FROM node WHERE host = ?1) THEN ?1 ELSE "        \
		     "(SELECT host + 1 FROM node AS n WHERE host >= ?1 AND NOT EXISTS (SELECT 1 FROM node "  \
		     "WHERE host = n.host + 1) ORDER BY host LIMIT 1) END")                                  \
	X(HOST_TAKEN, "UPDATE mesh SET free_host = ?1")                                                      \
	X(CHANGE_ADD,                                                                                        \
		"INSERT INTO change (number, salt, id) VALUES (1 + (SELECT coalesce(max(number), 0) FROM "   \
		"change), ?, ?)")                                                                            \
	X(CHANGE_PRUNE, "DELETE FROM change WHERE number <= (SELECT max(number) FROM change) - ?")           \
	X(CHANGE_EACH,                                                                                       \
		"SELECT " NODE_COLUMNS_OF_N ", c.number, c.salt, c.id FROM change AS c LEFT JOIN node AS n " \
		"ON n.id = c.id WHERE c.number > ? ORDER BY c.number")                                       \
	X(TOKEN_EACH, "SELECT " TOKEN_COLUMNS " FROM token ORDER BY created DESC, id")                       \
	X(TOKEN_BY_ID, "SELECT " TOKEN_COLUMNS " FROM token WHERE id = ?")                                   \
	X(TOKEN_INSERT, "INSERT INTO token (" TOKEN_COLUMNS ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)")          \
	X(TOKEN_SPEND, "UPDATE token SET used = used + 1 WHERE id = ?1 AND used < uses AND revoked = 0 AND " \
		       "expires > ?2")                                                                       \
	X(TOKEN_GIVE_BACK, "UPDATE token SET used = used - 1 WHERE id = ? AND used > 0")                     \
	X(TOKEN_PRUNE, "DELETE FROM token WHERE (expires < ?1 OR (created < ?1 AND (revoked = 1 OR used >= " \
		       "uses))) "                                                                            \
		       "AND id NOT IN (SELECT token FROM node WHERE token IS NOT NULL)")                     \
	X(TOKEN_REVOKE, "UPDATE token SET revoked = 1 WHERE id = ?")                                         \
	X(POLICY_IN_FORCE,                                                                                   \
		"SELECT " POLICY_COLUMNS ", text, nodes FROM policy ORDER BY version DESC LIMIT 1")          \
	X(POLICY_BY_VERSION, "SELECT " POLICY_COLUMNS ", text, nodes FROM policy WHERE version = ?")         \
	X(POLICY_EACH, "SELECT " POLICY_COLUMNS " FROM policy ORDER BY version DESC")                        \
	X(POLICY_ADD, "INSERT INTO policy (accepted, who, text, nodes) VALUES (?, ?, ?, ?)")                 \
	X(POLICY_PRUNE, "DELETE FROM policy WHERE version <= (SELECT max(version) FROM policy) - ?")         \
	X(EVENT_ADD, "INSERT INTO event (at, kind, id, about, detail, who, who_id, door) VALUES (?, ?, ?, "  \
		     "?, ?, ?, ?, ?)")                                                                       \
	X(EVENT_EACH, "SELECT " EVENT_COLUMNS " FROM event WHERE number > ?1 AND at >= ?2 ORDER BY number")  \
	X(EVENT_BACK,                                                                                        \
		"SELECT " EVENT_COLUMNS " FROM event WHERE number < ?1 AND at >= ?2 ORDER BY number DESC")   \
	X(EVENTS_OF, EVENTS_OF_SQL(">", ""))                                                                 \
	X(EVENTS_OF_BACK, EVENTS_OF_SQL("<", " DESC"))                                                       \
	X(EVENT_PRUNE, "DELETE FROM event WHERE at < ?1 "                                                    \
		       "OR (door IN (?2, ?3) AND number <= (SELECT number FROM event WHERE door IN (?2, "    \
		       "?3) ORDER BY number DESC LIMIT 1 OFFSET ?4)) "                                       \
		       "OR (door = ?5 AND number <= (SELECT number FROM event WHERE door = ?5 "              \
		       "ORDER BY number DESC LIMIT 1 OFFSET ?4)) "                                           \
		       "OR (door NOT IN (?2, ?3, ?5) AND number <= (SELECT number FROM event WHERE door "    \
		       "NOT IN (?2, ?3, ?5) ORDER BY number DESC LIMIT 1 OFFSET ?4))")

enum sql_stmt_id {
#define X(name, sql) STMT_##name,
	STORE_STATEMENTS(X)
#undef X
		STMT_N
};

struct sql_store {
	struct store store;
	sqlite3 *db;
	sqlite3_stmt *stmts[STMT_N];
	bool in_transaction;
};

static inline struct sql_store *sql_of(struct store *s)
{
	return CONTAINER_OF(s, struct sql_store, store);
}

/* schema.c: "TMsh", PRAGMA application_id. */
#define SCHEMA_APPLICATION_ID 0x544d7368
/* Ordered: steps[n] takes a database from version n to n + 1. */
struct schema_step {
	const char *sql;
};
extern const struct schema_step schema_steps[];
extern const int schema_version; /* = number of steps */
/* All steps and the new version in one transaction: who is cut off in the middle leaves what was there, of a
 * version that its program knows. */
NODISCARD int schema_migrate(sqlite3 *db, const struct schema_step *steps, int n_steps, struct diag *d);

#define SQL_BEFORE ".before"
/*
 * before.c: what is there becomes PATH.before, and the one of the migration before that PATH.before.1; those
 * that are older go. A migration that is tried again drives neither out. Mode 0600, durable. Whoever goes
 * back to an older program needs the one that it wrote.
 */
NODISCARD int sql_keep_before(struct sql_store *s, const char *path, int version, struct diag *d);
/* Is there room for that? TM_ENOSPACE with the same sentence. */
NODISCARD int sql_look_before(const char *path, int version, struct diag *d);
/* The user version in the head of that file, by which no lock is taken; 0: that is no database. */
int sql_file_version(const char *path);
/* The sentence of TM_EVERSION. */
int sql_refuse_newer(int version, struct diag *d);

/* open.c: an open connection with every setting made, nothing checked yet. */
NODISCARD int sql_store_new(const char *path, struct sql_store **ret_store, struct diag *d);
NODISCARD int sql_store_prepare(struct sql_store *s);

/* sqlite.c */
sqlite3_stmt *sql_stmt(struct sql_store *s, enum sql_stmt_id which); /* reset, bindings cleared */

/* Tags are one text column, separated by blanks: they are only ever read whole. */
enum { TAGS_TEXT_MAX = NODE_TAGS_MAX * (NODE_TAG_MAX + 1) + 1 };
void tags_join(const char (*tags)[NODE_TAG_MAX + 1], size_t n, char out[static TAGS_TEXT_MAX]);

/* store_sqlite: create.c, event.c, open.c, mesh.c, node.c, token.c, policy.c */
int sql_create(const char *path, const struct store_mesh *mesh, const struct store_node *first,
	const struct store_policy *policy, struct diag *d);
int sql_look(const char *path, struct diag *d);
int sql_open(const char *path, struct store **ret_store, struct diag *d);
int sql_copy(struct store *store, const char *to);
int sql_mesh_load(struct store *store, struct store_mesh *ret_mesh);
int sql_node_each(struct store *store, store_node_fn *fn, void *ctx);
int sql_node_find_key(struct store *store, const uint8_t key[static 32], struct store_node *ret_node);
int sql_node_name_taken(struct store *store, const char *name, bool *ret_taken);
int sql_node_insert(struct store *store, struct store_node *n, uint32_t hosts_max);
int sql_node_rename(struct store *store, const char *id, const char *name);
int sql_node_aliases(struct store *store, const char *id, const struct node_aliases *aliases);
int sql_node_tag(struct store *store, const char *id, const char (*tags)[NODE_TAG_MAX + 1], size_t n);
int sql_node_routes(struct store *store, const char *id, const struct node_routes *routes);
int sql_node_remove(struct store *store, const char *id);
int sql_node_touch(
	struct store *store, const char *id, const char *os, const char *version, int64_t last_seen);
int sql_change_each(struct store *store, uint64_t version, store_change_fn *fn, void *ctx);
int sql_token_each(struct store *store, store_token_fn *fn, void *ctx);
int sql_token_insert(struct store *store, const struct store_token *t);
int sql_token_by_id(struct store *store, const uint8_t id[static TOKEN_ID], struct store_token *ret_token);
int sql_token_spend(struct store *store, const uint8_t id[static TOKEN_ID], int64_t now);
int sql_token_give_back(struct store *store, const uint8_t id[static TOKEN_ID]);
int sql_token_prune(struct store *store, int64_t before);
int sql_token_revoke(struct store *store, const uint8_t id[static TOKEN_ID]);
int sql_event_add(struct store *store, struct event *e);
int sql_event_each(struct store *store, const struct store_events *which, store_event_fn *fn, void *ctx);
int sql_policy_load(struct store *store, uint64_t version, struct store_policy *ret_p);
int sql_policy_add(struct store *store, struct store_policy *p);
int sql_policy_each(struct store *store, store_policy_fn *fn, void *ctx);

#endif
