/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "data/plane/staging.h"

struct staged *staged_new(struct staging *s, struct peer *p, const uint8_t *packet, size_t n, bool from_tun)
{
	struct staged *st = NULL;

	if (atomic_fetch_add_explicit(&s->total, 1, memory_order_relaxed) < STAGED_TOTAL)
		st = malloc(sizeof(*st) + PACKET_HEADROOM + n + PACKET_TAILROOM);
	if (!st) {
		atomic_fetch_sub_explicit(&s->total, 1, memory_order_relaxed);
		return NULL;
	}
	list_init(&st->node);
	st->peer = p;
	st->owner = s;
	st->from_tun = from_tun;
	st->n = n;
	memcpy(staged_packet(st), packet, n);
	return st;
}

void staged_free(struct staged *st)
{
	if (!st)
		return;
	atomic_fetch_sub_explicit(&st->owner->total, 1, memory_order_relaxed);
	free(st);
}

void staged_queue_init(struct staged_queue *q)
{
	list_init(&q->packets);
	q->n = 0;
}

struct staged *staged_queue_pop(struct staged_queue *q)
{
	struct list *first = list_pop_front(&q->packets);

	if (!first)
		return NULL;

	q->n--;
	return CONTAINER_OF(first, struct staged, node);
}

struct staged *staged_queue_push(struct staged_queue *q, struct staged *st_take)
{
	struct staged *oldest = q->n >= STAGED_PER_PEER ? staged_queue_pop(q) : NULL;

	list_push_back(&q->packets, &st_take->node);
	q->n++;
	return oldest;
}
