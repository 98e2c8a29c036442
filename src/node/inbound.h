/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Does what comes out of the tunnel reach the programs of this machine? A firewall may drop it unseen, as
 * another VPN's does with all sources in its range: then every path is fine and nothing works. Asked with a
 * datagram to an address of the mesh that nobody has: the plane answers it with an ICMP error out of the
 * tunnel, which every firewall lets in that lets answers in at all. Control thread.
 */
#ifndef TM_NODE_INBOUND_H
#define TM_NODE_INBOUND_H

#include "base/addr.h"
#include "base/err.h"

struct event_base;
struct inbound;

enum { INBOUND_SIDES = 2 }; /* a range of each family */

struct inbound_config {
	void *ctx;
	const char *ifname; /* borrowed */
	struct {
		struct ip self; /* IP_NONE: the family is not asked about */
		struct prefix net;
	} side[INBOUND_SIDES];
	/* Does a member have that address, or somebody else to answer for it? Then it is no question to the
	 * plane. */
	bool (*taken)(void *ctx, const struct ip *ip);
};

NODISCARD int inbound_new(
	struct event_base *base, const struct inbound_config *cfg, struct inbound **ret_inbound);
void inbound_free(struct inbound *in); /* NULL is fine */
DEFINE_CLEANUP(struct inbound, inbound_free)
void inbound_ask(struct inbound *in);
/* The host's network changed: whoever changed it may have changed the firewall, too. */
void inbound_ask_soon(struct inbound *in);

bool inbound_known(const struct inbound *in); /* every question has an answer, or was not possible */
bool inbound_dropped(const struct inbound *in, size_t side);

#endif
