/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* ICMP errors about packets that we cannot carry. */
#include "base/bytes.h"
#include "packet/ip.h"

enum {
	PROTO_HOP_BY_HOP = 0,
	PROTO_ICMP4 = 1,
	PROTO_ROUTING = 43,
	PROTO_FRAGMENT = 44,
	PROTO_AH = 51,
	PROTO_ICMP6 = 58,
	PROTO_DESTINATION = 60,
};

enum {
	IP4_HEADER = 20,
	IP6_HEADER = 40,
	ICMP_HEADER = 8,
	ICMP_TTL = 64,
	ICMP_QUOTE_MIN = 8, /* of the payload, after the header (RFC 792) */
	ICMP4_MAX = 576, /* RFC 1812 4.3.2.3: as much as fits without exceeding 576 bytes */
	ICMP6_MAX = 1280, /* RFC 4443 2.4 (c): without exceeding the minimum IPv6 MTU */
	ICMP6_INFORMATIONAL = 128, /* lower types are errors (RFC 4443 2.1) */
	ICMP6_REDIRECT = 137,
	TOS_INTERNETWORK_CONTROL = 0xc0, /* RFC 1812 4.3.2.5 */
};

struct icmp_code {
	uint8_t type, code;
};

/* RFC 792, 1812 5.2.7.1 */
static const struct icmp_code codes4[] = {
	[ICMP_NO_ROUTE] = {3, 0},
	[ICMP_HOST_UNREACHABLE] = {3, 1},
	[ICMP_ADMIN_PROHIBITED] = {3, 13},
	[ICMP_TOO_BIG] = {3, 4},
	[ICMP_TIME_EXCEEDED] = {11, 0},
};

/* RFC 4443 3 */
static const struct icmp_code codes6[] = {
	[ICMP_NO_ROUTE] = {1, 0},
	[ICMP_HOST_UNREACHABLE] = {1, 3},
	[ICMP_ADMIN_PROHIBITED] = {1, 1},
	[ICMP_TOO_BIG] = {2, 0},
	[ICMP_TIME_EXCEEDED] = {3, 0},
};
_Static_assert(ARRAY_LEN(codes4) == ARRAY_LEN(codes6), "a code in both families for every kind");

static bool icmp4_is_error(uint8_t type)
{
	switch (type) {
	case 3: /* unreachable */
	case 4: /* source quench */
	case 5: /* redirect */
	case 11: /* time exceeded */
	case 12: /* parameter problem */
		return true;
	default:
		return false;
	}
}

/* RFC 1122 3.2.2, RFC 1812 4.3.2.7 */
static bool may_answer4(const struct ip_header *h, const uint8_t *p)
{
	uint8_t src = h->src.bytes[0];

	if ((get_be16(p + 6) & 0x1fff) != 0) /* fragment offset */
		return false;
	/* The source must be one host: not zero, loopback, multicast, broadcast or class E. */
	if (src == 0 || src == 127 || src >= 224)
		return false;
	if (ip_is_multicast(&h->dst) || h->dst.bytes[0] == 0)
		return false;
	if (h->proto != PROTO_ICMP4)
		return true;
	return h->total > h->header_len && !icmp4_is_error(p[h->header_len]);
}

/*
 * The upper-layer header of an IPv6 packet, behind its extension headers. False when it is not in this
 * packet: cut off, or in the first fragment of several.
 */
static bool upper_layer(const struct ip_header *h, const uint8_t *p, uint8_t *ret_proto, struct rd *ret_upper)
{
	struct rd r = rd_over(p + h->header_len, (size_t)(h->total - h->header_len));
	uint8_t proto = h->proto;

	for (;;) {
		uint8_t next, len;
		size_t skip;

		switch (proto) {
		case PROTO_HOP_BY_HOP:
		case PROTO_ROUTING:
		case PROTO_DESTINATION:
			next = rd_u8(&r);
			len = rd_u8(&r);
			skip = (size_t)len * 8 + 6;
			break;
		case PROTO_AH:
			next = rd_u8(&r);
			len = rd_u8(&r);
			skip = (size_t)len * 4 + 6;
			break;
		case PROTO_FRAGMENT:
			next = rd_u8(&r);
			rd_u8(&r);
			if (rd_be16(&r) >> 3 != 0)
				return false;
			skip = 4;
			break;
		default:
			*ret_proto = proto;
			*ret_upper = r;
			return true;
		}
		if (!rd_bytes(&r, skip))
			return false;
		proto = next;
	}
}

/* RFC 4443 2.4 (e). Its exception for Packet Too Big about multicast is not used: the mesh carries none. */
static bool may_answer6(const struct ip_header *h, const uint8_t *p)
{
	uint8_t proto;
	struct rd r;

	if (ip_is_unspecified(&h->src) || ip_is_multicast(&h->src) || ip_is_loopback(&h->src))
		return false;
	if (ip_is_multicast(&h->dst) || ip_is_unspecified(&h->dst))
		return false;
	if (!upper_layer(h, p, &proto, &r))
		return false;
	if (proto != PROTO_ICMP6)
		return true;

	uint8_t type = rd_u8(&r);
	return !r.bad && type >= ICMP6_INFORMATIONAL && type != ICMP6_REDIRECT;
}

static void icmp_header(uint8_t *out, const struct icmp_code *c, uint32_t rest)
{
	out[0] = c->type;
	out[1] = c->code;
	put_be16(out + 2, 0);
	put_be32(out + 4, rest);
}

/*
 * Too Big is sent even when DF is clear: we never fragment, and a sender that is told can, while silence
 * would be a hole.
 */
static size_t build4(enum icmp_error kind, uint32_t mtu, const struct ip *from, const struct ip_header *h,
	const uint8_t *p, size_t quote, uint8_t *out, size_t room)
{
	size_t total = IP4_HEADER + ICMP_HEADER + quote;
	uint8_t *icmp = out + IP4_HEADER;
	struct wr w = wr_over(out, room);

	wr_u8(&w, 0x45);
	wr_u8(&w, TOS_INTERNETWORK_CONTROL);
	wr_be16(&w, (uint16_t)total);
	wr_be32(&w, 0x4000); /* identification 0, DF: never fragmented, so never ambiguous (RFC 6864) */
	wr_u8(&w, ICMP_TTL);
	wr_u8(&w, PROTO_ICMP4);
	wr_be16(&w, 0);
	wr_bytes(&w, from->bytes, 4);
	wr_bytes(&w, h->src.bytes, 4);
	put_be16(out + 10, csum_finish(csum_add(out, IP4_HEADER, 0)));

	/* RFC 1191 4: the MTU of the next hop in the low 16 bits. */
	icmp_header(icmp, &codes4[kind], kind == ICMP_TOO_BIG ? MIN(mtu, (uint32_t)UINT16_MAX) : 0);
	memcpy(icmp + ICMP_HEADER, p, quote);
	put_be16(icmp + 2, csum_finish(csum_add(icmp, ICMP_HEADER + quote, 0)));
	return total;
}

static size_t build6(enum icmp_error kind, uint32_t mtu, const struct ip *from, const struct ip_header *h,
	const uint8_t *p, size_t quote, uint8_t *out, size_t room)
{
	size_t payload = ICMP_HEADER + quote;
	uint8_t *icmp = out + IP6_HEADER;
	struct wr w = wr_over(out, room);

	wr_be32(&w, UINT32_C(6) << 28);
	wr_be16(&w, (uint16_t)payload);
	wr_u8(&w, PROTO_ICMP6);
	wr_u8(&w, ICMP_TTL);
	wr_bytes(&w, from->bytes, 16);
	wr_bytes(&w, h->src.bytes, 16);

	icmp_header(icmp, &codes6[kind], kind == ICMP_TOO_BIG ? mtu : 0);
	memcpy(icmp + ICMP_HEADER, p, quote);
	uint32_t sum = csum_pseudo(from, &h->src, PROTO_ICMP6, (uint32_t)payload);
	put_be16(icmp + 2, csum_finish(csum_add(icmp, payload, sum)));
	return IP6_HEADER + payload;
}

size_t icmp_error_build(enum icmp_error kind, uint32_t mtu, const struct ip *from, const uint8_t *p, size_t n,
	uint8_t *out, size_t out_len)
{
	struct ip_header h;

	if (ip_header_decode(p, n, &h) || h.src.family != from->family)
		return 0;

	bool v4 = from->family == IP_V4;
	if (v4 ? !may_answer4(&h, p) : !may_answer6(&h, p))
		return 0;

	size_t head = (v4 ? IP4_HEADER : IP6_HEADER) + ICMP_HEADER;
	size_t room = MIN(out_len, (size_t)(v4 ? ICMP4_MAX : ICMP6_MAX));
	size_t least = MIN((size_t)h.total, (size_t)h.header_len + ICMP_QUOTE_MIN);
	if (room < head + least)
		return 0;

	size_t quote = MIN((size_t)h.total, room - head);
	return v4 ? build4(kind, mtu, from, &h, p, quote, out, room)
		  : build6(kind, mtu, from, &h, p, quote, out, room);
}
