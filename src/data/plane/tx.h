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

struct tx {
	size_t n;
	struct aead_op op[UDP_BATCH];
	struct datagram dg[UDP_BATCH];
	struct {
		struct peer *peer;
		size_t n; /* before padding; 0 = keepalive */
		bool from_tun; /* errors about it go back there */
	} item[UDP_BATCH];
};

/*
 * Packet of n bytes, with headroom and tailroom, to be sent under kp on path. It must stay where it is until
 * tx_flush. TM_EEXPIRED: the session may send no more; nothing was added.
 */
NODISCARD int tx_add(struct worker *w, struct peer *p, struct keypair *kp, const struct peer_path *path,
	uint8_t *packet, size_t n, bool from_tun);
void tx_flush(struct worker *w);

#endif
