/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What a router does to packets of the mesh, in a table of its own. Which packets come here at all is decided
 * in the data plane; whether they pass the host's own firewall, by that. Control thread.
 */
#include "os/os.h"

#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "os/linux/guests.h"
#include "os/linux/nf.h"
#include "os/linux/rtmsg.h"

enum { NETS_MAX = 32, HOME_MAX = 1024, OWN_MAX = 256 };

/* Interfaces by which packets of a family come in that are forwarded because of us. */
struct opened {
	struct {
		enum ip_family family;
		char ifname[IFNAMSIZ];
	} v[2 * NETS_MAX];
	size_t n;
	bool all[2]; /* IPv4 and IPv6: whichever comes */
};

struct os_nat {
	char ifname[IFNAMSIZ];
	uint32_t mark;
	int index; /* of that interface, at the last look */
	struct nf_table *table;
	struct ip next[2]; /* resolvers, of the next set */
	struct opened next_opened;
	/* what is in force */
	struct os_nat_net v[NETS_MAX];
	size_t n;
	/* for one that leads to the internet: what this host is in itself, by the addresses of its interfaces
	 */
	struct prefix home[HOME_MAX];
	size_t n_home;
	struct ip resolvers[2]; /* IPv4 and IPv6; IP_NONE: none */
	struct opened opened;
	struct guests guests; /* where anything is opened */
	/* The kernel does not tell what an address is to it, nor refuses: these are the host's, as far as it
	 * has no more. */
	bool plain;
	struct ip own[OWN_MAX];
	size_t n_own;
};

int os_nat_new(const char *ifname, uint32_t mark, struct os_nat **ret_nat)
{
	struct os_nat *t = calloc(1, sizeof(*t));
	char name[IFNAMSIZ + 16];

	if (!t)
		return TM_ENOMEM;
	snprintf(t->ifname, sizeof(t->ifname), "%s", ifname);
	t->mark = mark;
	snprintf(name, sizeof(name), "tunnelmesh-%s", ifname);
	int err = nf_new(name, &t->table);
	if (err) {
		free(t);
		return err;
	}
	/* One that a run has left whose kernel knows no owners. */
	(void)!nf_replace(t->table, NULL, NULL, NULL);
	*ret_nat = t;
	return TM_OK;
}

void os_nat_free(struct os_nat *t)
{
	if (!t)
		return;
	nf_free(t->table);
	guests_deinit(&t->guests);
	free(t);
}

/* Both ways: who is far away behind another narrow link says so in either SYN. */
static void clamp(struct nf_batch *b, const struct os_nat *t)
{
	nf_chain(b, "mss", "filter", NF_AT_FORWARD, NF_MANGLES);
	nf_rule(b, "mss");
	nf_iif(b, t->ifname, true);
	nf_tcp_syn(b);
	nf_clamp_mss(b);
	nf_rule_end(b);
	nf_rule(b, "mss");
	nf_oif(b, t->ifname, true);
	nf_tcp_syn(b);
	nf_clamp_mss(b);
	nf_rule_end(b);
}

static void refuse(struct nf_batch *b, const struct os_nat *t)
{
	if (t->plain)
		nf_drop(b);
	else
		nf_refuse(b);
}

typedef void verdict_fn(struct nf_batch *b);

/* What goes into the tunnel with a source of this host. */
static void from_own(struct nf_batch *b, const struct os_nat *t, const char *chain, verdict_fn *verdict)
{
	for (size_t i = 0; i < (t->plain ? t->n_own : 1); i++) {
		const struct prefix own = t->plain ? prefix_host(&t->own[i]) : (struct prefix){.len = 0};

		nf_rule(b, chain);
		nf_oif(b, t->ifname, true);
		if (t->plain)
			nf_saddr(b, &own);
		else
			nf_saddr_is_local(b);
		verdict(b);
		nf_rule_end(b);
	}
}

static bool is_exit(const struct os_nat *t, enum ip_family family)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->v[i].prefix.len == 0 && t->v[i].prefix.ip.family == family)
			return true;
	return false;
}

static void to_net(struct nf_batch *b, const struct os_nat *t, const char *chain, const struct prefix *p)
{
	nf_rule(b, chain);
	nf_iif(b, t->ifname, true);
	nf_daddr(b, p);
	nf_accept(b);
	nf_rule_end(b);
}

/* Questions for names, wherever they are led. */
static void let_questions(struct nf_batch *b, const struct os_nat *t, const char *chain)
{
	static const enum ip_family families[] = {IP_V4, IP_V6};

	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		const struct ip at = os_exit_resolver(families[i]);

		if (!is_exit(t, families[i]) || t->resolvers[i].family == IP_NONE)
			continue;
		nf_rule(b, chain);
		nf_iif(b, t->ifname, true);
		nf_was_for(b, &at);
		nf_accept(b);
		nf_rule_end(b);
	}
}

/* Who uses this way to the internet asks for names where this host does; what nobody answers goes nowhere. */
static void resolve(struct nf_batch *b, const struct os_nat *t, enum ip_family family)
{
	static const uint8_t protocols[] = {IPPROTO_UDP, IPPROTO_TCP};
	const struct ip at = os_exit_resolver(family), *to = &t->resolvers[family == IP_V6];
	const struct prefix p = prefix_host(&at);

	for (size_t i = 0; i < ARRAY_LEN(protocols) && to->family != IP_NONE; i++) {
		nf_rule(b, "names");
		nf_iif(b, t->ifname, true);
		nf_daddr(b, &p);
		nf_port(b, protocols[i], 53);
		nf_redirect(b, to);
		nf_rule_end(b);
	}
	nf_rule(b, "passes");
	nf_iif(b, t->ifname, true);
	nf_daddr(b, &p);
	nf_refuse(b);
	nf_rule_end(b);
}

/*
 * The way to the internet is not one into the networks that this host is in, whatever their addresses: hosts
 * of a home are reached by IPv6 from inside otherwise, past its router's firewall. Nor to this host itself by
 * addresses that its firewall knows as outer ones.
 */
static void keep_home(struct nf_batch *b, const struct os_nat *t)
{
	let_questions(b, t, "passes");
	for (size_t i = 0; i < t->n; i++)
		if (t->v[i].prefix.len)
			to_net(b, t, "passes", &t->v[i].prefix);
	for (size_t i = 0; i < t->n_home; i++) {
		nf_rule(b, "passes");
		nf_iif(b, t->ifname, true);
		nf_daddr(b, &t->home[i]);
		nf_refuse(b);
		nf_rule_end(b);
	}

	nf_chain(b, "enters", "filter", NF_AT_INPUT, NF_FILTERS);
	let_questions(b, t, "enters");
	for (size_t i = 0; i < t->n; i++)
		if (t->v[i].prefix.len)
			to_net(b, t, "enters", &t->v[i].prefix);
	nf_rule(b, "enters");
	nf_iif(b, t->ifname, true);
	nf_daddr_is_local(b);
	nf_daddr_is_of_iif(b, false);
	nf_refuse(b);
	nf_rule_end(b);
}

#define GUESTS "guests"
#define MESHES "meshes"

/*
 * The host forwards for the mesh, and would for anybody else: its neighbours would reach what is behind its
 * other interfaces. Where it did so before, or somebody else made it, that is his to say. What leaves where
 * it came in is in one network anyway: frames of virtual machines, which br_netfilter shows with the bridge
 * as both interfaces. What is for another mesh of this host passes because of that, which says who may.
 */
static void keep_apart(struct nf_batch *b, const struct os_nat *t)
{
	static const enum ip_family families[] = {IP_V4, IP_V6};

	for (size_t i = 0; i < t->opened.n; i++) {
		nf_rule(b, "passes");
		nf_family(b, t->opened.v[i].family);
		nf_iif(b, t->opened.v[i].ifname, true);
		nf_oif(b, t->ifname, false);
		nf_oif(b, t->opened.v[i].ifname, false);
		nf_oif_among(b, MESHES, false);
		refuse(b, t);
		nf_rule_end(b);
	}
	for (size_t i = 0; i < t->guests.bridges.n && (t->opened.all[0] || t->opened.all[1]); i++) {
		nf_rule(b, "passes");
		nf_iif(b, t->guests.bridges.v[i], true);
		nf_oif(b, t->guests.bridges.v[i], true);
		nf_accept(b);
		nf_rule_end(b);
	}
	/* With all interfaces nobody can tell what somebody else wants for his guests by now. */
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		if (!t->opened.all[i])
			continue;
		nf_rule(b, "passes");
		nf_family(b, families[i]);
		nf_iif(b, t->ifname, false);
		nf_oif(b, t->ifname, false);
		nf_iif_among(b, GUESTS, false);
		nf_oif_among(b, GUESTS, false);
		refuse(b, t);
		nf_rule_end(b);
	}
}

/*
 * What goes into the tunnel and answers nobody. A network whose members' packets get our address calls
 * nobody: who knew a route would be let in by it. Nor does anybody else, since with the way to the internet
 * members take from us whatever address there is: but who is offered by name and to be seen, this host, and
 * guests whom somebody gave its address (Docker).
 */
static void keep_mesh(struct nf_batch *b, const struct os_nat *t)
{
	/* Nobody has our addresses from elsewhere; IPv6 does not look. Before the networks, in which they
	 * are, and without an answer, which would be for us. */
	from_own(b, t, "passes", nf_drop);
	for (int len = 128; len > 0; len--)
		for (size_t i = 0; i < t->n; i++) {
			if (t->v[i].prefix.len != len)
				continue;
			nf_rule(b, "passes");
			nf_oif(b, t->ifname, true);
			nf_saddr(b, &t->v[i].prefix);
			if (t->v[i].masquerade)
				refuse(b, t);
			else
				nf_accept(b);
			nf_rule_end(b);
		}

	nf_chain(b, "calls", "filter", NF_AT_POSTROUTING, NF_SEES_TRANSLATED);
	nf_rule(b, "calls");
	nf_oif(b, t->ifname, false);
	nf_accept(b);
	nf_rule_end(b);
	nf_rule(b, "calls");
	nf_established(b);
	nf_accept(b);
	nf_rule_end(b);
	from_own(b, t, "calls", nf_accept);
	for (size_t i = 0; i < t->n; i++) {
		if (t->v[i].masquerade)
			continue;
		nf_rule(b, "calls");
		nf_saddr(b, &t->v[i].prefix);
		nf_accept(b);
		nf_rule_end(b);
	}
	nf_rule(b, "calls");
	nf_drop(b);
	nf_rule_end(b);
}

static void translate(struct nf_batch *b, const struct os_nat *t)
{
	nf_chain(b, "source", "nat", NF_AT_POSTROUTING, NF_TRANSLATES_SOURCES);
	/* The longest first, as routes go. */
	for (int len = 128; len >= 0; len--)
		for (size_t i = 0; i < t->n; i++) {
			if (t->v[i].prefix.len != len)
				continue;
			nf_rule(b, "source");
			nf_iif(b, t->ifname, true);
			nf_oif(b, t->ifname, false);
			nf_daddr(b, &t->v[i].prefix);
			if (t->v[i].masquerade)
				nf_masquerade(b);
			else
				nf_accept(b);
			nf_rule_end(b);
		}
}

static void build(struct nf_batch *b, const void *ctx)
{
	const struct os_nat *t = ctx;

	nf_interfaces(b, GUESTS, t->guests.inner.v, t->guests.inner.n);
	nf_interfaces(b, MESHES, t->guests.meshes.v, t->guests.meshes.n);
	clamp(b, t);
	nf_chain(b, "passes", "filter", NF_AT_FORWARD, NF_FILTERS);
	nf_rule(b, "passes");
	nf_established(b);
	nf_accept(b);
	nf_rule_end(b);
	keep_apart(b, t);
	keep_mesh(b, t);
	if (is_exit(t, IP_V4) || is_exit(t, IP_V6)) {
		nf_chain(b, "names", "nat", NF_AT_PREROUTING, NF_TRANSLATES_TARGETS);
		keep_home(b, t);
	}
	if (is_exit(t, IP_V4))
		resolve(b, t, IP_V4);
	if (is_exit(t, IP_V6))
		resolve(b, t, IP_V6);
	translate(b, t);
}

static void see_addr(void *ctx, struct nlmsghdr *h)
{
	struct os_nat *t = ctx;
	struct rt_addr a;

	if (!rtmsg_addr(h, &a) || a.index == t->index || ip_is_loopback(&a.prefix.ip) ||
		ip_is_link_local(&a.prefix.ip) || t->n_home == HOME_MAX)
		return;
	const struct prefix net = prefix_mask(&a.prefix);
	if (!is_exit(t, (enum ip_family)net.ip.family))
		return;
	for (size_t i = 0; i < t->n_home; i++) /* as with the temporary addresses of IPv6 */
		if (prefix_eq(&t->home[i], &net))
			return;
	t->home[t->n_home++] = net;
}

static int look_home(struct os_nat *t, struct diag *d)
{
	_cleanup_(rtmsg_closep) struct nl_sock *sock = NULL;

	t->index = (int)if_nametoindex(t->ifname);
	t->n_home = 0;
	if (!is_exit(t, IP_V4) && !is_exit(t, IP_V6))
		return TM_OK;
	int err = rtmsg_open(&sock, d);
	if (!err)
		err = rtmsg_dump(sock, RTM_GETADDR, AF_UNSPEC, see_addr, t, d);
	if (!err && t->n_home == HOME_MAX)
		err = diag_what(d, TM_EFULL,
			"this machine is in more than %d networks, too many for an exit node", HOME_MAX - 1);
	return err;
}

static int look_around(struct os_nat *t, struct diag *d)
{
	_cleanup_(rtmsg_closep) struct nl_sock *sock = NULL;

	t->guests = (struct guests){.inner = {.n = 0}};
	if (!t->opened.n && !t->opened.all[0] && !t->opened.all[1])
		return TM_OK;
	int err = rtmsg_open(&sock, d);
	return err ? err : guests_read(sock, t->ifname, t->mark, &t->guests, d);
}

static bool same_opened(const struct opened *a, const struct opened *b)
{
	if (a->n != b->n || a->all[0] != b->all[0] || a->all[1] != b->all[1])
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (a->v[i].family != b->v[i].family || strcmp(a->v[i].ifname, b->v[i].ifname) != 0)
			return false;
	return true;
}

static bool same(const struct os_nat *a, const struct os_nat *b)
{
	if (a->n != b->n || a->n_home != b->n_home || !same_opened(&a->opened, &b->opened) ||
		!guests_eq(&a->guests, &b->guests))
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (!prefix_eq(&a->v[i].prefix, &b->v[i].prefix) || a->v[i].masquerade != b->v[i].masquerade)
			return false;
	for (size_t i = 0; i < a->n_home; i++)
		if (!prefix_eq(&a->home[i], &b->home[i]))
			return false;
	for (size_t i = 0; i < ARRAY_LEN(a->resolvers); i++)
		if (!ip_eq(&a->resolvers[i], &b->resolvers[i]))
			return false;
	if (a->plain != b->plain || a->n_own != b->n_own)
		return false;
	for (size_t i = 0; i < a->n_own; i++)
		if (!ip_eq(&a->own[i], &b->own[i]))
			return false;
	return true;
}

static void see_own(void *ctx, struct nlmsghdr *h)
{
	struct os_nat *t = ctx;
	struct rt_addr a;

	if (rtmsg_addr(h, &a) && t->n_own < OWN_MAX)
		t->own[t->n_own++] = a.prefix.ip;
}

static int look_own(struct os_nat *t, struct diag *d)
{
	_cleanup_(rtmsg_closep) struct nl_sock *sock = NULL;

	t->n_own = 0;
	if (!t->plain)
		return TM_OK;
	int err = rtmsg_open(&sock, d);
	return err ? err : rtmsg_dump(sock, RTM_GETADDR, AF_UNSPEC, see_own, t, d);
}

/* A kernel that has no `fib` or no `reject` has what leads to a network all the same. */
static int replace(struct os_nat *t, struct diag *d)
{
	struct diag first = {0};
	int err = nf_replace(t->table, t->n ? build : NULL, t, &first);

	if (err == TM_EUNSUPPORTED && !t->plain && !is_exit(t, IP_V4) && !is_exit(t, IP_V6)) {
		t->plain = true;
		if (look_own(t, NULL) == TM_OK && nf_replace(t->table, build, t, NULL) == TM_OK)
			return TM_OK;
		t->plain = false;
	}
	if (err && d)
		*d = first;
	return err;
}

void os_nat_resolvers(struct os_nat *t, const struct ip *v4, const struct ip *v6)
{
	t->next[0] = *v4;
	t->next[1] = *v6;
}

void os_nat_opened(struct os_nat *t, enum ip_family family, const char *ifname)
{
	struct opened *o = &t->next_opened;

	if (!ifname)
		o->all[family == IP_V6] = true;
	else if (o->n < ARRAY_LEN(o->v)) {
		o->v[o->n].family = family;
		snprintf(o->v[o->n++].ifname, IFNAMSIZ, "%s", ifname);
	}
}

int os_nat_set(struct os_nat *t, const struct os_nat_net *v, size_t n, struct diag *d)
{
	_cleanup_(freep) struct os_nat *before = malloc(sizeof(*before));

	if (!before || n > NETS_MAX)
		return before ? TM_ERANGE : TM_ENOMEM;
	*before = *t;
	if (n)
		memcpy(t->v, v, n * sizeof(*v));
	t->n = n;
	memcpy(t->resolvers, t->next, sizeof(t->resolvers));
	t->opened = t->next_opened;
	t->next_opened = (struct opened){.n = 0};
	int err = look_home(t, d);
	int around = look_around(t, d), own = look_own(t, d);
	err = err ? err : around ? around : own;
	const bool is_same = !err && n && same(t, before);
	guests_deinit(&before->guests);
	if (is_same && nf_is_there(t->table))
		return TM_OK;
	if (!err)
		err = replace(t, d);
	if (err)
		t->n = 0; /* nothing is in force that is known */
	return err;
}

static bool rules_left(const char *ifname, bool undo)
{
	static const char *const what[] = {"", "-own"};
	bool any = false;

	for (size_t i = 0; i < ARRAY_LEN(what); i++) {
		char name[IFNAMSIZ + 24];
		struct nf_table *table;

		snprintf(name, sizeof(name), "tunnelmesh-%s%s", ifname, what[i]);
		if (nf_new(name, &table) != TM_OK)
			continue;
		any |= nf_is_there(table) && (!undo || nf_replace(table, NULL, NULL, NULL) == TM_OK);
		nf_free(table);
	}
	return any;
}

bool os_rules_left(const char *ifname)
{
	return rules_left(ifname, false);
}

bool os_rules_undo(const char *ifname)
{
	return rules_left(ifname, true);
}

bool os_forward_drops(enum ip_family family, const char *ifname, char *buf, size_t n)
{
	return nf_forward_drops(family, ifname, buf, n);
}
