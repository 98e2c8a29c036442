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

/*
 * The way to the internet (a prefix of no length) is that and nothing else: neither what is near this
 * machine, nor private networks that it happens to be in, which are offered by name or not at all.
 */
static bool is_internet(const struct ip *ip)
{
	const struct prefix host = prefix_host(ip);

	return !ip_is_unspecified(ip) && !ip_is_loopback(ip) && !ip_is_link_local(ip) &&
	       !ip_is_multicast(ip) && !prefix_is_private(&host) &&
	       !(ip->family == IP_V4 && (ip->bytes[0] == 0 || ip->bytes[0] >= 240));
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
