/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * By which ways each peer was reached, and why it became another: the last PATH_HISTORY_KEPT changes of each,
 * until it is no member any more, or the node stops. Memory grows with what happens: 40 bytes a change, 2.1
 * KiB for a peer that has had them all, 21 MiB for 10,000 such; one that was never used has none. Control
 * thread. Private to node/.
 */
#ifndef TM_NODE_PATH_HISTORY_H
#define TM_NODE_PATH_HISTORY_H

#include "node/reaching.h"

enum { PATH_HISTORY_KEPT = 50 };

struct path_change {
	int64_t at_ms; /* Unix time */
	struct endpoint at; /* of the way, or of the one that is none any more */
	uint8_t from, to; /* enum reaching_by */
	uint8_t why; /* enum path_why */
};
_Static_assert(sizeof(struct path_change) == 40, "as it is said above");

struct path_history;

NODISCARD int path_history_new(struct path_history **ret_h);
void path_history_free(struct path_history *h); /* NULL is fine */
/* Without memory it stays unknown. */
void path_history_add(struct path_history *h, const struct reaching_change *c, ns_t real);
void path_history_forget(struct path_history *h, const uint8_t key[static 32]);
/* The oldest first; how many. */
size_t path_history_of(const struct path_history *h, const uint8_t key[static 32],
	struct path_change ret_v[static PATH_HISTORY_KEPT]);

#endif
