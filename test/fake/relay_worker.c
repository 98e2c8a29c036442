/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "fake/relay_worker.h"

#include <stdlib.h>

#include "crypto/init.h"

void relay_worker_start(struct relay_worker *r, const struct udp_config *cfg)
{
	struct streams *streams = calloc(1, sizeof(*streams));
	struct legs *legs;
	struct udp *own;

	if (!streams || crypto_init(NULL) || legs_new(&legs) || event_queue_init(&r->events) ||
		udp_open(cfg, &own, NULL))
		abort();
	atomic_store(&r->legs, legs);
	atomic_store(&r->streams, streams);
	r->env.mtu = 1420;
	r->env.packet_bytes = 2048;
	r->env.slot_bytes = 2304;
	r->env.host = 9;
	r->env.legs = &r->legs;
	r->env.relays = &r->relays;
	r->env.live = &r->live;
	r->env.streams = &r->streams;
	r->env.sockets = &r->sockets;
	r->env.events = &r->events;
	route_table_init(&r->snap.routes);
	if (worker_init(&r->w, &r->env, 0, own, false) || coalescer_new(&r->w.merge) ||
		crowd_new(&r->w.crowd))
		abort();
	r->w.streams = malloc(sizeof(*r->w.streams));
	if (!r->w.streams)
		abort();
	r->w.snap = &r->snap;
	r->w.now = 1;
}

void relay_worker_stop(struct relay_worker *r)
{
	struct udp *own = r->w.out.own;

	worker_deinit(&r->w);
	event_queue_deinit(&r->events);
	legs_free(atomic_load(&r->legs));
	free(atomic_load(&r->streams));
	udp_close(own);
}

void relay_worker_leg(struct relay_worker *r, uint32_t host, const struct plane_leg *leg)
{
	struct leg *old = NULL;

	if (legs_put(atomic_load(&r->legs), host, leg, &old))
		abort();
	free(old);
}

void relay_worker_stream(
	struct relay_worker *r, uint32_t number, const struct plane_stream *is, struct stream *s)
{
	*s = (struct stream){.number = number, .owner = &r->w, .guest.burst = stream_burst, .is = *is};
	ws_decoder_init(&s->in, is->role, RELAY_FRAME_MAX);
	s->in.headroom = FRAME_HEADROOM;
	if (is->fd >= 0 && crowd_add(r->w.crowd, is->fd, WAIT_READ, &s->guest))
		abort();
	atomic_store(&atomic_load(&r->streams)->slot[number], s);
}
