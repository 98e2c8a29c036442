/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A worker's half of being a relay: messages between two members go on as they came, from the receive buffer,
 * whole trains at once. Nothing is looked at but their shape, and for handshakes that they know whom they are
 * for; nothing is sent but to an address that its member has proved; nothing waits for it.
 */
#ifndef TM_DATA_PLANE_FORWARD_H
#define TM_DATA_PLANE_FORWARD_H

#include "data/plane/worker.h"

/* Messages of a received train that have one header, `count` of them, n bytes at p, `step` each but the last.
 */
struct relayed_run {
	uint64_t pair;
	uint8_t *p;
	size_t n, step;
	unsigned count;
};

/* To the one of the two that it is not from; the bytes stay until worker_flush. Counts what it drops. */
void forward_run(struct worker *w, const struct datagram *from, const struct relayed_run *run);
/* Whether it comes from the address that this member has proved to us. */
bool forward_is_from(const struct worker *w, uint32_t host, const struct datagram *from);

#endif
