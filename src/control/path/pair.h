/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A pair: one of our sockets and one address of the peer. */
#ifndef TM_CONTROL_PATH_PAIR_H
#define TM_CONTROL_PATH_PAIR_H

#include "base/addr.h"

/* How a datagram reaches a peer. What identifies a pair is the socket and the remote end. */
struct path_way {
	unsigned socket; /* index of the plane's; 0 = the main one */
	struct endpoint remote; /* IP_NONE = none */
	struct ip local; /* source address, IP_NONE = the kernel's choice */
	uint32_t ifindex; /* interface of `local`, 0 = the kernel's choice */
};

/* How a datagram came. */
struct path_arrival {
	unsigned socket;
	struct endpoint from;
	struct ip local; /* IP_NONE = unknown */
	uint32_t ifindex; /* 0 = unknown */
};

#endif
