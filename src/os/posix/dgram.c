/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "os/dgram.h"

#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <unistd.h>

#include "os/os.h"
#include "os/sockaddr.h"

enum how { HOW_PLAIN, HOW_SHARED, HOW_EARLY };

/* Of the address's family, or -1. */
static int open_for(const struct sockaddr_storage *ss)
{
	return socket(ss->ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_UDP);
}

static int open_bound(const struct endpoint *at, uint32_t mark, enum how how, int *ret_fd)
{
	struct sockaddr_storage ss;
	const socklen_t len = endpoint_to_sockaddr(at, &ss);
	_cleanup_(closep) int fd = open_for(&ss);
	int one = 1;

	if (fd >= 0 && how == HOW_EARLY)
		os_bind_early(fd);
	if (fd < 0 || os_mark_socket(fd, mark) != TM_OK ||
		(how == HOW_SHARED && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0) ||
		bind(fd, (struct sockaddr *)&ss, len) < 0)
		return tm_err_from_errno(errno);
	*ret_fd = fd;
	fd = -1;
	return TM_OK;
}

static unsigned interface_with(const struct ip *own)
{
	struct ifaddrs *all = NULL;
	unsigned found = 0;

	if (getifaddrs(&all) < 0)
		return 0;
	for (const struct ifaddrs *i = all; i && !found; i = i->ifa_next) {
		struct endpoint ep;

		if (i->ifa_addr && endpoint_from_sockaddr(i->ifa_addr, &ep) == TM_OK && ip_eq(&ep.ip, own))
			found = if_nametoindex(i->ifa_name);
	}
	freeifaddrs(all);
	return found;
}

/*
 * IPv4's groups follow the address that the socket has. IPv6's follow whichever route for ff00::/8 comes
 * first, which may be the tunnel's, or another network's.
 */
static int keep_groups_at(int fd, const struct ip *own)
{
	const unsigned index = interface_with(own);

	if (!index)
		return TM_ENOENT;
	if (setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, &index, sizeof(index)) < 0)
		return tm_err_from_errno(errno);
	return TM_OK;
}

int dgram_open(const struct ip *own, uint32_t mark, int *ret_fd)
{
	_cleanup_(closep) int fd = -1;
	int err = open_bound(&(struct endpoint){.ip = *own}, mark, HOW_PLAIN, &fd);

	if (!err && own->family == IP_V6)
		err = keep_groups_at(fd, own);
	if (err)
		return err;
	*ret_fd = fd;
	fd = -1;
	return TM_OK;
}

/* Every host is in the groups of all hosts by itself (RFC 1112 4, RFC 4291 2.8): there is nothing to join. */
int dgram_listen(const struct endpoint *group, int *ret_fd)
{
	return open_bound(group, 0, HOW_SHARED, ret_fd);
}

int dgram_serve(const struct endpoint *at, int *ret_fd)
{
	return open_bound(at, 0, HOW_EARLY, ret_fd);
}

int dgram_serve_at(const char *ifname, const struct endpoint *at, int *ret_fd)
{
	struct sockaddr_storage ss;
	const socklen_t len = endpoint_to_sockaddr(at, &ss);
	_cleanup_(closep) int fd = open_for(&ss);

	if (fd < 0 || (ifname && os_bind_to_device(fd, ifname) != TM_OK) ||
		bind(fd, (struct sockaddr *)&ss, len) < 0)
		return errno == EADDRNOTAVAIL ? TM_EUNSUPPORTED : tm_err_from_errno(errno);
	*ret_fd = fd;
	fd = -1;
	return TM_OK;
}

int dgram_connect(const struct endpoint *to, int *ret_fd)
{
	struct sockaddr_storage ss;
	const socklen_t len = endpoint_to_sockaddr(to, &ss);
	_cleanup_(closep) int fd = open_for(&ss);

	if (fd < 0 || connect(fd, (struct sockaddr *)&ss, len) < 0)
		return tm_err_from_errno(errno);
	*ret_fd = fd;
	fd = -1;
	return TM_OK;
}

int dgram_send(int fd, const struct endpoint *to, const void *p, size_t n)
{
	struct sockaddr_storage ss;
	const socklen_t len = to ? endpoint_to_sockaddr(to, &ss) : 0;

	return sendto(fd, p, n, 0, to ? (struct sockaddr *)&ss : NULL, len) < 0 ? tm_err_from_errno(errno)
										: TM_OK;
}

int dgram_recv(int fd, void *p, size_t n, size_t *ret_n, struct endpoint *ret_from)
{
	struct sockaddr_storage ss = {0};
	socklen_t len = sizeof(ss);
	ssize_t got = recvfrom(fd, p, n, 0, (struct sockaddr *)&ss, &len);

	if (got < 0)
		return tm_err_from_errno(errno);
	*ret_n = (size_t)got;
	return endpoint_from_sockaddr((struct sockaddr *)&ss, ret_from);
}

size_t dgram_recv_many(int fd, struct dgram_item *v, size_t max)
{
	struct sockaddr_storage ss[DGRAM_MANY];
	struct mmsghdr m[DGRAM_MANY] = {0};
	struct iovec io[DGRAM_MANY];
	const size_t room = MIN(max, DGRAM_MANY);

	for (size_t i = 0; i < room; i++) {
		io[i] = (struct iovec){v[i].data, v[i].cap};
		m[i].msg_hdr = (struct msghdr){
			.msg_name = &ss[i], .msg_namelen = sizeof(ss[i]), .msg_iov = &io[i], .msg_iovlen = 1};
	}
	const int got = recvmmsg(fd, m, (unsigned)room, 0, NULL);
	for (int i = 0; i < got; i++) {
		v[i].n = m[i].msg_len;
		if (endpoint_from_sockaddr((struct sockaddr *)&ss[i], &v[i].peer) != TM_OK)
			v[i].peer = (struct endpoint){0};
	}
	return got > 0 ? (size_t)got : 0;
}

void dgram_send_many(int fd, const struct dgram_item *v, size_t n)
{
	struct sockaddr_storage ss[DGRAM_MANY];
	struct mmsghdr m[DGRAM_MANY] = {0};
	struct iovec io[DGRAM_MANY];
	unsigned count = 0;

	for (size_t i = 0; i < n && count < DGRAM_MANY; i++) {
		if (!v[i].n)
			continue;
		io[count] = (struct iovec){v[i].data, v[i].n};
		m[count].msg_hdr = (struct msghdr){.msg_name = &ss[count],
			.msg_namelen = endpoint_to_sockaddr(&v[i].peer, &ss[count]),
			.msg_iov = &io[count],
			.msg_iovlen = 1};
		count++;
	}
	/* It stops at the first that fails: the rest is tried after leaving that one out. */
	for (unsigned at = 0; at < count;) {
		const int sent = sendmmsg(fd, m + at, count - at, 0);

		at += sent > 0 ? (unsigned)sent : 1;
	}
}

void dgram_close(int fd)
{
	close(fd);
}
