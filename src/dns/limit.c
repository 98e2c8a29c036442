/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "dns/limit.h"

#include <string.h>

enum { WAYS = 8 }; /* slots that an asker may have */

#define TOKEN (SEC / DNS_LIMIT_PER_SECOND)

int dns_limit_init(struct dns_limit *l)
{
	memset(l, 0, sizeof(*l));
	return siphash_key_random(&l->key);
}

/* The one that it has, else the one whose bucket is fullest. */
static struct dns_limit_slot *slot_of(struct dns_limit *l, uint64_t who)
{
	struct dns_limit_slot *set = &l->slots[who % (DNS_LIMIT_SLOTS / WAYS) * WAYS], *best = set;

	for (size_t i = 0; i < WAYS; i++) {
		if (set[i].who == who)
			return &set[i];
		if (set[i].spent_until < best->spent_until)
			best = &set[i];
	}
	*best = (struct dns_limit_slot){.who = who};
	return best;
}

bool dns_limit_allow(struct dns_limit *l, const struct ip *from, bool member, ns_t now)
{
	/* By an IPv6 address is meant who has the /64, with 2^64 to choose from; a member has no choice. */
	const size_t counts = from->family == IP_V6 && !member ? 8 : ip_len(from);
	const uint64_t who = siphash(&l->key, from->bytes, counts) | 1;
	struct dns_limit_slot *s = slot_of(l, who);
	const ns_t spent = s->spent_until > now ? s->spent_until - now : 0;

	if (spent + TOKEN > DNS_LIMIT_BURST * TOKEN)
		return false;
	s->spent_until = now + spent + TOKEN;
	return true;
}
