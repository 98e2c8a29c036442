/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Tells when this host's place in the network changed. The kernel repeats itself (every router advertisement
 * renews its addresses, every wireless scan is a link message), so what is known of links and addresses is
 * kept and only differences count. After a lost message everything is read anew, and that counts as a change.
 * Control thread.
 */
#include "os/os.h"

#include <event2/event.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/map.h"
#include "loop/timer.h"
#include "os/linux/rtmsg.h"

#define DEBOUNCE (300 * MS)

enum {
	BATCH = 256, /* datagrams per wake-up, so that a flood does not starve the loop */
	RCVBUF = 1 << 20,
	ADDR_KEY = 4 + 1 + 16, /* interface, family, address */
};

struct os_netmon {
	/* set once */
	char except[IFNAMSIZ];
	void (*changed)(void *ctx);
	void *ctx;
	struct nl_sock *sock;
	struct event *readable;
	struct loop_timer *settled;
	/* control thread */
	int except_index;
	bool filling; /* reading the state anew: nothing counts */
	bool lost; /* messages were lost: read the state anew when settled */
	struct map *links, *addrs; /* values are enum seen, as pointers */
};

/* What was seen last of a link (runs or not) or an address (usable or not); absent = never seen or gone. */
enum seen { SEEN_NOT = 0, SEEN_OFF = 1, SEEN_ON = 2 };

static enum seen seen_get(const struct map *m, const void *key)
{
	return (enum seen)(uintptr_t)map_get(m, key);
}

static int seen_put(struct map *m, const void *key, enum seen s)
{
	if (s == SEEN_NOT) {
		map_remove(m, key);
		return TM_OK;
	}
	return map_put(m, key, (void *)(uintptr_t)s);
}

static void mark(struct os_netmon *m)
{
	/*
	 * A fixed window from the first message: a network that never comes to rest is reported all the same.
	 */
	if (!m->filling && !loop_timer_is_set(m->settled))
		loop_timer_in(m->settled, DEBOUNCE);
}

static void update(struct os_netmon *m, struct map *map, const void *key, enum seen now)
{
	enum seen before = seen_get(map, key);

	if (seen_put(map, key, now) != TM_OK)
		m->lost = true;
	/* Something that never worked and does not work is no news. */
	if (MAX(before, SEEN_OFF) != MAX(now, SEEN_OFF))
		mark(m);
}

static void on_link(struct os_netmon *m, bool gone, const struct rt_link *l)
{
	uint32_t key = (uint32_t)l->index;

	if (m->except[0] && strcmp(l->name, m->except) == 0)
		m->except_index = gone ? 0 : l->index;
	if (l->index == m->except_index || l->wireless_event || l->port || (l->flags & IFF_LOOPBACK))
		return;
	update(m, m->links, &key, gone ? SEEN_NOT : l->alive ? SEEN_ON : SEEN_OFF);
}

static void on_addr(struct os_netmon *m, bool gone, const struct rt_addr *a)
{
	uint8_t key[ADDR_KEY] = {0};
	uint32_t index = (uint32_t)a->index;

	if (a->index == m->except_index || ip_is_link_local(&a->prefix.ip) || ip_is_loopback(&a->prefix.ip))
		return;
	memcpy(key, &index, 4);
	key[4] = a->prefix.ip.family;
	memcpy(key + 5, a->prefix.ip.bytes, 16);
	update(m, m->addrs, key, gone ? SEEN_NOT : a->usable ? SEEN_ON : SEEN_OFF);
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
	else if (rtmsg_route(h, &route) && route.type == RTN_UNICAST && !route.cloned &&
		 rtmsg_is_default(&route.dst) && (!route.index || route.index != m->except_index))
		mark(m);
}

static int on_nl_message(struct nl_msg *msg, void *arg)
{
	on_message(arg, nlmsg_hdr(msg));
	return NL_OK;
}

static int fill(struct os_netmon *m, struct diag *d)
{
	_cleanup_(rtmsg_closep) struct nl_sock *sock = NULL;
	int err;

	map_free(TAKE(m->links));
	map_free(TAKE(m->addrs));
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
			log_warn("netmon: cannot read a change, looking again", KV("why", nl_geterror(err)));
		m->lost = true;
		(void)event_del(m->readable);
		mark(m);
		return;
	}
}

static void on_settled(void *ctx)
{
	struct os_netmon *m = ctx;
	struct diag d = {0};

	if (m->lost) {
		m->lost = false;
		/* First listen again, then look: a change in between is seen twice rather than never. */
		(void)event_add(m->readable, NULL);
		if (fill(m, &d) != TM_OK) {
			log_warn("netmon: cannot read the network's state, trying again", KV("why", d.what));
			m->lost = true;
			mark(m);
		}
	}
	m->changed(m->ctx);
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
		    RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE, 0) < 0)
		return TM_EIO;
	return TM_OK;
}

int os_netmon_new(struct event_base *base, const char *except, void (*changed)(void *ctx), void *ctx,
	struct os_netmon **ret_mon)
{
	struct os_netmon *m = calloc(1, sizeof(*m));
	int err = TM_ENOMEM;

	if (!m)
		return err;

	m->changed = changed;
	m->ctx = ctx;
	if (except) {
		snprintf(m->except, sizeof(m->except), "%s", except);
		m->except_index = (int)if_nametoindex(except);
	}
	err = subscribe(m, NULL);
	if (err)
		goto fail;

	m->readable = event_new(base, nl_socket_get_fd(m->sock), EV_READ | EV_PERSIST, on_readable, m);
	err = loop_timer_new(base, on_settled, m, &m->settled);
	if (!err && (!m->readable || event_add(m->readable, NULL) < 0))
		err = TM_ENOMEM;
	if (!err)
		err = fill(m, NULL);
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
	nl_socket_free(m->sock);
	map_free(m->links);
	map_free(m->addrs);
	free(m);
}
