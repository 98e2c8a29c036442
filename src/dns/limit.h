/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * How often one asker is answered: a token bucket for each address that asks, an IPv6 host of elsewhere
 * counting as its /64. As many askers are told apart as there are slots; a newcomer takes the fullest bucket
 * of a few, which is the one that it is least missed in. Control thread.
 */
#ifndef TM_DNS_LIMIT_H
#define TM_DNS_LIMIT_H

#include "base/addr.h"
#include "base/err.h"
#include "base/siphash.h"
#include "base/time.h"

enum { DNS_LIMIT_PER_SECOND = 200, DNS_LIMIT_BURST = 400, DNS_LIMIT_SLOTS = 1024 };

struct dns_limit {
	struct siphash_key key;
	struct dns_limit_slot {
		uint64_t who; /* 0 = free */
		ns_t spent_until; /* when the bucket will be full again */
	} slots[DNS_LIMIT_SLOTS];
};

NODISCARD int dns_limit_init(struct dns_limit *l); /* TM_EIO: no randomness */
/* Takes one token; false when there is none. `member`: of the mesh, whose members share a /64, and have one
 * address of it each. */
bool dns_limit_allow(struct dns_limit *l, const struct ip *from, bool member, ns_t now);

#endif
