/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * IPv4 (RFC 791) and IPv6 (RFC 8200) headers, checksums, ECN, and the ICMP errors a router would send. Pure.
 */
#ifndef TM_PACKET_IP_H
#define TM_PACKET_IP_H

#include "base/addr.h"
#include "base/err.h"

struct ip_header {
	struct ip src, dst;
	uint16_t total; /* length of the whole packet by its own header; <= the bytes given */
	uint8_t tos; /* DSCP and ECN */
	uint8_t ttl;
	uint8_t proto; /* IPv4 protocol or IPv6 next header (extension headers not followed) */
	uint16_t header_len;
};

/* TM_ESHORT, TM_EBADMSG: version not 4 or 6, header longer than the packet, total beyond n. Trailing bytes
 * are fine. */
NODISCARD int ip_header_decode(const uint8_t *p, size_t n, struct ip_header *ret_h);

/* Only the destination or source of a packet already decoded once, for the fast path: pointer to 4 or 16
 * bytes. */
static inline const uint8_t *ip_dst(const uint8_t *p)
{
	return p[0] >> 4 == 4 ? p + 16 : p + 24;
}

static inline const uint8_t *ip_src(const uint8_t *p)
{
	return p[0] >> 4 == 4 ? p + 12 : p + 8;
}

/* RFC 1071. Sums may be chained: pass the previous result as `sum`; n is even in all but the last call. */
uint32_t csum_add(const void *p, size_t n, uint32_t sum);
/* The same, while the bytes are copied; src and dst do not overlap. */
uint32_t csum_copy(void *dst, const void *src, size_t n, uint32_t sum);
uint16_t csum_finish(uint32_t sum); /* folded and inverted, host order; store with put_be16 */
uint32_t csum_pseudo(const struct ip *src, const struct ip *dst, uint8_t proto, uint32_t len);

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

/*
 * Builds the ICMP or ICMPv6 error (RFC 792, 4443) about packet p from address `from`, with the quoted part
 * cut as the RFCs say. Returns the length, or 0 when none may be sent (RFC 1122 3.2.2: errors about ICMP
 * errors, fragments other than the first, multicast or broadcast destinations, unspecified sources). out_len
 * >= 1280 suffices always.
 */
enum icmp_error {
	ICMP_NO_ROUTE,
	ICMP_HOST_UNREACHABLE,
	ICMP_ADMIN_PROHIBITED,
	ICMP_TOO_BIG,
	ICMP_TIME_EXCEEDED
};
size_t icmp_error_build(enum icmp_error kind, uint32_t mtu, const struct ip *from, const uint8_t *p, size_t n,
	uint8_t *out, size_t out_len);

#endif
