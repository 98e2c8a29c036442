/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * By which interface a destination is reached. The route is asked for each time, one question and one answer
 * of the kernel; what its interface lies on is kept until interfaces change. Control thread.
 */
#include "os/os.h"

#include <stdio.h>

#include "base/loglimit.h"
#include "os/linux/links.h"

struct os_routes {
	/* set once */
	char own[IFNAMSIZ];
	uint32_t mark;
	struct nl_sock *sock;
	/* changes */
	struct links *links; /* NULL: to be read anew */
	struct log_limit trouble;
};

int os_routes_new(const char *own, uint32_t mark, struct os_routes **ret_routes, struct diag *d)
{
	struct os_routes *r = calloc(1, sizeof(*r));

	if (!r)
		return TM_ENOMEM;
	snprintf(r->own, sizeof(r->own), "%s", own);
	r->mark = mark;
	r->trouble = LOG_LIMIT_ONE;
	int err = rtmsg_open(&r->sock, d);
	if (err) {
		os_routes_free(r);
		return err;
	}
	*ret_routes = r;
	return TM_OK;
}

void os_routes_free(struct os_routes *r)
{
	if (!r)
		return;
	links_free(r->links);
	rtmsg_close(r->sock);
	free(r);
}

void os_routes_forget(struct os_routes *r)
{
	links_free(TAKE(r->links));
}

static enum link_on leads_to(struct os_routes *r, int index)
{
	struct diag d = {0};

	/* One that came since is on nothing that we know. */
	if (r->links && !links_find(r->links, index))
		os_routes_forget(r);
	if (!r->links && links_read(r->sock, r->own, &r->links, &d) != TM_OK)
		LOG_LIMITED(LOG_WARN, &r->trouble, LOG_WHO_ALL,
			"route: cannot read the interfaces, taking all for hardware", KV("why", d.what));
	return r->links ? links_on(r->links, index) : LINK_ON_HARDWARE;
}

bool os_internet(struct os_routes *r, enum ip_family family, uint32_t *ret_ifindex)
{
	const struct ip to = rtmsg_internet(family);
	struct rt_route route;

	if (rtmsg_lookup(r->sock, &to, NULL, r->mark, &route) != TM_OK ||
		leads_to(r, route.index) == LINK_ON_MESH)
		return false;
	if (ret_ifindex)
		*ret_ifindex = (uint32_t)route.index;
	return true;
}

void os_gateway(
	struct os_routes *r, enum ip_family family, struct endpoint *ret_gateway, struct ip *ret_source)
{
	const struct ip to = rtmsg_internet(family);
	struct rt_route route;

	*ret_gateway = (struct endpoint){0};
	*ret_source = (struct ip){0};
	if (rtmsg_lookup(r->sock, &to, NULL, r->mark, &route) != TM_OK || route.gateway.family != family ||
		leads_to(r, route.index) >= LINK_ON_TUNNEL)
		return;
	ret_gateway->ip = route.gateway;
	if (family == IP_V6 && ip_is_link_local(&route.gateway))
		ret_gateway->scope = (uint32_t)route.index;
	*ret_source = route.source;
}

void os_route_to(struct os_routes *r, const struct ip *to, const struct ip *from, struct os_route *ret_route)
{
	static const enum os_route_kind kinds[] = {
		[LINK_ON_HARDWARE] = OS_ROUTE_PLAIN,
		[LINK_ON_BRIDGE] = OS_ROUTE_PLAIN,
		[LINK_ON_TUNNEL] = OS_ROUTE_TUNNEL,
		[LINK_ON_MESH] = OS_ROUTE_MESH,
	};
	struct rt_route route;

	*ret_route = (struct os_route){.kind = OS_ROUTE_NONE};
	if (rtmsg_lookup(r->sock, to, from && from->family == to->family ? from : NULL, r->mark, &route) !=
		TM_OK)
		return;
	ret_route->kind = kinds[leads_to(r, route.index)];
	ret_route->ifindex = (uint32_t)route.index;
	ret_route->source = route.source;
}
