/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "os/linux/links.h"

#include <string.h>

enum {
	DEPTH_MAX = 8, /* of interfaces upon each other; both ends of a veth pair lie on each other */
	NETS_MAX = 16, /* of all meshes of this host */
};

struct links {
	const char *own; /* while reading; borrowed */
	struct rt_link *v;
	size_t n, room;
	int err;
	/* of TunnelMesh interfaces: what is in them is behind them */
	struct prefix nets[NETS_MAX];
	size_t n_nets;
	/* tunnels whose frames go there, by their forwarding databases */
	bool *far_in_mesh; /* one per link */
};

static void keep(struct links *l, const struct rt_link *link)
{
	if (l->n == l->room) {
		size_t room = l->room ? 2 * l->room : 16;
		struct rt_link *v = reallocarray(l->v, room, sizeof(*v));

		if (!v) {
			l->err = TM_ENOMEM;
			return;
		}
		l->v = v;
		l->room = room;
	}
	l->v[l->n++] = *link;
}

static void take_link(void *ctx, struct nlmsghdr *h)
{
	struct links *l = ctx;
	struct rt_link link;

	if (!rtmsg_link(h, &link))
		return;
	if (l->own && strcmp(link.name, l->own) == 0)
		link.tunnelmesh = true;
	keep(l, &link);
}

const struct rt_link *links_find(const struct links *l, int index)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->v[i].index == index)
			return &l->v[i];
	return NULL;
}

static void take_net(void *ctx, struct nlmsghdr *h)
{
	struct links *l = ctx;
	const struct rt_link *link;
	struct rt_addr a;

	if (!rtmsg_addr(h, &a) || l->n_nets == NETS_MAX || ip_is_link_local(&a.prefix.ip))
		return;
	link = links_find(l, a.index);
	if (link && link->tunnelmesh)
		l->nets[l->n_nets++] = a.prefix;
}

static bool is_in_mesh(const struct links *l, const struct ip *ip)
{
	for (size_t i = 0; i < l->n_nets; i++)
		if (prefix_contains(&l->nets[i], ip))
			return true;
	return false;
}

static void take_far(void *ctx, struct nlmsghdr *h)
{
	struct links *l = ctx;
	struct rt_far far;

	if (!rtmsg_far(h, &far) || !is_in_mesh(l, &far.to))
		return;
	const struct rt_link *link = links_find(l, far.index);
	if (link)
		l->far_in_mesh[link - l->v] = true;
}

static bool has_forwarding(const struct links *l)
{
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->v[i].kind, "vxlan") == 0)
			return true;
	return false;
}

int links_read(struct nl_sock *sock, const char *own, struct links **ret_links, struct diag *d)
{
	_cleanup_(links_freep) struct links *l = calloc(1, sizeof(*l));

	if (!l)
		return TM_ENOMEM;
	l->own = own;
	int err = rtmsg_dump(sock, RTM_GETLINK, AF_UNSPEC, take_link, l, d);
	if (!err)
		err = l->err;
	if (!err)
		err = rtmsg_dump(sock, RTM_GETADDR, AF_UNSPEC, take_net, l, d);
	if (err)
		return err;

	l->far_in_mesh = calloc(MAX(l->n, (size_t)1), sizeof(*l->far_in_mesh));
	if (!l->far_in_mesh)
		return TM_ENOMEM;
	if (l->n_nets && has_forwarding(l))
		err = rtmsg_dump(sock, RTM_GETNEIGH, AF_BRIDGE, take_far, l, d);
	if (err)
		return err;
	l->own = NULL;
	*ret_links = TAKE(l);
	return TM_OK;
}

int links_of(const struct rt_link *v, size_t n, struct links **ret_links)
{
	_cleanup_(links_freep) struct links *l = calloc(1, sizeof(*l));

	if (!l)
		return TM_ENOMEM;
	for (size_t i = 0; i < n; i++)
		keep(l, &v[i]);
	l->far_in_mesh = calloc(MAX(n, (size_t)1), sizeof(*l->far_in_mesh));
	if (l->err || !l->far_in_mesh)
		return TM_ENOMEM;
	*ret_links = TAKE(l);
	return TM_OK;
}

void links_free(struct links *l)
{
	if (!l)
		return;
	free(l->v);
	free(l->far_in_mesh);
	free(l);
}

/* --- what lies on what --- */

static bool is_tunnel(const struct rt_link *link)
{
	static const char *const kinds[] = {"tun", "wireguard", "vxlan", "geneve", "gre", "gretap", "ip6gre",
		"ip6gretap", "erspan", "ip6erspan", "ipip", "sit", "ip6tnl", "vti", "vti6", "xfrm", "ovpn",
		"ovpn-dco", "amneziawg"};

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (strcmp(link->kind, kinds[i]) == 0)
			return true;
	return false;
}

/* A virtual interface is found in front of hardware, not below it: it does not say where a bridge leads. */
static bool is_virtual(const struct rt_link *link)
{
	return strcmp(link->kind, "veth") == 0 || strcmp(link->kind, "tun") == 0;
}

static enum link_on on(const struct links *l, const struct rt_link *link, unsigned depth);

/*
 * A bridge leads where its ports do. One with a network card and a port on the mesh leads to both: nobody is
 * shut out then, but what else there is comes first.
 */
static enum link_on bridge_on(const struct links *l, const struct rt_link *bridge, unsigned depth)
{
	bool hardware = false, tunnel = false, mesh = false;

	for (size_t i = 0; i < l->n; i++) {
		const struct rt_link *port = &l->v[i];

		if (port->master != bridge->index || is_virtual(port))
			continue;
		enum link_on where = on(l, port, depth + 1);
		hardware |= where == LINK_ON_HARDWARE;
		tunnel |= where == LINK_ON_TUNNEL;
		mesh |= where == LINK_ON_MESH;
	}
	if (mesh && !hardware)
		return LINK_ON_MESH;
	if (mesh || (tunnel && !hardware))
		return LINK_ON_TUNNEL;
	return hardware ? LINK_ON_HARDWARE : LINK_ON_BRIDGE;
}

static enum link_on on(const struct links *l, const struct rt_link *link, unsigned depth)
{
	const struct rt_link *lower;

	if (link->tunnelmesh || l->far_in_mesh[link - l->v] || is_in_mesh(l, &link->local) ||
		is_in_mesh(l, &link->remote))
		return LINK_ON_MESH;
	if (depth == DEPTH_MAX)
		return LINK_ON_HARDWARE;
	if (strcmp(link->kind, "bridge") == 0)
		return bridge_on(l, link, depth);

	lower = link->lower && link->lower != link->index && strcmp(link->kind, "veth") != 0
			? links_find(l, link->lower)
			: NULL;
	enum link_on below = lower ? on(l, lower, depth + 1) : LINK_ON_HARDWARE;
	return is_tunnel(link) ? MAX(below, LINK_ON_TUNNEL) : below;
}

enum link_on links_on(const struct links *l, int index)
{
	const struct rt_link *link = links_find(l, index);

	return link ? on(l, link, 0) : LINK_ON_HARDWARE;
}
