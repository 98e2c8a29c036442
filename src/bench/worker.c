/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The control thread hands connections over by writing them to a pipe, whole records at a time (PIPE_BUF);
 * closing the pipe is the signal to stop. So the two threads share nothing else, and the stop is in the poll
 * set.
 */
#include "bench/worker.h"

#include "base/loglimit.h"
#include "bench/session.h"
#include "crypto/init.h"
#include "os/low/thread.h"
#include "os/os.h"
#include "os/sockaddr.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	CALLERS_MAX = BENCH_STREAMS_MAX + 8, /* the session's, and some that have yet to say what they are */
	POLL_CALLERS = 1 + BENCH_SIDES, /* before them in the poll set: the pipe, the echo sockets */
	CHUNK = 128 * 1024, /* per stream and turn, so that an echo never waits long */
	ECHOES_PER_TURN = 64,
};

enum caller_kind {
	CALLER_NEW, /* its first request is not here yet */
	CALLER_HOLDER, /* has the session */
	CALLER_DOWNLOAD,
	CALLER_UPLOAD,
};

struct caller {
	int fd; /* -1 = the slot is free */
	enum caller_kind kind;
	struct ip from;
	uint8_t head[BENCH_REQUEST_LEN];
	size_t n_head;
	uint32_t run; /* streams */
	ns_t idle_at, end_at;
};

struct bench_worker {
	/* set once */
	struct thread thread;
	int echo[BENCH_SIDES];
	int inbox[2]; /* read end: the thread's, write end: the control thread's */
	/* the thread's alone */
	struct bench_session session;
	struct caller callers[CALLERS_MAX];
	struct log_limit said;
	uint8_t chunk[CHUNK]; /* zeros to send, a bin to receive */
};

struct arrival {
	int fd;
	struct ip from;
};
_Static_assert(sizeof(struct arrival) <= 512, "at most PIPE_BUF, so that records are written whole");

/* --- connections --- */

static bool is_stream(const struct caller *c)
{
	return c->kind == CALLER_DOWNLOAD || c->kind == CALLER_UPLOAD;
}

static uint32_t retransmits_of(const struct caller *c)
{
	struct os_tcp_stats stats;

	if (c->kind != CALLER_DOWNLOAD)
		return 0;
	return os_tcp_stats(c->fd, &stats) ? stats.retransmits : BENCH_RETRANSMITS_UNKNOWN;
}

static void caller_close(struct bench_worker *w, struct caller *c);

static void close_session(struct bench_worker *w)
{
	for (size_t i = 0; i < CALLERS_MAX; i++)
		if (w->callers[i].fd >= 0 && w->callers[i].kind != CALLER_NEW)
			caller_close(w, &w->callers[i]);
	bench_session_close(&w->session);
}

/* The session ends with the connection that has it. There is one as long as the session is open, and no
 * other: what is due is not given to somebody else before close_session was here. */
static void caller_close(struct bench_worker *w, struct caller *c)
{
	enum caller_kind kind = c->kind;

	if (is_stream(c))
		bench_session_stream_ended(&w->session, c->run, retransmits_of(c));
	close(c->fd);
	*c = (struct caller){.fd = -1};
	if (kind == CALLER_HOLDER)
		close_session(w);
}

/* What waits in the send buffer outlives close(): for minutes, if its receiver acknowledges our probes and
 * keeps its window shut. A member could leave megabytes behind that way, and again with the next session. */
static void limit_unacked(int fd)
{
	unsigned ms = BENCH_STREAM_IDLE / MS;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof(ms));
}

static void caller_add(struct bench_worker *w, const struct arrival *a, ns_t now)
{
	for (size_t i = 0; i < CALLERS_MAX; i++)
		if (w->callers[i].fd < 0) {
			limit_unacked(a->fd);
			w->callers[i] = (struct caller){.fd = a->fd,
				.from = a->from,
				.idle_at = now + BENCH_HEAD_WAIT,
				.end_at = now + BENCH_HEAD_WAIT};
			return;
		}
	close(a->fd);
}

static ns_t caller_due(const struct caller *c)
{
	return c->fd < 0 || c->kind == CALLER_HOLDER ? NS_NEVER : ns_min(c->idle_at, c->end_at);
}

/* Ends what is over; when the next thing will be. */
static ns_t expire(struct bench_worker *w, ns_t now)
{
	ns_t next;

	if (now >= bench_session_due(&w->session))
		close_session(w);
	next = bench_session_due(&w->session);
	for (size_t i = 0; i < CALLERS_MAX; i++) {
		if (now >= caller_due(&w->callers[i]))
			caller_close(w, &w->callers[i]);
		next = ns_min(next, caller_due(&w->callers[i]));
	}
	return next;
}

/* --- requests --- */

static enum bench_code open_session(struct bench_worker *w, struct caller *c, ns_t now)
{
	uint8_t id[BENCH_ID];
	enum bench_code code;

	random_bytes(id, sizeof(id));
	code = bench_session_open(&w->session, now, &c->from, id);
	if (code != BENCH_OK)
		return code;

	c->kind = CALLER_HOLDER;
	LOG_LIMITED(
		LOG_INFO, &w->said, log_who_ip(&c->from), "bench: a test begins", KV_IP("from", &c->from));
	return BENCH_OK;
}

static enum bench_code open_stream(
	struct bench_worker *w, struct caller *c, const struct bench_request *r, ns_t now)
{
	ns_t end;
	enum bench_code code = bench_session_stream(&w->session, now, &c->from, r, &end);

	if (code != BENCH_OK)
		return code;

	c->kind = r->type == BENCH_DOWNLOAD ? CALLER_DOWNLOAD : CALLER_UPLOAD;
	c->run = w->session.run;
	c->idle_at = now + BENCH_STREAM_IDLE;
	c->end_at = end;
	return BENCH_OK;
}

static enum bench_code give_result(struct bench_worker *w, const struct caller *c,
	const struct bench_request *r, ns_t now, struct bench_reply *ret_reply)
{
	uint64_t live = 0;

	for (size_t i = 0; i < CALLERS_MAX; i++)
		if (w->callers[i].fd >= 0 && w->callers[i].run == w->session.run)
			live += retransmits_of(&w->callers[i]);
	return bench_session_result(&w->session, now, &c->from, r,
		live < BENCH_RETRANSMITS_UNKNOWN ? (uint32_t)live : BENCH_RETRANSMITS_UNKNOWN, ret_reply);
}

/* What a connection may ask depends on what it is: a new one becomes something, the holder asks for results.
 */
static enum bench_code judge(struct bench_worker *w, struct caller *c, ns_t now, struct bench_reply *reply)
{
	struct bench_request r;
	int err = bench_request_decode(c->head, sizeof(c->head), &r);

	if (err == TM_EVERSION)
		return BENCH_OTHER_VERSION;
	if (err || (c->kind == CALLER_HOLDER) != (r.type == BENCH_RESULT))
		return BENCH_REFUSED;
	if (r.type == BENCH_RESULT)
		return give_result(w, c, &r, now, reply);
	if (r.type == BENCH_OPEN)
		return open_session(w, c, now);

	return open_stream(w, c, &r, now);
}

/* A refusal is told and ends the connection. Nothing else is ever queued here, so a reply always fits. */
static bool answer(struct bench_worker *w, struct caller *c, ns_t now)
{
	struct bench_reply reply = {0};
	uint8_t out[BENCH_REPLY_LEN];

	reply.code = judge(w, c, now, &reply);
	if (reply.code == BENCH_OK)
		memcpy(reply.id, w->session.id, BENCH_ID);
	c->n_head = 0;
	bench_reply_encode(&reply, out);
	return send(c->fd, out, sizeof(out), MSG_NOSIGNAL) == (ssize_t)sizeof(out) && reply.code == BENCH_OK;
}

/* --- moving bytes; each false when the connection is over --- */

static bool would_block(void)
{
	return errno == EAGAIN || errno == EINTR;
}

static bool read_request(struct bench_worker *w, struct caller *c, ns_t now)
{
	ssize_t n = recv(c->fd, c->head + c->n_head, sizeof(c->head) - c->n_head, 0);

	if (n <= 0)
		return n < 0 && would_block();

	c->n_head += (size_t)n;
	return c->n_head < sizeof(c->head) || answer(w, c, now);
}

static bool move(struct bench_worker *w, struct caller *c, ns_t now)
{
	ssize_t n = c->kind == CALLER_DOWNLOAD ? send(c->fd, w->chunk, CHUNK, MSG_NOSIGNAL)
					       : recv(c->fd, w->chunk, CHUNK, 0);

	if (n <= 0)
		return n < 0 && would_block();

	c->idle_at = now + BENCH_STREAM_IDLE;
	bench_session_moved(&w->session, c->run, now, (size_t)n);
	return true;
}

static void serve(struct bench_worker *w, struct caller *c, ns_t now)
{
	bool alive = is_stream(c) ? move(w, c, now) : read_request(w, c, now);

	if (!alive)
		caller_close(w, c);
}

/* Never more than was asked, and only to the session's holder: neither an amplifier nor a loop. */
static void echo(struct bench_worker *w, int fd)
{
	uint8_t msg[BENCH_ECHO_LEN + 1]; /* one more, to tell what is too long */

	for (unsigned i = 0; i < ECHOES_PER_TURN; i++) {
		struct sockaddr_storage ss;
		socklen_t len = sizeof(ss);
		ssize_t n = recvfrom(fd, msg, sizeof(msg), 0, (struct sockaddr *)&ss, &len);
		struct endpoint from;
		struct bench_echo e;

		if (n < 0)
			return;
		if (bench_echo_decode(msg, (size_t)n, &e) != TM_OK ||
			endpoint_from_sockaddr((struct sockaddr *)&ss, &from) != TM_OK ||
			!bench_session_echoes(&w->session, time_monotonic(), &from.ip, &e))
			continue;

		e.type = BENCH_ECHO_REPLY;
		bench_echo_encode(&e, msg);
		(void)sendto(fd, msg, BENCH_ECHO_LEN, 0, (struct sockaddr *)&ss, len);
	}
}

/* --- the thread --- */

/* False when the other end is closed: stop. */
static bool take_arrivals(struct bench_worker *w, ns_t now)
{
	struct arrival a;
	ssize_t n;

	while ((n = read(w->inbox[0], &a, sizeof(a))) == (ssize_t)sizeof(a))
		caller_add(w, &a, now);
	return n < 0;
}

static void fill_poll(const struct bench_worker *w, struct pollfd fds[static POLL_CALLERS + CALLERS_MAX])
{
	fds[0] = (struct pollfd){.fd = w->inbox[0], .events = POLLIN};
	for (size_t i = 0; i < BENCH_SIDES; i++)
		fds[1 + i] = (struct pollfd){.fd = w->echo[i], .events = POLLIN};
	for (size_t i = 0; i < CALLERS_MAX; i++)
		fds[POLL_CALLERS + i] = (struct pollfd){.fd = w->callers[i].fd,
			.events = w->callers[i].kind == CALLER_DOWNLOAD ? POLLOUT : POLLIN};
}

static void worker_main(void *arg)
{
	struct bench_worker *w = arg;
	struct pollfd fds[POLL_CALLERS + CALLERS_MAX];
	bool go_on = true;

	while (go_on) {
		ns_t next = expire(w, time_monotonic());

		fill_poll(w, fds);
		if (poll(fds, ARRAY_LEN(fds), time_poll_ms(time_monotonic(), next)) <= 0)
			continue;
		for (size_t i = 0; i < BENCH_SIDES; i++)
			if (fds[1 + i].revents)
				echo(w, w->echo[i]);
		/* Serving one may close others: then their slots are free, and stay so until the arrivals. */
		for (size_t i = 0; i < CALLERS_MAX; i++)
			if (fds[POLL_CALLERS + i].revents && w->callers[i].fd >= 0)
				serve(w, &w->callers[i], time_monotonic());
		if (fds[0].revents)
			go_on = take_arrivals(w, time_monotonic());
	}
	for (size_t i = 0; i < CALLERS_MAX; i++)
		if (w->callers[i].fd >= 0)
			caller_close(w, &w->callers[i]);
}

int bench_worker_new(const int echo_fds[static BENCH_SIDES], struct bench_worker **ret_worker)
{
	struct bench_worker *w = calloc(1, sizeof(*w));
	int err;

	if (!w)
		return TM_ENOMEM;

	w->said = LOG_LIMIT_FEW;
	for (size_t i = 0; i < BENCH_SIDES; i++)
		w->echo[i] = echo_fds[i];
	for (size_t i = 0; i < CALLERS_MAX; i++)
		w->callers[i].fd = -1;
	if (pipe2(w->inbox, O_CLOEXEC | O_NONBLOCK) < 0) {
		err = tm_err_from_errno(errno);
		goto fail_pipe;
	}
	err = tm_err_from_errno(thread_start(&w->thread, "tm-bench", worker_main, w));
	if (err)
		goto fail_thread;

	*ret_worker = w;
	return TM_OK;

fail_thread:
	close(w->inbox[0]);
	close(w->inbox[1]);
fail_pipe:
	free(w);
	return err;
}

void bench_worker_free(struct bench_worker *w)
{
	if (!w)
		return;

	close(w->inbox[1]);
	thread_join(&w->thread);
	close(w->inbox[0]);
	free(w);
}

bool bench_worker_give(struct bench_worker *w, int fd_take, const struct ip *from)
{
	struct arrival a = {.fd = fd_take, .from = *from};

	return write(w->inbox[1], &a, sizeof(a)) == (ssize_t)sizeof(a);
}
