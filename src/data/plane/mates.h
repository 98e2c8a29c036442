/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Streams of a relay whose members talk to each other belong to one worker. What comes by the one then leaves
 * by the other at once; handed from worker to worker it wakes a thread for every frame, which costs a third
 * of all that the relay does for it (docs/benchmarks/relays.md).
 *
 * Who talks to whom shows in the frames. Two streams are mates when most of what comes by each is for the
 * other: a member that talks to many stays where it is, and so do those, because whoever has many mates near
 * him would have all the work of one worker, and the others none. Of mates with two owners one moves:
 *
 *   worker that owns one     tells the control thread (worker.match)
 *   control thread           says to the owner who is the heir, by the post
 *   owner                    after its burst: reads no more of it, and gives it away. From now on what is
 *                            sent by it goes to the heir, who keeps it in the stream's queue
 *   control thread           puts it into the heir's crowd, unless it was removed meanwhile
 *
 * Only the control thread puts streams into crowds and takes them from the table, so none is read that was
 * removed. What another worker had on its way to the owner while it left is passed on, and may be overtaken;
 * that is a frame, once.
 */
#ifndef TM_DATA_PLANE_MATES_H
#define TM_DATA_PLANE_MATES_H

#include "data/plane/streaming.h"

/* So many frames more than of all others, since when a stream has a mate; and after as many it asks again. */
enum { MATES_AFTER = 32 };

/* The owner, of a frame between two others that was handed on. */
void mates_saw(struct worker *w, struct stream *s, uint64_t pair);
/* Any thread: most of what comes by each is between these two. */
bool mates_are(const struct stream *s, const struct stream *t);
/* The owner: has been told to give it away, and does so with all that are to leave. */
void mates_will_leave(struct worker *w, struct stream *s, struct worker *heir);
void mates_leave(struct worker *w);

#endif
