/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A packet looked at once: IPv4 (RFC 791) and IPv6 (RFC 8200) with its extension headers and fragments, up to
 * the ports. Everybody who wants to know what a packet is asks its view, so that no two of them can be made
 * to disagree. Also what a tunnel changes in a header: TTL and ECN. Pure.
 */
#ifndef TM_PACKET_IP_H
#define TM_PACKET_IP_H

#include "base/addr.h"
#include "base/err.h"

/* Lengths without options. */
enum { IP4_HEADER = 20, IP6_HEADER = 40, TCP_HEADER = 20, UDP_HEADER = 8 };

/* Protocols and next headers that mean something here. */
enum {
	PROTO_HOP_BY_HOP = 0,
	PROTO_ICMP = 1,
	PROTO_TCP = 6,
	PROTO_UDP = 17,
	PROTO_DCCP = 33,
	PROTO_ROUTING = 43,
	PROTO_FRAGMENT = 44,
	PROTO_AH = 51,
	PROTO_ICMP6 = 58,
	PROTO_DESTINATION = 60,
	PROTO_SCTP = 132,
	PROTO_UDP_LITE = 136,
};

enum { TCP_CSUM = 16, UDP_CSUM = 6 }; /* offset of the checksum */

/* Flags of TCP, its byte 13 (RFC 9293 3.1). */
enum {
	TCP_FIN = 0x01,
	TCP_SYN = 0x02,
	TCP_RST = 0x04,
	TCP_PSH = 0x08,
	TCP_ACK = 0x10,
	TCP_ECE = 0x40,
	TCP_CWR = 0x80
};

/*
 * IP_UPPER is what a filter must insist on: without it nobody knows what the receiver will make of the
 * packet. It is missing from fragments but the first, and where headers end beyond the packet (RFC 7112: a
 * first fragment holds all of them), are out of order or more than IP_CHAIN_MAX.
 */
enum {
	IP_UPPER = 0x01, /* the headers end with one of `proto` at `l4`, and its fixed part is all there */
	IP_PORTS = 0x02, /* which has ports */
	IP_EXTENDED = 0x04, /* IPv4 options, or IPv6 extension headers, precede it */
	IP_FRAGMENT = 0x08, /* not all of a packet; atomic fragments (RFC 6946) do not count as such */
	IP_LATER = 0x10, /* and not its first part */
	IP_MORE = 0x20, /* and not its last */
};

/* RFC 8200 4.1 has seven at most, each in its place. */
enum { IP_CHAIN_MAX = 8 };

/*
 * Addresses, TOS, TTL are read where they are, with the functions below: all of the IP header is there. A
 * copy of the packet, or one with another payload, is looked at with a copy of the view and its `p`.
 */
struct ip_view {
	const uint8_t *p; /* the IP header; borrowed */
	uint16_t total; /* length of the packet by that header */
	uint16_t l4; /* where the upper-layer header is; without IP_UPPER, where the look ended */
	uint16_t sport, dport; /* 0 without IP_PORTS */
	uint8_t version; /* 4 or 6 */
	uint8_t proto; /* of what is at l4 */
	uint8_t flags; /* IP_* */
};

/*
 * TM_EBADMSG: no IP, a header longer than the packet, or a packet longer than n or 65535 (a jumbogram of RFC
 * 2675 says 0, and is what that says: 40 bytes). Bytes behind the packet are fine. Checksums are not looked
 * at.
 */
NODISCARD int ip_view_of(const uint8_t *p, size_t n, struct ip_view *ret_view);
/*
 * The beginning of a packet, as an ICMP error quotes it, of n bytes: `total` ends where the quote does, and 8
 * bytes of the upper layer, which every quote has (RFC 792), count as its fixed part.
 */
NODISCARD int ip_view_of_quote(const uint8_t *p, size_t n, struct ip_view *ret_view);

/* Of what is IP_FRAGMENT: of which whole it is a piece, beside its addresses, and which one. */
struct ip_piece {
	uint32_t id;
	uint8_t proto; /* of IPv4 (RFC 791 3.2); 0: IPv6, where it does not count (RFC 8200 4.5) */
	uint16_t first, len; /* bytes of the whole's data */
};
struct ip_piece ip_piece_of(const struct ip_view *v);

/* Nothing but a header without options or extensions, not a fragment, is before the upper layer. */
static inline bool ip_plain(const struct ip_view *v)
{
	return (v->flags & (IP_UPPER | IP_EXTENDED | IP_FRAGMENT)) == IP_UPPER;
}

/* Of p, the header of a packet that has been looked at: 4 or 16 bytes. */
static inline const uint8_t *ip_dst(const uint8_t *p)
{
	return p[0] >> 4 == 4 ? p + 16 : p + 24;
}

static inline const uint8_t *ip_src(const uint8_t *p)
{
	return p[0] >> 4 == 4 ? p + 12 : p + 8;
}

static inline struct ip ip_dst_of(const struct ip_view *v)
{
	return v->version == 4 ? ip_v4(ip_dst(v->p)) : ip_v6(ip_dst(v->p));
}

static inline struct ip ip_src_of(const struct ip_view *v)
{
	return v->version == 4 ? ip_v4(ip_src(v->p)) : ip_v6(ip_src(v->p));
}

/* With the options of IPv4, without the extension headers of IPv6. */
static inline size_t ip_header_len(const uint8_t *p)
{
	return p[0] >> 4 == 4 ? (size_t)(p[0] & 15) * 4 : IP6_HEADER;
}

/* DSCP and ECN. */
static inline uint8_t ip_tos(const uint8_t *p)
{
	return p[0] >> 4 == 4 ? p[1] : (uint8_t)((p[0] & 15) << 4 | p[1] >> 4);
}

/* IPv4 whose sender allows routers to fragment it. */
static inline bool ip_may_fragment(const uint8_t *p)
{
	return p[0] >> 4 == 4 && !(p[6] & 0x40);
}

/*
 * Writes the header of a packet of our own to `out`, which has room for IP4_HEADER or IP6_HEADER: addresses
 * of one family, no options, never to be fragmented. Returns its length.
 */
size_t ip_header_build(
	uint8_t *out, const struct ip *from, const struct ip *to, uint8_t tos, uint8_t proto, size_t payload);

/*
 * Lower TTL or hop limit by one in place, with the IPv4 checksum (RFC 1624). False when it would reach zero.
 */
NODISCARD bool ip_decrement_ttl(uint8_t *p);

/*
 * ECN over tunnels, RFC 6040 normal mode. Encapsulation copies the inner ECN field out. Decapsulation
 * combines: false = drop (inner not-ECT, outer CE); otherwise the inner packet is changed in place when it
 * has to be.
 */
static inline uint8_t ecn_encapsulate(uint8_t inner_tos)
{
	return inner_tos & 3;
}
NODISCARD bool ecn_decapsulate(uint8_t *inner, uint8_t outer_tos);

#endif
