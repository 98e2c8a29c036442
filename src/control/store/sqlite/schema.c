/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The schema as an ordered table of steps. A released step is never changed: a correction is a new step.
 * Everything that must be unique or well-formed is so by schema, so that no bug above can break it; the
 * integrity check at opening repeats it.
 */
#include "control/store/sqlite/sqlite_private.h"

#include <stdio.h>

const struct schema_step schema_steps[] = {
	{"CREATE TABLE mesh ("
	 "	one INTEGER PRIMARY KEY CHECK (one = 1),"
	 "	name TEXT NOT NULL,"
	 "	net4 TEXT NOT NULL,"
	 "	net6 TEXT NOT NULL,"
	 "	secret BLOB NOT NULL CHECK (length(secret) = 32),"
	 "	created INTEGER NOT NULL,"
	 "	epoch INTEGER NOT NULL CHECK (epoch >= 0)"
	 ") STRICT;"
	 "CREATE TABLE token ("
	 "	id BLOB PRIMARY KEY CHECK (length(id) = 8),"
	 "	secret_hash BLOB NOT NULL UNIQUE CHECK (length(secret_hash) = 32),"
	 "	uses INTEGER NOT NULL CHECK (uses > 0),"
	 "	used INTEGER NOT NULL CHECK (used BETWEEN 0 AND uses),"
	 "	created INTEGER NOT NULL,"
	 "	expires INTEGER NOT NULL,"
	 "	revoked INTEGER NOT NULL CHECK (revoked IN (0, 1)),"
	 "	ephemeral INTEGER NOT NULL CHECK (ephemeral IN (0, 1)),"
	 "	tags TEXT NOT NULL"
	 ") STRICT, WITHOUT ROWID;"
	 /* The host number is the address: those of both families follow from it and the prefixes. */
	 "CREATE TABLE node ("
	 "	id TEXT PRIMARY KEY CHECK (length(id) = 16),"
	 "	name TEXT NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 63),"
	 "	key BLOB NOT NULL UNIQUE CHECK (length(key) = 32),"
	 "	ed BLOB UNIQUE CHECK (length(ed) = 32),"
	 "	host INTEGER NOT NULL UNIQUE CHECK (host BETWEEN 1 AND 4294967295),"
	 "	kind INTEGER NOT NULL CHECK (kind IN (0, 1)),"
	 "	coordinator INTEGER NOT NULL CHECK (coordinator IN (0, 1)),"
	 "	ephemeral INTEGER NOT NULL CHECK (ephemeral IN (0, 1)),"
	 "	via TEXT REFERENCES node (id) ON DELETE CASCADE,"
	 "	token BLOB CHECK (length(token) = 8),"
	 "	tags TEXT NOT NULL,"
	 "	os TEXT NOT NULL,"
	 "	version TEXT NOT NULL,"
	 "	created INTEGER NOT NULL,"
	 "	last_seen INTEGER NOT NULL,"
	 "	CHECK ((kind = 1) = (via IS NOT NULL)),"
	 "	CHECK ((kind = 0) = (ed IS NOT NULL))"
	 ") STRICT, WITHOUT ROWID;"
	 "CREATE INDEX node_via ON node (via) WHERE via IS NOT NULL;"},
	/* Versions of the netmap are those of its changes: what a node holds means something after a restart,
	 * too. A change of an id that is no node's any more is its removal. */
	{"CREATE TABLE change ("
	 "	number INTEGER PRIMARY KEY CHECK (number > 0),"
	 "	salt INTEGER NOT NULL CHECK (salt BETWEEN 0 AND 2147483647),"
	 "	id TEXT NOT NULL CHECK (length(id) = 16)"
	 ") STRICT;"
	 "INSERT INTO change (number, salt, id) SELECT 1, random() & 2147483647, id FROM node WHERE "
	 "coordinator = 1;"
	 "ALTER TABLE mesh DROP COLUMN epoch;"
	 /* Where the next free host number is looked for. */
	 "ALTER TABLE mesh ADD COLUMN free_host INTEGER NOT NULL DEFAULT 1 CHECK (free_host > 0);"},
	/* Policies that were accepted; numbers are not given twice, for people write them down. */
	{"CREATE TABLE policy ("
	 "	version INTEGER PRIMARY KEY AUTOINCREMENT CHECK (version > 0),"
	 "	accepted INTEGER NOT NULL,"
	 "	who TEXT NOT NULL,"
	 "	text TEXT NOT NULL,"
	 "	nodes TEXT NOT NULL"
	 ") STRICT;"},
	/* Networks behind nodes, as mesh/routes.h has them in one text: they are only ever read whole. */
	{"ALTER TABLE node ADD COLUMN routes TEXT NOT NULL DEFAULT '';"},
	/* Of the names in the DNS; '': the one that all had before. */
	{"ALTER TABLE mesh ADD COLUMN zone TEXT NOT NULL DEFAULT '';"},
	/* Further names of nodes. That none is a node's name as well, the statements see to. */
	{"CREATE TABLE alias ("
	 "	name TEXT PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 63),"
	 "	node TEXT NOT NULL REFERENCES node (id) ON DELETE CASCADE"
	 ") STRICT, WITHOUT ROWID;"
	 "CREATE INDEX alias_node ON alias (node);"},
	/* What was done to the mesh, and by whom, in words of then: it outlives whom it is about. */
	{"CREATE TABLE event ("
	 "	number INTEGER PRIMARY KEY AUTOINCREMENT CHECK (number > 0),"
	 "	at INTEGER NOT NULL,"
	 "	kind TEXT NOT NULL,"
	 "	id TEXT NOT NULL,"
	 "	about TEXT NOT NULL,"
	 "	detail TEXT NOT NULL,"
	 "	who TEXT NOT NULL,"
	 "	who_id TEXT NOT NULL,"
	 "	door TEXT NOT NULL"
	 ") STRICT;"
	 "CREATE INDEX event_about ON event (id);"
	 "CREATE INDEX event_by ON event (who_id);"},
};

_Static_assert(sizeof(schema_steps) / sizeof(schema_steps[0]) == 7, "schema_version counts the steps");
const int schema_version = 7;

static int migrate_whole(sqlite3 *db, const struct schema_step *steps, int from, int to)
{
	char version[64];

	snprintf(version, sizeof(version), "PRAGMA user_version = %d", to);
	int err = sql_exec(db, "BEGIN IMMEDIATE");
	if (err)
		return err;

	for (int i = from; i < to && !err; i++)
		err = sql_exec(db, steps[i].sql);
	if (!err)
		err = sql_exec(db, version);
	if (!err)
		err = sql_exec(db, "COMMIT");
	if (err && !sqlite3_get_autocommit(db))
		sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
	return err;
}

int sql_refuse_newer(int version, struct diag *d)
{
	diag_hint(d, "use the newer program, or restore a database of this one; the file was left as it is");
	return diag_what(d, TM_EVERSION,
		"the mesh database is from a newer TunnelMesh: its version is %d, this program knows %d",
		version, schema_version);
}

int schema_migrate(sqlite3 *db, const struct schema_step *steps, int n_steps, struct diag *d)
{
	int version;

	int err = sql_read_int(db, "PRAGMA user_version", &version);
	if (err)
		return err;
	if (version < 0)
		return diag_what(d, TM_ECORRUPT, "the mesh database has the impossible version %d", version);
	if (version > n_steps)
		return sql_refuse_newer(version, d);
	if (version == n_steps)
		return TM_OK;
	err = migrate_whole(db, steps, version, n_steps);
	if (err)
		store_explain(err, d);
	return err;
}
