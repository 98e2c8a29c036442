/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* ICMP errors about packets that we could not carry, to whoever sent them. */
#include "data/plane/worker.h"

#include "os/tun.h"

static bool within_limit(struct worker *w)
{
	if (w->now - w->icmp.since >= SEC) {
		w->icmp.since = w->now;
		w->icmp.n = 0;
	}
	return w->icmp.n++ < ICMP_PER_SECOND;
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

void worker_icmp(struct worker *w, enum icmp_error kind, uint32_t mtu, const struct ip_view *v, bool from_tun)
{
	struct ip from = error_source(w, v, from_tun);
	uint8_t *out = w->scratch + PACKET_HEADROOM;

	if (from.family == IP_NONE || !within_limit(w))
		return;

	/* What waits may itself end in an error that needs the scratch buffer. */
	if (!from_tun)
		tx_flush(w);

	size_t len = icmp_error_build(kind, mtu, &from, v, out, ICMP_MAX);
	if (!len)
		return;

	if (from_tun) {
		(void)!tun_write(
			w->env->tun, w->id, &(struct vnet){0}, &(struct part){.p = out, .n = len}, 1);
		return;
	}

	/* To the peer that sent it; the scratch buffer is free again only after the flush. */
	struct peer *owner = snapshot_owner_of_dst(w->snap, out);
	if (!owner)
		return;

	egress_to_peer(w, owner, out, len, false);
	tx_flush(w);
}
