/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The directory of this node's peers: the members' records (mesh/), one contact for each member that we had
 * to do with, and what is known of the coordinator and of relays. Kept in netmap.db, so that a start needs no
 * coordinator: changes are collected for a moment and written by a helper thread, a row for a row. A file
 * that cannot be used or written is said once and never in the way. Control thread.
 */
#ifndef TM_CONTROL_PEERS_PEERS_H
#define TM_CONTROL_PEERS_PEERS_H

#include "base/diag.h"
#include "base/list.h"
#include "base/time.h"
#include "mesh/diff.h"
#include "mesh/relays.h"
#include "wire/policy.h"
#include "wire/token.h"

struct event_base;
struct peers;

/* What is remembered of a peer against replays: the newest of each that was accepted. */
struct stamps {
	uint8_t handshake[12]; /* TAI64N, all zero = none */
	uint64_t check; /* of STUN checks, see wire/stun.h; 0 = none */
};

/* What we know of a member beyond its record. Goes with the member. */
struct contact {
	char id[NODE_ID_LEN + 1];
	/* kept in the file: peers_keep after a change */
	struct endpoint worked; /* its end of the path that worked last; IP_NONE = none did */
	struct stamps stamps;
	struct candidate *candidates; /* told last; peers_set_candidates */
	size_t n_candidates;
	/* the agent's */
	ns_t asked; /* for its candidates; 0 = never */
	struct list to_ask; /* in it when it was wanted without a link */
	struct list to_answer; /* in it when it is to be answered from what we know */
};

struct coordinator_known {
	struct endpoint at; /* TCP end that worked last; IP_NONE = none did */
	bool at_tls; /* and TLS had to be spoken there */
	uint16_t data_port; /* 0 = not known */
	uint32_t pace_ms; /* comes back within so long when all do */
	size_t n_addresses;
	char addresses[TOKEN_ADDRS_MAX][TOKEN_ADDR_LEN]; /* where to try */
};

/* The policy of the mesh, as the coordinator told it last: texts, which src/policy reads. */
struct policy_kept {
	uint64_t version; /* 0: none */
	char digest[POLICY_DIGEST_LEN + 1];
	char *text, *nodes; /* owned */
	/* There was one, and the file is damaged: version 0, POLICY_DIGEST_LOST, and what it allowed nobody
	 * knows. */
	bool lost;
};
void policy_kept_deinit(struct policy_kept *k);
NODISCARD int policy_kept_copy(const struct policy_kept *k, struct policy_kept *ret_copy);

struct peers_config {
	const char *path; /* copied, as everything here */
	const struct mesh_info *mesh;
	const char *self_id;
	const uint8_t *coordinator_key;
	ns_t save_delay; /* from a change to writing it */
};

/* Reads the file; an unusable one is said in the log and made anew. */
NODISCARD int peers_new(struct event_base *base, const struct peers_config *cfg, struct peers **ret_peers);
void peers_free(struct peers *p); /* writes what is due, blocking; NULL is fine */

/* Why the file is not up to date; "" = it is. Good until the loop goes on. */
const char *peers_failure(const struct peers *p);

const struct mesh *peers_mesh(const struct peers *p);
/* mesh_apply, mesh_clear; contacts of those that are gone are dropped. */
NODISCARD int peers_update(struct peers *p, const struct netmap *update, struct mesh_diff *ret_diff);
NODISCARD int peers_clear(struct peers *p, struct mesh_diff *ret_diff);
void peers_forget_version(struct peers *p); /* a snapshot is wanted, not a delta */

struct contact *peers_contact(const struct peers *p, const char *id); /* NULL: none yet; any text */
struct contact *peers_meet(struct peers *p, const char *id); /* NULL: no member, or no memory */
void peers_keep(struct peers *p, struct contact *c); /* it changed: write it */
/* A path to that member worked, over this end of it. */
void peers_remember_endpoint(struct peers *p, const char *id, const struct endpoint *ep);
void peers_set_candidates(struct peers *p, struct contact *c, const struct candidates *known);
/* for (size_t i = 0; (c = peers_next_contact(p, &i)); ) ... in no particular order. */
struct contact *peers_next_contact(const struct peers *p, size_t *pos);

const struct coordinator_known *peers_known_coordinator(const struct peers *p);
void peers_set_coordinator(struct peers *p, const struct coordinator_known *known);
const struct relays *peers_relays(const struct peers *p); /* as told last */
void peers_set_relays(struct peers *p, const struct relays *told);
const struct policy_kept *peers_policy(const struct peers *p); /* as told last */
NODISCARD int peers_set_policy(struct peers *p, const struct policy_kept *told); /* copied */

#endif
