/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The header that a TUN device with offloads puts before each packet (virtio 1.2, 5.1.6; struct
 * virtio_net_hdr without num_buffers, native byte order): whether the checksum is still to be completed, and
 * whether the packet is a super-packet that stands for several.
 *
 *   flags 1 | gso_type 1 | hdr_len 2 | gso_size 2 | csum_start 2 | csum_offset 2
 */
#ifndef TM_PACKET_VNET_H
#define TM_PACKET_VNET_H

#include "base/util.h"

enum { VNET_HEADER = 10 };

enum vnet_gso {
	VNET_GSO_NONE = 0,
	VNET_GSO_TCP4 = 1,
	VNET_GSO_TCP6 = 4,
	VNET_GSO_UDP = 5, /* VIRTIO_NET_HDR_GSO_UDP_L4: datagrams of gso_size, both families */
};

struct vnet {
	bool needs_csum; /* the checksum field holds the pseudo-header's sum; complete it over csum_start.. */
	bool gso_ecn; /* TCP super-packet with CWR: only its first segment keeps it */
	uint8_t gso; /* enum vnet_gso, or a type that we do not know */
	uint16_t hdr_len; /* a hint, never to be trusted */
	uint16_t gso_size; /* payload bytes of each segment but the last */
	uint16_t csum_start, csum_offset; /* from the start of the packet; from csum_start */
};

void vnet_decode(const uint8_t p[static VNET_HEADER], struct vnet *ret_v);
void vnet_encode(uint8_t out[static VNET_HEADER], const struct vnet *v);

#endif
