/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Who sends STUN, and how much. The control thread has one short queue for it, from all members and from
 * strangers: whoever fills it alone, by any socket, relay or stream, would keep everybody else's
 * registrations and checks out. So each source (an IPv4 address, an IPv6 /64) has an allowance, here, where a
 * message costs next to nothing. Sources share slots by a hash that nobody can predict. One thread.
 *
 * Many may be behind one address, and one of them may flood. So whoever has a leg of ours, which he has
 * proved (legs.h), has a little besides, for his address and port: enough for his refreshes.
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
/* Of one leg. A round of questions is 4 in a second, and what is asked when a network is new 16 at once. */
enum { ASKERS_LEG_RATE = 16, ASKERS_LEG_BURST = 16, ASKERS_LEG_SLOTS = 4096 };

struct askers {
	struct siphash_key key;
	/* when what came would be paid for at the rate (GCRA) */
	ns_t paid_at[ASKERS_SLOTS], leg_paid_at[ASKERS_LEG_SLOTS];
};

NODISCARD int askers_init(struct askers *a); /* TM_EIO */
/* One more message from there. */
bool askers_may(struct askers *a, const struct ip *from, ns_t now);
/* That was one too many, but it came from where a leg is, which has this place (legs_place). */
bool askers_may_from_leg(struct askers *a, uint32_t place, ns_t now);

#endif
