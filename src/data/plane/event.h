/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What workers tell the control thread: a bounded ring of cells and one bell, rung only when the
 * control thread does not know yet that there is something. Each kind has its own share of the ring, so that
 * a flood of one (packets to an absent peer, garbage handshakes) leaves room for the others.
 *
 * A cell may carry pointers to peers and keypairs. They are good because retired objects are freed only after
 * the ring was drained once since all workers passed (data/plane/service.c).
 */
#ifndef TM_DATA_PLANE_EVENT_H
#define TM_DATA_PLANE_EVENT_H

#include "base/addr.h"
#include "base/err.h"
#include "base/ring.h"
#include "data/link/way.h"
#include "os/low/bell.h"
#include "wire/stun.h"

#include <stdatomic.h>

struct keypair;
struct peer;
struct staged;

/* name, share of the ring */
#define PLANE_EVENTS(X)                                                                                      \
	X(HANDSHAKE, 384) /* bytes, by: WireGuard message 1 to 3 */                                          \
	X(STUN, 128) /* bytes, by; askers.h */                                                               \
	X(STAGED, 256) /* staged: a packet that waits for a session; the receiver owns it */                 \
	X(HEARD, 64) /* peer, by: something authentic came by another way than the chosen one */             \
	X(UNSTICK, 32) /* peer: its sticky source address does not work any more */                          \
	X(CONFIRMED, 64) /* peer, kp: first data under a session that the other side initiated */            \
	X(ARMED, 96) /* peer: a timer input was set */                                                       \
	X(RENEW, 56) /* peer: its session wants a new handshake */                                           \
	X(OFFLOAD_LOST, 4) /* the kernel refuses to do any more what it did */                               \
	X(TUN_LOST, 4)

enum event_kind {
#define X(name, share) EVENT_##name,
	PLANE_EVENTS(X)
#undef X
		EVENT_N
};

struct event {
	uint8_t kind;
	uint16_t n;
	struct peer *peer;
	union {
		struct keypair *kp;
		struct staged *staged;
	};
	struct way_to by; /* on which it came */
	uint8_t bytes[STUN_MAX]; /* last: only the used part is copied into the ring */
};

struct event_queue {
	struct ring_mpsc *ring;
	struct bell bell;
	_Atomic(bool) woken;
	_Atomic(uint32_t) queued[EVENT_N];
};

NODISCARD int event_queue_init(struct event_queue *q);
void event_queue_deinit(struct event_queue *q); /* the caller has drained it */

/* Any thread. False: the share of this kind is used up. */
NODISCARD bool event_post(struct event_queue *q, const struct event *e);
void event_wake(struct event_queue *q);

/* Control thread. */
void event_acknowledge(struct event_queue *q); /* before draining */
NODISCARD bool event_take(struct event_queue *q, struct event *ret_event);
size_t event_waiting(const struct event_queue *q, enum event_kind kind);
/* Have all events been taken that were posted before the mark? (base/ring.h) */
size_t event_mark(const struct event_queue *q);
bool event_passed(const struct event_queue *q, size_t mark);
size_t event_capacity(void);

#endif
