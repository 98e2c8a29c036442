/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* How single peers are reached, and what can be asked about them. */
#include "data/plane/plane_private.h"

#include "base/secret.h"
#include "data/plane/again.h"

int plane_set_way(
	struct plane *p, const uint8_t key[static 32], const struct way_to *way, const struct way_to *also)
{
	struct peer *peer = device_peer_find(p->device, key);
	int err;

	plane_enter(p, time_monotonic());
	if (!peer)
		return TM_ENOENT;
	if ((way && snapshot_loops(plane_live(p), &way->remote.ip)) ||
		(also && snapshot_loops(plane_live(p), &also->remote.ip)))
		return TM_EINVAL;

	/* In this order: the new way may start the handshake that waited for it. */
	err = device_peer_set_also(p->device, peer, way ? also : NULL);
	if (!err)
		err = device_peer_set_way(p->device, peer, way, p->self.now);
	if (!err && side_of(peer)->staged.n)
		device_want_session(p->device, peer, p->self.now); /* with a session alive they go at once */
	event_wake(&p->events);
	return err;
}

int plane_send_again(struct plane *p, const uint8_t key[static 32], const struct way_to *by, ns_t since)
{
	const struct peer *peer = device_peer_find(p->device, key);

	ON_CONTROL(p);
	if (!peer)
		return TM_ENOENT;
	if (snapshot_loops(plane_live(p), &by->remote.ip))
		return TM_EINVAL;

	/* Mostly one of them sends to the peer, but not always. */
	for (unsigned i = 0; i < p->n_workers; i++) {
		struct again *a = malloc(sizeof(*a));

		if (!a)
			return TM_ENOMEM;
		*a = (struct again){.peer = peer, .since = since};
		way_init(&a->way, by);
		again_ask(&p->workers[i], a);
	}
	return TM_OK;
}

void plane_way_lives(struct plane *p, const uint8_t key[static 32], ns_t rtt)
{
	struct peer *peer = device_peer_find(p->device, key);

	plane_enter(p, time_monotonic());
	if (!peer)
		return;

	device_way_lives(p->device, peer, rtt, p->self.now);
	event_wake(&p->events);
}

void plane_nudge(struct plane *p, const uint8_t key[static 32])
{
	struct peer *peer = device_peer_find(p->device, key);

	plane_enter(p, time_monotonic());
	if (!peer)
		return;

	device_nudge(p->device, peer, p->self.now);
	event_wake(&p->events);
}

int plane_send(struct plane *p, const struct way_to *by, const uint8_t *msg, size_t n)
{
	/* What is sent is only read; the field also serves received data. */
	struct datagram dg = {.data = (uint8_t *)(uintptr_t)msg, .n = n};

	ON_CONTROL(p);
	/* A stream through a proxy has no address of its other end. */
	if ((by->kind != WAY_RELAY_TCP && !endpoint_is_set(&by->remote)) ||
		snapshot_loops(plane_live(p), &by->remote.ip))
		return TM_EINVAL;

	return out_now(&p->self.out, by, &dg, false);
}

int plane_peer_stats(struct plane *p, const uint8_t key[static 32], struct plane_peer_stats *ret_stats)
{
	struct peer *peer = device_peer_find(p->device, key);
	struct plane_peer_stats s = {0};
	const struct way *way;

	ON_CONTROL(p);
	if (!peer)
		return TM_ENOENT;

	memcpy(s.key, key, sizeof(s.key));
	way = atomic_load_explicit(&peer->way, memory_order_relaxed);
	if (way)
		s.way = way->to;
	s.tx_bytes = atomic_load_explicit(&peer->tx_bytes, memory_order_relaxed);
	s.rx_bytes = atomic_load_explicit(&peer->rx_bytes, memory_order_relaxed);
	s.tx_packets = atomic_load_explicit(&peer->tx_packets, memory_order_relaxed);
	s.rx_packets = atomic_load_explicit(&peer->rx_packets, memory_order_relaxed);
	s.last_handshake_real = peer->last_handshake_real;
	s.last_recv = atomic_load_explicit(&peer->last_auth_recv, memory_order_relaxed);
	s.last_way_recv = atomic_load_explicit(&peer->last_way_recv, memory_order_relaxed);
	s.session = atomic_load_explicit(&peer->current, memory_order_relaxed) != NULL;
	*ret_stats = s;
	return TM_OK;
}

bool plane_peer_stamp(struct plane *p, const uint8_t key[static 32], uint8_t ret_stamp[static PLANE_STAMP])
{
	const struct peer *peer = device_peer_find(p->device, key);

	ON_CONTROL(p);
	return peer && device_peer_stamp(peer, ret_stamp);
}

void plane_seed_stamp(struct plane *p, const uint8_t key[static 32], const uint8_t stamp[static PLANE_STAMP])
{
	struct peer *peer = device_peer_find(p->device, key);

	ON_CONTROL(p);
	if (peer)
		device_peer_seed_stamp(peer, stamp);
}
