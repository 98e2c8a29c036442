/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Who sends STUN, and how much. The control thread has one short queue for it, from all members and from
 * strangers: whoever fills it alone, by any socket, relay or stream, would keep everybody else's
 * registrations and checks out. So each source (an IPv4 address, an IPv6 /64) has an allowance, here, where a
 * message costs next to nothing. Sources share slots by a hash that nobody can predict. One thread.
 */
#ifndef TM_DATA_PLANE_ASKERS_H
#define TM_DATA_PLANE_ASKERS_H

#include "base/addr.h"
#include "base/siphash.h"
#include "base/time.h"

/*
 * In a second, and at once: less than the share of the queue (event.h). Ten thousand members behind one
 * address ask 500 times a second; of a thousand guesses of a port all may arrive.
 */
enum { ASKERS_RATE = 4000, ASKERS_BURST = 48, ASKERS_SLOTS = 1024 };

struct askers {
	struct siphash_key key;
	ns_t paid_at[ASKERS_SLOTS]; /* when what came would be paid for at the rate (GCRA) */
};

NODISCARD int askers_init(struct askers *a); /* TM_EIO */
/* One more message from there. */
bool askers_may(struct askers *a, const struct ip *from, ns_t now);

#endif
