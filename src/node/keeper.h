/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Keeps on disk what must outlive a restart but changes while we run: the clock's reservation in a file of
 * its own, when it is half used up, and the peers' stamps of handshakes and checks in the directory of peers,
 * a minute after one was heard but at most every ten (flash wears out), and when the keeper is freed. A write
 * that fails, the first one too, is said once and tried again: a node that cannot save is still a node.
 * Control thread.
 */
#ifndef TM_NODE_KEEPER_H
#define TM_NODE_KEEPER_H

#include "base/err.h"
#include "node/clock.h"

struct event_base;
struct keeper;
struct peers;
struct stamps;

struct keeper_config {
	struct node_clock *clock; /* borrowed, initialised */
	struct peers *peers; /* borrowed; must outlive the keeper */
	void *ctx;
	/* What plane and paths know of a peer now; asked about members only; false when there is nothing to
	 * keep. */
	bool (*stamps)(void *ctx, const uint8_t key[static 32], struct stamps *ret_s);
};

NODISCARD int keeper_new(
	struct event_base *base, const struct keeper_config *cfg, struct keeper **ret_keeper);
void keeper_free(struct keeper *k); /* writes what is due; NULL is fine */
/* Why the clock is not saved; "" = it is. Good until the loop goes on. */
const char *keeper_failure(const struct keeper *k);

/*
 * A handshake with that peer ended, or a check of it was answered: it may have newer stamps.
 * Only such peers are looked at when stamps are kept, not all members. Any key; NULL is fine: all is kept.
 */
void keeper_heard(struct keeper *k, const uint8_t key[static 32]);

#endif
