/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Packets that wait for a session. A worker copies the packet and hands it to the control thread; there it
 * waits in its peer's queue, in order, until the session comes or the handshake gives up. Bounded in total
 * (memory) and per peer (oldest go first: what is new is more likely to be wanted still).
 */
#ifndef TM_DATA_PLANE_STAGING_H
#define TM_DATA_PLANE_STAGING_H

#include "base/list.h"
#include "data/plane/packet.h"

#include <stdatomic.h>

enum { STAGED_PER_PEER = 128, STAGED_TOTAL = 4096 };

struct staged {
	struct list node;
	struct peer *peer;
	struct staging *owner;
	bool from_tun; /* else from another peer, to be forwarded */
	size_t n;
	uint8_t buffer[]; /* PACKET_HEADROOM, packet, PACKET_TAILROOM */
};

struct staging {
	_Atomic(uint32_t) total;
};

struct staged_queue {
	struct list packets;
	size_t n;
};

/* Any thread. NULL: STAGED_TOTAL reached or no memory. */
struct staged *staged_new(struct staging *s, struct peer *p, const uint8_t *packet, size_t n, bool from_tun);
void staged_free(struct staged *st); /* NULL is fine */

static inline uint8_t *staged_packet(struct staged *st)
{
	return st->buffer + PACKET_HEADROOM;
}

/* Control thread. */
void staged_queue_init(struct staged_queue *q);
/* Takes st. Returns the packet that had to make room (the caller counts and frees it), or NULL. */
struct staged *staged_queue_push(struct staged_queue *q, struct staged *st_take);
struct staged *staged_queue_pop(struct staged_queue *q); /* oldest first; NULL when empty */

#endif
