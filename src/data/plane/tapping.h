/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A worker's side of taps (tap.h), apart from its ways for packets, which nobody looks at mostly. What became
 * of a packet is seen by the counter of drops that moved meanwhile.
 */
#ifndef TM_DATA_PLANE_TAPPING_H
#define TM_DATA_PLANE_TAPPING_H

#include "data/plane/worker.h"

struct segmenter;

/* Is there any tap? Asked first: the rest is for those who look. */
static inline bool worker_has_taps(const struct worker *w)
{
	return UNLIKELY(w->snap->n_taps != 0);
}

bool worker_taps(const struct worker *w, const struct peer *p); /* is one about this peer? */

/* Counters of what may become of a packet of the tunnel. */
enum { TAPPED_DROPS = 13 };
struct tapped {
	uint64_t drops[TAPPED_DROPS];
};
void tapped_begin(const struct worker *w, struct tapped *ret_t);
enum plane_drop tapped_end(const struct worker *w, const struct tapped *t); /* DROP_N: it passed */

/* A packet to the peer (out), or from it. */
void worker_tap(struct worker *w, const struct peer *p, bool out, const uint8_t *packet, size_t n,
	enum plane_drop dropped);
/* All that a packet of the TUN becomes, whole and with its checksums. */
void worker_tap_segments(
	struct worker *w, const struct peer *p, const struct segmenter *s, enum plane_drop dropped);

#endif
