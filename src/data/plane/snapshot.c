/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "data/plane/snapshot.h"

#include "base/bytes.h"
#include "packet/ip.h"

#include <string.h>

int snapshot_new(const struct snapshot *like, struct snapshot **ret_s)
{
	struct snapshot *s = malloc(sizeof(*s));

	if (!s)
		return TM_ENOMEM;

	*s = *like;
	s->generation++;
	s->unused = NULL;
	s->unused_filter = NULL;
	s->retired = (struct epoch_retired){0};
	*ret_s = s;
	return TM_OK;
}

void snapshot_free(void *snapshot)
{
	struct snapshot *s = snapshot;

	if (!s)
		return;
	route_garbage_free(s->unused);
	filter_free(s->unused_filter);
	free(s);
}

struct peer *snapshot_owner_of_dst(const struct snapshot *s, const uint8_t *p)
{
	return p[0] >> 4 == 4 ? route_find4(&s->routes, ip_dst(p)) : route_find6(&s->routes, ip_dst(p));
}

struct peer *snapshot_owner_of_src(const struct snapshot *s, const uint8_t *p)
{
	return p[0] >> 4 == 4 ? route_find4(&s->routes, ip_src(p)) : route_find6(&s->routes, ip_src(p));
}

bool snapshot_dst_is_self(const struct snapshot *s, const uint8_t *p)
{
	const struct ip *self = p[0] >> 4 == 4 ? &s->self4 : &s->self6;

	return self->family != IP_NONE && memcmp(self->bytes, ip_dst(p), ip_len(self)) == 0;
}

bool snapshot_dst_is_broadcast(const struct snapshot *s, const uint8_t *p)
{
	const uint32_t hosts = s->net4.len < 31 ? UINT32_MAX >> s->net4.len : 0; /* RFC 3021: none in a /31 */

	if (p[0] >> 4 != 4 || s->net4.ip.family != IP_V4 || !hosts)
		return false;

	const uint32_t dst = get_be32(ip_dst(p)), net = get_be32(s->net4.ip.bytes) & ~hosts;
	return dst == net || dst == (net | hosts);
}

static bool is_public(const struct ip *ip)
{
	const struct prefix host = prefix_host(ip);

	return !ip_is_unspecified(ip) && !ip_is_loopback(ip) && !ip_is_link_local(ip) &&
	       !ip_is_multicast(ip) && !prefix_is_private(&host) &&
	       !(ip->family == IP_V4 && (ip->bytes[0] == 0 || ip->bytes[0] >= 240));
}

/* IPv6 addresses that are none of a host: of this machine's translator (RFC 8215), of tunnels (RFC 4380),
 * IPv4 itself (RFC 4291 2.5.5), sites (RFC 3879). */
static bool is_odd(const struct ip *ip)
{
	static const struct prefix ranges[] = {
		{{IP_V6, {0, 0x64, 0xff, 0x9b, 0, 1}}, 48},
		{{IP_V6, {0x20, 0x01}}, 32},
		{{IP_V6, {0}}, 80},
		{{IP_V6, {0xfe, 0xc0}}, 10},
	};

	for (size_t i = 0; i < ARRAY_LEN(ranges); i++)
		if (prefix_contains(&ranges[i], ip))
			return true;
	return false;
}

/* The IPv4 address for which a translator (RFC 6052) or a tunnel (RFC 3056) would take this one. */
static bool is_for_ip4(const struct ip *ip, struct ip *ret_ip4)
{
	static const struct prefix nat64 = {{IP_V6, {0, 0x64, 0xff, 0x9b}}, 96},
				   six_to_4 = {{IP_V6, {0x20, 0x02}}, 16};

	if (prefix_contains(&nat64, ip))
		*ret_ip4 = ip_v4(ip->bytes + 12);
	else if (prefix_contains(&six_to_4, ip))
		*ret_ip4 = ip_v4(ip->bytes + 2);
	else
		return false;
	return true;
}

/*
 * The way to the internet (a prefix of no length) is that and nothing else: neither what is near this
 * machine, nor private networks that it happens to be in, which are offered by name or not at all. What is
 * not to be seen by an address alone, the host's own rules hold back (os/linux/nat.c).
 */
static bool is_internet(const struct ip *ip)
{
	struct ip ip4;

	return is_public(ip) && !is_odd(ip) && (!is_for_ip4(ip, &ip4) || is_public(&ip4));
}

bool snapshot_dst_is_behind(const struct snapshot *s, const uint8_t *p)
{
	if (!s->n_networks)
		return false;

	const struct ip dst = p[0] >> 4 == 4 ? ip_v4(ip_dst(p)) : ip_v6(ip_dst(p));
	for (size_t i = 0; i < s->n_networks; i++)
		if (prefix_contains(&s->networks[i], &dst) && (s->networks[i].len || is_internet(&dst)))
			return true;
	return false;
}

bool snapshot_dst_is_nobody(const struct snapshot *s, const uint8_t *p)
{
	const struct prefix *net = p[0] >> 4 == 4 ? &s->net4 : &s->net6;

	if (net->ip.family == IP_NONE)
		return false;

	const struct ip last = prefix_last_host(net);
	return memcmp(last.bytes, ip_dst(p), ip_len(&last)) == 0;
}

bool snapshot_loops(const struct snapshot *s, const struct ip *ip)
{
	const struct prefix *net = ip->family == IP_V4 ? &s->net4 : &s->net6;
	const struct ip *self = ip->family == IP_V4 ? &s->self4 : &s->self6;

	return (net->ip.family != IP_NONE && prefix_contains(net, ip)) ||
	       (self->family != IP_NONE && ip_eq(self, ip));
}
