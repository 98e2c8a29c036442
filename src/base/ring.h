/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Bounded queue, many producers, one consumer, fixed-size cells copied in and out, no locks and no waiting
 * (sequence number per cell, after Vyukov's bounded queue). Full: the producer learns it and counts the drop.
 */
#ifndef TM_BASE_RING_H
#define TM_BASE_RING_H

#include "base/util.h"

struct ring_mpsc;

/* cells is rounded up to a power of two. */
NODISCARD int ring_mpsc_new(size_t cells, size_t cell_bytes, struct ring_mpsc **ret_ring);
void ring_mpsc_free(struct ring_mpsc *r);
DEFINE_CLEANUP(struct ring_mpsc, ring_mpsc_free)

NODISCARD bool ring_mpsc_push(
	struct ring_mpsc *r, const void *cell, size_t n); /* any thread; copies the first n bytes */
NODISCARD bool ring_mpsc_pop(struct ring_mpsc *r, void *ret_cell); /* the one consumer; copies a whole cell */

/*
 * The consumer: has everything been popped that was pushed before the mark was taken? A pop that finds
 * nothing does not say so: a producer that was interrupted in the middle of its push hides the cells behind
 * its own.
 */
size_t ring_mpsc_mark(const struct ring_mpsc *r);
bool ring_mpsc_passed(const struct ring_mpsc *r, size_t mark);

#endif
