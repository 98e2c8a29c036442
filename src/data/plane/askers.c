/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "data/plane/askers.h"

#include <string.h>

int askers_init(struct askers *a)
{
	*a = (struct askers){.paid_at = {0}};
	return siphash_key_random(&a->key);
}

static size_t slot_of(const struct askers *a, const struct ip *from)
{
	const size_t n = from->family == IP_V4 ? 4 : 8; /* a stream's other end may be unknown */
	uint8_t text[1 + 8] = {from->family};

	memcpy(text + 1, from->bytes, n);
	return siphash(&a->key, text, 1 + n) % ASKERS_SLOTS;
}

static bool pay(ns_t *paid, unsigned rate, unsigned burst, ns_t now)
{
	const ns_t cost = SEC / rate, next = MAX(*paid, now) + cost;

	if (next > now + burst * cost)
		return false;
	*paid = next;
	return true;
}

bool askers_may(struct askers *a, const struct ip *from, ns_t now)
{
	return pay(&a->paid_at[slot_of(a, from)], ASKERS_RATE, ASKERS_BURST, now);
}

bool askers_may_from_leg(struct askers *a, uint32_t place, ns_t now)
{
	return pay(&a->leg_paid_at[place % ASKERS_LEG_SLOTS], ASKERS_LEG_RATE, ASKERS_LEG_BURST, now);
}
