/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* os/tcp.h once there is a connection: what workers need of it too. */
#include "os/tcp.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

/* linux/tcp.h, since 3.12. */
#ifndef TCP_NOTSENT_LOWAT
#define TCP_NOTSENT_LOWAT 25
#endif

int tcp_recv(int fd, void *p, size_t n, size_t *ret_n)
{
	return tcp_recv_two(fd, p, n, NULL, 0, ret_n);
}

int tcp_recv_two(int fd, void *p, size_t n, void *q, size_t m, size_t *ret_n)
{
	struct iovec v[] = {{.iov_base = p, .iov_len = n}, {.iov_base = q, .iov_len = m}};
	struct msghdr h = {.msg_iov = v, .msg_iovlen = m ? 2 : 1};
	ssize_t got;

	do
		got = recvmsg(fd, &h, 0);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return tm_err_from_errno(errno);
	if (got == 0) {
		errno = 0;
		return TM_ECLOSED;
	}

	*ret_n = (size_t)got;
	return TM_OK;
}

int tcp_send(int fd, const void *p, size_t n, size_t *ret_n)
{
	ssize_t sent;

	do
		sent = send(fd, p, n, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	if (sent < 0 && errno != EAGAIN)
		return tm_err_from_errno(errno);

	*ret_n = sent > 0 ? (size_t)sent : 0;
	return TM_OK;
}

void tcp_finish(int fd)
{
	(void)shutdown(fd, SHUT_WR);
}

void tcp_close(int fd)
{
	int e = errno;

	close(fd);
	errno = e;
}

void tcp_abort(int fd)
{
	const struct linger drop = {.l_onoff = 1, .l_linger = 0};
	int e = errno;

	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &drop, sizeof(drop));
	close(fd);
	errno = e;
}

void tcp_queue_little(int fd, int unsent_bytes)
{
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent_bytes, sizeof(unsent_bytes));
}

void tcp_bulk(int fd)
{
	int zero = 0;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &zero, sizeof(zero));
}

void tcp_ack_now(int fd)
{
	int one = 1;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &one, sizeof(one));
}
