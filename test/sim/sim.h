/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A world in virtual time: clock, events, dice and what is on the wire. Everything else is a node of it that
 * takes datagrams and passes them on: segments deliver by address (segment.h), links lose and delay (link.h),
 * NATs translate (nat.h), hosts run the real device and path core (host.h); coordinators introduce hosts to
 * each other (coordinator.h).
 *
 * Everything random comes from one seed: the same seed gives the same run, byte for byte, which `wire_hash`
 * proves. TM_SIM_TRACE=1 in the environment prints every datagram. One thread; a failure of the simulator
 * itself (no memory, a full table) fails the test.
 */
#ifndef TM_TEST_SIM_SIM_H
#define TM_TEST_SIM_SIM_H

#include "base/addr.h"
#include "base/err.h"
#include "base/heap.h"
#include "base/list.h"
#include "base/time.h"

enum { SIM_MTU = 1500, SIM_HOSTS = 1024 };

struct sim;
struct host;
struct segment;

struct datagram {
	struct endpoint from, to;
	size_t n;
	uint8_t bytes[SIM_MTU]; /* only n of them are ever copied */
};

struct node {
	/* Takes the datagram over: passes it on, or drops it with sim_drop. */
	void (*forward)(struct node *n, struct datagram *dg);
};

/* Part of whatever wants to be called at a time: at most one deadline each. */
struct waker {
	struct heap_node due;
	void (*wake)(struct waker *w);
};

/* Part of whatever lives as long as the world. */
struct owned {
	struct list all;
	void (*free)(struct owned *o);
};

struct sim {
	uint64_t seed, rng;
	ns_t now;
	struct segment *internet;
	struct host *hosts[SIM_HOSTS];
	size_t n_hosts;
	uint64_t wire_datagrams; /* everything that any host or injector put on the wire */
	uint64_t wire_hash; /* over all of it, with its time and addresses: tells two runs apart */
	ns_t lateness; /* timers of hosts are late by up to this, as an event loop's are; 1 ms unless changed
			*/
	bool trace;
	/* sim.c's */
	struct event *events; /* heap by time, then order */
	size_t n_events, cap_events;
	uint64_t order;
	struct heap wakers;
	struct list owned;
	struct datagram **spare;
	size_t n_spare;
};

struct sim *sim_new(uint64_t seed);
void sim_free(struct sim *s);
void sim_run(struct sim *s, ns_t duration);

uint64_t sim_random(struct sim *s);
uint64_t sim_between(struct sim *s, uint64_t low, uint64_t high); /* both included */
bool sim_chance(struct sim *s, unsigned per_mille);
void sim_entropy(void *sim, void *out, size_t n);

/* Calls run(who, what) at the time; what comes at the same time runs in the order of the calls. When the
 * world ends first, drop(s, what) is called instead (NULL: nothing to do). */
void sim_at(struct sim *s, ns_t at, void (*run)(void *who, void *what), void *who, void *what,
	void (*drop)(struct sim *s, void *what));
/* When a timer of that machine goes off: the same question has the same answer, whoever asked meanwhile. */
ns_t sim_late(const struct sim *s, size_t machine, ns_t at);
/* NS_NEVER: not at all. */
void sim_wake(struct sim *s, struct waker *w, ns_t at);
/* Frees it with the world, latest first. */
void sim_own(struct sim *s, struct owned *o, void (*free_fn)(struct owned *o));

struct datagram *sim_datagram(struct sim *s, const struct endpoint *from, const struct endpoint *to,
	const uint8_t *bytes, size_t n);
struct datagram *sim_copy(struct sim *s, const struct datagram *dg);
void sim_drop(struct sim *s, void *dg);
/* Hands the datagram to the node at the time. */
void sim_deliver(struct sim *s, ns_t at, struct node *to, struct datagram *dg);
/* Counts and hashes what leaves a host. */
void sim_on_wire(struct sim *s, const struct datagram *dg);
/* A stranger's datagram, on the internet, now; it is copied. */
void sim_inject(struct sim *s, const struct datagram *dg);

#endif
