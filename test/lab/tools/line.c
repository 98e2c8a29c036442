/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * An Ethernet line between two network namespaces that behaves as it is told: what netem would do, where the
 * kernel has none.
 *
 *   line NS-A NAME-A NS-B NAME-B [KEY=VALUE...]
 *
 * Each end is a TAP device, up and without an address. Prints "ready"; ends with its standard input. A line
 * of words on the input changes what it does from the next frame on, and is answered by "ok" or by a
 * sentence; "stats" is answered by a line of JSON: what happened to the frames of each direction so far.
 *
 * Words, for both directions, or with "a." (or "b.") before them for what comes in at A (or B) alone:
 *   delay=US jitter=US   every frame takes delay +- jitter microseconds; jitter alone reorders nothing
 *   reorder=PPM          so many of a million frames take no time, and overtake the others
 *   loss=PPM burst=N     so many are lost; burst: they come in rows of N on average (Gilbert 1960)
 *   twice=PPM            so many arrive twice
 *   corrupt=PPM          in so many, one bit behind the Ethernet header is wrong
 *   rate=KBIT queue=B    at most that many kbit/s (0 = any); what would wait behind more than B bytes is lost
 *   down=1               nothing arrives
 *   seed=N               (not 0) the dice begin anew: the same frames have the same fate again
 */
#include "pattern.h"
#include "words.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { ETHERNET = 14, FRAME_MAX = 65536 + 18, FLIGHT_MAX = 1 << 17, BATCH = 64, COMMAND_MAX = 512 };
#define MILLION UINT64_C(1000000)

/* What one direction is told. */
struct manner {
	uint64_t delay, jitter, reorder, loss, burst, twice, corrupt, rate, queue, down, seed;
};

/* In flight, ordered by (at, number). */
struct frame {
	uint64_t at, number; /* ns: when it arrives */
	uint8_t *bytes;
	size_t n;
};

struct direction {
	int in, out;
	struct manner manner;
	struct dice dice;
	bool losing; /* Gilbert's bad state */
	uint64_t sent_until, newest; /* ns: the rate is used up to then; when the last one in order arrives */
	struct frame *flight; /* heap */
	size_t n;
	struct {
		uint64_t in, out, lost, full, down, twice, corrupt, early;
	} seen;
};

static struct direction ways[2];
static const struct manner unspoilt = {.queue = 1 << 20};

static const struct {
	const char *name;
	size_t at;
} keys[] = {
	{"delay", offsetof(struct manner, delay)},
	{"jitter", offsetof(struct manner, jitter)},
	{"reorder", offsetof(struct manner, reorder)},
	{"loss", offsetof(struct manner, loss)},
	{"burst", offsetof(struct manner, burst)},
	{"twice", offsetof(struct manner, twice)},
	{"corrupt", offsetof(struct manner, corrupt)},
	{"rate", offsetof(struct manner, rate)},
	{"queue", offsetof(struct manner, queue)},
	{"down", offsetof(struct manner, down)},
	{"seed", offsetof(struct manner, seed)},
};

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 * MILLION + (uint64_t)ts.tv_nsec;
}

/* --- frames in flight --- */

static bool before(const struct frame *a, const struct frame *b)
{
	return a->at != b->at ? a->at < b->at : a->number < b->number;
}

static void flight_add(struct direction *d, struct frame f)
{
	size_t i = d->n++;

	for (; i && before(&f, &d->flight[(i - 1) / 2]); i = (i - 1) / 2)
		d->flight[i] = d->flight[(i - 1) / 2];
	d->flight[i] = f;
}

static struct frame flight_take(struct direction *d)
{
	struct frame first = d->flight[0], last = d->flight[--d->n];
	size_t i = 0;

	for (size_t child = 1; child < d->n; child = 2 * i + 1) {
		if (child + 1 < d->n && before(&d->flight[child + 1], &d->flight[child]))
			child++;
		if (!before(&d->flight[child], &last))
			break;
		d->flight[i] = d->flight[child];
		i = child;
	}
	d->flight[i] = last;
	return first;
}

/* --- what happens to a frame --- */

static bool strikes(struct direction *d, uint64_t ppm)
{
	return ppm && dice_between(&d->dice, 1, MILLION) <= ppm;
}

/* Gilbert's model: a state that loses everything is left once in `burst` frames, and entered as often as
 * makes `loss` of all. */
static bool loses(struct direction *d)
{
	uint64_t loss = d->manner.loss, burst = d->manner.burst;

	if (burst <= 1 || loss >= MILLION)
		return strikes(d, loss);
	d->losing = strikes(
		d, d->losing ? MILLION - MILLION / burst : loss * MILLION / (burst * (MILLION - loss)));
	return d->losing;
}

/* When the frame has left the sender, by the rate; 0: the queue before that is full. */
static uint64_t leaves(struct direction *d, size_t n, uint64_t t)
{
	const struct manner *m = &d->manner;
	uint64_t start = d->sent_until > t ? d->sent_until : t;

	if (!m->rate)
		return t;
	if ((start - t) * m->rate / (8 * MILLION) + n > m->queue)
		return 0;
	d->sent_until = start + n * 8 * MILLION / m->rate;
	return d->sent_until;
}

static uint64_t arrives(struct direction *d, uint64_t left)
{
	const struct manner *m = &d->manner;
	uint64_t shortest = m->delay > m->jitter ? m->delay - m->jitter : 0;
	uint64_t at =
		left + 1000 * (m->jitter ? dice_between(&d->dice, shortest, m->delay + m->jitter) : m->delay);

	if (strikes(d, m->reorder)) {
		d->seen.early++;
		return left;
	}
	if (at < d->newest)
		at = d->newest;
	d->newest = at;
	return at;
}

static void deliver(struct direction *d, const uint8_t *bytes, size_t n)
{
	if (write(d->out, bytes, n) < 0)
		d->seen.full++; /* the device is down, or its queue full */
	else
		d->seen.out++;
}

static void spoil(struct direction *d, uint8_t *bytes, size_t n)
{
	if (n <= ETHERNET || !strikes(d, d->manner.corrupt))
		return;
	bytes[dice_between(&d->dice, ETHERNET, n - 1)] ^= (uint8_t)(1u << dice_between(&d->dice, 0, 7));
	d->seen.corrupt++;
}

static void send_off(struct direction *d, uint8_t *bytes, size_t n, uint64_t t)
{
	struct frame f = {.n = n, .number = d->seen.in + d->seen.twice};
	uint64_t left = leaves(d, n, t);

	if (left)
		f.at = arrives(d, left);
	if (!left || d->n == FLIGHT_MAX) {
		d->seen.full++;
		return;
	}
	spoil(d, bytes, n);
	if (f.at <= t && !d->n) {
		deliver(d, bytes, n);
		return;
	}
	f.bytes = malloc(n);
	if (!f.bytes)
		die("no memory");
	memcpy(f.bytes, bytes, n);
	flight_add(d, f);
}

static bool take_in(struct direction *d)
{
	static uint8_t buf[FRAME_MAX], copy[FRAME_MAX];
	ssize_t n = read(d->in, buf, sizeof(buf));
	uint64_t t = now();

	if (n <= 0)
		return false;
	d->seen.in++;
	if (d->manner.down) {
		d->seen.down++;
		return true;
	}
	if (loses(d)) {
		d->seen.lost++;
		return true;
	}
	bool twice = strikes(d, d->manner.twice);
	if (twice)
		memcpy(copy, buf, (size_t)n);
	send_off(d, buf, (size_t)n, t);
	if (twice) {
		d->seen.twice++;
		send_off(d, copy, (size_t)n, t);
	}
	return true;
}

/* When the next one is due, 0 = none. */
static uint64_t let_out(struct direction *d)
{
	while (d->n && d->flight[0].at <= now()) {
		struct frame f = flight_take(d);

		deliver(d, f.bytes, f.n);
		free(f.bytes);
	}
	return d->n ? d->flight[0].at : 0;
}

/* --- orders --- */

static bool manner_set(struct manner *m, const char *key, size_t key_len, uint64_t value)
{
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (strlen(keys[i].name) == key_len && strncmp(keys[i].name, key, key_len) == 0) {
			memcpy((char *)m + keys[i].at, &value, sizeof(value));
			return true;
		}
	return false;
}

/* One word; false when it is none. */
static bool order(const char *word, struct manner m[2])
{
	const char *value = strchr(word, '='), *key = word;
	bool a = true, b = true;
	char *end;

	if (!value || value[1] < '0' || value[1] > '9')
		return false;
	if (strncmp(key, "a.", 2) == 0 || strncmp(key, "b.", 2) == 0) {
		a = *key == 'a';
		b = !a;
		key += 2;
	}
	errno = 0;
	uint64_t number = strtoull(value + 1, &end, 10);
	if (errno || *end || number > UINT32_MAX)
		return false;
	return (!a || manner_set(&m[0], key, (size_t)(value - key), number)) &&
	       (!b || manner_set(&m[1], key, (size_t)(value - key), number));
}

static void behave(const struct manner m[2])
{
	for (int i = 0; i < 2; i++) {
		if (m[i].seed) /* was among the words */
			ways[i].dice = (struct dice){.seed = 2 * m[i].seed + (uint64_t)i};
		ways[i].manner = m[i];
		ways[i].manner.seed = 0;
	}
}

static void print_stats(void)
{
	for (int i = 0; i < 2; i++) {
		const struct direction *d = &ways[i];

		printf("%s\"%c\": {\"in\": %llu, \"out\": %llu, \"lost\": %llu, \"full\": %llu, \"down\": "
		       "%llu, "
		       "\"twice\": %llu, \"corrupt\": %llu, \"early\": %llu, \"flying\": %zu}%s",
			i ? ", " : "{", 'a' + i, (unsigned long long)d->seen.in,
			(unsigned long long)d->seen.out, (unsigned long long)d->seen.lost,
			(unsigned long long)d->seen.full, (unsigned long long)d->seen.down,
			(unsigned long long)d->seen.twice, (unsigned long long)d->seen.corrupt,
			(unsigned long long)d->seen.early, d->n, i ? "}\n" : "");
	}
	(void)fflush(stdout);
}

static void obey(char *text)
{
	struct manner m[2] = {ways[0].manner, ways[1].manner};
	char *rest;

	if (strcmp(text, "stats") == 0) {
		print_stats();
		return;
	}
	for (char *word = strtok_r(text, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
		if (!order(word, m)) {
			printf("not understood: %s\n", word);
			(void)fflush(stdout);
			return;
		}
	behave(m);
	puts("ok");
	(void)fflush(stdout);
}

/* False at the end of the input. */
static bool hear(void)
{
	static char text[COMMAND_MAX];
	static size_t len;
	ssize_t n = read(STDIN_FILENO, text + len, sizeof(text) - 1 - len);

	if (n <= 0)
		return false;
	len += (size_t)n;
	text[len] = '\0';
	for (char *end; (end = strchr(text, '\n'));) {
		*end = '\0';
		obey(text);
		len -= (size_t)(end + 1 - text);
		memmove(text, end + 1, len + 1);
	}
	if (len == sizeof(text) - 1)
		die("a line of orders is too long");
	return true;
}

/* --- the ends --- */

static int open_end(const char *ns, const char *name)
{
	struct ifreq r = {.ifr_flags = IFF_TAP | IFF_NO_PI};
	char path[256];

	(void)snprintf(path, sizeof(path), "/run/netns/%s", ns);
	int at = open(path, O_RDONLY | O_CLOEXEC);
	if (at < 0 || setns(at, CLONE_NEWNET) < 0)
		die("%s", path);
	close(at);
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	(void)snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	if (fd < 0 || s < 0 || ioctl(fd, TUNSETIFF, &r) < 0)
		die("%s", name);
	r.ifr_flags = IFF_UP;
	if (ioctl(s, SIOCSIFFLAGS, &r) < 0)
		die("%s", name);
	close(s);
	return fd;
}

static void carry(int timer)
{
	for (uint64_t armed = 0;;) {
		struct pollfd p[4] = {{ways[0].in, POLLIN, 0}, {ways[1].in, POLLIN, 0}, {timer, POLLIN, 0},
			{STDIN_FILENO, POLLIN, 0}};
		uint64_t x = let_out(&ways[0]), y = let_out(&ways[1]), next = x && (!y || x < y) ? x : y;

		if (next && next != armed) {
			struct itimerspec at = {.it_value = {(time_t)(next / (1000 * MILLION)),
							(long)(next % (1000 * MILLION))}};
			timerfd_settime(timer, TFD_TIMER_ABSTIME, &at, NULL);
			armed = next;
		}
		if (poll(p, 4, -1) < 0 && errno != EINTR)
			die("poll");
		if (p[2].revents) {
			uint64_t ticks;
			(void)!read(timer, &ticks, sizeof(ticks));
			armed = 0;
		}
		if (p[3].revents && !hear())
			return;
		for (int way = 0; way < 2; way++)
			for (int i = 0; i < BATCH && take_in(&ways[way]); i++)
				continue;
	}
}

int main(int argc, char **argv)
{
	struct manner m[2] = {unspoilt, unspoilt};

	errno = 0;
	if (argc < 5)
		die("usage: line NS-A NAME-A NS-B NAME-B [KEY=VALUE...]");
	for (int i = 5; i < argc; i++)
		if (!order(argv[i], m))
			die("not understood: %s", argv[i]);
	behave(m);
	int a = open_end(argv[1], argv[2]), b = open_end(argv[3], argv[4]);
	int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	ways[0].in = ways[1].out = a;
	ways[1].in = ways[0].out = b;
	for (int i = 0; i < 2; i++) {
		ways[i].flight = calloc(FLIGHT_MAX, sizeof(struct frame));
		if (!ways[i].flight)
			die("no memory");
	}
	if (timer < 0)
		die("timerfd");
	puts("ready");
	(void)fflush(stdout);
	carry(timer);
	return 0;
}
