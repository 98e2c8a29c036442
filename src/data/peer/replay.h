/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Anti-replay bitmap (RFC 6479): 8192 bits, usable window 8128. Marked only after authentication. The caller
 * owns locking.
 */
#ifndef TM_DATA_PEER_REPLAY_H
#define TM_DATA_PEER_REPLAY_H

#include "base/util.h"

enum { REPLAY_BITS = 8192, REPLAY_WORDS = REPLAY_BITS / 64, REPLAY_WINDOW = REPLAY_BITS - 64 };

struct replay {
	uint64_t next; /* highest accepted counter + 1 */
	uint64_t map[REPLAY_WORDS];
};

/* True exactly once per counter inside the window; also false at and beyond REJECT_AFTER_MESSAGES. */
bool replay_accept(struct replay *r, uint64_t counter);

#endif
