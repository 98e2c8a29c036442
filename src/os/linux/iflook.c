/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Looks at addresses and routes of this host. Control thread or CLI. */
#include "os/os.h"

#include <string.h>

#include "base/log.h"
#include "os/linux/links.h"

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
	/* A VPN that routes by rules has its peers there, one by one: each hides one address, not the range.
	 */
	if (r.table != RT_TABLE_MAIN && r.dst.len == ip_bits(&r.dst.ip))
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
		err = rtmsg_dump(sock, RTM_GETROUTE, rtmsg_family(&p->ip), match_route, &s, d);
	if (!err && !s.found)
		err = rtmsg_dump(sock, RTM_GETADDR, rtmsg_family(&p->ip), match_addr, &s, d);
	if (err)
		return err;
	return s.found ? in_use(&s, d) : TM_OK;
}

/* --- which of our addresses the world may reach us at --- */

/* More than this many and the rest is not offered. */
enum { ADDRESSES_MAX = 1024 };

/*
 * The order in which addresses are offered: where there is room for a few only, those by which most others
 * reach us. Bridges of containers are many, and hardly anybody is behind them.
 */
enum preference { BY_DEFAULT_ROUTE, BY_HARDWARE, BY_DEFAULT_TUNNEL, BY_BRIDGE, BY_TUNNEL, NEVER };

struct found {
	struct ip ip;
	enum preference preference;
	unsigned nth; /* of its family and preference */
};

struct harvest {
	const struct links *links;
	int default4, default6; /* interfaces of the default routes, 0 = none */
	const char *except;
	struct found v[ADDRESSES_MAX];
	size_t n;
};

static bool reachable_address(const struct rt_addr *a)
{
	const struct ip *ip = &a->prefix.ip;

	return a->usable && a->scope != RT_SCOPE_HOST && !ip_is_loopback(ip) && !ip_is_link_local(ip) &&
	       !ip_is_multicast(ip) && !ip_is_unspecified(ip);
}

static enum preference preference_of(const struct harvest *v, const struct rt_addr *a)
{
	const struct rt_link *l = links_find(v->links, a->index);
	bool is_default = a->index == (a->prefix.ip.family == IP_V4 ? v->default4 : v->default6);

	if (!l || !l->alive || (l->flags & IFF_LOOPBACK) || (v->except && strcmp(l->name, v->except) == 0))
		return NEVER;
	switch (links_on(v->links, a->index)) {
	case LINK_ON_HARDWARE:
		return is_default ? BY_DEFAULT_ROUTE : BY_HARDWARE;
	case LINK_ON_BRIDGE:
		return is_default ? BY_DEFAULT_ROUTE : BY_BRIDGE;
	case LINK_ON_TUNNEL:
		return is_default ? BY_DEFAULT_TUNNEL : BY_TUNNEL;
	case LINK_ON_MESH: /* of this or another mesh: the tunnel would be in itself, or each in the other */
		break;
	}
	return NEVER;
}

static void harvest_addr(void *ctx, struct nlmsghdr *h)
{
	struct harvest *v = ctx;
	struct rt_addr a;
	unsigned nth = 0;

	if (v->n == ADDRESSES_MAX || !rtmsg_addr(h, &a) || !reachable_address(&a))
		return;
	enum preference p = preference_of(v, &a);
	for (size_t i = 0; i < v->n; i++) {
		if (ip_eq(&v->v[i].ip, &a.prefix.ip)) {
			v->v[i].preference = MIN(v->v[i].preference, p);
			return;
		}
		nth += v->v[i].preference == p && v->v[i].ip.family == a.prefix.ip.family;
	}
	if (p != NEVER)
		v->v[v->n++] = (struct found){a.prefix.ip, p, nth};
}

/* By preference, then the first of each family, the second of each, and so on. */
static int by_preference(const void *a, const void *b)
{
	const struct found *x = a, *y = b;

	if (x->preference != y->preference)
		return x->preference < y->preference ? -1 : 1;
	if (x->nth != y->nth)
		return x->nth < y->nth ? -1 : 1;
	return (int)x->ip.family - (int)y->ip.family;
}

/* The interface by which the internet is reached, asked like any route, so that rules and the halves in which
 * VPNs install theirs count. */
static int default_interface(struct nl_sock *sock, enum ip_family family)
{
	const struct ip to = rtmsg_internet(family);
	struct rt_route r;

	return rtmsg_lookup(sock, &to, NULL, 0, &r) == TM_OK ? r.index : 0;
}

static int harvest(struct nl_sock *sock, struct harvest *v, struct diag *d)
{
	_cleanup_(links_freep) struct links *links = NULL;
	int err = links_read(sock, v->except, &links, d);

	if (err)
		return err;
	v->links = links;
	v->default4 = default_interface(sock, IP_V4);
	v->default6 = default_interface(sock, IP_V6);
	err = rtmsg_dump(sock, RTM_GETADDR, AF_UNSPEC, harvest_addr, v, d);
	qsort(v->v, v->n, sizeof(v->v[0]), by_preference);
	return err;
}

size_t os_local_addresses(const char *except, struct ip *out, size_t max)
{
	_cleanup_(rtmsg_closep) struct nl_sock *sock = NULL;
	_cleanup_(freep) struct harvest *v = calloc(1, sizeof(*v));
	struct diag d = {0};
	int err = v ? rtmsg_open(&sock, &d) : TM_ENOMEM;

	if (!err) {
		v->except = except;
		err = harvest(sock, v, &d);
	}
	if (err)
		log_warn("ifconf: cannot list local addresses, offering fewer candidates", KV("why", d.what));
	size_t n = v ? MIN(v->n, max) : 0;
	for (size_t i = 0; i < n; i++)
		out[i] = v->v[i].ip;
	return n;
}
