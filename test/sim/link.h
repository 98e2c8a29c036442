/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* One direction of a line: loses, delays, repeats and bends datagrams. Jitter reorders. */
#ifndef TM_TEST_SIM_LINK_H
#define TM_TEST_SIM_LINK_H

#include "sim/sim.h"

struct link {
	struct node super, *next;
	struct sim *sim;
	/* out of 1000; corrupt turns one bit over */
	unsigned loss, duplicate, corrupt;
	ns_t delay, jitter;
	size_t mtu; /* longer datagrams are dropped, as with DF set; 0 = no limit */
	bool blocked; /* a firewall that passes no UDP */
	bool (*passes)(const struct datagram *dg); /* one that looks into datagrams; NULL: passes all */
};

void link_init(struct link *l, struct sim *s, struct node *next, ns_t delay);

#endif
