/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * One worker of a relay (host 9), without a thread and without a plane around it: a benchmark or a fuzz
 * target calls what it would call. There is one in a program; what fails ends it.
 */
#ifndef TM_FAKE_RELAY_WORKER_H
#define TM_FAKE_RELAY_WORKER_H

#include "data/plane/legs.h"
#include "data/plane/streaming.h"

struct relay_worker {
	struct worker w;
	struct worker_env env; /* device and index may be set before */
	_Atomic(struct legs *) legs;
	_Atomic(struct relays *) relays;
	_Atomic(struct snapshot *) live;
	_Atomic(struct streams *) streams;
	struct sockets sockets;
	struct event_queue events;
	struct snapshot snap;
};

/* Its own socket is opened like that: r->w.out.own. */
void relay_worker_start(struct relay_worker *r, const struct udp_config *cfg);
void relay_worker_stop(struct relay_worker *r);
/* Where a member is reached. */
void relay_worker_leg(struct relay_worker *r, uint32_t host, const struct plane_leg *leg);
/* A stream of the worker's, whose fields but these `is` says; the caller's memory. */
void relay_worker_stream(
	struct relay_worker *r, uint32_t number, const struct plane_stream *is, struct stream *s);

#endif
