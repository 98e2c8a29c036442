/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * How sealed packets leave this host. Direct UDP is the first way; a relay is another that puts its header
 * into the headroom and hands on to the link below. `headroom` counts for everything below, so that one
 * buffer serves all.
 */
#ifndef TM_DATA_PLANE_LINK_H
#define TM_DATA_PLANE_LINK_H

#include "os/udp.h"

struct link;

struct link_ops {
	const char *name;
	uint16_t headroom; /* bytes before datagram.data that send may use */
	/*
	 * Up to UDP_SEND_MAX datagrams; sets err and local_refused in each; returns how many failed. Any
	 * thread.
	 */
	size_t (*send)(const struct link *l, struct datagram *v, size_t n);
};

struct link {
	const struct link_ops *ops;
	struct udp *udp;
};

extern const struct link_ops link_udp;

#endif
