/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What a relay knows of the members that it relays for, found by host number. The control thread writes,
 * workers read without a lock: a leg is never changed but replaced, and freed through the epoch. A member's
 * account lives as long as the table, so that a new address brings nobody a new allowance.
 */
#ifndef TM_DATA_PLANE_LEGS_H
#define TM_DATA_PLANE_LEGS_H

#include "base/epoch.h"
#include "base/time.h"
#include "data/plane/plane.h"
#include "wire/relay.h"

/* How a member is reached, and whom handshakes for it must know. */
struct leg {
	struct way way;
	uint8_t mac1_key[32];
	struct epoch_retired retired;
};

struct account {
	_Atomic(struct leg *) leg; /* NULL: not registered */
	_Atomic(uint64_t) bytes_per_s, burst_ns; /* 0: no limit */
	/*
	 * When what it has sent would be paid for at its rate (GCRA, the virtual schedule of ITU-T I.371
	 * annex A). Mostly one worker writes it: the kernel gives a sender's datagrams to one socket.
	 */
	_Atomic(ns_t) paid_at;
	_Atomic(uint64_t) packets, bytes, over_limit;
};

struct legs {
	struct epoch_retired retired;
	_Atomic(struct account *) account[RELAY_HOST_MAX + 1];
};

NODISCARD int legs_new(struct legs **ret_legs);
void legs_free(void *legs); /* struct legs *, for the epoch */
/* In the place of the leg that there is, which becomes *ret_old. */
NODISCARD int legs_put(struct legs *l, uint32_t host, const struct plane_leg *leg, struct leg **ret_old);
struct leg *legs_take(struct legs *l, uint32_t host); /* NULL: there is none */

/* NULL: never heard of. host is at most RELAY_HOST_MAX. */
static inline struct account *legs_account(const struct legs *l, uint32_t host)
{
	return atomic_load_explicit(&l->account[host], memory_order_acquire);
}

/* Any thread: may it send these bytes now? Then they are paid. */
bool account_pay(struct account *a, size_t bytes, ns_t now);
/* It sends them, paid or not: returns when it may send more, 0 = at once. */
ns_t account_owe(struct account *a, size_t bytes, ns_t now);

#endif
