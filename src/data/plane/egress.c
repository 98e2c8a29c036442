/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* From the TUN to the peers: route, filter, seal or stage. */
#include "data/plane/worker.h"

#include "os/tun.h"

/* A copy for the control thread, which asks for a session and sends it then. */
static void stage(struct worker *w, struct peer *p, const uint8_t *packet, size_t n, bool from_tun)
{
	struct event e = {.kind = EVENT_STAGED, .peer = p};

	e.staged = staged_new(w->env->staging, p, packet, n, from_tun);
	if (e.staged && event_post(w->env->events, &e))
		return;

	staged_free(e.staged);
	worker_drop(w, DROP_STAGED_FULL);
}

void egress_to_peer(struct worker *w, struct peer *p, uint8_t *packet, size_t n, bool from_tun)
{
	struct keypair *kp = peer_sending_keys(p);
	const struct peer_path *path = atomic_load_explicit(&p->path, memory_order_acquire);

	if (atomic_load_explicit(&p->dead, memory_order_acquire)) {
		worker_drop(w, DROP_NO_ROUTE);
		return;
	}
	/* An expired session counts as none: the packet waits for the next one. */
	if (!kp || !path || tx_add(w, p, kp, path, packet, n, from_tun) != TM_OK)
		stage(w, p, packet, n, from_tun);
}

static void egress_packet(struct worker *w, uint8_t *packet, size_t n)
{
	size_t total = packet_length(packet, n);
	struct peer *p;

	if (!total) {
		worker_drop(w, DROP_NOT_IP);
		return;
	}
	p = snapshot_owner_of_dst(w->snap, packet);
	if (!p) {
		worker_drop(w, DROP_NO_ROUTE);
		worker_icmp(w, ICMP_NO_ROUTE, 0, packet, total, true);
		return;
	}
	if (!filter_pass(w->snap->filter, FILTER_EGRESS, p, packet, total)) {
		worker_drop(w, DROP_FILTERED);
		return;
	}
	egress_to_peer(w, p, packet, total, true);
}

void egress_burst(struct worker *w)
{
	for (size_t i = 0; i < UDP_BATCH; i++) {
		uint8_t *packet = w->tun_mem + i * w->env->slot_bytes + PACKET_HEADROOM;
		size_t n;
		int err = tun_read(w->env->tun, w->id, packet, w->env->packet_bytes, &n);

		if (err == TM_ECLOSED)
			worker_tun_lost(w);
		if (err)
			break;
		egress_packet(w, packet, n);
	}
	tx_flush(w);
}
