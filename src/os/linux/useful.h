/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Which of this host's addresses others are told to look for it at, by what its interfaces are, whatever they
 * are called. Pure.
 *
 *   first   the interface of the default route
 *   then    other hardware
 *   last    other people's tunnels: somebody may be reached through them and by no other way (decision 22)
 *   never   bridges without a network card and the host's ends of containers' links, behind which are only
 * this host's own guests, who reach it by its other addresses; meshes like ours; what leads nowhere. But a
 *           host that has nothing else offers those of its guests' networks
 *
 * Of one IPv6 prefix two at most (some hosts have hundreds): the one that packets to the internet have now,
 * whose way through a firewall they open, and one that lasts. Temporary addresses (RFC 8981) are gone
 * tomorrow, and peers remember.
 */
#ifndef TM_OS_LINUX_USEFUL_H
#define TM_OS_LINUX_USEFUL_H

#include "os/linux/links.h"

enum { USEFUL_PER_PREFIX = 2 };

struct useful_in {
	const struct links *links;
	const struct rt_addr *addrs;
	size_t n;
	struct { /* IPv4, IPv6: of packets to the internet */
		int index; /* 0 = there is no way */
		struct ip source; /* IP_NONE = unknown */
	} internet[2];
	const char *except; /* an interface; NULL = none */
};

/* The best first, both families in turn. Returns how many. */
size_t useful_addresses(const struct useful_in *in, struct ip *out, size_t max);

#endif
