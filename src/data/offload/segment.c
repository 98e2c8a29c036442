/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "data/offload/segment.h"

#include "base/bytes.h"
#include "wire/ip.h"

enum { IP4_HEADER = 20, IP6_HEADER = 40, TCP_HEADER = 20, UDP_HEADER = 8 };
enum { TCP_CSUM = 16, UDP_CSUM = 6 };
enum { FIN = 0x01, PSH = 0x08, CWR = 0x80 };

/* Where the transport header of an IPv4 packet starts; 0 when it is none of `proto`, or a fragment. */
static size_t ip4_transport(const uint8_t *p, size_t n, uint8_t proto)
{
	size_t header = (size_t)(p[0] & 15) * 4;

	if (n < IP4_HEADER || header < IP4_HEADER || header > n)
		return 0;
	bool fragment = get_be16(p + 6) & 0x3fff;
	return p[9] == proto && !fragment ? header : 0;
}

/*
 * Likewise for IPv6, past the extension headers that the kernel segments behind (RFC 8200 4: each of these
 * is type of the next 1 | length in units of 8 bytes, not counting the first 1 | ...).
 */
static size_t ip6_transport(const uint8_t *p, size_t n, uint8_t proto)
{
	size_t at = IP6_HEADER;

	if (n < IP6_HEADER)
		return 0;
	uint8_t next = p[6];
	while (next == IPPROTO_HOPOPTS || next == IPPROTO_ROUTING || next == IPPROTO_DSTOPTS) {
		if (n - at < 8)
			return 0;
		next = p[at];
		size_t length = 8 + (size_t)p[at + 1] * 8;
		if (length > n - at)
			return 0;
		at += length;
	}
	return next == proto ? at : 0;
}

/* Header length of the transport at l4, 0 when it does not fit. */
static size_t transport_header(const struct segmenter *s)
{
	size_t left = s->n - s->l4;

	if (s->udp)
		return left >= UDP_HEADER ? UDP_HEADER : 0;
	if (left < TCP_HEADER)
		return 0;
	size_t header = (size_t)(s->packet[s->l4 + 12] >> 4) * 4;
	return header >= TCP_HEADER && header <= left ? header : 0;
}

/*
 * The pseudo-header's sum, still without the length. Behind IP options or extension headers, which may hold
 * the final destination (source routes), only whoever made the packet knows what he summed: then it is in
 * the checksum field, together with the whole length.
 */
static int pseudo_sum(struct segmenter *s, const struct vnet *v)
{
	bool plain = s->l4 == (s->v6 ? IP6_HEADER : IP4_HEADER);

	if (plain) {
		size_t addresses = s->v6 ? 32 : 8;
		s->pseudo = csum_add(ip_src(s->packet), addresses, s->udp ? IPPROTO_UDP : IPPROTO_TCP);
		return TM_OK;
	}
	if (!v->needs_csum)
		return TM_EBADMSG;
	s->pseudo = get_be16(s->packet + s->csum_at) + (uint16_t) ~(s->n - s->l4);
	return TM_OK;
}

/*
 * hdr_len is not looked at: it says how much the kernel had in one piece, not where the headers end. Packets
 * that a NIC merged come without needs_csum, their sums were right; every segment gets new ones either way.
 */
static int begin_super(struct segmenter *s, const struct vnet *v)
{
	s->v6 = s->packet[0] >> 4 == 6;
	s->udp = v->gso == VNET_GSO_UDP;
	if (!s->udp && v->gso != (s->v6 ? VNET_GSO_TCP6 : VNET_GSO_TCP4))
		return TM_EBADMSG;
	if (v->gso_size == 0)
		return TM_EBADMSG;

	uint8_t proto = s->udp ? IPPROTO_UDP : IPPROTO_TCP;
	size_t l4 = s->v6 ? ip6_transport(s->packet, s->n, proto) : ip4_transport(s->packet, s->n, proto);
	uint16_t csum_offset = s->udp ? UDP_CSUM : TCP_CSUM;
	if (l4 == 0)
		return TM_EBADMSG;
	if (v->needs_csum && (v->csum_start != l4 || v->csum_offset != csum_offset))
		return TM_EBADMSG;

	s->l4 = (uint16_t)l4;
	size_t header = transport_header(s);
	if (header == 0)
		return TM_EBADMSG;
	s->csum_at = (uint16_t)(l4 + csum_offset);
	s->header = l4 + header;
	s->size = v->gso_size;

	size_t payload = s->n - s->header;
	s->count = payload ? (unsigned)((payload + s->size - 1) / s->size) : 1;
	return pseudo_sum(s, v);
}

static int begin_single(struct segmenter *s, const struct vnet *v)
{
	s->count = 1;
	if (!v->needs_csum)
		return TM_OK;

	/* Of any protocol, perhaps inside others: all that is known is that it lies behind the IP header. */
	size_t ip = s->v6 ? IP6_HEADER : MAX(IP4_HEADER, (size_t)(s->packet[0] & 15) * 4);
	if (v->csum_start < ip || (size_t)v->csum_start + v->csum_offset + 2 > s->n)
		return TM_EBADMSG;
	s->l4 = v->csum_start;
	s->csum_at = (uint16_t)(v->csum_start + v->csum_offset);
	return TM_OK;
}

int segment_begin(struct segmenter *s, const struct vnet *v, const uint8_t *packet, size_t n)
{
	/* No length field of IPv4 could say more, nor does any of our buffers hold it. */
	if (n == 0 || n > UINT16_MAX)
		return TM_EBADMSG;
	uint8_t version = packet[0] >> 4;
	bool untouched = v->gso == VNET_GSO_NONE && !v->needs_csum;
	if (!untouched && version != 4 && version != 6)
		return TM_EBADMSG;

	struct segmenter begun = {
		.packet = packet,
		.n = n,
		.v6 = version == 6,
		.gso = v->gso != VNET_GSO_NONE,
		.needs_csum = v->needs_csum,
	};
	int err = begun.gso ? begin_super(&begun, v) : begin_single(&begun, v);
	if (err == TM_OK)
		*s = begun;
	return err;
}

size_t segment_max(const struct segmenter *s)
{
	return s->gso ? MIN(s->header + s->size, s->n) : s->n;
}

/*
 * RFC 768 and RFC 8200 8.1: UDP says 0xffff for a sum of zero, because zero means "none". Only UDP and its
 * variants have their checksum at this offset.
 */
static void put_csum(uint8_t *at, uint32_t sum, uint16_t offset)
{
	uint16_t csum = csum_finish(sum);

	put_be16(at, csum == 0 && offset == UDP_CSUM ? UINT16_MAX : csum);
}

static size_t next_single(const struct segmenter *s, uint8_t *out)
{
	memcpy(out, s->packet, s->n);
	if (s->needs_csum)
		put_csum(out + s->csum_at, csum_add(out + s->l4, s->n - s->l4, 0),
			(uint16_t)(s->csum_at - s->l4));
	return s->n;
}

static void ip_patch(const struct segmenter *s, uint8_t *out, size_t n)
{
	if (s->v6) {
		put_be16(out + 4, (uint16_t)(n - IP6_HEADER));
		return;
	}
	put_be16(out + 2, (uint16_t)n);
	put_be16(out + 4, (uint16_t)(get_be16(out + 4) + s->at));
	put_be16(out + 10, 0);
	put_be16(out + 10, csum_finish(csum_add(out, s->l4, 0)));
}

static void tcp_patch(const struct segmenter *s, uint8_t *tcp)
{
	put_be32(tcp + 4, get_be32(tcp + 4) + s->at * s->size);
	if (s->at + 1 < s->count)
		tcp[13] &= (uint8_t) ~(FIN | PSH);
	if (s->at > 0)
		tcp[13] &= (uint8_t)~CWR;
}

static size_t next_of_super(const struct segmenter *s, uint8_t *out)
{
	size_t from = s->header + (size_t)s->at * s->size;
	size_t payload = MIN(s->size, s->n - from);
	size_t n = s->header + payload;
	uint16_t l4_len = (uint16_t)(n - s->l4);

	memcpy(out, s->packet, s->header);
	memcpy(out + s->header, s->packet + from, payload);
	ip_patch(s, out, n);
	if (s->udp)
		put_be16(out + s->l4 + 4, l4_len);
	else
		tcp_patch(s, out + s->l4);
	put_be16(out + s->csum_at, 0);
	put_csum(out + s->csum_at, csum_add(out + s->l4, l4_len, s->pseudo + l4_len),
		(uint16_t)(s->csum_at - s->l4));
	return n;
}

size_t segment_next(struct segmenter *s, uint8_t *out)
{
	if (s->at == s->count)
		return 0;

	size_t n = s->gso ? next_of_super(s, out) : next_single(s, out);
	s->at++;
	return n;
}
