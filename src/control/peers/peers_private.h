/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The directory from inside: peers.c (members and contacts), save.c (what is to be written, and when). */
#ifndef TM_CONTROL_PEERS_PEERS_PRIVATE_H
#define TM_CONTROL_PEERS_PEERS_PRIVATE_H

#include "base/hashset.h"
#include "control/peers/db.h"

struct saver;

struct peers {
	struct mesh *mesh;
	struct hashset contacts; /* by id */
	struct coordinator_known coordinator;
	struct relays relays;
	struct policy_kept policy;
	bool policy_dirty; /* to be written */
	/* save.c */
	char *path; /* for the log */
	struct db *db; /* the saver's once there is one */
	struct saver *saver;
	struct hashset dirty; /* by id: whose rows are to be written */
	char failure[384]; /* why the file is not used or not written, as it was logged; "" = it is */
};

enum { DIRTY_MEMBER = 1, DIRTY_CONTACT = 2 };

NODISCARD int save_open(struct event_base *base, struct peers *p, ns_t delay);
void save_close(struct peers *p); /* writes what is due, blocking */
/* Without memory to remember it by, a row waits for its next change. */
void save_note(struct peers *p, const char *id, unsigned what);
void save_note_state(struct peers *p);
void save_note_all(struct peers *p);

#endif
