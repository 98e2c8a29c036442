/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A phase is one loop over a wait set: the control connection (whose end is the end), the echo socket, and
 * the streams of a transfer, none in the idle phase. Its window begins when the responder has accepted every
 * stream, so that opening them does not count, and lasts as long as was asked for.
 */
#include "bench/phase.h"

#include <errno.h>
#include <string.h>

#include "os/dgram.h"
#include "os/interrupt.h"
#include "os/os.h"
#include "os/tcp.h"
#include "os/wait.h"

#define IDLE_TIME (1 * SEC)
#define IDLE_PACE (5 * MS)
#define LOADED_PACE (10 * MS)
#define LAST_ECHO_WAIT (1 * SEC) /* an answer that takes longer counts as lost */
#define STALL (6 * SEC) /* no byte moved: longer than it takes to repeat a lost handshake */
#define RESULT_WAIT (5 * SEC)
#define RESULT_WAIT_INTERRUPTED (1 * SEC)
#define PROGRESS_EVERY (250 * MS)

enum stream_state { STREAM_CONNECTING, STREAM_ASKED, STREAM_MOVING, STREAM_OVER };

struct stream {
	int fd; /* -1 = none */
	size_t place; /* in the wait set */
	enum stream_state state;
	uint8_t reply[BENCH_REPLY_LEN];
	size_t n_reply;
};

struct phase {
	struct bench_client *c;
	enum bench_phase kind;
	const struct bench_watch *watch;
	struct diag *d;
	struct wait_set *waits;
	size_t control_place, echo_place;
	struct stream streams[BENCH_STREAMS_MAX];
	unsigned n_streams;
	ns_t length, opened_by; /* of the window; when it must have begun */
	ns_t start; /* of the window; 0 = not begun */
	uint64_t bytes; /* read, or handed to TCP */
	ns_t moved_at;
	struct echo_trail trail;
	ns_t pace, next_echo;
	ns_t next_progress, told_at;
	uint64_t told_bytes;
};

/* --- the echo train --- */

/* Not in bursts: what a busy machine missed is not made up for. */
static void send_echo(struct phase *p, ns_t now)
{
	struct bench_echo e = {.type = BENCH_ECHO_REQUEST};
	uint8_t msg[BENCH_ECHO_LEN];

	if (now < p->next_echo)
		return;
	p->next_echo += p->pace;
	if (p->next_echo <= now)
		p->next_echo = now + p->pace;
	if (!echo_trail_sent(&p->trail, now, &e.seq))
		return;

	memcpy(e.id, p->c->id, BENCH_ID);
	bench_echo_encode(&e, msg);
	/* What cannot be sent is lost like what is lost on the way. */
	(void)!dgram_send(p->c->echo, NULL, msg, sizeof(msg));
}

static void receive_echoes(struct phase *p)
{
	uint8_t msg[BENCH_ECHO_LEN + 1];
	struct endpoint from;
	size_t n;

	while (dgram_recv(p->c->echo, msg, sizeof(msg), &n, &from) == TM_OK) {
		struct bench_echo e;

		if (bench_echo_decode(msg, n, &e) == TM_OK && e.type == BENCH_ECHO_REPLY &&
			memcmp(e.id, p->c->id, BENCH_ID) == 0)
			echo_trail_answered(&p->trail, e.seq, time_monotonic());
	}
}

static void await_last_echoes(struct phase *p)
{
	ns_t deadline = time_monotonic() + LAST_ECHO_WAIT;

	wait_change(p->waits, p->control_place, 0);
	while (!echo_trail_complete(&p->trail) && !interrupt_came()) {
		ns_t now = time_monotonic();

		if (now >= deadline)
			return;
		wait_until_ready(p->waits, deadline - now);
		receive_echoes(p);
	}
}

/* --- streams; what fails here fails with a sentence --- */

static int ask_stream(struct phase *p, struct stream *s)
{
	struct bench_request r = {.type = p->kind == BENCH_PHASE_DOWNLOAD ? BENCH_DOWNLOAD : BENCH_UPLOAD,
		.duration_ms = (uint32_t)(p->length / MS)};
	uint8_t msg[BENCH_REQUEST_LEN];
	size_t n = 0;
	int err = tcp_connected(s->fd);

	memcpy(r.id, p->c->id, BENCH_ID);
	bench_request_encode(&r, msg);
	if (!err)
		err = tcp_send(s->fd, msg, sizeof(msg), &n);
	if (!err && n != sizeof(msg))
		err = TM_ECLOSED; /* nothing else is queued: it fits */
	if (err)
		return bench_client_lost(p->c, err, p->d);

	s->state = STREAM_ASKED;
	return TM_OK;
}

static int read_reply(struct phase *p, struct stream *s)
{
	size_t n;
	int err = tcp_recv(s->fd, s->reply + s->n_reply, sizeof(s->reply) - s->n_reply, &n);
	struct bench_reply reply;

	if (err == TM_EAGAIN)
		return TM_OK;
	if (err)
		return bench_client_lost(p->c, err, p->d);
	s->n_reply += n;
	if (s->n_reply < sizeof(s->reply))
		return TM_OK;
	if (bench_reply_decode(s->reply, sizeof(s->reply), &reply) != TM_OK)
		return bench_client_lost(p->c, TM_ECLOSED, p->d);

	s->state = STREAM_MOVING;
	return bench_client_refused(p->c, reply.code, p->d);
}

static int move(struct phase *p, struct stream *s, ns_t now)
{
	bool down = p->kind == BENCH_PHASE_DOWNLOAD;
	size_t n = 0;
	int err = down ? tcp_recv(s->fd, p->c->chunk, BENCH_CHUNK, &n)
		       : tcp_send(s->fd, p->c->chunk, BENCH_CHUNK, &n);

	if (err == TM_EAGAIN || (!err && n == 0))
		return TM_OK;
	if (err == TM_ECLOSED && errno == 0)
		s->state = STREAM_OVER; /* the responder's clock said so; when it is gone, the control
					   connection tells */
	else if (err)
		return bench_client_lost(p->c, err, p->d);

	p->bytes += n;
	p->moved_at = now;
	return TM_OK;
}

static int serve(struct phase *p, struct stream *s, ns_t now)
{
	switch (s->state) {
	case STREAM_CONNECTING:
		return ask_stream(p, s);
	case STREAM_ASKED:
		return read_reply(p, s);
	case STREAM_MOVING:
		return move(p, s, now);
	case STREAM_OVER:
		break;
	}
	return TM_OK;
}

static int open_streams(struct phase *p)
{
	const struct endpoint to = bench_client_peer(p->c->target);

	for (unsigned i = 0; i < p->n_streams; i++) {
		int fd, err = tcp_connect(&to, 0, &fd);

		if (err)
			return bench_client_lost(p->c, err, p->d);
		tcp_bulk(fd);
		err = wait_add(p->waits, fd, WAIT_WRITE, &p->streams[i].place);
		if (err) {
			tcp_close(fd);
			return err;
		}
		p->streams[i].fd = fd;
	}
	return TM_OK;
}

/* What waits in either direction would only be in the way of the next phase. */
static void abort_streams(struct phase *p)
{
	for (unsigned i = 0; i < BENCH_STREAMS_MAX; i++)
		if (p->streams[i].fd >= 0) {
			wait_remove(p->waits, p->streams[i].place);
			tcp_abort(p->streams[i].fd);
			p->streams[i].fd = -1;
		}
}

static unsigned count_state(const struct phase *p, enum stream_state state)
{
	unsigned n = 0;

	for (unsigned i = 0; i < p->n_streams; i++)
		n += p->streams[i].state == state;
	return n;
}

/* --- the loop --- */

/* Bytes that the other side has. */
static uint64_t bytes_through(const struct phase *p)
{
	uint64_t waiting = 0;
	struct os_tcp_stats stats;

	for (unsigned i = 0; i < p->n_streams && p->kind == BENCH_PHASE_UPLOAD; i++)
		if (os_tcp_stats(p->streams[i].fd, &stats))
			waiting += stats.unacked_bytes;
	return waiting < p->bytes ? p->bytes - waiting : 0;
}

static void tell_progress(struct phase *p, ns_t now)
{
	uint64_t bytes;
	double seconds;

	if (now < p->next_progress)
		return;

	bytes = bytes_through(p);
	seconds = (double)(now - p->told_at) / (double)SEC;
	p->watch->progress(p->watch->ctx, p->kind, p->start ? now - p->start : 0, p->length,
		p->start && bytes > p->told_bytes && seconds > 0
			? (double)(bytes - p->told_bytes) * 8 / seconds
			: 0,
		p->trail.last_rtt);
	p->told_at = now;
	p->told_bytes = bytes;
	p->next_progress = now + PROGRESS_EVERY;
}

static void begin_window(struct phase *p, ns_t now)
{
	p->start = p->moved_at = p->next_echo = p->told_at = now;
}

static bool is_over(const struct phase *p, ns_t now)
{
	return p->start &&
	       (now >= p->start + p->length || (p->n_streams && count_state(p, STREAM_OVER) == p->n_streams));
}

static ns_t next_event(const struct phase *p)
{
	ns_t t = p->next_progress;

	if (!p->start)
		return ns_min(t, p->opened_by);

	t = ns_min(t, p->next_echo);
	t = ns_min(t, p->start + p->length);
	return p->n_streams ? ns_min(t, p->moved_at + STALL) : t;
}

static unsigned wanted(const struct phase *p, const struct stream *s)
{
	switch (s->state) {
	case STREAM_CONNECTING:
		return WAIT_WRITE;
	case STREAM_ASKED:
		return WAIT_READ;
	case STREAM_MOVING:
		/* A download that began before the others waits for them. */
		if (p->kind == BENCH_PHASE_DOWNLOAD)
			return p->start ? WAIT_READ : 0;
		return p->start ? WAIT_WRITE : 0;
	case STREAM_OVER:
		break;
	}
	return 0;
}

/* Nobody sends on the control connection unasked: it has ended. */
static int control_ended(struct phase *p)
{
	uint8_t byte;
	size_t n;
	int err = tcp_recv(p->c->control, &byte, sizeof(byte), &n);

	if (err == TM_EAGAIN)
		return TM_OK;
	return bench_client_lost(p->c, err ? err : TM_ECLOSED, p->d);
}

static int turn(struct phase *p)
{
	int err = TM_OK;

	for (unsigned i = 0; i < p->n_streams; i++)
		wait_change(p->waits, p->streams[i].place, wanted(p, &p->streams[i]));
	wait_until_ready(p->waits, ns_max(next_event(p) - time_monotonic(), 0));
	if (wait_ready(p->waits, p->echo_place))
		receive_echoes(p);
	if (wait_ready(p->waits, p->control_place))
		err = control_ended(p);
	for (unsigned i = 0; i < p->n_streams && !err; i++)
		if (wait_ready(p->waits, p->streams[i].place))
			err = serve(p, &p->streams[i], time_monotonic());
	return err;
}

static int run_window(struct phase *p)
{
	for (;;) {
		ns_t now = time_monotonic();

		if (!p->start && count_state(p, STREAM_MOVING) == p->n_streams)
			begin_window(p, now);
		if (interrupt_came())
			return bench_client_lost(p->c, TM_EAGAIN, p->d);
		if (is_over(p, now))
			return TM_OK;
		if (p->start ? p->n_streams && now >= p->moved_at + STALL : now >= p->opened_by)
			return bench_client_lost(p->c, TM_ETIMEOUT, p->d);
		if (p->start)
			send_echo(p, now);
		tell_progress(p, now);

		int err = turn(p);
		if (err)
			return err;
	}
}

/* --- what it came to --- */

/* The responder counted what arrived in an upload, and knows what its TCP repeated in a download. */
static int ask_result(struct phase *p, struct bench_measure *m, struct diag *d)
{
	struct bench_request r = {.type = BENCH_RESULT};
	struct bench_reply reply;
	ns_t wait = interrupt_came() ? RESULT_WAIT_INTERRUPTED : RESULT_WAIT;
	int err;

	memcpy(r.id, p->c->id, BENCH_ID);
	err = bench_client_ask(p->c, &r, time_monotonic() + wait, &reply, d);
	if (err)
		return err;

	if (p->kind == BENCH_PHASE_DOWNLOAD) {
		m->retransmits = reply.retransmits;
	} else {
		m->bytes = reply.bytes;
		m->elapsed = reply.elapsed;
	}
	return TM_OK;
}

static uint32_t own_retransmits(const struct phase *p)
{
	struct os_tcp_stats stats;
	uint32_t sum = 0;

	for (unsigned i = 0; i < p->n_streams; i++) {
		if (!os_tcp_stats(p->streams[i].fd, &stats))
			return BENCH_RETRANSMITS_UNKNOWN;
		sum += stats.retransmits;
	}
	return sum;
}

/* By what we can see ourselves, so that there is something when the other side is gone. */
static void measure(struct phase *p, ns_t end, struct bench_measure *m)
{
	m->begun = true;
	m->elapsed = end - p->start;
	m->bytes = bytes_through(p);
	m->retransmits = p->kind == BENCH_PHASE_UPLOAD ? own_retransmits(p) : BENCH_RETRANSMITS_UNKNOWN;
}

static int phase_init(struct phase *p)
{
	bool idle = p->kind == BENCH_PHASE_IDLE;
	ns_t now = time_monotonic();

	for (unsigned i = 0; i < BENCH_STREAMS_MAX; i++)
		p->streams[i].fd = -1;
	p->n_streams = idle ? 0 : p->c->target->streams;
	p->length = idle ? IDLE_TIME : p->c->target->time;
	p->pace = idle ? IDLE_PACE : LOADED_PACE;
	p->opened_by = now + BENCH_OPEN_WAIT;
	p->next_progress = p->told_at = now;
	uint32_t cap = (uint32_t)(p->length / p->pace) + 1;
	int err = echo_trail_init(&p->trail, p->c->next_seq, cap);

	p->c->next_seq += cap;
	if (!err)
		err = wait_set_new(&p->waits);
	if (!err)
		err = wait_add(p->waits, p->c->control, WAIT_READ, &p->control_place);
	return err ? err : wait_add(p->waits, p->c->echo, WAIT_READ, &p->echo_place);
}

/* err: how the window ended. TM_EAGAIN, an interrupt, still leaves somebody to ask. */
static int conclude(struct phase *p, int err, struct bench_measure *m)
{
	bool lost = err && err != TM_EAGAIN;

	measure(p, lost ? p->moved_at : time_monotonic(), m);
	if (p->n_streams && !lost) {
		struct diag d = {0};
		int late = ask_result(p, m, &d);

		if (!err && late && p->d)
			*p->d = d;
		err = err ? err : late;
	}
	abort_streams(p);
	if (!lost)
		await_last_echoes(p);
	echo_trail_summary(&p->trail, &m->latency);
	m->whole = !err;
	return err;
}

int bench_phase_run(struct bench_client *c, enum bench_phase kind, const struct bench_watch *watch,
	struct bench_measure *m, struct diag *d)
{
	struct phase p = {.c = c, .kind = kind, .watch = watch, .d = d};
	int err = phase_init(&p);

	if (!err)
		err = open_streams(&p);
	if (!err)
		err = run_window(&p);
	if (p.start)
		err = conclude(&p, err, m);
	abort_streams(&p);
	wait_set_free(p.waits);
	echo_trail_deinit(&p.trail);
	return err;
}
