/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* From the TUN to the peers: route, filter, seal or stage. */
#include "data/plane/worker.h"

#include "data/offload/segment.h"
#include "data/plane/tapping.h"
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

/* The session and way to send `count` packets by; false: they have to wait (or, for a dead peer, are lost).
 */
static bool begin(struct worker *w, struct peer *p, unsigned count, bool from_tun, struct seal_run *ret_run)
{
	struct keypair *kp = peer_sending_keys(p);
	const struct way *way = atomic_load_explicit(&p->way, memory_order_acquire);

	/* An expired session counts as none: packets wait for the next one. */
	return kp && way && seal_begin(w, p, kp, way, count, from_tun, ret_run) == TM_OK;
}

void egress_to_peer(struct worker *w, struct peer *p, uint8_t *packet, size_t n, bool from_tun)
{
	struct seal_run run;

	if (atomic_load_explicit(&p->dead, memory_order_acquire))
		worker_drop(w, DROP_NO_ROUTE);
	else if (begin(w, p, 1, from_tun, &run))
		seal_put(w, &run, packet, n);
	else
		stage(w, p, packet, n, from_tun);
}

void egress_copy_to_peer(struct worker *w, struct peer *p, const uint8_t *packet, size_t n)
{
	struct seal_run run;

	if (atomic_load_explicit(&p->dead, memory_order_acquire)) {
		worker_drop(w, DROP_NO_ROUTE);
	} else if (begin(w, p, 1, false, &run)) {
		uint8_t *copy = seal_room(w, seal_headroom(&run), n);

		memcpy(copy, packet, n);
		seal_put(w, &run, copy, n);
	} else {
		stage(w, p, packet, n, false);
	}
}

/* Segments that their way does not take. Of those that may not be cut the sender is told once. */
static void send_too_long(struct worker *w, struct peer *p, struct segmenter *s, size_t mtu)
{
	uint8_t *packet = w->scratch + w->env->slot_bytes + PACKET_HEADROOM;
	struct ip_view v;

	for (size_t n; (n = segment_next(s, packet));) {
		const unsigned left = s->count - s->at + 1;

		if (ip_view_of(packet, n, &v) != TM_OK) {
			worker_drop(w, DROP_NOT_IP);
		} else if (v.total <= mtu) {
			/* The last may be shorter. */
			egress_to_peer(w, p, packet, n, true);
			worker_flush(w);
		} else if (!worker_cut(w, p, &v, mtu, true)) {
			worker_tell_mtu(w, &v, left, mtu, true);
			return;
		}
	}
}

/* All segments of what the TUN handed over: one decision for all of them. */
static void send_segments(struct worker *w, struct peer *p, struct segmenter *s)
{
	const size_t room = segment_max(s);
	struct seal_run run;
	bool now = begin(w, p, s->count, true, &run);
	const size_t headroom = now ? seal_headroom(&run) : 0;

	if (now && UNLIKELY(wg_padded(room, w->env->mtu) + WG_DATA_OVERHEAD > run.way->payload_max)) {
		send_too_long(w, p, s, seal_mtu(run.way->payload_max));
		return;
	}
	for (unsigned i = 0; i < s->count; i++) {
		uint8_t *packet = seal_room(w, headroom, room);
		size_t n = segment_next(s, packet);

		if (now)
			seal_put(w, &run, packet, n);
		else
			stage(w, p, packet, n, true);
	}
}

/* What s cuts is seen, also what is too long for its way. Apart, since mostly nobody looks. */
static __attribute__((noinline)) void send_tapped(
	struct worker *w, const struct judged *j, const struct ip_view *v, struct segmenter *s)
{
	const struct segmenter whole = *s;
	struct tapped before;

	tapped_begin(w, &before);
	if (worker_admits(w, j, v))
		send_segments(w, j->peer, s);
	worker_tap_segments(w, j->peer, &whole, tapped_end(w, &before));
}

/* Returns how many packets it stood for. */
static unsigned egress_packet(struct worker *w, const struct vnet *v, uint8_t *packet, size_t n)
{
	struct segmenter s;
	struct ip_view ip;
	struct peer *p;

	if (ip_view_of(packet, n, &ip) != TM_OK || segment_begin(&s, v, &ip) != TM_OK) {
		worker_drop(w, DROP_NOT_IP);
		return 1;
	}
	if (segment_max(&s) > worker_packet_max(w)) {
		/* Somebody raised the MTU of the device under us. */
		worker_drop_n(w, DROP_TOO_BIG, s.count);
		worker_icmp(w, ICMP_TOO_BIG, w->env->mtu, &ip, true);
		return s.count;
	}
	p = snapshot_owner_of_dst(w->snap, packet);
	if (!p || atomic_load_explicit(&p->dead, memory_order_acquire)) {
		if (!snapshot_dst_is_nobody(w->snap, packet))
			worker_drop_n(w, DROP_NO_ROUTE, s.count);
		worker_icmp(w, ICMP_NO_ROUTE, 0, &ip, true);
		return s.count;
	}
	const struct judged j = {.dir = FILTER_EGRESS, .peer = p, .packets = s.count, .from_tun = true};
	if (worker_has_taps(w) && worker_taps(w, p))
		send_tapped(w, &j, &ip, &s);
	else if (worker_admits(w, &j, &ip))
		send_segments(w, p, &s);
	return s.count;
}

bool egress_burst(struct worker *w, unsigned queue)
{
	size_t packets = 0;
	int err = TM_OK;

	ON_WORKER(w);
	while (packets < UDP_SEND_MAX) {
		struct vnet v;
		size_t n;

		err = tun_read(w->env->tun, queue, w->super, TUN_PACKET_MAX, &v, &n);
		if (err == TM_EBADMSG) {
			worker_drop(w, DROP_NOT_IP);
			packets++;
			continue;
		}
		if (err)
			break;
		packets += egress_packet(w, &v, w->super, n);
	}
	if (err == TM_ECLOSED)
		worker_tun_lost(w);
	worker_flush(w);
	return !err;
}
