/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * UDP datagrams of every size, numbered, their content a function of the number; and their receiver,
 * which compares every byte and counts what came twice, changed or out of order.
 *
 *   datagrams receive at=IP [port=N gro=1]
 *       prints "listening"; the end of its input ends it
 *   datagrams send to=IP [port=N least=N most=N rounds=N seed=N window=N gso=N tos=N]
 *
 * Sizes least..most in turn, `rounds` times. With gso= each size is sent as one super-packet
 * (UDP_SEGMENT) of a random number of segments up to that, the last of them shorter. The receiver
 * acknowledges with the count of what it has; the sender keeps at most `window` datagrams under way, and
 * takes as lost what has not come after a while in which nothing came: a path that loses none is never filled
 * beyond the window, and one that loses some cannot stop it. Datagrams too short for a number are told by
 * their size alone. Each side prints one line of JSON at its end.
 */
#include "pattern.h"
#include "words.h"

#include <linux/udp.h>

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	NUMBER_BYTES = 8,
	NUMBERS_MAX = 1 << 24,
	SIZES = 65536,
	SEGMENTS_MAX = 64, /* UDP_MAX_SEGMENTS of older kernels */
	SUPER_MAX = 65000,
	PATIENCE_MS = 500,
	STALLS_MAX = 60,
};

#define SMALL_SEED UINT64_C(0x736d616c6c)

static struct {
	const char *at, *to;
	uint64_t port, least, most, rounds, seed, window, gso, gro, tos;
	struct sockaddr_storage address;
	socklen_t address_len;
} options = {.port = 7001, .most = 1392, .rounds = 1, .seed = 1, .window = 64};

/* What the datagram with this number and size must contain; room as for pattern_bytes. */
static const uint8_t *content(uint64_t number, size_t n, uint8_t *room)
{
	if (n < NUMBER_BYTES)
		return pattern_bytes(SMALL_SEED, n * 8, n, room);
	memcpy(room, &number, NUMBER_BYTES);
	(void)pattern_bytes(number ^ n << 32, 0, n - NUMBER_BYTES, room + NUMBER_BYTES);
	return room;
}

static void set(int fd, int level, int name, int value)
{
	if (setsockopt(fd, level, name, &value, sizeof(value)) != 0)
		die("setsockopt %d %d", level, name);
}

static int open_socket(void)
{
	int fd = socket(options.address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	const int receive_buffer = 4 << 20;

	if (fd < 0)
		die("socket");
	/* Beyond net.core.rmem_max for root; what the system grants is enough for others. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &receive_buffer, sizeof(receive_buffer)) != 0)
		set(fd, SOL_SOCKET, SO_RCVBUF, receive_buffer);
	if (options.address.ss_family == AF_INET) {
		set(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO);
		set(fd, IPPROTO_IP, IP_RECVTOS, 1);
		set(fd, IPPROTO_IP, IP_TOS, (int)options.tos);
	} else {
		set(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DO);
		set(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
		set(fd, IPPROTO_IPV6, IPV6_TCLASS, (int)options.tos);
	}
	return fd;
}

/* --- receiver --- */

static struct {
	int fd;
	uint8_t seen[NUMBERS_MAX / 8];
	uint64_t sizes[SIZES], tos[256];
	uint64_t received, duplicates, corrupt, out_of_order, next, supers, acknowledged;
	struct sockaddr_storage from;
	socklen_t from_len;
	char first_corrupt[128];
} rx;

static void count(const uint8_t *got, size_t n, uint8_t tos, uint8_t *room)
{
	uint64_t number = 0;

	if (n >= NUMBER_BYTES)
		memcpy(&number, got, NUMBER_BYTES);
	size_t same = pattern_differs(got, content(number, n, room), n);
	if (same != n || number >= NUMBERS_MAX) {
		if (!rx.corrupt++)
			(void)snprintf(rx.first_corrupt, sizeof(rx.first_corrupt),
				"datagram %llu of %zu bytes, from byte %zu on", (unsigned long long)number, n,
				same);
		return;
	}
	if (n >= NUMBER_BYTES) {
		uint8_t bit = (uint8_t)(1 << number % 8);

		if (rx.seen[number / 8] & bit) {
			rx.duplicates++;
			return;
		}
		rx.seen[number / 8] |= bit;
		rx.out_of_order += number < rx.next;
		rx.next = number >= rx.next ? number + 1 : rx.next;
	}
	rx.received++;
	rx.sizes[n]++;
	rx.tos[tos]++;
}

/* Of one recvmsg: the traffic class, and the size of the segments when the kernel joined several. */
static void read_control(struct msghdr *h, uint8_t *ret_tos, size_t *segment)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS)
			*ret_tos = *CMSG_DATA(c);
		int value;

		if (c->cmsg_len < CMSG_LEN(sizeof(value)))
			continue;
		memcpy(&value, CMSG_DATA(c), sizeof(value));
		if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_TCLASS)
			*ret_tos = (uint8_t)value;
		if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO)
			*segment = (size_t)value;
	}
}

static bool receive_one(void)
{
	static uint8_t got[SIZES], room[SIZES + 32];
	_Alignas(struct cmsghdr) char control[256];
	struct iovec iov = {.iov_base = got, .iov_len = sizeof(got)};
	struct msghdr h = {.msg_name = &rx.from,
		.msg_namelen = sizeof(rx.from),
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control)};
	ssize_t n = recvmsg(rx.fd, &h, MSG_DONTWAIT);
	size_t segment;
	uint8_t tos = 0;

	if (n < 0)
		return false;

	rx.from_len = h.msg_namelen;
	segment = (size_t)n;
	read_control(&h, &tos, &segment);
	rx.supers += segment < (size_t)n;
	if (n == 0)
		count(got, 0, tos, room);
	for (size_t at = 0; at < (size_t)n; at += segment) {
		size_t left = (size_t)n - at;

		count(got + at, left < segment ? left : segment, tos, room);
	}
	return true;
}

static void acknowledge(void)
{
	if (rx.received == rx.acknowledged)
		return;
	rx.acknowledged = rx.received;
	/* One that is lost is made good by the next. */
	(void)sendto(rx.fd, &rx.received, sizeof(rx.received), 0, (struct sockaddr *)&rx.from, rx.from_len);
}

static void print_received(void)
{
	uint64_t sizes = 0;
	const char *comma = "";

	for (size_t i = 0; i < SIZES; i++)
		sizes += rx.sizes[i] > 0;
	printf("{\"received\": %llu, \"sizes\": %llu, \"duplicates\": %llu, \"corrupt\": %llu, "
	       "\"first_corrupt\": \"%s\", \"out_of_order\": %llu, \"supers\": %llu, \"tos\": {",
		(unsigned long long)rx.received, (unsigned long long)sizes, (unsigned long long)rx.duplicates,
		(unsigned long long)rx.corrupt, rx.first_corrupt, (unsigned long long)rx.out_of_order,
		(unsigned long long)rx.supers);
	for (size_t i = 0; i < 256; i++) {
		if (!rx.tos[i])
			continue;
		printf("%s\"%zu\": %llu", comma, i, (unsigned long long)rx.tos[i]);
		comma = ", ";
	}
	printf("}}\n");
}

static int receive(void)
{
	rx.fd = open_socket();
	if (options.gro)
		set(rx.fd, IPPROTO_UDP, UDP_GRO, 1);
	if (bind(rx.fd, (struct sockaddr *)&options.address, options.address_len) != 0)
		die("bind");
	printf("listening\n");
	(void)fflush(stdout);

	for (;;) {
		struct pollfd fds[] = {
			{.fd = rx.fd, .events = POLLIN}, {.fd = STDIN_FILENO, .events = POLLIN}};

		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			die("poll");
		while (receive_one())
			continue;
		acknowledge();
		if (fds[1].revents)
			break;
	}
	print_received();
	return rx.corrupt ? 1 : 0;
}

/* --- sender --- */

static struct {
	int fd;
	struct dice dice;
	uint64_t number, acknowledged, lost, supers, stalls;
} tx;

static bool read_acknowledgements(void)
{
	uint64_t n, before = tx.acknowledged;

	while (recv(tx.fd, &n, sizeof(n), MSG_DONTWAIT) == sizeof(n))
		if (n > tx.acknowledged)
			tx.acknowledged = n;
	return tx.acknowledged > before;
}

static uint64_t under_way(void)
{
	uint64_t settled = tx.acknowledged + tx.lost;

	return tx.number > settled ? tx.number - settled : 0;
}

/* Until no more than n datagrams are under way. */
static void wait_under_way(uint64_t n)
{
	while (under_way() > n) {
		struct pollfd fd = {.fd = tx.fd, .events = POLLIN};

		if (read_acknowledgements() || poll(&fd, 1, PATIENCE_MS) != 0)
			continue;
		tx.lost += under_way();
		errno = 0;
		if (++tx.stalls == STALLS_MAX)
			die("of %llu datagrams only %llu have come, giving up", (unsigned long long)tx.number,
				(unsigned long long)tx.acknowledged);
	}
}

static void send_message(const uint8_t *from, size_t n, uint16_t segment)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(segment))] = {0};
	struct iovec iov = {.iov_len = n};
	struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1};
	struct pollfd fd = {.fd = tx.fd, .events = POLLOUT};

	memcpy(&iov.iov_base, &from, sizeof(from)); /* sendmsg does not write, its type cannot say so */
	if (segment) {
		struct cmsghdr *c = (struct cmsghdr *)control;

		h.msg_control = control;
		h.msg_controllen = sizeof(control);
		c->cmsg_level = IPPROTO_UDP;
		c->cmsg_type = UDP_SEGMENT;
		c->cmsg_len = CMSG_LEN(sizeof(segment));
		memcpy(CMSG_DATA(c), &segment, sizeof(segment));
	}
	while (sendmsg(tx.fd, &h, 0) < 0) {
		/* ECONNREFUSED and its like are errors about earlier datagrams; the receiver counts what
		 * came. */
		if (errno != EAGAIN && errno != ENOBUFS && errno != EINTR)
			die("sendmsg of %zu bytes, segments of %u", n, segment);
		(void)poll(&fd, 1, 1);
	}
}

static void send_size(size_t n)
{
	static uint8_t room[SIZES + 32];
	bool super = options.gso > 1 && n > 0 && 2 * n <= SUPER_MAX;
	uint64_t fit = super ? SUPER_MAX / n : 1;
	uint64_t segments = super ? dice_between(&tx.dice, 2, fit < options.gso ? fit : options.gso) : 1;
	size_t used = 0;

	wait_under_way(options.window > segments ? options.window - segments : 0);
	for (uint64_t i = 0; i < segments; i++) {
		/* Content is written behind one another; pattern_bytes writes at most 16 bytes beyond. */
		size_t size = super && i + 1 == segments ? dice_between(&tx.dice, 1, n) : n;
		static uint8_t one[SIZES + 32];

		memcpy(room + used, content(tx.number++, size, one), size);
		used += size;
	}
	tx.supers += super;
	send_message(room, used, super ? (uint16_t)n : 0);
}

static int transmit(void)
{
	tx.fd = open_socket();
	tx.dice = (struct dice){.seed = options.seed};
	if (connect(tx.fd, (struct sockaddr *)&options.address, options.address_len) != 0)
		die("connect");
	for (uint64_t round = 0; round < options.rounds; round++)
		for (uint64_t n = options.least; n <= options.most; n++)
			send_size(n);
	wait_under_way(0);
	printf("{\"sent\": %llu, \"supers\": %llu, \"acknowledged\": %llu, \"stalls\": %llu}\n",
		(unsigned long long)tx.number, (unsigned long long)tx.supers,
		(unsigned long long)tx.acknowledged, (unsigned long long)tx.stalls);
	return 0;
}

int main(int argc, char **argv)
{
	const struct word words[] = {
		{"at", NULL, &options.at},
		{"to", NULL, &options.to},
		{"port", &options.port, NULL},
		{"least", &options.least, NULL},
		{"most", &options.most, NULL},
		{"rounds", &options.rounds, NULL},
		{"seed", &options.seed, NULL},
		{"window", &options.window, NULL},
		{"gso", &options.gso, NULL},
		{"gro", &options.gro, NULL},
		{"tos", &options.tos, NULL},
		{NULL, NULL, NULL},
	};
	bool receiving = argc > 1 && strcmp(argv[1], "receive") == 0;

	errno = 0;
	if (argc < 2 || (!receiving && strcmp(argv[1], "send") != 0))
		die("usage: datagrams receive|send name=value ...");
	words_read(argv + 2, words);
	if (options.most >= SUPER_MAX || options.gso > SEGMENTS_MAX)
		die("most= goes to %d, gso= to %d", SUPER_MAX - 1, SEGMENTS_MAX);
	options.address_len =
		words_address(receiving ? options.at : options.to, options.port, &options.address);
	return receiving ? receive() : transmit();
}
