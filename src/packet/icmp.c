/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "packet/icmp.h"

#include "base/bytes.h"
#include "packet/csum.h"

enum {
	ICMP_HEADER = 8,
	ICMP_QUOTE_MIN = 8, /* of the payload, after the header (RFC 792) */
	ICMP4_MAX = 576, /* RFC 1812 4.3.2.3: as much as fits without exceeding 576 bytes */
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
static bool may_answer4(const struct ip_view *v)
{
	const uint8_t *src = ip_src(v->p), *dst = ip_dst(v->p);

	/* The source must be one host: not zero, loopback, multicast, broadcast or class E. */
	if (src[0] == 0 || src[0] == 127 || src[0] >= 224)
		return false;
	if (dst[0] == 0 || dst[0] >= 224)
		return false;
	if (v->flags & IP_LATER)
		return false;
	if (v->proto != PROTO_ICMP)
		return true;
	return v->flags & IP_UPPER && !icmp4_is_error(v->p[v->l4]);
}

/* RFC 4443 2.4 (e). Its exception for Packet Too Big about multicast is not used: the mesh carries none. */
static bool may_answer6(const struct ip_view *v)
{
	const struct ip src = ip_src_of(v), dst = ip_dst_of(v);

	if (ip_is_unspecified(&src) || ip_is_multicast(&src) || ip_is_loopback(&src))
		return false;
	if (ip_is_multicast(&dst) || ip_is_unspecified(&dst))
		return false;
	if (!(v->flags & IP_UPPER))
		return false;
	if (v->proto != PROTO_ICMP6)
		return true;

	uint8_t type = v->p[v->l4];
	return type >= ICMP6_INFORMATIONAL && type != ICMP6_REDIRECT;
}

static void icmp_header(uint8_t *out, const struct icmp_code *c, uint32_t rest)
{
	out[0] = c->type;
	out[1] = c->code;
	put_be16(out + 2, 0);
	put_be32(out + 4, rest);
}

bool icmp_may_answer(const struct ip_view *v)
{
	return v->version == 4 ? may_answer4(v) : may_answer6(v);
}

/* Too Big also when DF is clear: whoever asks for it did not cut the packet, and silence would be a hole. */
size_t icmp_error_build(enum icmp_error kind, uint32_t mtu, const struct ip *from, const struct ip_view *v,
	uint8_t *out, size_t out_len)
{
	const bool v4 = v->version == 4;

	if (from->family != v->version || !icmp_may_answer(v))
		return 0;

	const size_t header = v4 ? IP4_HEADER : IP6_HEADER, head = header + ICMP_HEADER;
	const size_t room = MIN(out_len, (size_t)(v4 ? ICMP4_MAX : ICMP_MAX));
	const size_t least = MIN((size_t)v->total, ip_header_len(v->p) + ICMP_QUOTE_MIN);
	if (room < head + least)
		return 0;

	const size_t quote = MIN((size_t)v->total, room - head), payload = ICMP_HEADER + quote;
	const struct ip to = ip_src_of(v);
	uint8_t *icmp = out + header;

	/* RFC 1191 4: the MTU of the next hop in the low 16 bits. */
	if (v4)
		mtu = MIN(mtu, (uint32_t)UINT16_MAX);
	ip_header_build(
		out, from, &to, v4 ? TOS_INTERNETWORK_CONTROL : 0, v4 ? PROTO_ICMP : PROTO_ICMP6, payload);
	icmp_header(icmp, v4 ? &codes4[kind] : &codes6[kind], kind == ICMP_TOO_BIG ? mtu : 0);
	memcpy(icmp + ICMP_HEADER, v->p, quote);
	uint32_t sum = v4 ? 0 : csum_pseudo(from, &to, PROTO_ICMP6, (uint32_t)payload);
	put_be16(icmp + 2, csum_finish(csum_add(icmp, payload, sum)));
	return header + payload;
}
