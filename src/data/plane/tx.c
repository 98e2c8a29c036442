/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "data/plane/tx.h"

#include "data/plane/worker.h"

#include <string.h>

/* No IPv6 host need accept less (RFC 8200 5), so nothing smaller is ever asked for. */
#define MTU_FLOOR 1280

int tx_begin(struct worker *w, struct peer *p, struct keypair *kp, const struct way *way, unsigned count,
	bool from_tun, struct tx_run *ret_run)
{
	struct tx_run run = {.peer = p, .kp = kp, .way = way, .from_tun = from_tun};
	bool renew;
	int err = keypair_send_reserve(kp, w->now, count, &run.counter, &renew);

	if (err)
		return err;

	if (renew)
		worker_want_renewal(w, p);
	*ret_run = run;
	return TM_OK;
}

uint8_t *tx_room(struct worker *w, size_t n)
{
	const size_t need = w->link.ops->headroom + WG_DATA_HEADER + n + 15 + WG_TAG;
	struct tx *tx = &w->tx;

	if (tx->n == UDP_SEND_MAX || tx->used + need > TX_ARENA_BYTES)
		tx_flush(w);
	return tx->arena + tx->used + w->link.ops->headroom + WG_DATA_HEADER;
}

void tx_put(struct worker *w, struct tx_run *run, uint8_t *packet, size_t n)
{
	const size_t padded = wg_padded(n, w->env->mtu);
	const struct way_to *to = &run->way->to;
	struct tx *tx = &w->tx;

	if (tx->n == UDP_SEND_MAX)
		tx_flush(w);
	if (tx->arena && packet >= tx->arena && packet < tx->arena + TX_ARENA_BYTES)
		tx->used = (size_t)(packet - tx->arena) + padded + WG_TAG;

	memset(packet + n, 0, padded - n);
	wg_data_header(packet - WG_DATA_HEADER, run->kp->remote_index, run->counter);
	tx->op[tx->n] = (struct aead_op){
		.key = run->kp->send_key,
		.counter = run->counter++,
		.data = packet,
		.n = padded,
	};
	tx->dg[tx->n] = (struct datagram){
		.data = packet - WG_DATA_HEADER,
		.n = padded + WG_DATA_OVERHEAD,
		.remote = to->remote,
		.local = to->local,
		.local_ifindex = to->local_ifindex,
		.tos = n ? ecn_encapsulate(ip_tos(packet)) : 0,
	};
	tx->item[tx->n].peer = run->peer;
	tx->item[tx->n].n = (uint16_t)n;
	tx->item[tx->n].from_tun = run->from_tun;
	tx->n++;
}

/*
 * The datagram is larger than the path takes. Its sender is told, if it can do something about it; else (an
 * IPv4 packet that may be fragmented, or one that everybody must be able to send) the datagram goes in
 * fragments. The packet is sealed already, so look at a copy, opened with the key that sealed it.
 */
static void too_big(struct worker *w, size_t i)
{
	struct datagram *dg = &w->tx.dg[i];
	struct aead_op op = w->tx.op[i];
	uint8_t *copy = w->scratch + w->env->slot_bytes + PACKET_HEADROOM;
	size_t n = w->tx.item[i].n;
	struct ip_view v;

	if (op.n > w->env->packet_bytes) {
		worker_drop(w, DROP_SEND_FAILED);
		return;
	}
	memcpy(copy, op.data, op.n + AEAD_TAG);
	op.data = copy;
	if (n == 0 || aead_open_batch(w->aead, &op, 1) != 0 || ip_view_of(copy, n, &v) != TM_OK) {
		worker_drop(w, DROP_SEND_FAILED);
		return;
	}
	if (n <= MTU_FLOOR || ip_may_fragment(copy)) {
		if (udp_send_fragmented(w->udp, dg) != TM_OK)
			worker_drop(w, DROP_SEND_FAILED);
		return;
	}

	size_t payload = udp_path_payload(w->udp, &dg->remote);
	size_t mtu = payload > WG_DATA_OVERHEAD ? (payload - WG_DATA_OVERHEAD) & ~(size_t)15 : 0;
	worker_drop(w, DROP_TOO_BIG);
	worker_icmp(w, ICMP_TOO_BIG, (uint32_t)MAX(mtu, MTU_FLOOR), &v, w->tx.item[i].from_tun);
}

/*
 * Accounts and timers hear of the packets before they leave: what the other side sends because of them, or at
 * the same moment, may be received by another worker before this one runs again, and that must count as
 * later.
 */
static void settle(struct worker *w)
{
	const struct tx *tx = &w->tx;

	for (size_t first = 0, end; first < tx->n; first = end) {
		struct peer *p = tx->item[first].peer;
		uint64_t bytes = 0;
		bool data = false;

		for (end = first; end < tx->n && tx->item[end].peer == p; end++) {
			bytes += tx->dg[end].n;
			data |= tx->item[end].n > 0;
		}
		atomic_fetch_add_explicit(&p->tx_packets, end - first, memory_order_relaxed);
		atomic_fetch_add_explicit(&p->tx_bytes, bytes, memory_order_relaxed);
		worker_sent(w, p, data);
	}
}

void tx_flush(struct worker *w)
{
	struct tx *tx = &w->tx;
	size_t n = tx->n, failed;

	if (!n)
		return;

	if (aead_seal_batch(w->aead, tx->op, n) > 0) {
		/* Something is in the clear still: nothing of this leaves. */
		worker_drop_n(w, DROP_SEND_FAILED, n);
		tx->n = tx->used = 0;
		return;
	}
	settle(w);
	failed = w->link.ops->send(&w->link, tx->dg, n);
	for (size_t i = 0; i < n; i++)
		if (UNLIKELY(tx->dg[i].local_refused))
			worker_unstick(w, tx->item[i].peer);
	/* Empty before the slow part: errors may be answered by packets of our own. */
	tx->n = tx->used = 0;
	if (UNLIKELY(udp_offloads(w->udp) != w->udp_offloads))
		worker_offload_lost(w);
	for (size_t i = 0; failed && i < n; i++) {
		if (tx->dg[i].err == TM_OK)
			continue;
		failed--;
		if (tx->dg[i].err == TM_ERANGE)
			too_big(w, i);
		else
			worker_drop(w, DROP_SEND_FAILED);
	}
}
