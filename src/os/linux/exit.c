/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Everything that leaves this host is led into the tunnel, but for what is marked, which is the tunnel
 * itself. Rules and tables are ours by number and protocol, so that the next run finds what this one leaves,
 * and nothing has to be remembered:
 *
 * - 5379: what came out of the tunnel: main
 *
 * - 5380: without mark: EXIT_TABLE_ALL; default by the tunnel, or, to go on below (throw), networks of guests
 *   of this host and of other tunnels, and with `lan` networks that it is in
 *
 * - 5381: main, but for default routes
 *
 * - 5382: without mark: EXIT_TABLE_REST; default by the tunnel
 *
 * So a route that is new in the main table leads nothing past us. The routes by the tunnel go with its
 * interface; with `hold` unreachable ones lie behind them, which stay and hold back what would leave
 * otherwise. Both families, whether the exit has them or not: what it has not ends in the tunnel, where its
 * sender is told. What is led elsewhere all the same, exit_guard.c keeps back. Control thread.
 */
#include "os/os.h"

#include <errno.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <stdio.h>
#include <string.h>

#include "os/linux/exit_private.h"
#include "os/linux/ours.h"
#include "os/linux/rtmsg.h"

enum { METRIC_TUNNEL = 10, METRIC_HELD = 1000 };

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

	if (!rtmsg_route(h, &r) || r.cloned || (r.table != EXIT_TABLE_ALL && r.table != EXIT_TABLE_REST))
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

/* Two routes of one place: the later takes it, whatever its type. */
static const struct own *find_place(const struct owns *o, const struct own *own)
{
	for (size_t i = 0; i < o->n; i++) {
		const struct own *v = &o->v[i];

		if (prefix_eq(&v->dst, &own->dst) && v->table == own->table && v->metric == own->metric)
			return v;
	}
	return NULL;
}

static bool is_among(const struct owns *o, const struct own *own)
{
	const struct own *v = find_place(o, own);

	return v && v->type == own->type;
}

/* An interface of ours that has no IPv6 carries none, and so none leaves: where nothing else guards, by this,
 * which is what is wanted then. */
static int bar(struct nl_sock *sock, const struct owns *there, struct own *o)
{
	o->type = RTN_UNREACHABLE;
	return is_among(there, o) ? 0 : change_route(sock, RTM_NEWROUTE, o, 0);
}

static int sync_routes(
	struct nl_sock *sock, const struct owns *there, struct owns *want, bool guarded, struct diag *d)
{
	int err = TM_OK;

	for (size_t i = 0; i < want->n && !err; i++) {
		struct own *o = &want->v[i];
		const bool v6 = o->dst.ip.family == IP_V6;

		if (is_among(there, o))
			continue;
		int nlerr = change_route(sock, RTM_NEWROUTE, o, want->index);
		if (nlerr < 0 && v6 && o->type == RTN_UNICAST)
			nlerr = guarded ? 0 : bar(sock, there, o);
		if (nlerr < 0 && (!v6 || exit_has_ip6()))
			err = diag_what(d, nlerr == -NLE_PERM ? TM_EPERM : TM_EIO,
				"the route through the exit cannot be set: %s", nl_geterror(nlerr));
	}
	for (size_t i = 0; i < there->n && !err; i++)
		if (!find_place(want, &there->v[i])) /* IPv6 does not look at types, either */
			(void)change_route(sock, RTM_DELROUTE, &there->v[i], 0);
	return err;
}

static int wanted_routes(const struct exit_around *a, bool lan, bool hold, struct owns *w)
{
	static const struct prefix all[] = {{{IP_V4, {0}}, 0}, {{IP_V6, {0}}, 0}};
	static const uint32_t tables[] = {EXIT_TABLE_ALL, EXIT_TABLE_REST};

	/* What goes on below first: what is known is not cut, not for a moment. */
	for (size_t i = 0; i < a->n_nets; i++)
		add(w, &a->nets[i], EXIT_TABLE_ALL, METRIC_TUNNEL, RTN_THROW);
	for (size_t i = 0; i < a->n_lans && lan; i++)
		add(w, &a->lans[i].prefix, EXIT_TABLE_ALL, METRIC_TUNNEL, RTN_THROW);
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
	int err = rtmsg_dump_table(sock, EXIT_TABLE_ALL, see_route, there, d);

	if (!err)
		err = rtmsg_dump_table(sock, EXIT_TABLE_REST, see_route, there, d);
	return err ? err : there->err;
}

/* --- the whole --- */

struct os_exit {
	char ifname[IFNAMSIZ];
	char former[IFNAMSIZ]; /* under which an earlier run of this node may have left something; "" = none
				*/
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

void os_exit_former(struct os_exit *x, const char *ifname)
{
	snprintf(x->former, sizeof(x->former), "%s", ifname);
}

/* Its tables, after rules and routes are another interface's, or nobody's. */
static int forget_former(struct os_exit *x)
{
	struct exit_guard *g;
	int err = exit_guard_new(x->former, &g);

	if (err)
		return err;
	exit_guard_clear(g);
	exit_guard_free(g);
	x->former[0] = '\0';
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

/* Of the run whose rules are there, which may be gone, or of one whose routes are: not this one's. "" =
 * nobody else's. */
static int find_other(struct nl_sock *sock, const struct os_exit *x, const struct owns *there,
	char ret_other[static IFNAMSIZ], struct diag *d)
{
	int err = exit_rules_owner(sock, ret_other, d);

	if (strcmp(ret_other, x->ifname) == 0 || strcmp(ret_other, x->former) == 0)
		ret_other[0] = '\0';
	if (!err && there->other && !if_indextoname((unsigned)there->other, ret_other))
		snprintf(ret_other, IFNAMSIZ, "?");
	return err;
}

static int another(const char *name, bool lives, struct diag *d)
{
	diag_hint(d, "`tunnelmesh exit-node off` of that one ends it, with its --state-dir");
	return diag_what(d, TM_EBUSY,
		lives ? "another tunnelmesh of this machine uses an exit node, by %s"
		      : "another tunnelmesh of this machine, by %s, lets nothing leave without its exit node",
		name);
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

static int set(struct os_exit *x, struct nl_sock *sock, struct owns *want, bool lan, bool hold,
	struct diag *unguarded, struct diag *d)
{
	const struct exit_rules_config rules = {.ifname = x->ifname, .mark = x->mark, .mask = x->mask};
	struct exit_around now = {.n_own = 0};
	struct owns there = {.n = 0};
	char other[IFNAMSIZ] = "";
	int err = find_routes(sock, x->ifname, &there, d);

	if (!err)
		err = find_other(sock, x, &there, other, d);
	if (!err && other[0])
		err = another(other, there.other, d);
	if (!err)
		err = exit_look(sock, x->ifname, &now, d);
	if (!err)
		err = wanted_routes(&now, lan, hold, want);
	/* Routes first: rules without them would let everything pass. */
	if (!err) {
		const bool guarded = set_guard(x, &now, lan, hold, unguarded) == TM_OK;

		err = sync_routes(sock, &there, want, guarded, d);
		x->lan = lan;
		x->hold = hold;
		exit_around_deinit(&x->around);
		x->around = now;
	} else {
		exit_around_deinit(&now);
	}
	free(there.v);
	return err ? err : exit_rules_set(sock, &rules, d);
}

int os_exit_set(struct os_exit *x, bool lan, bool hold, struct diag *unguarded, struct diag *d)
{
	_cleanup_(rtmsg_closep) struct nl_sock *sock = NULL;
	struct owns want = {.index = (int)if_nametoindex(x->ifname)};

	if (!want.index)
		return diag_what(d, TM_ENOENT, "there is no interface %s", x->ifname);
	int err = rtmsg_open(&sock, d);
	if (!err)
		err = set(x, sock, &want, lan, hold, unguarded, d);
	free(want.v);
	if (!err && x->former[0]) /* what that name's table holds, this one's does now */
		err = forget_former(x);
	return err;
}

/* What is there of ours on the host, unless another run uses it or holds it. */
static int clear(struct os_exit *x, struct os_exit_left *ret_left, struct diag *d)
{
	struct owns nothing = {.n = 0};
	_cleanup_(rtmsg_closep) struct nl_sock *sock = NULL;
	struct owns there = {.n = 0};
	bool rules = false;
	int err = rtmsg_open(&sock, d);

	*ret_left = (struct os_exit_left){.any = false};
	if (!err)
		err = find_routes(sock, x->ifname, &there, d);
	if (!err)
		err = find_other(sock, x, &there, ret_left->other, d);
	if (!err && !ret_left->other[0]) {
		err = exit_rules_clear(sock, &rules, d);
		if (!err)
			err = sync_routes(sock, &there, &nothing, true, d);
	}
	ret_left->any = exit_guard_clear(x->guard) || rules;
	free(there.v);
	return err;
}

int os_exit_clear(struct os_exit *x, struct diag *d)
{
	struct os_exit_left left;
	int err = clear(x, &left, d);

	return err || !x->former[0] ? err : forget_former(x);
}

int os_exit_undo(const char *ifname, struct os_exit_left *ret_left, struct diag *d)
{
	struct os_exit *x = NULL;
	int err = os_exit_new(ifname, 0, &x);

	if (!err)
		err = clear(x, ret_left, d);
	os_exit_free(x);
	return err;
}
