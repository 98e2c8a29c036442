/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "os/tcp.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "os/os.h"
#include "os/sockaddr.h"

static void no_delay(int fd)
{
	int one = 1;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

/* Closes fd, if there is one; errno stays what it was. */
static int give_up(int fd)
{
	if (fd >= 0)
		tcp_close(fd);
	return tm_err_from_errno(errno);
}

/* A stream socket of the address's family, or -1. */
static int open_marked(const struct sockaddr_storage *ss, uint32_t mark)
{
	int fd = socket(ss->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);

	if (fd >= 0 && os_mark_socket(fd, mark) != TM_OK) {
		(void)give_up(fd);
		return -1;
	}
	return fd;
}

static bool bind_to(int fd, const struct ip *own)
{
	struct sockaddr_storage ss;
	socklen_t len = endpoint_to_sockaddr(&(struct endpoint){.ip = *own}, &ss);

	return bind(fd, (struct sockaddr *)&ss, len) == 0;
}

int tcp_connect_from(const struct ip *own, const struct endpoint *to, uint32_t mark, int *ret_fd)
{
	struct sockaddr_storage ss;
	socklen_t len = endpoint_to_sockaddr(to, &ss);
	int fd = open_marked(&ss, mark);

	if (fd < 0 || (own->family != IP_NONE && !bind_to(fd, own)))
		return give_up(fd);

	no_delay(fd);
	if (connect(fd, (struct sockaddr *)&ss, len) != 0 && errno != EINPROGRESS)
		return give_up(fd);

	*ret_fd = fd;
	return TM_OK;
}

int tcp_connect(const struct endpoint *to, uint32_t mark, int *ret_fd)
{
	return tcp_connect_from(&(struct ip){.family = IP_NONE}, to, mark, ret_fd);
}

int tcp_connected(int fd)
{
	int e = 0;
	socklen_t len = sizeof(e);

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &len) == 0)
		errno = e;
	return tm_err_from_errno(errno);
}

/* Lets a restarted daemon have its port back while old connections are in TIME_WAIT; two listeners still
 * exclude each other. */
static void reuse(int fd)
{
	int one = 1;

	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
}

static int listen_exactly(struct endpoint *ep, uint32_t mark, int backlog, int *ret_fd)
{
	struct sockaddr_storage ss;
	socklen_t len = endpoint_to_sockaddr(ep, &ss);
	int fd = open_marked(&ss, mark);
	int zero = 0;

	if (fd < 0)
		return give_up(fd);

	reuse(fd);
	if (ep->ip.family == IP_V6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
	os_bind_early(fd); /* at boot an address may come later, and then whoever uses it finds us */
	if (bind(fd, (struct sockaddr *)&ss, len) != 0 || listen(fd, backlog) != 0)
		return give_up(fd);

	len = sizeof(ss);
	if (getsockname(fd, (struct sockaddr *)&ss, &len) != 0)
		return give_up(fd);

	int err = endpoint_from_sockaddr((struct sockaddr *)&ss, ep);
	if (err) {
		tcp_close(fd);
		return err;
	}
	*ret_fd = fd;
	return TM_OK;
}

int tcp_listen(struct endpoint *ep, uint32_t mark, int backlog, int *ret_fd)
{
	int err = listen_exactly(ep, mark, backlog, ret_fd);

	if (err && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL) && ep->ip.family == IP_V6 &&
		ip_is_unspecified(&ep->ip)) {
		ep->ip = ip_v4_host(0);
		err = listen_exactly(ep, mark, backlog, ret_fd);
	}
	return err;
}

int tcp_listen_at(const char *ifname, const struct endpoint *at, int backlog, int *ret_fd)
{
	struct sockaddr_storage ss;
	socklen_t len = endpoint_to_sockaddr(at, &ss);
	int fd = open_marked(&ss, 0);

	if (fd >= 0)
		reuse(fd);
	if (fd < 0 || (ifname && os_bind_to_device(fd, ifname) != TM_OK) ||
		bind(fd, (struct sockaddr *)&ss, len) != 0 || listen(fd, backlog) != 0) {
		int err = give_up(fd);

		return errno == EADDRNOTAVAIL ? TM_EUNSUPPORTED : err;
	}
	*ret_fd = fd;
	return TM_OK;
}

int tcp_accept(int listener, int *ret_fd, struct endpoint *ret_from)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	int fd = accept4(listener, (struct sockaddr *)&ss, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

	/* Somebody who hung up in the queue is nobody. */
	while (fd < 0 && (errno == EINTR || errno == ECONNABORTED || errno == EPROTO)) {
		len = sizeof(ss);
		fd = accept4(listener, (struct sockaddr *)&ss, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	}
	if (fd < 0)
		return tm_err_from_errno(errno);

	int err = endpoint_from_sockaddr((struct sockaddr *)&ss, ret_from);
	if (err) {
		tcp_close(fd);
		return err;
	}
	no_delay(fd);
	*ret_fd = fd;
	return TM_OK;
}

void tcp_watch(int fd, unsigned idle_s, unsigned dead_s)
{
	int on = 1, idle = (int)idle_s, every = (int)MAX(dead_s / 4, 1u), tries = 4;
	unsigned dead_ms = dead_s * 1000;

	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &every, sizeof(every));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &tries, sizeof(tries));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &dead_ms, sizeof(dead_ms)); /* RFC 5482 */
}

bool tcp_source_gone(int fd)
{
	struct sockaddr_storage ss;
	struct endpoint source;
	socklen_t len = sizeof(ss);
	bool gone = false;

	if (getsockname(fd, (struct sockaddr *)&ss, &len) != 0 ||
		endpoint_from_sockaddr((struct sockaddr *)&ss, &source) != TM_OK)
		return false;

	/* Only what belongs to this machine can be bound, and any port will do. */
	source.port = 0;
	len = endpoint_to_sockaddr(&source, &ss);
	int s = socket(ss.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (s >= 0) {
		gone = bind(s, (struct sockaddr *)&ss, len) != 0 && errno == EADDRNOTAVAIL;
		close(s);
	}
	return gone;
}
