/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Sealing in batches: packets are added with their session and wait in the worker's queue (data/link/out.h)
 * until worker_flush has sealed them in place. One per worker, and one for the control thread (staged
 * packets, keepalives).
 */
#ifndef TM_DATA_PLANE_SEAL_H
#define TM_DATA_PLANE_SEAL_H

#include "crypto/aead.h"
#include "data/link/out.h"
#include "data/peer/peer.h"
#include "data/plane/packet.h"

struct worker;

/* Messages are built one right behind the other: what lies side by side travels cheapest (os/udp.h). */
enum { SEAL_ARENA_BYTES = 288 << 10 };

struct seal {
	/* set once */
	uint8_t *arena; /* SEAL_ARENA_BYTES; NULL in the control thread's */
	/* the thread's own */
	size_t used; /* of the arena */
	size_t n;
	struct aead_op op[OUT_MAX];
	struct {
		struct peer *peer;
		uint16_t n; /* before padding; 0 = keepalive */
		bool from_tun; /* errors about it go back there */
		uint8_t tos;
	} item[OUT_MAX];
};

/* The tag (data/link/out.h) of what is not ours, and of which nobody is told. */
#define WORKER_FOREIGN (UINT32_MAX - 1)

/* The right to send some packets to a peer under one session, by one way. */
struct seal_run {
	struct peer *peer;
	const struct keypair *kp;
	const struct way *way, *also; /* also: NULL mostly */
	uint64_t counter; /* of the next one */
	bool from_tun;
};

/* Room for `count` packets under kp. TM_EEXPIRED: the session may send no more. */
NODISCARD int seal_begin(struct worker *w, struct peer *p, struct keypair *kp, const struct way *way,
	unsigned count, bool from_tun, struct seal_run *ret_run);
/* What the messages of the run need before them: the room that either way wants. */
static inline size_t seal_headroom(const struct seal_run *run)
{
	return run->also ? MAX(run->way->headroom, run->also->headroom) : run->way->headroom;
}
/* The longest packet in a message of so many bytes. */
static inline size_t seal_mtu(size_t payload)
{
	return payload > WG_DATA_OVERHEAD ? (payload - WG_DATA_OVERHEAD) & ~(size_t)15 : 0;
}
/*
 * A place for a packet of up to n bytes, with room for `headroom` bytes and the message's header before it,
 * padding and tag behind it. May flush. Good until the next call; a packet that seal_put takes from here
 * stays there until worker_flush.
 */
uint8_t *seal_room(struct worker *w, size_t headroom, size_t n);
/*
 * The next packet of the run: n bytes in the place of a seal_room with its seal_headroom, or with headroom
 * and tailroom of its own (packet.h), where it must stay until worker_flush.
 */
void seal_put(struct worker *w, struct seal_run *run, uint8_t *packet, size_t n);

/*
 * A datagram that is to leave as it is, in its turn between those that are sealed: n bytes at data, with the
 * way's headroom before them, where they stay until worker_flush.
 */
void worker_emit(struct worker *w, const struct way *way, uint8_t *data, size_t n, uint8_t tos);
/* Seals what waits to be sealed, settles the accounts, sends everything that waits. */
void worker_flush(struct worker *w);

#endif
