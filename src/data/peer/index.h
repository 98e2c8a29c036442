/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Receiver index -> keypair. Readers (workers) take no lock; the control thread inserts and removes. An index
 * is random, 32 bits, and unique among live ones, including those reserved for handshakes under way (value
 * NULL keypair, owner peer).
 */
#ifndef TM_DATA_PEER_INDEX_H
#define TM_DATA_PEER_INDEX_H

#include "base/err.h"
#include "base/util.h"

struct index_table;
struct keypair;
struct peer;

NODISCARD int index_table_new(struct index_table **ret_table);
void index_table_free(struct index_table *t);

/*
 * Which of several receivers a message is for can be read off its receiver index before it is opened: the top
 * byte, the last of the four on the wire, modulo their number. lanes: 1..128, 1 at first.
 */
enum { INDEX_LANES_MAX = 128 };
void index_set_lanes(struct index_table *t, unsigned lanes);

/* Control thread. lane < lanes. */
NODISCARD int index_reserve(struct index_table *t, struct peer *owner, unsigned lane,
	void (*entropy)(void *ctx, void *out, size_t n), void *ctx, uint32_t *ret_index);
/* A reserved index becomes a session. */
void index_bind(struct index_table *t, uint32_t index, struct keypair *kp);
void index_release(struct index_table *t, uint32_t index);
/* Of a handshake or session; NULL when unknown. */
struct peer *index_owner(const struct index_table *t, uint32_t index);
/* Frees tables outgrown before this epoch, which all workers have passed; returns how many are left. */
size_t index_collect(struct index_table *t, uint64_t safe_before);
void index_set_epoch(struct index_table *t, uint64_t (*epoch_now)(void *ctx), void *ctx);

/* Any thread: is there a handshake or session of that index? */
bool index_known(const struct index_table *t, uint32_t index);
/* Any thread. NULL when unknown or only reserved. */
struct keypair *index_find(const struct index_table *t, uint32_t index);

#endif
