/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "wire/pcp.h"

#include "base/bytes.h"

enum { VERSION = 2, RESPONSE = 0x80, UDP = 17 };

static const uint8_t mapped_prefix[12] = {[10] = 0xff, [11] = 0xff}; /* RFC 4291 2.5.5.2 */

static void put_ip(struct wr *w, const struct ip *ip)
{
	if (ip->family == IP_V4) {
		wr_bytes(w, mapped_prefix, sizeof(mapped_prefix));
		wr_bytes(w, ip->bytes, 4);
	} else {
		wr_bytes(w, ip->bytes, 16);
	}
}

static void put_header(struct wr *w, enum pcp_opcode opcode, uint32_t lifetime_s, const struct ip *client)
{
	wr_u8(w, VERSION);
	wr_u8(w, (uint8_t)opcode);
	wr_be16(w, 0);
	wr_be32(w, lifetime_s);
	put_ip(w, client);
}

size_t pcp_announce_request(const struct ip *client, uint8_t *out, size_t out_len)
{
	struct wr w = wr_over(out, out_len);

	put_header(&w, PCP_ANNOUNCE, 0, client);
	return w.bad ? 0 : wr_len(&w);
}

size_t pcp_map_request(const struct ip *client, const struct pcp_map *map, uint8_t *out, size_t out_len)
{
	/* "Any address" is the all-zeros one of the client's family, IPv4 mapped (RFC 6887, 5 and 11.1). */
	const struct ip any = {.family = client->family};
	struct wr w = wr_over(out, out_len);

	put_header(&w, PCP_MAP, map->lifetime_s, client);
	wr_bytes(&w, map->nonce, PCP_NONCE);
	wr_u8(&w, UDP);
	wr_u8(&w, 0);
	wr_be16(&w, 0);
	wr_be16(&w, map->internal_port);
	wr_be16(&w, map->external_port);
	put_ip(&w, map->external.family == IP_NONE ? &any : &map->external);
	return w.bad ? 0 : wr_len(&w);
}

static int get_map(struct rd *r, struct pcp_map *m)
{
	uint8_t external[16];

	rd_copy(r, m->nonce, PCP_NONCE);
	uint8_t protocol = rd_u8(r);
	(void)rd_bytes(r, 3);
	m->internal_port = rd_be16(r);
	m->external_port = rd_be16(r);
	rd_copy(r, external, sizeof(external));
	if (r->bad)
		return TM_ESHORT;
	if (protocol != UDP)
		return TM_EBADMSG;
	m->external = ip_unmapped(ip_v6(external));
	return TM_OK;
}

int pcp_response_decode(const uint8_t *p, size_t n, struct pcp_response *ret_m)
{
	struct rd r = rd_over(p, n);
	struct pcp_response m = {0};

	uint8_t version = rd_u8(&r);
	uint8_t opcode = rd_u8(&r);
	(void)rd_u8(&r);
	m.result = rd_u8(&r);
	m.lifetime_s = rd_be32(&r);
	m.epoch_s = rd_be32(&r);
	(void)rd_bytes(&r, 12);
	if (n && version != VERSION)
		return TM_EVERSION;
	if (r.bad)
		return TM_ESHORT;
	if (n > PCP_MAX || n % 4 || !(opcode & RESPONSE)) /* RFC 6887 8.3 */
		return TM_EBADMSG;

	m.opcode = opcode & ~RESPONSE & 0xff;
	if (m.opcode == PCP_MAP) {
		int err = get_map(&r, &m.map);
		if (err)
			return err;
		m.map.lifetime_s = m.lifetime_s;
	} else if (m.opcode != PCP_ANNOUNCE) {
		return TM_EBADMSG;
	}
	*ret_m = m;
	return TM_OK;
}
