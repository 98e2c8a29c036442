/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Knocks at a TCP port and has nothing to say: connections from one address after the other, so many a second
 * and so many kept at once. What the other side closes is closed.
 *
 *   knock to=HOST port=N from=HOST [addresses=N rate=N keep=N upgrade=1]
 *
 * With `upgrade` each asks for a WebSocket as nodes do, and then says nothing. Prints "ready"; the end of its
 * input ends it, and it prints what it did as a line of JSON.
 */
#include "words.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 256, TICK_MS = 2 };

static struct {
	const char *to, *from;
	uint64_t port, addresses, rate, keep, upgrade;
} options = {.addresses = 1, .rate = 1000, .keep = 4000};

static const char request[] =
	"GET /control HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

static struct {
	int epoll;
	struct sockaddr_storage to, from;
	socklen_t len;
	uint64_t begun, connects, failed, open, most, closed;
} door;

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* The n-th address after the first, with any port. */
static struct sockaddr_storage source(uint64_t n)
{
	struct sockaddr_storage a = door.from;
	uint8_t *end = a.ss_family == AF_INET
			       ? (uint8_t *)&((struct sockaddr_in *)&a)->sin_addr + sizeof(struct in_addr)
			       : (uint8_t *)&((struct sockaddr_in6 *)&a)->sin6_addr + sizeof(struct in6_addr);

	end[-1] = (uint8_t)(end[-1] + n);
	return a;
}

static void knock(void)
{
	struct sockaddr_storage from = source(door.connects++ % options.addresses);
	int fd = socket(from.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;
	struct epoll_event ev = {.events = options.upgrade ? EPOLLOUT : EPOLLIN, .data.fd = fd};

	if (fd < 0)
		die("socket");
	(void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&from, door.len) < 0)
		die("bind");
	if (connect(fd, (struct sockaddr *)&door.to, door.len) < 0 && errno != EINPROGRESS) {
		door.failed++;
		close(fd);
		return;
	}
	if (epoll_ctl(door.epoll, EPOLL_CTL_ADD, fd, &ev) < 0)
		die("epoll");
	door.open++;
	if (door.open > door.most)
		door.most = door.open;
}

static void on_ready(const struct epoll_event *e)
{
	char answer[512];
	ssize_t n = 1;

	if (e->events & EPOLLOUT && !(e->events & (EPOLLERR | EPOLLHUP))) {
		struct epoll_event next = {.events = EPOLLIN, .data.fd = e->data.fd};

		(void)!send(e->data.fd, request, sizeof(request) - 1, MSG_NOSIGNAL);
		(void)epoll_ctl(door.epoll, EPOLL_CTL_MOD, e->data.fd, &next);
	}
	if (e->events & (EPOLLIN | EPOLLERR | EPOLLHUP))
		n = recv(e->data.fd, answer, sizeof(answer), 0);
	if (n > 0 || (n < 0 && errno == EAGAIN))
		return;
	close(e->data.fd);
	door.open--;
	door.closed++;
}

static void look(void)
{
	struct epoll_event ev[EVENTS];
	int n = epoll_wait(door.epoll, ev, EVENTS, TICK_MS);

	for (int i = 0; i < n; i++)
		on_ready(&ev[i]);
}

static void open_door(void)
{
	struct rlimit r;

	door.len = words_address(options.to, options.port, &door.to);
	if (words_address(options.from, 0, &door.from) != door.len)
		die("both addresses have to be of one family");
	if (getrlimit(RLIMIT_NOFILE, &r) == 0) {
		r.rlim_cur = r.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &r);
	}
	door.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (door.epoll < 0)
		die("epoll");
	door.begun = now_ms();
}

int main(int argc, char **argv)
{
	const struct word words[] = {
		{"to", NULL, &options.to},
		{"from", NULL, &options.from},
		{"port", &options.port, NULL},
		{"addresses", &options.addresses, NULL},
		{"rate", &options.rate, NULL},
		{"keep", &options.keep, NULL},
		{"upgrade", &options.upgrade, NULL},
		{NULL, NULL, NULL},
	};
	struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};

	(void)argc;
	words_read(argv + 1, words);
	if (!options.to || !options.from || !options.addresses) {
		errno = 0;
		die("knock needs to=HOST, port=N and from=HOST");
	}
	open_door();
	puts("ready");
	(void)fflush(stdout);
	uint64_t ms;
	while (ms = now_ms() - door.begun, poll(&in, 1, 0) == 0) {
		while (door.connects < ms * options.rate / 1000 && door.open < options.keep)
			knock();
		look();
	}
	printf("{\"seconds\": %.3f, \"connects\": %llu, \"failed\": %llu, \"closed\": %llu, \"open\": %llu, "
	       "\"most\": %llu}\n",
		(double)ms / 1e3, (unsigned long long)door.connects, (unsigned long long)door.failed,
		(unsigned long long)door.closed, (unsigned long long)door.open,
		(unsigned long long)door.most);
	return 0;
}
