/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "data/plane/worker.h"

#include "data/plane/again.h"
#include "data/plane/kept.h"
#include "data/plane/mates.h"
#include "data/plane/owed.h"
#include "os/low/memory.h"
#include "os/tun.h"

#include <stdio.h>
#include <string.h>

/* Scratch: an ICMP error under construction, and the copy of a packet that turned out too big. */
static size_t scratch_bytes(const struct worker_env *env)
{
	return 2 * env->slot_bytes;
}

void worker_allow_merging(struct worker *w)
{
	const unsigned may =
		tun_offloads(w->env->tun) & ~atomic_load_explicit(&w->merge_refused, memory_order_relaxed);

	coalesce_allow(w->merge, may & TUN_OFFLOAD_TCP, may & TUN_OFFLOAD_UDP);
}

/* Receiving: a few slots for trains, or many for single datagrams. */
static int make_buffers(struct worker *w)
{
	const struct worker_env *env = w->env;
	const bool trains = w->udp_offloads & UDP_OFFLOAD_GRO;
	const size_t cap = trains ? UDP_TRAIN_MAX : env->packet_bytes;
	const size_t slot = PACKET_HEADROOM + cap + PACKET_TAILROOM;
	int err = coalescer_new(&w->merge);

	if (!err)
		err = kept_new(&w->kept);
	if (err)
		return err;

	worker_allow_merging(w);
	w->n_rx = trains ? RX_TRAINS : UDP_RECV_MAX;
	w->rx_mem = memory_aligned(64, w->n_rx * slot);
	w->super = memory_aligned(64, TUN_PACKET_MAX + 1);
	w->seal.arena = memory_aligned(64, SEAL_ARENA_BYTES);
	if (!w->rx_mem || !w->super || !w->seal.arena)
		return TM_ENOMEM;

	for (size_t i = 0; i < w->n_rx; i++)
		w->rx[i] = (struct datagram){
			.data = w->rx_mem + i * slot + PACKET_HEADROOM - WG_DATA_HEADER,
			.cap = cap,
		};
	return TM_OK;
}

static struct inlet *tun_inlet(struct worker *w)
{
	return &w->inlet[1];
}

static int add_inlet(
	struct worker *w, int fd, bool (*burst)(struct worker *w, unsigned number), unsigned number)
{
	struct inlet *in = &w->inlet[w->n_inlets];

	*in = (struct inlet){.burst = burst, .number = number};
	int err = wait_add(w->waits, fd, WAIT_READ, &in->place);
	if (!err)
		w->n_inlets++;
	return err;
}

enum { GUESTS_PER_BURST = 8 };

static bool guest_burst(struct worker *w, struct guest *g, unsigned what)
{
	w->now = time_monotonic();
	return g->burst(w, g, what);
}

/* Batches until it is dry, or until its time is over. Our own time: what other programs have of the CPU
 * meanwhile is nobody's debt. */
static bool take_turn(struct worker *w, struct guest *g, unsigned what)
{
	bool more = true;

	if (turn_has_batch_first(&g->turn)) {
		if (!guest_burst(w, g, what))
			return false;
		what = WAIT_READ;
	}
	ns_t now = time_of_thread();
	const ns_t ends = turn_ends(&g->turn, now);

	while (more && now < ends) {
		more = guest_burst(w, g, what);
		what = WAIT_READ;
		now = time_of_thread();
	}
	turn_over(&g->turn, ends, now, more);
	return more;
}

/* Beside a socket of our own that has more, one of them at a time: most members have no other. */
static bool crowd_burst(struct worker *w, unsigned ignored)
{
	struct crowd_ready v[GUESTS_PER_BURST];
	const size_t most = w->inlet[0].ready ? 1 : ARRAY_LEN(v);
	const size_t n = crowd_ready(w->crowd, v, most);
	bool more = n == most;

	(void)ignored;
	for (size_t i = 0; i < n; i++)
		more |= take_turn(w, v[i].who, v[i].what);
	if (UNLIKELY(w->leaving))
		mates_leave(w); /* in no list of those that are ready any more */
	w->crowded = more;
	return more;
}

/* Our own socket, which many share, has as much time as a guest, if there are any; else a batch at a time. */
static bool socket_burst(struct worker *w, unsigned ignored)
{
	const ns_t ends = w->crowded ? time_of_thread() + TURN : 0;
	bool more = ingress_burst(w, ignored);

	while (more && w->crowded && time_of_thread() < ends) {
		w->now = time_monotonic();
		more = ingress_burst(w, ignored);
	}
	return more;
}

static int make_inlets(struct worker *w)
{
	int err = wait_set_new(&w->waits);

	if (!err)
		err = wait_add(w->waits, bell_fd(w->env->stop), WAIT_READ, &w->stop_place);
	if (!err)
		err = add_inlet(w, udp_fd(w->out.own), socket_burst, 0);
	if (!err)
		err = add_inlet(w, tun_fd(w->env->tun, w->id), egress_burst, w->id);
	if (!err)
		err = crowd_new(&w->crowd);
	if (!err)
		err = worker_open_post(w);
	if (!err)
		err = add_inlet(w, crowd_fd(w->crowd), crowd_burst, 0);
	w->inlet[INLETS - 1].told = true;
	return err;
}

int worker_init(
	struct worker *w, const struct worker_env *env, unsigned id, struct udp *udp, bool with_buffers)
{
	int err;

	*w = (struct worker){.env = env, .id = id, .owner = thread_self(), .post.bell = BELL_NONE};
	out_init(&w->out, udp, env->sockets);
	w->out.stream = stream_send_datagrams;
	w->out.stream_ctx = w;
	w->udp_offloads = out_offloads(&w->out);
	err = env->aead ? aead_new_with(env->aead, &w->aead) : aead_new(&w->aead);
	if (err)
		return err;

	w->scratch = memory_aligned(64, scratch_bytes(env));
	if (!w->scratch)
		return TM_ENOMEM;
	if (!with_buffers)
		return TM_OK;

	err = askers_init(&w->askers);
	if (!err)
		err = make_buffers(w);
	return err ? err : make_inlets(w);
}

void worker_deinit(struct worker *w)
{
	aead_free(w->aead);
	coalescer_free(w->merge);
	worker_close_post(w);
	again_forget(w);
	free(w->kept);
	free(w->streams);
	wait_set_free(w->waits);
	crowd_free(w->crowd);
	memory_aligned_free(w->rx_mem);
	memory_aligned_free(w->super);
	memory_aligned_free(w->seal.arena);
	memory_aligned_free(w->scratch);
	w->aead = NULL;
	w->merge = NULL;
	w->waits = NULL;
	w->crowd = NULL;
	w->streams = NULL;
	w->kept = NULL;
	w->rx_mem = w->super = w->seal.arena = w->scratch = NULL;
}

/*
 * The agreement with the control thread about timers: whoever sets one of the two times while nobody watches
 * the peer sets `armed` and says so. Sequentially consistent on both sides (data/peer/device_timers.c,
 * peer_service).
 */
static void arm(struct worker *w, struct peer *p, _Atomic(ns_t) *since)
{
	struct event e = {.kind = EVENT_ARMED, .peer = p};

	if (atomic_load_explicit(since, memory_order_relaxed))
		return;

	atomic_store(since, w->now);
	if (atomic_load(&p->armed) || atomic_exchange(&p->armed, true) || event_post(w->env->events, &e))
		return;

	/* Nobody was told: forget the time too, so that the next packet tries again. */
	atomic_store(&p->armed, false);
	atomic_store(since, 0);
}

static void clear(_Atomic(ns_t) *since)
{
	/* Mostly it is 0 already: do not dirty the line. */
	if (atomic_load_explicit(since, memory_order_relaxed))
		atomic_store_explicit(since, 0, memory_order_relaxed);
}

void worker_sent(struct worker *w, struct peer *p, bool data)
{
	atomic_store_explicit(&p->last_auth_sent, w->now, memory_order_relaxed);
	clear(&p->data_recv_unacked);
	if (data)
		arm(w, p, &p->data_sent_unanswered);
}

void worker_received(struct worker *w, struct peer *p, bool data)
{
	w->heard++;
	atomic_store_explicit(&p->last_auth_recv, w->now, memory_order_relaxed);
	clear(&p->data_sent_unanswered);
	if (data)
		arm(w, p, &p->data_recv_unacked);
}

void worker_want_renewal(struct worker *w, struct peer *p)
{
	struct event e = {.kind = EVENT_RENEW, .peer = p};

	if (atomic_load_explicit(&p->renew_pending, memory_order_relaxed) ||
		atomic_exchange_explicit(&p->renew_pending, true, memory_order_acq_rel))
		return;
	if (!event_post(w->env->events, &e))
		atomic_store_explicit(&p->renew_pending, false, memory_order_release);
}

void worker_unstick(struct worker *w, struct peer *p)
{
	struct event e = {.kind = EVENT_UNSTICK, .peer = p};

	/* Shares the flag with what is heard: both are about the way. */
	if (!atomic_exchange_explicit(&p->heard_pending, true, memory_order_acq_rel) &&
		!event_post(w->env->events, &e))
		atomic_store_explicit(&p->heard_pending, false, memory_order_release);
}

void worker_offload_lost(struct worker *w)
{
	struct event e = {.kind = EVENT_OFFLOAD_LOST};

	if (!event_post(w->env->events, &e))
		return; /* the next batch tries again */

	w->udp_offloads = out_offloads(&w->out);
	w->merge_told = atomic_load_explicit(&w->merge_refused, memory_order_relaxed);
}

void worker_tun_lost(struct worker *w)
{
	struct event e = {.kind = EVENT_TUN_LOST};

	if (!w->tun_lost)
		w->tun_lost = event_post(w->env->events, &e);
}

enum { BURSTS_PER_ROUND = 16, ASK_AGAIN_EVERY = 4 };

/* One batch from each that has something, or from all; true: there may be more. */
static bool burst(struct worker *w, bool all)
{
	bool more = false;

	for (unsigned i = 0; i < w->n_inlets; i++) {
		struct inlet *in = &w->inlet[i];
		bool closed = in == tun_inlet(w) && w->tun_lost;

		if (in->ready || (all && !closed && !in->told))
			in->ready = in->burst(w, in->number);
		more |= in->ready;
	}
	return more;
}

/*
 * Bursts until all inlets are dry, without asking in between whether they are. One that was dry is asked
 * again now and then: while another is busy it often has something too (acknowledgements of what was just
 * delivered), but a system call for nothing after every burst costs a twentieth of the CPU. Not for ever,
 * there may be a reason to stop.
 */
static void worker_round(struct worker *w)
{
	const struct worker_env *env = w->env;
	bool more = false;

	for (unsigned i = 0; i < w->n_inlets; i++) {
		w->inlet[i].ready = wait_ready(w->waits, w->inlet[i].place);
		more |= w->inlet[i].ready;
	}
	for (unsigned i = 1; i <= BURSTS_PER_ROUND && more; i++) {
		epoch_unpark(env->epoch, w->id);
		w->now = time_monotonic();
		w->snap = atomic_load_explicit(env->live, memory_order_acquire);
		more = burst(w, i % ASK_AGAIN_EVERY == 0);
	}
	if (w->owed.n) {
		epoch_unpark(env->epoch, w->id);
		w->now = time_monotonic();
		owed_pay(w);
	}
	/* Parked: a worker that waits holds nothing, so it delays nobody's reclamation. */
	w->snap = NULL;
	epoch_park(env->epoch, w->id);
}

/* Until it has something to do, whatever comes. */
static ns_t patience(const struct worker *w)
{
	return w->owed.n ? ns_max(w->owed.due - time_monotonic(), 0) : NS_NEVER;
}

static void worker_main(void *arg)
{
	struct worker *w = arg;
	const size_t tun = tun_inlet(w)->place;

	w->owner = thread_self();
	while (!wait_ready(w->waits, w->stop_place)) {
		wait_until_ready(w->waits, patience(w));
		worker_round(w);
		if (wait_ready(w->waits, tun) & WAIT_BROKEN)
			worker_tun_lost(w);
		if (w->tun_lost)
			wait_change(w->waits, tun, 0); /* it would be readable for ever */
	}
}

int worker_start(struct worker *w)
{
	char name[16];

	snprintf(name, sizeof(name), "worker-%u", w->id);
	int err = tm_err_from_errno(thread_start(&w->thread, name, worker_main, w));
	w->running = !err;
	return err;
}

void worker_join(struct worker *w)
{
	if (w->running)
		thread_join(&w->thread);
	w->running = false;
}
