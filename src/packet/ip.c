/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "packet/ip.h"

#include "base/bytes.h"

enum { IP4_HEADER = 20, IP6_HEADER = 40 };

static int ip4_decode(const uint8_t *p, size_t n, struct ip_header *ret_h)
{
	if (n < IP4_HEADER)
		return TM_ESHORT;

	uint16_t header_len = (uint16_t)((p[0] & 15u) * 4);
	uint16_t total = get_be16(p + 2);
	if (header_len < IP4_HEADER || header_len > total || total > n)
		return TM_EBADMSG;

	*ret_h = (struct ip_header){
		.src = ip_v4(p + 12),
		.dst = ip_v4(p + 16),
		.total = total,
		.tos = p[1],
		.ttl = p[8],
		.proto = p[9],
		.header_len = header_len,
	};
	return TM_OK;
}

static int ip6_decode(const uint8_t *p, size_t n, struct ip_header *ret_h)
{
	if (n < IP6_HEADER)
		return TM_ESHORT;

	size_t total = (size_t)IP6_HEADER + get_be16(p + 4);
	if (total > n || total > UINT16_MAX)
		return TM_EBADMSG;

	*ret_h = (struct ip_header){
		.src = ip_v6(p + 8),
		.dst = ip_v6(p + 24),
		.total = (uint16_t)total,
		.tos = (uint8_t)(get_be16(p) >> 4),
		.ttl = p[7],
		.proto = p[6],
		.header_len = IP6_HEADER,
	};
	return TM_OK;
}

int ip_header_decode(const uint8_t *p, size_t n, struct ip_header *ret_h)
{
	if (n == 0)
		return TM_ESHORT;

	switch (p[0] >> 4) {
	case 4:
		return ip4_decode(p, n, ret_h);
	case 6:
		return ip6_decode(p, n, ret_h);
	default:
		return TM_EBADMSG;
	}
}

/* One 16-bit word of an IPv4 header changed: RFC 1624 eqn. 3, HC' = ~(~HC + ~m + m'). */
static void ip4_csum_update(uint8_t *p, uint16_t was, uint16_t is)
{
	uint32_t sum = (uint16_t)~get_be16(p + 10);

	sum += (uint16_t)~was;
	sum += is;
	put_be16(p + 10, csum_finish(sum));
}

bool ip_decrement_ttl(uint8_t *p)
{
	if (p[0] >> 4 == 6) {
		if (p[7] <= 1)
			return false;
		p[7]--;
		return true;
	}
	if (p[8] <= 1)
		return false;

	uint16_t was = get_be16(p + 8);
	p[8]--;
	ip4_csum_update(p, was, get_be16(p + 8));
	return true;
}

enum { NOT_ECT = 0, ECT1 = 1, ECT0 = 2, CE = 3 };

static void ecn_set(uint8_t *p, unsigned ecn)
{
	if (p[0] >> 4 == 6) {
		p[1] = (uint8_t)((p[1] & 0xcfu) | ecn << 4);
		return;
	}
	uint16_t was = get_be16(p);
	p[1] = (uint8_t)((p[1] & 0xfcu) | ecn);
	ip4_csum_update(p, was, get_be16(p));
}

/* RFC 6040 4.2, figure 4. */
bool ecn_decapsulate(uint8_t *inner, uint8_t outer_tos)
{
	unsigned in = inner[0] >> 4 == 6 ? inner[1] >> 4 & 3u : inner[1] & 3u;
	unsigned out = outer_tos & 3u;

	if (in == NOT_ECT)
		return out != CE;
	if (out == CE && in != CE)
		ecn_set(inner, CE);
	else if (out == ECT1 && in == ECT0)
		ecn_set(inner, ECT1);
	return true;
}
