/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * One event at one peer: what path.c may do to the world while it decides. Outputs about the peer join the
 * core's queue, in order. Private to control/path.
 */
#ifndef TM_CONTROL_PATH_TURN_H
#define TM_CONTROL_PATH_TURN_H

#include "control/path/core.h"
#include "control/path/legs.h"
#include "control/path/stun.h"

/* One step of a path yields 8 checks, a dozen probes, a note for each of its pairs and a few more; each
 * output handled may bring an input with a few of its own. */
enum { QUEUE_MAX = 64 };

struct queue {
	struct core_out v[QUEUE_MAX];
	unsigned head, n;
};

/* The new last element, all zero but kind and why; the queue must have room. */
struct core_out *queue_push(struct queue *q, enum core_out_kind kind, enum path_why why);
bool queue_pop(struct queue *q, struct core_out *ret_out);

struct turn {
	struct queue *out;
	struct stun_self *self;
	const struct core_ops *ops;
	const struct core_member *peer;
	const uint8_t *check_key; /* NULL: the peer's key is no key, nothing can be sent */
	/* relays */
	struct legs *legs;
	uint64_t pair; /* the peer and us, for a relay; 0 = none can be used */
	char (*told)[NODE_ID_LEN + 1]; /* with whom the peer says that it is registered */
	size_t n_told;
	uint16_t longest; /* message that the tunnel sends; 0 = whether it passes is not asked */
	ns_t now;
};

/* Where packets to the way's remote address leave, from its local one if it has one. */
struct outlet core_outlet(const struct core_ops *ops, const struct way_to *way);
struct outlet turn_outlet(const struct turn *t, const struct way_to *way);
struct core_out *turn_emit(
	struct turn *t, enum core_out_kind kind, enum path_why why, const struct way_to *way);
/* The ways to the peer through relays (legs.h). */
size_t turn_relays(struct turn *t, bool wanted, struct way_to ret_ways[static LEGS_WAYS_MAX]);
/* Sends a check; returns its stamp. doubt: it says so (USE-CANDIDATE): what the peer sends by other ways may
 * not arrive. */
uint64_t turn_check(struct turn *t, enum path_why why, const struct way_to *way, bool doubt);
/* A check that is as long as a message of n bytes, or up to 3 longer. */
uint64_t turn_probe(struct turn *t, const struct way_to *way, uint16_t n);

#endif
