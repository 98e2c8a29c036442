/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Which requests of one sender were answered already: transaction IDs start with a stamp that the sender
 * never uses twice. A few may overtake each other, so the newest ones are remembered whole and everything at
 * or below the floor is old.
 */
#ifndef TM_CONTROL_PATH_REPLIED_H
#define TM_CONTROL_PATH_REPLIED_H

#include "base/util.h"

enum { REPLIED_RECENT = 32 };
#define REPLIED_SLACK_NS UINT64_C(5000000000)

struct replied {
	uint64_t floor;
	uint64_t recent[REPLIED_RECENT]; /* 0 = free */
};

/* True once per stamp. Call it only for authenticated requests. */
bool replied_accept(struct replied *r, uint64_t stamp);

/* For a restart: the newest stamp accepted (0 = none); afterwards only newer ones are. */
uint64_t replied_newest(const struct replied *r);
void replied_seed(struct replied *r, uint64_t newest);

#endif
