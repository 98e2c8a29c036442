/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * lag NS-A NAME-A NS-B NAME-B MS: an Ethernet cable between two network namespaces on which every frame takes
 * MS milliseconds, for machines whose kernel has no netem. Each end is a TAP device, up and without an
 * address. "ready" on stdout; ends with its standard input.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { FRAME_MAX = 65536 + 18, FRAMES_MAX = 1 << 17, BATCH = 64 };

/* One delay for all: first in, first out. */
struct direction {
	int in, out;
	struct frame {
		uint64_t at; /* ns: when it leaves */
		uint8_t *bytes;
		size_t n;
	} queue[FRAMES_MAX];
	size_t head, n;
	uint64_t lost; /* the queue was full, as a switch's would be */
};

static struct direction ways[2];

static void fail(const char *what)
{
	fprintf(stderr, "lag: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static int open_end(const char *ns, const char *name)
{
	struct ifreq r = {.ifr_flags = IFF_TAP | IFF_NO_PI};
	char path[256];

	snprintf(path, sizeof(path), "/run/netns/%s", ns);
	int at = open(path, O_RDONLY | O_CLOEXEC);
	if (at < 0 || setns(at, CLONE_NEWNET) < 0)
		fail(path);
	close(at);
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	if (fd < 0 || s < 0 || ioctl(fd, TUNSETIFF, &r) < 0)
		fail(name);
	r.ifr_flags = IFF_UP;
	if (ioctl(s, SIOCSIFFLAGS, &r) < 0)
		fail(name);
	close(s);
	return fd;
}

static void take_in(struct direction *d, uint64_t delay)
{
	static uint8_t buf[FRAME_MAX];

	for (int i = 0; i < BATCH; i++) {
		ssize_t n = read(d->in, buf, sizeof(buf));
		struct frame *f = &d->queue[(d->head + d->n) % FRAMES_MAX];

		if (n <= 0)
			return;
		if (d->n == FRAMES_MAX || !(f->bytes = malloc((size_t)n))) {
			d->lost++;
			continue;
		}
		memcpy(f->bytes, buf, (size_t)n);
		f->n = (size_t)n;
		f->at = now() + delay;
		d->n++;
	}
}

/* Returns when the next one is due, 0 = none. */
static uint64_t let_out(struct direction *d)
{
	while (d->n) {
		struct frame *f = &d->queue[d->head];

		if (f->at > now())
			return f->at;
		if (write(d->out, f->bytes, f->n) < 0)
			d->lost++;
		free(f->bytes);
		d->head = (d->head + 1) % FRAMES_MAX;
		d->n--;
	}
	return 0;
}

int main(int argc, char **argv)
{
	if (argc != 6) {
		fprintf(stderr, "usage: lag NS-A NAME-A NS-B NAME-B MS\n");
		return 2;
	}
	uint64_t delay = strtoul(argv[5], NULL, 10) * 1000000u;
	int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	int a = open_end(argv[1], argv[2]), b = open_end(argv[3], argv[4]);

	if (timer < 0)
		fail("timerfd");
	ways[0].in = ways[1].out = a;
	ways[1].in = ways[0].out = b;
	puts("ready");
	fflush(stdout);
	for (;;) {
		struct pollfd p[4] = {
			{a, POLLIN, 0}, {b, POLLIN, 0}, {timer, POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
		uint64_t x = let_out(&ways[0]), y = let_out(&ways[1]), next = x && (!y || x < y) ? x : y,
			 ticks;
		struct itimerspec at = {
			.it_value = {(time_t)(next / 1000000000u), (long)(next % 1000000000u)}};

		timerfd_settime(timer, TFD_TIMER_ABSTIME, &at, NULL);
		if (poll(p, 4, -1) < 0 && errno != EINTR)
			fail("poll");
		if (p[3].revents)
			break;
		(void)!read(timer, &ticks, sizeof(ticks));
		take_in(&ways[0], delay);
		take_in(&ways[1], delay);
	}
	if (ways[0].lost + ways[1].lost)
		fprintf(stderr, "lag: %lu frames lost\n", (unsigned long)(ways[0].lost + ways[1].lost));
	return 0;
}
