/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What packets mean for the flow that they are of: how it goes on, and how long it is remembered. Neither
 * windows nor numbers of TCP are checked, but for resets: hosts do that better, and who sends is proved.
 *
 * Silence after which a flow is forgotten:
 *   TCP  handshake 30 s, established 2 h 4 min (RFC 5382 REQ-5), one side closed 4 min (likewise), both 30 s,
 *        TIME-WAIT 60 s; after a reset 10 s, not prolonged: a host may not have believed it (RFC 5961)
 *   UDP  30 s, once answered 3 min (RFC 4787 REQ-5 asks for 2)
 *   echo 30 s; other protocols 10 min
 * One that rules have ended stays known to be: of TCP as one established, prolonged by each try; of all else
 * for 3 min, not prolonged, since it may as well be the other side's own that it is allowed.
 */
#ifndef TM_DATA_FILTER_TRACK_H
#define TM_DATA_FILTER_TRACK_H

#include "data/filter/flow.h"
#include "packet/ip.h"

/* Of TCP's flags those that make a difference here. */
enum { TCP_HANDS = TCP_FIN | TCP_SYN | TCP_RST | TCP_ACK };

/* What a packet can be where there is no flow for it. All need IP_UPPER. */
enum track_role {
	TRACK_BEGINS, /* a flow, if the rules let it */
	TRACK_GOES_ON, /* it is of a TCP connection, which may have been forgotten */
	TRACK_ALONE, /* no part of any flow: ICMP that is neither an error nor of an echo */
	TRACK_ABOUT, /* ICMP error about another packet */
	TRACK_STRAY, /* nothing at all: an answer, a reset */
	TRACK_IMPOSSIBLE, /* nothing, and with a flow neither: flags that contradict each other, lying
			     lengths, ICMP that nobody needs */
};
enum track_role track_role(const struct ip_view *v);

/* Ports for flow_key: of an echo its identifier, for the one who asks. */
struct track_ports {
	uint16_t src, dst;
};
struct track_ports track_ports(const struct ip_view *v);

/* With its packet v, of TRACK_BEGINS or TRACK_GOES_ON, from this side of it; all but key, peer and by_remote
 * is set. */
void track_begin(struct flow *f, const struct ip_view *v, unsigned side, uint32_t tick);

enum track {
	TRACK_PASS,
	TRACK_DROP, /* it cannot be of this flow: a reset with a wild number, an answer of the one who asked
		     */
	TRACK_ANEW, /* the other side begins a connection of its own: the rules decide */
};
/* A packet of the flow, that is not TRACK_IMPOSSIBLE. */
enum track track_next(struct flow *f, const struct ip_view *v, unsigned side, uint32_t tick);

/* Rules have ended it, now or before; a packet of it that did not pass is there. */
void track_killed(struct flow *f, uint32_t tick);

/* Another packet like v from the same side, soon, changes nothing. */
bool track_is_steady(const struct flow *f, const struct ip_view *v);
/* v is such a packet, if it is of such a flow. In the header, since of packets of the flow before it is half
 * of what they cost. */
static inline bool track_may_be_steady(const struct ip_view *v)
{
	if ((v->flags & (IP_UPPER | IP_PORTS | IP_FRAGMENT)) != (IP_UPPER | IP_PORTS))
		return false;
	if (v->proto == PROTO_UDP)
		return true;
	if (v->proto != PROTO_TCP)
		return false;

	const uint8_t *tcp = v->p + v->l4;
	const size_t header = (size_t)(tcp[12] >> 4) * 4;
	return (tcp[13] & TCP_HANDS) == TCP_ACK && header >= TCP_HEADER && header <= (size_t)v->total - v->l4;
}

#endif
