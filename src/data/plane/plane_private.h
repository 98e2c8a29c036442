/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What plane.c (life), peers.c (settings) and service.c (events) share with each other and with nobody else.
 */
#ifndef TM_DATA_PLANE_PLANE_PRIVATE_H
#define TM_DATA_PLANE_PLANE_PRIVATE_H

#include "data/peer/device.h"
#include "data/plane/notes.h"
#include "data/plane/plane.h"
#include "data/plane/siding.h"
#include "data/plane/worker.h"

#include <assert.h>

/* The plane's side of a peer: peer->owner. Control thread; gone as soon as the peer is removed. */
struct peer_side {
	struct staged_queue staged;
	struct allowed *allowed; /* roster.c; NULL: none */
	struct change *change; /* since plane_peers_begin; roster.c */
	bool want_noted;
};

static inline struct peer_side *side_of(const struct peer *peer)
{
	return peer->owner;
}

/* What was put and removed since plane_peers_begin. */
struct changes {
	bool open;
	bool routes, facts; /* prefixes among it, host numbers */
	int failed; /* commit will undo all and return this */
	struct change *first; /* in the order of the last first */
	struct change_chunk *chunks;
	struct allowed *replaced; /* freed when it is over */
};

struct plane {
	/* set once */
	struct thread control;
	struct plane_events ev;
	struct tun *tun;
	struct udp *udp[EPOCH_WORKERS_MAX];
	struct udp_config further,
		beside; /* what sockets with ports of their own are opened with, and sidings */
	unsigned n_sockets; /* of the workers */
	uint32_t steer_salt;
	struct worker *workers;
	unsigned n_workers;
	struct worker_env env;
	struct bell stop; /* rings while the workers are to end */
	struct device *device;
	/* shared with workers, each with rules of its own */
	struct epoch epoch;
	struct event_queue events;
	struct staging staging;
	_Atomic(struct snapshot *) live; /* written by the control thread */
	struct sockets sockets; /* likewise */
	_Atomic(struct relays *) relays; /* likewise */
	_Atomic(struct legs *) legs; /* likewise */
	_Atomic(struct streams *) streams; /* likewise; made at the first */
	/* control thread */
	struct worker self; /* sends what the control thread has to send */
	struct notes notes;
	struct route_set *routes;
	uint32_t flows; /* as configured */
	struct filter_memory *memory; /* NULL: there have been no rules yet */
	struct changes changes;
	unsigned offloads_told, offload_losses;
	struct plane_figures past; /* figures.c: of peers that have gone, and of handshakes */
	/* What was retired before `safe` is freed when the events up to drain_to are done. 0: none chosen. */
	uint64_t safe;
	size_t drain_to;
	size_t index_waiting;
	bool closing, tun_lost;
	struct stream *ended; /* within plane_service: nobody's any more, and still to be told */
	struct siding *siding[SIDINGS_MAX]; /* in the order of opening */
	unsigned n_sidings;
	unsigned n_behind; /* sockets opened behind the workers' */
	struct pit pit;
	ns_t look_again; /* when somebody may be cast into it again */
	bool letters_wait; /* until then */
	size_t letter; /* of workers and sidings, whose is taken first the next time */
	uint64_t sidings_lost; /* at those that are closed */
	unsigned sidings_closing; /* closed, and not freed yet: to the kernel they are still there */
	bool steered; /* the kernel was told of some */
};

#define ON_CONTROL(p) assert(thread_is_self(&(p)->control))

/* To be called on entry: the time and the snapshot that everything until the next entry works with. */
static inline void plane_enter(struct plane *p, ns_t now)
{
	ON_CONTROL(p);
	p->self.now = now;
	p->self.snap = atomic_load_explicit(&p->live, memory_order_relaxed);
}

static inline struct snapshot *plane_live(const struct plane *p)
{
	return atomic_load_explicit(&p->live, memory_order_relaxed);
}

/* Takes next; the old one is freed once no worker can hold it. */
void plane_publish(struct plane *p, struct snapshot *next_take);
void plane_want_path(struct plane *p, struct peer *peer);

/* roster.c */
void side_free(struct peer_side *side);
/* figures.c: adds what went to and came from it. */
void plane_add_traffic(struct plane_figures *sum, const struct peer *peer);
/* sockets.c */
void plane_close_sockets(struct plane *p); /* all; no worker runs any more */
/* stream.c */
bool plane_has_stream(const struct plane *p, uint32_t stream);
void plane_bury_streams(struct plane *p);
void plane_join_mates(struct plane *p); /* of whom workers have told */
void plane_settle_streams(struct plane *p); /* that owners let go */
bool plane_tell_ended(
	struct plane *p); /* of those, when nothing of ours is on the stack; false: there were none */
void plane_close_streams(struct plane *p); /* all; no worker runs any more */
/* sidings.c */
bool plane_steer(struct plane *p); /* after sockets behind the port were opened; false: the kernel cannot */
void plane_give_sidings(struct plane *p); /* to those for whom workers wish one, and what else they wrote */
void plane_close_taps(struct plane *p); /* taps.c: all; no worker runs any more */
bool plane_has_relay_at(const struct plane *p, const struct ip *at); /* relays.c: that we use */
ns_t plane_sidings_next(const struct plane *p); /* when to call that again; NS_NEVER */
void plane_forgive(
	struct plane *p, const struct ip *at); /* who is there is heard, whatever came from there */
void plane_close_sidings(struct plane *p); /* all */
uint64_t plane_siding_overflows(const struct plane *p); /* datagrams that did not fit into any of them */
uint64_t plane_udp_overflows(const struct plane *p); /* into the sockets of the workers */
/* service.c */
void plane_fill_ops(struct plane *p, struct device_ops *ret_ops);
void plane_drain(struct plane *p); /* throws away what is in the ring */

#endif
