/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "wire/natpmp.h"

#include "base/bytes.h"

enum { VERSION = 0, ANSWER = 0x80 };

size_t natpmp_address_request(uint8_t out[static NATPMP_ADDRESS_LEN])
{
	out[0] = VERSION;
	out[1] = NATPMP_ADDRESS;
	return NATPMP_ADDRESS_LEN;
}

size_t natpmp_map_request(
	uint16_t internal, uint16_t external, uint32_t lifetime_s, uint8_t out[static NATPMP_MAP_LEN])
{
	out[0] = VERSION;
	out[1] = NATPMP_MAP_UDP;
	put_be16(out + 2, 0);
	put_be16(out + 4, internal);
	put_be16(out + 6, external);
	put_be32(out + 8, lifetime_s);
	return NATPMP_MAP_LEN;
}

static void get_address(struct rd *r, struct natpmp_answer *m)
{
	uint8_t ip[4];

	rd_copy(r, ip, sizeof(ip));
	m->external = ip_v4(ip);
}

static void get_map(struct rd *r, struct natpmp_answer *m)
{
	m->internal_port = rd_be16(r);
	m->external_port = rd_be16(r);
	m->lifetime_s = rd_be32(r);
}

int natpmp_answer_decode(const uint8_t *p, size_t n, struct natpmp_answer *ret_m)
{
	struct rd r = rd_over(p, n);
	struct natpmp_answer m = {0};

	uint8_t version = rd_u8(&r);
	uint8_t opcode = rd_u8(&r);
	m.result = rd_be16(&r);
	m.epoch_s = rd_be32(&r);
	if (n && version != VERSION)
		return TM_EVERSION;
	if (r.bad)
		return TM_ESHORT;
	m.opcode = opcode & ~ANSWER & 0xff;
	if (!(opcode & ANSWER) || m.opcode > NATPMP_MAP_UDP)
		return TM_EBADMSG;

	/* What stands behind an error says nothing, and gateways leave it out (RFC 6886 3.5). */
	if (m.result == NATPMP_SUCCESS) {
		if (m.opcode == NATPMP_ADDRESS)
			get_address(&r, &m);
		else
			get_map(&r, &m);
		if (r.bad)
			return TM_ESHORT;
	}
	*ret_m = m;
	return TM_OK;
}
