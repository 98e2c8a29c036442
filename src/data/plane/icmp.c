/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* ICMP errors about packets that we could not carry, and what a rejecting filter answers, to whoever sent
 * them. */
#include "data/plane/worker.h"

#include "data/plane/tapping.h"
#include "os/tun.h"

/* Our own host, or the peer that it came from. */
static unsigned slot_of(const struct worker *w, const struct ip_view *v, bool from_tun)
{
	const struct peer *owner = from_tun ? NULL : snapshot_owner_of_src(w->snap, v->p);

	return owner ? 1 + atomic_load_explicit(&owner->id, memory_order_relaxed) % (ICMP_SLOTS - 1) : 0;
}

static bool within_limit(struct worker *w, enum icmp_kind kind, unsigned slot)
{
	if (w->now - w->icmp[kind][slot].since >= SEC) {
		w->icmp[kind][slot].since = w->now;
		w->icmp[kind][slot].n = 0;
	}
	return w->icmp[kind][slot].n++ < ICMP_PER_SECOND;
}

/*
 * An error that enters by the TUN comes from the address that the packet was for: from our own address the
 * kernel would refuse it as a forgery, and the route back leads through the TUN as it should.
 */
static struct ip error_source(const struct worker *w, const struct ip_view *v, bool from_tun)
{
	if (from_tun)
		return ip_dst_of(v);
	return v->version == 4 ? w->snap->self4 : w->snap->self6;
}

/* What must not be answered does not use up the answers of others. */
static bool may_answer(
	struct worker *w, enum icmp_kind kind, const struct ip *from, const struct ip_view *v, bool from_tun)
{
	return from->family != IP_NONE && icmp_may_answer(v) && !snapshot_dst_is_broadcast(w->snap, v->p) &&
	       within_limit(w, kind, slot_of(w, v, from_tun));
}

/* Where an answer is built: the scratch buffer is free again only after the flush. */
static uint8_t *answer_begin(struct worker *w, bool from_tun)
{
	/* What waits may itself end in an error that needs the scratch buffer. */
	if (!from_tun)
		worker_flush(w);
	return w->scratch + PACKET_HEADROOM;
}

/* n bytes, or none if it is not to be answered. */
static void answer_send(struct worker *w, uint8_t *out, size_t n, bool from_tun)
{
	if (!n)
		return;

	if (from_tun) {
		(void)!tun_write(w->env->tun, w->id, &(struct vnet){0}, &(struct part){.p = out, .n = n}, 1);
		return;
	}

	/* To the peer that sent it. */
	struct peer *owner = snapshot_owner_of_dst(w->snap, out);
	if (!owner)
		return;

	if (worker_has_taps(w))
		worker_tap(w, owner, true, out, n, DROP_N);
	egress_to_peer(w, owner, out, n, false);
	worker_flush(w);
}

void worker_icmp(struct worker *w, enum icmp_error kind, uint32_t mtu, const struct ip_view *v, bool from_tun)
{
	const struct ip from = error_source(w, v, from_tun);

	if (!may_answer(w, ICMP_ERROR, &from, v, from_tun))
		return;

	uint8_t *out = answer_begin(w, from_tun);
	answer_send(w, out, icmp_error_build(kind, mtu, &from, v, out, ICMP_MAX), from_tun);
}

void worker_reject(struct worker *w, const struct ip_view *v, bool from_tun)
{
	const struct ip from = error_source(w, v, from_tun);

	if (!may_answer(w, ICMP_REJECTION, &from, v, from_tun))
		return;

	uint8_t *out = answer_begin(w, from_tun);
	answer_send(w, out, reject_build(&from, v, out, ICMP_MAX), from_tun);
}
