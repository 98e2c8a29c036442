/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The netmap as values: names, look-up, applying deltas. Its JSON is in netmap_json.c. */
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
	if (n == 0)
		memcpy(ret_name, fallback, sizeof(fallback));
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

void netmap_deinit(struct netmap *m)
{
	if (!m)
		return;
	free(m->nodes);
	free(m->removed);
	*m = (struct netmap){0};
}

/* One line of a delta. Sorted by id, then by position: the last one about an id wins, a record over a
 * removal. */
struct change {
	const char *id;
	const struct node_rec *rec; /* NULL = remove */
	size_t position;
	bool done;
};

static int change_by_id(const void *key, const void *element)
{
	return strcmp(key, ((const struct change *)element)->id);
}

static int change_order(const void *a, const void *b)
{
	const struct change *x = a, *y = b;
	int by_id = strcmp(x->id, y->id);

	if (by_id)
		return by_id;
	return x->position < y->position ? -1 : x->position > y->position;
}

/* The delta's changes, one per id, sorted. *ret_changes is allocated. */
static int changes_collect(const struct netmap *delta, struct change **ret_changes, size_t *ret_n)
{
	size_t total = delta->n_removed + delta->n_nodes, n = 0, unique = 0;
	struct change *c = calloc(total ? total : 1, sizeof(*c));

	if (!c)
		return TM_ENOMEM;

	for (size_t i = 0; i < delta->n_removed; i++, n++)
		c[n] = (struct change){.id = delta->removed[i], .position = n};
	for (size_t i = 0; i < delta->n_nodes; i++, n++)
		c[n] = (struct change){.id = delta->nodes[i].id, .rec = &delta->nodes[i], .position = n};
	qsort(c, n, sizeof(*c), change_order);
	for (size_t i = 0; i < n; i++) {
		if (unique && strcmp(c[unique - 1].id, c[i].id) == 0)
			c[unique - 1] = c[i];
		else
			c[unique++] = c[i];
	}
	*ret_changes = c;
	*ret_n = unique;
	return TM_OK;
}

/* Old nodes in their order, changed or left out, then the new ones. Returns how many. */
static size_t merge(const struct netmap *map, struct change *changes, size_t n_changes, struct node_rec *out)
{
	size_t n = 0;

	for (size_t i = 0; i < map->n_nodes; i++) {
		struct change *c = n_changes ? bsearch(map->nodes[i].id, changes, n_changes, sizeof(*changes),
						       change_by_id)
					     : NULL;

		if (!c) {
			out[n++] = map->nodes[i];
			continue;
		}
		if (c->rec && !c->done)
			out[n++] = *c->rec;
		c->done = true;
	}
	for (size_t i = 0; i < n_changes; i++)
		if (changes[i].rec && !changes[i].done)
			out[n++] = *changes[i].rec;
	return n;
}

int netmap_apply(struct netmap *map, const struct netmap *delta)
{
	static const struct netmap empty;
	const struct netmap *from = delta->base == 0 ? &empty : map;
	_cleanup_(freep) struct change *changes = NULL;
	_cleanup_(freep) struct node_rec *nodes = NULL;
	size_t n_changes;

	if (delta->base != 0 && delta->base != map->version)
		return TM_ERANGE;
	if (delta->n_nodes > NETMAP_NODES_MAX)
		return TM_EFULL;

	int err = changes_collect(delta, &changes, &n_changes);
	if (err)
		return err;

	size_t room = from->n_nodes + delta->n_nodes;
	nodes = calloc(room ? room : 1, sizeof(*nodes));
	if (!nodes)
		return TM_ENOMEM;

	size_t n = merge(from, changes, n_changes, nodes);
	if (n > NETMAP_NODES_MAX)
		return TM_EFULL;

	struct netmap next = {.version = delta->version,
		.nodes = TAKE(nodes),
		.n_nodes = n,
		.n_bad = from->n_bad + delta->n_bad};
	netmap_deinit(map);
	*map = next;
	return TM_OK;
}

const struct node_rec *netmap_find(const struct netmap *m, const char *id)
{
	for (size_t i = 0; i < m->n_nodes; i++)
		if (strcmp(m->nodes[i].id, id) == 0)
			return &m->nodes[i];
	return NULL;
}

static const struct node_rec *find_address(const struct netmap *m, const struct ip *ip)
{
	for (size_t i = 0; i < m->n_nodes; i++)
		if (ip_eq(&m->nodes[i].ip4, ip) || ip_eq(&m->nodes[i].ip6, ip))
			return &m->nodes[i];
	return NULL;
}

/* Without the ".mesh" or ".mesh." that a full name ends in. */
static size_t bare_name_len(const char *text)
{
	static const char suffix[] = ".mesh";
	size_t n = strlen(text), suffix_len = sizeof(suffix) - 1;

	if (n > 1 && text[n - 1] == '.')
		n--;
	if (n > suffix_len && same_but_case(text + n - suffix_len, suffix, suffix_len))
		n -= suffix_len;
	return n;
}

/* An id is looked for first, so that nobody can hide another node by taking its id as a name. */
const struct node_rec *netmap_lookup(const struct netmap *m, const char *text)
{
	const struct node_rec *r = netmap_find(m, text);
	struct ip ip;

	if (r)
		return r;
	if (ip_parse(text, &ip) == TM_OK)
		return find_address(m, &ip);

	size_t n = bare_name_len(text);
	for (size_t i = 0; i < m->n_nodes; i++)
		if (strlen(m->nodes[i].name) == n && same_but_case(m->nodes[i].name, text, n))
			return &m->nodes[i];
	return NULL;
}

bool candidates_eq(const struct candidates *a, const struct candidates *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (a->v[i].type != b->v[i].type || !endpoint_eq(&a->v[i].ep, &b->v[i].ep))
			return false;
	return true;
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
