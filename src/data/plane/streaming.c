/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "data/plane/streaming.h"

#include "crypto/init.h"
#include "data/plane/again.h"
#include "data/plane/forward.h"
#include "data/plane/mates.h"
#include "data/plane/owed.h"
#include "os/tcp.h"

#include <string.h>

/* As much of what comes is copied, at least if frames are long: a head, or a few short frames. */
enum { READ_AHEAD = 2048 };
/* Of short frames that are written together. */
enum { JOINED_MAX = FRAME_URGENT_BYTES };
/* In a burst: TLS may come in records of a byte, and 64 KiB of those take 20 ms. */
enum { READS_MAX = 256 };

/* --- bytes --- */

/* n bytes at p, then m at q. */
static int read_some(struct stream *s, uint8_t *p, size_t n, uint8_t *q, size_t m, size_t *ret_n)
{
	if (!s->is.io)
		return tcp_recv_two(s->is.fd, p, n, q, m, ret_n);
	return n ? s->is.io->read(s->is.ctx, p, n, ret_n) : s->is.io->read(s->is.ctx, q, m, ret_n);
}

static int write_some(struct stream *s, const uint8_t *p, size_t n, size_t *ret_n)
{
	*ret_n = 0;
	return s->is.io ? s->is.io->write(s->is.ctx, p, n, ret_n) : tcp_send(s->is.fd, p, n, ret_n);
}

static bool pending(struct stream *s)
{
	return s->is.io && s->is.io->pending(s->is.ctx);
}

static void wait_for(struct stream *s)
{
	const unsigned what = WAIT_READ | (s->blocked ? WAIT_WRITE : 0u);

	crowd_change(stream_owner(s)->crowd, s->is.fd, what, &s->guest);
}

/* Nothing is read or written any more; the control thread buries it. */
static void give_up(struct stream *s, int err)
{
	const struct worker *w = stream_owner(s);
	struct streams *all = atomic_load_explicit(w->env->streams, memory_order_acquire);

	if (s->broken)
		return;

	s->broken = true;
	s->err = err;
	crowd_remove(w->crowd, s->is.fd);
	s->next_broken = atomic_load_explicit(&all->broken, memory_order_relaxed);
	while (!atomic_compare_exchange_weak_explicit(
		&all->broken, &s->next_broken, s, memory_order_release, memory_order_relaxed))
		;
	event_wake(w->env->events);
}

/* --- writing --- */

static const uint8_t *mask_of(const struct stream *s, uint8_t mask[static WS_MASK])
{
	if (s->is.role != WS_CLIENT)
		return NULL;
	random_bytes(mask, WS_MASK);
	return mask;
}

/* What is short and waits behind it, too: one call, one record of TLS, and one piece for a proxy, which may
 * hold a second one until the first is acknowledged (Nagle's algorithm). */
static void join_next(struct worker *w, struct stream *s, unsigned *dropped)
{
	uint8_t mask[WS_MASK];
	struct frame *f;

	for (size_t n; (n = s->writing->end - s->writing->at + WS_HEADER_MAX) < JOINED_MAX;) {
		f = frames_take(&s->queue, w->now, JOINED_MAX - n, dropped);
		if (!f)
			return;
		frame_wrap(f, mask_of(s, mask));
		if (frame_append(&s->writing, f) != TM_OK)
			*dropped += f->packets;
		frame_free(f);
	}
}

static bool next_frame(struct worker *w, struct stream *s)
{
	uint8_t mask[WS_MASK];
	unsigned dropped = 0;

	if (!s->writing) {
		s->writing = frames_take(&s->queue, w->now, SIZE_MAX, &dropped);
		if (s->writing) {
			frame_wrap(s->writing, mask_of(s, mask));
			join_next(w, s, &dropped);
		}
	}
	if (dropped)
		worker_drop_n(w, DROP_STREAM_FULL, dropped);
	return s->writing;
}

void stream_write(struct worker *w, struct stream *s)
{
	bool blocked = false;

	s->speaks_at = 0;
	while (!s->broken && !blocked && next_frame(w, s)) {
		struct frame *f = s->writing;
		size_t n;
		int err = write_some(s, f->bytes + f->at, f->end - f->at, &n);

		if (err && err != TM_EAGAIN) {
			give_up(s, err);
			return;
		}
		f->at += n;
		if (f->at == f->end)
			frame_free(TAKE(s->writing));
		else
			blocked = err == TM_EAGAIN || n == 0 || !s->is.io;
	}
	if (s->broken || blocked == s->blocked)
		return;

	s->blocked = blocked;
	wait_for(s);
}

static void put(struct worker *w, struct stream *s, struct frame *f_take)
{
	const bool patient = f_take->patient;
	unsigned dropped;

	if (s->broken) {
		worker_drop_n(w, DROP_STREAM_FULL, f_take->packets);
		frame_free(f_take);
		return;
	}
	dropped = frames_put(&s->queue, f_take, w->now);
	if (dropped)
		worker_drop_n(w, DROP_STREAM_FULL, dropped);
	if (!s->blocked && !(patient && owed_wait(w, s)))
		stream_write(w, s);
}

void worker_wake(struct worker *w)
{
	/* Sequentially consistent: the owner clears it before it looks into the ring. */
	if (!atomic_exchange(&w->post.woken, true))
		bell_ring(&w->post.bell);
}

bool worker_post(struct worker *owner, const struct parcel *p)
{
	struct ring_mpsc *ring = p->frame && p->frame->urgent ? owner->post.urgent : owner->post.ring;

	if (!ring_mpsc_push(ring, p, sizeof(*p)))
		return false;

	worker_wake(owner);
	return true;
}

int stream_send(struct worker *w, uint32_t stream, struct frame *f_take)
{
	const struct streams *all = atomic_load_explicit(w->env->streams, memory_order_acquire);
	struct stream *s = streams_find(all, stream);
	struct worker *owner = s ? stream_owner(s) : NULL;

	if (!f_take)
		return TM_ENOMEM;
	if (!s) {
		frame_free(f_take);
		return TM_ENOENT;
	}
	if (owner == w) {
		put(w, s, f_take);
		return TM_OK;
	}
	if (worker_post(owner, &(struct parcel){.stream = stream, .frame = f_take}))
		return TM_OK;

	frame_free(f_take);
	return TM_EFULL;
}

/* Of the datagrams from `first` on, those that are of one frame. */
static size_t frame_end(const struct datagram *v, size_t first, size_t n)
{
	size_t end = first + 1, bytes = RELAY_FRAME_HEAD + v[first].n;

	while (end < n && v[end - 1].n == v[first].n && v[end].n <= v[first].n &&
		v[end].tos == v[first].tos && v[end].data == v[end - 1].data + v[end - 1].n &&
		bytes + v[end].n <= RELAY_FRAME_MAX)
		bytes += v[end++].n;
	return end;
}

void stream_send_datagrams(void *worker, const struct way_to *by, struct datagram *v, size_t n)
{
	struct worker *w = worker;

	for (size_t first = 0, end; first < n; first = end) {
		struct frame_source src = {.p = v[first].data,
			.step = v[first].n,
			.skip = RELAY_HEADER,
			.pair = by->relay,
			.tos = v[first].tos,
			.pool = worker_frame_pool(w)};

		end = by->relay ? frame_end(v, first, n) : first + 1;
		for (size_t i = first; i < end; i++)
			src.n += v[i].n;
		int err =
			stream_send(w, by->socket, by->relay ? frame_of(&src) : frame_of_stun(src.p, src.n));

		for (size_t i = first; i < end; i++)
			v[i].err = err == TM_ENOENT ? TM_EUNSUPPORTED : err;
	}
}

/* --- the post --- */

static bool next_parcel(struct worker *w, struct parcel *ret_p)
{
	return ring_mpsc_pop(w->post.urgent, ret_p) || ring_mpsc_pop(w->post.ring, ret_p);
}

static void take_parcel(struct worker *w, const struct parcel *p)
{
	struct stream *s =
		streams_find(atomic_load_explicit(w->env->streams, memory_order_acquire), p->stream);
	struct worker *owner = s ? stream_owner(s) : NULL;

	if (!p->frame) {
		if (owner == w)
			mates_will_leave(w, s, p->heir);
	} else if (owner == w) {
		put(w, s, p->frame);
	} else if (!owner || !worker_post(owner, p)) {
		worker_drop_n(w, DROP_STREAM_FULL, p->frame->packets);
		frame_free(p->frame);
	}
}

unsigned worker_take_parcels(struct worker *w)
{
	struct parcel p;
	unsigned n = 0;

	for (; n < PARCELS_MAX && next_parcel(w, &p); n++)
		take_parcel(w, &p);
	return n;
}

static bool read_post(struct worker *w, struct guest *g, unsigned what)
{
	(void)g, (void)what;
	bell_stop(&w->post.bell);
	atomic_exchange(&w->post.woken, false);
	again_send(w);
	/* What came behind those has rung again. */
	return worker_take_parcels(w) == PARCELS_MAX;
}

int worker_open_post(struct worker *w)
{
	int err = tm_err_from_errno(bell_init(&w->post.bell));

	if (!err)
		err = ring_mpsc_new(PARCELS_MAX, sizeof(struct parcel), &w->post.ring);
	if (!err)
		err = ring_mpsc_new(PARCELS_URGENT_MAX, sizeof(struct parcel), &w->post.urgent);
	w->post.guest.burst = read_post;
	return err ? err : crowd_add(w->crowd, bell_fd(&w->post.bell), WAIT_READ, &w->post.guest);
}

void worker_close_post(struct worker *w)
{
	struct parcel p;

	if (!w->env)
		return; /* never made */
	while (w->post.urgent && next_parcel(w, &p))
		frame_free(p.frame);
	ring_mpsc_free(w->post.ring);
	ring_mpsc_free(w->post.urgent);
	w->post.ring = w->post.urgent = NULL;
	bell_deinit(&w->post.bell);
	w->post.bell = BELL_NONE;
}

/* --- reading --- */

/* The message that was just told, of n bytes, as the frame that it is; NULL: a short one, or none that memory
 * of the pool holds. */
static struct frame *frame_out_of(struct worker *w, struct stream *s, size_t n, unsigned packets)
{
	if (n < FRAME_LONG_BYTES || !s->in.given)
		return NULL;
	return frame_in(ws_take(&s->in), n, packets, worker_frame_pool(w));
}

/* False: it is no frame. */
static bool take_frame(struct worker *w, struct stream *s, uint8_t *p, size_t n)
{
	const struct relay_source from = {
		.kind = WAY_RELAY_TCP, .socket = s->number, .remote = &s->is.remote, .host = s->is.host};
	struct relay_frame f;

	if (relay_frame_decode(p, n, &f) != TM_OK)
		return false;

	const uint32_t other = relay_other(f.pair, w->env->host);
	const unsigned count = (unsigned)((f.n + f.segment - 1) / f.segment);
	struct frame *whole = frame_out_of(w, s, n, count);
	struct relayed_run run = {
		.pair = f.pair,
		.p = p + RELAY_FRAME_HEAD,
		.n = f.n,
		.step = f.segment,
		.tos = f.tos,
		.count = count,
		.whole = whole ? &whole : NULL,
	};

	if (!other) {
		if (forward_run(w, &from, &run))
			mates_saw(w, s, f.pair);
	} else if (!s->is.host || s->is.host == other) {
		ingress_frame(w, &s->is.remote, s->number, &run);
	} else {
		worker_drop_n(w, DROP_RELAY_STRANGER, run.count);
	}
	/* What was pushed lies in the frame, or where the next one is taken apart. */
	worker_flush(w);
	frame_free(whole);
	return true;
}

static bool take_message(struct worker *w, struct stream *s, const uint8_t *p, size_t n)
{
	if (n && p[0] >> 6 == 0 && n <= STUN_MAX && stun_classify(p, n)) {
		ingress_stream_stun(w, &s->is.remote, s->number, p, n);
		return true;
	}
	/* The decoder's own memory, ours until the next message. */
	return take_frame(w, s, (uint8_t *)(uintptr_t)p, n);
}

static int take_event(struct worker *w, struct stream *s, const struct ws_event *ev)
{
	uint8_t mask[WS_MASK];
	struct frame *f;

	switch (ev->kind) {
	case WS_EV_MESSAGE:
		return take_message(w, s, ev->data, ev->n) ? TM_OK : TM_EPROTO;
	case WS_EV_PING:
		f = frame_of_pong(ev->data, ev->n, mask_of(s, mask));
		if (f)
			put(w, s, f);
		return TM_OK;
	case WS_EV_CLOSE:
		return TM_ECLOSED;
	case WS_EV_PONG:
	case WS_EV_MORE:
		break;
	}
	return TM_OK;
}

static void take_bytes(struct worker *w, struct stream *s, const uint8_t *p, size_t n)
{
	struct rd in = rd_over(p, n);

	while (!s->broken) {
		struct ws_event ev;
		int err = ws_decode(&s->in, &in, &ev);

		if (!err && ev.kind == WS_EV_MORE)
			return;
		if (!err)
			err = take_event(w, s, &ev);
		if (err)
			give_up(s, err);
	}
}

static void take_early(struct worker *w, struct stream *s)
{
	uint8_t *early = TAKE(s->early);

	if (early)
		take_bytes(w, s, early, s->n_early);
	free(early);
}

/* What begins with the next byte is read into memory of the pool. */
static void lend_memory(struct worker *w, struct stream *s)
{
	if (!s->in.msg) {
		void *memory = frame_pool_take(worker_frame_pool(w));

		if (memory)
			ws_give(&s->in, memory, RELAY_FRAME_MAX);
	}
}

/* A stream that waits has none, unless it is amid a frame. */
static void take_memory_back(struct worker *w, struct stream *s)
{
	if (s->in.given && !ws_is_amid(&s->in))
		frame_pool_give(worker_frame_pool(w), ws_take(&s->in));
}

/* Once; *ahead: of what may belong to several messages; adds to *got. TM_EAGAIN: there is no more now. */
static int read_once(struct worker *w, struct stream *s, size_t *ahead, size_t *got)
{
	uint8_t *in = w->streams->in;
	size_t lacks = 0, n;

	lend_memory(w, s);
	uint8_t *there = ws_room(&s->in, &lacks);
	const size_t asked = lacks + *ahead;
	int err = read_some(s, there, lacks, in, *ahead, &n);
	if (err)
		return err;

	*got += n;
	/* Short messages: there may be many. */
	if (!there && n == *ahead)
		*ahead = sizeof(w->streams->in);
	if (there)
		ws_filled(&s->in, MIN(n, lacks));
	take_bytes(w, s, in, n - MIN(n, lacks));
	return n < asked && !s->is.io ? TM_EAGAIN : TM_OK;
}

/* --- reading, and what is ready --- */

static bool read_burst(struct worker *w, struct stream *s)
{
	size_t ahead = READ_AHEAD, got = 0;
	unsigned n = 0;
	int err = TM_OK;

	take_early(w, s);
	/* As much as a long frame, in so many pieces, then others have their turn. What is pending inside TLS
	 * makes no descriptor readable. */
	for (; !err && !s->broken && ((got < STREAM_READ_BYTES && n < READS_MAX) || pending(s)); n++)
		err = read_once(w, s, &ahead, &got);
	owed_ack(w, s, got);
	take_memory_back(w, s);
	if (err && err != TM_EAGAIN)
		give_up(s, err);
	return !err && !s->broken;
}

bool stream_burst(struct worker *w, struct guest *g, unsigned what)
{
	struct stream *s = CONTAINER_OF(g, struct stream, guest);

	assert(stream_owner(s) == w);
	if (s->broken)
		return false;
	if (what & WAIT_WRITE || s->blocked)
		stream_write(w, s);
	return what & (WAIT_READ | WAIT_BROKEN) || s->early ? read_burst(w, s) : false;
}

void stream_free(void *stream)
{
	struct stream *s = stream;
	uint8_t bye[WS_CONTROL_FRAME_MAX], mask[WS_MASK];
	size_t n, ignored;

	if (!s->broken && !s->writing) {
		n = ws_encode_close(WS_CLOSE_GOING_AWAY, NULL, mask_of(s, mask), bye, sizeof(bye));
		(void)!write_some(s, bye, n, &ignored);
	}
	if (s->is.io)
		s->is.io->free(s->is.ctx);
	tcp_close(s->is.fd);
	frame_free(s->writing);
	frames_deinit(&s->queue);
	ws_decoder_deinit(&s->in);
	free(s->early);
	free(s);
}
