/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The control thread hands connections over in a ring and rings the bell that the thread waits for among its
 * connections, as it does when the thread is to stop.
 */
#include "bench/worker.h"

#include "base/loglimit.h"
#include "base/ring.h"
#include "bench/session.h"
#include "crypto/init.h"
#include "os/dgram.h"
#include "os/low/bell.h"
#include "os/low/thread.h"
#include "os/os.h"
#include "os/tcp.h"
#include "os/wait.h"

#include <stdatomic.h>

enum {
	CALLERS_MAX = BENCH_STREAMS_MAX + 8, /* the session's, and some that have yet to say what they are */
	ARRIVALS_MAX = 64, /* on their way from thread to thread */
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
	size_t place; /* in the wait set */
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
	/* from the control thread */
	struct ring_mpsc *arrivals;
	atomic_bool stop;
	struct bell bell; /* there are arrivals, or it shall stop */
	/* the thread's alone */
	struct wait_set *waits;
	size_t bell_place, echo_places[BENCH_SIDES];
	struct bench_session session;
	struct caller callers[CALLERS_MAX];
	struct log_limit said;
	uint8_t chunk[CHUNK]; /* zeros to send, a bin to receive */
};

struct arrival {
	int fd;
	struct ip from;
};

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
	wait_remove(w->waits, c->place);
	tcp_close(c->fd);
	*c = (struct caller){.fd = -1};
	if (kind == CALLER_HOLDER)
		close_session(w);
}

/* What waits in the send buffer outlives close(): for minutes, if its receiver acknowledges our probes and
 * keeps its window shut. A member could leave megabytes behind that way, and again with the next session.
 * Whether it lives is asked by nobody: the session has a time of its own. */
static void limit_unacked(int fd)
{
	tcp_watch(fd, BENCH_SESSION_MAX / SEC, BENCH_STREAM_IDLE / SEC);
}

static struct caller *free_slot(struct bench_worker *w)
{
	for (size_t i = 0; i < CALLERS_MAX; i++)
		if (w->callers[i].fd < 0)
			return &w->callers[i];
	return NULL;
}

static void caller_add(struct bench_worker *w, const struct arrival *a, ns_t now)
{
	struct caller *c = free_slot(w);
	size_t place;

	if (!c || wait_add(w->waits, a->fd, WAIT_READ, &place) != TM_OK) {
		tcp_close(a->fd);
		return;
	}
	limit_unacked(a->fd);
	*c = (struct caller){.fd = a->fd,
		.place = place,
		.from = a->from,
		.idle_at = now + BENCH_HEAD_WAIT,
		.end_at = now + BENCH_HEAD_WAIT};
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
	tcp_bulk(c->fd);
	wait_change(w->waits, c->place, c->kind == CALLER_DOWNLOAD ? WAIT_WRITE : WAIT_READ);
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
	size_t n;

	reply.code = judge(w, c, now, &reply);
	if (reply.code == BENCH_OK)
		memcpy(reply.id, w->session.id, BENCH_ID);
	c->n_head = 0;
	bench_reply_encode(&reply, out);
	return tcp_send(c->fd, out, sizeof(out), &n) == TM_OK && n == sizeof(out) && reply.code == BENCH_OK;
}

/* --- moving bytes; each false when the connection is over --- */

static bool read_request(struct bench_worker *w, struct caller *c, ns_t now)
{
	size_t n;
	int err = tcp_recv(c->fd, c->head + c->n_head, sizeof(c->head) - c->n_head, &n);

	if (err)
		return err == TM_EAGAIN;

	c->n_head += n;
	return c->n_head < sizeof(c->head) || answer(w, c, now);
}

static bool move(struct bench_worker *w, struct caller *c, ns_t now)
{
	size_t n;
	int err = c->kind == CALLER_DOWNLOAD ? tcp_send(c->fd, w->chunk, CHUNK, &n)
					     : tcp_recv(c->fd, w->chunk, CHUNK, &n);

	if (err)
		return err == TM_EAGAIN;
	if (n == 0) /* no room after all */
		return true;

	c->idle_at = now + BENCH_STREAM_IDLE;
	bench_session_moved(&w->session, c->run, now, n);
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
		struct endpoint from;
		struct bench_echo e;
		size_t n;

		if (dgram_recv(fd, msg, sizeof(msg), &n, &from) != TM_OK)
			return;
		if (bench_echo_decode(msg, n, &e) != TM_OK ||
			!bench_session_echoes(&w->session, time_monotonic(), &from.ip, &e))
			continue;

		e.type = BENCH_ECHO_REPLY;
		bench_echo_encode(&e, msg);
		(void)!dgram_send(fd, &from, msg, BENCH_ECHO_LEN);
	}
}

/* --- the thread --- */

/* The bell is silent before the ring is looked at: who comes then rings it again. */
static void take_arrivals(struct bench_worker *w, ns_t now)
{
	struct arrival a;

	bell_stop(&w->bell);
	while (ring_mpsc_pop(w->arrivals, &a))
		caller_add(w, &a, now);
}

static void wait_until_due(struct bench_worker *w)
{
	ns_t now = time_monotonic(), next = expire(w, now);

	wait_until_ready(w->waits, next == NS_NEVER ? NS_NEVER : ns_max(next - now, 0));
}

static void worker_main(void *arg)
{
	struct bench_worker *w = arg;

	while (!atomic_load(&w->stop)) {
		wait_until_due(w);
		for (size_t i = 0; i < BENCH_SIDES; i++)
			if (w->echo[i] >= 0 && wait_ready(w->waits, w->echo_places[i]))
				echo(w, w->echo[i]);
		/* Serving one may close others: then their slots are free, and stay so until the arrivals. */
		for (size_t i = 0; i < CALLERS_MAX; i++)
			if (w->callers[i].fd >= 0 && wait_ready(w->waits, w->callers[i].place))
				serve(w, &w->callers[i], time_monotonic());
		if (wait_ready(w->waits, w->bell_place))
			take_arrivals(w, time_monotonic());
	}
	for (size_t i = 0; i < CALLERS_MAX; i++)
		if (w->callers[i].fd >= 0)
			caller_close(w, &w->callers[i]);
}

static int start(struct bench_worker *w)
{
	int err = ring_mpsc_new(ARRIVALS_MAX, sizeof(struct arrival), &w->arrivals);

	if (!err)
		err = bell_init(&w->bell);
	if (!err)
		err = wait_set_new(&w->waits);
	if (!err)
		err = wait_add(w->waits, bell_fd(&w->bell), WAIT_READ, &w->bell_place);
	for (size_t i = 0; i < BENCH_SIDES && !err; i++)
		if (w->echo[i] >= 0)
			err = wait_add(w->waits, w->echo[i], WAIT_READ, &w->echo_places[i]);
	return err ? err : tm_err_from_errno(thread_start(&w->thread, "tm-bench", worker_main, w));
}

/* There is no thread any more, or there was none. */
static void worker_deinit(struct bench_worker *w)
{
	struct arrival a;

	while (w->arrivals && ring_mpsc_pop(w->arrivals, &a))
		tcp_close(a.fd);
	ring_mpsc_free(w->arrivals);
	wait_set_free(w->waits);
	bell_deinit(&w->bell);
	free(w);
}

int bench_worker_new(const int echo_fds[static BENCH_SIDES], struct bench_worker **ret_worker)
{
	struct bench_worker *w = calloc(1, sizeof(*w));
	int err;

	if (!w)
		return TM_ENOMEM;

	w->said = LOG_LIMIT_FEW;
	w->bell = BELL_NONE;
	for (size_t i = 0; i < BENCH_SIDES; i++)
		w->echo[i] = echo_fds[i];
	for (size_t i = 0; i < CALLERS_MAX; i++)
		w->callers[i].fd = -1;
	err = start(w);
	if (err) {
		worker_deinit(w);
		return err;
	}
	*ret_worker = w;
	return TM_OK;
}

void bench_worker_free(struct bench_worker *w)
{
	if (!w)
		return;

	atomic_store(&w->stop, true);
	bell_ring(&w->bell);
	thread_join(&w->thread);
	worker_deinit(w);
}

bool bench_worker_give(struct bench_worker *w, int fd_take, const struct ip *from)
{
	const struct arrival a = {.fd = fd_take, .from = *from};

	if (!ring_mpsc_push(w->arrivals, &a, sizeof(a)))
		return false;
	bell_ring(&w->bell);
	return true;
}
