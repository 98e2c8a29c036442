/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * From the socket: tell apart by the first bytes (WireGuard messages 1 to 4, STUN), open data in batches,
 * check, deliver. Handshakes and STUN go to the control thread. Nothing here answers: silence to everybody
 * who cannot authenticate.
 */
#include "data/plane/worker.h"

#include "data/peer/index.h"
#include "os/tun.h"

/* Data messages of one burst on their way through the AEAD. */
struct opening {
	size_t n;
	struct aead_op op[UDP_BATCH];
	struct keypair *kp[UDP_BATCH];
	const struct datagram *dg[UDP_BATCH];
};

static void hand_over(struct worker *w, enum event_kind kind, const struct datagram *dg)
{
	struct event e = {.kind = kind,
		.n = (uint16_t)dg->n,
		.local_ifindex = dg->local_ifindex,
		.from = dg->remote,
		.local = dg->local};

	/* From inside the mesh to the outside of the mesh: answering would put the tunnel into itself. */
	if (snapshot_loops(w->snap, &dg->remote.ip)) {
		worker_drop(w, DROP_LOOP);
		return;
	}
	memcpy(e.bytes, dg->data, dg->n);
	if (!event_post(w->env->events, &e))
		worker_drop(w, DROP_QUEUE_FULL);
}

static void add_data(struct worker *w, struct opening *o, const struct datagram *dg)
{
	struct keypair *kp;
	struct wg_data m;

	if (wg_data_decode(dg->data, dg->n, &m) != TM_OK) {
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
		.data = dg->data + WG_DATA_HEADER,
		.n = m.sealed_len - WG_TAG,
	};
	o->kp[o->n] = kp;
	o->dg[o->n] = dg;
	o->n++;
}

/* The first four bytes of a handshake message, whatever its length. */
static bool looks_like_handshake(const struct datagram *dg)
{
	uint32_t type = dg->n >= 4 ? get_le32(dg->data) : 0;

	return type >= WG_INIT && type <= WG_COOKIE_REPLY;
}

static void sort_datagram(struct worker *w, struct opening *o, const struct datagram *dg)
{
	if (dg->truncated) {
		worker_drop(w, DROP_TRUNCATED);
		return;
	}
	switch (wg_classify(dg->data, dg->n)) {
	case WG_DATA:
		add_data(w, o, dg);
		return;
	case WG_INIT:
	case WG_RESPONSE:
	case WG_COOKIE_REPLY:
		hand_over(w, EVENT_HANDSHAKE, dg);
		return;
	default:
		break;
	}
	if (dg->n <= STUN_MAX && stun_classify(dg->data, dg->n))
		hand_over(w, EVENT_STUN, dg);
	else
		worker_drop(w, looks_like_handshake(dg) ? DROP_HS_MALFORMED : DROP_MALFORMED);
}

/* The session proved itself, or its sender moved: things that the control thread decides about. */
static void report(struct worker *w, struct peer *p, struct keypair *kp, const struct datagram *dg)
{
	const struct peer_path *path = atomic_load_explicit(&p->path, memory_order_acquire);

	if (UNLIKELY(!atomic_load_explicit(&kp->confirmed, memory_order_relaxed)) &&
		!atomic_exchange_explicit(&kp->confirmed, true, memory_order_acq_rel)) {
		struct event e = {.kind = EVENT_CONFIRMED, .peer = p, .kp = kp};

		if (!event_post(w->env->events, &e))
			atomic_store_explicit(&kp->confirmed, false, memory_order_release);
	}

	bool moved = !path || !endpoint_eq(&path->remote, &dg->remote) || !ip_eq(&path->local, &dg->local);
	if (UNLIKELY(moved) && !snapshot_loops(w->snap, &dg->remote.ip) &&
		!atomic_load_explicit(&p->roam_pending, memory_order_relaxed) &&
		!atomic_exchange_explicit(&p->roam_pending, true, memory_order_acq_rel)) {
		struct event e = {.kind = EVENT_ROAMED,
			.peer = p,
			.from = dg->remote,
			.local = dg->local,
			.local_ifindex = dg->local_ifindex};

		if (!event_post(w->env->events, &e))
			atomic_store_explicit(&p->roam_pending, false, memory_order_release);
	}

	if (UNLIKELY(keypair_recv_wants_renewal(kp, w->now)))
		worker_want_renewal(w, p);
}

static void forward(struct worker *w, struct peer *to, uint8_t *packet, size_t n)
{
	if (!ip_decrement_ttl(packet)) {
		worker_drop(w, DROP_TTL);
		worker_icmp(w, ICMP_TIME_EXCEEDED, 0, packet, n, false);
		return;
	}
	egress_to_peer(w, to, packet, n, false);
}

/* An authenticated packet of n > 0 bytes from p. */
static void deliver(struct worker *w, struct peer *p, uint8_t *packet, size_t n, uint8_t outer_tos)
{
	size_t total = packet_length(packet, n);

	if (!total) {
		worker_drop(w, DROP_NOT_IP);
		return;
	}
	if (snapshot_owner_of_src(w->snap, packet) != p) {
		worker_drop(w, DROP_SPOOF);
		return;
	}
	if (!ecn_decapsulate(packet, outer_tos)) {
		worker_drop(w, DROP_ECN);
		return;
	}
	if (!filter_pass(w->snap->filter, FILTER_INGRESS, p, packet, total)) {
		worker_drop(w, DROP_FILTERED);
		return;
	}

	if (!snapshot_dst_is_self(w->snap, packet)) {
		struct peer *to = snapshot_owner_of_dst(w->snap, packet);

		if (to && to != p &&
			(atomic_load_explicit(&p->forwards, memory_order_relaxed) ||
				atomic_load_explicit(&to->forwards, memory_order_relaxed))) {
			forward(w, to, packet, total);
			return;
		}
		/* Another node's address, which its owner reaches without us. Networks beyond the mesh are
		 * the kernel's to judge. */
		if (to && snapshot_dst_in_mesh(w->snap, packet)) {
			worker_drop(w, DROP_NOT_FOR_US);
			return;
		}
	}
	if (tun_write(w->env->tun, w->id, packet, total) != TM_OK)
		worker_drop(w, DROP_TUN_FULL);
}

static void opened(struct worker *w, const struct opening *o, size_t i)
{
	const struct aead_op *op = &o->op[i];
	struct keypair *kp = o->kp[i];
	struct peer *p = kp->peer;

	if (op->err) {
		worker_drop(w, DROP_AUTH);
		return;
	}
	if (keypair_recv_mark(kp, op->counter) != TM_OK) {
		worker_drop(w, DROP_REPLAY);
		return;
	}
	/* Cut while we were opening it: a removed peer's packet is not delivered any more. */
	if (atomic_load_explicit(&kp->dead, memory_order_acquire)) {
		worker_drop(w, DROP_RECV_EXPIRED);
		return;
	}
	atomic_fetch_add_explicit(&p->rx_packets, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&p->rx_bytes, o->dg[i]->n, memory_order_relaxed);
	worker_received(w, p, op->n > 0);
	report(w, p, kp, o->dg[i]);
	if (op->n)
		deliver(w, p, op->data, op->n, o->dg[i]->tos);
}

void ingress_burst(struct worker *w)
{
	struct opening o;
	size_t n = udp_recv(w->udp, w->rx, UDP_BATCH);

	o.n = 0;
	for (size_t i = 0; i < n; i++)
		sort_datagram(w, &o, &w->rx[i]);
	if (o.n) {
		aead_open_batch(w->aead, o.op, o.n);
		for (size_t i = 0; i < o.n; i++)
			opened(w, &o, i);
		tx_flush(w); /* forwarded packets lie in the receive buffers */
	}
}
