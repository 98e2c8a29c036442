/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Token bucket per source of handshake messages: an IPv4 address or an IPv6 /64 (one host owns a whole /64).
 * About 20 a second with a burst of 5. The table is bounded; sources that were quiet long enough to have a
 * full bucket are forgotten. Control thread.
 */
#ifndef TM_DATA_PEER_RATELIMIT_H
#define TM_DATA_PEER_RATELIMIT_H

#include "base/addr.h"
#include "base/err.h"
#include "base/time.h"

struct ratelimit;

enum { RATELIMIT_PER_SECOND = 20, RATELIMIT_BURST = 5, RATELIMIT_SOURCES_MAX = 1 << 14 };

NODISCARD int ratelimit_new(struct ratelimit **ret_limit);
void ratelimit_free(struct ratelimit *r);
DEFINE_CLEANUP(struct ratelimit, ratelimit_free)

/* Takes one token; false when there is none, or no room to remember a new source. */
NODISCARD bool ratelimit_allow(struct ratelimit *r, const struct ip *from, ns_t now);
size_t ratelimit_sources(const struct ratelimit *r);

#endif
