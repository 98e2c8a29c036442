/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What the kernel takes for telling one small thing to many TCP connections: the floor under whatever a
 * coordinator does for a change that all its nodes hear of. Connections to another process over loopback.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MESSAGE = 128, ROUNDS = 5 };

static void fail(const char *what)
{
	fprintf(stderr, "bench_fanout: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double cpu_ms(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e3 +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e3;
}

/* The other process: connects, and lets everything lie until the first one ends. */
static void listen_to(const struct sockaddr_in *to, unsigned n, int until)
{
	char c;

	for (unsigned i = 0; i < n; i++) {
		int fd = socket(AF_INET, SOCK_STREAM, 0);

		if (fd < 0 || connect(fd, (const struct sockaddr *)to, sizeof(*to)) < 0)
			fail("connect");
	}
	(void)!read(until, &c, 1);
	_exit(0);
}

static void measure(unsigned n)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(at);
	int *fds = calloc(n, sizeof(*fds)), until[2];
	uint8_t message[MESSAGE] = {0};
	int listener = socket(AF_INET, SOCK_STREAM, 0);

	if (!fds || listener < 0 || pipe(until) < 0 || bind(listener, (struct sockaddr *)&at, len) < 0 ||
		listen(listener, 4096) < 0 || getsockname(listener, (struct sockaddr *)&at, &len) < 0)
		fail("socket");
	pid_t child = fork();
	if (child == 0) {
		close(until[1]);
		listen_to(&at, n, until[0]);
	}
	for (unsigned i = 0; i < n; i++)
		if ((fds[i] = accept(listener, NULL, NULL)) < 0)
			fail("accept");
	for (int round = 0; round < ROUNDS; round++) {
		double begun = cpu_ms();

		for (unsigned i = 0; i < n; i++)
			if (send(fds[i], message, sizeof(message), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
				fail("send");
		double took = cpu_ms() - begun;
		printf("%6u connections, %d bytes each: %7.1f ms CPU, %5.2f us each\n", n, MESSAGE, took,
			took * 1e3 / n);
	}
	close(until[1]);
	waitpid(child, NULL, 0);
	for (unsigned i = 0; i < n; i++)
		close(fds[i]);
	close(listener);
	close(until[0]);
	free(fds);
}

int main(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) == 0) {
		r.rlim_cur = r.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &r);
	}
	measure(1000);
	measure(10000);
	return 0;
}
