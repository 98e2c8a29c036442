/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Routes into networks behind members. They lie in the main table, where everybody looks for routes, under a
 * protocol number of our own: so what is there is the only list of them, and a run that crashed leaves none,
 * because they go with its interface. Control thread.
 */
#include "os/os.h"

#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <string.h>

#include "os/linux/ours.h"
#include "os/linux/rtmsg.h"

enum { STALE_MAX = 256 }; /* more are found the next time */

struct own {
	int index;
	struct os_own_route *v;
	size_t n;
	struct prefix stale[STALE_MAX];
	size_t n_stale;
};

static void see_ours(struct own *o, const struct prefix *dst)
{
	for (size_t i = 0; i < o->n; i++)
		if (prefix_eq(&o->v[i].prefix, dst)) {
			o->v[i].there = true;
			return;
		}
	if (o->n_stale < STALE_MAX)
		o->stale[o->n_stale++] = *dst;
}

static void see_theirs(struct own *o, const struct rt_route *r)
{
	const bool connected = r->gateway.family == IP_NONE && !r->several;

	for (size_t i = 0; i < o->n; i++) {
		struct os_own_route *own = &o->v[i];

		if (own->conflict.ip.family != IP_NONE || r->dst.len > own->prefix.len ||
			!prefix_overlaps(&r->dst, &own->prefix) ||
			(!connected && r->dst.len != own->prefix.len))
			continue;
		own->conflict = r->dst;
		if (!if_indextoname((unsigned)r->index, own->conflict_if))
			memcpy(own->conflict_if, "?", 2);
	}
}

static void see(void *ctx, struct nlmsghdr *h)
{
	struct own *o = ctx;
	struct rt_route r;

	if (!rtmsg_route(h, &r) || r.cloned || r.table != RT_TABLE_MAIN || r.type != RTN_UNICAST)
		return;
	if (r.index == o->index && r.protocol == OURS_PROTOCOL)
		see_ours(o, &r.dst);
	else if (r.index != o->index && !rtmsg_is_default(&r.dst))
		see_theirs(o, &r);
}

static int change(struct nl_sock *sock, const struct own *o, int type, int flags, const struct prefix *dst)
{
	struct rtmsg m = {
		.rtm_family = (unsigned char)rtmsg_family(&dst->ip),
		.rtm_dst_len = dst->len,
		.rtm_table = RT_TABLE_MAIN,
		.rtm_protocol = OURS_PROTOCOL,
		.rtm_scope = dst->ip.family == IP_V4 ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE,
		.rtm_type = RTN_UNICAST,
	};
	struct nl_msg *msg = nlmsg_alloc_simple(type, flags);
	int err = msg ? 0 : -NLE_NOMEM;

	if (!err)
		err = nlmsg_append(msg, &m, sizeof(m), NLMSG_ALIGNTO);
	if (!err)
		err = nla_put(msg, RTA_DST, (int)ip_len(&dst->ip), dst->ip.bytes);
	if (!err)
		err = nla_put_u32(msg, RTA_OIF, (uint32_t)o->index);
	if (err) {
		nlmsg_free(msg);
		return err;
	}
	return nl_send_sync(sock, msg);
}

static bool no_ipv6(const struct prefix *p, int nlerr)
{
	return p->ip.family == IP_V6 &&
	       (nlerr == -NLE_NOACCESS || nlerr == -NLE_OPNOTSUPP || nlerr == -NLE_AF_NOSUPPORT);
}

static int add(struct nl_sock *sock, const struct own *o, struct os_own_route *own, struct diag *d)
{
	char text[PREFIX_STR_LEN];
	int nlerr = change(sock, o, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, &own->prefix);

	own->there = nlerr >= 0;
	if (nlerr >= 0 || nlerr == -NLE_EXIST || no_ipv6(&own->prefix, nlerr))
		return TM_OK;
	return diag_what(d, nlerr == -NLE_PERM ? TM_EPERM : TM_EIO, "the route to %s cannot be set: %s",
		prefix_format(&own->prefix, text), nl_geterror(nlerr));
}

int os_own_routes(const char *ifname, struct os_own_route *v, size_t n, struct diag *d)
{
	_cleanup_(rtmsg_closep) struct nl_sock *sock = NULL;
	struct own o = {.index = (int)if_nametoindex(ifname), .v = v, .n = n};

	for (size_t i = 0; i < n; i++)
		v[i] = (struct os_own_route){.prefix = v[i].prefix, .barred = v[i].barred};
	if (!o.index)
		return diag_what(d, TM_ENOENT, "there is no interface %s", ifname);
	int err = rtmsg_open(&sock, d);
	if (!err)
		err = rtmsg_dump(sock, RTM_GETROUTE, AF_UNSPEC, see, &o, d);

	/* What is gone by itself meanwhile is gone. */
	for (size_t i = 0; i < o.n_stale && !err; i++)
		(void)change(sock, &o, RTM_DELROUTE, 0, &o.stale[i]);
	for (size_t i = 0; i < n && !err; i++) {
		const bool out = v[i].barred || v[i].conflict.ip.family != IP_NONE;

		if (out && v[i].there) {
			(void)change(sock, &o, RTM_DELROUTE, 0, &v[i].prefix);
			v[i].there = false;
		} else if (!out && !v[i].there) {
			err = add(sock, &o, &v[i], d);
		}
	}
	return err;
}
