/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "wire/relay.h"

#include "wire/stun.h"
#include "wire/wg.h"

static bool is_pair(uint32_t lower, uint32_t higher)
{
	return lower > 0 && lower < higher && higher <= RELAY_HOST_MAX;
}

uint64_t relay_pair(uint32_t a, uint32_t b)
{
	const uint32_t lower = MIN(a, b), higher = MAX(a, b);

	return is_pair(lower, higher) ? (uint64_t)RELAY_MAGIC << 48 | (uint64_t)lower << 24 | higher : 0;
}

uint64_t relay_get(const uint8_t *p, size_t n)
{
	uint64_t pair;

	if (n <= RELAY_HEADER || get_be16(p) != RELAY_MAGIC)
		return 0;

	pair = get_be64(p);
	return is_pair(relay_lower(pair), relay_higher(pair)) ? pair : 0;
}

bool relay_carries(const uint8_t *p, size_t n)
{
	return wg_classify(p, n) || stun_classify(p, n);
}

void relay_frame_head(uint8_t out[static RELAY_FRAME_HEAD], uint64_t pair, uint16_t segment, uint8_t tos)
{
	relay_put(out, pair);
	put_be16(out + RELAY_HEADER, segment);
	out[RELAY_HEADER + 2] = tos;
	out[RELAY_HEADER + 3] = 0;
}

void relay_frame_mark(uint8_t head[static RELAY_FRAME_HEAD])
{
	uint8_t *tos = &head[RELAY_HEADER + 2];

	if (*tos & 3)
		*tos |= 3;
}

int relay_frame_decode(const uint8_t *p, size_t n, struct relay_frame *ret_frame)
{
	struct relay_frame f;

	if (n <= RELAY_FRAME_HEAD)
		return TM_ESHORT;
	if (n > RELAY_FRAME_MAX)
		return TM_ERANGE;

	f = (struct relay_frame){
		.pair = relay_get(p, n),
		.segment = get_be16(p + RELAY_HEADER),
		.tos = p[RELAY_HEADER + 2],
		.train = p + RELAY_FRAME_HEAD,
		.n = n - RELAY_FRAME_HEAD,
	};
	if (!f.pair || !f.segment || p[RELAY_HEADER + 3])
		return TM_EBADMSG;

	*ret_frame = f;
	return TM_OK;
}
