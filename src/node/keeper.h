/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Keeps on disk what must outlive a restart but changes while we run: the clock's reservation and the peers'
 * stamps of handshakes and checks. A helper thread writes the files: the clock when its reservation is half
 * used up, the stamps a minute after a handshake but at most every ten (flash wears out). What stamps are
 * newer than the file are also written when the keeper is freed, then blocking. A write that fails is said
 * once and tried again. Control thread.
 */
#ifndef TM_NODE_KEEPER_H
#define TM_NODE_KEEPER_H

#include "base/diag.h"
#include "node/clock.h"

struct event_base;
struct keeper;
struct netmap;
struct stamps;

struct keeper_config {
	struct node_clock *clock; /* borrowed, initialised */
	const char *stamps_path; /* borrowed */
	void *ctx;
	const struct netmap *(*netmap)(void *ctx); /* the peers whose stamps matter */
	/* Reads and restores what the modules know of a peer; false when there is nothing to keep. */
	bool (*stamps)(void *ctx, const uint8_t key[static 32], struct stamps *ret_s);
	void (*seed)(void *ctx, const uint8_t key[static 32], const struct stamps *s);
};

NODISCARD int keeper_new(
	struct event_base *base, const struct keeper_config *cfg, struct keeper **ret_keeper, struct diag *d);
void keeper_free(struct keeper *k); /* writes what is due; NULL is fine */

/* The peers of the plane were set: give them their stamps back. */
void keeper_seed(struct keeper *k);
/* A handshake ended: there is a newer stamp. */
void keeper_session(struct keeper *k);

#endif
