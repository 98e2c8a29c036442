/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Sets the addresses of the TUN, and sets again what others took away. Control thread. */
#include "os/os.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <netlink/errno.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/link/inet6.h>
#include <netlink/route/route.h>
#include <string.h>

#include "base/log.h"
#include "os/linux/rtmsg.h"

static int nl_failed(struct diag *d, int nlerr, const char *what, const char *ifname)
{
	int err = nlerr == -NLE_PERM || nlerr == -NLE_NOACCESS ? TM_EPERM
		  : nlerr == -NLE_NOMEM                        ? TM_ENOMEM
							       : TM_EIO;
	return diag_what(d, err, "cannot %s %s: %s", what, ifname, nl_geterror(nlerr));
}

/* libnl's own object for an address; NULL without memory. */
static struct rtnl_addr *address_object(int index, const struct prefix *p)
{
	struct nl_addr *local = nl_addr_build(rtmsg_family(&p->ip), p->ip.bytes, ip_len(&p->ip));
	struct rtnl_addr *a = rtnl_addr_alloc();

	if (local && a) {
		nl_addr_set_prefixlen(local, p->len);
		rtnl_addr_set_ifindex(a, index);
		/* Nobody else on a tunnel can have our address: no waiting for duplicate detection. */
		if (p->ip.family == IP_V6)
			rtnl_addr_set_flags(a, IFA_F_NODAD);
		if (rtnl_addr_set_local(a, local) == 0) {
			nl_addr_put(local);
			return a;
		}
	}
	if (local)
		nl_addr_put(local);
	if (a)
		rtnl_addr_put(a);
	return NULL;
}

struct stale {
	struct nl_sock *sock;
	int index;
	const struct prefix *keep;
	size_t n_keep;
	struct prefix found[32];
	size_t n_found;
};

static void find_stale(void *ctx, struct nlmsghdr *h)
{
	struct stale *s = ctx;
	struct rt_addr a;

	if (!rtmsg_addr(h, &a) || a.index != s->index || ip_is_link_local(&a.prefix.ip))
		return;
	for (size_t i = 0; i < s->n_keep; i++)
		if (ip_eq(&s->keep[i].ip, &a.prefix.ip) && s->keep[i].len == a.prefix.len)
			return;
	if (s->n_found < ARRAY_LEN(s->found))
		s->found[s->n_found++] = a.prefix;
}

/* Before the new ones are added: deleting a primary IPv4 address takes its secondaries along. */
static int drop_stale(struct stale *s, struct diag *d)
{
	int err = rtmsg_dump(s->sock, RTM_GETADDR, AF_UNSPEC, find_stale, s, d);

	for (size_t i = 0; i < s->n_found && !err; i++) {
		struct rtnl_addr *a = address_object(s->index, &s->found[i]);
		if (!a)
			return TM_ENOMEM;
		(void)rtnl_addr_delete(s->sock, a, 0); /* gone with its primary: as good */
		rtnl_addr_put(a);
	}
	return err;
}

static bool ipv6_is_off(int nlerr)
{
	return nlerr == -NLE_NOACCESS || nlerr == -NLE_OPNOTSUPP || nlerr == -NLE_AF_NOSUPPORT;
}

/* `alone`: there is nothing to carry on with where IPv6 is disabled. */
static int add_address(struct nl_sock *sock, int index, const char *ifname, const struct prefix *p,
	bool alone, struct diag *d)
{
	char text[PREFIX_STR_LEN];
	struct rtnl_addr *a = address_object(index, p);

	if (!a)
		return TM_ENOMEM;

	int nlerr = rtnl_addr_add(sock, a, NLM_F_CREATE | NLM_F_REPLACE);
	rtnl_addr_put(a);
	if (nlerr >= 0)
		return TM_OK;
	/* The kernel answers EACCES under the sysctl disable_ipv6, usual in containers. IPv4 works all the
	 * same. */
	if (p->ip.family == IP_V6 && !alone && ipv6_is_off(nlerr)) {
		log_warn("ifconf: IPv6 is disabled on this host, carrying on with IPv4", KV("if", ifname),
			KV_PREFIX("address", p));
		return TM_OK;
	}
	if (p->ip.family == IP_V6 && ipv6_is_off(nlerr))
		diag_hint(d, "IPv6 is disabled on this host: sysctl net.ipv6.conf.all.disable_ipv6");
	char what[PREFIX_STR_LEN + 32];
	snprintf(what, sizeof(what), "set the address %s on", prefix_format(p, text));
	return nl_failed(d, nlerr, what, ifname);
}

static int change_link(struct nl_sock *sock, int index, bool up)
{
	struct rtnl_link *link = rtnl_link_alloc(), *change = rtnl_link_alloc();
	int err = -NLE_NOMEM;

	if (link && change) {
		rtnl_link_set_ifindex(link, index);
		if (up) {
			rtnl_link_set_flags(change, IFF_UP);
			rtnl_link_set_ifalias(change, RT_ALIAS);
		} else {
			(void)rtnl_link_inet6_set_addr_gen_mode(change, IN6_ADDR_GEN_MODE_NONE);
		}
		err = rtnl_link_change(sock, link, change, 0);
	}
	rtnl_link_put(link);
	rtnl_link_put(change);
	return err;
}

int os_if_configure(const char *ifname, const struct prefix *addrs, size_t n, struct diag *d)
{
	_cleanup_(rtmsg_closep) struct nl_sock *sock = NULL;
	int index = (int)if_nametoindex(ifname);
	bool has_v4 = false;
	int err;

	if (index == 0)
		return diag_what(d, TM_ENOENT, "there is no interface %s", ifname);

	err = rtmsg_open(&sock, d);
	if (err)
		return err;

	/* No link-local address: its router solicitations and reports would only be dropped. Old kernels
	 * refuse; harmless. */
	(void)change_link(sock, index, false);
	int nlerr = change_link(sock, index, true);
	if (nlerr < 0)
		return nl_failed(d, nlerr, "bring up", ifname);

	err = drop_stale(&(struct stale){.sock = sock, .index = index, .keep = addrs, .n_keep = n}, d);
	for (size_t i = 0; i < n; i++)
		has_v4 = has_v4 || addrs[i].ip.family == IP_V4;
	for (size_t i = 0; i < n && !err; i++)
		err = add_address(sock, index, ifname, &addrs[i], !has_v4, d);
	return err;
}

bool os_if_has_ip6(const char *ifname)
{
	char name[64], is_off[16];

	/* The kernel's setting ipv6.disable takes all of these away. */
	snprintf(name, sizeof(name), "net/ipv6/conf/%s/disable_ipv6", ifname);
	return os_setting_get(name, is_off, sizeof(is_off)) == TM_OK && strcmp(is_off, "0") == 0;
}

/* --- putting back --- */

struct present {
	int index;
	bool up;
	const struct prefix *addrs;
	size_t n;
	uint64_t has; /* a bit for each of addrs */
};

static void see_link(void *ctx, struct nlmsghdr *h)
{
	struct present *p = ctx;
	struct rt_link l;

	if (rtmsg_link(h, &l) && l.index == p->index)
		p->up = l.flags & IFF_UP;
}

static void see_addr(void *ctx, struct nlmsghdr *h)
{
	struct present *p = ctx;
	struct rt_addr a;

	if (!rtmsg_addr(h, &a) || a.index != p->index)
		return;
	for (size_t i = 0; i < p->n; i++)
		if (ip_eq(&p->addrs[i].ip, &a.prefix.ip) && p->addrs[i].len == a.prefix.len)
			p->has |= UINT64_C(1) << i;
}

/* Some other address of the prefix. */
static struct ip neighbour_of(const struct prefix *p)
{
	struct ip ip = p->ip;

	ip.bytes[ip_len(&ip) - 1] ^= 1;
	return ip;
}

/* As the kernel makes it with the address, so that it goes with the address, too. */
static struct rtnl_route *route_object(int index, const struct prefix *p)
{
	struct prefix net = prefix_mask(p);
	struct nl_addr *dst = nl_addr_build(rtmsg_family(&net.ip), net.ip.bytes, ip_len(&net.ip));
	struct nl_addr *source = nl_addr_build(rtmsg_family(&p->ip), p->ip.bytes, ip_len(&p->ip));
	struct rtnl_route *r = rtnl_route_alloc();
	struct rtnl_nexthop *hop = rtnl_route_nh_alloc();
	bool ok = dst && source && r && hop;

	if (ok) {
		nl_addr_set_prefixlen(dst, net.len);
		rtnl_route_nh_set_ifindex(hop, index);
		rtnl_route_add_nexthop(r, TAKE(hop));
		rtnl_route_set_protocol(r, RTPROT_KERNEL);
		rtnl_route_set_table(r, RT_TABLE_MAIN);
		rtnl_route_set_type(r, RTN_UNICAST);
		rtnl_route_set_scope(r, net.ip.family == IP_V4 ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE);
		if (net.ip.family == IP_V6)
			rtnl_route_set_priority(r, 256); /* IP6_RT_PRIO_ADDRCONF */
		else
			(void)rtnl_route_set_pref_src(r, source);
		ok = rtnl_route_set_dst(r, dst) == 0;
	}
	if (hop)
		rtnl_route_nh_free(hop);
	if (dst)
		nl_addr_put(dst);
	if (source)
		nl_addr_put(source);
	if (!ok && r)
		rtnl_route_put(TAKE(r));
	return r;
}

/* Adds the prefix's route unless it is there; *ret_new says which. An error is libnl's. */
static int restore_route(struct nl_sock *sock, int index, const struct prefix *p, bool *ret_new)
{
	const struct ip neighbour = neighbour_of(p);
	struct rt_route route;

	*ret_new = false;
	/* Usually it is, and looking costs less than trying. */
	if (p->len >= ip_bits(&p->ip) ||
		(rtmsg_lookup(sock, &neighbour, NULL, 0, &route) == TM_OK && route.index == index))
		return 0;

	struct rtnl_route *r = route_object(index, p);
	if (!r)
		return -NLE_NOMEM;
	int nlerr = rtnl_route_add(sock, r, NLM_F_CREATE | NLM_F_EXCL);
	rtnl_route_put(r);
	*ret_new = nlerr >= 0;
	return nlerr == -NLE_EXIST ? 0 : nlerr;
}

static int restore_addresses(struct nl_sock *sock, const char *ifname, const struct present *p,
	struct os_if_restored *ret_restored, struct diag *d)
{
	int err = TM_OK;

	for (size_t i = 0; i < p->n && !err; i++) {
		bool route_is_new;

		if (!(p->has & UINT64_C(1) << i)) {
			struct rtnl_addr *a = address_object(p->index, &p->addrs[i]);
			if (!a)
				return TM_ENOMEM;
			int nlerr = rtnl_addr_add(sock, a, NLM_F_CREATE | NLM_F_REPLACE);
			rtnl_addr_put(a);
			if (nlerr < 0 && p->addrs[i].ip.family == IP_V6 && ipv6_is_off(nlerr))
				continue;
			if (nlerr < 0)
				return nl_failed(d, nlerr, "put back an address of", ifname);
			ret_restored->addresses++;
		}
		int nlerr = restore_route(sock, p->index, &p->addrs[i], &route_is_new);
		if (nlerr < 0)
			return nl_failed(d, nlerr, "put back a route of", ifname);
		ret_restored->routes += route_is_new;
	}
	return err;
}

int os_if_restore(const char *ifname, const struct prefix *addrs, size_t n,
	struct os_if_restored *ret_restored, struct diag *d)
{
	_cleanup_(rtmsg_closep) struct nl_sock *sock = NULL;
	struct present p = {.index = (int)if_nametoindex(ifname), .addrs = addrs, .n = MIN(n, (size_t)64)};
	int err;

	*ret_restored = (struct os_if_restored){0};
	if (p.index == 0)
		return diag_what(d, TM_ENOENT, "there is no interface %s", ifname);
	err = rtmsg_open(&sock, d);
	if (!err)
		err = rtmsg_dump(sock, RTM_GETLINK, AF_UNSPEC, see_link, &p, d);
	if (err)
		return err;
	if (!p.up) {
		int nlerr = change_link(sock, p.index, true);
		if (nlerr < 0)
			return nl_failed(d, nlerr, "bring up", ifname);
		ret_restored->link = true;
	}
	/* After that: going down takes IPv6 addresses along, coming up brings routes back. */
	err = rtmsg_dump(sock, RTM_GETADDR, AF_UNSPEC, see_addr, &p, d);
	return err ? err : restore_addresses(sock, ifname, &p, ret_restored, d);
}
