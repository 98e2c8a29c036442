/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "bench/client.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/phase.h"
#include "os/interrupt.h"
#include "os/sockaddr.h"

enum {
	RETRY_MS = 200, /* while there is no path yet, the tunnel answers with ICMP errors */
};

double bench_bits_per_second(const struct bench_measure *m)
{
	return m->elapsed > 0 ? (double)m->bytes * 8 * (double)SEC / (double)m->elapsed : 0;
}

/* --- sentences --- */

static int interrupted(struct diag *d)
{
	return diag_what(d, TM_EAGAIN, "interrupted before the end");
}

int bench_client_refused(const struct bench_client *c, enum bench_code code, struct diag *d)
{
	const char *name = c->target->name;

	switch (code) {
	case BENCH_OK:
		break;
	case BENCH_BUSY:
		diag_hint(d, "it serves one at a time: try again in a minute");
		return diag_what(d, TM_EBUSY, "%s is busy with somebody else's bench", name);
	case BENCH_OTHER_VERSION:
		diag_hint(d, "update the older one");
		return diag_what(d, TM_EVERSION,
			"%s runs a version of tunnelmesh whose bench does not fit this one's", name);
	case BENCH_NO_SESSION:
		return diag_what(d, TM_ECLOSED, "%s has given this bench up", name);
	case BENCH_REFUSED:
		return diag_what(d, TM_EPERM, "%s refuses this bench", name);
	}
	return TM_OK;
}

int bench_client_lost(const struct bench_client *c, int e, struct diag *d)
{
	const char *name = c->target->name;

	switch (-e) {
	case EINTR:
		return interrupted(d);
	case ETIMEDOUT:
	case EHOSTUNREACH:
	case ENETUNREACH:
		return diag_what(d, TM_ETIMEOUT, "%s stopped answering in the middle of the bench", name);
	default:
		diag_hint(d, "was tunnelmesh stopped there?");
		return diag_what(d, TM_ECLOSED, "%s ended the bench before it was through", name);
	}
}

static int not_reached(const struct bench_target *t, int e, struct diag *d)
{
	switch (-e) {
	case EINTR:
		return interrupted(d);
	case ECONNREFUSED:
		diag_hint(d, "bench_port there is 0 or another one, or its tunnelmesh is older");
		return diag_what(d, TM_EUNREACH, "%s answers no bench on port %u", t->name, t->port);
	case ETIMEDOUT:
	case EHOSTUNREACH:
	case ENETUNREACH:
		if (!t->online) {
			diag_hint(d, "start tunnelmesh there, or see `tunnelmesh status` for the way to it");
			return diag_what(d, TM_ETIMEOUT, "%s does not answer, it is offline", t->name);
		}
		diag_hint(d,
			"`tunnelmesh ping %s` shows whether the tunnel works; a firewall there may "
			"block the port",
			t->name);
		return diag_what(d, TM_ETIMEOUT, "%s does not answer on TCP port %u", t->name, t->port);
	default:
		return diag_what(d, tm_err_from_errno(-e), "%s cannot be reached: %s", t->name, strerror(-e));
	}
}

/* --- connections --- */

/* 0, or a negative errno: ETIMEDOUT at the deadline, EINTR for an interrupt. */
static int wait_for(int fd, short what, ns_t deadline)
{
	struct pollfd p = {.fd = fd, .events = what};

	for (;;) {
		int r = poll(&p, 1, time_poll_ms(time_monotonic(), deadline));

		if (r > 0)
			return 0;
		if (r == 0)
			return -ETIMEDOUT;
		if (errno != EINTR || interrupt_came())
			return -errno;
	}
}

int bench_client_socket(const struct bench_target *t, int type)
{
	const struct endpoint ep = {.ip = t->ip, .port = t->port};
	struct sockaddr_storage ss;
	socklen_t len = endpoint_to_sockaddr(&ep, &ss);
	int fd = socket(ss.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&ss, len) == 0 || errno == EINPROGRESS)
		return fd;

	int e = errno;
	close(fd);
	return -e;
}

/* A connected socket or a negative errno. */
static int connect_until(const struct bench_target *t, ns_t deadline)
{
	int fd = bench_client_socket(t, SOCK_STREAM), e = 0;
	socklen_t len = sizeof(e);

	if (fd < 0)
		return fd;

	int r = wait_for(fd, POLLOUT, deadline);
	if (r == 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &len) == 0)
		r = -e;
	if (r == 0)
		return fd;

	close(fd);
	return r;
}

static int connect_patiently(const struct bench_target *t, ns_t deadline)
{
	for (;;) {
		int fd = connect_until(t, deadline);

		if ((fd != -EHOSTUNREACH && fd != -ENETUNREACH) ||
			time_monotonic() + RETRY_MS * MS > deadline)
			return fd;
		(void)poll(NULL, 0, RETRY_MS);
		if (interrupt_came())
			return -EINTR;
	}
}

/* --- the control connection --- */

static int exchange(int fd, const uint8_t request[static BENCH_REQUEST_LEN], ns_t deadline,
	uint8_t reply[static BENCH_REPLY_LEN])
{
	size_t have = 0;

	/* Nothing else is queued on this connection: it fits. */
	if (send(fd, request, BENCH_REQUEST_LEN, MSG_NOSIGNAL) != BENCH_REQUEST_LEN)
		return -ECONNRESET;

	while (have < BENCH_REPLY_LEN) {
		int r = wait_for(fd, POLLIN, deadline);
		if (r < 0)
			return r;

		ssize_t n = recv(fd, reply + have, BENCH_REPLY_LEN - have, 0);
		if (n == 0)
			return -ECONNRESET;
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		have += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

int bench_client_ask(struct bench_client *c, const struct bench_request *r, ns_t deadline,
	struct bench_reply *ret_reply, struct diag *d)
{
	uint8_t request[BENCH_REQUEST_LEN], reply[BENCH_REPLY_LEN];
	int e, err;

	bench_request_encode(r, request);
	e = exchange(c->control, request, deadline, reply);
	if (e == -ECONNRESET && r->type == BENCH_OPEN) {
		/* It hangs up on strangers, before they have said anything. */
		diag_hint(d, "it may not have heard of this machine yet: try again in a moment");
		return diag_what(d, TM_EPERM, "%s hung up", c->target->name);
	}
	if (e < 0)
		return bench_client_lost(c, e, d);

	err = bench_reply_decode(reply, sizeof(reply), ret_reply);
	if (err == TM_EVERSION)
		return bench_client_refused(c, BENCH_OTHER_VERSION, d);
	if (err)
		return diag_what(d, err, "the answer of %s on port %u is no answer to a bench",
			c->target->name, c->target->port);

	return bench_client_refused(c, ret_reply->code, d);
}

int bench_client_open(const struct bench_target *t, struct bench_client *ret_client, struct diag *d)
{
	struct bench_client c = {.target = t, .control = -1, .echo = -1};
	const struct bench_request open = {.type = BENCH_OPEN};
	struct bench_reply reply;
	ns_t deadline = time_monotonic() + BENCH_OPEN_WAIT;
	int err = TM_ENOMEM;

	c.chunk = calloc(1, BENCH_CHUNK);
	if (!c.chunk)
		goto fail;
	c.control = connect_patiently(t, deadline);
	err = c.control < 0 ? not_reached(t, c.control, d) : TM_OK;
	if (!err)
		err = bench_client_ask(&c, &open, deadline, &reply, d);
	if (err)
		goto fail;
	memcpy(c.id, reply.id, BENCH_ID);
	c.echo = bench_client_socket(t, SOCK_DGRAM);
	if (c.echo < 0) {
		err = not_reached(t, c.echo, d);
		goto fail;
	}
	*ret_client = c;
	return TM_OK;

fail:
	bench_client_close(&c);
	return err;
}

void bench_client_close(struct bench_client *c)
{
	closep(&c->control);
	closep(&c->echo);
	free(c->chunk);
	*c = (struct bench_client){.control = -1, .echo = -1};
}

int bench_client_run(struct bench_client *c, const struct bench_watch *watch, struct bench_results *results,
	struct diag *d)
{
	int err = TM_OK;

	*results = (struct bench_results){0};
	for (unsigned i = 0; i < BENCH_PHASE_N && !err; i++)
		err = bench_phase_run(c, i, watch, &results->phases[i], d);
	return err;
}
