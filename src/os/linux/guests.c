/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "os/linux/guests.h"

#include <stdlib.h>
#include <string.h>

#include "os/linux/links.h"
#include "os/linux/rtmsg.h"

struct look {
	struct links *links;
	int own; /* index of our interface */
	int outer[2]; /* of those that lead to the internet, by either family */
	bool cards; /* there is hardware that one can see */
	struct guests g;
	int err;
};

static void see_card(void *ctx, struct nlmsghdr *h)
{
	struct look *l = ctx;
	struct rt_link link;

	if (rtmsg_link(h, &link) && !link.kind[0] && !(link.flags & IFF_LOOPBACK))
		l->cards = true;
}

static bool is_guest(const struct look *l, const struct rt_link *link)
{
	const enum link_on on = links_on(l->links, link->index);

	if (link->master || link->index == l->own)
		return false;
	if (on >= LINK_ON_TUNNEL || link->index == l->outer[0] || link->index == l->outer[1])
		return on >= LINK_ON_TUNNEL;
	return on == LINK_ON_BRIDGE || strcmp(link->kind, "ppp") == 0 ||
	       (strcmp(link->kind, "veth") == 0 && l->cards);
}

static void add(struct look *l, struct ifnames *names, const struct rt_link *link)
{
	const bool full = (names->n & (names->n - 1)) == 0; /* at powers of two */
	void *v = full ? reallocarray(names->v, MAX(2 * names->n, (size_t)1), sizeof(*names->v)) : names->v;

	if (!v) {
		l->err = TM_ENOMEM;
		return;
	}
	names->v = v;
	memset(names->v[names->n], 0, IFNAMSIZ);
	memcpy(names->v[names->n++], link->name, strnlen(link->name, IFNAMSIZ - 1));
}

static void see_link(void *ctx, struct nlmsghdr *h)
{
	struct look *l = ctx;
	struct rt_link link;

	if (!rtmsg_link(h, &link) || !links_find(l->links, link.index) || l->err)
		return;
	const bool guest = is_guest(l, &link);
	if (guest)
		add(l, &l->g.inner, &link);
	if (!guest && strcmp(link.kind, "bridge") == 0)
		add(l, &l->g.bridges, &link);
	if (link.tunnelmesh && link.index != l->own)
		add(l, &l->g.meshes, &link);
}

static int outer(struct nl_sock *sock, enum ip_family family, uint32_t mark)
{
	const struct ip to = rtmsg_internet(family);
	struct rt_route route;

	return rtmsg_lookup(sock, &to, NULL, mark, &route) == TM_OK ? route.index : 0;
}

static int by_name(const void *a, const void *b)
{
	return memcmp(a, b, IFNAMSIZ);
}

static void sort(struct ifnames *names)
{
	if (names->n)
		qsort(names->v, names->n, sizeof(*names->v), by_name);
}

int guests_read(
	struct nl_sock *sock, const char *own, uint32_t mark, struct guests *ret_guests, struct diag *d)
{
	struct look l = {
		.own = (int)if_nametoindex(own),
		.outer = {outer(sock, IP_V4, mark), outer(sock, IP_V6, mark)},
	};
	int err = links_read(sock, own, &l.links, d);

	if (!err)
		err = rtmsg_dump(sock, RTM_GETLINK, AF_UNSPEC, see_card, &l, d);
	if (!err)
		err = rtmsg_dump(sock, RTM_GETLINK, AF_UNSPEC, see_link, &l, d);
	links_free(l.links);
	if (err || l.err) {
		guests_deinit(&l.g);
		return err ? err : l.err;
	}
	sort(&l.g.inner);
	sort(&l.g.bridges);
	sort(&l.g.meshes);
	*ret_guests = l.g;
	return TM_OK;
}

void guests_deinit(struct guests *g)
{
	free(g->inner.v);
	free(g->bridges.v);
	free(g->meshes.v);
	*g = (struct guests){.inner = {.n = 0}};
}

static bool same(const struct ifnames *a, const struct ifnames *b)
{
	return a->n == b->n && (!a->n || memcmp(a->v, b->v, a->n * sizeof(*a->v)) == 0);
}

bool guests_eq(const struct guests *a, const struct guests *b)
{
	return same(&a->inner, &b->inner) && same(&a->bridges, &b->bridges) && same(&a->meshes, &b->meshes);
}
