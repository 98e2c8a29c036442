/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A flow: a connection, or what comes nearest to one, that the rules let begin. Between members an address is
 * a host number, so that all there is to know fits into half a cache line; flows with an address outside the
 * mesh (routes) have their whole addresses behind them.
 *
 * Side 0 is the end that began, side 1 the other.
 */
#ifndef TM_DATA_FILTER_FLOW_H
#define TM_DATA_FILTER_FLOW_H

#include "base/time.h"
#include "base/util.h"

#include <string.h>

/*
 * What tells flows apart. In words, since it is made, hashed and compared for each packet, and what was
 * written in pieces is slow to read as a whole.
 */
struct __attribute__((packed)) flow_key {
	uint32_t hosts; /* numbers: remote | local << 16, local 0: this node. Both 0: see flow_id.addr */
	/* remote | local << 16. Of an echo, its identifier stands where the port of the one who asks does,
	 * and 0 for the other. */
	uint32_t ports;
	uint8_t proto;
	uint8_t version; /* 4 or 6 */
};
_Static_assert(sizeof(struct flow_key) == 10, "and two bytes for the peer make twelve");

static inline uint32_t flow_pair(uint16_t remote, uint16_t local)
{
	return remote | (uint32_t)local << 16;
}

static inline uint16_t flow_remote(uint32_t pair)
{
	return (uint16_t)pair;
}

static inline uint16_t flow_local(uint32_t pair)
{
	return (uint16_t)(pair >> 16);
}

static inline bool flow_key_eq(const struct flow_key *a, const struct flow_key *b)
{
	return a->hosts == b->hosts && a->ports == b->ports && a->proto == b->proto &&
	       a->version == b->version;
}

enum flow_state {
	/* all but TCP */
	FLOW_BEGUN, /* nothing came back so far */
	FLOW_ANSWERED,
	/* TCP, as seen from between the two */
	FLOW_SYN_SENT,
	FLOW_SYN_ANSWERED,
	FLOW_ESTABLISHED,
	FLOW_HALF_CLOSED, /* one has sent FIN */
	FLOW_CLOSING, /* both have */
	FLOW_TIME_WAIT, /* and both have been acknowledged */
	FLOW_RESET,
};

/* What is known of one of the two; of TCP alone. */
struct flow_side {
	uint8_t known : 1; /* `edge` is */
	uint8_t fin : 1; /* it has sent FIN */
	uint8_t acked : 1; /* and that was acknowledged */
	uint8_t reach : 5; /* the farthest window that it offered the other: 2^reach bytes at most */
};

struct flow {
	struct flow_key key;
	uint16_t peer; /* host number of the peer that it goes through */
	uint32_t until; /* tick */
	uint32_t generation; /* in which it was judged */
	/* The lowest sequence number that a side may still use: what the other has acknowledged; after FIN,
	 * the one behind that. */
	uint32_t edge[2];
	struct flow_side side[2];
	uint8_t state : 6; /* enum flow_state */
	/* By rules that do not let it begin any more. It stays known, lest the next packet of the other side
	 * begin it again as its own. */
	uint8_t killed : 1;
	uint8_t by_remote : 1; /* the remote end began */
	uint8_t scales; /* of windows, 4 bits for each side */
};
_Static_assert(sizeof(struct flow) == 32, "two in a cache line");

/* Addresses as they are in packets; of IPv4 the first four bytes. */
struct flow_addr {
	uint8_t remote[16], local[16];
};

/* What a packet says about which flow it is of. */
struct flow_id {
	struct flow_key key;
	bool routed; /* addr counts */
	struct flow_addr addr; /* set where routed */
	uint32_t hash[2]; /* flows.h */
};

/* Time is counted in eighths of a second, nearly: it may be late by one. */
enum { FLOW_TICK_SHIFT = 27 };

static inline uint32_t flow_tick(ns_t now)
{
	return (uint32_t)((uint64_t)now >> FLOW_TICK_SHIFT);
}

static inline uint32_t flow_ticks(ns_t span)
{
	return flow_tick(span) + 1;
}

static inline bool flow_is_over(const struct flow *f, uint32_t tick)
{
	return (int32_t)(f->until - tick) <= 0;
}

#endif
