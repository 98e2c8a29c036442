/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Datagrams to a relay, one by one, at a steady rate, from any port and address: also one that a daemon of
 * this host has, which hears what is answered.
 *
 *   spate to=IP from=IP between=N,M [port=N from-port=N kind=KIND least=N most=N rate=N sources=N]
 *
 *   data      a relay's header for the members `between`, and what looks like a WireGuard data message
 *   init      the same with an initiation that knows nobody's key
 *   bare-init that without a relay's header
 *   garbage   bytes of no protocol
 *   stun      what looks like STUN, with no valid tag
 *   plain     a data message without a relay's header
 *
 * Sizes least..most of UDP payload in turn. sources: the port counts up from from-port, over so many of them.
 * Prints "ready"; the end of its input ends it, and it prints how many it sent in how many seconds as a line
 * of JSON. By a raw socket, IPv4 or IPv6.
 */
#include "base/bytes.h"
#include "base/time.h"
#include "wire/relay.h"
#include "wire/wg.h"
#include "words.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
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
	HEADERS_MAX = sizeof(struct ip6_hdr) + sizeof(struct udphdr)
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
static union {
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
} to;
static uint8_t from_ip[16], to_ip[16];
static int family;

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
	} else if (is("bare-init")) {
		n = WG_INIT_LEN;
		put_le32(p, WG_INIT);
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

/* RFC 768 and RFC 8200 8.1, of n bytes, a multiple of two, behind an IPv6 header. */
static uint16_t checksum6(const struct ip6_hdr *ip, const uint8_t *p, size_t n)
{
	const uint8_t *addresses = (const uint8_t *)&ip->ip6_src; /* and ip6_dst behind it */
	uint32_t sum = (uint32_t)n + IPPROTO_UDP;

	for (size_t i = 0; i < 2 * sizeof(ip->ip6_src); i += 2)
		sum += get_be16(addresses + i);
	for (size_t i = 0; i < n; i += 2)
		sum += get_be16(p + i);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum == 0xffff ? 0xffff : (uint16_t)~sum;
}

static size_t header_bytes(void)
{
	return family == AF_INET ? sizeof(struct iphdr) : sizeof(struct ip6_hdr);
}

/* Before a datagram of n bytes, whose UDP header is there already. */
static void put_header(uint8_t *p, size_t n)
{
	if (family == AF_INET) {
		struct iphdr ip = {.version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_UDP};

		memcpy(&ip.saddr, from_ip, 4);
		memcpy(&ip.daddr, to_ip, 4);
		memcpy(p, &ip, sizeof(ip)); /* no checksum of UDP: IPv4 allows that */
	} else {
		struct ip6_hdr ip = {.ip6_flow = htonl(6u << 28), .ip6_plen = htons((uint16_t)n)};

		ip.ip6_nxt = IPPROTO_UDP;
		ip.ip6_hlim = 64;
		memcpy(&ip.ip6_src, from_ip, 16);
		memcpy(&ip.ip6_dst, to_ip, 16);
		memcpy(p, &ip, sizeof(ip));
		put_be16(p + sizeof(ip) + 6, checksum6(&ip, p + sizeof(ip), n));
	}
}

static void read_options(unsigned *ret_a, unsigned *ret_b)
{
	family = options.to && strchr(options.to, ':') ? AF_INET6 : AF_INET;
	if (!options.to || !options.from || !options.between ||
		sscanf(options.between, "%u,%u", ret_a, ret_b) != 2 ||
		inet_pton(family, options.to, to_ip) != 1 || inet_pton(family, options.from, from_ip) != 1 ||
		options.least < 40 || options.most < options.least ||
		options.most > MESSAGE_MAX - HEADERS_MAX)
		die("to=, from=, between=, sizes");
	if (family == AF_INET) {
		to.v4.sin_family = AF_INET;
		memcpy(&to.v4.sin_addr, to_ip, 4);
	} else {
		to.v6.sin6_family = AF_INET6;
		memcpy(&to.v6.sin6_addr, to_ip, 16);
	}
}

static void make(void)
{
	size_t udp_at, body_at;
	unsigned a, b;

	read_options(&a, &b);
	udp_at = header_bytes();
	body_at = udp_at + sizeof(struct udphdr);
	for (size_t i = 0; i < MESSAGES; i++) {
		size_t n = (options.least + i * 4 % (options.most - options.least + 1)) & ~(size_t)3;
		struct udphdr udp = {.source = htons((uint16_t)(options.from_port + i % options.sources)),
			.dest = htons((uint16_t)options.port)};

		n = payload(messages[i] + body_at, n, relay_pair(a, b));
		udp.len = htons((uint16_t)(sizeof(udp) + n));
		memcpy(messages[i] + udp_at, &udp, sizeof(udp));
		put_header(messages[i], sizeof(udp) + n);
		iov[i] = (struct iovec){.iov_base = messages[i], .iov_len = body_at + n};
		batch[i].msg_hdr = (struct msghdr){.msg_name = &to,
			.msg_namelen = family == AF_INET ? sizeof(to.v4) : sizeof(to.v6),
			.msg_iov = &iov[i],
			.msg_iovlen = 1};
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
	int fd = socket(family, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	if (fd < 0)
		die("socket");
	printf("ready\n");
	fflush(stdout);
	uint64_t sent = run(fd, &time);
	printf("{\"sent\":%llu,\"seconds\":%.3f}\n", (unsigned long long)sent, (double)time / (double)SEC);
	return 0;
}
