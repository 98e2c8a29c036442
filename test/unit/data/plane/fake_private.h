/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What the two halves of fake_io.h (fake_tun.c, fake_udp.c) share: the lock, queues of packets, and what
 * holds for both. */
#ifndef TM_TEST_UNIT_DATA_PLANE_FAKE_PRIVATE_H
#define TM_TEST_UNIT_DATA_PLANE_FAKE_PRIVATE_H

#include "unit/data/plane/fake_io.h"

#include <pthread.h>

enum { FAKE_QUEUE = 1024, FAKE_SOCKETS = 600 };

struct cell {
	size_t n;
	struct endpoint from;
	struct ip to;
	uint8_t tos;
	int err; /* what reading it ends in */
	struct vnet vnet;
	uint8_t bytes[FAKE_BYTES]; /* last: only the used part is copied */
};

/* Bounded queue with an eventfd that is readable while it is not empty. */
struct queue {
	int fd;
	size_t head, tail;
	struct cell *cells;
};

bool queue_init(struct queue *q);
void queue_deinit(struct queue *q);
/* silent: whoever waits for the queue learns of it by queue_wake. */
void queue_push(struct queue *q, const struct cell *c, bool silent);
bool queue_pop(struct queue *q, struct cell *ret_c);
void queue_wake(struct queue *q);

pthread_mutex_t *fake_acquire(void);
void fake_release(pthread_mutex_t **held);
/* Until the end of the function. */
#define GUARD _cleanup_(fake_release) UNUSED pthread_mutex_t *guard_ = fake_acquire()

/* Under the lock. */
int fake_broken_locked(void);
bool fake_held_locked(enum fake_side side);
void fake_tun_reset_locked(void);
void fake_udp_reset_locked(void);
void fake_tun_wake_locked(void);
void fake_udp_wake_locked(void);

#endif
