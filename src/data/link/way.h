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
	WAY_RELAY_UDP, /* to a relay, which hands them on */
	WAY_RELAY_TCP, /* likewise, through a stream (data/plane/stream.h) */
};

/* Where a way leads: a value, for those who choose, compare and remember ways. */
struct way_to {
	enum way_kind kind;
	/*
	 * Which of the sender's sockets: 0 is the one that everybody has, others have the number that
	 * plane_socket_open gave. WAY_RELAY_TCP: the number of the stream.
	 */
	uint32_t socket;
	struct endpoint remote; /* of the socket: the peer's, or the relay's */
	struct ip local; /* our source address, IP_NONE = the kernel's choice */
	uint32_t local_ifindex; /* only used with a link-local `local`; 0 = any */
	uint64_t relay; /* the two ends, for the relay between them: relay_pair of wire/relay.h; 0 = no relay
			 */
	/*
	 * The longest message (WireGuard or STUN, without a relay's header) that is known to pass, 0 = what
	 * the kernel knows about the path. No part of which way it is.
	 */
	uint16_t payload;
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

/* In memory of the caller's; relay or not, nothing about `to` is checked. */
void way_init(struct way *w, const struct way_to *to);
/* TM_EINVAL when `to` has no remote endpoint, or a kind and no `relay` that goes with it. */
NODISCARD int way_new(const struct way_to *to, struct way **ret_way);

const char *way_kind_text(enum way_kind kind); /* "udp", "relay-udp", "relay-tcp" */

/* The same way: the interface counts only where it says which of several equal addresses is meant, and what
 * is known of its payload does not. */
bool way_to_eq(const struct way_to *a, const struct way_to *b);

#endif
