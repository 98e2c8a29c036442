/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What only Linux sockets can do. */
#include "os/os.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "os/sockaddr.h"

int os_bind_to_device(int fd, const char *ifname)
{
	if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, ifname, (socklen_t)strlen(ifname)) < 0)
		return tm_err_from_errno(errno);
	return TM_OK;
}

int os_mark_socket(int fd, uint32_t mark)
{
	if (mark && setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) < 0)
		return tm_err_from_errno(errno);
	return TM_OK;
}

enum { DISCARD = 9 }; /* RFC 863 */

int os_knock(const char *ifname, const struct ip *from, const struct ip *to, int *ret_fd)
{
	const struct endpoint here = {.ip = *from}, there = {.ip = *to, .port = DISCARD};
	struct sockaddr_storage a, b;
	const socklen_t a_len = endpoint_to_sockaddr(&here, &a), b_len = endpoint_to_sockaddr(&there, &b);
	_cleanup_(closep) int fd = socket(a.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	const bool v4 = from->family == IP_V4;
	int one = 1;

	/* Without it the kernel keeps errors to itself that may pass. */
	if (fd < 0 || os_bind_to_device(fd, ifname) != TM_OK ||
		setsockopt(fd, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_RECVERR : IPV6_RECVERR, &one,
			sizeof(one)) < 0 ||
		bind(fd, (const struct sockaddr *)&a, a_len) < 0 ||
		connect(fd, (const struct sockaddr *)&b, b_len) < 0 || send(fd, "", 1, 0) < 0)
		return tm_err_from_errno(errno);
	*ret_fd = fd;
	fd = -1;
	return TM_OK;
}

void os_knock_end(int fd)
{
	close(fd);
}

void os_bind_early(int fd)
{
	int one = 1;

	(void)setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &one, sizeof(one)); /* IPv6 sockets look there, too */
}

bool os_tcp_stats(int fd, struct os_tcp_stats *ret_stats)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);
	int queued = 0;

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0 ||
		len < offsetof(struct tcp_info, tcpi_total_retrans) + sizeof(info.tcpi_total_retrans))
		return false;
	/* Refused by a connection that is already over: then nothing waits. */
	if (ioctl(fd, SIOCOUTQ, &queued) < 0 || queued < 0)
		queued = 0;

	*ret_stats = (struct os_tcp_stats){info.tcpi_total_retrans, (uint32_t)queued};
	return true;
}
