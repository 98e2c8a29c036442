/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What may be a name, an id, a tag, a host number; small values. */
#include "mesh/model.h"

#include "base/bytes.h"

#include <string.h>

static bool is_lower_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool node_name_valid(const char *s)
{
	size_t n = strnlen(s, NODE_NAME_MAX + 1);

	if (n == 0 || n > NODE_NAME_MAX || s[0] == '-' || s[n - 1] == '-')
		return false;

	for (size_t i = 0; i < n; i++)
		if (!is_lower_alnum(s[i]) && s[i] != '-')
			return false;
	return true;
}

bool node_name_allowed(const char *s)
{
	return node_name_valid(s) && strcmp(s, NODE_NAME_COORDINATOR) != 0;
}

void node_name_sanitize(const char *s, char ret_name[static NODE_NAME_MAX + 1])
{
	static const char fallback[] = "node";
	size_t n = 0;

	/* Only the first label of a host name; every run of other characters becomes one hyphen. */
	for (; *s && *s != '.' && n < NODE_NAME_MAX; s++) {
		char c = *s >= 'A' && *s <= 'Z' ? (char)(*s - 'A' + 'a') : *s;

		if (is_lower_alnum(c))
			ret_name[n++] = c;
		else if (n > 0 && ret_name[n - 1] != '-')
			ret_name[n++] = '-';
	}
	if (n > 0 && ret_name[n - 1] == '-')
		n--;
	ret_name[n] = '\0';
	if (!node_name_allowed(ret_name))
		memcpy(ret_name, fallback, sizeof(fallback));
}

/* "laptop.lan" ends in "lan", as "lan" itself does; "plan" does not. */
static bool is_within(const char *name, const char *zone)
{
	const size_t n = strlen(name), len = strlen(zone);

	return n >= len && strcmp(name + n - len, zone) == 0 && (n == len || name[n - len - 1] == '.');
}

bool mesh_zone_valid(const char *s)
{
	static const char *const taken[] = {"localhost", "local", "invalid", "onion", "arpa"};
	char label[NODE_NAME_MAX + 1];

	if (strnlen(s, MESH_ZONE_MAX + 1) > MESH_ZONE_MAX)
		return false;
	for (const char *at = s;; at++) {
		const size_t n = strcspn(at, ".");

		if (n > NODE_NAME_MAX)
			return false;
		memcpy(label, at, n);
		label[n] = '\0';
		if (!node_name_valid(label))
			return false;
		at += n;
		if (!*at)
			break;
	}
	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
		if (is_within(s, taken[i]) && !is_within(s, "home.arpa"))
			return false;
	return true;
}

const char *mesh_zone(const struct mesh_info *mesh)
{
	return mesh->zone[0] ? mesh->zone : MESH_ZONE_DEFAULT;
}

bool mesh_zone_has(const char *zone, const char *host)
{
	const size_t len = strlen(zone);
	size_t n = strlen(host);

	if (n > 1 && host[n - 1] == '.')
		n--;
	return n >= len && same_but_case(host + n - len, zone, len) && (n == len || host[n - len - 1] == '.');
}

bool node_name_bare(const char *text, const char *zone, char ret_name[static NODE_NAME_MAX + 1])
{
	const size_t len = strlen(zone);
	size_t n = strlen(text);

	if (n > 1 && text[n - 1] == '.')
		n--;
	if (n > len + 1 && text[n - len - 1] == '.' && same_but_case(text + n - len, zone, len))
		n -= len + 1;
	if (n > NODE_NAME_MAX)
		return false;

	for (size_t i = 0; i < n; i++)
		ret_name[i] = text[i] >= 'A' && text[i] <= 'Z' ? (char)(text[i] - 'A' + 'a') : text[i];
	ret_name[n] = '\0';
	return true;
}

bool node_id_valid(const char *s)
{
	size_t n = 0;

	while ((s[n] >= '0' && s[n] <= '9') || (s[n] >= 'a' && s[n] <= 'f'))
		n++;
	return n == NODE_ID_LEN && s[n] == '\0';
}

bool node_tag_valid(const char *s)
{
	size_t n = strnlen(s, NODE_TAG_MAX + 1);

	if (n == 0 || n > NODE_TAG_MAX || !is_lower_alnum(s[0]))
		return false;

	for (size_t i = 1; i < n; i++)
		if (!is_lower_alnum(s[i]) && s[i] != '-' && s[i] != '_')
			return false;
	return true;
}

int node_tags_split(const char *text, char (*ret_tags)[NODE_TAG_MAX + 1], uint8_t *ret_n)
{
	uint8_t n = 0;

	while (*text) {
		size_t len = strcspn(text, " ");

		if (n == NODE_TAGS_MAX || len > NODE_TAG_MAX)
			return TM_EBADMSG;
		memcpy(ret_tags[n], text, len);
		ret_tags[n][len] = '\0';
		if (!node_tag_valid(ret_tags[n++]))
			return TM_EBADMSG;
		text += len + (text[len] == ' ');
	}
	*ret_n = n;
	return TM_OK;
}

static uint32_t room(unsigned host_bits)
{
	return host_bits >= 32 ? UINT32_MAX : (UINT32_C(1) << host_bits) - 1;
}

uint32_t mesh_hosts_max(const struct prefix *net4, const struct prefix *net6)
{
	if (net4->ip.family != IP_V4 || net4->len > 32 || net6->ip.family != IP_V6 || net6->len > 128)
		return 0;

	uint32_t max4 = room(32u - net4->len), max6 = room(128u - net6->len);
	if (max4 < 3 || max6 < 2)
		return 0;

	max4 -= 1; /* the last one is the broadcast address */
	return MIN(MIN(max4, max6), (uint32_t)NETMAP_NODES_MAX);
}

void mesh_addresses(const struct mesh_info *mesh, uint32_t host, struct ip *ret_ip4, struct ip *ret_ip6)
{
	struct prefix base4 = prefix_mask(&mesh->net4), base6 = prefix_mask(&mesh->net6);

	put_be32(base4.ip.bytes, get_be32(base4.ip.bytes) + host);
	put_be32(base6.ip.bytes + 12, get_be32(base6.ip.bytes + 12) + host);
	*ret_ip4 = base4.ip;
	*ret_ip6 = base6.ip;
}

bool mesh_host_of(const struct mesh_info *mesh, const struct ip *ip, uint32_t *ret_host)
{
	const struct prefix net = prefix_mask(ip->family == IP_V4 ? &mesh->net4 : &mesh->net6);
	size_t low = ip_len(ip) - 4;
	struct ip ip4, ip6;

	if (ip->family != net.ip.family)
		return false;

	/* Both prefixes end on a boundary of ours or further left: what a host number adds is in the last 32
	 * bits. */
	uint32_t host = get_be32(ip->bytes + low) - get_be32(net.ip.bytes + low);
	mesh_addresses(mesh, host, &ip4, &ip6);
	if (!ip_eq(ip, ip->family == IP_V4 ? &ip4 : &ip6))
		return false;

	*ret_host = host;
	return true;
}

void netmap_deinit(struct netmap *m)
{
	if (!m)
		return;
	free(m->nodes);
	free(m->removed);
	*m = (struct netmap){0};
}

bool candidate_usable(const struct endpoint *ep, const struct prefix *net4, const struct prefix *net6)
{
	const struct ip *ip = &ep->ip;

	return endpoint_is_set(ep) && !ip_is_loopback(ip) && !ip_is_multicast(ip) && !ip_is_unspecified(ip) &&
	       !ip_is_link_local(ip) && !prefix_contains(net4, ip) && !prefix_contains(net6, ip);
}

bool candidates_eq(const struct candidates *a, const struct candidates *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (a->v[i].type != b->v[i].type || !endpoint_eq(&a->v[i].ep, &b->v[i].ep) ||
			strcmp(a->v[i].relay, b->v[i].relay) != 0)
			return false;
	return nat_told_eq(&a->nat, &b->nat);
}

bool nat_told_eq(const struct nat_told *a, const struct nat_told *b)
{
	return a->mapping == b->mapping && a->n_ports == b->n_ports &&
	       memcmp(a->ports, b->ports, a->n_ports * sizeof(*a->ports)) == 0;
}

bool presence_has(const struct presence *p, uint32_t host)
{
	return host / 8 < sizeof(p->bits) && p->bits[host / 8] >> host % 8 & 1;
}

void presence_set(struct presence *p, uint32_t host, bool online)
{
	uint8_t bit = (uint8_t)(1u << host % 8);

	if (host / 8 >= sizeof(p->bits))
		return;
	if (online)
		p->bits[host / 8] |= bit;
	else
		p->bits[host / 8] &= (uint8_t)~bit;
}
