/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "mesh/mesh_private.h"

#include <string.h>

/* --- one record --- */

/* The aliases end a record, as the index has them: they want an address like others. */
static size_t with_aliases(size_t n, size_t n_aliases)
{
	const size_t to = _Alignof(struct mesh_alias);

	return n_aliases ? (n + to - 1) / to * to + n_aliases * sizeof(struct mesh_alias) : n;
}

static void list_aliases(struct mesh_node *n, const char *texts, size_t texts_end, size_t n_aliases)
{
	const char *at = n->aliases = texts;

	n->n_aliases = (uint8_t)n_aliases;
	n->by_alias = (void *)((char *)n + with_aliases(texts_end, n_aliases) -
			       n_aliases * sizeof(struct mesh_alias));
	for (size_t i = 0; i < n_aliases && node_alias_next(&at, n->by_alias[i].name); i++)
		n->by_alias[i].node = n;
}

int mesh_node_new(const struct node_rec *r, struct mesh_node **ret_node)
{
	const size_t name_len = strlen(r->name) + 1, via_len = strlen(r->via) + 1,
		     aliases_len = strlen(r->aliases.text) + 1, n_aliases = node_aliases_count(&r->aliases),
		     routes_len = r->routes.n * sizeof(r->routes.v[0]);
	size_t tags_len = 1;

	for (size_t i = 0; i < r->n_tags; i++)
		tags_len += strlen(r->tags[i]) + 1;

	const size_t len =
		sizeof(struct mesh_node) + name_len + via_len + tags_len + aliases_len + routes_len;
	struct mesh_node *n = calloc(1, with_aliases(len, n_aliases));
	if (!n)
		return TM_ENOMEM;

	char *at = n->name;
	memcpy(at, r->name, name_len);
	n->via = at += name_len;
	memcpy(at, r->via, via_len);
	n->tags = at += via_len;
	for (size_t i = 0; i < r->n_tags; i++) {
		size_t tag = strlen(r->tags[i]) + 1;

		memcpy(at, r->tags[i], tag);
		at += tag;
	}
	list_aliases(n, memcpy(at + 1, r->aliases.text, aliases_len), len, n_aliases);
	/* Bytes, all of it, that lie wherever they come to. */
	_Static_assert(_Alignof(struct node_route) == 1, "lies behind texts");
	n->routes = memcpy(at + 1 + aliases_len, r->routes.v, routes_len);
	n->n_routes = r->routes.n;
	n->exit = r->routes.exit;
	memcpy(n->key, r->key, sizeof(n->key));
	memcpy(n->id, r->id, sizeof(n->id));
	n->kind = (uint8_t)r->kind;
	n->coordinator = r->coordinator;
	n->host = r->host;
	*ret_node = n;
	return TM_OK;
}

struct mesh_node *mesh_node_copy(const struct mesh_node *n)
{
	const char *end = n->aliases + strlen(n->aliases) + 1;
	const size_t texts = (size_t)(end - n->name) + n->n_routes * sizeof(n->routes[0]);
	struct mesh_node *copy = malloc(sizeof(*copy) + texts);
	if (!copy)
		return NULL;

	*copy = *n;
	memcpy(copy->name, n->name, texts);
	copy->via = copy->name + (n->via - n->name);
	copy->tags = copy->name + (n->tags - n->name);
	copy->aliases = copy->name + (n->aliases - n->name);
	copy->routes = (const struct node_route *)(const void *)(copy->name + (end - n->name));
	copy->by_alias = NULL;
	copy->n_aliases = 0;
	copy->next_client = NULL;
	return copy;
}

void mesh_node_addresses(
	const struct mesh *m, const struct mesh_node *n, struct ip *ret_ip4, struct ip *ret_ip6)
{
	mesh_addresses(&m->info, n->host, ret_ip4, ret_ip6);
}

/* --- the indexes --- */

static const void *key_id(const void *record, size_t *ret_len)
{
	*ret_len = NODE_ID_LEN;
	return ((const struct mesh_node *)record)->id;
}

static const void *key_key(const void *record, size_t *ret_len)
{
	const struct mesh_node *n = record;

	*ret_len = sizeof(n->key);
	return n->key;
}

static const void *key_name(const void *record, size_t *ret_len)
{
	const struct mesh_node *n = record;

	*ret_len = strlen(n->name);
	return n->name;
}

static const void *key_alias(const void *record, size_t *ret_len)
{
	const struct mesh_alias *a = record;

	*ret_len = strlen(a->name);
	return a->name;
}

static const void *key_via(const void *record, size_t *ret_len)
{
	*ret_len = NODE_ID_LEN;
	return ((const struct mesh_node *)record)->via;
}

int mesh_new(const struct mesh_info *info, struct mesh **ret_mesh)
{
	_cleanup_(mesh_freep) struct mesh *m = calloc(1, sizeof(*m));

	if (!m)
		return TM_ENOMEM;

	m->info.net4 = info->net4;
	m->info.net6 = info->net6;
	memcpy(m->info.zone, info->zone, sizeof(m->info.zone));
	int err = hashset_init(&m->by_id, key_id);
	if (!err)
		err = hashset_init(&m->by_key, key_key);
	if (!err)
		err = hashset_init(&m->by_name, key_name);
	if (!err)
		err = hashset_init(&m->by_alias, key_alias);
	if (!err)
		err = hashset_init(&m->by_via, key_via);
	if (err)
		return err;

	*ret_mesh = TAKE(m);
	return TM_OK;
}

void mesh_free(struct mesh *m)
{
	struct mesh_node *n;

	if (!m)
		return;

	for (size_t i = 0; (n = hashset_next(&m->by_id, &i));)
		free(n);
	hashset_deinit(&m->by_id);
	hashset_deinit(&m->by_key);
	hashset_deinit(&m->by_name);
	hashset_deinit(&m->by_alias);
	hashset_deinit(&m->by_via);
	free(m->by_host);
	free(m);
}

int mesh_reserve(struct mesh *m, const struct mesh_room *room)
{
	size_t n_hosts = m->n_hosts ? m->n_hosts : 16;

	while (n_hosts <= room->max_host)
		n_hosts *= 2;
	if (n_hosts != m->n_hosts) {
		struct mesh_node **by_host = realloc(m->by_host, n_hosts * sizeof(struct mesh_node *));

		if (!by_host)
			return TM_ENOMEM;
		memset(by_host + m->n_hosts, 0, (n_hosts - m->n_hosts) * sizeof(struct mesh_node *));
		m->by_host = by_host;
		m->n_hosts = n_hosts;
	}
	int err = hashset_reserve(&m->by_id, room->more);
	if (!err)
		err = hashset_reserve(&m->by_key, room->more);
	if (!err)
		err = hashset_reserve(&m->by_name, room->more);
	if (!err)
		err = hashset_reserve(&m->by_alias, room->aliases);
	if (!err)
		err = hashset_reserve(&m->by_via, room->clients);
	return err;
}

static void join_clients(struct mesh *m, struct mesh_node *n)
{
	struct mesh_node *first = hashset_get(&m->by_via, n->via, NODE_ID_LEN);

	n->next_client = first ? first->next_client : NULL;
	if (first)
		first->next_client = n;
	else
		hashset_put(&m->by_via, n);
}

static void leave_clients(struct mesh *m, struct mesh_node *n)
{
	struct mesh_node *first = hashset_get(&m->by_via, n->via, NODE_ID_LEN);

	if (first == n && n->next_client) {
		hashset_put(&m->by_via, n->next_client);
	} else if (first == n) {
		hashset_remove(&m->by_via, n->via, NODE_ID_LEN);
	} else {
		while (first->next_client != n)
			first = first->next_client;
		first->next_client = n->next_client;
	}
	n->next_client = NULL;
}

/* One of its aliases its own name, too. */
static bool is_alias_taken(const struct mesh *m, const struct mesh_node *n)
{
	for (size_t i = 0; i < n->n_aliases; i++)
		if (mesh_by_name(m, n->by_alias[i].name) || strcmp(n->by_alias[i].name, n->name) == 0)
			return true;
	return false;
}

bool mesh_index(struct mesh *m, struct mesh_node *n)
{
	if (m->by_host[n->host] || hashset_get(&m->by_id, n->id, NODE_ID_LEN) ||
		hashset_get(&m->by_key, n->key, sizeof(n->key)) || mesh_by_name(m, n->name) ||
		is_alias_taken(m, n))
		return false;

	m->by_host[n->host] = n;
	hashset_put(&m->by_id, n);
	hashset_put(&m->by_key, n);
	hashset_put(&m->by_name, n);
	for (size_t i = 0; i < n->n_aliases; i++)
		hashset_put(&m->by_alias, &n->by_alias[i]);
	if (n->kind == NODE_CLIENT)
		join_clients(m, n);
	return true;
}

void mesh_unindex(struct mesh *m, struct mesh_node *n)
{
	m->by_host[n->host] = NULL;
	hashset_remove(&m->by_id, n->id, NODE_ID_LEN);
	hashset_remove(&m->by_key, n->key, sizeof(n->key));
	hashset_remove(&m->by_name, n->name, strlen(n->name));
	for (size_t i = 0; i < n->n_aliases; i++)
		hashset_remove(&m->by_alias, n->by_alias[i].name, strlen(n->by_alias[i].name));
	if (n->kind == NODE_CLIENT)
		leave_clients(m, n);
}

int mesh_add(struct mesh *m, const struct node_rec *r)
{
	const struct mesh_room room = {.more = 1,
		.clients = r->kind == NODE_CLIENT,
		.aliases = node_aliases_count(&r->aliases),
		.max_host = r->host};
	struct mesh_node *n;
	int err = mesh_reserve(m, &room);

	if (!err)
		err = mesh_node_new(r, &n);
	if (err)
		return err;
	if (mesh_index(m, n))
		return TM_OK;
	free(n);
	return TM_EEXIST;
}

void mesh_set_version(struct mesh *m, uint64_t version)
{
	m->version = version;
}

/* --- questions --- */

uint64_t mesh_version(const struct mesh *m)
{
	return m->version;
}

size_t mesh_size(const struct mesh *m)
{
	return m->by_id.size;
}

const struct mesh_node *mesh_by_id(const struct mesh *m, const char *id)
{
	return node_id_valid(id) ? hashset_get(&m->by_id, id, NODE_ID_LEN) : NULL;
}

const struct mesh_node *mesh_by_key(const struct mesh *m, const uint8_t key[static 32])
{
	return hashset_get(&m->by_key, key, 32);
}

const struct mesh_node *mesh_by_host(const struct mesh *m, uint32_t host)
{
	return host < m->n_hosts ? m->by_host[host] : NULL;
}

const struct mesh_node *mesh_by_name(const struct mesh *m, const char *name)
{
	const size_t n = strlen(name);
	const struct mesh_node *by_name = hashset_get(&m->by_name, name, n);
	const struct mesh_alias *alias = by_name ? NULL : hashset_get(&m->by_alias, name, n);

	return alias ? alias->node : by_name;
}

const struct mesh_node *mesh_by_ip(const struct mesh *m, const struct ip *ip)
{
	uint32_t host;

	return mesh_host_of(&m->info, ip, &host) && host < m->n_hosts ? m->by_host[host] : NULL;
}

/* An id is looked for first, so that nobody can hide another node by taking its id as a name. */
const struct mesh_node *mesh_lookup(const struct mesh *m, const char *text)
{
	const struct mesh_node *n = mesh_by_id(m, text);
	char name[NODE_NAME_MAX + 1];
	struct ip ip;

	if (n)
		return n;
	if (ip_parse(text, &ip) == TM_OK)
		return mesh_by_ip(m, &ip);
	return node_name_bare(text, mesh_zone(&m->info), name) ? mesh_by_name(m, name) : NULL;
}

const struct mesh_node *mesh_clients(const struct mesh *m, const char *via)
{
	return node_id_valid(via) ? hashset_get(&m->by_via, via, NODE_ID_LEN) : NULL;
}

const struct mesh_node *mesh_next(const struct mesh *m, size_t *pos)
{
	while (*pos < m->n_hosts) {
		const struct mesh_node *n = m->by_host[(*pos)++];

		if (n)
			return n;
	}
	return NULL;
}
