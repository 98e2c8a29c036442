/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * How a peer is reached. A way is chosen by the control plane alone (control/path), for stock WireGuard peers
 * by the device, which follows them (peer.follows). Nobody else moves it: what arrives by another way is
 * reported, and answered by that way, but it changes nothing.
 */
#ifndef TM_DATA_LINK_WAY_H
#define TM_DATA_LINK_WAY_H

#include "base/addr.h"
#include "base/epoch.h"
#include "base/err.h"

enum way_kind {
	WAY_UDP, /* datagrams straight to the peer */
	WAY_RELAY_UDP, /* to a relay, which hands them on; not yet sent by data/link/out.h */
	WAY_RELAY_TCP, /* likewise, through a stream */
};

/* Where a way leads: a value, for those who choose, compare and remember ways. */
struct way_to {
	enum way_kind kind;
	uint32_t socket; /* which of the sender's, counted from 0, the one that everybody has */
	struct endpoint remote; /* of the socket: the peer's, or the relay's */
	struct ip local; /* our source address, IP_NONE = the kernel's choice */
	uint32_t local_ifindex; /* only used with a link-local `local`; 0 = any */
	uint32_t relay_session; /* the peer, as the relay knows it; 0 = no relay */
};

enum { WAY_HEADROOM_MAX = 64 };

/* What workers follow: immutable, replaced whole, freed through the epoch. */
struct way {
	struct way_to to;
	/* Bytes before a datagram that leaving by this way writes into, up to WAY_HEADROOM_MAX. */
	uint16_t headroom;
	uint16_t payload_max; /* the longest datagram that can leave by it */
	struct epoch_retired retired;
};

/* TM_EINVAL when `to` has no remote endpoint. */
NODISCARD int way_new(const struct way_to *to, struct way **ret_way);

/* The same way: the interface counts only where it says which of several equal addresses is meant. */
bool way_to_eq(const struct way_to *a, const struct way_to *b);

#endif
