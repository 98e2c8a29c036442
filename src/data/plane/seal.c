/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "data/plane/seal.h"

#include "data/plane/worker.h"

#include <string.h>

/* No IPv6 host need accept less (RFC 8200 5), so nothing smaller is ever asked of one. */
#define MTU_FLOOR 1280
/* The same of IPv4 hosts (RFC 791 3.1): asked of them where a way is known to take no more. */
#define MTU_FLOOR4 576
_Static_assert(
	PACKET_HEADROOM >= WAY_HEADROOM_MAX + WG_DATA_HEADER, "any way's header fits before any packet");
/* What nobody sealed has nobody to tell. */
#define UNSEALED UINT32_MAX

int seal_begin(struct worker *w, struct peer *p, struct keypair *kp, const struct way *way, unsigned count,
	bool from_tun, struct seal_run *ret_run)
{
	struct seal_run run = {
		.peer = p,
		.kp = kp,
		.way = way,
		.also = atomic_load_explicit(&p->also, memory_order_acquire),
		.from_tun = from_tun,
	};
	bool renew;
	int err = keypair_send_reserve(kp, w->now, count, &run.counter, &renew);

	if (err)
		return err;

	if (renew)
		worker_want_renewal(w, p);
	*ret_run = run;
	return TM_OK;
}

uint8_t *seal_room(struct worker *w, size_t headroom, size_t n)
{
	const size_t need = headroom + WG_DATA_HEADER + n + 15 + WG_TAG;
	struct seal *s = &w->seal;

	if (out_full(&w->out) || s->used + need > SEAL_ARENA_BYTES)
		worker_flush(w);
	return s->arena + s->used + headroom + WG_DATA_HEADER;
}

/* Neither copy may leave before both wait: they are sealed once. */
static void make_room_for_two(struct worker *w)
{
	if (w->out.n + 2 > w->out.room)
		worker_flush(w);
}

/* By the way, and while it is in doubt by the other one too, if there is room at all: a header that goes
 * before the message leaves the message as it is. */
static inline void push(struct worker *w, const struct seal_run *run, uint8_t *message, size_t n, uint8_t tos)
{
	out_push(&w->out, run->way, message, n, tos, (uint32_t)w->seal.n);
	if (UNLIKELY(run->also != NULL) && !out_full(&w->out))
		out_push(&w->out, run->also, message, n, tos, (uint32_t)w->seal.n);
}

void seal_put(struct worker *w, struct seal_run *run, uint8_t *packet, size_t n)
{
	const size_t padded = wg_padded(n, w->env->mtu);
	struct seal *s = &w->seal;
	uint8_t tos = n ? ecn_encapsulate(ip_tos(packet)) : 0;

	if (UNLIKELY(run->also != NULL))
		make_room_for_two(w);
	if (out_full(&w->out))
		worker_flush(w);
	if (s->arena && packet >= s->arena && packet < s->arena + SEAL_ARENA_BYTES)
		s->used = (size_t)(packet - s->arena) + padded + WG_TAG;

	memset(packet + n, 0, padded - n);
	wg_data_header(packet - WG_DATA_HEADER, run->kp->remote_index, run->counter);
	push(w, run, packet - WG_DATA_HEADER, padded + WG_DATA_OVERHEAD, tos);
	s->op[s->n] = (struct aead_op){
		.key = run->kp->send_key,
		.counter = run->counter++,
		.data = packet,
		.n = padded,
	};
	s->item[s->n].peer = run->peer;
	s->item[s->n].n = (uint16_t)n;
	s->item[s->n].from_tun = run->from_tun;
	s->n++;
}

void worker_emit(struct worker *w, const struct way *way, uint8_t *data, size_t n, uint8_t tos)
{
	if (out_full(&w->out))
		worker_flush(w);
	out_push(&w->out, way, data, n, tos, UNSEALED);
}

/*
 * The datagram is larger than the path takes. Its sender is told, if it can do something about it; else (an
 * IPv4 packet that may be fragmented, or one that everybody must be able to send) the datagram goes in
 * fragments. The packet is sealed already, so look at a copy, opened with the key that sealed it.
 */
static void too_big(struct worker *w, uint32_t tag, const struct way_to *by, const struct datagram *dg)
{
	struct aead_op op = w->seal.op[tag];
	uint8_t *copy = w->scratch + w->env->slot_bytes + PACKET_HEADROOM;
	const bool from_tun = w->seal.item[tag].from_tun;
	const size_t n = w->seal.item[tag].n;
	struct datagram again = *dg;
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
	/* The network cuts where the kernel knows the limit. Where we alone know it, the datagram would leave
	 * whole and vanish: better that its sender makes smaller ones, as long as it can. */
	const size_t floor = by->payload && v.version == 4 ? MTU_FLOOR4 : MTU_FLOOR;
	if (n <= floor || ip_may_fragment(copy)) {
		if (out_now(&w->out, by, &again, true) != TM_OK)
			worker_drop(w, DROP_SEND_FAILED);
		return;
	}

	size_t payload = out_payload(&w->out, by);
	size_t mtu = payload > WG_DATA_OVERHEAD ? (payload - WG_DATA_OVERHEAD) & ~(size_t)15 : 0;
	worker_drop(w, DROP_TOO_BIG);
	worker_icmp(w, ICMP_TOO_BIG, (uint32_t)MAX(mtu, floor), &v, from_tun);
}

static void on_failed(void *ctx, uint32_t tag, const struct way_to *by, const struct datagram *dg)
{
	struct worker *w = ctx;

	if (dg->local_refused && tag < WORKER_FOREIGN)
		worker_unstick(w, w->seal.item[tag].peer);
	if (dg->err == TM_OK)
		return;
	if (tag == WORKER_FOREIGN)
		worker_drop_n(w, DROP_RELAY_SEND, dg->segment ? (dg->n + dg->segment - 1) / dg->segment : 1);
	else if (dg->err == TM_ERANGE && tag != UNSEALED)
		too_big(w, tag, by, dg);
	else
		worker_drop(w, dg->err == TM_EUNSUPPORTED ? DROP_NO_SENDER : DROP_SEND_FAILED);
}

/*
 * Accounts and timers hear of the packets before they leave: what the other side sends because of them, or at
 * the same moment, may be received by another worker before this one runs again, and that must count as
 * later.
 */
static void settle(struct worker *w)
{
	const struct seal *s = &w->seal;

	for (size_t first = 0, end; first < s->n; first = end) {
		struct peer *p = s->item[first].peer;
		uint64_t bytes = 0;
		bool data = false;

		for (end = first; end < s->n && s->item[end].peer == p; end++) {
			bytes += s->op[end].n + WG_DATA_OVERHEAD;
			data |= s->item[end].n > 0;
		}
		atomic_fetch_add_explicit(&p->tx_packets, end - first, memory_order_relaxed);
		atomic_fetch_add_explicit(&p->tx_bytes, bytes, memory_order_relaxed);
		worker_sent(w, p, data);
	}
}

void worker_flush(struct worker *w)
{
	struct seal *s = &w->seal;
	size_t failed;

	ON_WORKER(w);
	failed = s->n ? aead_seal_batch(w->aead, s->op, s->n) : 0;
	if (failed > 0) {
		/* Something is in the clear still: nothing of this leaves. */
		s->n = s->used = 0;
		worker_drop_n(w, DROP_SEND_FAILED, out_discard(&w->out));
		return;
	}
	settle(w);
	/* Empty before what failed is told: it may be answered by packets of our own. */
	s->n = s->used = 0;
	out_flush(&w->out, on_failed, w);
	if (UNLIKELY(out_offloads(&w->out) != w->udp_offloads))
		worker_offload_lost(w);
}
