/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Tells when this host's place in the network changed. The kernel repeats itself (every router advertisement
 * renews its addresses, every wireless scan is a link message), and most of what it says has no consequence:
 * a container that starts makes interfaces, addresses and routes. So what is known of links and addresses is
 * kept, and what counts is whether the set of addresses under which others may reach us is another one. After
 * a lost message everything is read anew, and that counts as a change. Control thread.
 */
#include "os/os.h"

#include <event2/event.h>
#include <linux/netconf.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <stdio.h>
#include <string.h>

#include "base/loglimit.h"
#include "base/map.h"
#include "base/siphash.h"
#include "loop/timer.h"
#include "os/linux/ours.h"
#include "os/linux/rtmsg.h"

/* Of one event, what belongs together comes within some milliseconds; a quarter of a second later checks are
 * on their way. */
#define DEBOUNCE (200 * MS)
#define DEBOUNCE_OWN (50 * MS) /* our own interface carries nothing meanwhile */

enum {
	BATCH = 256, /* datagrams per wake-up, so that a flood does not starve the loop */
	RCVBUF = 1 << 20,
	DEFAULTS_MAX = 32, /* default routes that are known; a change of others is always news */
	ADDR_KEY = 4 + 1 + 16, /* interface, family, address */
};

/* An address that is usable if its link runs. */
struct known_addr {
	uint32_t link;
	struct ip ip;
};

struct os_netmon {
	/* set once */
	char own[IFNAMSIZ];
	struct os_netmon_events ev;
	struct nl_sock *sock;
	struct event *readable;
	struct loop_timer *settled, *own_settled;
	struct siphash_key seed;
	struct log_limit trouble;
	/* control thread */
	int own_index;
	bool filling; /* reading the state anew: nothing counts */
	bool lost; /* messages were lost: read the state anew when settled */
	bool moved; /* a default route changed since the last settling */
	struct rt_route defaults[DEFAULTS_MAX]; /* those that were told of since links or addresses changed */
	size_t n_defaults;
	uint64_t place; /* a print of the addresses under which others may reach us, at the last settling */
	struct map *links; /* those that run: a mark each */
	struct map *addrs; /* struct known_addr, owned */
};

static void *const RUNS = (void *)1;

static void mark(struct os_netmon *m)
{
	/*
	 * A fixed window from the first message: a network that never comes to rest is reported all the same.
	 */
	if (!m->filling && !loop_timer_is_set(m->settled))
		loop_timer_in(m->settled, DEBOUNCE);
}

/* An address or a link: the routes that the kernel takes away with it, it does not tell of. */
static void mark_place(struct os_netmon *m)
{
	m->n_defaults = 0;
	mark(m);
}

static void mark_own(struct os_netmon *m)
{
	if (!m->filling && !loop_timer_is_set(m->own_settled))
		loop_timer_in(m->own_settled, DEBOUNCE_OWN);
}

static void on_link(struct os_netmon *m, bool gone, const struct rt_link *l)
{
	uint32_t key = (uint32_t)l->index;
	bool runs = !gone && l->alive;

	if (m->own[0] && strcmp(l->name, m->own) == 0)
		m->own_index = gone ? 0 : l->index;
	if (l->index == m->own_index) {
		mark_own(m);
		return;
	}
	if (l->wireless_event || (l->flags & IFF_LOOPBACK))
		return;
	/* Which bridge it is a port of may have changed, too: that is for those who depend on it. */
	if (runs == (map_get(m->links, &key) != NULL) && !l->master)
		return;
	if (!runs)
		map_remove(m->links, &key);
	else if (map_put(m->links, &key, RUNS) != TM_OK)
		m->lost = true;
	mark_place(m);
}

static bool keep_addr(struct os_netmon *m, const uint8_t *key, const struct known_addr *a)
{
	struct known_addr *kept = malloc(sizeof(*kept));

	if (!kept || map_put(m->addrs, key, kept) != TM_OK) {
		free(kept);
		return false;
	}
	*kept = *a;
	return true;
}

static void on_addr(struct os_netmon *m, bool gone, const struct rt_addr *a)
{
	const struct known_addr known = {.link = (uint32_t)a->index, .ip = a->prefix.ip};
	uint8_t key[ADDR_KEY] = {0};

	if (a->index == m->own_index) {
		mark_own(m);
		return;
	}
	if (ip_is_link_local(&a->prefix.ip) || ip_is_loopback(&a->prefix.ip))
		return;
	memcpy(key, &known.link, 4);
	key[4] = a->prefix.ip.family;
	memcpy(key + 5, a->prefix.ip.bytes, 16);
	bool usable = !gone && a->usable;
	if (usable == (map_get(m->addrs, key) != NULL))
		return;
	if (!usable)
		free(map_remove(m->addrs, key));
	else if (!keep_addr(m, key, &known))
		m->lost = true;
	mark_place(m);
}

/* --- default routes --- */

/* Where the kernel has room for one, or for several beside each other. */
static bool same_place(const struct rt_route *a, const struct rt_route *b)
{
	return a->table == b->table && a->metric == b->metric && a->dst.len == b->dst.len &&
	       ip_eq(&a->dst.ip, &b->dst.ip);
}

static bool leads_alike(const struct rt_route *a, const struct rt_route *b)
{
	return a->index == b->index && ip_eq(&a->gateway, &b->gateway) && ip_eq(&a->source, &b->source);
}

/* Takes out those in the place of r: all of them, or those that lead where it does. Returns how many. */
static size_t forget_defaults(struct os_netmon *m, const struct rt_route *r, bool all)
{
	size_t kept = 0, n = m->n_defaults;

	for (size_t i = 0; i < n; i++)
		if (!same_place(&m->defaults[i], r) || !(all || leads_alike(&m->defaults[i], r)))
			m->defaults[kept++] = m->defaults[i];
	m->n_defaults = kept;
	return n - kept;
}

/*
 * Is the message about a default route news? A program that takes in router advertisements by itself sets the
 * route anew with each of them, and anybody on the link may send those.
 */
static bool default_is_news(struct os_netmon *m, bool gone, bool replaces, const struct rt_route *r)
{
	bool known = forget_defaults(m, r, false) > 0;
	bool others_gone = replaces && forget_defaults(m, r, true) > 0;

	if (gone || r->several)
		return true;
	if (m->n_defaults == DEFAULTS_MAX)
		return true;
	m->defaults[m->n_defaults++] = *r;
	return !known || others_gone;
}

static void on_route(struct os_netmon *m, const struct nlmsghdr *h, const struct rt_route *r)
{
	if (r->cloned)
		return;
	if (r->index && r->index == m->own_index) {
		mark_own(m);
		return;
	}
	/* Ours that lead nowhere hold back (exit.c): whoever takes them away opens a hole. */
	if (r->protocol == OURS_PROTOCOL) {
		mark(m);
		return;
	}
	/* What the kernel does for each address shows in the addresses. */
	if (r->type != RTN_UNICAST)
		return;
	if (rtmsg_is_default(&r->dst)) {
		if (!default_is_news(m, h->nlmsg_type == RTM_DELROUTE, h->nlmsg_flags & NLM_F_REPLACE, r))
			return;
		m->moved = true;
	}
	mark(m);
}

/* Somebody switched one setting of interfaces, as forwarding, on which a router depends. A new interface
 * tells all that it has. */
static void on_setting(struct os_netmon *m, struct nlmsghdr *h)
{
	const struct nlattr *first = nlmsg_attrdata(h, sizeof(struct netconfmsg)), *a;
	int left, n = 0;

	if (!nlmsg_valid_hdr(h, sizeof(struct netconfmsg)))
		return;
	nla_for_each_attr(a, first, nlmsg_attrlen(h, sizeof(struct netconfmsg)), left) n +=
		nla_type(a) != NETCONFA_IFINDEX;
	if (n == 1)
		mark(m);
}

static void on_message(void *ctx, struct nlmsghdr *h)
{
	struct os_netmon *m = ctx;
	struct rt_link link;
	struct rt_addr addr;
	struct rt_route route;

	if (rtmsg_link(h, &link))
		on_link(m, h->nlmsg_type == RTM_DELLINK, &link);
	else if (rtmsg_addr(h, &addr))
		on_addr(m, h->nlmsg_type == RTM_DELADDR, &addr);
	else if (rtmsg_route(h, &route))
		on_route(m, h, &route);
	else if (h->nlmsg_type == RTM_NEWNETCONF)
		on_setting(m, h);
	else if (h->nlmsg_type == RTM_NEWRULE || h->nlmsg_type == RTM_DELRULE)
		mark(m);
}

static int on_nl_message(struct nl_msg *msg, void *arg)
{
	on_message(arg, nlmsg_hdr(msg));
	return NL_OK;
}

/* --- the whole --- */

/*
 * Whichever order they come in, and however many interfaces share an address, as the host's ends of
 * containers' do: the same set has the same print.
 */
static int print_place(const struct os_netmon *m, uint64_t *ret_print)
{
	_cleanup_(map_freep) struct map *seen = NULL;
	const struct known_addr *a;
	uint64_t print = 0;
	int err = map_new(sizeof(a->ip.bytes), &seen);

	for (size_t i = 0; !err && (a = map_next(m->addrs, &i));) {
		if (!map_get(m->links, &a->link) || map_get(seen, a->ip.bytes))
			continue;
		err = map_put(seen, a->ip.bytes, RUNS);
		print += siphash(&m->seed, a->ip.bytes, sizeof(a->ip.bytes));
	}
	if (!err)
		*ret_print = print;
	return err;
}

static void forget_addrs(struct os_netmon *m)
{
	struct known_addr *a;

	for (size_t i = 0; m->addrs && (a = map_next(m->addrs, &i));)
		free(a);
	map_free(TAKE(m->addrs));
}

static int fill(struct os_netmon *m, struct diag *d)
{
	_cleanup_(rtmsg_closep) struct nl_sock *sock = NULL;
	int err;

	map_free(TAKE(m->links));
	forget_addrs(m);
	err = map_new(sizeof(uint32_t), &m->links);
	if (!err)
		err = map_new(ADDR_KEY, &m->addrs);
	if (!err)
		err = rtmsg_open(&sock, d);

	m->filling = true;
	if (!err)
		err = rtmsg_dump(sock, RTM_GETLINK, AF_UNSPEC, on_message, m, d);
	if (!err)
		err = rtmsg_dump(sock, RTM_GETADDR, AF_UNSPEC, on_message, m, d);
	m->filling = false;
	return err;
}

static void on_readable(evutil_socket_t fd UNUSED, short what UNUSED, void *ctx)
{
	struct os_netmon *m = ctx;

	for (unsigned i = 0; i < BATCH; i++) {
		int err = nl_recvmsgs_default(m->sock);
		if (err == -NLE_AGAIN)
			return;
		if (err >= 0)
			continue;
		/* ENOBUFS (libnl says NLE_NOMEM): the kernel dropped messages. Nothing more to read until we
		 * look for ourselves. */
		if (err != -NLE_NOMEM)
			LOG_LIMITED(LOG_WARN, &m->trouble, LOG_WHO_ALL,
				"netmon: cannot read a change, looking again", KV("why", nl_geterror(err)));
		m->lost = true;
		(void)event_del(m->readable);
		mark(m);
		return;
	}
}

static void read_anew(struct os_netmon *m)
{
	struct diag d = {0};

	m->lost = false;
	m->n_defaults = 0; /* which there are now will be told when they change */
	/* First listen again, then look: a change in between is seen twice rather than never. */
	(void)event_add(m->readable, NULL);
	if (fill(m, &d) != TM_OK) {
		LOG_LIMITED(LOG_WARN, &m->trouble, LOG_WHO_ALL,
			"netmon: cannot read the network's state, trying again", KV("why", d.what));
		m->lost = true;
		mark(m);
	}
}

static void on_settled(void *ctx)
{
	struct os_netmon *m = ctx;
	enum os_network what = m->moved || m->lost ? OS_NETWORK_DEFAULT : OS_NETWORK_ROUTES;
	uint64_t place = m->place;

	if (m->lost) {
		read_anew(m);
		mark_own(m);
	}
	if (print_place(m, &place) != TM_OK)
		what = OS_NETWORK_DEFAULT;
	else if (place != m->place)
		what = MAX(what, OS_NETWORK_ADDRESSES);
	m->place = place;
	m->moved = false;
	m->ev.changed(m->ev.ctx, what);
}

static void on_own_settled(void *ctx)
{
	struct os_netmon *m = ctx;

	m->ev.own(m->ev.ctx);
}

static int subscribe(struct os_netmon *m, struct diag *d)
{
	int err = rtmsg_open(&m->sock, d);

	if (err)
		return err;

	nl_socket_disable_seq_check(m->sock);
	(void)nl_socket_set_buffer_size(m->sock, RCVBUF, 0);
	if (nl_socket_modify_cb(m->sock, NL_CB_VALID, NL_CB_CUSTOM, on_nl_message, m) < 0)
		return TM_ENOMEM;
	if (nl_socket_set_nonblocking(m->sock) < 0)
		return TM_EIO;
	if (nl_socket_add_memberships(m->sock, RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR,
		    RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE, RTNLGRP_IPV4_RULE, RTNLGRP_IPV6_RULE,
		    RTNLGRP_IPV4_NETCONF, RTNLGRP_IPV6_NETCONF, 0) < 0)
		return TM_EIO;
	return TM_OK;
}

int os_netmon_new(struct event_base *base, const char *own, const struct os_netmon_events *ev,
	struct os_netmon **ret_mon)
{
	struct os_netmon *m = calloc(1, sizeof(*m));
	int err = TM_ENOMEM;

	if (!m)
		return err;

	m->ev = *ev;
	m->trouble = LOG_LIMIT_ONE;
	snprintf(m->own, sizeof(m->own), "%s", own);
	m->own_index = (int)if_nametoindex(own);
	err = siphash_key_random(&m->seed);
	if (!err)
		err = subscribe(m, NULL);
	if (err)
		goto fail;

	m->readable = event_new(base, nl_socket_get_fd(m->sock), EV_READ | EV_PERSIST, on_readable, m);
	err = loop_timer_new(base, on_settled, m, &m->settled);
	if (!err)
		err = loop_timer_new(base, on_own_settled, m, &m->own_settled);
	if (!err && (!m->readable || event_add(m->readable, NULL) < 0))
		err = TM_ENOMEM;
	if (!err)
		err = fill(m, NULL);
	if (!err)
		err = print_place(m, &m->place);
	if (err)
		goto fail;

	*ret_mon = m;
	return TM_OK;
fail:
	os_netmon_free(m);
	return err;
}

void os_netmon_free(struct os_netmon *m)
{
	if (!m)
		return;

	if (m->readable)
		event_free(m->readable);
	loop_timer_free(m->settled);
	loop_timer_free(m->own_settled);
	nl_socket_free(m->sock);
	map_free(m->links);
	forget_addrs(m);
	free(m);
}
