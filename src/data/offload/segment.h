/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * From a packet as a TUN with offloads hands it over to the packets that belong on the wire: a TCP or UDP
 * super-packet is cut into its segments, a checksum that was left to the "hardware" is completed. Pure; the
 * result is what the kernel's own software segmentation (net/ipv4/tcp_offload.c, udp_offload.c) would send:
 * sequence numbers and IPv4 identifications count on, FIN and PSH stay with the last segment, CWR with the
 * first, everything else is copied.
 */
#ifndef TM_DATA_OFFLOAD_SEGMENT_H
#define TM_DATA_OFFLOAD_SEGMENT_H

#include "base/err.h"
#include "packet/ip.h"
#include "packet/vnet.h"

struct segmenter {
	/* set once */
	const uint8_t *packet; /* borrowed until the last segment was taken */
	size_t n, header; /* header: IP and transport, repeated in front of each segment */
	uint16_t l4, size; /* where the transport header starts; payload bytes of a segment */
	bool v6, udp, gso, needs_csum;
	uint16_t csum_at; /* where the checksum goes */
	uint32_t ip_sum, l4_sum; /* of a super-packet: what is the same in the checksums of all segments */
	unsigned count;
	/* moves on */
	unsigned at;
};

/*
 * packet: as read from the TUN, behind the header v. TM_EBADMSG: the header contradicts the packet (never
 * from an honest kernel), nothing may be sent. count says how many segments there will be, at least 1.
 */
NODISCARD int segment_begin(struct segmenter *s, const struct vnet *v, const struct ip_view *packet);
/* Length of the longest segment: the room that segment_next needs. */
size_t segment_max(const struct segmenter *s);
/* Writes the next segment, complete with checksums, to out (not overlapping); its length, 0 after the last.
 */
size_t segment_next(struct segmenter *s, uint8_t *out);

#endif
