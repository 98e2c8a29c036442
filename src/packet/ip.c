/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "packet/ip.h"

#include "base/bytes.h"
#include "packet/csum.h"

enum { OUR_TTL = 64 };

/*
 * What a next header is: an extension header, or an upper layer, of which so many bytes have to be there,
 * the first four being ports or not. ESP, and what RFC 7045 also calls extension headers (mobility, HIP,
 * shim6), is an upper layer here: hosts that do not know it refuse it, and rules about ports cannot be about
 * what it may hide.
 */
enum { PORTS = 0x80, EXTENSION = 0x40, LEAST = 0x3f };
static const uint8_t layers[256] = {
	[PROTO_HOP_BY_HOP] = EXTENSION,
	[PROTO_ROUTING] = EXTENSION,
	[PROTO_FRAGMENT] = EXTENSION,
	[PROTO_AH] = EXTENSION, /* of IPv6; to IPv4 it is an upper layer as well */
	[PROTO_DESTINATION] = EXTENSION,
	[PROTO_ICMP] = 4, /* type, code, checksum */
	[PROTO_ICMP6] = 4,
	[PROTO_TCP] = PORTS | TCP_HEADER,
	[PROTO_UDP] = PORTS | UDP_HEADER,
	[PROTO_UDP_LITE] = PORTS | UDP_HEADER,
	[PROTO_SCTP] = PORTS | 12,
	[PROTO_DCCP] = PORTS | 12,
};

/* How much of an upper layer has to be there at most. */
enum { FIXED_PART = 0x3f, QUOTED_PART = 8 };

/* A packet, or a quote; what each look is a copy of its own for. */
#define EACH inline __attribute__((always_inline))

static inline bool is_extension(uint8_t next)
{
	return layers[next] & EXTENSION;
}

/* The headers led to `proto` at l4; `whole` if that is not a part of something whose start is elsewhere. */
static EACH void view_fill(const uint8_t *p, size_t total, unsigned flags, uint8_t proto, size_t l4,
	bool whole, unsigned most, struct ip_view *ret_view)
{
	const unsigned layer = layers[proto];
	uint16_t sport = 0, dport = 0;

	if (LIKELY(whole && total - l4 >= MIN(layer & LEAST, most))) {
		flags |= IP_UPPER;
		if (layer & PORTS) {
			flags |= IP_PORTS;
			sport = get_be16(p + l4);
			dport = get_be16(p + l4 + 2);
		}
	}
	*ret_view = (struct ip_view){
		.p = p,
		.total = (uint16_t)total,
		.l4 = (uint16_t)l4,
		.sport = sport,
		.dport = dport,
		.version = p[0] >> 4,
		.proto = proto,
		.flags = (uint8_t)flags,
	};
}

static EACH int look4(const uint8_t *p, size_t n, unsigned most, struct ip_view *ret_view)
{
	const size_t header = (size_t)(p[0] & 15) * 4;
	size_t total = n >= IP4_HEADER ? get_be16(p + 2) : 0;

	if (most == QUOTED_PART)
		total = MIN(total, n);
	if (header < IP4_HEADER || header > total || total > n)
		return TM_EBADMSG;

	const unsigned fragment = get_be16(p + 6) & 0x3fff; /* more 1 bit | offset 13 bits */
	unsigned flags = header > IP4_HEADER ? IP_EXTENDED : 0;
	if (UNLIKELY(fragment)) {
		flags |= IP_FRAGMENT;
		flags |= fragment & 0x2000 ? IP_MORE : 0;
		flags |= fragment & 0x1fff ? IP_LATER : 0;
	}
	view_fill(p, total, flags, p[9], header, !(flags & IP_LATER), most, ret_view);
	return TM_OK;
}

/* Length of the extension header at `at`, of which there are 8 bytes at least; 0: it may not be there. */
static size_t extension_len(const uint8_t *p, uint8_t type, size_t at)
{
	switch (type) {
	case PROTO_HOP_BY_HOP:
		if (at != IP6_HEADER)
			return 0;
		break;
	case PROTO_FRAGMENT:
		return 8;
	case PROTO_AH: /* in units of 4, without the first two (RFC 4302 2.2) */
		return ((size_t)p[at + 1] + 2) * 4;
	default:
		break;
	}
	return ((size_t)p[at + 1] + 1) * 8; /* in units of 8, without the first */
}

/* next 1 | reserved 1 | offset 13 bits, reserved 2 bits, more 1 bit | identification 4 (RFC 8200 4.5) */
static unsigned fragment_flags(const uint8_t *fragment)
{
	const unsigned field = get_be16(fragment + 2);
	unsigned flags = 0;

	if (field & 1)
		flags |= IP_FRAGMENT | IP_MORE;
	if (field & 0xfff8)
		flags |= IP_FRAGMENT | IP_LATER;
	return flags;
}

/*
 * From extension header to extension header. Of two fragment headers the second is not believed. Apart,
 * so that packets without any do not pay for its registers.
 */
static __attribute__((noinline)) void look_chain(
	const uint8_t *p, size_t total, unsigned most, struct ip_view *ret_view)
{
	unsigned flags = IP_EXTENDED;
	uint8_t type = p[6];
	size_t at = IP6_HEADER;
	bool fragment_seen = false;

	for (unsigned k = 0; k < IP_CHAIN_MAX && is_extension(type) && !(flags & IP_LATER); k++) {
		const size_t left = total - at, len = left >= 8 ? extension_len(p, type, at) : 0;

		if (len == 0 || len > left || (type == PROTO_FRAGMENT && fragment_seen))
			break;
		if (type == PROTO_FRAGMENT) {
			flags |= fragment_flags(p + at);
			fragment_seen = true;
		}
		type = p[at];
		at += len;
	}
	view_fill(p, total, flags, type, at, !is_extension(type) && !(flags & IP_LATER), most, ret_view);
}

static EACH int look6(const uint8_t *p, size_t n, unsigned most, struct ip_view *ret_view)
{
	size_t total = n >= IP6_HEADER ? IP6_HEADER + (size_t)get_be16(p + 4) : SIZE_MAX;

	if (most == QUOTED_PART && n >= IP6_HEADER)
		total = MIN(total, n);
	if (total > n || total > UINT16_MAX)
		return TM_EBADMSG;

	if (LIKELY(!is_extension(p[6])))
		view_fill(p, total, 0, p[6], IP6_HEADER, true, most, ret_view);
	else
		look_chain(p, total, most, ret_view);
	return TM_OK;
}

static EACH int look(const uint8_t *p, size_t n, unsigned most, struct ip_view *ret_view)
{
	switch (n ? p[0] >> 4 : 0) {
	case 4:
		return look4(p, n, most, ret_view);
	case 6:
		return look6(p, n, most, ret_view);
	default:
		return TM_EBADMSG;
	}
}

int ip_view_of(const uint8_t *p, size_t n, struct ip_view *ret_view)
{
	return look(p, n, FIXED_PART, ret_view);
}

int ip_view_of_quote(const uint8_t *p, size_t n, struct ip_view *ret_view)
{
	return look(p, n, QUOTED_PART, ret_view);
}

/* The chain was walked before and found to lead to one. */
static size_t fragment_header_at(const uint8_t *p)
{
	uint8_t type = p[6];
	size_t at = IP6_HEADER;

	while (type != PROTO_FRAGMENT) {
		const size_t len = extension_len(p, type, at);

		type = p[at];
		at += len;
	}
	return at;
}

struct ip_piece ip_piece_of(const struct ip_view *v)
{
	const uint8_t *p = v->p;

	if (v->version == 4)
		return (struct ip_piece){
			.id = get_be16(p + 4),
			.proto = p[9],
			.first = (uint16_t)(get_be16(p + 6) << 3),
			.len = (uint16_t)(v->total - ip_header_len(p)),
		};

	const size_t at = fragment_header_at(p);
	return (struct ip_piece){
		.id = get_be32(p + at + 4),
		.first = get_be16(p + at + 2) & 0xfff8,
		.len = (uint16_t)(v->total - at - 8),
	};
}

static size_t header4_build(
	uint8_t *out, const struct ip *from, const struct ip *to, uint8_t tos, uint8_t proto, size_t payload)
{
	out[0] = 0x45;
	out[1] = tos;
	put_be16(out + 2, (uint16_t)(IP4_HEADER + payload));
	put_be32(out + 4, 0x4000); /* identification 0, DF: never fragmented, so never ambiguous (RFC 6864) */
	out[8] = OUR_TTL;
	out[9] = proto;
	put_be16(out + 10, 0);
	memcpy(out + 12, from->bytes, 4);
	memcpy(out + 16, to->bytes, 4);
	put_be16(out + 10, csum_finish(csum_add(out, IP4_HEADER, 0)));
	return IP4_HEADER;
}

size_t ip_header_build(
	uint8_t *out, const struct ip *from, const struct ip *to, uint8_t tos, uint8_t proto, size_t payload)
{
	if (from->family == IP_V4)
		return header4_build(out, from, to, tos, proto, payload);

	put_be32(out, UINT32_C(6) << 28 | (uint32_t)tos << 20);
	put_be16(out + 4, (uint16_t)payload);
	out[6] = proto;
	out[7] = OUR_TTL;
	memcpy(out + 8, from->bytes, 16);
	memcpy(out + 24, to->bytes, 16);
	return IP6_HEADER;
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
