/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Where packets that were opened go: to the TUN, as super-packets where nobody could tell, or on to another
 * peer. */
#include "data/plane/worker.h"

#include "data/offload/segment.h"
#include "data/plane/tapping.h"
#include "os/tun.h"

/* The kernel does not take this kind of super-packet after all: cut it again, and make no more. */
static void write_apart(
	struct worker *w, const struct vnet *v, const struct part *parts, size_t n_parts, unsigned packets)
{
	struct segmenter s;
	struct ip_view whole;
	size_t n = 0;

	atomic_fetch_or_explicit(&w->merge_refused,
		v->gso == VNET_GSO_UDP ? TUN_OFFLOAD_UDP : TUN_OFFLOAD_TCP, memory_order_relaxed);
	for (size_t i = 0; i < n_parts && n + parts[i].n <= TUN_PACKET_MAX; i++) {
		memcpy(w->super + n, parts[i].p, parts[i].n);
		n += parts[i].n;
	}
	if (ip_view_of(w->super, n, &whole) != TM_OK || segment_begin(&s, v, &whole) != TM_OK) {
		worker_drop_n(w, DROP_TUN_FULL, packets);
		return;
	}
	for (unsigned i = 0; i < s.count; i++) {
		/* Only borrowed: what is written is not sent. */
		struct part one = {.p = seal_room(w, 0, segment_max(&s))};

		one.n = segment_next(&s, one.p);
		if (tun_write(w->env->tun, w->id, &(struct vnet){0}, &one, 1) != TM_OK)
			worker_drop(w, DROP_TUN_FULL);
	}
}

static void write_tun(
	void *ctx, const struct vnet *v, const struct part *parts, size_t n_parts, unsigned packets)
{
	struct worker *w = ctx;
	int err = tun_write(w->env->tun, w->id, v, parts, n_parts);

	if (err == TM_EINVAL && packets > 1)
		write_apart(w, v, parts, n_parts, packets);
	else if (err)
		worker_drop_n(w, DROP_TUN_FULL, packets);
}

void worker_flush_tun(struct worker *w)
{
	coalesce_flush(w->merge, write_tun, w);
	if (UNLIKELY(atomic_load_explicit(&w->merge_refused, memory_order_relaxed) != w->merge_told)) {
		worker_allow_merging(w);
		worker_offload_lost(w);
	}
}

void worker_to_tun(struct worker *w, uint8_t *packet, const struct ip_view *v)
{
	if (coalesce_add(w->merge, packet, v) == TM_OK)
		return;

	worker_flush_tun(w);
	if (coalesce_add(w->merge, packet, v) != TM_OK)
		worker_drop(w, DROP_TUN_FULL);
}

/* From a copy: where the packet lies, its neighbour in the train may be next to its last byte. */
static void forward(struct worker *w, struct peer *to, uint8_t *packet, const struct ip_view *v)
{
	const size_t n = v->total;

	/* A slot that many messages fit into takes one that is larger than anything we may send. */
	if (n > worker_packet_max(w)) {
		worker_drop(w, DROP_TOO_BIG);
		worker_icmp(w, ICMP_TOO_BIG, w->env->mtu, v, false);
		return;
	}
	if (!ip_decrement_ttl(packet)) {
		worker_drop(w, DROP_TTL);
		worker_icmp(w, ICMP_TIME_EXCEEDED, 0, v, false);
		return;
	}
	if (worker_has_taps(w))
		worker_tap(w, to, true, packet, n, DROP_N);
	egress_copy_to_peer(w, to, packet, n);
}

/*
 * Clients behind us filter nothing themselves: we do, as if their end of the tunnel were here. Between two of
 * them both directions have to be the same flow, so the one with the lower number is the near end.
 */
static bool admits_passing(struct worker *w, struct peer *from, struct peer *to, const struct ip_view *v)
{
	const bool from_client = atomic_load_explicit(&from->forwards, memory_order_relaxed);
	const bool to_client = atomic_load_explicit(&to->forwards, memory_order_relaxed);
	const bool out =
		from_client && (!to_client || atomic_load_explicit(&from->id, memory_order_relaxed) <
						      atomic_load_explicit(&to->id, memory_order_relaxed));
	const struct judged j = {
		.dir = out ? FILTER_EGRESS : FILTER_INGRESS,
		.peer = out ? to : from,
		.packets = 1,
	};

	return worker_admits(w, &j, v);
}

/* Behind this machine is what is at its end of the tunnel. */
static void pass_in(struct worker *w, struct peer *from, uint8_t *packet, const struct ip_view *v)
{
	const struct judged j = {.dir = FILTER_INGRESS, .peer = from, .packets = 1};

	if (worker_admits(w, &j, v))
		worker_to_tun(w, packet, v);
}

/*
 * For somebody else: what is from or for a client goes on to a peer, and what is for a network that this
 * machine offers, to the kernel. That does not get the rest, because it would route for every member on each
 * machine where another program switched forwarding on.
 */
void worker_pass_on(struct worker *w, struct peer *from, uint8_t *packet, const struct ip_view *v)
{
	struct peer *to = snapshot_owner_of_dst(w->snap, packet);

	if (!to && snapshot_dst_is_behind(w->snap, packet))
		pass_in(w, from, packet, v);
	else if (!to || to == from ||
		 (!atomic_load_explicit(&from->forwards, memory_order_relaxed) &&
			 !atomic_load_explicit(&to->forwards, memory_order_relaxed)))
		worker_drop(w, DROP_NOT_FOR_US);
	else if (admits_passing(w, from, to, v))
		forward(w, to, packet, v);
}
