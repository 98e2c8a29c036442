/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "os/linux/rtmsg.h"

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/if_tunnel.h>
#include <linux/neighbour.h>
#include <netlink/attr.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <string.h>
#include <sys/socket.h>

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

int rtmsg_family(const struct ip *ip)
{
	return ip->family == IP_V4 ? AF_INET : AF_INET6;
}

/* An address attribute, which says its family by its length. */
static void end_from(const struct nlattr *a, struct ip *ret_ip)
{
	if (a)
		(void)(ip_from(AF_INET, a, ret_ip) || ip_from(AF_INET6, a, ret_ip));
}

static int index_from(const struct nlattr *a)
{
	return a && nla_len(a) == 4 ? (int)nla_get_u32(a) : 0;
}

/* Where each kind of tunnel says which outer addresses it has; 0 = it has none of those. */
static void tunnel_ends(const struct nlattr *data, struct rt_link *l)
{
	static const struct {
		const char *kind;
		uint8_t local[2], remote[2];
	} rows[] = {
		{"vxlan", {IFLA_VXLAN_LOCAL, IFLA_VXLAN_LOCAL6}, {IFLA_VXLAN_GROUP, IFLA_VXLAN_GROUP6}},
		{"geneve", {0}, {IFLA_GENEVE_REMOTE, IFLA_GENEVE_REMOTE6}},
		{"gre", {IFLA_GRE_LOCAL}, {IFLA_GRE_REMOTE}},
		{"gretap", {IFLA_GRE_LOCAL}, {IFLA_GRE_REMOTE}},
		{"ip6gre", {IFLA_GRE_LOCAL}, {IFLA_GRE_REMOTE}},
		{"ip6gretap", {IFLA_GRE_LOCAL}, {IFLA_GRE_REMOTE}},
		{"ipip", {IFLA_IPTUN_LOCAL}, {IFLA_IPTUN_REMOTE}},
		{"sit", {IFLA_IPTUN_LOCAL}, {IFLA_IPTUN_REMOTE}},
		{"ip6tnl", {IFLA_IPTUN_LOCAL}, {IFLA_IPTUN_REMOTE}},
		{"vti", {IFLA_VTI_LOCAL}, {IFLA_VTI_REMOTE}},
		{"vti6", {IFLA_VTI_LOCAL}, {IFLA_VTI_REMOTE}},
	};
	struct nlattr *tb[UINT8_MAX + 1];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (strcmp(rows[i].kind, l->kind) != 0)
			continue;
		if (nla_parse(tb, UINT8_MAX, nla_data(data), nla_len(data), NULL) < 0)
			return;
		for (size_t k = 0; k < ARRAY_LEN(rows[i].local); k++) {
			end_from(rows[i].local[k] ? tb[rows[i].local[k]] : NULL, &l->local);
			end_from(rows[i].remote[k] ? tb[rows[i].remote[k]] : NULL, &l->remote);
		}
		/* The other kinds say it as every interface does. */
		if (strcmp(l->kind, "vxlan") == 0)
			l->lower = index_from(tb[IFLA_VXLAN_LINK]);
	}
}

static void link_kind(const struct nlattr *info, struct rt_link *l)
{
	struct nlattr *tb[IFLA_INFO_MAX + 1];

	if (!info || nla_parse(tb, IFLA_INFO_MAX, nla_data(info), nla_len(info), NULL) < 0)
		return;
	if (tb[IFLA_INFO_KIND])
		nla_strlcpy(l->kind, tb[IFLA_INFO_KIND], sizeof(l->kind));
	if (tb[IFLA_INFO_DATA])
		tunnel_ends(tb[IFLA_INFO_DATA], l);
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
	l.master = index_from(tb[IFLA_MASTER]);
	if (!tb[IFLA_LINK_NETNSID]) /* else a number of another namespace */
		l.lower = index_from(tb[IFLA_LINK]);
	link_kind(tb[IFLA_LINKINFO], &l);
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
	a.temporary = m->ifa_family == AF_INET6 && (flags & IFA_F_TEMPORARY);
	*ret_addr = a;
	return true;
}

static uint32_t number_from(const struct nlattr *a, uint32_t otherwise)
{
	return a && nla_len(a) == 4 ? nla_get_u32(a) : otherwise;
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
	r.table = number_from(tb[RTA_TABLE], m->rtm_table);
	r.type = m->rtm_type;
	r.protocol = m->rtm_protocol;
	r.cloned = m->rtm_flags & RTM_F_CLONED;
	(void)ip_from(m->rtm_family, tb[RTA_PREFSRC], &r.source);
	(void)ip_from(m->rtm_family, tb[RTA_GATEWAY], &r.gateway);
	r.metric = number_from(tb[RTA_PRIORITY], 0);
	r.several = tb[RTA_MULTIPATH] != NULL;
	r.index = (int)number_from(tb[RTA_OIF], 0);
	if (!r.index && r.several)
		r.index = first_hop(tb[RTA_MULTIPATH]);
	*ret_route = r;
	return true;
}

bool rtmsg_far(struct nlmsghdr *h, struct rt_far *ret_far)
{
	struct nlattr *tb[NDA_MAX + 1];
	struct rt_far f = {0};

	if (h->nlmsg_type != RTM_NEWNEIGH || nlmsg_parse(h, sizeof(struct ndmsg), tb, NDA_MAX, NULL) < 0)
		return false;
	const struct ndmsg *m = nlmsg_data(h);
	end_from(tb[NDA_DST], &f.to);
	if (m->ndm_family != AF_BRIDGE || f.to.family == IP_NONE)
		return false;
	f.index = m->ndm_ifindex;
	*ret_far = f;
	return true;
}

bool rtmsg_is_default(const struct prefix *dst)
{
	return dst->len <= (dst->ip.family == IP_V4 ? 1 : 3);
}

struct ip rtmsg_internet(enum ip_family family)
{
	static const uint8_t v6[16] = {0x20, 0x01, 0x05, 0x03, 0xba, 0x3e, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0x30};

	return family == IP_V4 ? ip_v4_host(0xc6290004) : ip_v6(v6);
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
	bool absent; /* afterwards: there is no such table */
};

static int dump_message(struct nl_msg *msg, void *arg)
{
	struct dump *dump = arg;

	dump->fn(dump->ctx, nlmsg_hdr(msg));
	return NL_OK;
}

static int receive(struct nl_sock *s, int sent, struct dump *dump, struct diag *d)
{
	int err = sent;

	if (err >= 0)
		err = nl_socket_modify_cb(s, NL_CB_VALID, NL_CB_CUSTOM, dump_message, dump);
	if (err >= 0)
		err = nl_recvmsgs_default(s);
	(void)nl_socket_modify_cb(s, NL_CB_VALID, NL_CB_DEFAULT, NULL, NULL);

	dump->absent = err == -NLE_OBJ_NOTFOUND;
	/* Something changed in the middle: what we have is right up to that change, and netmon reports it. */
	if (err < 0 && err != -NLE_DUMP_INTR)
		return diag_what(
			d, TM_EIO, "cannot read the kernel's network configuration: %s", nl_geterror(err));
	return TM_OK;
}

int rtmsg_dump(struct nl_sock *s, int type, int family, rtmsg_fn *fn, void *ctx, struct diag *d)
{
	/* Every dump takes a header of its own that begins with the family; that of links is the longest. */
	struct ifinfomsg gen = {.ifi_family = (unsigned char)family};
	struct dump dump = {.fn = fn, .ctx = ctx};

	return receive(s, nl_send_simple(s, type, NLM_F_DUMP, &gen, sizeof(gen)), &dump, d);
}

/* From now on the kernel reads questions to the end, and refuses what it does not know in them. */
static void be_strict(struct nl_sock *s, int on)
{
	(void)setsockopt(nl_socket_get_fd(s), SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
}

static int ask_table(struct nl_sock *s, int family, uint32_t table)
{
	struct rtmsg m = {.rtm_family = (unsigned char)family};
	struct nl_msg *msg = nlmsg_alloc_simple(RTM_GETROUTE, NLM_F_DUMP);

	if (!msg)
		return -NLE_NOMEM;
	int err = nlmsg_append(msg, &m, sizeof(m), NLMSG_ALIGNTO);
	if (!err)
		err = nla_put_u32(msg, RTA_TABLE, table);
	if (!err)
		err = nl_send_auto(s, msg);
	nlmsg_free(msg);
	return err;
}

int rtmsg_dump_table(struct nl_sock *s, uint32_t table, rtmsg_fn *fn, void *ctx, struct diag *d)
{
	static const int families[] = {AF_INET, AF_INET6};
	struct dump dump = {.fn = fn, .ctx = ctx};
	struct diag unsaid = {0};
	int err = TM_OK;

	be_strict(s, 1);
	for (size_t i = 0; i < ARRAY_LEN(families) && !err; i++) {
		err = receive(s, ask_table(s, families[i], table), &dump, &unsaid);
		if (err && dump.absent) /* a table comes into being with its first route */
			err = TM_OK;
	}
	be_strict(s, 0);
	if (err && d)
		*d = unsaid;
	return err;
}

struct lookup {
	struct rt_route route;
	bool found;
};

static int lookup_answer(struct nl_msg *msg, void *arg)
{
	struct lookup *l = arg;

	l->found = rtmsg_route(nlmsg_hdr(msg), &l->route);
	return NL_OK;
}

static struct nl_msg *lookup_question(const struct ip *to, const struct ip *from, uint32_t mark)
{
	struct nl_msg *msg = nlmsg_alloc_simple(RTM_GETROUTE, 0);
	const uint8_t bits = (uint8_t)(8 * ip_len(to));
	struct rtmsg m = {.rtm_family = (unsigned char)rtmsg_family(to), .rtm_dst_len = bits};

	if (!msg)
		return NULL;
	if (from)
		m.rtm_src_len = bits;
	if (nlmsg_append(msg, &m, sizeof(m), NLMSG_ALIGNTO) < 0 ||
		nla_put(msg, RTA_DST, (int)ip_len(to), to->bytes) < 0 ||
		(from && nla_put(msg, RTA_SRC, (int)ip_len(from), from->bytes) < 0) ||
		(mark && nla_put_u32(msg, RTA_MARK, mark) < 0)) {
		nlmsg_free(msg);
		return NULL;
	}
	return msg;
}

int rtmsg_lookup(struct nl_sock *s, const struct ip *to, const struct ip *from, uint32_t mark,
	struct rt_route *ret_route)
{
	struct nl_msg *msg = lookup_question(to, from, mark);
	struct lookup l = {.found = false};

	if (!msg)
		return TM_ENOMEM;
	int err = nl_socket_modify_cb(s, NL_CB_VALID, NL_CB_CUSTOM, lookup_answer, &l);
	if (err >= 0)
		err = nl_send_auto(s, msg);
	nlmsg_free(msg);
	if (err >= 0)
		err = nl_recvmsgs_default(s);
	if (err >= 0)
		err = nl_wait_for_ack(s); /* a message of its own after the answer; an error is one itself */
	(void)nl_socket_modify_cb(s, NL_CB_VALID, NL_CB_DEFAULT, NULL, NULL);
	if (err < 0 || !l.found || !l.route.index || l.route.type != RTN_UNICAST)
		return TM_EUNREACH;
	*ret_route = l.route;
	return TM_OK;
}
