/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Linux takes a packet for any of its addresses by any of its interfaces, so that a neighbour who sends one
 * for the tunnel's address to our network card is past keys and policy. What is not for us is none of our
 * business here. Control thread.
 */
#include "os/os.h"

#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "os/linux/guests.h"
#include "os/linux/nf.h"
#include "os/linux/rtmsg.h"

enum { OWN_MAX = 16, CALLERS_MAX = 32 };

/* What follows from it is in force. */
struct state {
	struct guests guests;
	struct ip own[OWN_MAX]; /* addresses of the tunnel's interface, and what is for all of its network */
	size_t n_own;
	struct prefix callers[CALLERS_MAX];
	size_t n_callers;
};

struct os_fence {
	/* set once */
	char ifname[IFNAMSIZ];
	uint32_t mark;
	struct nf_table *table;
	/* changes */
	struct state is;
	bool set;
	bool unkeyed; /* the kernel does not tell what came by IPsec */
};

int os_fence_new(const char *ifname, uint32_t mark, struct os_fence **ret_fence)
{
	struct os_fence *f = calloc(1, sizeof(*f));
	char name[IFNAMSIZ + 24];

	if (!f)
		return TM_ENOMEM;
	snprintf(f->ifname, sizeof(f->ifname), "%s", ifname);
	f->mark = mark;
	snprintf(name, sizeof(name), "tunnelmesh-%s-own", ifname);
	int err = nf_new(name, &f->table);
	if (err) {
		free(f);
		return err;
	}
	*ret_fence = f;
	return TM_OK;
}

void os_fence_free(struct os_fence *f)
{
	if (!f)
		return;
	nf_free(f->table);
	guests_deinit(&f->is.guests);
	free(f);
}

/* --- looking --- */

struct look {
	int index;
	struct state *to;
};

static void add(struct state *s, const struct ip *own)
{
	for (size_t i = 0; i < s->n_own; i++)
		if (ip_eq(&s->own[i], own))
			return;
	if (s->n_own < OWN_MAX)
		s->own[s->n_own++] = *own;
}

/* What the kernel takes for its own with that address: IPv4's broadcast, which before Linux 5.14 is the first
 * address of the network, too, and of IPv6 that first one, the anycast address of the network's routers,
 * which every host that forwards has (RFC 4291 2.6.1). */
static void add_network(struct state *s, const struct prefix *p)
{
	const struct prefix net = prefix_mask(p);
	struct ip last = prefix_last_host(p);

	if (p->len + 1u >= ip_bits(&p->ip))
		return;
	add(s, &net.ip);
	if (last.family != IP_V4)
		return;
	last.bytes[3] |= 1;
	add(s, &last);
}

static void see_addr(void *ctx, struct nlmsghdr *h)
{
	const struct look *l = ctx;
	struct rt_addr a;

	if (!rtmsg_addr(h, &a) || a.index != l->index || ip_is_link_local(&a.prefix.ip))
		return;
	add(l->to, &a.prefix.ip);
	add_network(l->to, &a.prefix);
}

static int look(const struct os_fence *f, struct state *ret_s, struct diag *d)
{
	_cleanup_(rtmsg_closep) struct nl_sock *sock = NULL;
	struct look l = {.index = (int)if_nametoindex(f->ifname), .to = ret_s};
	int err = rtmsg_open(&sock, d);

	if (!err)
		err = rtmsg_dump(sock, RTM_GETADDR, AF_UNSPEC, see_addr, &l, d);
	return err ? err : guests_read(sock, f->ifname, f->mark, &ret_s->guests, d);
}

static bool same(const struct state *a, const struct state *b)
{
	if (a->n_own != b->n_own || a->n_callers != b->n_callers || !guests_eq(&a->guests, &b->guests))
		return false;
	for (size_t i = 0; i < a->n_own; i++)
		if (!ip_eq(&a->own[i], &b->own[i]))
			return false;
	for (size_t i = 0; i < a->n_callers; i++)
		if (!prefix_eq(&a->callers[i], &b->callers[i]))
			return false;
	return true;
}

/* --- setting --- */

#define GUESTS "guests"

static void build(struct nf_batch *b, const void *ctx)
{
	const struct os_fence *f = ctx;
	const struct state *s = &f->is;

	nf_interfaces(b, GUESTS, s->guests.inner.v, s->guests.inner.n);
	nf_chain(b, "arrives", "filter", NF_AT_PREROUTING, NF_FIRST);
	for (size_t i = 0; i < s->n_own; i++) {
		const struct prefix own = prefix_host(&s->own[i]);

		for (size_t k = 0; k < s->n_callers; k++) {
			if (s->callers[k].ip.family != own.ip.family)
				continue;
			nf_rule(b, "arrives");
			nf_daddr(b, &own);
			nf_saddr(b, &s->callers[k]);
			nf_saddr_is_behind_iif(b);
			nf_accept(b);
			nf_rule_end(b);
		}
		/* A tunnel without an interface, of policies. */
		if (!f->unkeyed) {
			nf_rule(b, "arrives");
			nf_daddr(b, &own);
			nf_by_ipsec(b);
			nf_accept(b);
			nf_rule_end(b);
		}
		/* The address comes first: for most packets that is all. */
		nf_rule(b, "arrives");
		nf_daddr(b, &own);
		nf_iif(b, f->ifname, false);
		nf_iif(b, "lo", false);
		nf_iif_among(b, GUESTS, false);
		nf_drop(b);
		nf_rule_end(b);
	}
}

int os_fence_set(struct os_fence *f, const struct prefix *callers, size_t n, struct diag *d)
{
	struct state now = {.n_callers = n};

	if (n > CALLERS_MAX)
		return TM_ERANGE;
	if (n)
		memcpy(now.callers, callers, n * sizeof(*callers));
	int err = look(f, &now, d);
	if (err)
		return err; /* what is in force stays */
	if (f->set && same(&f->is, &now) && nf_is_there(f->table)) {
		guests_deinit(&now.guests);
		return TM_OK;
	}
	guests_deinit(&f->is.guests);
	f->is = now;
	err = nf_replace(f->table, build, f, d);
	if (err == TM_EUNSUPPORTED && !f->unkeyed) {
		f->unkeyed = true;
		err = nf_replace(f->table, build, f, d);
	}
	f->set = !err;
	return err;
}
