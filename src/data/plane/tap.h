/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A tap: what goes inside of one peer's tunnel, copied for somebody who looks at it. Snapshots have those
 * that there are (PLANE_TAPS_MAX), so that a worker knows them for as long as it works with one; without any
 * that costs a comparison for each run of messages that arrive and each packet that leaves, of a number that
 * lies beside what is looked up anyway.
 *
 * Workers put packets in, one at a time, and the control thread takes them out. What finds no room is counted
 * and told with the next one that does.
 */
#ifndef TM_DATA_PLANE_TAP_H
#define TM_DATA_PLANE_TAP_H

#include "base/epoch.h"
#include "base/err.h"
#include "base/time.h"
#include "data/plane/drops.h"

struct tap;

enum { PLANE_TAPS_MAX = 4 };
enum { TAP_BYTES = 4 << 20, TAP_PACKET_MAX = 65535 };

struct tap_packet {
	ns_t at; /* monotonic, of its batch */
	bool out; /* to the peer */
	enum plane_drop dropped; /* DROP_N: it was not */
	uint32_t n, kept; /* bytes; of those that are here */
	uint64_t lost; /* packets, since the one before */
	const uint8_t *p;
};

NODISCARD int tap_new(const uint8_t key[static 32], uint32_t keep, struct tap **ret_tap);
void tap_free(void *tap); /* struct tap *, for the epoch; NULL is fine */
struct epoch_retired *tap_retired(struct tap *t);
bool tap_is_about(const struct tap *t, const uint8_t key[static 32]);

/* Any thread; `kept` and `lost` are given here. */
void tap_put(struct tap *t, const struct tap_packet *packet);

/* --- control thread --- */
int tap_fd(const struct tap *t); /* readable when there is something */
void tap_acknowledge(struct tap *t); /* before taking */
/* The next one, in buf of TAP_PACKET_MAX bytes; false: there is none now. */
NODISCARD bool tap_take(struct tap *t, uint8_t *buf, struct tap_packet *ret_packet);
uint64_t tap_lost(const struct tap *t); /* in all */

#endif
