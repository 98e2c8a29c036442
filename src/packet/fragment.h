/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A packet in pieces for a link that does not take it whole: IPv4 as a router cuts it (RFC 791 3.2), IPv6 as
 * its source does (RFC 8200 4.5), since routers do not. A piece may be cut again. Whether a packet may be cut
 * is the caller's question. Pure.
 */
#ifndef TM_PACKET_FRAGMENT_H
#define TM_PACKET_FRAGMENT_H

#include "packet/ip.h"

struct fragmenter {
	/* set once */
	const uint8_t *packet; /* borrowed until the last piece was taken */
	size_t head; /* what each piece begins with, without a fragment header */
	size_t link; /* IPv6: where the type of what follows the head stands in it */
	size_t body, end; /* where the packet's data begins and ends */
	size_t room; /* for the packet's data in a piece */
	uint32_t id; /* IPv6 */
	uint16_t first; /* offset of the whole, where it is a piece itself */
	uint8_t next; /* IPv6: type of what follows the head */
	bool v6, more; /* more: pieces follow the whole */
	/* moves on */
	size_t at;
};

/*
 * Pieces of at most `max` bytes. id: of an IPv6 packet that is in one piece so far, unpredictable (RFC 7739).
 * TM_ERANGE: not even 8 bytes of data fit beside the headers. TM_EBADMSG: the headers of an IPv6 packet lead
 * nowhere, or what is a piece itself ends behind 65,535 bytes.
 */
NODISCARD int fragment_begin(struct fragmenter *f, const struct ip_view *v, size_t max, uint32_t id);
/* Writes the next piece to `out`, which has room for max bytes; its length, 0 after the last. */
size_t fragment_next(struct fragmenter *f, uint8_t *out);

#endif
