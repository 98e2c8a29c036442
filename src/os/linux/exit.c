/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Everything that leaves this host is led into the tunnel, but for what is marked, which is the tunnel
 * itself. Rules and tables are ours by number and protocol, so that the next run finds what this one leaves,
 * and nothing has to be remembered:
 *
 *   5379  what came out of the tunnel: main
 *   5380  without mark: TABLE_ALL; default by the tunnel, or, to go on below (throw), networks of guests of
 *         this host and of other tunnels, and with `lan` networks that it is in
 *   5381  main, but for default routes
 *   5382  without mark: TABLE_REST; default by the tunnel
 *
 * So a route that is new in the main table leads nothing past us. The routes by the tunnel go with its
 * interface; with `hold` unreachable ones lie behind them, which stay and hold back what would leave
 * otherwise. Both families, whether the exit has them or not: what it has not ends in the tunnel, where its
 * sender is told. What is led elsewhere all the same, exit_guard.c keeps back. Control thread.
 */
#include "os/os.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "os/linux/exit_private.h"
#include "os/linux/ours.h"
#include "os/linux/rtmsg.h"

enum { RULE_BEHIND = 5379, RULE_ALL = 5380, RULE_MAIN = 5381, RULE_REST = 5382 };
enum { TABLE_ALL = 8484, TABLE_REST = 8485 };
enum { METRIC_TUNNEL = 10, METRIC_HELD = 1000 };
enum { RULES_MAX = 32 };

/* --- rules --- */

struct rule {
	int family;
	uint32_t priority, table, mark, mask;
	bool invert;
	int suppress; /* -1: nothing */
	char iif[IFNAMSIZ]; /* "" = any */
};

struct rules {
	struct rule v[RULES_MAX];
	size_t n;
};

static bool rule_eq(const struct rule *a, const struct rule *b)
{
	return a->family == b->family && a->priority == b->priority && a->table == b->table &&
	       a->mark == b->mark && a->mask == b->mask && a->invert == b->invert &&
	       a->suppress == b->suppress && strcmp(a->iif, b->iif) == 0;
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
	struct rule *rule = &r->v[r->n++];
	*rule = (struct rule){
		.family = f->family,
		.priority = number(tb[FRA_PRIORITY], 0),
		.table = number(tb[FRA_TABLE], f->table),
		.mark = number(tb[FRA_FWMARK], 0),
		.mask = number(tb[FRA_FWMASK], 0),
		.invert = f->flags & FIB_RULE_INVERT,
		.suppress = (int)number(tb[FRA_SUPPRESS_PREFIXLEN], UINT32_MAX),
	};
	if (tb[FRA_IIFNAME])
		nla_strlcpy(rule->iif, tb[FRA_IIFNAME], sizeof(rule->iif));
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
	if (!err && r->iif[0])
		err = nla_put_string(msg, FRA_IIFNAME, r->iif);
	if (!err && r->suppress >= 0)
		err = nla_put_u32(msg, FRA_SUPPRESS_PREFIXLEN, (uint32_t)r->suppress);
	if (err) {
		nlmsg_free(msg);
		return err;
	}
	return nl_send_sync(sock, msg);
}

static bool has_ip6(void)
{
	return access("/proc/sys/net/ipv6", F_OK) == 0;
}

/* A host without IPv6 has nothing to hold back. */
static bool matters(int family)
{
	return family == AF_INET || has_ip6();
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
		if (nlerr < 0 && nlerr != -NLE_EXIST && matters(want->v[i].family))
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
	uint8_t type; /* RTN_UNICAST, by our interface; RTN_UNREACHABLE, RTN_THROW */
};

struct owns {
	struct own *v;
	size_t n;
	int index; /* our interface */
	int other; /* another one that a route in our tables leads to: a second daemon uses an exit; 0 = none
		    */
	int err;
};

static void add(struct owns *o, const struct prefix *dst, uint32_t table, uint32_t metric, uint8_t type)
{
	if (!(o->n & (o->n - 1))) { /* full */
		struct own *v = realloc(o->v, MAX(2 * o->n, (size_t)1) * sizeof(*v));

		if (!v) {
			o->err = TM_ENOMEM;
			return;
		}
		o->v = v;
	}
	o->v[o->n++] = (struct own){*dst, table, metric, type};
}

static void see_route(void *ctx, struct nlmsghdr *h)
{
	struct owns *o = ctx;
	struct rt_route r;

	if (!rtmsg_route(h, &r) || r.cloned || (r.table != TABLE_ALL && r.table != TABLE_REST))
		return;
	if (r.type == RTN_UNICAST && r.index != o->index)
		o->other = r.index;
	else
		add(o, &r.dst, r.table, r.metric, r.type);
}

static int change_route(struct nl_sock *sock, int type, const struct own *o, int index)
{
	const bool leads = o->type == RTN_UNICAST;
	struct rtmsg m = {
		.rtm_family = (unsigned char)rtmsg_family(&o->dst.ip),
		.rtm_dst_len = o->dst.len,
		.rtm_table = RT_TABLE_UNSPEC,
		.rtm_protocol = OURS_PROTOCOL,
		/* Not that of a link, or gateways of others' routes would be looked for behind the tunnel. */
		.rtm_scope = RT_SCOPE_UNIVERSE,
		.rtm_type = o->type,
	};
	struct nl_msg *msg =
		nlmsg_alloc_simple(type, type == RTM_NEWROUTE ? NLM_F_CREATE | NLM_F_REPLACE : 0);
	int err = msg ? nlmsg_append(msg, &m, sizeof(m), NLMSG_ALIGNTO) : -NLE_NOMEM;

	if (!err && o->dst.len)
		err = nla_put(msg, RTA_DST, (int)ip_len(&o->dst.ip), o->dst.ip.bytes);
	if (!err)
		err = nla_put_u32(msg, RTA_TABLE, o->table);
	if (!err)
		err = nla_put_u32(msg, RTA_PRIORITY, o->metric);
	if (!err && leads)
		err = nla_put_u32(msg, RTA_OIF, (uint32_t)index);
	if (err) {
		nlmsg_free(msg);
		return err;
	}
	return nl_send_sync(sock, msg);
}

static bool is_among(const struct owns *o, const struct own *own)
{
	for (size_t i = 0; i < o->n; i++) {
		const struct own *v = &o->v[i];

		if (prefix_eq(&v->dst, &own->dst) && v->table == own->table && v->type == own->type &&
			v->metric == own->metric)
			return true;
	}
	return false;
}

/* An interface of ours that has no IPv6 carries none, and so none leaves: where nothing else guards, by this.
 */
static int bar(struct nl_sock *sock, const struct own *o)
{
	struct own barred = *o;

	barred.type = RTN_UNREACHABLE;
	return change_route(sock, RTM_NEWROUTE, &barred, 0);
}

static int sync_routes(
	struct nl_sock *sock, const struct owns *there, const struct owns *want, bool guarded, struct diag *d)
{
	int err = TM_OK;

	for (size_t i = 0; i < want->n && !err; i++) {
		const struct own *o = &want->v[i];
		const bool v6 = o->dst.ip.family == IP_V6;

		if (is_among(there, o))
			continue;
		int nlerr = change_route(sock, RTM_NEWROUTE, o, want->index);
		if (nlerr < 0 && v6 && o->type == RTN_UNICAST)
			nlerr = guarded ? 0 : bar(sock, o);
		if (nlerr < 0 && matters(rtmsg_family(&o->dst.ip)))
			err = diag_what(d, nlerr == -NLE_PERM ? TM_EPERM : TM_EIO,
				"the route through the exit cannot be set: %s", nl_geterror(nlerr));
	}
	for (size_t i = 0; i < there->n && !err; i++)
		if (!is_among(want, &there->v[i]))
			(void)change_route(sock, RTM_DELROUTE, &there->v[i], 0);
	return err;
}

static int wanted_routes(const struct exit_around *a, bool lan, bool hold, struct owns *w)
{
	static const struct prefix all[] = {{{IP_V4, {0}}, 0}, {{IP_V6, {0}}, 0}};
	static const uint32_t tables[] = {TABLE_ALL, TABLE_REST};

	/* What goes on below first: what is known is not cut, not for a moment. */
	for (size_t i = 0; i < a->n_nets; i++)
		add(w, &a->nets[i], TABLE_ALL, METRIC_TUNNEL, RTN_THROW);
	for (size_t i = 0; i < a->n_lans && lan; i++)
		add(w, &a->lans[i].prefix, TABLE_ALL, METRIC_TUNNEL, RTN_THROW);
	for (size_t i = 0; i < ARRAY_LEN(tables); i++)
		for (size_t k = 0; k < ARRAY_LEN(all); k++) {
			add(w, &all[k], tables[i], METRIC_TUNNEL, RTN_UNICAST);
			if (hold)
				add(w, &all[k], tables[i], METRIC_HELD, RTN_UNREACHABLE);
		}
	return w->err;
}

/* What is there of ours, whoever made it. */
static int find_routes(struct nl_sock *sock, const char *ifname, struct owns *there, struct diag *d)
{
	*there = (struct owns){.index = ifname ? (int)if_nametoindex(ifname) : 0};
	int err = rtmsg_dump_table(sock, TABLE_ALL, see_route, there, d);

	if (!err)
		err = rtmsg_dump_table(sock, TABLE_REST, see_route, there, d);
	return err ? err : there->err;
}

/* --- the whole --- */

struct os_exit {
	char ifname[IFNAMSIZ];
	uint32_t mark, mask;
	struct exit_guard *guard;
	/* at the last time */
	bool lan, hold;
	struct exit_around around;
};

/* One byte, so that others have room for theirs; of a mark that is wider, all. */
static uint32_t mask_of(uint32_t mark)
{
	return mark & 0x00ffffff ? UINT32_MAX : 0xff000000;
}

int os_exit_new(const char *ifname, uint32_t mark, struct os_exit **ret_exit)
{
	struct os_exit *x = calloc(1, sizeof(*x));

	if (!x)
		return TM_ENOMEM;
	snprintf(x->ifname, sizeof(x->ifname), "%s", ifname);
	x->mark = mark;
	x->mask = mask_of(mark);
	int err = exit_guard_new(ifname, &x->guard);
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
	exit_guard_free(x->guard);
	exit_around_deinit(&x->around);
	free(x);
}

static void wanted_rules(const struct os_exit *x, struct rules *ret_r)
{
	static const int families[] = {AF_INET, AF_INET6};
	struct rules r = {.n = 0};

	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		struct rule rule = {.family = families[i],
			.priority = RULE_BEHIND,
			.table = RT_TABLE_MAIN,
			.suppress = -1};

		memcpy(rule.iif, x->ifname, sizeof(rule.iif));
		r.v[r.n++] = rule;
		rule = (struct rule){.family = families[i],
			.priority = RULE_ALL,
			.table = TABLE_ALL,
			.mark = x->mark,
			.mask = x->mask,
			.invert = true,
			.suppress = -1};
		r.v[r.n++] = rule;
		rule.priority = RULE_REST;
		rule.table = TABLE_REST;
		r.v[r.n++] = rule;
		/* Halves of all there is, in which VPNs install their routes, are default routes. */
		r.v[r.n++] = (struct rule){.family = families[i],
			.priority = RULE_MAIN,
			.table = RT_TABLE_MAIN,
			.suppress = families[i] == AF_INET ? 1 : 3};
	}
	*ret_r = r;
}

static int another(int index, struct diag *d)
{
	char name[IFNAMSIZ] = "?";

	(void)if_indextoname((unsigned)index, name);
	diag_hint(d, "`exit-node off` of that one ends it");
	return diag_what(d, TM_EBUSY, "another tunnelmesh of this machine uses an exit node, by %s", name);
}

/* The guard comes before what it guards, and knows of a network before something is led there. */
static int set_guard(struct os_exit *x, const struct exit_around *now, bool lan, bool hold, struct diag *d)
{
	const struct exit_guard_config cfg = {.ifname = x->ifname,
		.mark = x->mark,
		.mask = x->mask,
		.lan = lan,
		.hold = hold,
		.around = now};
	const bool again = x->lan == lan && x->hold == hold && exit_around_eq(&x->around, now);

	return exit_guard_set(x->guard, &cfg, again, d);
}

int os_exit_set(struct os_exit *x, bool lan, bool hold, struct diag *unguarded, struct diag *d)
{
	_cleanup_(rtmsg_closep) struct nl_sock *sock = NULL;
	struct exit_around now = {.n_own = 0};
	struct owns there = {.n = 0}, want = {.index = (int)if_nametoindex(x->ifname)};
	struct rules rules;

	if (!want.index)
		return diag_what(d, TM_ENOENT, "there is no interface %s", x->ifname);
	int err = rtmsg_open(&sock, d);
	if (!err)
		err = find_routes(sock, x->ifname, &there, d);
	if (!err && there.other)
		err = another(there.other, d);
	if (!err)
		err = exit_look(sock, x->ifname, &now, d);
	if (!err)
		err = wanted_routes(&now, lan, hold, &want);
	/* Routes first: rules without them would let everything pass. */
	if (!err) {
		const bool guarded = set_guard(x, &now, lan, hold, unguarded) == TM_OK;

		err = sync_routes(sock, &there, &want, guarded, d);
		x->lan = lan;
		x->hold = hold;
		exit_around_deinit(&x->around);
		x->around = now;
	}
	free(there.v);
	free(want.v);
	wanted_rules(x, &rules);
	return err ? err : sync_rules(sock, &rules, d);
}

int os_exit_clear(struct os_exit *x, struct diag *d)
{
	static const struct rules none;
	static const struct owns nothing;
	_cleanup_(rtmsg_closep) struct nl_sock *sock = NULL;
	struct owns there = {.n = 0};
	int err = rtmsg_open(&sock, d);

	if (!err)
		err = find_routes(sock, x ? x->ifname : NULL, &there, d);
	if (!err && there.other) { /* they are in use */
		free(there.v);
		return TM_OK;
	}
	if (!err)
		err = sync_rules(sock, &none, d);
	if (!err)
		err = sync_routes(sock, &there, &nothing, true, d);
	free(there.v);
	exit_guard_clear(x ? x->guard : NULL);
	return err;
}
