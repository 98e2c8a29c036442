/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The rules of routing that lead into an exit: ours by their protocol number, whoever set them, and of that
 * run of ours whose interface the first of them names, also when it is gone. And those of others that come
 * before ours.
 */
#include "os/linux/exit_private.h"

#include <linux/fib_rules.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "os/linux/ours.h"
#include "os/linux/rtmsg.h"

enum { RULE_BEHIND = 5379, RULE_ALL = 5380, RULE_MAIN = 5381, RULE_REST = 5382 };
enum { RULES_MAX = 32 };

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

/* plain: it asks for nothing that is not in *ret_rule. False: it is none, or malformed. */
static bool parse(struct nlmsghdr *h, struct rule *ret_rule, bool *ret_ours, bool *ret_plain)
{
	struct nlattr *tb[FRA_MAX + 1];

	if (h->nlmsg_type != RTM_NEWRULE ||
		nlmsg_parse(h, sizeof(struct fib_rule_hdr), tb, FRA_MAX, NULL) < 0)
		return false;
	const struct fib_rule_hdr *f = nlmsg_data(h);
	*ret_rule = (struct rule){
		.family = f->family,
		.priority = number(tb[FRA_PRIORITY], 0),
		.table = number(tb[FRA_TABLE], f->table),
		.mark = number(tb[FRA_FWMARK], 0),
		.mask = number(tb[FRA_FWMASK], 0),
		.invert = f->flags & FIB_RULE_INVERT,
		.suppress = (int)number(tb[FRA_SUPPRESS_PREFIXLEN], UINT32_MAX),
	};
	if (tb[FRA_IIFNAME])
		nla_strlcpy(ret_rule->iif, tb[FRA_IIFNAME], sizeof(ret_rule->iif));
	*ret_ours = tb[FRA_PROTOCOL] && nla_get_u8(tb[FRA_PROTOCOL]) == OURS_PROTOCOL;
	*ret_plain = f->action == FR_ACT_TO_TBL && !f->src_len && !f->dst_len && !f->tos &&
		     !tb[FRA_OIFNAME] && !tb[FRA_UID_RANGE] && !tb[FRA_IP_PROTO] && !tb[FRA_SPORT_RANGE] &&
		     !tb[FRA_DPORT_RANGE] && !tb[FRA_L3MDEV];
	return true;
}

static void see_ours(void *ctx, struct nlmsghdr *h)
{
	struct rules *r = ctx;
	struct rule rule;
	bool ours, plain;

	if (r->n < RULES_MAX && parse(h, &rule, &ours, &plain) && ours)
		r->v[r->n++] = rule;
}

static int dump(struct nl_sock *sock, rtmsg_fn *fn, void *ctx, struct diag *d)
{
	int err = rtmsg_dump(sock, RTM_GETRULE, AF_INET, fn, ctx, d);

	return err ? err : rtmsg_dump(sock, RTM_GETRULE, AF_INET6, fn, ctx, d);
}

static int change(struct nl_sock *sock, int type, const struct rule *r)
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

bool exit_has_ip6(void)
{
	return access("/proc/sys/net/ipv6", F_OK) == 0;
}

static void wanted(const struct exit_rules_config *cfg, struct rules *ret_r)
{
	static const int families[] = {AF_INET, AF_INET6};
	struct rules r = {.n = 0};

	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		struct rule rule = {.family = families[i],
			.priority = RULE_BEHIND,
			.table = RT_TABLE_MAIN,
			.suppress = -1};

		memcpy(rule.iif, cfg->ifname, strnlen(cfg->ifname, IFNAMSIZ - 1));
		r.v[r.n++] = rule;
		rule = (struct rule){.family = families[i],
			.priority = RULE_ALL,
			.table = EXIT_TABLE_ALL,
			.mark = cfg->mark,
			.mask = cfg->mask,
			.invert = true,
			.suppress = -1};
		r.v[r.n++] = rule;
		rule.priority = RULE_REST;
		rule.table = EXIT_TABLE_REST;
		r.v[r.n++] = rule;
		/* Halves of all there is, in which VPNs install their routes, are default routes. */
		r.v[r.n++] = (struct rule){.family = families[i],
			.priority = RULE_MAIN,
			.table = RT_TABLE_MAIN,
			.suppress = families[i] == AF_INET ? 1 : 3};
	}
	*ret_r = r;
}

/* Those that are wanted first, so that there is no moment without. */
static int sync_all(struct nl_sock *sock, const struct rules *want, bool *ret_removed, struct diag *d)
{
	struct rules there = {.n = 0};
	int err = dump(sock, see_ours, &there, d);

	*ret_removed = false;
	for (size_t i = 0; i < want->n && !err; i++) {
		if (has_rule(&there, &want->v[i]))
			continue;
		int nlerr = change(sock, RTM_NEWRULE, &want->v[i]);
		/* A host without IPv6 has nothing to hold back. */
		if (nlerr < 0 && nlerr != -NLE_EXIST && (want->v[i].family == AF_INET || exit_has_ip6()))
			err = diag_what(d, nlerr == -NLE_PERM ? TM_EPERM : TM_EIO,
				"a routing rule cannot be set: %s", nl_geterror(nlerr));
	}
	for (size_t i = 0; i < there.n && !err; i++)
		if (!has_rule(want, &there.v[i])) /* gone by itself: as good */
			*ret_removed |= change(sock, RTM_DELRULE, &there.v[i]) == 0;
	return err;
}

int exit_rules_set(struct nl_sock *sock, const struct exit_rules_config *cfg, struct diag *d)
{
	struct rules want;
	bool removed;

	wanted(cfg, &want);
	return sync_all(sock, &want, &removed, d);
}

int exit_rules_clear(struct nl_sock *sock, bool *ret_removed, struct diag *d)
{
	static const struct rules none;

	return sync_all(sock, &none, ret_removed, d);
}

int exit_rules_owner(struct nl_sock *sock, char ret_ifname[static IFNAMSIZ], struct diag *d)
{
	struct rules there = {.n = 0};
	int err = dump(sock, see_ours, &there, d);

	memset(ret_ifname, 0, IFNAMSIZ);
	for (size_t i = 0; i < there.n && !err && !ret_ifname[0]; i++)
		if (there.v[i].priority == RULE_BEHIND)
			memcpy(ret_ifname, there.v[i].iif, IFNAMSIZ);
	return err;
}

static void see_marks(void *ctx, struct nlmsghdr *h)
{
	struct exit_around *a = ctx;
	struct rule r;
	bool ours, plain;

	if (!parse(h, &r, &ours, &plain) || ours || !plain || r.invert || r.iif[0] ||
		r.priority >= RULE_BEHIND || r.table != RT_TABLE_MAIN || !(r.mark & r.mask))
		return;
	for (size_t i = 0; i < a->n_marks; i++)
		if (a->marks[i].mark == r.mark && a->marks[i].mask == r.mask)
			return;
	if (a->n_marks < ARRAY_LEN(a->marks))
		a->marks[a->n_marks++] = (struct exit_mark){r.mark, r.mask};
}

int exit_rules_marks(struct nl_sock *sock, struct exit_around *a, struct diag *d)
{
	return dump(sock, see_marks, a, d);
}
