/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * IPv4 is forwarded or not by the interface that a packet came in by. IPv6 was all or nothing until
 * Linux 6.17 (force_forwarding); and all of it makes a host a router, which does not listen to router
 * advertisements any more, by which many have their own address and route: so an interface that did goes on
 * to (accept_ra 2). Control thread.
 */
#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { SETTING_PATH_MAX = 128 };

uint32_t os_interface_index(const char *ifname)
{
	return if_nametoindex(ifname);
}

static int open_setting(const char *name, int flags)
{
	char path[SETTING_PATH_MAX + 16];

	snprintf(path, sizeof(path), "/proc/sys/%s", name);
	return open(path, flags | O_CLOEXEC);
}

int os_setting_get(const char *name, char *buf, size_t n)
{
	_cleanup_(closep) int fd = open_setting(name, O_RDONLY);

	if (fd < 0)
		return tm_err_from_errno(errno);
	ssize_t got = read(fd, buf, n - 1);
	if (got < 0)
		return tm_err_from_errno(errno);
	buf[got] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
	return TM_OK;
}

int os_setting_set(const char *name, const char *value)
{
	_cleanup_(closep) int fd = open_setting(name, O_WRONLY);

	if (fd < 0 || write(fd, value, strlen(value)) < 0)
		return tm_err_from_errno(errno);
	return TM_OK;
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

/* As a host it listened, as a router it would not. */
static void keep_listening(os_setting_fn *fn, void *ctx)
{
	struct if_nameindex *all = if_nameindex();
	char name[SETTING_PATH_MAX];

	for (const struct if_nameindex *i = all; i && i->if_index; i++) {
		snprintf(name, sizeof(name), "net/ipv6/conf/%s/accept_ra", i->if_name);
		if (is(name, "1"))
			fn(ctx, name, "2");
	}
	if (all)
		if_freenameindex(all);
}

void os_forwarding(enum ip_family family, const uint32_t *ifindexes, size_t n, os_setting_fn *fn, void *ctx)
{
	const bool narrow = family == IP_V4 || exists("net/ipv6/conf/all/force_forwarding");
	char ifname[IFNAMSIZ], name[SETTING_PATH_MAX];

	if (!narrow && n && !is("net/ipv6/conf/all/forwarding", "1")) {
		keep_listening(fn, ctx);
		fn(ctx, "net/ipv6/conf/all/forwarding", "1");
		return;
	}
	for (size_t i = 0; i < n && narrow; i++) {
		if (!if_indextoname(ifindexes[i], ifname))
			continue;
		snprintf(name, sizeof(name),
			family == IP_V4 ? "net/ipv4/conf/%s/forwarding" : "net/ipv6/conf/%s/force_forwarding",
			ifname);
		fn(ctx, name, "1");
	}
}
