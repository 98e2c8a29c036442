/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The interfaces of this host at one moment, and what each of them lies on in the end: a VLAN on a VXLAN on
 * our TUN is our TUN. Control thread or CLI.
 */
#ifndef TM_OS_LINUX_LINKS_H
#define TM_OS_LINUX_LINKS_H

#include "os/linux/rtmsg.h"

enum link_on {
	LINK_ON_HARDWARE, /* as far as one can see */
	LINK_ON_BRIDGE, /* one without hardware: virtual machines, containers */
	LINK_ON_TUNNEL, /* of somebody else */
	LINK_ON_MESH, /* the TUN of a TunnelMesh, or something that sends through it */
};

struct links;

/* `own`: the name of our TUN, which is one whatever its alias says; NULL = none. */
NODISCARD int links_read(struct nl_sock *sock, const char *own, struct links **ret_links, struct diag *d);
/* The same of what was recorded: copies v. TM_ENOMEM. */
NODISCARD int links_of(const struct rt_link *v, size_t n, struct links **ret_links);
void links_free(struct links *l); /* NULL is fine */
DEFINE_CLEANUP(struct links, links_free)

/* NULL: there is none, or it is newer than this reading. */
const struct rt_link *links_find(const struct links *l, int index);
enum link_on links_on(const struct links *l, int index);

#endif
