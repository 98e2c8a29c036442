/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "data/plane/worker.h"

#include "os/tun.h"

#include <poll.h>
#include <signal.h>
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

	if (err)
		return err;

	worker_allow_merging(w);
	w->n_rx = trains ? RX_TRAINS : UDP_RECV_MAX;
	w->rx_mem = aligned_alloc(64, w->n_rx * slot);
	w->super = aligned_alloc(64, TUN_PACKET_MAX + 1);
	w->tx.arena = aligned_alloc(64, TX_ARENA_BYTES);
	if (!w->rx_mem || !w->super || !w->tx.arena)
		return TM_ENOMEM;

	for (size_t i = 0; i < w->n_rx; i++)
		w->rx[i] = (struct datagram){
			.data = w->rx_mem + i * slot + PACKET_HEADROOM - WG_DATA_HEADER,
			.cap = cap,
		};
	return TM_OK;
}

int worker_init(
	struct worker *w, const struct worker_env *env, unsigned id, struct udp *udp, bool with_buffers)
{
	int err;

	*w = (struct worker){.env = env, .id = id, .udp = udp, .link = {.ops = &link_udp, .udp = udp}};
	w->udp_offloads = udp_offloads(udp);
	err = env->aead ? aead_new_with(env->aead, &w->aead) : aead_new(&w->aead);
	if (err)
		return err;

	w->scratch = aligned_alloc(64, scratch_bytes(env));
	if (!w->scratch)
		return TM_ENOMEM;
	return with_buffers ? make_buffers(w) : TM_OK;
}

void worker_deinit(struct worker *w)
{
	aead_free(w->aead);
	coalescer_free(w->merge);
	free(w->rx_mem);
	free(w->super);
	free(w->tx.arena);
	free(w->scratch);
	w->aead = NULL;
	w->merge = NULL;
	w->rx_mem = w->super = w->tx.arena = w->scratch = NULL;
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

	w->udp_offloads = udp_offloads(w->udp);
	w->merge_told = atomic_load_explicit(&w->merge_refused, memory_order_relaxed);
}

void worker_tun_lost(struct worker *w)
{
	struct event e = {.kind = EVENT_TUN_LOST};

	if (!w->tun_lost)
		w->tun_lost = event_post(w->env->events, &e);
}

enum { BURSTS_PER_ROUND = 16, ASK_AGAIN_EVERY = 4 };
enum { POLL_UDP, POLL_TUN, POLL_STOP, POLL_N };

/*
 * Bursts until both sides are dry, without asking poll in between. A side that was dry is asked again now and
 * then: while the other is busy it often has something too (acknowledgements of what was just delivered), but
 * a system call for nothing after every burst costs a twentieth of the CPU. Not for ever, there may be a
 * reason to stop.
 */
static void worker_round(struct worker *w, bool udp, bool tun)
{
	const struct worker_env *env = w->env;

	for (unsigned i = 1; i <= BURSTS_PER_ROUND && (udp || tun); i++) {
		epoch_unpark(env->epoch, w->id);
		w->now = time_monotonic();
		w->snap = atomic_load_explicit(env->live, memory_order_acquire);
		bool again = i % ASK_AGAIN_EVERY == 0;
		if (udp || again)
			udp = ingress_burst(w);
		if (tun || (again && !w->tun_lost))
			tun = egress_burst(w);
	}
	/* Parked: a worker that waits holds nothing, so it delays nobody's reclamation. */
	w->snap = NULL;
	epoch_park(env->epoch, w->id);
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;
	const struct worker_env *env = w->env;
	struct pollfd pf[POLL_N] = {
		[POLL_UDP] = {.fd = udp_fd(w->udp), .events = POLLIN},
		[POLL_TUN] = {.fd = tun_fd(env->tun, w->id), .events = POLLIN},
		[POLL_STOP] = {.fd = env->stop_fd, .events = POLLIN},
	};

	while (!pf[POLL_STOP].revents) {
		if (poll(pf, POLL_N, -1) < 0)
			continue;

		worker_round(w, pf[POLL_UDP].revents, pf[POLL_TUN].revents);
		if (pf[POLL_TUN].revents & (POLLERR | POLLHUP | POLLNVAL))
			worker_tun_lost(w);
		if (w->tun_lost)
			pf[POLL_TUN].fd = -1; /* it would be readable for ever */
	}
	return NULL;
}

int worker_start(struct worker *w)
{
	sigset_t all, old;
	char name[16];
	int err;

	/* Signals are the control thread's business. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(&w->thread, NULL, worker_main, w);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (err)
		return tm_err_from_errno(err);

	w->running = true;
	snprintf(name, sizeof(name), "worker-%u", w->id);
	pthread_setname_np(w->thread, name);
	return TM_OK;
}

void worker_join(struct worker *w)
{
	if (!w->running)
		return;
	pthread_join(w->thread, NULL);
	w->running = false;
}
