/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What stands before a message that a relay hands on (docs/protocol.md, "Relays"). Pure codecs.
 *
 *   header     'T' (0x54) | version 1 | lower host number 3 | higher host number 3
 *
 *   datagram   header | one WireGuard or STUN message
 *
 *   frame      header | size of each message 2 | tos 1 | 0 | messages, one behind the other
 *
 * The last message of a frame may be shorter. A frame is a message of a WebSocket (wire/ws.h).
 *
 * The eight bytes are the same on both legs, so that a relay sends on what it received without touching it.
 * They name the two ends by their host numbers (mesh/model.h) and say nothing of who sends: that follows from
 * where it comes from. Their first two bits, 01, belong to no STUN message, and WireGuard's types are 1 to 4.
 */
#ifndef TM_WIRE_RELAY_H
#define TM_WIRE_RELAY_H

#include "base/bytes.h"
#include "base/err.h"

enum {
	RELAY_HEADER = 8,
	RELAY_MAGIC = 0x5401, /* its first two bytes */
	RELAY_FRAME_HEAD = RELAY_HEADER + 2 + 1 + 1,
	RELAY_FRAME_MAX = 65536, /* with its head */
	RELAY_HOST_MAX = 65536,
};

/*
 * The two nodes that a relayed message is between: the header, read as one number. 0 stands for no relay,
 * also where a and b are no two nodes (equal, 0 or above RELAY_HOST_MAX).
 */
uint64_t relay_pair(uint32_t a, uint32_t b);

static inline uint32_t relay_lower(uint64_t pair)
{
	return (uint32_t)(pair >> 24) & 0xffffff;
}

static inline uint32_t relay_higher(uint64_t pair)
{
	return (uint32_t)pair & 0xffffff;
}

/* The one of the two that `host` is not; 0 when it is neither. */
static inline uint32_t relay_other(uint64_t pair, uint32_t host)
{
	if (host == relay_lower(pair))
		return relay_higher(pair);
	return host == relay_higher(pair) ? relay_lower(pair) : 0;
}

static inline void relay_put(uint8_t out[static RELAY_HEADER], uint64_t pair)
{
	put_be64(out, pair);
}

/* The pair in the header that n bytes begin with; 0 when they begin with none, or with nothing behind it. */
uint64_t relay_get(const uint8_t *p, size_t n);

/* Whether a relay hands this message on: a WireGuard message of a length that its type can have, or STUN. */
bool relay_carries(const uint8_t *p, size_t n);

struct relay_frame {
	uint64_t pair;
	uint16_t segment; /* of each message but the last */
	uint8_t tos; /* of all of them */
	const uint8_t *train; /* borrowed */
	size_t n; /* of the train */
};

/* Of n > 0 bytes of messages, which are to follow it. */
void relay_frame_head(uint8_t out[static RELAY_FRAME_HEAD], uint64_t pair, uint16_t segment, uint8_t tos);
/* Its messages met congestion: ECT becomes CE (RFC 3168, 5); where they can carry no mark nothing changes. */
void relay_frame_mark(uint8_t head[static RELAY_FRAME_HEAD]);
/* TM_ESHORT, TM_EBADMSG; TM_ERANGE above RELAY_FRAME_MAX. What the messages are nobody has looked at. */
NODISCARD int relay_frame_decode(const uint8_t *p, size_t n, struct relay_frame *ret_frame);

#endif
