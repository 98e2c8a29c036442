/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * From the socket: tell apart by the first bytes (WireGuard messages 1 to 4, STUN), open data in batches,
 * check, deliver (deliver.c). STUN and what may be a handshake go to the control thread. Nothing here
 * answers: silence to everybody who cannot authenticate.
 */
#include "data/plane/worker.h"

#include "data/peer/index.h"
#include "data/plane/forward.h"
#include "data/plane/legs.h"
#include "data/plane/siding.h"
#include "data/plane/tapping.h"

/* What every packet goes through is part of the loop, although relayed ones have a loop of their own: 36
 * instructions of 475. */
#define PER_PACKET __attribute__((always_inline))

/* How some messages of one train came. */
struct arrival {
	const struct datagram *dg;
	uint64_t relay; /* 0: straight */
};

/* One datagram of a train, without a relay's header. */
struct message {
	uint8_t *p;
	size_t n;
	const struct arrival *from;
};

/* Data messages of one burst on their way through the AEAD. */
enum { OPENING_MAX = 256, ARRIVALS_MAX = 2 * UDP_RECV_MAX };
struct opening {
	size_t n, n_arrivals;
	struct arrival arrival[ARRIVALS_MAX];
	struct aead_op op[OPENING_MAX];
	struct keypair *kp[OPENING_MAX];
	const struct arrival *from[OPENING_MAX];
};

static enum way_kind kind_of(const struct worker *w, const struct arrival *from)
{
	if (UNLIKELY(w->rx_stream))
		return WAY_RELAY_TCP;
	return from->relay ? WAY_RELAY_UDP : WAY_UDP;
}

/* How it came, which is how an answer goes. */
static struct way_to way_of(const struct worker *w, const struct arrival *from)
{
	const struct datagram *dg = from->dg;

	return (struct way_to){
		.kind = kind_of(w, from),
		.relay = from->relay,
		.socket = w->rx_socket,
		.remote = dg->remote,
		.local = dg->local,
		.local_ifindex = dg->local_ifindex,
	};
}

static void hand_over(struct worker *w, enum event_kind kind, const struct message *m)
{
	struct event e = {.kind = kind, .n = (uint16_t)m->n, .by = way_of(w, m->from)};

	/* From inside the mesh to the outside of the mesh: answering would put the tunnel into itself. */
	if (snapshot_loops(w->snap, &e.by.remote.ip)) {
		worker_drop(w, DROP_LOOP);
		return;
	}
	memcpy(e.bytes, m->p, m->n);
	if (!event_post(w->env->events, &e))
		worker_drop(w, DROP_QUEUE_FULL);
}

enum plane_drop drop_of_verdict(enum device_verdict v)
{
	static const enum plane_drop why[DEV_VERDICT_N] = {
		[DEV_MALFORMED] = DROP_HS_MALFORMED,
		[DEV_BAD_MAC1] = DROP_HS_MAC1,
		[DEV_NEED_COOKIE] = DROP_HS_COOKIE,
		[DEV_RATE_LIMITED] = DROP_HS_RATE,
		[DEV_DECRYPT] = DROP_HS_DECRYPT,
		[DEV_UNKNOWN_PEER] = DROP_HS_UNKNOWN_PEER,
		[DEV_OLD_TIMESTAMP] = DROP_HS_REPLAY,
		[DEV_FLOOD] = DROP_HS_FLOOD,
		[DEV_NO_HANDSHAKE] = DROP_HS_UNEXPECTED,
		[DEV_BAD_COOKIE] = DROP_HS_UNEXPECTED,
		[DEV_NO_MEMORY] = DROP_NO_MEMORY,
	};

	return why[v];
}

static void hand_over_handshake(struct worker *w, const struct message *m)
{
	enum device_verdict v = device_screen(w->env->device, m->p, m->n);

	if (v == DEV_OK)
		hand_over(w, EVENT_HANDSHAKE, m);
	else
		worker_drop(w, drop_of_verdict(v));
}

/* Somebody behind his address asks too often; he has a leg here, and that he asks is no news. What comes by
 * another relay has that one's address. */
static bool leg_may_ask(struct worker *w, const struct arrival *from)
{
	const struct legs *l = atomic_load_explicit(w->env->legs, memory_order_acquire);

	if (!l || w->rx_stream || from->relay)
		return false;
	const uint32_t place = legs_place(l, &from->dg->remote);
	return legs_any_at(l, place) && askers_may_from_leg(&w->askers, place, w->now);
}

static void hand_over_stun(struct worker *w, const struct message *m)
{
	if (askers_may(&w->askers, &m->from->dg->remote.ip, w->now) || leg_may_ask(w, m->from))
		hand_over(w, EVENT_STUN, m);
	else
		worker_drop(w, DROP_STUN_FLOOD);
}

static inline PER_PACKET void add_data(struct worker *w, struct opening *o, const struct message *msg)
{
	struct keypair *kp;
	struct wg_data m;

	if (wg_data_decode(msg->p, msg->n, &m) != TM_OK) {
		worker_drop(w, DROP_MALFORMED);
		return;
	}
	kp = index_find(w->env->index, m.receiver);
	if (!kp) {
		worker_drop(w, DROP_NO_SESSION);
		return;
	}
	if (keypair_recv_check(kp, w->now, m.counter) != TM_OK) {
		worker_drop(w, DROP_RECV_EXPIRED);
		return;
	}
	o->op[o->n] = (struct aead_op){
		.key = kp->recv_key,
		.counter = m.counter,
		.data = msg->p + WG_DATA_HEADER,
		.n = m.sealed_len - WG_TAG,
	};
	o->kp[o->n] = kp;
	o->from[o->n] = msg->from;
	o->n++;
}

/* By the first four bytes of a handshake message, whatever its length. */
static void drop_unknown(struct worker *w, const struct message *m)
{
	uint32_t type = m->n >= 4 ? get_le32(m->p) : 0;

	worker_drop(w, type >= WG_INIT && type <= WG_COOKIE_REPLY ? DROP_HS_MALFORMED : DROP_MALFORMED);
}

/* False: it is none that we know. */
static inline PER_PACKET bool sort_message(struct worker *w, struct opening *o, const struct message *m)
{
	switch (wg_classify(m->p, m->n)) {
	case WG_DATA:
		add_data(w, o, m);
		return true;
	case WG_INIT:
	case WG_RESPONSE:
	case WG_COOKIE_REPLY:
		hand_over_handshake(w, m);
		return true;
	default:
		break;
	}
	if (m->n > STUN_MAX || !stun_classify(m->p, m->n))
		return false;

	hand_over_stun(w, m);
	return true;
}

static bool came_by(const struct worker *w, const struct way *way, const struct arrival *from)
{
	if (!way || way->to.kind != kind_of(w, from) || way->to.relay != from->relay ||
		way->to.socket != w->rx_socket)
		return false;
	/* A stream has one other end, whatever it is called on this side. */
	return w->rx_stream ||
	       (endpoint_eq(&way->to.remote, &from->dg->remote) && ip_eq(&way->to.local, &from->dg->local));
}

/* Authentic, but not by the chosen way: the control thread is told now and then. */
static void report_way(struct worker *w, struct peer *p, const struct arrival *from)
{
	struct event e = {.kind = EVENT_HEARD, .peer = p, .by = way_of(w, from)};

	if (snapshot_loops(w->snap, &e.by.remote.ip) ||
		w->now < atomic_load_explicit(&p->heard_again, memory_order_relaxed) ||
		atomic_load_explicit(&p->heard_pending, memory_order_relaxed) ||
		atomic_exchange_explicit(&p->heard_pending, true, memory_order_acq_rel))
		return;
	if (!event_post(w->env->events, &e))
		atomic_store_explicit(&p->heard_pending, false, memory_order_release);
}

/* The session proved itself, or wants renewal, or its sender is elsewhere: things that the control thread
 * decides about. */
static void report(struct worker *w, struct peer *p, struct keypair *kp, const struct arrival *from)
{
	if (UNLIKELY(!atomic_load_explicit(&kp->confirmed, memory_order_relaxed)) &&
		!atomic_exchange_explicit(&kp->confirmed, true, memory_order_acq_rel)) {
		struct event e = {.kind = EVENT_CONFIRMED, .peer = p, .kp = kp};

		if (!event_post(w->env->events, &e))
			atomic_store_explicit(&kp->confirmed, false, memory_order_release);
	}

	if (came_by(w, atomic_load_explicit(&p->way, memory_order_acquire), from))
		atomic_store_explicit(&p->last_way_recv, w->now, memory_order_relaxed);
	else
		report_way(w, p, from);
	if (UNLIKELY(keypair_recv_wants_renewal(kp, w->now)))
		worker_want_renewal(w, p);
}

/* --- to whom it is for --- */

/* The source address that was last found to be a peer's: most packets of a run have the same. */
struct source {
	const uint8_t *addr;
	bool v4;
};

static bool source_is_peers(
	const struct worker *w, const struct peer *p, const uint8_t *packet, struct source *memo)
{
	const struct source s = {.addr = ip_src(packet), .v4 = packet[0] >> 4 == 4};

	if (memo->addr && memo->v4 == s.v4 && memcmp(memo->addr, s.addr, s.v4 ? 4 : 16) == 0)
		return true;
	if (snapshot_owner_of_src(w->snap, packet) != p)
		return false;

	*memo = s;
	return true;
}

/* Packets of one peer that are for us, on their way through the filter together. */
struct inbound {
	struct peer *from;
	struct source memo;
	size_t n;
	uint8_t *packet[FILTER_BATCH];
	struct ip_view v[FILTER_BATCH];
};

static void judge_all(struct worker *w, struct inbound *in)
{
	const struct judged j = {.dir = FILTER_INGRESS, .peer = in->from, .packets = 1};
	const unsigned refused = worker_judge(w, &j, in->v, in->n);

	for (size_t i = 0; i < in->n; i++)
		if (!(refused >> i & 1))
			worker_to_tun(w, in->packet[i], &in->v[i]);
	in->n = 0;
}

static void deliver(struct worker *w, struct inbound *in, uint8_t *packet, const struct ip_view *v)
{
	const bool ours = snapshot_dst_is_self(w->snap, packet);

	if (LIKELY(ours && !w->snap->filter)) {
		worker_to_tun(w, packet, v);
	} else if (ours) {
		in->packet[in->n] = packet;
		in->v[in->n++] = *v;
		if (in->n == FILTER_BATCH)
			judge_all(w, in);
	} else {
		worker_pass_on(w, in->from, packet, v);
	}
}

/* An authenticated packet of n > 0 bytes. */
static void arrived(struct worker *w, struct inbound *in, uint8_t *packet, size_t n, uint8_t outer_tos)
{
	struct ip_view v;

	if (ip_view_of(packet, n, &v) != TM_OK)
		worker_drop(w, DROP_NOT_IP);
	else if (!source_is_peers(w, in->from, packet, &in->memo))
		worker_drop(w, DROP_SPOOF);
	else if (!ecn_decapsulate(packet, outer_tos))
		worker_drop(w, DROP_ECN);
	else
		deliver(w, in, packet, &v);
}

/* --- after opening --- */

/* Marks what is new among the messages first..end, all of one session, in op.err. */
static void mark_run(struct opening *o, size_t first, size_t end)
{
	struct keypair *kp = o->kp[first];

	keypair_recv_lock(kp);
	for (size_t i = first; i < end; i++)
		if (!o->op[i].err)
			o->op[i].err = keypair_recv_mark_locked(kp, o->op[i].counter);
	keypair_recv_unlock(kp);

	/* Cut while we were opening it: a removed peer's packet is not delivered any more. */
	if (!atomic_load_explicit(&kp->dead, memory_order_acquire))
		return;
	for (size_t i = first; i < end; i++)
		if (!o->op[i].err)
			o->op[i].err = TM_EEXPIRED;
}

static enum plane_drop drop_of(int err)
{
	switch (err) {
	case TM_EREPLAY:
		return DROP_REPLAY;
	case TM_EEXPIRED:
		return DROP_RECV_EXPIRED;
	default:
		return DROP_AUTH;
	}
}

static void hand_in(struct worker *w, struct inbound *in, const struct opening *o, size_t i)
{
	if (!o->op[i].err && o->op[i].n)
		arrived(w, in, o->op[i].data, o->op[i].n, o->from[i]->dg->tos);
}

/* One by one, so that it is seen what becomes of each; as it was before anything is changed in it. */
static __attribute__((noinline)) void hand_in_tapped(
	struct worker *w, struct inbound *in, const struct opening *o, size_t i)
{
	UNINITIALIZED uint8_t copy[TAP_PACKET_MAX];
	const size_t n = MIN(o->op[i].n, sizeof(copy));
	struct tapped before;
	struct ip_view v;

	if (o->op[i].err || !n)
		return;
	memcpy(copy, o->op[i].data, n);
	tapped_begin(w, &before);
	hand_in(w, in, o, i);
	if (in->n)
		judge_all(w, in);
	/* Behind the packet there is padding. */
	worker_tap(w, in->from, false, copy, ip_view_of(copy, n, &v) == TM_OK ? v.total : n,
		tapped_end(w, &before));
}

/* Messages of one session that came the same way: accounts and reports once for all of them. */
static void settle_run(struct worker *w, struct opening *o, size_t first, size_t end)
{
	struct keypair *kp = o->kp[first];
	struct peer *p = kp->peer;
	uint64_t packets = 0, bytes = 0;
	UNINITIALIZED struct inbound in;
	bool data = false;

	mark_run(o, first, end);
	for (size_t i = first; i < end; i++) {
		if (o->op[i].err) {
			worker_drop(w, drop_of(o->op[i].err));
			continue;
		}
		packets++;
		bytes += o->op[i].n + WG_DATA_OVERHEAD;
		data |= o->op[i].n > 0;
	}
	if (!packets)
		return;

	atomic_fetch_add_explicit(&p->rx_packets, packets, memory_order_relaxed);
	atomic_fetch_add_explicit(&p->rx_bytes, bytes, memory_order_relaxed);
	worker_received(w, p, data);
	report(w, p, kp, o->from[first]);
	in.from = p;
	in.memo = (struct source){0};
	in.n = 0;
	if (worker_has_taps(w) && worker_taps(w, p))
		for (size_t i = first; i < end; i++)
			hand_in_tapped(w, &in, o, i);
	else
		for (size_t i = first; i < end; i++)
			hand_in(w, &in, o, i);
	if (in.n)
		judge_all(w, &in);
}

static void open_all(struct worker *w, struct opening *o)
{
	aead_open_batch(w->aead, o->op, o->n);
	for (size_t first = 0, end; first < o->n; first = end) {
		for (end = first + 1; end < o->n; end++)
			if (o->kp[end] != o->kp[first] || o->from[end] != o->from[first])
				break;
		settle_run(w, o, first, end);
	}
	o->n = 0;
}

static const struct arrival *arrive(
	struct worker *w, struct opening *o, const struct datagram *dg, uint64_t relay)
{
	struct arrival *a;

	if (o->n_arrivals == ARRIVALS_MAX) {
		open_all(w, o);
		o->n_arrivals = 0;
	}
	a = &o->arrival[o->n_arrivals++];
	*a = (struct arrival){.dg = dg, .relay = relay};
	return a;
}

/* Messages with one header, for us. */
static void take_relayed(
	struct worker *w, struct opening *o, const struct arrival *from, const struct relayed_run *run)
{
	for (size_t at = 0; at < run->n; at += run->step) {
		const struct message m = {
			.p = run->p + at + run->skip,
			.n = MIN(run->step, run->n - at) - run->skip,
			.from = from,
		};

		if (o->n == OPENING_MAX)
			open_all(w, o);
		if (!sort_message(w, o, &m))
			drop_unknown(w, &m);
	}
}

/* The messages that `left` bytes of a train begin with and that have one relay's header; n = 0: there are
 * none. */
static struct relayed_run run_of(uint8_t *p, size_t left, size_t step, uint8_t tos)
{
	struct relayed_run run = {
		.pair = relay_get(p, MIN(step, left)),
		.p = p,
		.step = step,
		.skip = RELAY_HEADER,
		.tos = tos,
	};

	while (run.n < left && run.pair && relay_get(p + run.n, MIN(step, left - run.n)) == run.pair) {
		run.n += MIN(step, left - run.n);
		run.count++;
	}
	return run;
}

static void take_run(
	struct worker *w, struct opening *o, const struct datagram *dg, const struct relayed_run *run)
{
	const struct relay_source from = {.kind = WAY_UDP, .socket = w->rx_socket, .remote = &dg->remote};
	const uint32_t other = relay_other(run->pair, w->env->host);

	if (!other)
		(void)forward_run(w, &from, run);
	/* Through a relay of ours, or from a member through the relay that we are. */
	else if (worker_knows_relay(w, &dg->remote) || forward_is_from(w, other, &from))
		take_relayed(w, o, arrive(w, o, dg, run->pair), run);
	else
		worker_drop_n(w, DROP_RELAY_STRANGER, run->count);
}

static void take_train(struct worker *w, struct opening *o, const struct datagram *dg)
{
	const size_t step = dg->segment ? dg->segment : dg->n;
	struct message m = {.p = dg->data, .n = dg->n, .from = arrive(w, o, dg, 0)};

	if (dg->truncated) {
		worker_drop(w, DROP_TRUNCATED);
		return;
	}
	/* An empty datagram is one too. */
	for (size_t left = dg->n, i = 0; left || i == 0; left -= m.n, m.p += m.n, i++) {
		m.n = MIN(step, left);
		if (o->n == OPENING_MAX)
			open_all(w, o);
		if (LIKELY(sort_message(w, o, &m)))
			continue;

		const struct relayed_run run = run_of(m.p, left, step, dg->tos);
		if (!run.n) {
			drop_unknown(w, &m);
			continue;
		}
		take_run(w, o, dg, &run);
		m.n = run.n;
		m.from = arrive(w, o, dg, 0);
	}
}

/* Everything borrowed from the receive buffers goes out before they are filled again. */
static void finish(struct worker *w, struct opening *o)
{
	if (o->n)
		open_all(w, o);
	worker_flush_tun(w);
	worker_flush(w);
}

/* One that is counted. */
static enum slot_is take_and_sort(struct worker *w, struct opening *o, const struct datagram *dg)
{
	const struct junk before = siding_junk(w);
	const bool asks = pit_is_free(dg->data, dg->n); /* before it is opened where it lies */
	struct junk junk;

	take_train(w, o, dg);
	junk = siding_junk(w);
	if (junk.all != before.all)
		return junk.asking != before.asking ? SLOT_JUNK_ASKING : SLOT_JUNK;
	return asks ? SLOT_ASKS : SLOT_GOOD;
}

static void take_trains(struct worker *w, struct opening *o, size_t n)
{
	if (LIKELY(!w->watch.counting)) {
		for (size_t i = 0; i < n; i++)
			take_train(w, o, &w->rx[i]);
		return;
	}
	for (size_t i = 0; i < n; i++)
		w->watch.slot[i] = (uint8_t)take_and_sort(w, o, &w->rx[i]);
}

size_t ingress_batch(struct worker *w, struct udp *u, uint32_t socket)
{
	UNINITIALIZED struct opening o;
	size_t n;

	ON_WORKER(w);
	n = udp_recv(u, w->rx, w->n_rx);
	w->rx_socket = socket;
	w->rx_stream = false;
	o.n = o.n_arrivals = 0;
	take_trains(w, &o, n);
	finish(w, &o);
	return n;
}

bool ingress_burst_from(struct worker *w, struct udp *u, uint32_t socket)
{
	return ingress_batch(w, u, socket) == w->n_rx;
}

bool ingress_burst(struct worker *w, unsigned ignored)
{
	const size_t n = ingress_batch(w, w->out.own, 0);

	(void)ignored;
	if (atomic_load_explicit(w->env->legs, memory_order_relaxed))
		siding_watch(w, n);
	return n == w->n_rx;
}

void ingress_frame(
	struct worker *w, const struct endpoint *remote, uint32_t stream, const struct relayed_run *run)
{
	const struct datagram dg = {.remote = *remote, .tos = run->tos};
	UNINITIALIZED struct opening o;

	w->rx_socket = stream;
	w->rx_stream = true;
	o.n = o.n_arrivals = 0;
	take_relayed(w, &o, arrive(w, &o, &dg, run->pair), run);
	finish(w, &o);
}

void ingress_stream_stun(
	struct worker *w, const struct endpoint *remote, uint32_t stream, const uint8_t *p, size_t n)
{
	const struct datagram dg = {.remote = *remote};
	const struct arrival from = {.dg = &dg};
	const struct message m = {.p = (uint8_t *)(uintptr_t)p, .n = n, .from = &from};

	w->rx_socket = stream;
	w->rx_stream = true;
	hand_over_stun(w, &m);
}
