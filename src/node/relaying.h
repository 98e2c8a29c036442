/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Relays, as far as they concern the whole node: those that it may use go to the path core; when it is one
 * itself, registrations go to the registrar (control/relay), and what comes of them to the plane. Control
 * thread. Private to node/.
 */
#ifndef TM_NODE_RELAYING_H
#define TM_NODE_RELAYING_H

#include "data/plane/plane.h"
#include "mesh/diff.h"
#include "mesh/relays.h"

struct node;
struct registrar;
struct registrar_out;
struct relaying;
struct stream_taker;

NODISCARD int relaying_open(struct node *n); /* plane and peers are there */
void relaying_close(struct node *n);

/* These members relay now: for the path core, unless this node is to use none. */
void relaying_told(struct node *n, const struct relays *r);

/* The members changed: some may have gone, and we may be a relay now, or no longer. */
void relaying_mesh(struct node *n, const struct mesh_diff *d);
/* True: that was a registration, and has been seen to. Else it is for the path core. */
bool relaying_stun(struct node *n, const struct way_to *by, const uint8_t *msg, size_t len);

/* Of the member's newest registration; 0 = none. */
uint64_t relaying_stamp(const struct node *n, const char *id);

/* Streams of members: for the coordinator's port, and what the plane has lost. False: it was none of theirs.
 */
const struct stream_taker *relaying_taker(const struct node *n);
bool relaying_stream_lost(struct node *n, uint32_t stream);
bool relaying_has(const struct node *n, uint32_t stream); /* it is a member's, and up */

/* --- legstreams.c --- */
struct registrar *relaying_registrar(const struct node *n); /* NULL: we are no relay */
void relaying_act(struct node *n, const struct registrar_out *out); /* does what came out of it */

struct relaying_view {
	bool offered; /* by the configuration */
	bool allowed; /* by the administrator */
	size_t members; /* that it relays for */
	uint64_t packets, bytes; /* handed on */
	uint64_t refused; /* registrations that stayed unanswered */
};
void relaying_look(const struct node *n, struct relaying_view *ret_view);

#endif
