/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "packet/reject.h"

#include "base/bytes.h"
#include "packet/csum.h"

/* Sequence numbers that the segment takes: its payload, SYN and FIN (RFC 9293 3.4). */
static uint32_t segment_len(const struct ip_view *v, const uint8_t *tcp)
{
	const size_t header = (size_t)(tcp[12] >> 4) * 4, left = (size_t)v->total - v->l4;
	const uint32_t payload = header >= TCP_HEADER && header <= left ? (uint32_t)(left - header) : 0;

	return payload + (tcp[13] & TCP_SYN ? 1 : 0) + (tcp[13] & TCP_FIN ? 1 : 0);
}

/*
 * As a host answers that knows no such connection (RFC 9293 3.10.7.1). The checksum of the segment is not
 * looked at: it may be still to be completed, and the sender checks whether the answer fits anyway.
 */
static size_t reset_build(const struct ip_view *v, uint8_t *out, size_t out_len)
{
	const struct ip from = ip_dst_of(v), to = ip_src_of(v);
	const size_t header = v->version == 4 ? IP4_HEADER : IP6_HEADER;
	const uint8_t *tcp = v->p + v->l4;
	uint8_t *rst = out + header;

	if (out_len < header + TCP_HEADER)
		return 0;

	ip_header_build(out, &from, &to, 0, PROTO_TCP, TCP_HEADER);
	memset(rst, 0, TCP_HEADER);
	put_be16(rst, v->dport);
	put_be16(rst + 2, v->sport);
	rst[12] = (TCP_HEADER / 4) << 4;
	if (tcp[13] & TCP_ACK) {
		memcpy(rst + 4, tcp + 8, 4);
		rst[13] = TCP_RST;
	} else {
		put_be32(rst + 8, get_be32(tcp + 4) + segment_len(v, tcp));
		rst[13] = TCP_RST | TCP_ACK;
	}
	uint32_t sum = csum_add(rst, TCP_HEADER, csum_pseudo(&from, &to, PROTO_TCP, TCP_HEADER));
	put_be16(rst + TCP_CSUM, csum_finish(sum));
	return header + TCP_HEADER;
}

size_t reject_build(const struct ip *from, const struct ip_view *v, uint8_t *out, size_t out_len)
{
	/* How much a fragmented segment takes is not known from its first part. */
	if (v->proto != PROTO_TCP || !(v->flags & IP_UPPER) || v->flags & IP_FRAGMENT)
		return icmp_error_build(ICMP_ADMIN_PROHIBITED, 0, from, v, out, out_len);
	if (v->p[v->l4 + 13] & TCP_RST || !icmp_may_answer(v))
		return 0;
	return reset_build(v, out, out_len);
}
