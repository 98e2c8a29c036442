/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What the coordinator has been told of our peers, so that it is told what has changed alone. Each look at
 * all peers in use is a round: begin, ask about each whether it is to be told, then who is gone. Pure.
 */
#ifndef TM_NODE_REPORTING_TOLD_H
#define TM_NODE_REPORTING_TOLD_H

#include "base/hashset.h"
#include "base/list.h"
#include "wire/msg/report.h"

struct told_peers {
	struct hashset by_id;
	struct list all;
	uint32_t round;
};

NODISCARD int told_init(struct told_peers *t);
void told_deinit(struct told_peers *t);

void told_begin(struct told_peers *t, bool whole); /* whole: nothing has been told */
/* It is to be told, and counts as told from now on. False without memory, too. */
bool told_differs(struct told_peers *t, const struct report_peer *now);
/* One that was told and that this round has not seen; it is forgotten. False: there is none. */
bool told_gone(struct told_peers *t, struct report_peer *ret_gone);

/* The same of ourselves: is that worth a message of its own? */
bool told_self_differs(const struct report_self *told, const struct report_self *now);

#endif
