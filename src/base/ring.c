/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Each cell has a sequence number, counted from where it lies. With the lap of a position, which is that
 * without its place in the ring, seq == lap: free for the producer that claims this position. seq == lap + 1:
 * filled, ready for the consumer, which sets it to lap + capacity: free for the next lap. So an empty ring is
 * all zero, and pages that nobody has written to are no memory and take no time.
 */
#include "base/ring.h"

#include "base/err.h"
#include "os/low/memory.h"

#include <assert.h>
#include <stdatomic.h>
#include <string.h>

struct cell {
	_Atomic(size_t) seq;
	_Alignas(16) uint8_t bytes[];
};

struct ring_mpsc {
	size_t mask, cell_bytes, stride;
	uint8_t *cells;
	void *memory; /* cells lie in it, aligned */
	_Alignas(64) _Atomic(size_t) head; /* producers */
	_Alignas(64) size_t tail; /* the consumer */
};

static struct cell *cell_at(const struct ring_mpsc *r, size_t pos)
{
	return (struct cell *)(void *)(r->cells + (pos & r->mask) * r->stride);
}

static size_t lap_of(const struct ring_mpsc *r, size_t pos)
{
	return pos & ~r->mask;
}

int ring_mpsc_new(size_t cells, size_t cell_bytes, struct ring_mpsc **ret_ring)
{
	size_t n = 2;

	while (n < cells)
		n *= 2;

	_cleanup_(ring_mpsc_freep) struct ring_mpsc *r = memory_aligned(64, sizeof(*r));
	if (!r)
		return TM_ENOMEM;

	memset(r, 0, sizeof(*r));
	r->mask = n - 1;
	r->cell_bytes = cell_bytes;
	r->stride = (sizeof(struct cell) + cell_bytes + 63) & ~(size_t)63;
	r->memory = calloc(n + 1, r->stride);
	if (!r->memory)
		return TM_ENOMEM;
	r->cells = (uint8_t *)r->memory + (-(uintptr_t)r->memory & 63);

	*ret_ring = TAKE(r);
	return TM_OK;
}

void ring_mpsc_free(struct ring_mpsc *r)
{
	if (!r)
		return;
	free(r->memory);
	memory_aligned_free(r);
}

bool ring_mpsc_push(struct ring_mpsc *r, const void *cell, size_t n)
{
	size_t pos = atomic_load_explicit(&r->head, memory_order_relaxed);
	struct cell *c;

	assert(n <= r->cell_bytes);
	for (;;) {
		c = cell_at(r, pos);
		size_t seq = atomic_load_explicit(&c->seq, memory_order_acquire);

		if (seq == lap_of(r, pos)) {
			if (atomic_compare_exchange_weak_explicit(
				    &r->head, &pos, pos + 1, memory_order_relaxed, memory_order_relaxed))
				break;
		} else if ((ptrdiff_t)(seq - lap_of(r, pos)) < 0) {
			return false;
		} else {
			pos = atomic_load_explicit(&r->head, memory_order_relaxed);
		}
	}
	memcpy(c->bytes, cell, n);
	atomic_store_explicit(&c->seq, lap_of(r, pos) + 1, memory_order_release);
	return true;
}

bool ring_mpsc_pop(struct ring_mpsc *r, void *ret_cell)
{
	struct cell *c = cell_at(r, r->tail);

	if (atomic_load_explicit(&c->seq, memory_order_acquire) != lap_of(r, r->tail) + 1)
		return false;

	memcpy(ret_cell, c->bytes, r->cell_bytes);
	atomic_store_explicit(&c->seq, lap_of(r, r->tail) + r->mask + 1, memory_order_release);
	r->tail++;
	return true;
}

size_t ring_mpsc_mark(const struct ring_mpsc *r)
{
	return atomic_load_explicit(&r->head, memory_order_acquire);
}

bool ring_mpsc_passed(const struct ring_mpsc *r, size_t mark)
{
	return (ptrdiff_t)(r->tail - mark) >= 0;
}
