/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Our candidates, told to a peer without the coordinator while that is away: docs/decisions/0038. In a STUN
 * question by the way in use, sealed; its answer is the receipt.
 *
 *   list: 1 if the sender has no link, else 0 1 | for each candidate  type 1 | family 4 or 6, 1 | port 2 |
 * address 4 or 16 | of a relay: its node id
 * 8
 *
 * Told is who has an up path, when our list changed or the path came up, if our control link is down or the
 * peer said that its own is. Private to control/path.
 */
#ifndef TM_CONTROL_PATH_TELL_H
#define TM_CONTROL_PATH_TELL_H

#include "base/time.h"
#include "control/path/stun.h"
#include "crypto/aead.h"
#include "mesh/model.h"

enum { TELL_TRIES = 3, TELL_MAX = 1 + CANDIDATES_MAX * (2 + 2 + 16 + NODE_ID_LEN / 2) + AEAD_TAG };

#define TELL_WAIT (200 * MS) /* what changes together is told together */
#define TELL_RTO (500 * MS) /* doubling; RFC 8489 6.2.1 */
#define TELL_BACK (600 * SEC) /* so long is told who has no link */

struct core;
struct live;
struct turn;

/* Of one peer. */
struct tell {
	uint32_t has,
		telling; /* versions of our list: that it has a receipt for, that is being told; 0 = none */
	uint64_t stamps[TELL_TRIES];
	unsigned tries;
	ns_t due; /* the next try */
	ns_t back_until; /* it said that it has no link */
};

/* --- sealed lists --- */

/* stamp: of the question that it goes with; away: we have no link. Returns the length, 0 = it cannot be
 * sealed. */
size_t tell_seal(struct aead *a, const uint8_t check_key[static STUN_KEY], const char *sender, uint64_t stamp,
	const struct candidates *c, bool away, uint8_t out[static TELL_MAX]);
/* TM_EAUTH, TM_EBADMSG. Candidates of kinds that we do not know are left out. */
NODISCARD int tell_open(struct aead *a, const uint8_t check_key[static STUN_KEY], const char *sender,
	uint64_t stamp, const uint8_t *p, size_t n, struct candidates *ret_c, bool *ret_away);

/* --- in the core --- */

void tell_link(struct core *c, bool up); /* our control link */
void tell_changed(struct core *c); /* c->mine */
/* Sends what is due to a peer; returns when to call again at the latest. */
ns_t tell_step(struct core *c, struct live *l, struct turn *t);
/* Is that the receipt? */
bool tell_answered(struct live *l, uint64_t stamp);
/* The peer's list, from a question that is authentic and new. */
void tell_received(struct core *c, struct live *l, const struct stun_msg *m, ns_t now);

#endif
