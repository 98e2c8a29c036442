/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "data/plane/streaming.h"

#include "crypto/init.h"
#include "data/plane/forward.h"
#include "os/tcp.h"

#include <string.h>

/* --- bytes --- */

static int read_some(struct stream *s, uint8_t *p, size_t n, size_t *ret_n)
{
	return s->is.io ? s->is.io->read(s->is.ctx, p, n, ret_n) : tcp_recv(s->is.fd, p, n, ret_n);
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

	crowd_change(s->owner->crowd, s->is.fd, what, &s->guest);
}

/* Nothing is read or written any more; the control thread buries it. */
static void give_up(struct stream *s, int err)
{
	struct streams *all = atomic_load_explicit(s->owner->env->streams, memory_order_acquire);

	if (s->broken)
		return;

	s->broken = true;
	s->err = err;
	crowd_remove(s->owner->crowd, s->is.fd);
	s->next_broken = atomic_load_explicit(&all->broken, memory_order_relaxed);
	while (!atomic_compare_exchange_weak_explicit(
		&all->broken, &s->next_broken, s, memory_order_release, memory_order_relaxed))
		;
	event_wake(s->owner->env->events);
}

/* --- writing --- */

static const uint8_t *mask_of(const struct stream *s, uint8_t mask[static WS_MASK])
{
	if (s->is.role != WS_CLIENT)
		return NULL;
	random_bytes(mask, WS_MASK);
	return mask;
}

static bool next_frame(struct worker *w, struct stream *s)
{
	uint8_t mask[WS_MASK];
	unsigned dropped = 0;

	if (!s->writing) {
		s->writing = frames_take(&s->queue, w->now, &dropped);
		if (s->writing)
			frame_wrap(s->writing, mask_of(s, mask));
	}
	if (dropped)
		worker_drop_n(w, DROP_STREAM_FULL, dropped);
	return s->writing;
}

/* As much of what waits as the stream takes. */
static void write_queue(struct worker *w, struct stream *s)
{
	bool blocked = false;

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
	unsigned dropped;

	if (s->broken) {
		worker_drop_n(w, DROP_STREAM_FULL, f_take->packets);
		frame_free(f_take);
		return;
	}
	dropped = frames_put(&s->queue, f_take, w->now);
	if (dropped)
		worker_drop_n(w, DROP_STREAM_FULL, dropped);
	if (!s->blocked)
		write_queue(w, s);
}

static bool post(struct worker *owner, const struct parcel *p)
{
	struct ring_mpsc *ring = p->frame->urgent ? owner->post.urgent : owner->post.ring;

	if (!ring_mpsc_push(ring, p, sizeof(*p)))
		return false;

	/* Sequentially consistent: the owner clears it before it looks into the ring. */
	if (!atomic_exchange(&owner->post.woken, true))
		bell_ring(&owner->post.bell);
	return true;
}

int stream_send(struct worker *w, uint32_t stream, struct frame *f_take)
{
	const struct streams *all = atomic_load_explicit(w->env->streams, memory_order_acquire);
	struct stream *s = streams_find(all, stream);

	if (!f_take)
		return TM_ENOMEM;
	if (!s) {
		frame_free(f_take);
		return TM_ENOENT;
	}
	if (s->owner == w) {
		put(w, s, f_take);
		return TM_OK;
	}
	if (post(s->owner, &(struct parcel){.stream = stream, .frame = f_take}))
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
			.tos = v[first].tos};

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

static bool read_post(struct worker *w, struct guest *g, unsigned what)
{
	struct parcel p;
	unsigned n = 0;

	(void)g, (void)what;
	bell_stop(&w->post.bell);
	atomic_exchange(&w->post.woken, false);
	for (; n < PARCELS_MAX && next_parcel(w, &p); n++) {
		struct stream *s =
			streams_find(atomic_load_explicit(w->env->streams, memory_order_acquire), p.stream);

		if (s) {
			put(w, s, p.frame);
			continue;
		}
		worker_drop_n(w, DROP_STREAM_FULL, p.frame->packets);
		frame_free(p.frame);
	}
	/* What came behind those has rung again. */
	return n == PARCELS_MAX;
}

int worker_open_post(struct worker *w)
{
	int err = bell_init(&w->post.bell);

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

/* False: it is no frame. */
static bool take_frame(struct worker *w, struct stream *s, uint8_t *p, size_t n)
{
	struct relay_frame f;
	const struct relay_source from = {
		.kind = WAY_RELAY_TCP, .socket = s->number, .remote = &s->is.remote, .host = s->is.host};

	if (relay_frame_decode(p, n, &f) != TM_OK)
		return false;

	const uint32_t other = relay_other(f.pair, w->env->host);
	struct relayed_run run = {
		.pair = f.pair,
		.p = p + RELAY_FRAME_HEAD,
		.n = f.n,
		.step = f.segment,
		.tos = f.tos,
		.count = (unsigned)((f.n + f.segment - 1) / f.segment),
	};

	if (!other) {
		forward_run(w, &from, &run);
	} else if (!s->is.host || s->is.host == other) {
		ingress_frame(w, &s->is.remote, s->number, &run);
	} else {
		worker_drop_n(w, DROP_RELAY_STRANGER, run.count);
	}
	/* What was pushed lies in buffers that the next frame needs. */
	worker_flush(w);
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

static bool read_burst(struct worker *w, struct stream *s)
{
	take_early(w, s);
	while (!s->broken) {
		size_t n;
		int err = read_some(s, w->streams->in, sizeof(w->streams->in), &n);

		if (err == TM_EAGAIN)
			return false;
		if (err)
			give_up(s, err);
		else
			take_bytes(w, s, w->streams->in, n);
		/* What is pending inside TLS makes no descriptor readable. */
		if (!pending(s))
			break;
	}
	return !s->broken;
}

bool stream_burst(struct worker *w, struct guest *g, unsigned what)
{
	struct stream *s = CONTAINER_OF(g, struct stream, guest);

	if (s->broken)
		return false;
	if (what & WAIT_WRITE || s->blocked)
		write_queue(w, s);
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
