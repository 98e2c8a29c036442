/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Packets that are longer than their way takes: cut, where that is allowed, before they are sealed, because
 * what the network would make of a long datagram nobody knows; else their senders are told (RFC 4459 3.2 and
 * 3.4).
 */
#include "data/plane/worker.h"

#include "crypto/init.h"
#include "packet/fragment.h"

/*
 * IPv4 says it. A link that does not take the 1,280 bytes that IPv6 may always send has to see to it below
 * (RFC 8200 5); we do it as the source would, so that every receiver can put it together.
 */
bool worker_may_cut(const struct ip_view *v)
{
	return v->version == 4 ? ip_may_fragment(v->p) : v->total <= MTU_FLOOR;
}

bool worker_cut(struct worker *w, struct peer *p, const struct ip_view *v, size_t mtu, bool from_tun)
{
	UNINITIALIZED uint8_t
		whole[UINT16_MAX]; /* where it lies, one of its pieces may fail and be looked at */
	uint8_t *piece = w->scratch + PACKET_HEADROOM;
	struct ip_view copy = *v;
	struct fragmenter f;

	if (!worker_may_cut(v))
		return false;
	memcpy(whole, v->p, v->total);
	copy.p = whole;
	if (fragment_begin(&f, &copy, mtu, random_u32()) != TM_OK)
		return false;
	worker_flush(w); /* what waits may need the scratch buffer, too */
	for (size_t n; (n = fragment_next(&f, piece));) {
		egress_to_peer(w, p, piece, n, from_tun);
		worker_flush(w);
	}
	return true;
}

void worker_tell_mtu(struct worker *w, const struct ip_view *v, unsigned packets, size_t mtu, bool from_tun)
{
	worker_drop_n(w, DROP_TOO_BIG, packets);
	worker_icmp(w, ICMP_TOO_BIG, (uint32_t)(v->version == 4 ? mtu : MAX(mtu, (size_t)MTU_FLOOR)), v,
		from_tun);
}
