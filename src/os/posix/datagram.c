/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "os/datagram.h"

#include <errno.h>

#include "os/os.h"
#include "os/sockaddr.h"
#include "os/tcp.h"

int datagram_open(const struct endpoint *with, uint32_t mark, int *ret_fd)
{
	struct sockaddr_storage ss;
	socklen_t len = endpoint_to_sockaddr(with, &ss);
	int fd = socket(ss.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return tm_err_from_errno(errno);
	if (os_mark_socket(fd, mark) != TM_OK || connect(fd, (struct sockaddr *)&ss, len) != 0) {
		tcp_close(fd);
		return tm_err_from_errno(errno);
	}
	*ret_fd = fd;
	return TM_OK;
}

int datagram_send(int fd, const void *p, size_t n)
{
	return send(fd, p, n, MSG_NOSIGNAL) == (ssize_t)n ? TM_OK : tm_err_from_errno(errno);
}

int datagram_recv(int fd, void *p, size_t size, size_t *ret_n)
{
	ssize_t n = recv(fd, p, size, 0);

	if (n < 0)
		return tm_err_from_errno(errno);
	*ret_n = (size_t)n;
	return TM_OK;
}
