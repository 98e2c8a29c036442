/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "data/plane/seal.h"

#include "data/plane/kept.h"
#include "data/plane/worker.h"

#include <string.h>

_Static_assert(
	PACKET_HEADROOM >= WAY_HEADROOM_MAX + WG_DATA_HEADER, "any way's header fits before any packet");
/* What nobody sealed has nobody to tell. */
#define UNSEALED UINT32_MAX
/* Set in the tag of what leaves by the other way as well. */
#define COPY (UINT32_C(1) << 30)

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
	if (UNLIKELY(run->also != NULL) && !out_full(&w->out) && n <= run->way->payload_max)
		out_push(&w->out, run->also, message, n, tos, (uint32_t)w->seal.n | COPY);
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
	s->item[s->n].tos = tos;
	s->n++;
}

void worker_emit(struct worker *w, const struct way *way, uint8_t *data, size_t n, uint8_t tos)
{
	if (out_full(&w->out))
		worker_flush(w);
	out_push(&w->out, way, data, n, tos, UNSEALED);
}

/* The packet in a message that was sealed, in a copy, opened with the key that sealed it. False: it is none,
 * or what is known of it has been replaced by what its failure brought. */
static bool unseal(struct worker *w, uint32_t tag, const struct datagram *dg, struct ip_view *ret_v)
{
	struct aead_op op = w->seal.op[tag];
	uint8_t *copy = w->scratch + w->env->slot_bytes + PACKET_HEADROOM;
	const size_t n = w->seal.item[tag].n;

	if (n == 0 || op.n > w->env->packet_bytes || op.data != dg->data + WG_DATA_HEADER)
		return false;
	memmove(copy, op.data, op.n + AEAD_TAG);
	op.data = copy;
	return aead_open_batch(w->aead, &op, 1) == 0 && ip_view_of(copy, n, ret_v) == TM_OK;
}

/*
 * The datagram is larger than its way takes, or the kernel says so. The kernel believes every ICMP error, so
 * it is not believed that no network between two nodes takes less than all take: what is not longer than that
 * goes in fragments, if it must.
 */
static void too_big(struct worker *w, uint32_t tag, const struct way_to *by, const struct datagram *dg)
{
	const size_t floor = by->payload ? MIN(seal_mtu(by->payload), (size_t)MTU_FLOOR) : MTU_FLOOR;
	const size_t mtu = MAX(seal_mtu(out_payload(&w->out, by)), floor);
	const bool from_tun = w->seal.item[tag & ~COPY].from_tun;
	struct peer *p = w->seal.item[tag & ~COPY].peer;
	struct datagram again = *dg;
	struct ip_view v;

	if (!unseal(w, tag & ~COPY, dg, &v)) {
		worker_drop(w, DROP_SEND_FAILED);
	} else if (v.total <= mtu) {
		if (out_now(&w->out, by, &again, true) != TM_OK)
			worker_drop(w, DROP_SEND_FAILED);
	} else if (tag & COPY ? !worker_may_cut(&v) : !worker_cut(w, p, &v, mtu, from_tun)) {
		/* Of the copy, too: what comes next should fit either way. */
		worker_tell_mtu(w, &v, 1, mtu, from_tun);
	}
}

static void on_failed(void *ctx, uint32_t tag, const struct way_to *by, const struct datagram *dg)
{
	struct worker *w = ctx;

	if (dg->local_refused && tag < WORKER_FOREIGN)
		worker_unstick(w, w->seal.item[tag & ~COPY].peer);
	if (dg->err == TM_OK)
		return;
	if (tag == WORKER_FOREIGN)
		worker_drop_n(w, DROP_RELAY_SEND, dg->segment ? (dg->n + dg->segment - 1) / dg->segment : 1);
	else if (dg->err == TM_ERANGE && tag != UNSEALED)
		too_big(w, tag, by, dg);
	else
		worker_drop(w, dg->err == TM_EUNSUPPORTED ? DROP_NO_SENDER : DROP_SEND_FAILED);
}

/* The messages first..end of one peer's, sealed, in case that they have to leave by another way, too. */
static void keep(struct worker *w, struct peer *p, size_t first, size_t end)
{
	const struct seal *s = &w->seal;

	for (size_t i = first; i < end; i++)
		kept_put(w->kept, p, s->op[i].data - WG_DATA_HEADER, s->op[i].n + WG_DATA_OVERHEAD,
			s->item[i].tos, w->now);
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
		if (w->kept && kept_is_little(p, bytes, w->now))
			keep(w, p, first, end);
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
