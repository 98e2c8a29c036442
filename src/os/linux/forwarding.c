/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * IPv4 is forwarded or not by the interface that a packet came in by. IPv6 was all or nothing until
 * Linux 6.17 (force_forwarding); and all of it makes a host a router, which does not listen to router
 * advertisements any more, by which many have their own address and route: so an interface that did goes on
 * to (accept_ra 2), and so does one that comes later (`default`). What is wanted is said at each look, in the
 * same order: who asks remembers what was so before. Control thread.
 */
#include "os/os.h"

#include <net/if.h>
#include <stdio.h>
#include <string.h>

enum { SETTING_PATH_MAX = 128 };
#define ALL_IP6 "net/ipv6/conf/all/"

uint32_t os_interface_index(const char *ifname)
{
	return if_nametoindex(ifname);
}

static bool is(const char *name, const char *value)
{
	char now[16];

	return os_setting_get(name, now, sizeof(now)) == TM_OK && strcmp(now, value) == 0;
}

static bool exists(const char *name)
{
	char now[16];

	return os_setting_get(name, now, sizeof(now)) == TM_OK;
}

/*
 * An interface, or `default`, while all of IPv6 is forwarded: as a host it listened, as a router it would
 * not; and what it forwarded before is written over when all does not any more.
 */
static void keep(const char *ifname, os_setting_fn *fn, void *ctx)
{
	char name[SETTING_PATH_MAX];

	snprintf(name, sizeof(name), "net/ipv6/conf/%s/accept_ra", ifname);
	if (is(name, "1") || is(name, "2"))
		fn(ctx, name, "2");
	snprintf(name, sizeof(name), "net/ipv6/conf/%s/forwarding", ifname);
	if (is(name, "1"))
		fn(ctx, name, NULL);
}

static void forward_all_ip6(os_setting_fn *fn, void *ctx)
{
	struct if_nameindex *all = if_nameindex();

	keep("default", fn, ctx);
	for (const struct if_nameindex *i = all; i && i->if_index; i++)
		keep(i->if_name, fn, ctx);
	if (all)
		if_freenameindex(all);
	fn(ctx, ALL_IP6 "forwarding", "1");
}

void os_forwarding(enum ip_family family, const uint32_t *ifindexes, size_t n, os_setting_fn *fn, void *ctx)
{
	const bool narrow = family == IP_V4 || exists(ALL_IP6 "force_forwarding");
	char ifname[IFNAMSIZ], name[SETTING_PATH_MAX];

	if (!narrow && n)
		forward_all_ip6(fn, ctx);
	for (size_t i = 0; i < n && narrow; i++) {
		if (!if_indextoname(ifindexes[i], ifname))
			continue;
		snprintf(name, sizeof(name),
			family == IP_V4 ? "net/ipv4/conf/%s/forwarding" : "net/ipv6/conf/%s/force_forwarding",
			ifname);
		fn(ctx, name, "1");
	}
}
