/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The kernel's routing messages (rtnetlink) as plain structs, and dumps of them. A dump calls back per
 * message, so that a router with a million routes costs no memory. Control thread or CLI; one socket per use.
 */
#ifndef TM_OS_LINUX_RTMSG_H
#define TM_OS_LINUX_RTMSG_H

#include "base/addr.h"
#include "base/diag.h"
#include "base/err.h"

#include <linux/rtnetlink.h>
#include <net/if.h>

struct nl_sock;

/* The alias (`ip link` shows it) by which a node knows the interfaces of the other nodes on its host. */
#define RT_ALIAS "tunnelmesh"

struct rt_link {
	int index;
	unsigned flags; /* IFF_* */
	bool alive; /* up, and with a carrier */
	char name[IFNAMSIZ];
	int master; /* the bridge, bond or VRF that it is a port of; 0 = none */
	int lower; /* the interface of this namespace that it lies on, as a VLAN does; 0 = none, or unknown */
	char kind[16]; /* "vlan", "vxlan", "tun" ...; empty for hardware */
	struct ip local, remote; /* the outer ends of a tunnel, as far as they are set */
	bool tunnelmesh; /* one of ours, by its alias */
	bool wireless_event; /* a scan result and the like: says nothing about the link */
};

struct rt_addr {
	int index;
	struct prefix prefix; /* our own address with the subnet's length */
	uint8_t scope; /* RT_SCOPE_* */
	bool usable; /* neither tentative, duplicate nor deprecated */
	bool temporary; /* RFC 8981: for outgoing connections of today */
};

struct rt_route {
	struct prefix dst;
	struct ip gateway; /* IP_NONE = none, or several */
	uint32_t metric;
	int index; /* outgoing interface, 0 = none */
	bool several; /* hops; index is the first one's */
	struct ip source; /* that the kernel prefers, IP_NONE = none said */
	uint32_t table; /* RT_TABLE_*, or any other number */
	uint8_t type; /* RTN_* */
	uint8_t protocol; /* RTPROT_*: who made it */
	bool cloned;
};

/* False for messages of another kind or family, or malformed ones. */
bool rtmsg_link(struct nlmsghdr *h, struct rt_link *ret_link);
bool rtmsg_addr(struct nlmsghdr *h, struct rt_addr *ret_addr);
bool rtmsg_route(struct nlmsghdr *h, struct rt_route *ret_route);
/* An entry of a forwarding database: frames for it leave through the tunnel `index` to that address. */
struct rt_far {
	int index;
	struct ip to;
};
bool rtmsg_far(struct nlmsghdr *h, struct rt_far *ret_far);

int rtmsg_family(const struct ip *ip); /* AF_* */

/* A default route, also in the halves (or the 2000::/3) in which VPNs install it. */
bool rtmsg_is_default(const struct prefix *dst);

NODISCARD int rtmsg_open(struct nl_sock **ret_sock, struct diag *d);
void rtmsg_close(struct nl_sock *s);
DEFINE_CLEANUP(struct nl_sock, rtmsg_close)

/* type: RTM_GETLINK, RTM_GETADDR, RTM_GETROUTE (all tables), RTM_GETNEIGH; family: AF_*. */
typedef void rtmsg_fn(void *ctx, struct nlmsghdr *h);
NODISCARD int rtmsg_dump(struct nl_sock *s, int type, int family, rtmsg_fn *fn, void *ctx, struct diag *d);
/*
 * Routes of that table, both families: of others as well where the kernel cannot choose (before Linux 4.20),
 * so the callback looks at the table all the same.
 */
NODISCARD int rtmsg_dump_table(struct nl_sock *s, uint32_t table, rtmsg_fn *fn, void *ctx, struct diag *d);
/* An address by which to ask how the internet is reached, like any other: of a root name server. Nothing is
 * sent. */
struct ip rtmsg_internet(enum ip_family family);
/*
 * The route that a packet would take now, by all rules and tables. `from` NULL: the kernel chooses the
 * source; mark: that of the socket. TM_EUNREACH when there is none.
 */
NODISCARD int rtmsg_lookup(struct nl_sock *s, const struct ip *to, const struct ip *from, uint32_t mark,
	struct rt_route *ret_route);

#endif
