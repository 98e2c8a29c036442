/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * UDP load between two network namespaces, for the benchmark; one JSON object on standard output.
 *
 *   load rate     datagrams per second with a bounded number in flight
 *   load latency  round trips of one datagram at a time between two blocking sockets
 *
 * A socket stays in the namespace in which it was made: the main thread makes one in each and no thread has
 * to live there. Every datagram begins with the run's cookie and its number, so that strays are not counted
 * and losses are known. Every wait has a deadline.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <netdb.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	BATCH_SEND = 32,
	BATCH_RECEIVE = 64,
	BYTES_MAX = 9000,
	WINDOW_MAX = 1 << 20,
	SAMPLES_MAX = 1 << 22, /* round trips kept: ten seconds of 2.4 us each */
	BUFFER_BYTES = 8 << 20,
	SECONDS_MAX = 3600,
};
#define MS 1000000LL
#define SEC (1000 * MS)
#define POLL_INTERVAL (100 * MS) /* how soon the far thread notices that the run is over */
#define WINDOW_PAUSE 20000L /* ns between two looks at a full window */
#define STALL (20 * MS) /* nothing arrived for so long: what is in flight is lost */
#define DRAIN (250 * MS) /* when the time is over and nothing arrived for so long, nothing is on its way */
#define REPLY_TIMEOUT (250 * MS) /* then a round trip counts as lost */

struct payload {
	uint64_t cookie, number;
};

struct options {
	const char *from, *to, *address; /* namespaces by name; NULL is this one */
	unsigned port, bytes, window;
	double seconds;
};

/* Shared by the two threads of a run. */
struct run {
	/* set once */
	int near, far; /* sockets */
	unsigned bytes, window;
	int64_t duration; /* ns */
	uint64_t cookie;
	/* far thread, read by the near one */
	_Atomic uint64_t received; /* datagrams */
	_Atomic uint64_t seen; /* highest number that arrived, plus one */
	/* near thread, read by the far one */
	_Atomic bool stop;
};

static void die(const char *what)
{
	fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * SEC + t.tv_nsec;
}

static void sleep_ns(int64_t ns)
{
	struct timespec t = {.tv_sec = ns / SEC, .tv_nsec = ns % SEC};

	nanosleep(&t, NULL);
}

static void enter_namespace(const char *name)
{
	char path[128];
	int fd;

	if (!name)
		return;

	snprintf(path, sizeof(path), "/run/netns/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET) != 0)
		die(path);
	close(fd);
}

static int open_socket(int family, int64_t receive_timeout)
{
	struct timeval tv = {.tv_sec = receive_timeout / SEC, .tv_usec = receive_timeout % SEC / 1000};
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0), n = BUFFER_BYTES;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) != 0)
		die("socket");
	/* Beyond net.core.[rw]mem_max for root; what the system grants is enough for others. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &n, sizeof(n)) != 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &n, sizeof(n));
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &n, sizeof(n)) != 0)
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &n, sizeof(n));
	return fd;
}

static struct addrinfo *parse_address(const struct options *o)
{
	const struct addrinfo hints = {
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_DGRAM};
	struct addrinfo *found = NULL;
	char port[8];

	snprintf(port, sizeof(port), "%u", o->port);
	if (getaddrinfo(o->address, port, &hints, &found) != 0) {
		fprintf(stderr, "load: \"%s\" is not an IP address\n", o->address);
		exit(2);
	}
	return found;
}

static void run_open(struct run *r, const struct options *o)
{
	struct addrinfo *to = parse_address(o);

	r->bytes = o->bytes;
	r->window = o->window;
	r->duration = (int64_t)(o->seconds * SEC);
	if (getrandom(&r->cookie, sizeof(r->cookie), 0) != sizeof(r->cookie))
		die("getrandom");

	enter_namespace(o->to);
	r->far = open_socket(to->ai_family, POLL_INTERVAL);
	if (bind(r->far, to->ai_addr, to->ai_addrlen) != 0)
		die("bind");
	enter_namespace(o->from);
	r->near = open_socket(to->ai_family, REPLY_TIMEOUT);
	if (connect(r->near, to->ai_addr, to->ai_addrlen) != 0)
		die("connect");
	freeaddrinfo(to);
}

static pthread_t run_start(struct run *r, void *(*far)(void *))
{
	pthread_t t;
	int err = pthread_create(&t, NULL, far, r);

	if (err) {
		errno = err;
		die("pthread_create");
	}
	return t;
}

static void run_end(struct run *r, pthread_t far)
{
	atomic_store(&r->stop, true);
	pthread_join(far, NULL);
	close(r->near);
	close(r->far);
}

/* Is it one of ours? Its number then. */
static bool payload_read(const struct run *r, const void *at, size_t n, uint64_t *ret_number)
{
	struct payload p;

	if (n != r->bytes)
		return false;
	memcpy(&p, at, sizeof(p));
	if (p.cookie != r->cookie)
		return false;

	*ret_number = p.number;
	return true;
}

/* Rate. */

static void count_batch(struct run *r, const struct mmsghdr *msgs, int n)
{
	uint64_t seen = atomic_load_explicit(&r->seen, memory_order_relaxed), number, ours = 0;

	for (int i = 0; i < n; i++) {
		if (!payload_read(r, msgs[i].msg_hdr.msg_iov->iov_base, msgs[i].msg_len, &number))
			continue;
		ours++;
		if (number >= seen)
			seen = number + 1;
	}
	atomic_fetch_add_explicit(&r->received, ours, memory_order_relaxed);
	atomic_store_explicit(&r->seen, seen, memory_order_relaxed);
}

static void *receive_all(void *arg)
{
	static char buffers[BATCH_RECEIVE][BYTES_MAX];
	struct mmsghdr msgs[BATCH_RECEIVE] = {0};
	struct iovec iov[BATCH_RECEIVE];
	struct run *r = arg;

	for (int i = 0; i < BATCH_RECEIVE; i++) {
		iov[i] = (struct iovec){buffers[i], BYTES_MAX};
		msgs[i].msg_hdr.msg_iov = &iov[i];
		msgs[i].msg_hdr.msg_iovlen = 1;
	}
	while (!atomic_load_explicit(&r->stop, memory_order_relaxed)) {
		int n = recvmmsg(r->far, msgs, BATCH_RECEIVE, MSG_WAITFORONE, NULL);

		if (n > 0)
			count_batch(r, msgs, n);
	}
	return NULL;
}

/* Sends the next datagrams; how many the kernel took. */
static uint64_t send_batch(struct run *r, uint64_t number)
{
	static char buffers[BATCH_SEND][BYTES_MAX];
	struct mmsghdr msgs[BATCH_SEND] = {0};
	struct iovec iov[BATCH_SEND];
	int n;

	for (unsigned i = 0; i < BATCH_SEND; i++) {
		struct payload p = {.cookie = r->cookie, .number = number + i};

		memcpy(buffers[i], &p, sizeof(p));
		iov[i] = (struct iovec){buffers[i], r->bytes};
		msgs[i].msg_hdr.msg_iov = &iov[i];
		msgs[i].msg_hdr.msg_iovlen = 1;
	}
	n = sendmmsg(r->near, msgs, BATCH_SEND, 0);
	if (n < 0 && errno != ENOBUFS && errno != EAGAIN && errno != ECONNREFUSED)
		die("sendmmsg");
	return n > 0 ? (uint64_t)n : 0;
}

/*
 * Keeps the window full. What is in flight is judged by the highest number that arrived, so a lost datagram
 * leaves the window with the next one that arrives; only when all of a window is lost has the sender to wait:
 * a stall.
 */
static uint64_t send_until(struct run *r, int64_t deadline, unsigned *ret_stalls)
{
	uint64_t sent = 0, reached = 0;
	int64_t progress = now_ns(), now;

	while ((now = now_ns()) < deadline) {
		uint64_t seen = atomic_load_explicit(&r->seen, memory_order_relaxed);

		if (seen > reached) {
			reached = seen;
			progress = now;
		}
		if (sent - reached + BATCH_SEND <= r->window) {
			uint64_t n = send_batch(r, sent);

			sent += n;
			if (!n)
				sleep_ns(WINDOW_PAUSE);
		} else if (now - progress > STALL) {
			++*ret_stalls;
			reached = sent;
			progress = now;
		} else {
			sleep_ns(WINDOW_PAUSE);
		}
	}
	return sent;
}

/* Waits for what is still on its way; how many arrived in all. */
static uint64_t drain(const struct run *r, uint64_t sent)
{
	uint64_t received = atomic_load(&r->received), n;
	int64_t progress = now_ns(), now;

	while (received < sent && (now = now_ns()) - progress < DRAIN) {
		sleep_ns(WINDOW_PAUSE);
		n = atomic_load(&r->received);
		if (n > received)
			progress = now;
		received = n;
	}
	return received;
}

static int rate(const struct options *o)
{
	struct run r = {0};
	uint64_t sent, in_time, received;
	int64_t started;
	unsigned stalls = 0;
	double seconds;
	pthread_t far;

	run_open(&r, o);
	far = run_start(&r, receive_all);
	started = now_ns();
	sent = send_until(&r, started + r.duration, &stalls);
	in_time = atomic_load(&r.received);
	seconds = (double)(now_ns() - started) / SEC;
	received = drain(&r, sent);
	run_end(&r, far);
	if (!received) {
		fprintf(stderr, "load: none of %" PRIu64 " datagrams arrived\n", sent);
		return 1;
	}

	printf("{\"pps\": %.0f, \"gbps\": %.6f, \"seconds\": %.3f, \"sent\": %" PRIu64
	       ", \"received\": %" PRIu64 ", \"loss\": %.6f, \"stalls\": %u}\n",
		(double)in_time / seconds, (double)in_time * r.bytes * 8e-9 / seconds, seconds, sent,
		received, 1 - (double)received / (double)sent, stalls);
	return 0;
}

/* Latency. */

static void *echo_all(void *arg)
{
	char buffer[BYTES_MAX];
	struct run *r = arg;
	uint64_t number;

	while (!atomic_load_explicit(&r->stop, memory_order_relaxed)) {
		struct sockaddr_storage from;
		socklen_t from_len = sizeof(from);
		ssize_t n = recvfrom(r->far, buffer, sizeof(buffer), 0, (struct sockaddr *)&from, &from_len);

		if (n > 0 && payload_read(r, buffer, (size_t)n, &number))
			(void)!sendto(r->far, buffer, (size_t)n, 0, (struct sockaddr *)&from, from_len);
	}
	return NULL;
}

/* One round trip in nanoseconds; -1 when no answer came in time. */
static int64_t round_trip(struct run *r, uint64_t number)
{
	char buffer[BYTES_MAX] = {0};
	struct payload p = {.cookie = r->cookie, .number = number};
	int64_t started = now_ns();
	uint64_t got;
	ssize_t n;

	memcpy(buffer, &p, sizeof(p));
	if (send(r->near, buffer, r->bytes, 0) < 0 && errno != ENOBUFS && errno != ECONNREFUSED)
		die("send");
	do {
		n = recv(r->near, buffer, sizeof(buffer), 0);
		if (n > 0 && payload_read(r, buffer, (size_t)n, &got) && got == number)
			return now_ns() - started;
	} while (now_ns() - started < REPLY_TIMEOUT);
	return -1;
}

static int by_size(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static double percentile_us(const uint32_t *sorted, size_t n, double share)
{
	size_t i = (size_t)(share * (double)n);

	return sorted[i < n ? i : n - 1] / 1000.0;
}

static void print_latency(uint32_t *ns, size_t n, uint64_t lost)
{
	double sum = 0;

	qsort(ns, n, sizeof(*ns), by_size);
	for (size_t i = 0; i < n; i++)
		sum += ns[i];
	printf("{\"round_trips\": %zu, \"lost\": %" PRIu64
	       ", \"min_us\": %.2f, \"mean_us\": %.2f, \"p50_us\": "
	       "%.2f, "
	       "\"p99_us\": %.2f, \"max_us\": %.2f}\n",
		n, lost, ns[0] / 1000.0, sum / (double)n / 1000.0, percentile_us(ns, n, 0.50),
		percentile_us(ns, n, 0.99), ns[n - 1] / 1000.0);
}

static int latency(const struct options *o)
{
	uint32_t *samples = calloc(SAMPLES_MAX, sizeof(*samples));
	struct run r = {0};
	uint64_t number = 0, lost = 0;
	size_t n = 0;
	int64_t deadline;
	pthread_t far;

	if (!samples)
		die("memory");
	run_open(&r, o);
	far = run_start(&r, echo_all);
	deadline = now_ns() + r.duration;
	while (n < SAMPLES_MAX && now_ns() < deadline) {
		int64_t took = round_trip(&r, number++);

		if (took < 0)
			lost++;
		else
			samples[n++] = (uint32_t)took; /* bounded by REPLY_TIMEOUT and one more receive */
	}
	run_end(&r, far);
	if (n)
		print_latency(samples, n, lost);
	else
		fprintf(stderr, "load: none of %" PRIu64 " datagrams was answered\n", lost);
	free(samples);
	return n ? 0 : 1;
}

/* The command line. */

static int usage(void)
{
	fprintf(stderr,
		"usage: load rate|latency --address IP [--from NETNS] [--to NETNS] [--port N (7777)]\n"
		"            [--bytes N of payload (64)] [--window N in flight (1024)] [--seconds S (2)]\n");
	return 2;
}

static bool read_number(const char *text, double min, double max, double *ret_value)
{
	char *end;
	double v = strtod(text, &end);

	if (end == text || *end || !(v >= min && v <= max)) {
		fprintf(stderr, "load: \"%s\" is not a number from %g to %g\n", text, min, max);
		return false;
	}
	*ret_value = v;
	return true;
}

static bool read_unsigned(const char *text, double min, double max, unsigned *ret_value)
{
	double v;

	if (!read_number(text, min, max, &v))
		return false;

	*ret_value = (unsigned)v;
	return true;
}

static bool read_option(struct options *o, int c)
{
	switch (c) {
	case 'f':
		o->from = optarg;
		return true;
	case 't':
		o->to = optarg;
		return true;
	case 'a':
		o->address = optarg;
		return true;
	case 'p':
		return read_unsigned(optarg, 1, 65535, &o->port);
	case 'b':
		return read_unsigned(optarg, sizeof(struct payload), BYTES_MAX, &o->bytes);
	case 'w':
		return read_unsigned(optarg, BATCH_SEND, WINDOW_MAX, &o->window);
	case 's':
		return read_number(optarg, 0.01, SECONDS_MAX, &o->seconds);
	default:
		return false;
	}
}

int main(int argc, char **argv)
{
	static const struct option names[] = {
		{"from", required_argument, NULL, 'f'},
		{"to", required_argument, NULL, 't'},
		{"address", required_argument, NULL, 'a'},
		{"port", required_argument, NULL, 'p'},
		{"bytes", required_argument, NULL, 'b'},
		{"window", required_argument, NULL, 'w'},
		{"seconds", required_argument, NULL, 's'},
		{0},
	};
	struct options o = {.port = 7777, .bytes = 64, .window = 1024, .seconds = 2};
	int c;

	while ((c = getopt_long(argc, argv, "", names, NULL)) != -1)
		if (!read_option(&o, c))
			return usage();
	if (!o.address || optind != argc - 1)
		return usage();

	if (strcmp(argv[optind], "rate") == 0)
		return rate(&o);
	if (strcmp(argv[optind], "latency") == 0)
		return latency(&o);

	return usage();
}
