/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "os/linux/useful.h"

#include <string.h>

/* More than this many and the rest is not looked at. */
enum { ADDRESSES_MAX = 1024, PREFIX_LEN = 64 };

enum preference { BY_DEFAULT_ROUTE, BY_HARDWARE, BY_DEFAULT_TUNNEL, BY_TUNNEL, BY_GUESTS, NEVER };

/* Of one prefix: which is offered first. */
enum rank { RANK_SOURCE, RANK_LASTING, RANK_TEMPORARY };

struct found {
	struct ip ip;
	enum preference preference;
	enum rank rank;
	unsigned nth; /* of its family and preference */
};

static bool is_kind(const struct rt_link *l, const char *kind)
{
	return strcmp(l->kind, kind) == 0;
}

/* The host's end of a container's link: a veth, on a host whose own way to the world is none. Inside the
 * container it is, and all of its links are alike. */
static bool is_guests(const struct useful_in *in, const struct rt_link *l)
{
	if (!is_kind(l, "veth"))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(in->internet); i++) {
		const struct rt_link *way = links_find(in->links, in->internet[i].index);
		if (way && !is_kind(way, "veth"))
			return true;
	}
	return false;
}

static enum preference preference_of(const struct useful_in *in, const struct rt_addr *a)
{
	const struct rt_link *l = links_find(in->links, a->index);
	const bool is_default = a->index == in->internet[a->prefix.ip.family == IP_V6].index;

	if (!l || !l->alive || (l->flags & IFF_LOOPBACK) ||
		(in->except && strcmp(l->name, in->except) == 0) || is_kind(l, "dummy"))
		return NEVER;
	switch (links_on(in->links, a->index)) {
	case LINK_ON_HARDWARE:
		if (is_default)
			return BY_DEFAULT_ROUTE;
		return is_guests(in, l) ? BY_GUESTS : BY_HARDWARE;
	case LINK_ON_BRIDGE:
		return is_default ? BY_DEFAULT_ROUTE : BY_GUESTS;
	case LINK_ON_TUNNEL:
		return is_default ? BY_DEFAULT_TUNNEL : BY_TUNNEL;
	case LINK_ON_MESH: /* of this or another mesh: the tunnel would be in itself, or each in the other */
		break;
	}
	return NEVER;
}

static bool is_reachable(const struct rt_addr *a)
{
	const struct ip *ip = &a->prefix.ip;

	return a->usable && a->scope != RT_SCOPE_HOST && !ip_is_loopback(ip) && !ip_is_link_local(ip) &&
	       !ip_is_multicast(ip) && !ip_is_unspecified(ip);
}

static enum rank rank_of(const struct useful_in *in, const struct rt_addr *a)
{
	if (ip_eq(&a->prefix.ip, &in->internet[a->prefix.ip.family == IP_V6].source))
		return RANK_SOURCE;
	return a->temporary ? RANK_TEMPORARY : RANK_LASTING;
}

/* The same address on several interfaces, as the host's ends of containers' have it, counts once, by the
 * best. */
static struct found *find(struct found *v, size_t n, const struct ip *ip)
{
	for (size_t i = 0; i < n; i++)
		if (ip_eq(&v[i].ip, ip))
			return &v[i];
	return NULL;
}

static size_t gather(const struct useful_in *in, struct found *v)
{
	size_t n = 0;

	for (size_t i = 0; i < in->n && n < ADDRESSES_MAX; i++) {
		const struct rt_addr *a = &in->addrs[i];
		const enum preference p = is_reachable(a) ? preference_of(in, a) : NEVER;
		struct found *known = find(v, n, &a->prefix.ip);

		if (known)
			known->preference = MIN(known->preference, p);
		else if (p != NEVER)
			v[n++] = (struct found){a->prefix.ip, p, rank_of(in, a), 0};
	}
	return n;
}

/* By preference; then those that are better of their prefix; the kernel's order is kept (nth, so far the
 * place). */
static int by_rank(const void *a, const void *b)
{
	const struct found *x = a, *y = b;

	if (x->preference != y->preference)
		return x->preference < y->preference ? -1 : 1;
	if (x->rank != y->rank)
		return x->rank < y->rank ? -1 : 1;
	return x->nth < y->nth ? -1 : x->nth > y->nth;
}

/* By preference, then the first of each family, the second of each, and so on. */
static int by_turn(const void *a, const void *b)
{
	const struct found *x = a, *y = b;

	if (x->preference != y->preference)
		return x->preference < y->preference ? -1 : 1;
	if (x->nth != y->nth)
		return x->nth < y->nth ? -1 : 1;
	return (int)x->ip.family - (int)y->ip.family;
}

static bool is_one_too_many(const struct found *v, size_t n, const struct ip *ip)
{
	const struct prefix net = {*ip, PREFIX_LEN};
	unsigned same = 0;

	if (ip->family == IP_V4)
		return false;
	for (size_t i = 0; i < n; i++)
		same += prefix_contains(&net, &v[i].ip);
	return same >= USEFUL_PER_PREFIX;
}

static unsigned count_alike(const struct found *v, size_t n, const struct found *f)
{
	unsigned alike = 0;

	for (size_t i = 0; i < n; i++)
		alike += v[i].preference == f->preference && v[i].ip.family == f->ip.family;
	return alike;
}

/* In order of rank: leaves out what is too much, and numbers the rest. */
static size_t thin_out(struct found *v, size_t n)
{
	const bool guests_alone = n && v[0].preference == BY_GUESTS;
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		struct found f = v[i];

		if ((f.preference == BY_GUESTS && !guests_alone) || is_one_too_many(v, kept, &f.ip))
			continue;
		f.nth = count_alike(v, kept, &f);
		v[kept++] = f;
	}
	return kept;
}

size_t useful_addresses(const struct useful_in *in, struct ip *out, size_t max)
{
	_cleanup_(freep) struct found *v = calloc(ADDRESSES_MAX, sizeof(*v));

	if (!v)
		return 0;
	size_t n = gather(in, v);
	for (size_t i = 0; i < n; i++)
		v[i].nth = (unsigned)i;
	qsort(v, n, sizeof(v[0]), by_rank);
	n = thin_out(v, n);
	qsort(v, n, sizeof(v[0]), by_turn);
	n = MIN(n, max);
	for (size_t i = 0; i < n; i++)
		out[i] = v[i].ip;
	return n;
}
