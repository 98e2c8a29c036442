/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "bench/relay/relayload.h"

#include "lab/tools/words.h"
#include "os/sockaddr.h"

#include <errno.h>
#include <linux/udp.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	BUFFER_BYTES = 4 << 20,
	TRAIN_MAX = 65536,
	TRAINS = 8, /* received at once */
	TRIES = 12,
	TRY_MS = 400,
};

int datagram_socket(const struct load *l, const struct endpoint *to)
{
	const int family = l->at.ip.family == IP_V4 ? AF_INET : AF_INET6, one = 1, size = BUFFER_BYTES;
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || setsockopt(fd, IPPROTO_UDP, UDP_GRO, &one, sizeof(one)) != 0 ||
		setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) != 0)
		die("a UDP socket");
	connect_to(fd, to);
	return fd;
}

void connect_to(int fd, const struct endpoint *to)
{
	struct sockaddr_storage ss;
	const socklen_t len = endpoint_to_sockaddr(to, &ss);

	if (connect(fd, (struct sockaddr *)&ss, len) != 0)
		die("connect");
}

struct endpoint own_endpoint(int fd)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct endpoint ep;

	if (getsockname(fd, (struct sockaddr *)&ss, &len) != 0 ||
		endpoint_from_sockaddr((struct sockaddr *)&ss, &ep) != TM_OK)
		die("getsockname");
	return ep;
}

size_t ask(int fd, const uint8_t *question, size_t n, uint8_t *answer, size_t max,
	bool (*accept)(const uint8_t *question, const uint8_t *answer, size_t n))
{
	for (int i = 0; i < TRIES; i++) {
		if (send(fd, question, n, 0) < 0 && errno != ECONNREFUSED)
			die("send");
		while (poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, TRY_MS) > 0) {
			const ssize_t got = recv(fd, answer, max, 0);

			if (got > 0 && accept(question, answer, (size_t)got))
				return (size_t)got;
			if (got < 0 && errno != EAGAIN)
				break;
		}
	}
	errno = 0;
	die("the relay does not answer");
}

/* All messages of a burst at once, cut apart by the kernel; a single one goes as it is. */
void datagrams_send(struct load *l, struct end *e)
{
	static uint8_t train[TRAIN_MAX];
	const size_t step = e->n_out + l->bytes, n = step * l->burst;
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(uint16_t))];
	} control = {0};
	struct iovec iov = {.iov_base = train, .iov_len = n};
	struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1};

	for (uint8_t *p = train; p < train + n; p += step) {
		memcpy(p, e->before_out, e->n_out);
		message_put(l, p + e->n_out);
	}
	if (l->burst > 1) {
		const uint16_t segment = (uint16_t)step;
		struct cmsghdr *c;

		h.msg_control = control.room;
		h.msg_controllen = sizeof(control.room);
		c = CMSG_FIRSTHDR(&h);
		c->cmsg_level = IPPROTO_UDP;
		c->cmsg_type = UDP_SEGMENT;
		c->cmsg_len = CMSG_LEN(sizeof(segment));
		memcpy(CMSG_DATA(c), &segment, sizeof(segment));
	}
	if (sendmsg(e->fd, &h, MSG_DONTWAIT) == (ssize_t)n)
		l->sent += l->burst;
	else if (errno == EAGAIN || errno == ENOBUFS || errno == ECONNREFUSED)
		l->held_back += l->burst;
	else
		die("sendmsg");
}

static size_t segment_of(struct msghdr *h, size_t n)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c))
		if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO) {
			int segment;

			memcpy(&segment, CMSG_DATA(c), sizeof(segment));
			return (size_t)segment;
		}
	return n;
}

static void count(struct load *l, const struct end *e, const uint8_t *p, size_t n, size_t segment)
{
	for (size_t at = 0; segment && at < n; at += segment) {
		const size_t one = MIN(segment, n - at);

		if (one == e->n_in + l->bytes && memcmp(p + at, e->before_in, e->n_in) == 0 &&
			message_is_ours(l, p + at + e->n_in, one - e->n_in))
			l->received++;
	}
}

void datagrams_receive(struct load *l, struct end *e)
{
	static uint8_t buffer[TRAINS][TRAIN_MAX];
	static char control[TRAINS][CMSG_SPACE(sizeof(int))];
	struct iovec iov[TRAINS];
	struct mmsghdr v[TRAINS];
	int n;

	do {
		for (int i = 0; i < TRAINS; i++) {
			iov[i] = (struct iovec){.iov_base = buffer[i], .iov_len = TRAIN_MAX};
			v[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &iov[i],
							.msg_iovlen = 1,
							.msg_control = control[i],
							.msg_controllen = sizeof(control[i])}};
		}
		n = recvmmsg(e->fd, v, TRAINS, MSG_DONTWAIT, NULL);
		for (int i = 0; i < n; i++)
			count(l, e, buffer[i], v[i].msg_len, segment_of(&v[i].msg_hdr, v[i].msg_len));
	} while (n == TRAINS);
	if (n < 0 && errno != EAGAIN && errno != ECONNREFUSED)
		die("recvmmsg");
}
