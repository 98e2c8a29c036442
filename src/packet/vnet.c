/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "packet/vnet.h"

#include <string.h>

enum { FLAG_NEEDS_CSUM = 1, GSO_ECN = 0x80 };

void vnet_decode(const uint8_t p[static VNET_HEADER], struct vnet *ret_v)
{
	uint16_t field[4];

	memcpy(field, p + 2, sizeof(field));
	*ret_v = (struct vnet){
		.needs_csum = p[0] & FLAG_NEEDS_CSUM,
		.gso_ecn = p[1] & GSO_ECN,
		.gso = p[1] & (uint8_t)~GSO_ECN,
		.hdr_len = field[0],
		.gso_size = field[1],
		.csum_start = field[2],
		.csum_offset = field[3],
	};
}

void vnet_encode(uint8_t out[static VNET_HEADER], const struct vnet *v)
{
	const uint16_t field[4] = {v->hdr_len, v->gso_size, v->csum_start, v->csum_offset};

	out[0] = v->needs_csum ? FLAG_NEEDS_CSUM : 0;
	out[1] = (uint8_t)(v->gso | (v->gso_ecn ? GSO_ECN : 0));
	memcpy(out + 2, field, sizeof(field));
}
