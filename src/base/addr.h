/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * IP addresses, prefixes and UDP/TCP endpoints, IPv4 and IPv6. Plain values; pure functions, but that the
 * number of a zone with a name ("fe80::1%eth0") is asked of the system; any thread.
 */
#ifndef TM_BASE_ADDR_H
#define TM_BASE_ADDR_H

#include "base/util.h"

enum ip_family { IP_NONE = 0, IP_V4 = 4, IP_V6 = 6 };

struct ip {
	uint8_t family; /* enum ip_family */
	uint8_t bytes[16]; /* network order; IPv4 uses the first four, the rest are zero */
};

struct prefix {
	struct ip ip; /* host bits may be set: prefix_mask clears them */
	uint8_t len;
};

struct endpoint {
	struct ip ip;
	uint16_t port; /* host order */
	uint32_t scope; /* interface index for link-local IPv6, else 0 */
};

enum { IP_STR_LEN = 46, PREFIX_STR_LEN = 50, ENDPOINT_STR_LEN = 72 };

static inline unsigned ip_bits(const struct ip *ip)
{
	return ip->family == IP_V4 ? 32 : 128;
}

static inline size_t ip_len(const struct ip *ip)
{
	return ip->family == IP_V4 ? 4 : 16;
}

struct ip ip_v4(const void *bytes4);
struct ip ip_v6(const void *bytes16);
struct ip ip_v4_host(uint32_t host_order);
/*
 * An IPv4-mapped address (::ffff:192.0.2.1, RFC 4291 2.5.5.2) is the IPv4 one: packets to it go there. All
 * that comes in from outside goes through this, so that what is said about IPv4 addresses holds for every
 * spelling.
 */
struct ip ip_unmapped(struct ip ip);

bool ip_eq(const struct ip *a, const struct ip *b);
int ip_cmp(const struct ip *a, const struct ip *b); /* IPv4 before IPv6, then by bytes */
bool ip_is_loopback(const struct ip *ip);
bool ip_is_link_local(const struct ip *ip);
bool ip_is_multicast(const struct ip *ip);
bool ip_is_unspecified(const struct ip *ip);

NODISCARD int ip_parse(const char *s, struct ip *ret_ip); /* unmapped */
const char *ip_format(const struct ip *ip, char buf[static IP_STR_LEN]); /* "-" for IP_NONE */

NODISCARD int prefix_parse(
	const char *s, struct prefix *ret_prefix); /* "10.0.0.0/8"; a bare address is a host prefix */
const char *prefix_format(const struct prefix *p, char buf[static PREFIX_STR_LEN]);
struct prefix prefix_host(const struct ip *ip);
struct prefix prefix_mask(const struct prefix *p); /* with host bits cleared */
/* The last address but one: of IPv4 the highest that a host may have. Of a range of two or one, the last. */
struct ip prefix_last_host(const struct prefix *p);
bool prefix_contains(const struct prefix *p, const struct ip *ip);
bool prefix_overlaps(const struct prefix *a, const struct prefix *b);
bool prefix_eq(const struct prefix *a, const struct prefix *b);
bool prefix_is_private(const struct prefix *p); /* all of it in ranges of RFC 1918, RFC 6598 or RFC 4193 */

/* "192.0.2.1:51820", "[2001:db8::1]:51820". Names are not resolved. */
NODISCARD int endpoint_parse(const char *s, struct endpoint *ret_ep);
const char *endpoint_format(
	const struct endpoint *ep, char buf[static ENDPOINT_STR_LEN]); /* "-" for IP_NONE */
bool endpoint_eq(const struct endpoint *a, const struct endpoint *b);
bool endpoint_is_set(const struct endpoint *ep);

#endif
