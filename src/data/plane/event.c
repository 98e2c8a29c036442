/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "data/plane/event.h"

static const uint32_t shares[] = {
#define X(name, share) [EVENT_##name] = (share),
	PLANE_EVENTS(X)
#undef X
};

size_t event_capacity(void)
{
	size_t sum = 0;

	for (size_t i = 0; i < ARRAY_LEN(shares); i++)
		sum += shares[i];
	return sum;
}

int event_queue_init(struct event_queue *q)
{
	int err;

	*q = (struct event_queue){.bell = BELL_NONE};
	err = tm_err_from_errno(bell_init(&q->bell));
	return err ? err : ring_mpsc_new(event_capacity(), sizeof(struct event), &q->ring);
}

void event_queue_deinit(struct event_queue *q)
{
	ring_mpsc_free(q->ring);
	q->ring = NULL;
	bell_deinit(&q->bell);
}

bool event_post(struct event_queue *q, const struct event *e)
{
	_Atomic(uint32_t) *queued = &q->queued[e->kind];

	if (atomic_fetch_add_explicit(queued, 1, memory_order_relaxed) >= shares[e->kind] ||
		!ring_mpsc_push(q->ring, e, offsetof(struct event, bytes) + e->n)) {
		atomic_fetch_sub_explicit(queued, 1, memory_order_relaxed);
		return false;
	}
	event_wake(q);
	return true;
}

void event_wake(struct event_queue *q)
{
	/* Sequentially consistent: the control thread clears `woken` before it looks into the ring. */
	if (!atomic_exchange(&q->woken, true))
		bell_ring(&q->bell);
}

void event_acknowledge(struct event_queue *q)
{
	bell_stop(&q->bell);
	atomic_exchange(&q->woken, false);
}

bool event_take(struct event_queue *q, struct event *ret_event)
{
	if (!ring_mpsc_pop(q->ring, ret_event))
		return false;

	atomic_fetch_sub_explicit(&q->queued[ret_event->kind], 1, memory_order_relaxed);
	return true;
}

size_t event_waiting(const struct event_queue *q, enum event_kind kind)
{
	return atomic_load_explicit(&q->queued[kind], memory_order_relaxed);
}

size_t event_mark(const struct event_queue *q)
{
	return ring_mpsc_mark(q->ring);
}

bool event_passed(const struct event_queue *q, size_t mark)
{
	return ring_mpsc_passed(q->ring, mark);
}
