/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * An unruly wire: packets that a router sends into this TUN device come out of it again, some later
 * than those behind them, some twice. What netem would do, where the kernel has none.
 *
 *   unruly tun=NAME [late=N depth=N twice=N seed=N]
 *
 * One of `late` packets is held back until 1..depth others have passed (or none came for a while); one
 * of `twice` is doubled, the copy being held back likewise; 0 means never. Prints "ready"; the end of
 * its input ends it: what is still here goes out, and it prints what it did as a line of JSON.
 */
#include "pattern.h"
#include "words.h"

#include <linux/if.h>
#include <linux/if_tun.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { HELD_MAX = 512, PACKET_MAX = 65536, HOLD_MS = 20 };

static struct {
	const char *tun;
	uint64_t late, depth, twice, seed;
} options = {.tun = "unruly0", .depth = 64, .seed = 1};

static struct {
	int fd;
	struct dice dice;
	uint64_t passed, late, twice;
	struct held {
		uint64_t due; /* when `passed` has come so far; 0 = free */
		size_t n;
		uint8_t packet[PACKET_MAX];
	} held[HELD_MAX];
} wire;

static void put(const uint8_t *packet, size_t n)
{
	if (write(wire.fd, packet, n) < 0 && errno != EIO)
		die("write");
}

static bool hold(const uint8_t *packet, size_t n)
{
	for (size_t i = 0; i < HELD_MAX; i++) {
		struct held *h = &wire.held[i];

		if (h->due)
			continue;
		h->due = wire.passed + 1 + dice_between(&wire.dice, 1, options.depth);
		h->n = n;
		memcpy(h->packet, packet, n);
		return true;
	}
	return false;
}

static void release(bool all)
{
	for (size_t i = 0; i < HELD_MAX; i++) {
		struct held *h = &wire.held[i];

		if (!h->due || (!all && h->due > wire.passed))
			continue;
		put(h->packet, h->n);
		h->due = 0;
	}
}

static bool strikes(uint64_t one_of)
{
	return one_of && dice_between(&wire.dice, 1, one_of) == 1;
}

static bool carry(void)
{
	static uint8_t packet[PACKET_MAX];
	ssize_t n = read(wire.fd, packet, sizeof(packet));

	if (n <= 0)
		return false;

	bool late = strikes(options.late), twice = strikes(options.twice);
	if (twice && hold(packet, (size_t)n))
		wire.twice++;
	if (late && hold(packet, (size_t)n))
		wire.late++;
	else
		put(packet, (size_t)n);
	wire.passed++;
	release(false);
	return true;
}

static int open_tun(const char *name)
{
	struct ifreq ifr = {.ifr_flags = IFF_TUN | IFF_NO_PI};
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		die("/dev/net/tun");
	(void)snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (ioctl(fd, TUNSETIFF, &ifr) != 0)
		die("TUNSETIFF %s", name);
	return fd;
}

int main(int argc, char **argv)
{
	const struct word words[] = {
		{"tun", NULL, &options.tun},
		{"late", &options.late, NULL},
		{"depth", &options.depth, NULL},
		{"twice", &options.twice, NULL},
		{"seed", &options.seed, NULL},
		{NULL, NULL, NULL},
	};

	(void)argc;
	words_read(argv + 1, words);
	wire.dice.seed = options.seed;
	wire.fd = open_tun(options.tun);
	printf("ready\n");
	(void)fflush(stdout);
	for (;;) {
		struct pollfd fds[] = {
			{.fd = wire.fd, .events = POLLIN}, {.fd = STDIN_FILENO, .events = POLLIN}};
		int n = poll(fds, 2, HOLD_MS);

		if (n < 0 && errno != EINTR)
			die("poll");
		if (n == 0)
			release(true);
		if (fds[0].revents)
			(void)carry();
		if (fds[1].revents)
			break;
	}
	while (carry())
		continue;
	release(true);
	printf("{\"passed\": %llu, \"late\": %llu, \"twice\": %llu}\n", (unsigned long long)wire.passed,
		(unsigned long long)wire.late, (unsigned long long)wire.twice);
	return 0;
}
