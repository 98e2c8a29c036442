/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A packet on its way through the plane: n bytes at `data` inside a buffer that leaves PACKET_HEADROOM bytes
 * before it (the WireGuard header, later a relay's header, and what a one-pass AEAD wants) and
 * PACKET_TAILROOM after it (padding, tag).
 */
#ifndef TM_DATA_PLANE_PACKET_H
#define TM_DATA_PLANE_PACKET_H

#include "base/bytes.h"
#include "wire/wg.h"

enum { PACKET_HEADROOM = 128, PACKET_TAILROOM = 128 };
_Static_assert(PACKET_TAILROOM >= 15 + WG_TAG, "padding and tag fit");

/* The length that the IP header itself claims, or 0 when p is no IP packet or claims more than n
 * (whitepaper 5.4.6). */
static inline size_t packet_length(const uint8_t *p, size_t n)
{
	size_t total;

	if (n >= 20 && p[0] >> 4 == 4) {
		size_t header = (size_t)(p[0] & 15) * 4;

		total = get_be16(p + 2);
		return header >= 20 && total >= header && total <= n ? total : 0;
	}
	if (n >= 40 && p[0] >> 4 == 6) {
		total = 40 + (size_t)get_be16(p + 4);
		return total <= n ? total : 0;
	}
	return 0;
}

static inline uint8_t packet_tos(const uint8_t *p)
{
	return p[0] >> 4 == 4 ? p[1] : (uint8_t)((p[0] & 15) << 4 | p[1] >> 4);
}

/* IPv4 whose sender allows routers to fragment it. */
static inline bool packet_may_fragment(const uint8_t *p)
{
	return p[0] >> 4 == 4 && !(p[6] & 0x40);
}

#endif
