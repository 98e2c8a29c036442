/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What only Linux sockets can do. */
#include "os/os.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/ioctl.h>

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
