/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Sealing and sending in batches: packets are added with their session, tx_flush seals them in place, sends
 * them and settles the accounts. One per worker, and one for the control thread (staged packets, keepalives).
 */
#ifndef TM_DATA_PLANE_TX_H
#define TM_DATA_PLANE_TX_H

#include "crypto/aead.h"
#include "data/peer/peer.h"
#include "data/plane/link.h"
#include "data/plane/packet.h"

struct worker;

/* Messages are built one right behind the other: what lies side by side travels cheapest (os/udp.h). */
enum { TX_ARENA_BYTES = 288 << 10 };

struct tx {
	/* set once */
	uint8_t *arena; /* TX_ARENA_BYTES; NULL in the control thread's */
	/* the thread's own */
	size_t used; /* of the arena */
	size_t n;
	struct aead_op op[UDP_SEND_MAX];
	struct datagram dg[UDP_SEND_MAX];
	struct {
		struct peer *peer;
		uint16_t n; /* before padding; 0 = keepalive */
		bool from_tun; /* errors about it go back there */
	} item[UDP_SEND_MAX];
};

/* The right to send some packets to a peer under one session, by one way. */
struct tx_run {
	struct peer *peer;
	const struct keypair *kp;
	const struct way *way;
	uint64_t counter; /* of the next one */
	bool from_tun;
};

/* Room for `count` packets under kp. TM_EEXPIRED: the session may send no more. */
NODISCARD int tx_begin(struct worker *w, struct peer *p, struct keypair *kp, const struct way *way,
	unsigned count, bool from_tun, struct tx_run *ret_run);
/*
 * A place for a packet of up to n bytes, with room for its header, padding and tag. May flush. Good until the
 * next call; a packet that tx_put takes from here stays there until tx_flush.
 */
uint8_t *tx_room(struct worker *w, size_t n);
/*
 * The next packet of the run: n bytes in tx_room's place, or with headroom and tailroom of its own
 * (packet.h), where it must stay until tx_flush.
 */
void tx_put(struct worker *w, struct tx_run *run, uint8_t *packet, size_t n);
void tx_flush(struct worker *w);

#endif
