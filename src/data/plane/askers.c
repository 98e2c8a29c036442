/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "data/plane/askers.h"

#include <string.h>

#define COST (SEC / ASKERS_RATE)

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

bool askers_may(struct askers *a, const struct ip *from, ns_t now)
{
	ns_t *paid = &a->paid_at[slot_of(a, from)], next = MAX(*paid, now) + COST;

	if (next > now + ASKERS_BURST * COST)
		return false;
	*paid = next;
	return true;
}
