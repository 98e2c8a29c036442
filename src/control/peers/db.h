/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * netmap.db: what a node knows of its mesh, in a file, so that it starts without its coordinator. One SQLite
 * database of one process, mode 0600; a change writes the rows that changed. It holds nothing that cannot be
 * told or found out again, so a damaged or foreign one is thrown away and made anew. One thread at a time:
 * the control thread at start and end, the helper thread between.
 */
#ifndef TM_CONTROL_PEERS_DB_H
#define TM_CONTROL_PEERS_DB_H

#include "control/peers/peers.h"

struct db;

struct db_config {
	const char *path;
	const struct mesh_info *mesh; /* records must fit its prefixes */
	const char *self_id; /* the file of another node or mesh is not believed */
	const uint8_t *coordinator_key;
};

/* Everything is borrowed for db_new and copied. Files are not touched before db_load. */
NODISCARD int db_new(const struct db_config *cfg, struct db **ret_db);
void db_free(struct db *db); /* NULL is fine */

struct db_state {
	uint64_t version; /* of the map */
	size_t n_members; /* rows that belong to it */
	struct coordinator_known coordinator;
	struct relays relays;
	struct policy_kept policy; /* read: the reader's; written: when it has changed */
	bool policy_changed;
};

struct db_contact {
	char id[NODE_ID_LEN + 1];
	struct endpoint worked;
	struct candidates candidates;
	struct stamps stamps;
};

/* Told in this order; what is not well-formed is left out. */
struct db_reader {
	void *ctx;
	void (*member)(void *ctx, const struct node_rec *r);
	void (*contact)(void *ctx, const struct db_contact *c);
};

/*
 * Reads the file: TM_ENOENT when there is none; TM_ECORRUPT or TM_EVERSION when it is not to be used,
 * anything else when it cannot be, with a sentence in d. The first write makes a new one then.
 */
NODISCARD int db_load(
	struct db *db, const struct db_reader *reader, struct db_state *ret_state, struct diag *d);

/* What was read is not what was written: the next write makes the file anew. */
void db_distrust(struct db *db);

/* What to write about one id: rows as they shall be; NULL = no row. */
struct db_row {
	char id[NODE_ID_LEN + 1];
	bool member_changed, contact_changed;
	struct mesh_node *member; /* owned */
	struct db_contact *contact; /* owned */
};

/*
 * All or nothing. TM_EAGAIN: the file could not be used any more and was made anew, now write everything. Any
 * other error: nothing of this was written.
 */
NODISCARD int db_write(
	struct db *db, const struct db_state *state, const struct db_row *rows, size_t n, struct diag *d);

#endif
