/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "data/offload/segment.h"

#include "base/bytes.h"
#include "packet/csum.h"

enum { IP4_HEADER_MAX = 60, TCP_HEADER_MAX = 60 };

/* Header length of the transport at l4, of which the fixed part is there; 0 when it does not fit. */
static size_t transport_header(const struct segmenter *s)
{
	if (s->udp)
		return UDP_HEADER;
	size_t header = (size_t)(s->packet[s->l4 + 12] >> 4) * 4;
	return header >= TCP_HEADER && header <= s->n - s->l4 ? header : 0;
}

/*
 * The pseudo-header's sum, still without the length. Behind IP options or extension headers, which may hold
 * the final destination (source routes), only whoever made the packet knows what he summed: then it is in
 * the checksum field, together with the whole length.
 */
static int pseudo_sum(const struct segmenter *s, const struct vnet *v, uint32_t *ret_sum)
{
	bool plain = s->l4 == (s->v6 ? IP6_HEADER : IP4_HEADER);

	if (plain) {
		size_t addresses = s->v6 ? 32 : 8;
		*ret_sum = csum_add(ip_src(s->packet), addresses, s->udp ? PROTO_UDP : PROTO_TCP);
		return TM_OK;
	}
	if (!v->needs_csum)
		return TM_EBADMSG;
	*ret_sum = get_be16(s->packet + s->csum_at) + (uint16_t) ~(s->n - s->l4);
	return TM_OK;
}

/*
 * Sums what stays the same from segment to segment: the headers without lengths, checksums, identification,
 * sequence number and flags. No sum can overflow: csum_add makes one at most 0xffff larger.
 */
static void base_sums(struct segmenter *s, uint32_t pseudo)
{
	uint8_t ip[IP4_HEADER_MAX], l4[TCP_HEADER_MAX];

	if (!s->v6) {
		memcpy(ip, s->packet, s->l4);
		put_be32(ip + 2, 0); /* length and identification */
		put_be16(ip + 10, 0);
		s->ip_sum = csum_add(ip, s->l4, 0);
	}
	memcpy(l4, s->packet + s->l4, s->header - s->l4);
	put_be16(l4 + (s->csum_at - s->l4), 0);
	put_be16(l4 + 4, 0); /* length of UDP */
	if (!s->udp) {
		put_be16(l4 + 6, 0);
		l4[13] = 0;
	}
	s->l4_sum = csum_add(l4, s->header - s->l4, pseudo);
}

/*
 * hdr_len is not looked at: it says how much the kernel had in one piece, not where the headers end. Packets
 * that a NIC merged come without needs_csum, their sums were right; every segment gets new ones either way.
 */
static int begin_super(struct segmenter *s, const struct vnet *v, const struct ip_view *view)
{
	s->udp = v->gso == VNET_GSO_UDP;
	if (!s->udp && v->gso != (s->v6 ? VNET_GSO_TCP6 : VNET_GSO_TCP4))
		return TM_EBADMSG;
	if (v->gso_size == 0)
		return TM_EBADMSG;

	uint16_t csum_offset = s->udp ? UDP_CSUM : TCP_CSUM;
	if (view->proto != (s->udp ? PROTO_UDP : PROTO_TCP))
		return TM_EBADMSG;
	if (!(view->flags & IP_UPPER) || view->flags & IP_FRAGMENT)
		return TM_EBADMSG;
	if (v->needs_csum && (v->csum_start != view->l4 || v->csum_offset != csum_offset))
		return TM_EBADMSG;

	s->l4 = view->l4;
	size_t header = transport_header(s);
	if (header == 0)
		return TM_EBADMSG;
	s->csum_at = (uint16_t)(s->l4 + csum_offset);
	s->header = s->l4 + header;
	s->size = v->gso_size;

	size_t payload = s->n - s->header;
	s->count = payload ? (unsigned)((payload + s->size - 1) / s->size) : 1;

	uint32_t pseudo;
	int err = pseudo_sum(s, v, &pseudo);
	if (err == TM_OK)
		base_sums(s, pseudo);
	return err;
}

static int begin_single(struct segmenter *s, const struct vnet *v)
{
	s->count = 1;
	if (!v->needs_csum)
		return TM_OK;

	/* Of any protocol, perhaps inside others: all that is known is that it lies behind the IP header. */
	if (v->csum_start < ip_header_len(s->packet) || (size_t)v->csum_start + v->csum_offset + 2 > s->n)
		return TM_EBADMSG;
	s->l4 = v->csum_start;
	s->csum_at = (uint16_t)(v->csum_start + v->csum_offset);
	return TM_OK;
}

int segment_begin(struct segmenter *s, const struct vnet *v, const struct ip_view *packet)
{
	struct segmenter begun = {
		.packet = packet->p,
		.n = packet->total,
		.v6 = packet->version == 6,
		.gso = v->gso != VNET_GSO_NONE,
		.needs_csum = v->needs_csum,
	};
	int err = begun.gso ? begin_super(&begun, v, packet) : begin_single(&begun, v);
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
	if (!s->needs_csum) {
		memcpy(out, s->packet, s->n);
		return s->n;
	}
	memcpy(out, s->packet, s->l4);
	uint32_t sum = csum_copy(out + s->l4, s->packet + s->l4, s->n - s->l4, 0);
	put_csum(out + s->csum_at, sum, (uint16_t)(s->csum_at - s->l4));
	return s->n;
}

static void ip_patch(const struct segmenter *s, uint8_t *out, uint16_t n)
{
	if (s->v6) {
		put_be16(out + 4, (uint16_t)(n - IP6_HEADER));
		return;
	}
	uint16_t id = (uint16_t)(get_be16(s->packet + 4) + s->at);
	put_be16(out + 2, n);
	put_be16(out + 4, id);
	put_be16(out + 10, csum_finish(s->ip_sum + n + id));
}

/* Sequence number and flags, and what they are in the checksum. */
static uint32_t tcp_patch(const struct segmenter *s, uint8_t *out)
{
	const uint8_t *tcp = s->packet + s->l4;
	uint32_t seq = get_be32(tcp + 4) + s->at * s->size;
	uint8_t flags = tcp[13];

	if (s->at + 1 < s->count)
		flags &= (uint8_t) ~(TCP_FIN | TCP_PSH);
	if (s->at > 0)
		flags &= (uint8_t)~TCP_CWR;
	put_be32(out + 4, seq);
	out[13] = flags;
	return (seq >> 16) + (seq & 0xffff) + flags;
}

/* The sums are of what was read, never of what was just written: waiting for stores costs more than adding.
 */
static size_t next_of_super(const struct segmenter *s, uint8_t *out)
{
	size_t from = s->header + (size_t)s->at * s->size;
	size_t payload = MIN(s->size, s->n - from);
	uint16_t n = (uint16_t)(s->header + payload), l4_len = (uint16_t)(n - s->l4);
	uint32_t changed = l4_len; /* in the pseudo-header */

	memcpy(out, s->packet, s->header);
	ip_patch(s, out, n);
	if (s->udp) {
		put_be16(out + s->l4 + 4, l4_len);
		changed += l4_len;
	} else {
		changed += tcp_patch(s, out + s->l4);
	}
	put_csum(out + s->csum_at, csum_copy(out + s->header, s->packet + from, payload, s->l4_sum + changed),
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
