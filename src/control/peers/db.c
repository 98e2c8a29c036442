/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "control/peers/db.h"

#include "base/secret.h"
#include "base/strbuf.h"
#include "os/os.h"

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { APPLICATION_ID = 0x544d6e6d /* "TMnm" */, SCHEMA_VERSION = 1, ADDRESSES_TEXT_MAX = 4096 };

/* Told again or found out again when the machine loses power between two checkpoints; so no fsync per
 * transaction. The file itself stays whole. */
static const char settings[] =
	"PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
	"PRAGMA wal_autocheckpoint = 256; PRAGMA cache_size = -256;"
	"PRAGMA cell_size_check = ON;";

static const char schema[] = "CREATE TABLE state (one INTEGER PRIMARY KEY CHECK (one = 1), self TEXT, "
			     "coordinator_key BLOB, version INTEGER,"
			     " members INTEGER, at TEXT, data_port INTEGER, pace_ms INTEGER, addresses TEXT);"
			     "CREATE TABLE member (id TEXT PRIMARY KEY, name TEXT, host INTEGER, key BLOB, "
			     "kind INTEGER, coordinator INTEGER,"
			     " via TEXT, tags TEXT) WITHOUT ROWID;"
			     "CREATE TABLE contact (id TEXT PRIMARY KEY, worked TEXT, candidates TEXT, "
			     "handshake BLOB, checked INTEGER)"
			     " WITHOUT ROWID;";

#define STATEMENTS(X)                                                                                        \
	X(BEGIN, "BEGIN IMMEDIATE")                                                                          \
	X(COMMIT, "COMMIT")                                                                                  \
	X(STATE, "INSERT OR REPLACE INTO state VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?)")                          \
	X(MEMBER, "INSERT OR REPLACE INTO member VALUES (?, ?, ?, ?, ?, ?, ?, ?)")                           \
	X(MEMBER_GONE, "DELETE FROM member WHERE id = ?")                                                    \
	X(CONTACT, "INSERT OR REPLACE INTO contact VALUES (?, ?, ?, ?, ?)")                                  \
	X(CONTACT_GONE, "DELETE FROM contact WHERE id = ?")

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

static int error_of(int rc)
{
	switch (rc & 0xff) {
	case SQLITE_OK:
	case SQLITE_DONE:
	case SQLITE_ROW:
		return TM_OK;
	case SQLITE_NOMEM:
		return TM_ENOMEM;
	case SQLITE_FULL:
		return TM_ENOSPACE;
	case SQLITE_PERM:
	case SQLITE_READONLY:
	case SQLITE_CANTOPEN:
	case SQLITE_AUTH:
		return TM_EPERM;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return TM_EBUSY;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return TM_ECORRUPT;
	case SQLITE_ERROR: /* a table or column that is not there */
	case SQLITE_CONSTRAINT:
	case SQLITE_MISMATCH:
		return TM_ECORRUPT;
	default:
		return TM_EIO;
	}
}

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
	for (size_t i = 0; i < STMT_N; i++)
		sqlite3_finalize(db->stmts[i]);
	memset(db->stmts, 0, sizeof(db->stmts));
	sqlite3_close(db->sql);
	db->sql = NULL;
}

static int open_file(struct db *db)
{
	int rc = sqlite3_open_v2(db->path, &db->sql,
		SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
	int err = error_of(rc);

	if (err) {
		close_file(db);
		return err;
	}
	sqlite3_db_config(db->sql, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(db->sql, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_db_config(db->sql, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
	return error_of(sqlite3_exec(db->sql, settings, NULL, NULL, NULL));
}

static int prepare(struct db *db)
{
	static const char *const text[] = {
#define X(name, sql) [STMT_##name] = sql,
		STATEMENTS(X)
#undef X
	};
	int err = TM_OK;

	for (size_t i = 0; i < STMT_N && !err; i++)
		err = error_of(sqlite3_prepare_v3(
			db->sql, text[i], -1, SQLITE_PREPARE_PERSISTENT, &db->stmts[i], NULL));
	return err;
}

static void remove_file(struct db *db)
{
	static const char *const suffixes[] = {"", "-wal", "-journal", "-shm"};

	close_file(db);
	for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
		char *name = sqlite3_mprintf("%s%s", db->path, suffixes[i]);

		if (name)
			(void)unlink(name); /* what stays is found by whoever opens it */
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
	err = open_file(db);
	if (!err)
		err = error_of(sqlite3_exec(db->sql, schema, NULL, NULL, NULL));
	if (!err)
		err = error_of(sqlite3_exec(db->sql, kind, NULL, NULL, NULL));
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

/* --- texts of several values --- */

static void candidates_write(struct strbuf *b, const struct candidates *c)
{
	char ep[ENDPOINT_STR_LEN];

	for (size_t i = 0; i < c->n; i++)
		strbuf_printf(
			b, "%s %s\n", candidate_type_name(c->v[i].type), endpoint_format(&c->v[i].ep, ep));
}

static void candidates_read(const char *text, struct candidates *c)
{
	char type[8], ep[ENDPOINT_STR_LEN];
	int n = 0;

	for (c->n = 0; c->n < CANDIDATES_MAX && sscanf(text, "%7s %71s\n%n", type, ep, &n) == 2; text += n) {
		struct candidate *at = &c->v[c->n];

		if (candidate_type_parse(type, &at->type) == TM_OK && endpoint_parse(ep, &at->ep) == TM_OK)
			c->n++;
	}
}

static void addresses_read(const char *text, struct coordinator_known *known)
{
	while (*text && known->n_addresses < TOKEN_ADDRS_MAX) {
		size_t len = strcspn(text, "\n");

		if (len && len < TOKEN_ADDR_LEN) {
			memcpy(known->addresses[known->n_addresses], text, len);
			known->addresses[known->n_addresses++][len] = '\0';
		}
		text += len + (text[len] == '\n');
	}
}

static void endpoint_read(const char *text, struct endpoint *ret_ep)
{
	if (endpoint_parse(text, ret_ep) != TM_OK)
		*ret_ep = (struct endpoint){0};
}

/* --- reading --- */

static const char *text_at(sqlite3_stmt *st, int column)
{
	const unsigned char *s = sqlite3_column_text(st, column);

	return s ? (const char *)s : "";
}

/* The whole of a fixed-size field, or nothing of it. */
static bool blob_at(sqlite3_stmt *st, int column, void *ret_p, size_t n)
{
	const void *p = sqlite3_column_blob(st, column);

	if (!p || sqlite3_column_bytes(st, column) != (int)n)
		return false;
	memcpy(ret_p, p, n);
	return true;
}

static bool copy_text(char *to, size_t room, const char *text, bool (*valid)(const char *))
{
	size_t n = strnlen(text, room);

	if (n == room || !valid(text))
		return false;
	memcpy(to, text, n + 1);
	return true;
}

static bool tags_read(const char *text, struct node_rec *r)
{
	while (*text) {
		size_t n = strcspn(text, " ");

		if (r->n_tags == NODE_TAGS_MAX || n > NODE_TAG_MAX)
			return false;
		memcpy(r->tags[r->n_tags], text, n);
		r->tags[r->n_tags][n] = '\0';
		if (!node_tag_valid(r->tags[r->n_tags++]))
			return false;
		text += n + (text[n] == ' ');
	}
	return true;
}

static bool member_read(const struct db *db, sqlite3_stmt *st, struct node_rec *r)
{
	int64_t host = sqlite3_column_int64(st, 2);

	if (!copy_text(r->id, sizeof(r->id), text_at(st, 0), node_id_valid) ||
		!copy_text(r->name, sizeof(r->name), text_at(st, 1), node_name_valid))
		return false;
	if (host < 1 || host > mesh_hosts_max(&db->mesh.net4, &db->mesh.net6))
		return false;
	if (!blob_at(st, 3, r->key, sizeof(r->key)) || ct_is_zero(r->key, sizeof(r->key)))
		return false;

	r->host = (uint32_t)host;
	r->kind = sqlite3_column_int(st, 4) ? NODE_CLIENT : NODE_MESH;
	r->coordinator = sqlite3_column_int(st, 5) != 0;
	if (r->kind == NODE_CLIENT && !copy_text(r->via, sizeof(r->via), text_at(st, 6), node_id_valid))
		return false;
	return tags_read(text_at(st, 7), r);
}

static bool contact_read(sqlite3_stmt *st, struct db_contact *c)
{
	if (!copy_text(c->id, sizeof(c->id), text_at(st, 0), node_id_valid))
		return false;

	endpoint_read(text_at(st, 1), &c->worked);
	candidates_read(text_at(st, 2), &c->candidates);
	if (!blob_at(st, 3, c->stamps.handshake, sizeof(c->stamps.handshake)))
		memset(c->stamps.handshake, 0, sizeof(c->stamps.handshake));
	c->stamps.check = (uint64_t)sqlite3_column_int64(st, 4);
	return true;
}

static int read_all(struct db *db, const char *query, const struct db_reader *reader, bool contacts)
{
	sqlite3_stmt *st;
	int rc = sqlite3_prepare_v2(db->sql, query, -1, &st, NULL);

	if (rc != SQLITE_OK)
		return error_of(rc);

	while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		struct db_contact contact = {.id = ""};
		struct node_rec member = {.id = ""};

		if (contacts && contact_read(st, &contact))
			reader->contact(reader->ctx, &contact);
		else if (!contacts && member_read(db, st, &member))
			reader->member(reader->ctx, &member);
	}
	sqlite3_finalize(st);
	return error_of(rc);
}

static int read_int(struct db *db, const char *pragma, int *ret_n)
{
	sqlite3_stmt *st;
	int rc = sqlite3_prepare_v2(db->sql, pragma, -1, &st, NULL);

	if (rc != SQLITE_OK)
		return error_of(rc);

	rc = sqlite3_step(st);
	*ret_n = rc == SQLITE_ROW ? sqlite3_column_int(st, 0) : -1;
	sqlite3_finalize(st);
	return error_of(rc);
}

/* A state directory may have been used before, by another node or in another mesh. */
static int read_state(struct db *db, struct db_state *s, struct diag *d)
{
	uint8_t key[32];
	sqlite3_stmt *st;
	int rc = sqlite3_prepare_v2(db->sql,
		"SELECT self, coordinator_key, version, members, at, data_port, pace_ms, addresses FROM "
		"state",
		-1, &st, NULL);

	if (rc != SQLITE_OK)
		return error_of(rc);

	rc = sqlite3_step(st);
	int err = rc == SQLITE_ROW ? TM_OK : rc == SQLITE_DONE ? TM_ENOENT : error_of(rc);
	if (!err && (strcmp(text_at(st, 0), db->self_id) != 0 || !blob_at(st, 1, key, sizeof(key)) ||
			    memcmp(key, db->coordinator_key, sizeof(key)) != 0))
		err = diag_what(d, TM_EVERSION, "it is of another node or another mesh");
	if (!err) {
		int port = sqlite3_column_int(st, 5);

		s->version = (uint64_t)sqlite3_column_int64(st, 2);
		s->n_members = (size_t)sqlite3_column_int64(st, 3);
		endpoint_read(text_at(st, 4), &s->coordinator.at);
		s->coordinator.data_port = port > 0 && port <= UINT16_MAX ? (uint16_t)port : 0;
		s->coordinator.pace_ms = (uint32_t)sqlite3_column_int64(st, 6);
		addresses_read(text_at(st, 7), &s->coordinator);
	}
	sqlite3_finalize(st);
	return err;
}

static int read_file(struct db *db, const struct db_reader *reader, struct db_state *s, struct diag *d)
{
	int application, version, err = open_file(db);

	if (!err)
		err = read_int(db, "PRAGMA application_id", &application);
	if (!err)
		err = read_int(db, "PRAGMA user_version", &version);
	if (!err && (application != APPLICATION_ID || version != SCHEMA_VERSION))
		err = diag_what(
			d, TM_EVERSION, "it was made by another program or another version of this one");
	if (!err)
		err = read_state(db, s, d);
	if (!err)
		err = read_all(db, "SELECT * FROM member", reader, false);
	if (!err)
		err = read_all(db, "SELECT * FROM contact", reader, true);
	if (!err)
		err = prepare(db);
	return err == TM_EVERSION ? err : explain(db, err, d);
}

int db_load(struct db *db, const struct db_reader *reader, struct db_state *ret_state, struct diag *d)
{
	struct db_state s = {0};
	bool there = access(db->path, F_OK) == 0;
	int why = there ? read_file(db, reader, &s, d) : TM_ENOENT;

	if (!why)
		*ret_state = s;
	else
		close_file(db);
	db->empty = why != TM_OK;
	return why;
}

/* --- writing --- */

static void bind_text(sqlite3_stmt *st, int at, const char *s)
{
	sqlite3_bind_text(st, at, s, -1, SQLITE_TRANSIENT);
}

static int run(sqlite3_stmt *st)
{
	int rc = sqlite3_step(st);

	sqlite3_reset(st);
	sqlite3_clear_bindings(st);
	return error_of(rc);
}

static int write_state(struct db *db, const struct db_state *s)
{
	sqlite3_stmt *st = db->stmts[STMT_STATE];
	char text[ADDRESSES_TEXT_MAX] = "", ep[ENDPOINT_STR_LEN];
	size_t n = 0;

	for (size_t i = 0; i < s->coordinator.n_addresses; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s\n", s->coordinator.addresses[i]);
	bind_text(st, 1, db->self_id);
	sqlite3_bind_blob(st, 2, db->coordinator_key, sizeof(db->coordinator_key), SQLITE_STATIC);
	sqlite3_bind_int64(st, 3, (int64_t)s->version);
	sqlite3_bind_int64(st, 4, (int64_t)s->n_members);
	bind_text(st, 5, endpoint_format(&s->coordinator.at, ep));
	sqlite3_bind_int(st, 6, s->coordinator.data_port);
	sqlite3_bind_int64(st, 7, s->coordinator.pace_ms);
	bind_text(st, 8, text);
	return run(st);
}

static int write_gone(sqlite3_stmt *st, const char *id)
{
	bind_text(st, 1, id);
	return run(st);
}

static int write_member(struct db *db, const struct db_row *row)
{
	const struct mesh_node *n = row->member;
	sqlite3_stmt *st = db->stmts[STMT_MEMBER];
	char tags[NODE_TAGS_MAX * (NODE_TAG_MAX + 1) + 1] = "";
	size_t len = 0;

	if (!n)
		return write_gone(db->stmts[STMT_MEMBER_GONE], row->id);

	for (const char *t = n->tags; *t; t += strlen(t) + 1)
		len += (size_t)snprintf(tags + len, sizeof(tags) - len, "%s%s", len ? " " : "", t);
	bind_text(st, 1, n->id);
	bind_text(st, 2, n->name);
	sqlite3_bind_int64(st, 3, n->host);
	sqlite3_bind_blob(st, 4, n->key, sizeof(n->key), SQLITE_STATIC);
	sqlite3_bind_int(st, 5, n->kind == NODE_CLIENT);
	sqlite3_bind_int(st, 6, n->coordinator);
	bind_text(st, 7, n->via);
	bind_text(st, 8, tags);
	return run(st);
}

static int write_contact(struct db *db, const struct db_row *row)
{
	const struct db_contact *c = row->contact;
	sqlite3_stmt *st = db->stmts[STMT_CONTACT];
	struct strbuf b = {0};
	char ep[ENDPOINT_STR_LEN];

	if (!c)
		return write_gone(db->stmts[STMT_CONTACT_GONE], row->id);

	candidates_write(&b, &c->candidates);
	_cleanup_(freep) char *candidates = strbuf_take(&b);
	if (!candidates)
		return TM_ENOMEM;

	bind_text(st, 1, c->id);
	bind_text(st, 2, endpoint_format(&c->worked, ep));
	bind_text(st, 3, candidates);
	sqlite3_bind_blob(st, 4, c->stamps.handshake, sizeof(c->stamps.handshake), SQLITE_STATIC);
	sqlite3_bind_int64(st, 5, (int64_t)c->stamps.check);
	return run(st);
}

static int write_all(struct db *db, const struct db_state *state, const struct db_row *rows, size_t n)
{
	int err = run(db->stmts[STMT_BEGIN]);

	for (size_t i = 0; i < n && !err; i++) {
		if (rows[i].member_changed)
			err = write_member(db, &rows[i]);
		if (!err && rows[i].contact_changed)
			err = write_contact(db, &rows[i]);
	}
	if (!err)
		err = write_state(db, state);
	if (!err)
		err = run(db->stmts[STMT_COMMIT]);
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
