/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What a relay knows of the members that it relays for, found by host number. The control thread writes,
 * workers read without a lock: a leg is never changed but replaced, and freed through the epoch.
 */
#ifndef TM_DATA_PLANE_LEGS_H
#define TM_DATA_PLANE_LEGS_H

#include "base/epoch.h"
#include "base/siphash.h"
#include "data/plane/plane.h"
#include "wire/relay.h"

/* How a member is reached, and whom handshakes for it must know. */
struct leg {
	struct way way;
	uint8_t mac1_key[32];
	struct epoch_retired retired;
};

/* By a hash of address and port that nobody can predict: few strangers have one in common with a leg. */
enum { LEGS_PLACES = 1 << 16 };

struct legs {
	struct epoch_retired retired;
	struct siphash_key key; /* set once */
	_Atomic(uint32_t) at[LEGS_PLACES]; /* legs by UDP, of each place: how many */
	uint32_t most; /* control thread: no higher one ever was */
	_Atomic(struct leg *) leg[RELAY_HOST_MAX + 1]; /* NULL: not registered */
};

NODISCARD int legs_new(struct legs **ret_legs);
void legs_free(void *legs); /* struct legs *, for the epoch */
/* In the place of the leg that there is, which becomes *ret_old. */
NODISCARD int legs_put(struct legs *l, uint32_t host, const struct plane_leg *leg, struct leg **ret_old);
struct leg *legs_take(struct legs *l, uint32_t host); /* NULL: there is none */

/* Any thread. Of a leg's address and port, or anybody's; is there a leg that has it? */
uint32_t legs_place(const struct legs *l, const struct endpoint *at);
static inline bool legs_any_at(const struct legs *l, uint32_t place)
{
	return atomic_load_explicit(&l->at[place], memory_order_relaxed);
}

/* host is at most RELAY_HOST_MAX. */
static inline const struct leg *legs_find(const struct legs *l, uint32_t host)
{
	return atomic_load_explicit(&l->leg[host], memory_order_acquire);
}

#endif
