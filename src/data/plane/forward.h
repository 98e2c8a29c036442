/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A worker's half of being a relay: messages between two members go on as they came, from the receive buffer,
 * whole trains at once. Nothing is looked at but their shape, and for handshakes that they know whom they are
 * for; nothing is sent but to an address that its member has proved, or by its stream; nothing waits for it.
 */
#ifndef TM_DATA_PLANE_FORWARD_H
#define TM_DATA_PLANE_FORWARD_H

#include "data/plane/worker.h"

/*
 * Messages of a received train that are between the same two, `count` of them, n bytes at p, `step` each but
 * the last, of which the first `skip` are the header: RELAY_HEADER in datagrams, 0 in frames.
 */
struct relayed_run {
	uint64_t pair;
	uint8_t *p;
	size_t n, step, skip;
	uint8_t tos;
	unsigned count;
	/* Of a stream: the frame that all of it came in. Whoever sends that one on takes it and leaves NULL.
	 */
	struct frame **whole;
};

/* Where it comes from: a socket and an address, or a stream (WAY_RELAY_TCP). */
struct relay_source {
	enum way_kind kind;
	uint32_t socket;
	const struct endpoint *remote;
	uint32_t host; /* a stream: the member that has proved to be at its other end; 0 = nobody has */
};

/* To the one of the two that it is not from; the bytes stay until worker_flush. Counts what it drops, which
 * is false. */
bool forward_run(struct worker *w, const struct relay_source *from, const struct relayed_run *run);
/* Whether that is the leg of this member. */
bool forward_is_from(const struct worker *w, uint32_t host, const struct relay_source *from);

#endif
