/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Moves pseudo-random text over TCP and compares every byte that arrives with what belongs there.
 *
 *   transfer receive at=IP [port=N streams=N stall=S]
 *       prints "listening", then serves so many connections
 *   transfer send to=IP [port=N streams=N up=BYTES down=BYTES seed=N tos=N mss=N stall=S cc=NAME]
 *
 * Each stream moves `up` bytes from sender to receiver and `down` bytes the other way, at once, in
 * writes of random sizes, with or without TCP_NODELAY, and with a maximum segment size of its own
 * unless mss= gives one; all by the seed. Each side prints one line of JSON per stream. Exit status 0
 * means that everything arrived, in both directions, unchanged, and that nothing came after it. A side
 * that sees no byte move for `stall` seconds (60) gives up.
 */
#include "pattern.h"
#include "words.h"

#include <linux/tcp.h>

#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <unistd.h>

enum { STREAMS_MAX = 64, CHUNK = 256 * 1024, MSS_LEAST = 500, MSS_MOST = 1400 };

#define HELLO_MAGIC UINT64_C(0x746d6c616268656c)

/* The first bytes of a connection; both ends run on one machine, so its byte order will do. */
struct hello {
	uint64_t magic, seed, up, down;
};

struct stream {
	int fd;
	struct hello hello;
	bool sender; /* this side opened the connection */
	struct dice dice;
	char send_error[128], receive_error[192];
};

static struct {
	const char *at, *to, *cc;
	uint64_t port, streams, up, down, seed, tos, mss, stall;
	struct sockaddr_storage address;
	socklen_t address_len;
} options = {.port = 7000, .streams = 1, .seed = 1, .stall = 60};

static uint64_t seed_of(const struct stream *s, bool up)
{
	return up ? s->hello.seed : ~s->hello.seed;
}

static bool write_all(int fd, const void *from, size_t n)
{
	for (const uint8_t *p = from; n;) {
		ssize_t put = send(fd, p, n, MSG_NOSIGNAL);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return false;
		p += put;
		n -= (size_t)put;
	}
	return true;
}

static size_t write_size(struct dice *d)
{
	switch (dice_between(d, 0, 3)) {
	case 0:
		return dice_between(d, 1, 1500);
	case 1:
		return dice_between(d, 1, 20000);
	default:
		return dice_between(d, 65536, CHUNK);
	}
}

static void *send_text(void *arg)
{
	struct stream *s = arg;
	uint64_t total = s->sender ? s->hello.up : s->hello.down, seed = seed_of(s, s->sender), at = 0;
	uint8_t *room = malloc(CHUNK + 16);

	if (!room)
		die("malloc");
	while (at < total) {
		size_t n = write_size(&s->dice);

		if (n > total - at)
			n = total - at;
		if (!write_all(s->fd, pattern_bytes(seed, at, n, room), n)) {
			(void)snprintf(s->send_error, sizeof(s->send_error), "after %llu bytes: %s",
				(unsigned long long)at, strerror(errno));
			break;
		}
		at += n;
	}
	(void)shutdown(s->fd, SHUT_WR);
	free(room);
	return NULL;
}

static bool compare(struct stream *s, uint64_t seed, uint64_t at, const uint8_t *got, size_t n, uint8_t *room)
{
	const uint8_t *right = pattern_bytes(seed, at, n, room);
	size_t same = pattern_differs(got, right, n);

	if (same == n)
		return true;
	(void)snprintf(s->receive_error, sizeof(s->receive_error),
		"byte %llu is %02x and should be %02x, %zu bytes into a read of %zu",
		(unsigned long long)(at + same), got[same], right[same], same, n);
	return false;
}

static void receive_text(struct stream *s)
{
	uint64_t total = s->sender ? s->hello.down : s->hello.up, seed = seed_of(s, !s->sender), at = 0;
	uint8_t *got = malloc(CHUNK), *room = malloc(CHUNK + 16);
	ssize_t n;

	if (!got || !room)
		die("malloc");
	while ((n = recv(s->fd, got, CHUNK, 0)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			(void)snprintf(s->receive_error, sizeof(s->receive_error),
				"after %llu of %llu bytes: %s", (unsigned long long)at,
				(unsigned long long)total, strerror(errno));
			break;
		}
		if (!compare(s, seed, at, got, (size_t)n, room))
			break;
		at += (size_t)n;
	}
	if (!s->receive_error[0] && at != total)
		(void)snprintf(s->receive_error, sizeof(s->receive_error), "%llu bytes instead of %llu",
			(unsigned long long)at, (unsigned long long)total);
	/* A side that found an error stops the other one too. */
	if (s->receive_error[0])
		(void)shutdown(s->fd, SHUT_RDWR);
	free(got);
	free(room);
}

static void set(int fd, int level, int name, int value)
{
	if (setsockopt(fd, level, name, &value, sizeof(value)) != 0)
		die("setsockopt %d %d", level, name);
}

static void dress(int fd)
{
	struct timeval stall = {.tv_sec = (time_t)options.stall};

	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &stall, sizeof(stall)) != 0 ||
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &stall, sizeof(stall)) != 0)
		die("setsockopt timeouts");
}

static bool report(const struct stream *s)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	bool ok = !s->send_error[0] && !s->receive_error[0];
	struct tcp_info info = {0};
	socklen_t len = sizeof(info);

	(void)getsockopt(s->fd, IPPROTO_TCP, TCP_INFO, &info, &len);
	(void)pthread_mutex_lock(&lock);
	printf("{\"ok\": %s, \"up\": %llu, \"down\": %llu, \"mss\": %u, \"retransmits\": %u, \"ecn\": %s, "
	       "\"marked\": %u, \"send_error\": \"%s\", \"receive_error\": \"%s\"}\n",
		ok ? "true" : "false", (unsigned long long)s->hello.up, (unsigned long long)s->hello.down,
		info.tcpi_snd_mss, info.tcpi_total_retrans,
		info.tcpi_options & TCPI_OPT_ECN ? "true" : "false", info.tcpi_delivered_ce, s->send_error,
		s->receive_error);
	(void)fflush(stdout);
	(void)pthread_mutex_unlock(&lock);
	return ok;
}

/* NULL when all went well. */
static void *carry(struct stream *s)
{
	pthread_t sending;
	bool ok;

	set(s->fd, IPPROTO_TCP, TCP_NODELAY, (int)dice_between(&s->dice, 0, 1));
	if (pthread_create(&sending, NULL, send_text, s) != 0)
		die("pthread_create");
	receive_text(s);
	(void)pthread_join(sending, NULL);
	ok = report(s);
	(void)close(s->fd);
	return ok ? NULL : s;
}

static void *serve(void *arg)
{
	struct stream *s = arg;

	dress(s->fd);
	if (recv(s->fd, &s->hello, sizeof(s->hello), MSG_WAITALL) != sizeof(s->hello) ||
		s->hello.magic != HELLO_MAGIC)
		die("a connection did not begin as it should");
	s->dice = (struct dice){.seed = ~s->hello.seed};
	return carry(s);
}

static void dress_sender(struct stream *s)
{
	int family = options.address.ss_family;
	uint64_t mss = options.mss;

	/* Before the connection: the segment size that we announce binds the other side too. */
	if (!mss && dice_between(&s->dice, 0, 1))
		mss = dice_between(&s->dice, MSS_LEAST, MSS_MOST);
	if (mss)
		set(s->fd, IPPROTO_TCP, TCP_MAXSEG, (int)mss);
	if (options.tos && family == AF_INET)
		set(s->fd, IPPROTO_IP, IP_TOS, (int)options.tos);
	if (options.tos && family == AF_INET6)
		set(s->fd, IPPROTO_IPV6, IPV6_TCLASS, (int)options.tos);
	if (options.cc && setsockopt(s->fd, IPPROTO_TCP, TCP_CONGESTION, options.cc,
				  (socklen_t)strlen(options.cc)) != 0)
		die("congestion control %s", options.cc);
	dress(s->fd);
}

static void *open_and_carry(void *arg)
{
	struct stream *s = arg;

	s->fd = socket(options.address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (s->fd < 0)
		die("socket");
	dress_sender(s);
	if (connect(s->fd, (struct sockaddr *)&options.address, options.address_len) != 0)
		die("connect");
	if (!write_all(s->fd, &s->hello, sizeof(s->hello)))
		die("send");
	return carry(s);
}

static int listen_at(void)
{
	int fd = socket(options.address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die("socket");
	set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (bind(fd, (struct sockaddr *)&options.address, options.address_len) != 0)
		die("bind");
	if (listen(fd, STREAMS_MAX) != 0)
		die("listen");
	printf("listening\n");
	(void)fflush(stdout);
	return fd;
}

static void start(struct stream *s, uint64_t i, int listener, pthread_t *ret_thread)
{
	if (listener >= 0) {
		s->fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (s->fd < 0)
			die("accept");
	} else {
		s->sender = true;
		s->hello = (struct hello){.magic = HELLO_MAGIC,
			.seed = pattern_word(options.seed, i),
			.up = options.up,
			.down = options.down};
		s->dice = (struct dice){.seed = s->hello.seed ^ 1};
	}
	if (pthread_create(ret_thread, NULL, listener >= 0 ? serve : open_and_carry, s) != 0)
		die("pthread_create");
}

static int run(int listener)
{
	static struct stream streams[STREAMS_MAX];
	pthread_t threads[STREAMS_MAX];
	bool ok = true;

	for (uint64_t i = 0; i < options.streams; i++)
		start(&streams[i], i, listener, &threads[i]);
	for (uint64_t i = 0; i < options.streams; i++) {
		void *failed;

		(void)pthread_join(threads[i], &failed);
		ok &= !failed;
	}
	return ok ? 0 : 1;
}

int main(int argc, char **argv)
{
	const struct word words[] = {
		{"at", NULL, &options.at},
		{"to", NULL, &options.to},
		{"cc", NULL, &options.cc},
		{"port", &options.port, NULL},
		{"streams", &options.streams, NULL},
		{"up", &options.up, NULL},
		{"down", &options.down, NULL},
		{"seed", &options.seed, NULL},
		{"tos", &options.tos, NULL},
		{"mss", &options.mss, NULL},
		{"stall", &options.stall, NULL},
		{NULL, NULL, NULL},
	};
	bool receive = argc > 1 && strcmp(argv[1], "receive") == 0;

	errno = 0;
	if (argc < 2 || (!receive && strcmp(argv[1], "send") != 0))
		die("usage: transfer receive|send name=value ...");
	words_read(argv + 2, words);
	if (options.streams < 1 || options.streams > STREAMS_MAX)
		die("streams= goes from 1 to %d", STREAMS_MAX);
	options.address_len =
		words_address(receive ? options.at : options.to, options.port, &options.address);
	return run(receive ? listen_at() : -1);
}
