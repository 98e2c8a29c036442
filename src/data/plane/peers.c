/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Who the peers are and how they are reached: the control plane's settings. */
#include "data/plane/plane_private.h"

#include "base/secret.h"
#include "os/tun.h"

static struct member *member_new(struct plane *p)
{
	struct member *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;

	m->plane = p;
	m->born = p->generation;
	staged_queue_init(&m->staged);
	return m;
}

/* The peer of one record, added if need be. TM_EINVAL: unusable or twice. */
static int take_in(struct plane *p, const struct plane_peer *record, struct peer **ret_peer)
{
	struct peer *peer = device_peer_find(p->device, record->key);
	struct member *m;
	int err;

	if (!peer) {
		m = member_new(p);
		if (!m)
			return TM_ENOMEM;

		err = device_peer_add(p->device, record->key, record->psk, &peer);
		if (err) {
			free(m);
			return err;
		}
		peer->owner = m;
	}
	m = peer->owner;
	if (m->generation == p->generation)
		return TM_EINVAL;

	m->generation = p->generation;
	*ret_peer = peer;
	return TM_OK;
}

/* Removes the peers that the last call did not name, or that it added when `fresh`. */
static void sweep(struct plane *p, bool fresh)
{
	LIST_FOREACH_SAFE (peer, device_peers(p->device), struct peer, all) {
		struct member *m = peer->owner;

		if (fresh ? m->born == p->generation : m->generation != p->generation)
			device_peer_remove(p->device, peer);
	}
}

static int build_routes(const struct plane *p, const struct plane_peer *records, struct peer **peers,
	size_t n, struct snapshot **ret_s)
{
	_cleanup_(freep) struct route *routes = NULL;
	size_t n_routes = 0, at = 0;

	for (size_t i = 0; i < n; i++)
		n_routes += peers[i] ? records[i].n_allowed : 0;
	routes = calloc(n_routes + 1, sizeof(*routes));
	if (!routes)
		return TM_ENOMEM;

	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; peers[i] && k < records[i].n_allowed; k++)
			routes[at++] = (struct route){.prefix = records[i].allowed[k], .peer = peers[i]};
	return snapshot_new(plane_live(p), routes, n_routes, ret_s);
}

static void configure(struct plane *p, struct peer *peer, const struct plane_peer *record)
{
	atomic_store_explicit(&peer->forwards, record->forwards, memory_order_relaxed);
	/* One worker for both directions of its own address, so that acknowledgements need wake no other. */
	if (record->n_allowed)
		peer->lane = (uint8_t)tun_queue_for(&record->allowed[0].ip, p->n_workers);
	peer->follows = record->follows;
	device_peer_set_psk(p->device, peer, record->psk);
	if (peer->persistent_keepalive_s != record->keepalive_s)
		device_peer_set_keepalive(p->device, peer, record->keepalive_s, p->self.now);
}

int plane_set_peers(struct plane *p, const struct plane_peer *peers, size_t n)
{
	_cleanup_(freep) struct peer **found = calloc(n + 1, sizeof(struct peer *));
	struct snapshot *next;
	bool bad = false;
	int err;

	plane_enter(p, time_monotonic());
	if (!found)
		return TM_ENOMEM;

	p->generation++;
	for (size_t i = 0; i < n; i++) {
		err = take_in(p, &peers[i], &found[i]);
		if (err == TM_EINVAL)
			bad = true;
		else if (err)
			goto undo;
	}
	err = build_routes(p, peers, found, n, &next);
	if (err)
		goto undo;

	/* First out of the routes, then out of the device: whoever looks now does not find the removed ones
	 * any more. */
	plane_publish(p, next);
	sweep(p, false);
	for (size_t i = 0; i < n; i++)
		if (found[i])
			configure(p, found[i], &peers[i]);
	event_wake(&p->events); /* timers may have moved */
	return bad ? TM_EINVAL : TM_OK;
undo:
	sweep(p, true);
	return err;
}

int plane_set_way(struct plane *p, const uint8_t key[static 32], const struct way_to *way)
{
	struct peer *peer = device_peer_find(p->device, key);
	int err;

	plane_enter(p, time_monotonic());
	if (!peer)
		return TM_ENOENT;
	if (way && snapshot_loops(plane_live(p), &way->remote.ip))
		return TM_EINVAL;

	err = device_peer_set_way(p->device, peer, way, p->self.now);
	if (!err && ((struct member *)peer->owner)->staged.n)
		device_want_session(p->device, peer, p->self.now); /* with a session alive they go at once */
	event_wake(&p->events);
	return err;
}

void plane_nudge(struct plane *p, const uint8_t key[static 32])
{
	struct peer *peer = device_peer_find(p->device, key);

	plane_enter(p, time_monotonic());
	if (!peer)
		return;

	device_want_session(p->device, peer, p->self.now);
	event_wake(&p->events);
}

int plane_send(struct plane *p, const struct way_to *by, const uint8_t *msg, size_t n)
{
	/* udp_send only reads; the field also serves received data. */
	struct datagram dg = {.data = (uint8_t *)(uintptr_t)msg,
		.n = n,
		.remote = by->remote,
		.local = by->local,
		.local_ifindex = by->local_ifindex};

	ON_CONTROL(p);
	if (!endpoint_is_set(&by->remote) || snapshot_loops(plane_live(p), &by->remote.ip))
		return TM_EINVAL;

	udp_send(p->udp[0], &dg, 1);
	return dg.err;
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
