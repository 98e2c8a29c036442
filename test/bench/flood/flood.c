/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Handshake messages that lead nowhere, at a steady rate, from many ports of this host.
 *
 *   flood to=IP kind=KIND key=BASE64 [port=N rate=N sources=N]
 *
 *   garbage      initiations whose sender does not know the public key
 *   initiations  the same from one who does, without a private key that anybody knows
 *   responses    answers to handshakes that nobody began, by one who knows the key
 *   cookies      cookie replies to nobody
 *
 * Prints "ready"; the end of its input ends it, and it prints how many it sent in how many seconds as a line
 * of JSON. Messages are made beforehand: what is measured is the other end.
 */
#include "base/encode.h"
#include "base/time.h"
#include "crypto/init.h"
#include "data/peer/cookie.h"
#include "lab/tools/words.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MESSAGES = 4096, BATCH = 32, SOURCES_MAX = 512 };
#define TICK (1 * MS)

static struct {
	const char *to, *kind, *key;
	uint64_t port, rate, sources;
} options = {.port = 51820, .rate = 75000, .sources = 64};

static const struct kind {
	const char *name;
	enum wg_type type;
	size_t n;
	bool is_signed;
} kinds[] = {
	{"garbage", WG_INIT, WG_INIT_LEN, false},
	{"initiations", WG_INIT, WG_INIT_LEN, true},
	{"responses", WG_RESPONSE, WG_RESPONSE_LEN, true},
	{"cookies", WG_COOKIE_REPLY, WG_COOKIE_REPLY_LEN, false},
};

static uint8_t messages[MESSAGES][WG_INIT_LEN];

static const struct kind *kind_named(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (name && strcmp(kinds[i].name, name) == 0)
			return &kinds[i];
	errno = 0;
	die("kind=%s", name ? name : "");
}

static void make(const struct kind *k)
{
	struct cookie_jar jar;
	uint8_t key[WG_KEY];
	size_t n;

	errno = 0;
	if (!options.key || base64_decode(options.key, strlen(options.key), key, sizeof(key), &n) != TM_OK ||
		n != sizeof(key))
		die("key= wants a public key");
	cookie_jar_init(&jar, key);
	random_bytes(messages, sizeof(messages));
	for (size_t i = 0; i < MESSAGES; i++) {
		put_le32(messages[i], k->type);
		if (k->is_signed)
			cookie_jar_sign(&jar, messages[i], k->n, 0);
	}
}

static void open_sources(int *fds, size_t n, const struct sockaddr_storage *to, socklen_t len)
{
	for (size_t i = 0; i < n; i++) {
		fds[i] = socket(to->ss_family, SOCK_DGRAM | SOCK_NONBLOCK, 0);
		if (fds[i] < 0 || connect(fds[i], (const struct sockaddr *)to, len) < 0)
			die("a source");
	}
}

static void send_some(int fd, size_t len, uint64_t first, unsigned n)
{
	struct mmsghdr mm[BATCH] = {0};
	struct iovec iov[BATCH];

	for (unsigned i = 0; i < n; i++) {
		iov[i] = (struct iovec){messages[(first + i) % MESSAGES], len};
		mm[i].msg_hdr = (struct msghdr){.msg_iov = &iov[i], .msg_iovlen = 1};
	}
	/* What the kernel does not take now is lost, as it would be on the way. */
	(void)!sendmmsg(fd, mm, n, 0);
}

static bool wanted(void)
{
	struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};

	return poll(&in, 1, 0) == 0;
}

static uint64_t run(const int *fds, const struct kind *k, ns_t *ret_time)
{
	const ns_t start = time_monotonic();
	uint64_t sent = 0, due;
	ns_t now = start;

	for (ns_t next = start; wanted(); next += TICK) {
		const struct timespec t = {.tv_sec = next / SEC, .tv_nsec = next % SEC};

		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
		now = time_monotonic();
		for (due = (uint64_t)(now - start) * options.rate / SEC; sent < due;) {
			unsigned n = (unsigned)MIN(due - sent, (uint64_t)BATCH);

			send_some(fds[sent / BATCH % options.sources], k->n, sent, n);
			sent += n;
		}
	}
	*ret_time = now - start;
	return sent;
}

int main(int argc, char **argv)
{
	static const struct word table[] = {
		{"to", NULL, &options.to},
		{"kind", NULL, &options.kind},
		{"key", NULL, &options.key},
		{"port", &options.port, NULL},
		{"rate", &options.rate, NULL},
		{"sources", &options.sources, NULL},
		{0},
	};
	static int fds[SOURCES_MAX];
	struct sockaddr_storage to;
	ns_t time;

	(void)argc;
	words_read(argv + 1, table);
	errno = 0;
	if (!options.to || options.sources < 1 || options.sources > SOURCES_MAX || options.rate < 1)
		die("to=, sources= or rate= makes no sense");
	socklen_t len = words_address(options.to, options.port, &to);
	const struct kind *k = kind_named(options.kind);
	if (crypto_init(NULL) != TM_OK)
		die("no cryptography");
	make(k);
	open_sources(fds, options.sources, &to, len);
	printf("ready\n");
	fflush(stdout);
	uint64_t sent = run(fds, k, &time);
	printf("{\"sent\":%llu,\"seconds\":%.3f}\n", (unsigned long long)sent, (double)time / (double)SEC);
	return 0;
}
