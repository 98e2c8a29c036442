/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "base/addr.h"

#include "base/bytes.h"
#include "base/err.h"
#include "base/iptext.h"
#include "os/low/ifindex.h"

#include <stdio.h>
#include <string.h>

_Static_assert((int)IPTEXT_LEN == (int)IP_STR_LEN, "one length of texts");

struct ip ip_v4(const void *bytes4)
{
	struct ip ip = {.family = IP_V4};

	memcpy(ip.bytes, bytes4, 4);
	return ip;
}

struct ip ip_v6(const void *bytes16)
{
	struct ip ip = {.family = IP_V6};

	memcpy(ip.bytes, bytes16, 16);
	return ip;
}

struct ip ip_v4_host(uint32_t host_order)
{
	struct ip ip = {.family = IP_V4};

	put_be32(ip.bytes, host_order);
	return ip;
}

struct ip ip_unmapped(struct ip ip)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	return ip.family == IP_V6 && memcmp(ip.bytes, mapped, sizeof(mapped)) == 0 ? ip_v4(ip.bytes + 12)
										   : ip;
}

int ip_cmp(const struct ip *a, const struct ip *b)
{
	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

bool ip_eq(const struct ip *a, const struct ip *b)
{
	return ip_cmp(a, b) == 0;
}

bool ip_is_loopback(const struct ip *ip)
{
	static const uint8_t one[16] = {[15] = 1};

	return ip->family == IP_V4 ? ip->bytes[0] == 127
				   : ip->family == IP_V6 && memcmp(ip->bytes, one, 16) == 0;
}

bool ip_is_link_local(const struct ip *ip)
{
	if (ip->family == IP_V4)
		return ip->bytes[0] == 169 && ip->bytes[1] == 254;
	return ip->family == IP_V6 && ip->bytes[0] == 0xfe && (ip->bytes[1] & 0xc0) == 0x80;
}

bool ip_is_multicast(const struct ip *ip)
{
	if (ip->family == IP_V4)
		return ip->bytes[0] >> 4 == 14 || get_be32(ip->bytes) == 0xffffffff;
	return ip->family == IP_V6 && ip->bytes[0] == 0xff;
}

bool ip_is_unspecified(const struct ip *ip)
{
	static const uint8_t zero[16];

	return memcmp(ip->bytes, zero, 16) == 0;
}

int ip_parse(const char *s, struct ip *ret_ip)
{
	uint8_t bytes[16];

	if (iptext_parse4(s, bytes)) {
		*ret_ip = ip_v4(bytes);
		return TM_OK;
	}
	if (iptext_parse6(s, bytes)) {
		*ret_ip = ip_unmapped(ip_v6(bytes));
		return TM_OK;
	}
	return TM_EINVAL;
}

const char *ip_format(const struct ip *ip, char buf[static IP_STR_LEN])
{
	if (ip->family == IP_NONE)
		snprintf(buf, IP_STR_LEN, "-");
	else if (ip->family == IP_V4)
		iptext_format4(ip->bytes, buf);
	else
		iptext_format6(ip->bytes, buf);
	return buf;
}

/* A decimal number of the whole of s, at most max. */
static int number_parse(const char *s, size_t n, uint32_t max, uint32_t *ret_v)
{
	uint32_t v = 0;

	if (n == 0 || n > 5)
		return TM_EINVAL;

	for (size_t i = 0; i < n; i++) {
		if (s[i] < '0' || s[i] > '9')
			return TM_EINVAL;
		v = v * 10 + (uint32_t)(s[i] - '0');
	}
	if (v > max)
		return TM_ERANGE;

	*ret_v = v;
	return TM_OK;
}

int prefix_parse(const char *s, struct prefix *ret_prefix)
{
	const char *slash = strchr(s, '/');
	char addr[IP_STR_LEN];
	struct prefix p;
	uint32_t len;

	size_t addr_len = slash ? (size_t)(slash - s) : strlen(s);
	if (addr_len >= sizeof(addr))
		return TM_EINVAL;
	memcpy(addr, s, addr_len);
	addr[addr_len] = '\0';

	int err = ip_parse(addr, &p.ip);
	if (err)
		return err;

	len = ip_bits(&p.ip);
	if (slash) {
		err = number_parse(slash + 1, strlen(slash + 1), len, &len);
		if (err)
			return err;
	}
	p.len = (uint8_t)len;
	*ret_prefix = p;
	return TM_OK;
}

const char *prefix_format(const struct prefix *p, char buf[static PREFIX_STR_LEN])
{
	char ip[IP_STR_LEN];

	snprintf(buf, PREFIX_STR_LEN, "%s/%u", ip_format(&p->ip, ip), (unsigned)p->len);
	return buf;
}

struct prefix prefix_host(const struct ip *ip)
{
	return (struct prefix){.ip = *ip, .len = (uint8_t)ip_bits(ip)};
}

struct prefix prefix_mask(const struct prefix *p)
{
	struct prefix m = *p;

	for (unsigned bit = p->len; bit < 128; bit++)
		m.ip.bytes[bit / 8] &= (uint8_t) ~(0x80u >> bit % 8);
	return m;
}

struct ip prefix_last_host(const struct prefix *p)
{
	const unsigned bits = 8 * (unsigned)ip_len(&p->ip);
	struct ip last = p->ip;

	for (unsigned bit = p->len; bit < bits; bit++)
		last.bytes[bit / 8] |= (uint8_t)(0x80u >> bit % 8);
	if (p->len + 1u < bits)
		last.bytes[bits / 8 - 1] &= 0xfe;
	return last;
}

/* Do the first len bits agree? */
static bool bits_eq(const uint8_t *a, const uint8_t *b, unsigned len)
{
	if (memcmp(a, b, len / 8) != 0)
		return false;
	if (len % 8 == 0)
		return true;
	return ((a[len / 8] ^ b[len / 8]) >> (8 - len % 8)) == 0;
}

bool prefix_contains(const struct prefix *p, const struct ip *ip)
{
	return p->ip.family == ip->family && bits_eq(p->ip.bytes, ip->bytes, p->len);
}

bool prefix_overlaps(const struct prefix *a, const struct prefix *b)
{
	return a->ip.family == b->ip.family && bits_eq(a->ip.bytes, b->ip.bytes, MIN(a->len, b->len));
}

bool prefix_eq(const struct prefix *a, const struct prefix *b)
{
	return a->len == b->len && ip_eq(&a->ip, &b->ip);
}

bool prefix_is_private(const struct prefix *p)
{
	static const struct prefix ranges[] = {
		{{IP_V4, {10}}, 8},
		{{IP_V4, {172, 16}}, 12},
		{{IP_V4, {192, 168}}, 16},
		{{IP_V4, {100, 64}}, 10},
		{{IP_V6, {0xfc}}, 7},
	};

	for (size_t i = 0; i < ARRAY_LEN(ranges); i++)
		if (p->len >= ranges[i].len && prefix_contains(&ranges[i], &p->ip))
			return true;
	return false;
}

/* The scope of "fe80::1%eth0": an interface name or number of this host. */
static int scope_parse(const char *s, uint32_t *ret_scope)
{
	unsigned index = ifindex_of(s);

	if (index) {
		*ret_scope = index;
		return TM_OK;
	}
	return number_parse(s, strlen(s), 99999, ret_scope);
}

int endpoint_parse(const char *s, struct endpoint *ret_ep)
{
	struct endpoint ep = {0};
	char host[IP_STR_LEN + IFINDEX_NAME_LEN];
	bool bracketed = s[0] == '[';
	const char *end = bracketed ? strchr(s, ']') : strrchr(s, ':');
	const char *start = bracketed ? s + 1 : s;
	uint32_t port;

	if (!end || (size_t)(end - start) >= sizeof(host) || (bracketed && end[1] != ':'))
		return TM_EINVAL;
	memcpy(host, start, (size_t)(end - start));
	host[end - start] = '\0';

	char *percent = bracketed ? strchr(host, '%') : NULL;
	if (percent) {
		*percent = '\0';
		int err = scope_parse(percent + 1, &ep.scope);
		if (err)
			return err;
	}
	int err = ip_parse(host, &ep.ip);
	if (err)
		return err;
	if (bracketed != (strchr(host, ':') != NULL) || (percent && ep.ip.family != IP_V6))
		return TM_EINVAL;

	const char *digits = bracketed ? end + 2 : end + 1;
	err = number_parse(digits, strlen(digits), UINT16_MAX, &port);
	if (err)
		return err;

	ep.port = (uint16_t)port;
	*ret_ep = ep;
	return TM_OK;
}

const char *endpoint_format(const struct endpoint *ep, char buf[static ENDPOINT_STR_LEN])
{
	char ip[IP_STR_LEN];

	ip_format(&ep->ip, ip);
	switch (ep->ip.family) {
	case IP_V4:
		snprintf(buf, ENDPOINT_STR_LEN, "%s:%u", ip, ep->port);
		break;
	case IP_V6:
		if (ep->scope)
			snprintf(buf, ENDPOINT_STR_LEN, "[%s%%%u]:%u", ip, ep->scope, ep->port);
		else
			snprintf(buf, ENDPOINT_STR_LEN, "[%s]:%u", ip, ep->port);
		break;
	default:
		snprintf(buf, ENDPOINT_STR_LEN, "-");
	}
	return buf;
}

bool endpoint_eq(const struct endpoint *a, const struct endpoint *b)
{
	return a->port == b->port && a->scope == b->scope && ip_eq(&a->ip, &b->ip);
}

bool endpoint_is_set(const struct endpoint *ep)
{
	return ep->ip.family != IP_NONE && ep->port != 0;
}
