/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "os/icmp.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/secret.h"
#include "os/sockaddr.h"
#include "os/words/words.h"
#include "packet/csum.h"
#include "packet/ip.h"

enum { ECHO4 = 8, ECHO4_REPLY = 0, ECHO6 = 128, ECHO6_REPLY = 129 };

int icmp_open(
	const struct ip *to, const uint8_t cookie[static ICMP_COOKIE], struct icmp *ret_icmp, struct diag *d)
{
	struct icmp i = {.to = *to, .ident = get_be16(cookie)};
	int domain = to->family == IP_V4 ? AF_INET : AF_INET6;
	int proto = to->family == IP_V4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	struct endpoint ep = {.ip = *to};
	struct sockaddr_storage ss;
	socklen_t len = endpoint_to_sockaddr(&ep, &ss);

	memcpy(i.cookie, cookie, ICMP_COOKIE);
	i.fd = socket(domain, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, proto);
	if (i.fd < 0) {
		i.raw = true;
		i.fd = socket(domain, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, proto);
	}
	if (i.fd < 0) {
		diag_hint(d, OS_PING_HINT);
		return diag_what(
			d, tm_err_from_errno(errno), "this user may not send pings: %s", strerror(errno));
	}
	if (connect(i.fd, (struct sockaddr *)&ss, len) < 0) {
		int err = diag_what(
			d, tm_err_from_errno(errno), "there is no way to that address: %s", strerror(errno));

		icmp_close(&i);
		return err;
	}
	*ret_icmp = i;
	return TM_OK;
}

void icmp_close(struct icmp *i)
{
	if (i->fd >= 0)
		close(i->fd);
	i->fd = -1;
}

void icmp_build(const struct icmp *i, uint16_t seq, uint8_t out[static ICMP_ECHO_LEN])
{
	memset(out, 0, ICMP_ECHO_LEN);
	out[0] = i->to.family == IP_V4 ? ECHO4 : ECHO6;
	put_be16(out + 4, i->ident);
	put_be16(out + 6, seq);
	memcpy(out + 8, i->cookie, ICMP_COOKIE);
	/* The kernel computes ICMPv6's, which covers addresses it has yet to choose (RFC 3542 3.1). */
	if (i->to.family == IP_V4)
		put_be16(out + 2, csum_finish(csum_add(out, ICMP_ECHO_LEN, 0)));
}

bool icmp_is_reply(const struct icmp *i, const uint8_t *p, size_t n, uint16_t *ret_seq)
{
	struct ip_view v;

	if (i->raw && i->to.family == IP_V4) {
		if (ip_view_of(p, n, &v) < 0 || v.proto != PROTO_ICMP || !(v.flags & IP_UPPER))
			return false;
		p += v.l4;
		n = (size_t)(v.total - v.l4);
	}
	/* Not the identifier: a ping socket has its own. The cookie says more. */
	if (n < ICMP_ECHO_LEN || p[0] != (i->to.family == IP_V4 ? ECHO4_REPLY : ECHO6_REPLY) || p[1] != 0 ||
		!ct_eq(p + 8, i->cookie, ICMP_COOKIE))
		return false;

	*ret_seq = get_be16(p + 6);
	return true;
}

int icmp_send(const struct icmp *i, uint16_t seq, struct diag *d)
{
	uint8_t msg[ICMP_ECHO_LEN];

	icmp_build(i, seq, msg);
	/* Once more: the first may fail for an error that an ICMP message brought back meanwhile. */
	if (send(i->fd, msg, sizeof(msg), 0) < 0 && send(i->fd, msg, sizeof(msg), 0) < 0 && errno != EAGAIN &&
		errno != ENOBUFS)
		return diag_what(
			d, tm_err_from_errno(errno), "the ping could not be sent: %s", strerror(errno));

	return TM_OK;
}

int icmp_wait(const struct icmp *i, ns_t deadline, uint16_t *ret_seq)
{
	uint8_t buf[2048];

	for (;;) {
		struct pollfd p = {.fd = i->fd, .events = POLLIN};
		int r = poll(&p, 1, time_poll_ms(time_monotonic(), deadline));
		ssize_t n;

		if (r == 0)
			return TM_ETIMEOUT;
		if (r < 0)
			return errno == EINTR ? TM_EAGAIN : tm_err_from_errno(errno);

		/* An error that an ICMP message brought back is no answer: the deadline decides. */
		n = recv(i->fd, buf, sizeof(buf), 0);
		if (n > 0 && icmp_is_reply(i, buf, (size_t)n, ret_seq))
			return TM_OK;
	}
}
