/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/data/plane/fake_private.h"

#include <assert.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int broken;
static unsigned held;

bool queue_init(struct queue *q)
{
	q->cells = calloc(FAKE_QUEUE, sizeof(*q->cells));
	if (!q->cells)
		return false;

	q->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	assert(q->fd >= 0);
	return true;
}

void queue_deinit(struct queue *q)
{
	if (q->cells)
		close(q->fd);
	free(q->cells);
}

static void cell_copy(struct cell *to, const struct cell *c)
{
	memcpy(to, c, offsetof(struct cell, bytes) + c->n);
}

void queue_push(struct queue *q, const struct cell *c, bool silent)
{
	if (q->head - q->tail == FAKE_QUEUE)
		return;
	cell_copy(&q->cells[q->head++ % FAKE_QUEUE], c);
	if (!silent)
		queue_wake(q);
}

void queue_wake(struct queue *q)
{
	uint64_t one = 1;

	if (q->head != q->tail)
		(void)!write(q->fd, &one, sizeof(one));
}

bool queue_pop(struct queue *q, struct cell *ret_c)
{
	uint64_t count;

	if (q->head == q->tail)
		return false;
	cell_copy(ret_c, &q->cells[q->tail++ % FAKE_QUEUE]);
	if (q->head == q->tail)
		(void)!read(q->fd, &count, sizeof(count));
	return true;
}

pthread_mutex_t *fake_acquire(void)
{
	pthread_mutex_lock(&lock);
	return &lock;
}

void fake_release(pthread_mutex_t **mutex)
{
	pthread_mutex_unlock(*mutex);
}

void fake_reset(void)
{
	GUARD;

	broken = TM_OK;
	held = 0;
	fake_tun_reset_locked();
	fake_udp_reset_locked();
}

void fake_broken(int err)
{
	GUARD;
	broken = err;
}

int fake_broken_locked(void)
{
	return broken;
}

void fake_hold(unsigned sides)
{
	GUARD;

	held = sides;
	if (!(sides & FAKE_TUNS))
		fake_tun_wake_locked();
	if (!(sides & FAKE_UDP))
		fake_udp_wake_locked();
}

bool fake_held_locked(enum fake_side side)
{
	return held & side;
}
