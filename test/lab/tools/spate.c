/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Datagrams to a relay, one by one, at a steady rate, from any port and address: also one that a daemon of
 * this host has, which hears what is answered.
 *
 *   spate to=IP from=IP between=N,M [port=N from-port=N kind=KIND least=N most=N rate=N sources=N]
 *
 *   data      a relay's header for the members `between`, and what looks like a WireGuard data message
 *   init      the same with an initiation that knows nobody's key
 *   garbage   bytes of no protocol
 *   stun      what looks like STUN, with no valid tag
 *   plain     a data message without a relay's header
 *
 * Sizes least..most of UDP payload in turn. sources: the port counts up from from-port, over so many of them.
 * Prints "ready"; the end of its input ends it, and it prints how many it sent in how many seconds as a line
 * of JSON. IPv4, by a raw socket.
 */
#include "base/time.h"
#include "wire/relay.h"
#include "wire/wg.h"
#include "words.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	MESSAGES = 1024,
	BATCH = 64,
	MESSAGE_MAX = 1500,
	HEADERS = sizeof(struct iphdr) + sizeof(struct udphdr)
};
#define TICK (MS / 4)

static struct {
	const char *to, *from, *between, *kind;
	uint64_t port, from_port, least, most, rate, sources;
} options = {.kind = "data",
	.port = 51820,
	.from_port = 51820,
	.least = 64,
	.most = 1280,
	.rate = 300000,
	.sources = 1};

static uint8_t messages[MESSAGES][MESSAGE_MAX];
static struct iovec iov[MESSAGES];
static struct mmsghdr batch[MESSAGES];
static struct sockaddr_in to;

static bool is(const char *kind)
{
	return strcmp(options.kind, kind) == 0;
}

static size_t payload(uint8_t *p, size_t n, uint64_t pair)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)rand();
	if (is("garbage")) {
		p[0] = 0xff;
	} else if (is("stun")) {
		p[0] = 0, p[1] = 1;
		put_be16(p + 2, (uint16_t)(n - 20));
		put_be32(p + 4, 0x2112a442);
	} else if (is("plain")) {
		put_le32(p, WG_DATA);
	} else if (is("init")) {
		n = RELAY_HEADER + WG_INIT_LEN;
		relay_put(p, pair);
		put_le32(p + RELAY_HEADER, WG_INIT);
	} else if (is("data")) {
		relay_put(p, pair);
		put_le32(p + RELAY_HEADER, WG_DATA);
	} else {
		die("no such kind: %s", options.kind);
	}
	return n;
}

static void make(void)
{
	struct in_addr from;
	unsigned a, b;

	if (!options.to || !options.from || !options.between ||
		sscanf(options.between, "%u,%u", &a, &b) != 2 ||
		inet_pton(AF_INET, options.to, &to.sin_addr) != 1 ||
		inet_pton(AF_INET, options.from, &from) != 1 || options.least < 40 ||
		options.most < options.least || options.most > MESSAGE_MAX - HEADERS)
		die("to=, from=, between=, sizes");
	to.sin_family = AF_INET;
	for (size_t i = 0; i < MESSAGES; i++) {
		size_t n = (options.least + i * 4 % (options.most - options.least + 1)) & ~(size_t)3;
		struct iphdr ip = {.version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_UDP};
		struct udphdr udp = {.source = htons((uint16_t)(options.from_port + i % options.sources)),
			.dest = htons((uint16_t)options.port)};

		n = payload(messages[i] + HEADERS, n, relay_pair(a, b));
		ip.saddr = from.s_addr;
		ip.daddr = to.sin_addr.s_addr;
		udp.len = htons((uint16_t)(sizeof(udp) + n)); /* no checksum: IPv4 allows that */
		memcpy(messages[i], &ip, sizeof(ip));
		memcpy(messages[i] + sizeof(ip), &udp, sizeof(udp));
		iov[i] = (struct iovec){.iov_base = messages[i], .iov_len = HEADERS + n};
		batch[i].msg_hdr = (struct msghdr){
			.msg_name = &to, .msg_namelen = sizeof(to), .msg_iov = &iov[i], .msg_iovlen = 1};
	}
}

static bool wanted(void)
{
	struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};

	return poll(&in, 1, 0) == 0;
}

/* As many as the clock says should have been sent by now; what could not be is not made up for. */
static uint64_t run(int fd, ns_t *ret_time)
{
	const ns_t start = time_monotonic();
	uint64_t sent = 0, skipped = 0;
	size_t at = 0;
	ns_t now = start;

	while (wanted()) {
		now = time_monotonic();
		const uint64_t due = (uint64_t)(now - start) * options.rate / (uint64_t)SEC;

		if (due > sent + skipped + options.rate / 100)
			skipped = due - sent - options.rate / 100;
		while (sent + skipped < due) {
			const size_t n =
				MIN(MIN((size_t)BATCH, (size_t)(due - sent - skipped)), MESSAGES - at);
			int done = sendmmsg(fd, batch + at, (unsigned)n, 0);

			if (done <= 0)
				break; /* no room: again later */
			sent += (uint64_t)done;
			at = (at + (size_t)done) % MESSAGES;
		}
		clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){.tv_nsec = TICK}, NULL);
	}
	*ret_time = now - start;
	return sent;
}

int main(int argc, char **argv)
{
	static const struct word table[] = {
		{"to", NULL, &options.to},
		{"from", NULL, &options.from},
		{"between", NULL, &options.between},
		{"kind", NULL, &options.kind},
		{"port", &options.port, NULL},
		{"from-port", &options.from_port, NULL},
		{"least", &options.least, NULL},
		{"most", &options.most, NULL},
		{"rate", &options.rate, NULL},
		{"sources", &options.sources, NULL},
		{0},
	};
	ns_t time;

	(void)argc;
	words_read(argv + 1, table);
	errno = 0;
	make();
	int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	if (fd < 0)
		die("socket");
	printf("ready\n");
	fflush(stdout);
	uint64_t sent = run(fd, &time);
	printf("{\"sent\":%llu,\"seconds\":%.3f}\n", (unsigned long long)sent, (double)time / (double)SEC);
	return 0;
}
