/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Everything that leaves this host goes into the tunnel, but for what is marked, which is the tunnel itself.
 * Rules and tables are ours by number and protocol, so that the next run finds what this one leaves, and
 * nothing has to be remembered:
 *
 *   5380  without mark: TABLE_LAN      the networks that this host is in by the interface of its default
 * route 5381  main, but for default routes 5382  without mark: TABLE_ALL      default by the tunnel; and
 * behind it, with `hold`, unreachable
 *
 * The routes by the tunnel go with its interface; the unreachable one stays and holds back what would leave
 * otherwise. Both families, whether the exit has them or not: what it has not ends in the tunnel, where its
 * sender is told. Control thread.
 */
#include "os/os.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <stdio.h>
#include <string.h>

#include "os/linux/nf.h"
#include "os/linux/ours.h"
#include "os/linux/rtmsg.h"

enum { RULE_LAN = 5380, RULE_MAIN = 5381, RULE_ALL = 5382 };
enum { TABLE_LAN = 8485, TABLE_ALL = 8484 };
enum { METRIC_TUNNEL = 10, METRIC_HELD = 1000 };
enum { LANS_MAX = 32, RULES_MAX = 32 };
/* --- rules --- */

struct rule {
	int family;
	uint32_t priority, table, mark, mask;
	bool invert;
	int suppress; /* -1: nothing */
};

struct rules {
	struct rule v[RULES_MAX];
	size_t n;
};

static bool rule_eq(const struct rule *a, const struct rule *b)
{
	return a->family == b->family && a->priority == b->priority && a->table == b->table &&
	       a->mark == b->mark && a->mask == b->mask && a->invert == b->invert &&
	       a->suppress == b->suppress;
}

static bool has_rule(const struct rules *r, const struct rule *rule)
{
	for (size_t i = 0; i < r->n; i++)
		if (rule_eq(&r->v[i], rule))
			return true;
	return false;
}

static uint32_t number(const struct nlattr *a, uint32_t otherwise)
{
	return a && nla_len(a) == 4 ? nla_get_u32(a) : otherwise;
}

static void see_rule(void *ctx, struct nlmsghdr *h)
{
	struct rules *r = ctx;
	struct nlattr *tb[FRA_MAX + 1];

	if (h->nlmsg_type != RTM_NEWRULE || r->n == RULES_MAX ||
		nlmsg_parse(h, sizeof(struct fib_rule_hdr), tb, FRA_MAX, NULL) < 0)
		return;
	if (!tb[FRA_PROTOCOL] || nla_get_u8(tb[FRA_PROTOCOL]) != OURS_PROTOCOL)
		return;
	const struct fib_rule_hdr *f = nlmsg_data(h);
	r->v[r->n++] = (struct rule){
		.family = f->family,
		.priority = number(tb[FRA_PRIORITY], 0),
		.table = number(tb[FRA_TABLE], f->table),
		.mark = number(tb[FRA_FWMARK], 0),
		.mask = number(tb[FRA_FWMASK], 0),
		.invert = f->flags & FIB_RULE_INVERT,
		.suppress = (int)number(tb[FRA_SUPPRESS_PREFIXLEN], UINT32_MAX),
	};
}

static int change_rule(struct nl_sock *sock, int type, const struct rule *r)
{
	struct fib_rule_hdr f = {
		.family = (uint8_t)r->family,
		.table = RT_TABLE_UNSPEC,
		.action = FR_ACT_TO_TBL,
		.flags = r->invert ? FIB_RULE_INVERT : 0,
	};
	struct nl_msg *msg = nlmsg_alloc_simple(type, type == RTM_NEWRULE ? NLM_F_CREATE | NLM_F_EXCL : 0);
	int err = msg ? nlmsg_append(msg, &f, sizeof(f), NLMSG_ALIGNTO) : -NLE_NOMEM;

	if (!err)
		err = nla_put_u32(msg, FRA_PRIORITY, r->priority);
	if (!err)
		err = nla_put_u32(msg, FRA_TABLE, r->table);
	if (!err)
		err = nla_put_u8(msg, FRA_PROTOCOL, OURS_PROTOCOL);
	if (!err && r->mask)
		err = nla_put_u32(msg, FRA_FWMARK, r->mark);
	if (!err && r->mask)
		err = nla_put_u32(msg, FRA_FWMASK, r->mask);
	if (!err && r->suppress >= 0)
		err = nla_put_u32(msg, FRA_SUPPRESS_PREFIXLEN, (uint32_t)r->suppress);
	if (err) {
		nlmsg_free(msg);
		return err;
	}
	return nl_send_sync(sock, msg);
}

/* Those that are wanted first, so that there is no moment without. */
static int sync_rules(struct nl_sock *sock, const struct rules *want, struct diag *d)
{
	struct rules there = {.n = 0};
	int err = rtmsg_dump(sock, RTM_GETRULE, AF_INET, see_rule, &there, d);

	if (!err)
		err = rtmsg_dump(sock, RTM_GETRULE, AF_INET6, see_rule, &there, d);
	for (size_t i = 0; i < want->n && !err; i++) {
		if (has_rule(&there, &want->v[i]))
			continue;
		int nlerr = change_rule(sock, RTM_NEWRULE, &want->v[i]);
		/* A host without IPv6 has nothing to hold back. */
		if (nlerr < 0 && nlerr != -NLE_EXIST && want->v[i].family == AF_INET)
			err = diag_what(d, nlerr == -NLE_PERM ? TM_EPERM : TM_EIO,
				"a routing rule cannot be set: %s", nl_geterror(nlerr));
	}
	for (size_t i = 0; i < there.n && !err; i++)
		if (!has_rule(want, &there.v[i]))
			(void)change_rule(sock, RTM_DELRULE, &there.v[i]); /* gone by itself: as good */
	return err;
}

/* --- routes --- */

struct own {
	struct prefix dst;
	uint32_t table, metric;
	bool unreachable;
};

struct seen {
	/* in */
	uint32_t internet[2]; /* the interfaces of default routes, IPv4 and IPv6 */
	/* found */
	struct prefix lans[LANS_MAX];
	size_t n_lans;
	struct own ours[2 * LANS_MAX];
	size_t n_ours;
};

static void see_route(void *ctx, struct nlmsghdr *h)
{
	struct seen *s = ctx;
	struct rt_route r;

	if (!rtmsg_route(h, &r) || r.cloned)
		return;
	if (r.table == TABLE_ALL || r.table == TABLE_LAN) {
		if (s->n_ours < ARRAY_LEN(s->ours))
			s->ours[s->n_ours++] =
				(struct own){r.dst, r.table, r.metric, r.type == RTN_UNREACHABLE};
		return;
	}
	if (r.table != RT_TABLE_MAIN || r.type != RTN_UNICAST || r.gateway.family != IP_NONE || r.several ||
		rtmsg_is_default(&r.dst) || ip_is_link_local(&r.dst.ip) || ip_is_multicast(&r.dst.ip) ||
		s->n_lans == LANS_MAX)
		return;
	if ((uint32_t)r.index == s->internet[r.dst.ip.family == IP_V6])
		s->lans[s->n_lans++] = r.dst;
}

static int change_route(struct nl_sock *sock, int type, const struct own *o, int index)
{
	struct rtmsg m = {
		.rtm_family = (unsigned char)rtmsg_family(&o->dst.ip),
		.rtm_dst_len = o->dst.len,
		.rtm_table = RT_TABLE_UNSPEC,
		.rtm_protocol = OURS_PROTOCOL,
		.rtm_scope = o->dst.ip.family == IP_V4 && !o->unreachable ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE,
		.rtm_type = o->unreachable ? RTN_UNREACHABLE : RTN_UNICAST,
	};
	struct nl_msg *msg =
		nlmsg_alloc_simple(type, type == RTM_NEWROUTE ? NLM_F_CREATE | NLM_F_REPLACE : 0);
	int err = msg ? nlmsg_append(msg, &m, sizeof(m), NLMSG_ALIGNTO) : -NLE_NOMEM;

	if (!err && o->dst.len)
		err = nla_put(msg, RTA_DST, (int)ip_len(&o->dst.ip), o->dst.ip.bytes);
	if (!err)
		err = nla_put_u32(msg, RTA_TABLE, o->table);
	if (!err && o->metric)
		err = nla_put_u32(msg, RTA_PRIORITY, o->metric);
	if (!err && index)
		err = nla_put_u32(msg, RTA_OIF, (uint32_t)index);
	if (err) {
		nlmsg_free(msg);
		return err;
	}
	return nl_send_sync(sock, msg);
}

static bool own_eq(const struct own *a, const struct own *b)
{
	/* IPv6 makes up a metric where none was said. */
	return prefix_eq(&a->dst, &b->dst) && a->table == b->table && a->unreachable == b->unreachable &&
	       (a->metric == b->metric || a->table == TABLE_LAN);
}

static bool is_among(const struct own *v, size_t n, const struct own *o)
{
	for (size_t i = 0; i < n; i++)
		if (own_eq(&v[i], o))
			return true;
	return false;
}

static int sync_routes(struct nl_sock *sock, const struct seen *s, const struct own *want, size_t n,
	int index, struct diag *d)
{
	int err = TM_OK;

	for (size_t i = 0; i < n && !err; i++) {
		if (is_among(s->ours, s->n_ours, &want[i]))
			continue;
		int nlerr = change_route(sock, RTM_NEWROUTE, &want[i], want[i].unreachable ? 0 : index);
		if (nlerr < 0 && want[i].dst.ip.family == IP_V4)
			err = diag_what(d, nlerr == -NLE_PERM ? TM_EPERM : TM_EIO,
				"the route through the exit cannot be set: %s", nl_geterror(nlerr));
	}
	for (size_t i = 0; i < s->n_ours && !err; i++)
		if (!is_among(want, n, &s->ours[i]))
			(void)change_route(sock, RTM_DELROUTE, &s->ours[i], 0);
	return err;
}

static int look(struct nl_sock *sock, uint32_t mark, struct seen *s, struct diag *d)
{
	static const enum ip_family families[] = {IP_V4, IP_V6};

	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		const struct ip to = rtmsg_internet(families[i]);
		struct rt_route r;

		if (rtmsg_lookup(sock, &to, NULL, mark, &r) == TM_OK)
			s->internet[i] = (uint32_t)r.index;
	}
	return rtmsg_dump(sock, RTM_GETROUTE, AF_UNSPEC, see_route, s, d);
}

/* --- both --- */

struct os_exit {
	char ifname[IFNAMSIZ];
	uint32_t mark;
	struct nf_table *marks;
	bool marked;
};

int os_exit_new(const char *ifname, uint32_t mark, struct os_exit **ret_exit)
{
	struct os_exit *x = calloc(1, sizeof(*x));
	char name[IFNAMSIZ + 16];

	if (!x)
		return TM_ENOMEM;
	snprintf(x->ifname, sizeof(x->ifname), "%s", ifname);
	snprintf(name, sizeof(name), "tunnelmesh-%s-exit", ifname);
	x->mark = mark;
	int err = nf_new(name, &x->marks);
	if (err) {
		free(x);
		return err;
	}
	*ret_exit = x;
	return TM_OK;
}

void os_exit_free(struct os_exit *x)
{
	if (!x)
		return;
	nf_free(x->marks);
	free(x);
}

/*
 * What comes to this host by other interfaces is not the exit's business: the kernel, looking where answers
 * would go (rp_filter), is to look as if they were marked; and where others have called this host, they are.
 */
static void build_marks(struct nf_batch *b, const void *ctx)
{
	const struct os_exit *x = ctx;

	nf_chain(b, "arrives", "filter", NF_AT_PREROUTING, NF_MANGLES);
	nf_rule(b, "arrives");
	nf_iif(b, x->ifname, false);
	nf_daddr_is_local(b);
	nf_set_mark(b, x->mark, UINT32_MAX);
	nf_rule_end(b);
	nf_rule(b, "arrives");
	nf_iif(b, x->ifname, false);
	nf_daddr_is_local(b);
	nf_direction(b, NF_ORIGINAL);
	nf_set_ct_mark(b, x->mark, UINT32_MAX);
	nf_rule_end(b);
	nf_chain(b, "answers", "route", NF_AT_OUTPUT, NF_MANGLES);
	nf_rule(b, "answers");
	nf_direction(b, NF_REPLY);
	nf_ct_mark_is(b, x->mark, UINT32_MAX);
	nf_set_mark(b, x->mark, UINT32_MAX);
	nf_rule_end(b);
}

static size_t wanted_routes(const struct seen *s, bool lan, bool hold, struct own *out)
{
	static const struct prefix all[] = {{{IP_V4, {0}}, 0}, {{IP_V6, {0}}, 0}};
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		out[n++] = (struct own){all[i], TABLE_ALL, METRIC_TUNNEL, false};
		if (hold)
			out[n++] = (struct own){all[i], TABLE_ALL, METRIC_HELD, true};
	}
	for (size_t i = 0; i < s->n_lans && !lan; i++)
		out[n++] = (struct own){s->lans[i], TABLE_LAN, 0, false};
	return n;
}

static void wanted_rules(uint32_t mark, bool lan, struct rules *ret_r)
{
	static const int families[] = {AF_INET, AF_INET6};
	struct rules r = {.n = 0};

	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		const struct rule unmarked = {.family = families[i],
			.mark = mark,
			.mask = UINT32_MAX,
			.invert = true,
			.suppress = -1};
		struct rule rule = unmarked;

		rule.priority = RULE_LAN;
		rule.table = TABLE_LAN;
		if (!lan)
			r.v[r.n++] = rule;
		/* Halves of all there is, in which VPNs install their routes, are default routes. */
		r.v[r.n++] = (struct rule){.family = families[i],
			.priority = RULE_MAIN,
			.table = RT_TABLE_MAIN,
			.suppress = families[i] == AF_INET ? 1 : 3};
		rule = unmarked;
		rule.priority = RULE_ALL;
		rule.table = TABLE_ALL;
		r.v[r.n++] = rule;
	}
	*ret_r = r;
}

int os_exit_set(struct os_exit *x, bool lan, bool hold, struct diag *unmarked, struct diag *d)
{
	_cleanup_(rtmsg_closep) struct nl_sock *sock = NULL;
	const int index = (int)if_nametoindex(x->ifname);
	struct own want[LANS_MAX + 4];
	struct seen s = {.n_lans = 0};
	struct rules rules;

	if (!index)
		return diag_what(d, TM_ENOENT, "there is no interface %s", x->ifname);
	if (!x->marked)
		x->marked = nf_replace(x->marks, build_marks, x, unmarked) == TM_OK;
	int err = rtmsg_open(&sock, d);
	if (!err)
		err = look(sock, x->mark, &s, d);
	/* Routes first: rules without them would let everything pass. */
	const size_t n = err ? 0 : wanted_routes(&s, lan, hold, want);
	if (!err)
		err = sync_routes(sock, &s, want, n, index, d);
	wanted_rules(x->mark, lan, &rules);
	return err ? err : sync_rules(sock, &rules, d);
}

int os_exit_clear(struct os_exit *x, struct diag *d)
{
	static const struct rules none;
	_cleanup_(rtmsg_closep) struct nl_sock *sock = NULL;
	struct seen s = {.n_lans = 0};
	int err = rtmsg_open(&sock, d);

	if (!err)
		err = sync_rules(sock, &none, d);
	if (!err)
		err = rtmsg_dump(sock, RTM_GETROUTE, AF_UNSPEC, see_route, &s, d);
	if (!err)
		err = sync_routes(sock, &s, NULL, 0, 0, d);
	if (x && x->marked) {
		x->marked = false;
		(void)!nf_replace(x->marks, NULL, NULL, NULL);
	}
	return err;
}
