/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What workers and the device have counted, of all peers together. */
#include "data/plane/plane_private.h"

void plane_add_traffic(struct plane_figures *sum, const struct peer *peer)
{
	sum->tx_bytes += atomic_load_explicit(&peer->tx_bytes, memory_order_relaxed);
	sum->rx_bytes += atomic_load_explicit(&peer->rx_bytes, memory_order_relaxed);
	sum->tx_packets += atomic_load_explicit(&peer->tx_packets, memory_order_relaxed);
	sum->rx_packets += atomic_load_explicit(&peer->rx_packets, memory_order_relaxed);
}

void plane_figures(const struct plane *p, struct plane_figures *ret_figures)
{
	struct plane_figures sum = p->past;

	ON_CONTROL(p);
	DEVICE_FOREACH_PEER(peer, p->device)
	plane_add_traffic(&sum, peer);
	sum.filtered = p->memory != NULL;
	if (sum.filtered)
		filter_memory_count(p->memory, sum.flows);
	*ret_figures = sum;
}
