/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Addresses and links of this host: sets those of the TUN, looks at those of the others. Control thread or
 * CLI. */
#include "os/os.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <netlink/errno.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/link/inet6.h>
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

/* ---- setting ---- */

static int af_of(const struct ip *ip)
{
	return ip->family == IP_V4 ? AF_INET : AF_INET6;
}

/* libnl's own object for an address; NULL without memory. */
static struct rtnl_addr *address_object(int index, const struct prefix *p)
{
	struct nl_addr *local = nl_addr_build(af_of(&p->ip), p->ip.bytes, ip_len(&p->ip));
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

/* ---- looking ---- */

struct search {
	struct prefix wanted;
	int except;
	bool found, is_addr;
	struct prefix hit;
	int index;
};

static void match_route(void *ctx, struct nlmsghdr *h)
{
	struct search *s = ctx;
	struct rt_route r;

	if (s->found || !rtmsg_route(h, &r) || r.type != RTN_UNICAST || r.cloned || rtmsg_is_default(&r.dst))
		return;
	if ((s->except && r.index == s->except) || !prefix_overlaps(&s->wanted, &r.dst))
		return;
	s->found = true;
	s->hit = r.dst;
	s->index = r.index;
}

static void match_addr(void *ctx, struct nlmsghdr *h)
{
	struct search *s = ctx;
	struct rt_addr a;

	if (s->found || !rtmsg_addr(h, &a) || (s->except && a.index == s->except))
		return;
	if (!prefix_contains(&s->wanted, &a.prefix.ip))
		return;
	s->found = s->is_addr = true;
	s->hit = prefix_host(&a.prefix.ip);
	s->index = a.index;
}

static int in_use(const struct search *s, struct diag *d)
{
	char wanted[PREFIX_STR_LEN], hit[PREFIX_STR_LEN], ifname[IFNAMSIZ] = "";
	const char *on = s->index && if_indextoname((unsigned)s->index, ifname) ? " on " : "";

	prefix_format(&s->wanted, wanted);
	if (s->is_addr)
		return diag_what(d, TM_EEXIST, "%s contains this host's address %s%s%s", wanted,
			ip_format(&s->hit.ip, hit), on, ifname);
	return diag_what(d, TM_EEXIST, "%s overlaps the route %s%s%s", wanted, prefix_format(&s->hit, hit),
		on, ifname);
}

int os_prefix_in_use(const struct prefix *p, const char *except, struct diag *d)
{
	_cleanup_(rtmsg_closep) struct nl_sock *sock = NULL;
	struct search s = {.wanted = prefix_mask(p), .except = except ? (int)if_nametoindex(except) : 0};
	int err = rtmsg_open(&sock, d);

	if (!err)
		err = rtmsg_dump(sock, RTM_GETROUTE, af_of(&p->ip), match_route, &s, d);
	if (!err && !s.found)
		err = rtmsg_dump(sock, RTM_GETADDR, af_of(&p->ip), match_addr, &s, d);
	if (err)
		return err;
	return s.found ? in_use(&s, d) : TM_OK;
}

/* Interfaces through which the world may reach us. More than this many and the rest is not offered. */
enum { LINKS_MAX = 256 };

struct harvest {
	const char *except;
	int link[LINKS_MAX];
	size_t n_links;
	struct ip *out;
	size_t n, max;
};

static void harvest_link(void *ctx, struct nlmsghdr *h)
{
	struct harvest *v = ctx;
	struct rt_link l;

	if (!rtmsg_link(h, &l) || v->n_links == LINKS_MAX)
		return;
	if (!l.alive || (l.flags & IFF_LOOPBACK))
		return;
	/* Two meshes on the same hosts, each tunnelled through the other, would carry nothing at all. */
	if (l.tunnelmesh)
		return;
	if (!v->except || strcmp(l.name, v->except) != 0)
		v->link[v->n_links++] = l.index;
}

static bool reachable_address(const struct rt_addr *a)
{
	const struct ip *ip = &a->prefix.ip;

	return a->usable && a->scope != RT_SCOPE_HOST && !ip_is_loopback(ip) && !ip_is_link_local(ip) &&
	       !ip_is_multicast(ip) && !ip_is_unspecified(ip);
}

static void harvest_addr(void *ctx, struct nlmsghdr *h)
{
	struct harvest *v = ctx;
	struct rt_addr a;
	bool on_link = false;

	if (v->n == v->max || !rtmsg_addr(h, &a) || !reachable_address(&a))
		return;
	for (size_t i = 0; i < v->n_links; i++)
		on_link = on_link || v->link[i] == a.index;
	if (!on_link)
		return;
	for (size_t i = 0; i < v->n; i++)
		if (ip_eq(&v->out[i], &a.prefix.ip))
			return;
	v->out[v->n++] = a.prefix.ip;
}

size_t os_local_addresses(const char *except, struct ip *out, size_t max)
{
	_cleanup_(rtmsg_closep) struct nl_sock *sock = NULL;
	struct harvest v = {.except = except, .out = out, .max = max};
	struct diag d = {0};
	int err = rtmsg_open(&sock, &d);

	if (!err)
		err = rtmsg_dump(sock, RTM_GETLINK, AF_UNSPEC, harvest_link, &v, &d);
	if (!err)
		err = rtmsg_dump(sock, RTM_GETADDR, AF_UNSPEC, harvest_addr, &v, &d);
	if (err)
		log_warn("ifconf: cannot list local addresses, offering fewer candidates", KV("why", d.what));
	return v.n;
}
