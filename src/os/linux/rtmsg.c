/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "os/linux/rtmsg.h"

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <netlink/attr.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <string.h>

/* IFF_LOWER_UP, whose header clashes with net/if.h: the carrier itself. IFF_RUNNING follows it up to a second
 * later. */
#define LINK_CARRIER (1u << 16)

static bool ip_from(int family, const struct nlattr *a, struct ip *ret_ip)
{
	if (!a)
		return false;
	if (family == AF_INET && nla_len(a) == 4)
		*ret_ip = ip_v4(nla_data(a));
	else if (family == AF_INET6 && nla_len(a) == 16)
		*ret_ip = ip_v6(nla_data(a));
	else
		return false;
	return true;
}

bool rtmsg_link(struct nlmsghdr *h, struct rt_link *ret_link)
{
	struct nlattr *tb[IFLA_MAX + 1];
	struct rt_link l = {0};

	if (h->nlmsg_type != RTM_NEWLINK && h->nlmsg_type != RTM_DELLINK)
		return false;
	if (nlmsg_parse(h, sizeof(struct ifinfomsg), tb, IFLA_MAX, NULL) < 0)
		return false;

	const struct ifinfomsg *m = nlmsg_data(h);
	if (m->ifi_family != AF_UNSPEC) /* AF_BRIDGE speaks of the port, AF_INET6 of its settings */
		return false;

	l.index = m->ifi_index;
	l.flags = m->ifi_flags;
	l.alive = (l.flags & IFF_UP) && (l.flags & LINK_CARRIER);
	l.port = tb[IFLA_MASTER] != NULL;
	l.tunnelmesh = tb[IFLA_IFALIAS] && nla_strcmp(tb[IFLA_IFALIAS], RT_ALIAS) == 0;
	l.wireless_event = tb[IFLA_WIRELESS] != NULL;
	if (tb[IFLA_IFNAME])
		nla_strlcpy(l.name, tb[IFLA_IFNAME], sizeof(l.name));
	*ret_link = l;
	return true;
}

bool rtmsg_addr(struct nlmsghdr *h, struct rt_addr *ret_addr)
{
	struct nlattr *tb[IFA_MAX + 1];
	struct rt_addr a = {0};

	if (h->nlmsg_type != RTM_NEWADDR && h->nlmsg_type != RTM_DELADDR)
		return false;
	if (nlmsg_parse(h, sizeof(struct ifaddrmsg), tb, IFA_MAX, NULL) < 0)
		return false;

	const struct ifaddrmsg *m = nlmsg_data(h);
	/* On a point-to-point link IFA_ADDRESS is the other side. */
	if (!ip_from(m->ifa_family, tb[IFA_LOCAL] ? tb[IFA_LOCAL] : tb[IFA_ADDRESS], &a.prefix.ip))
		return false;

	uint32_t flags =
		tb[IFA_FLAGS] && nla_len(tb[IFA_FLAGS]) == 4 ? nla_get_u32(tb[IFA_FLAGS]) : m->ifa_flags;
	a.prefix.len = m->ifa_prefixlen;
	a.index = (int)m->ifa_index;
	a.scope = m->ifa_scope;
	a.usable = !(flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED | IFA_F_DEPRECATED));
	*ret_addr = a;
	return true;
}

static int first_hop(const struct nlattr *multipath)
{
	const struct rtnexthop *hop = nla_data(multipath);
	return nla_len(multipath) >= (int)sizeof(*hop) ? hop->rtnh_ifindex : 0;
}

bool rtmsg_route(struct nlmsghdr *h, struct rt_route *ret_route)
{
	struct nlattr *tb[RTA_MAX + 1];
	struct rt_route r = {0};

	if (h->nlmsg_type != RTM_NEWROUTE && h->nlmsg_type != RTM_DELROUTE)
		return false;
	if (nlmsg_parse(h, sizeof(struct rtmsg), tb, RTA_MAX, NULL) < 0)
		return false;

	const struct rtmsg *m = nlmsg_data(h);
	if (m->rtm_family != AF_INET && m->rtm_family != AF_INET6)
		return false;
	if (!ip_from(m->rtm_family, tb[RTA_DST], &r.dst.ip))
		r.dst.ip = (struct ip){.family = m->rtm_family == AF_INET ? IP_V4 : IP_V6};

	r.dst.len = m->rtm_dst_len;
	r.type = m->rtm_type;
	r.cloned = m->rtm_flags & RTM_F_CLONED;
	if (tb[RTA_OIF] && nla_len(tb[RTA_OIF]) == 4)
		r.index = (int)nla_get_u32(tb[RTA_OIF]);
	else if (tb[RTA_MULTIPATH])
		r.index = first_hop(tb[RTA_MULTIPATH]);
	*ret_route = r;
	return true;
}

bool rtmsg_is_default(const struct prefix *dst)
{
	return dst->len <= (dst->ip.family == IP_V4 ? 1 : 3);
}

int rtmsg_open(struct nl_sock **ret_sock, struct diag *d)
{
	_cleanup_(rtmsg_closep) struct nl_sock *s = nl_socket_alloc();

	if (!s)
		return TM_ENOMEM;

	int err = nl_connect(s, NETLINK_ROUTE);
	if (err < 0)
		return diag_what(
			d, TM_EIO, "cannot talk to the kernel's network configuration: %s", nl_geterror(err));

	*ret_sock = TAKE(s);
	return TM_OK;
}

void rtmsg_close(struct nl_sock *s)
{
	nl_socket_free(s);
}

struct dump {
	rtmsg_fn *fn;
	void *ctx;
};

static int dump_message(struct nl_msg *msg, void *arg)
{
	struct dump *dump = arg;

	dump->fn(dump->ctx, nlmsg_hdr(msg));
	return NL_OK;
}

int rtmsg_dump(struct nl_sock *s, int type, int family, rtmsg_fn *fn, void *ctx, struct diag *d)
{
	struct rtgenmsg gen = {.rtgen_family = (unsigned char)family};
	struct dump dump = {.fn = fn, .ctx = ctx};
	int err = nl_socket_modify_cb(s, NL_CB_VALID, NL_CB_CUSTOM, dump_message, &dump);

	if (err >= 0)
		err = nl_send_simple(s, type, NLM_F_DUMP, &gen, sizeof(gen));
	if (err >= 0)
		err = nl_recvmsgs_default(s);
	(void)nl_socket_modify_cb(s, NL_CB_VALID, NL_CB_DEFAULT, NULL, NULL);

	/* Something changed in the middle: what we have is right up to that change, and netmon reports it. */
	if (err < 0 && err != -NLE_DUMP_INTR)
		return diag_what(
			d, TM_EIO, "cannot read the kernel's network configuration: %s", nl_geterror(err));
	return TM_OK;
}
