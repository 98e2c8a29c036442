/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The control thread's half at run time: what workers report, what the WireGuard device asks for, freeing
 * what is unused. */
#include "data/plane/plane_private.h"

#include "crypto/init.h"
#include "os/tun.h"

#include <string.h>

/* Then the event loop has its turn: one round of this is a few milliseconds even when all of it is
 * handshakes. */
enum { EVENTS_PER_ROUND = 64 };
/* While something waits for workers to pass. */
#define RECLAIM_EVERY (50 * MS)
/*
 * DSCP AF41, as other implementations mark handshakes: they are few, and a tunnel stands still without them.
 */
enum { TOS_HANDSHAKE = 0x88 };

/* From here on a new wish is a new note. */
static void forget_noted(struct plane *p)
{
	for (size_t i = 0; i < p->notes.n; i++) {
		struct peer *peer = p->notes.v[i].kind == NOTE_WANT_PATH
					    ? device_peer_find(p->device, p->notes.v[i].key)
					    : NULL;

		if (peer)
			side_of(peer)->want_noted = false;
	}
}

void plane_want_path(struct plane *p, struct peer *peer)
{
	struct peer_side *side = side_of(peer);

	if (side->want_noted)
		return;

	side->want_noted = true;
	notes_add(&p->notes, NOTE_WANT_PATH, peer->key, NULL);
}

/* --- what the device asks for --- */

/* A question for a session goes by both ways while one is in doubt: the second that arrives is a replay, and
 * the answer comes by the way of the first. */
static void send_also(struct plane *p, struct peer *peer, struct datagram dg)
{
	const struct way *also = atomic_load_explicit(&peer->also, memory_order_relaxed);

	if (also)
		(void)!out_now(&p->self.out, &also->to, &dg, false);
}

static void op_send(void *ctx, struct peer *peer, const struct way_to *by, const uint8_t *msg, size_t n)
{
	struct plane *p = ctx;
	struct datagram dg = {.data = (uint8_t *)(uintptr_t)msg, .n = n, .tos = TOS_HANDSHAKE};
	int err;

	if (snapshot_loops(p->self.snap, &by->remote.ip)) {
		worker_drop(&p->self, DROP_LOOP);
		return;
	}
	err = out_now(&p->self.out, by, &dg, false);
	if (peer && n == WG_INIT_LEN)
		send_also(p, peer, dg);
	if (err)
		worker_drop(&p->self, err == TM_EUNSUPPORTED ? DROP_NO_SENDER : DROP_SEND_FAILED);
	if (!peer)
		return;

	atomic_fetch_add_explicit(&peer->tx_bytes, n, memory_order_relaxed);
	if (dg.local_refused)
		worker_unstick(&p->self, peer);
}

static void op_send_keepalive(void *ctx, struct peer *peer)
{
	struct plane *p = ctx;
	struct keypair *kp = atomic_load_explicit(&peer->current, memory_order_relaxed);
	const struct way *way = atomic_load_explicit(&peer->way, memory_order_relaxed);
	uint8_t buffer[PACKET_HEADROOM + PACKET_TAILROOM];
	struct seal_run run;

	if (!kp || !way)
		return;
	if (seal_begin(&p->self, peer, kp, way, 1, false, &run) == TM_OK)
		seal_put(&p->self, &run, buffer + PACKET_HEADROOM, 0);
	else
		worker_drop(&p->self, DROP_SEND_EXPIRED);
	worker_flush(&p->self);
}

static void op_flush_staged(void *ctx, struct peer *peer, struct keypair *kp)
{
	struct plane *p = ctx;
	struct staged_queue *q = &side_of(peer)->staged;
	const struct way *way = atomic_load_explicit(&peer->way, memory_order_relaxed);
	struct staged *held[UDP_SEND_MAX];
	size_t n = 0;

	/* A new session, so the next wish for one is news again. */
	atomic_store_explicit(&peer->renew_pending, false, memory_order_release);
	if (!way)
		return;

	for (struct staged *st; (st = staged_queue_pop(q));) {
		struct seal_run run;

		if (seal_begin(&p->self, peer, kp, way, 1, st->from_tun, &run) == TM_OK)
			seal_put(&p->self, &run, staged_packet(st), st->n);
		else
			worker_drop(&p->self, DROP_SEND_EXPIRED);
		held[n++] = st;
		if (n < UDP_SEND_MAX && q->n)
			continue;
		worker_flush(&p->self);
		while (n)
			staged_free(held[--n]);
	}
}

static void op_drop_staged(void *ctx, struct peer *peer)
{
	struct plane *p = ctx;
	struct staged_queue *q = &side_of(peer)->staged;

	atomic_store_explicit(&peer->renew_pending, false, memory_order_release);
	for (struct staged *st; (st = staged_queue_pop(q));) {
		bool newest = q->n == 0;
		struct ip_view v;

		worker_drop(&p->self, DROP_NO_PATH);
		if (newest && st->from_tun && !p->closing &&
			ip_view_of(staged_packet(st), st->n, &v) == TM_OK)
			worker_icmp(&p->self, ICMP_HOST_UNREACHABLE, 0, &v, true);
		staged_free(st);
	}
}

static void free_keypair(void *kp)
{
	keypair_free(kp);
}

static void op_retire_keypair(void *ctx, struct keypair *kp)
{
	struct plane *p = ctx;

	epoch_retire(&p->epoch, &kp->retired, kp, free_keypair);
}

static void op_retire_way(void *ctx, struct way *way)
{
	struct plane *p = ctx;

	epoch_retire(&p->epoch, &way->retired, way, free);
}

static void op_retire_peer(void *ctx, struct peer *peer)
{
	struct plane *p = ctx;

	plane_add_traffic(&p->past, peer);
	side_free(peer->owner); /* its staged packets are gone: drop_staged came before */
	peer->owner = NULL;
	epoch_retire(&p->epoch, &peer->retired, peer, device_peer_free);
}

static void op_want_way(void *ctx, struct peer *peer)
{
	plane_want_path(ctx, peer);
}

static void op_heard(void *ctx, struct peer *peer, const struct way_to *by)
{
	struct plane *p = ctx;

	notes_add(&p->notes, NOTE_HEARD, peer->key, by);
}

static void op_session_changed(void *ctx, struct peer *peer, bool up)
{
	struct plane *p = ctx;

	p->past.sessions += up;
	atomic_store_explicit(&peer->renew_pending, false, memory_order_release);
	notes_add(&p->notes, up ? NOTE_UP : NOTE_DOWN, peer->key, NULL);
}

static void op_step(void *ctx, const struct peer *peer, enum device_step step, const struct way_to *by)
{
	static const char *const what[] = {
		[DEV_ASKED] = "asked for a session",
		[DEV_ANSWERED] = "answered the peer's question for a session",
		[DEV_GAVE_UP] = "gave up, nothing was answered",
	};
	struct plane *p = ctx;
	uint64_t *const counts[] = {
		[DEV_ASKED] = &p->past.asked,
		[DEV_ANSWERED] = &p->past.answered,
		[DEV_GAVE_UP] = &p->past.gave_up,
	};

	++*counts[step];
	if (p->ev.handshake)
		p->ev.handshake(p->ev.ctx, peer->key, by, what[step]);
}

static void op_entropy(void *ctx, void *out, size_t n)
{
	(void)ctx;
	random_bytes(out, n);
}

static ns_t op_real_time(void *ctx)
{
	const struct plane *p = ctx;

	return p->ev.real_time ? p->ev.real_time(p->ev.ctx) : time_real();
}

void plane_fill_ops(struct plane *p, struct device_ops *ret_ops)
{
	*ret_ops = (struct device_ops){
		.ctx = p,
		.send = op_send,
		.send_keepalive = op_send_keepalive,
		.flush_staged = op_flush_staged,
		.drop_staged = op_drop_staged,
		.retire_keypair = op_retire_keypair,
		.retire_way = op_retire_way,
		.retire_peer = op_retire_peer,
		.want_way = op_want_way,
		.heard = op_heard,
		.session_changed = op_session_changed,
		.step = op_step,
		.entropy = op_entropy,
		.real_time = op_real_time,
	};
}

/* --- what workers report --- */

static void on_handshake(struct plane *p, const struct event *e)
{
	enum device_verdict v = device_receive_screened(
		p->device, p->self.now, &e->by, e->bytes, e->n, event_waiting(&p->events, EVENT_HANDSHAKE));

	if (v == DEV_OK) {
		plane_forgive(p, &e->by.remote.ip);
		return;
	}
	worker_drop(&p->self, drop_of_verdict(v));
	if (p->ev.handshake)
		p->ev.handshake(p->ev.ctx, NULL, &e->by, plane_drop_text(drop_of_verdict(v)));
}

static void on_staged(struct plane *p, const struct event *e)
{
	struct peer *peer = e->peer;
	struct staged *oldest;

	if (!peer->owner) {
		worker_drop(&p->self, DROP_NO_ROUTE);
		staged_free(e->staged);
		return;
	}
	oldest = staged_queue_push(&side_of(peer)->staged, e->staged);
	if (oldest) {
		worker_drop(&p->self, DROP_STAGED_FULL);
		staged_free(oldest);
	}
	if (!atomic_load_explicit(&peer->way, memory_order_relaxed))
		plane_want_path(p, peer);
	device_want_session(p->device, peer, p->self.now);
}

static void on_heard(struct plane *p, const struct event *e)
{
	device_heard(p->device, e->peer, &e->by, p->self.now);
	if (side_of(e->peer)->staged.n)
		device_want_session(p->device, e->peer, p->self.now);
}

static void on_renew(struct plane *p, struct peer *peer)
{
	device_want_session(p->device, peer, p->self.now);
	/* Until this try has ended, one way or the other, the workers need not ask again with each packet. */
	if (peer->timers.wanted)
		atomic_store_explicit(&peer->renew_pending, true, memory_order_release);
}

static void on_peer_event(struct plane *p, const struct event *e)
{
	/* Removed since; the memory is good until this round of events is over. */
	if (!e->peer->owner)
		return;

	switch ((enum event_kind)e->kind) {
	case EVENT_HEARD:
		on_heard(p, e);
		break;
	case EVENT_UNSTICK:
		device_peer_unstick(p->device, e->peer, p->self.now);
		break;
	case EVENT_CONFIRMED:
		device_confirmed(p->device, e->peer, e->kp, p->self.now);
		break;
	case EVENT_ARMED:
		device_observe(p->device, e->peer, p->self.now);
		break;
	case EVENT_RENEW:
		on_renew(p, e->peer);
		break;
	case EVENT_HANDSHAKE:
	case EVENT_STUN:
	case EVENT_STAGED:
	case EVENT_OFFLOAD_LOST:
	case EVENT_TUN_LOST:
	case EVENT_N:
		break;
	}
}

/* Workers share causes; the owner hears once of each. */
static void on_offload_lost(struct plane *p)
{
	unsigned left = plane_offloads(p);

	if (left == p->offloads_told)
		return;

	p->offloads_told = left;
	p->offload_losses++;
	notes_add(&p->notes, NOTE_OFFLOAD_LOST, NULL, NULL);
}

static void on_event(struct plane *p, const struct event *e)
{
	switch (e->kind) {
	case EVENT_HANDSHAKE:
		on_handshake(p, e);
		break;
	case EVENT_STUN:
		if (p->ev.stun)
			p->ev.stun(p->ev.ctx, &e->by, e->bytes, e->n);
		break;
	case EVENT_STAGED:
		on_staged(p, e);
		break;
	case EVENT_OFFLOAD_LOST:
		on_offload_lost(p);
		break;
	case EVENT_TUN_LOST:
		if (!p->tun_lost)
			notes_add(&p->notes, NOTE_TUN_LOST, NULL, NULL);
		p->tun_lost = true;
		break;
	default:
		on_peer_event(p, e);
		break;
	}
}

void plane_drain(struct plane *p)
{
	struct event e;

	while (event_take(&p->events, &e))
		if (e.kind == EVENT_STAGED)
			staged_free(e.staged);
}

/*
 * Events carry pointers to peers and keypairs, put in by workers before they passed a quiescent point. So:
 * first choose the limit up to which workers have passed, then empty the ring of what was in it at that
 * moment, then free.
 */
static void choose_limit(struct plane *p)
{
	if (p->safe)
		return;

	p->safe = epoch_safe_before(&p->epoch);
	p->drain_to = event_mark(&p->events);
}

static void free_up_to_limit(struct plane *p)
{
	if (!event_passed(&p->events, p->drain_to))
		return;

	epoch_reclaim_before(&p->epoch, p->safe);
	p->index_waiting = index_collect(p->env.index, p->safe);
	p->safe = 0;
}

ns_t plane_service(struct plane *p, ns_t now)
{
	unsigned n = 0;
	struct event e;
	ns_t next;

	plane_enter(p, now);
	choose_limit(p);
	event_acknowledge(&p->events);
	while (n < EVENTS_PER_ROUND && event_take(&p->events, &e)) {
		on_event(p, &e);
		n++;
	}
	plane_bury_streams(p);
	plane_settle_streams(p);
	plane_join_mates(p);
	plane_give_sidings(p);
	next = device_run(p->device, p->self.now);
	free_up_to_limit(p);
	if (p->notes.n) {
		forget_noted(p);
		notes_deliver(&p->notes, &p->ev);
		next = now; /* the calls may have changed deadlines */
	}
	if (plane_tell_ended(p))
		next = now;
	if (n == EVENTS_PER_ROUND)
		next = now;
	if (p->epoch.waiting || p->index_waiting)
		next = ns_min(next, now + RECLAIM_EVERY);
	return ns_min(next, plane_sidings_next(p));
}
