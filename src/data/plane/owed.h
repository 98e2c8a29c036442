/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What a worker does for its streams a few milliseconds later, because of proxies in their way that hold a
 * second small piece until the first is acknowledged (Nagle's algorithm):
 *
 * acknowledgements   Of so little that came at once whoever sent it may wait for a word; more is acknowledged
 *                    by the kernel soon enough. Where small messages come by the thousand nobody waits for
 *                    each, and a call for each would cost: so many at once, then one in so long a time, at
 *                    the end of it: if somebody does wait, nothing comes any more.
 * company            A check or its answer, by itself, would hold a handshake for a round trip of the
 *                    proxy's that is made a moment later. So it waits a moment for that, and leaves in one
 *                    piece with whatever comes. Only from a member to its relay: there proxies are.
 *
 * Of more streams than there is room for the kernel acknowledges, and checks leave at once. The owner alone.
 */
#ifndef TM_DATA_PLANE_OWED_H
#define TM_DATA_PLANE_OWED_H

#include "data/plane/streaming.h"

#define OWED_COMPANY (5 * MS) /* a handshake is computed in less, also on a small machine */

/* So many bytes came in one turn. */
void owed_ack(struct worker *w, struct stream *s, size_t got);
/* All that waits in front of s is patient, and s not blocked. True: it leaves with the next frame, or when
 * the time is over; false: it is to be written now. */
bool owed_wait(struct worker *w, struct stream *s);
/* What is due (w->owed); the worker is not parked. */
void owed_pay(struct worker *w);

#endif
