/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A network whose members reach each other directly: the internet, a provider's network, a LAN. Delivers by
 * address. What is for an address outside of its prefixes goes to the gateway of the family; what is for an
 * address inside that nobody has, or where there is no gateway, is dropped.
 */
#ifndef TM_TEST_SIM_SEGMENT_H
#define TM_TEST_SIM_SEGMENT_H

#include "base/map.h"
#include "sim/sim.h"

struct segment_family {
	struct prefix net; /* IP_NONE: the family does not exist here */
	struct node *gateway;
	/* The network that this one is a part of, addresses included, and where that one hands in what is for
	 * them: a firewall. NULL: the addresses are this segment's own. */
	struct segment *above;
	struct node *door;
};

struct segment {
	struct node super;
	struct owned owned;
	struct sim *sim;
	struct segment_family v4, v6;
	struct map *members; /* struct node by struct ip */
	uint32_t last; /* host number given out */
	ns_t delay; /* from one member to another, beside that of the lines; 0 at first */
};

/* NULL for a family that does not exist there. */
struct segment *segment_new(struct sim *s, const char *net4, const char *net6);
struct node *segment_node(struct segment *g);
/* The next free address of the family now leads to the node. IP_NONE when the segment lacks the family. */
struct ip segment_join(struct segment *g, enum ip_family family, struct node *member);
void segment_leave(struct segment *g, const struct ip *ip);
/* Is the address one of this segment's own range? */
bool segment_has(const struct segment *g, const struct ip *ip);

#endif
