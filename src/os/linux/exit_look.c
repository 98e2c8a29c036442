/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "os/linux/exit_private.h"

#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <stdlib.h>
#include <string.h>

#include "os/linux/links.h"
#include "os/linux/rtmsg.h"

struct look {
	struct links *links;
	int own; /* index of our interface */
	bool cards; /* there is hardware that one can see */
	struct exit_around a;
	int *outer; /* interfaces of default routes of the main table */
	size_t n_outer;
	int err;
};

/* One more of size bytes at the end of *v, which has n; NULL: no memory. */
static void *one_more(struct look *l, void *v, size_t n, size_t size)
{
	void *p = n & (n - 1) ? v : realloc(v, MAX(2 * n, (size_t)1) * size); /* full at powers of two */

	if (!p)
		l->err = TM_ENOMEM;
	return p;
}

static void add_outer(struct look *l, int index)
{
	int *v = one_more(l, l->outer, l->n_outer, sizeof(*v));

	if (!v)
		return;
	l->outer = v;
	l->outer[l->n_outer++] = index;
}

static bool is_outer(const struct look *l, int index)
{
	for (size_t i = 0; i < l->n_outer; i++)
		if (l->outer[i] == index)
			return true;
	return false;
}

/*
 * A bridge without a network card, and one end of a pair, is where guests are; or, where this host is a guest
 * itself, the way out. That is where a default route says so, and for a pair where there is no network card.
 */
static bool is_inner(const struct look *l, const struct rt_link *link)
{
	const enum link_on on = links_on(l->links, link->index);

	if (on >= LINK_ON_TUNNEL || is_outer(l, link->index))
		return on >= LINK_ON_TUNNEL;
	return on == LINK_ON_BRIDGE || (strcmp(link->kind, "veth") == 0 && l->cards);
}

static void add_prefix(struct look *l, struct prefix **v, size_t *n, const struct prefix *p)
{
	struct prefix *more = one_more(l, *v, *n, sizeof(*more));

	if (!more)
		return;
	*v = more;
	more[(*n)++] = prefix_mask(p);
}

static const struct rt_link *find_inner(const struct look *l, int index)
{
	const struct rt_link *link = index == l->own ? NULL : links_find(l->links, index);

	return link && is_inner(l, link) ? link : NULL;
}

static void add_name(struct look *l, char (**names)[IFNAMSIZ], size_t *n, const struct rt_link *link)
{
	char(*v)[IFNAMSIZ] = one_more(l, *names, *n, sizeof(*v));

	if (!v)
		return;
	*names = v;
	memset(v[*n], 0, sizeof(v[0]));
	memcpy(v[(*n)++], link->name, strnlen(link->name, IFNAMSIZ - 1));
}

static void see_card(void *ctx, struct nlmsghdr *h)
{
	struct look *l = ctx;
	struct rt_link link;

	if (rtmsg_link(h, &link) && !link.kind[0] && !(link.flags & IFF_LOOPBACK))
		l->cards = true;
}

static void see_link(void *ctx, struct nlmsghdr *h)
{
	struct look *l = ctx;
	struct rt_link link;

	if (!rtmsg_link(h, &link))
		return;
	if (!link.master && find_inner(l, link.index))
		add_name(l, &l->a.inner, &l->a.n_inner, &link);
	else if (strcmp(link.kind, "bridge") == 0)
		add_name(l, &l->a.bridges, &l->a.n_bridges, &link);
}

static bool of_main(const struct rt_route *r)
{
	return !r->cloned && r->table == RT_TABLE_MAIN && r->type == RTN_UNICAST;
}

static void see_default(void *ctx, struct nlmsghdr *h)
{
	struct rt_route r;

	if (rtmsg_route(h, &r) && of_main(&r) && rtmsg_is_default(&r.dst))
		add_outer(ctx, r.index);
}

static bool is_group_or_link_local(const struct ip *ip)
{
	return ip_is_link_local(ip) || ip_is_multicast(ip);
}

static void see_route(void *ctx, struct nlmsghdr *h)
{
	struct look *l = ctx;
	struct rt_route r;

	if (!rtmsg_route(h, &r) || !of_main(&r) || rtmsg_is_default(&r.dst) || r.several ||
		is_group_or_link_local(&r.dst.ip))
		return;
	if (r.index == l->own)
		add_prefix(l, &l->a.tunnel, &l->a.n_tunnel, &r.dst);
	else if (find_inner(l, r.index))
		add_prefix(l, &l->a.nets, &l->a.n_nets, &r.dst);
}

/*
 * A network says by DHCP which addresses are its own, and one that says it of the internet's would draw what
 * is for these past the exit (TunnelCrack, CVE-2023-36672): what counts is in ranges that nobody has there.
 */
static bool is_nobodys(const struct prefix *p)
{
	static const struct prefix ranges[] = {
		{{IP_V4, {192, 0, 2}}, 24}, /* RFC 5737, as the next two */
		{{IP_V4, {198, 51, 100}}, 24}, {{IP_V4, {203, 0, 113}}, 24},
		{{IP_V4, {198, 18}}, 15}, /* RFC 2544 */
		{{IP_V6, {0x20, 0x01, 0x0d, 0xb8}}, 32}, /* RFC 3849 */
	};

	for (size_t i = 0; i < ARRAY_LEN(ranges); i++)
		if (p->len >= ranges[i].len && prefix_contains(&ranges[i], &p->ip))
			return true;
	return prefix_is_private(p);
}

static void add_own(struct look *l, const struct ip *ip)
{
	if (!is_group_or_link_local(ip) && l->a.n_own < ARRAY_LEN(l->a.own))
		l->a.own[l->a.n_own++] = *ip;
}

static void see_addr(void *ctx, struct nlmsghdr *h)
{
	struct look *l = ctx;
	struct rt_addr a;

	if (!rtmsg_addr(h, &a))
		return;
	if (a.index == l->own) {
		add_own(l, &a.prefix.ip);
		return;
	}
	const struct rt_link *link = links_find(l->links, a.index);
	const struct prefix net = prefix_mask(&a.prefix);
	if (!link || (link->flags & IFF_LOOPBACK) || is_inner(l, link) || !is_nobodys(&net) ||
		is_group_or_link_local(&net.ip))
		return;
	struct exit_lan *v = one_more(l, l->a.lans, l->a.n_lans, sizeof(*v));
	if (!v)
		return;
	l->a.lans = v;
	struct exit_lan *lan = &v[l->a.n_lans++];
	*lan = (struct exit_lan){.prefix = net};
	memcpy(lan->ifname, link->name, strnlen(link->name, IFNAMSIZ - 1));
}

static int by_name(const void *a, const void *b)
{
	return memcmp(a, b, IFNAMSIZ);
}

static int by_prefix(const void *a, const void *b)
{
	const struct prefix *x = a, *y = b;
	int c = x->ip.family - y->ip.family;

	c = c ? c : memcmp(x->ip.bytes, y->ip.bytes, sizeof(x->ip.bytes));
	return c ? c : x->len - y->len;
}

static int by_lan(const void *a, const void *b)
{
	const struct exit_lan *x = a, *y = b;
	int c = by_name(x->ifname, y->ifname);

	return c ? c : by_prefix(&x->prefix, &y->prefix);
}

/* In order, each once: several addresses of an interface are mostly of one network. */
static void sort(void *v, size_t *n, size_t size, int (*order)(const void *, const void *))
{
	uint8_t *p = v;
	size_t kept = 0;

	if (*n)
		qsort(p, *n, size, order);
	for (size_t i = 0; i < *n; i++)
		if (!kept || order(p + (kept - 1) * size, p + i * size) != 0)
			memmove(p + kept++ * size, p + i * size, size);
	*n = kept;
}

static void sort_all(struct exit_around *a)
{
	sort(a->inner, &a->n_inner, sizeof(a->inner[0]), by_name);
	sort(a->bridges, &a->n_bridges, sizeof(a->bridges[0]), by_name);
	sort(a->nets, &a->n_nets, sizeof(a->nets[0]), by_prefix);
	sort(a->tunnel, &a->n_tunnel, sizeof(a->tunnel[0]), by_prefix);
	sort(a->lans, &a->n_lans, sizeof(a->lans[0]), by_lan);
}

static int dump(struct nl_sock *sock, struct look *l, int type, rtmsg_fn *fn, struct diag *d)
{
	int err = rtmsg_dump(sock, type, AF_UNSPEC, fn, l, d);

	return err ? err : l->err;
}

static int dump_main(struct nl_sock *sock, struct look *l, rtmsg_fn *fn, struct diag *d)
{
	int err = rtmsg_dump_table(sock, RT_TABLE_MAIN, fn, l, d);

	return err ? err : l->err;
}

int exit_look(struct nl_sock *sock, const char *ifname, struct exit_around *ret_around, struct diag *d)
{
	struct look l = {.own = (int)if_nametoindex(ifname)};
	int err = links_read(sock, ifname, &l.links, d);

	if (!err)
		err = dump(sock, &l, RTM_GETLINK, see_card, d);
	if (!err)
		err = dump_main(sock, &l, see_default, d);
	if (!err)
		err = dump(sock, &l, RTM_GETLINK, see_link, d);
	if (!err)
		err = dump_main(sock, &l, see_route, d);
	if (!err)
		err = dump(sock, &l, RTM_GETADDR, see_addr, d);
	if (!err)
		err = exit_rules_marks(sock, &l.a, d);
	links_free(l.links);
	free(l.outer);
	if (err) {
		exit_around_deinit(&l.a);
		return err;
	}
	sort_all(&l.a);
	*ret_around = l.a;
	return TM_OK;
}

void exit_around_deinit(struct exit_around *a)
{
	free(a->inner);
	free(a->bridges);
	free(a->nets);
	free(a->tunnel);
	free(a->lans);
	*a = (struct exit_around){.n_own = 0};
}

bool exit_around_eq(const struct exit_around *a, const struct exit_around *b)
{
	if (a->n_inner != b->n_inner || a->n_nets != b->n_nets || a->n_lans != b->n_lans ||
		a->n_tunnel != b->n_tunnel || a->n_bridges != b->n_bridges || a->n_own != b->n_own ||
		a->n_marks != b->n_marks)
		return false;
	for (size_t i = 0; i < a->n_inner; i++)
		if (by_name(a->inner[i], b->inner[i]) != 0)
			return false;
	for (size_t i = 0; i < a->n_bridges; i++)
		if (by_name(a->bridges[i], b->bridges[i]) != 0)
			return false;
	for (size_t i = 0; i < a->n_nets; i++)
		if (by_prefix(&a->nets[i], &b->nets[i]) != 0)
			return false;
	for (size_t i = 0; i < a->n_tunnel; i++)
		if (by_prefix(&a->tunnel[i], &b->tunnel[i]) != 0)
			return false;
	for (size_t i = 0; i < a->n_lans; i++)
		if (by_lan(&a->lans[i], &b->lans[i]) != 0)
			return false;
	for (size_t i = 0; i < a->n_own; i++)
		if (!ip_eq(&a->own[i], &b->own[i]))
			return false;
	for (size_t i = 0; i < a->n_marks; i++)
		if (a->marks[i].mark != b->marks[i].mark || a->marks[i].mask != b->marks[i].mask)
			return false;
	return true;
}
