/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The naive twins of segmentation and coalescing: they build what has to come out packet by packet, with
 * slow sums, and compare bytes instead of fields.
 */
#ifndef TM_TEST_TWIN_H
#define TM_TEST_TWIN_H

#include "base/part.h"
#include "packet/vnet.h"

enum { TWIN_MAX = 512 };

/* Segment k of a packet that segment_begin accepted; its length, 0 when there is none. */
size_t twin_segment(const struct vnet *v, const uint8_t *p, size_t n, unsigned k, uint8_t *out);

/* Two packets of which neither may overtake the other. */
bool twin_ordered(const struct part *a, const struct part *b);

/* For each of count packets the number of the one before it in its super-packet, -1 for the first. */
void twin_coalesce(const struct part *packets, unsigned count, bool tcp, bool udp, int previous[TWIN_MAX]);

#endif
