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
	size_t room;
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
	return on == LINK_ON_BRIDGE || (strcmp(link->kind, "veth") == 0 && l->cards);
}

static void see_link(void *ctx, struct nlmsghdr *h)
{
	struct look *l = ctx;
	struct rt_link link;

	if (!rtmsg_link(h, &link) || !links_find(l->links, link.index) || !is_guest(l, &link))
		return;
	if (l->g.n == l->room) {
		const size_t room = MAX((size_t)8, 2 * l->room);
		void *v = reallocarray(l->g.v, room, sizeof(*l->g.v));

		if (!v) {
			l->err = TM_ENOMEM;
			return;
		}
		l->g.v = v;
		l->room = room;
	}
	memset(l->g.v[l->g.n], 0, IFNAMSIZ);
	memcpy(l->g.v[l->g.n++], link.name, strnlen(link.name, IFNAMSIZ - 1));
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
		free(l.g.v);
		return err ? err : l.err;
	}
	if (l.g.n)
		qsort(l.g.v, l.g.n, sizeof(*l.g.v), by_name);
	*ret_guests = l.g;
	return TM_OK;
}

void guests_deinit(struct guests *g)
{
	free(g->v);
	*g = (struct guests){.n = 0};
}

bool guests_eq(const struct guests *a, const struct guests *b)
{
	return a->n == b->n && (!a->n || memcmp(a->v, b->v, a->n * sizeof(*a->v)) == 0);
}
