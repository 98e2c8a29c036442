/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Looks at addresses and routes of this host. Control thread or CLI. */
#include "os/os.h"

#include <string.h>

#include "base/log.h"
#include "os/linux/useful.h"

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

/* What there is at one moment. */
struct look {
	struct rt_addr *addrs;
	size_t n, room;
	int err;
};

static void look_at_addr(void *ctx, struct nlmsghdr *h)
{
	struct look *l = ctx;
	struct rt_addr a;

	if (l->err || !rtmsg_addr(h, &a))
		return;
	if (l->n == l->room) {
		size_t room = l->room ? 2 * l->room : 32;
		struct rt_addr *v = reallocarray(l->addrs, room, sizeof(*v));

		if (!v) {
			l->err = TM_ENOMEM;
			return;
		}
		l->addrs = v;
		l->room = room;
	}
	l->addrs[l->n++] = a;
}

/* Asked like any route, so that rules and the halves in which VPNs install theirs count. */
static void ask_way(
	struct nl_sock *sock, enum ip_family family, uint32_t mark, int *ret_index, struct ip *ret_source)
{
	const struct ip to = rtmsg_internet(family);
	struct rt_route r = {0};

	if (rtmsg_lookup(sock, &to, NULL, mark, &r) != TM_OK)
		return;
	*ret_index = r.index;
	*ret_source = r.source;
}

static int look(struct nl_sock *sock, const char *except, uint32_t mark, struct look *l, struct ip *out,
	size_t max, size_t *ret_n, struct diag *d)
{
	_cleanup_(links_freep) struct links *links = NULL;
	int err = links_read(sock, except, &links, d);

	if (!err)
		err = rtmsg_dump(sock, RTM_GETADDR, AF_UNSPEC, look_at_addr, l, d);
	if (!err)
		err = l->err;
	if (err)
		return err;
	struct useful_in in = {.links = links, .addrs = l->addrs, .n = l->n, .except = except};
	ask_way(sock, IP_V4, mark, &in.internet[0].index, &in.internet[0].source);
	ask_way(sock, IP_V6, mark, &in.internet[1].index, &in.internet[1].source);
	*ret_n = useful_addresses(&in, out, max);
	return TM_OK;
}

size_t os_local_addresses(const char *except, uint32_t mark, struct ip *out, size_t max)
{
	_cleanup_(rtmsg_closep) struct nl_sock *sock = NULL;
	struct look l = {0};
	struct diag d = {0};
	size_t n = 0;
	int err = rtmsg_open(&sock, &d);

	if (!err)
		err = look(sock, except, mark, &l, out, max, &n, &d);
	free(l.addrs);
	if (err)
		log_warn("ifconf: cannot list local addresses, offering no candidates of our own",
			KV("why", d.what));
	return n;
}

/* --- what this host takes as its own --- */

struct own {
	int except;
	struct ip *v;
	size_t n, room;
	int err;
};

static void add_own(struct own *o, const struct ip *ip)
{
	if (o->n == o->room) {
		size_t room = o->room ? 2 * o->room : 32;
		struct ip *v = reallocarray(o->v, room, sizeof(*v));

		if (!v) {
			o->err = TM_ENOMEM;
			return;
		}
		o->v = v;
		o->room = room;
	}
	o->v[o->n++] = *ip;
}

/* RFC 4291 2.6.1: a subnet's first address is its routers'. Linux leaves out those where it could be a host's
 * (RFC 6164), and takes others as its own once it forwards: which is no news to wait for. */
static void own_addr(void *ctx, struct nlmsghdr *h)
{
	struct own *o = ctx;
	struct rt_addr a;

	if (o->err || !rtmsg_addr(h, &a) || (o->except && a.index == o->except))
		return;
	add_own(o, &a.prefix.ip);
	if (!o->err && a.prefix.ip.family == IP_V6 && a.prefix.len < 127) {
		const struct prefix net = prefix_mask(&a.prefix);

		add_own(o, &net.ip);
	}
}

/* Which addresses are broadcasts depends on the kernel (the first of a network was one until Linux 5.14) and
 * on what was set. */
static void own_route(void *ctx, struct nlmsghdr *h)
{
	struct own *o = ctx;
	struct rt_route r;

	if (o->err || !rtmsg_route(h, &r) || r.table != RT_TABLE_LOCAL ||
		(r.type != RTN_BROADCAST && r.type != RTN_ANYCAST) || r.dst.len != ip_bits(&r.dst.ip) ||
		(o->except && r.index == o->except))
		return;
	add_own(o, &r.dst.ip);
}

int os_own_addresses(const char *except, struct ip **ret_v, size_t *ret_n, struct diag *d)
{
	_cleanup_(rtmsg_closep) struct nl_sock *sock = NULL;
	struct own o = {.except = except ? (int)if_nametoindex(except) : 0};

	int err = rtmsg_open(&sock, d);
	if (!err)
		err = rtmsg_dump(sock, RTM_GETADDR, AF_UNSPEC, own_addr, &o, d);
	if (!err)
		err = rtmsg_dump_table(sock, RT_TABLE_LOCAL, own_route, &o, d);
	if (!err)
		err = o.err;
	if (err) {
		free(o.v);
		return err;
	}
	*ret_v = o.v;
	*ret_n = o.n;
	return TM_OK;
}
