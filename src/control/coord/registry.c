/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "control/coord/registry.h"

#include "base/secret.h"
#include "wire/msg/msg.h"

#include <string.h>

/* What one version was about. */
struct change {
	uint64_t version;
	char removed[NODE_ID_LEN + 1]; /* "" = a member, in the order of by_change */
};

struct registry {
	struct mesh_info mesh;
	struct map *by_id, *by_key;
	struct map *by_name; /* and by each alias */
	struct member **by_host; /* [n_hosts] */
	size_t n_hosts;
	struct list by_change; /* oldest change first */
	struct change *changes; /* ring: change number n is at n % REGISTRY_CHANGES_MAX */
	uint64_t first, last; /* numbers of the changes in it; first > last: none */
	struct presence online;
};

struct name_key {
	char text[NODE_NAME_MAX + 1];
};

static struct name_key name_key(const char *name)
{
	struct name_key k = {0};

	memcpy(k.text, name, strnlen(name, NODE_NAME_MAX));
	return k;
}

int registry_new(const struct mesh_info *mesh, struct registry **ret_registry)
{
	_cleanup_(registry_freep) struct registry *r = calloc(1, sizeof(*r));
	if (!r)
		return TM_ENOMEM;

	r->mesh = *mesh;
	r->first = 1;
	list_init(&r->by_change);
	r->changes = calloc(REGISTRY_CHANGES_MAX, sizeof(*r->changes));
	if (!r->changes)
		return TM_ENOMEM;

	int err = map_new(NODE_ID_LEN, &r->by_id);
	if (!err)
		err = map_new(32, &r->by_key);
	if (!err)
		err = map_new(sizeof(struct name_key), &r->by_name);
	if (err)
		return err;

	*ret_registry = TAKE(r);
	return TM_OK;
}

static void member_free(struct member *m)
{
	free(m->candidates);
	free(m);
}

void registry_free(struct registry *r)
{
	if (!r)
		return;

	LIST_FOREACH_SAFE (m, &r->by_change, struct member, by_change)
		member_free(m);
	map_free(r->by_id);
	map_free(r->by_key);
	map_free(r->by_name);
	free(r->by_host);
	free(r->changes);
	wipe(&r->mesh, sizeof(r->mesh));
	free(r);
}

/* --- versions --- */

static const struct change *change_at(const struct registry *r, uint64_t number)
{
	return &r->changes[number % REGISTRY_CHANGES_MAX];
}

static void note(struct registry *r, uint64_t version, const char *removed)
{
	uint64_t number = store_version_number(version);
	struct change *x = &r->changes[number % REGISTRY_CHANGES_MAX];

	if (r->first > r->last || number != r->last + 1)
		r->first = number; /* a gap: what was before it leads nowhere */
	r->last = number;
	if (r->last - r->first >= REGISTRY_CHANGES_MAX)
		r->first = r->last - REGISTRY_CHANGES_MAX + 1;
	x->version = version;
	memcpy(x->removed, removed, strlen(removed) + 1);
}

void registry_note_change(struct registry *r, uint64_t version, struct member *m)
{
	m->changed = version;
	list_remove(&m->by_change);
	list_push_back(&r->by_change, &m->by_change);
	note(r, version, "");
}

void registry_note_removal(struct registry *r, uint64_t version, const char *id)
{
	note(r, version, id);
}

uint64_t registry_version(const struct registry *r)
{
	return r->first > r->last ? 0 : change_at(r, r->last)->version;
}

bool registry_has(const struct registry *r, uint64_t version)
{
	uint64_t number = store_version_number(version);

	return number >= r->first && number <= r->last && change_at(r, number)->version == version;
}

size_t registry_changes_since(const struct registry *r, uint64_t version)
{
	return (size_t)(r->last - store_version_number(version));
}

/* --- members --- */

static int reserve_host(struct registry *r, uint32_t host)
{
	if (host < r->n_hosts)
		return TM_OK;

	size_t n = MAX((size_t)host + 1, r->n_hosts * 2);
	struct member **v = realloc(r->by_host, n * sizeof(struct member *));
	if (!v)
		return TM_ENOMEM;

	memset(v + r->n_hosts, 0, (n - r->n_hosts) * sizeof(struct member *));
	r->by_host = v;
	r->n_hosts = n;
	return TM_OK;
}

/* Whether one of its names is another's; `self` NULL: it is no member yet. */
static bool is_taken(const struct registry *r, const struct node_rec *rec, const struct member *self)
{
	struct name_key name = name_key(rec->name);
	const struct member *holder = map_get(r->by_name, &name);

	if (holder && holder != self)
		return true;
	for (const char *at = rec->aliases.text; node_alias_next(&at, name.text);) {
		name = name_key(name.text);
		holder = map_get(r->by_name, &name);
		if ((holder && holder != self) || strcmp(name.text, rec->name) == 0)
			return true;
	}
	return false;
}

static void unindex_names(struct registry *r, const struct node_rec *rec, const struct member *m)
{
	struct name_key name = name_key(rec->name);

	if (map_get(r->by_name, &name) == m)
		map_remove(r->by_name, &name);
	for (const char *at = rec->aliases.text; node_alias_next(&at, name.text);) {
		name = name_key(name.text);
		if (map_get(r->by_name, &name) == m)
			map_remove(r->by_name, &name);
	}
}

/* On failure some of them are there. */
static int index_names(struct registry *r, const struct node_rec *rec, struct member *m)
{
	struct name_key name = name_key(rec->name);
	int err = map_put(r->by_name, &name, m);

	for (const char *at = rec->aliases.text; !err && node_alias_next(&at, name.text);) {
		name = name_key(name.text);
		err = map_put(r->by_name, &name, m);
	}
	return err;
}

static void unindex_member(struct registry *r, struct member *m)
{
	map_remove(r->by_id, m->s.rec.id);
	map_remove(r->by_key, m->s.rec.key);
	unindex_names(r, &m->s.rec, m);
	if (m->s.rec.host < r->n_hosts)
		r->by_host[m->s.rec.host] = NULL;
}

static int index_member(struct registry *r, struct member *m)
{
	int err = reserve_host(r, m->s.rec.host);
	if (!err)
		err = map_put(r->by_id, m->s.rec.id, m);
	if (!err)
		err = map_put(r->by_key, m->s.rec.key, m);
	if (!err)
		err = index_names(r, &m->s.rec, m);
	if (err) {
		unindex_member(r, m);
		return err;
	}
	r->by_host[m->s.rec.host] = m;
	return TM_OK;
}

static int member_new(struct registry *r, const struct store_node *n, struct member **ret_member)
{
	struct member *node = NULL;

	if (map_get(r->by_key, n->rec.key) || is_taken(r, &n->rec, NULL))
		return TM_EEXIST;
	if (n->rec.host < r->n_hosts && r->by_host[n->rec.host])
		return TM_EEXIST;
	if (n->rec.kind == NODE_CLIENT) {
		node = map_get(r->by_id, n->rec.via);
		if (!node || node->s.rec.kind != NODE_MESH)
			return TM_ENOENT;
	}
	struct member *m = calloc(1, sizeof(*m));
	if (!m)
		return TM_ENOMEM;

	m->s = *n;
	mesh_addresses(&r->mesh, n->rec.host, &m->s.rec.ip4, &m->s.rec.ip6);
	struct list *const lists[] = {&m->by_change, &m->clients, &m->in_clients, &m->watchers, &m->watching,
		&m->in_telling, &m->in_expiry, &m->in_touched};
	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		list_init(lists[i]);
	int err = index_member(r, m);
	if (err) {
		free(m);
		return err;
	}
	if (node)
		list_push_back(&node->clients, &m->in_clients);
	*ret_member = m;
	return TM_OK;
}

/* Names change, and what is no part of the map; key, kind and host number stay with an id. */
static int member_update(struct registry *r, struct member *m, const struct store_node *n)
{
	if (is_taken(r, &n->rec, m))
		return TM_EEXIST;
	unindex_names(r, &m->s.rec, m);
	int err = index_names(r, &n->rec, m);
	if (err) {
		unindex_names(r, &n->rec, m);
		(void)!index_names(r, &m->s.rec, m);
		return err;
	}
	memcpy(m->s.rec.name, n->rec.name, sizeof(m->s.rec.name));
	m->s.rec.aliases = n->rec.aliases;
	memcpy(m->s.rec.tags, n->rec.tags, sizeof(m->s.rec.tags));
	m->s.rec.n_tags = n->rec.n_tags;
	m->s.rec.routes = n->rec.routes;
	return TM_OK;
}

int registry_put(struct registry *r, uint64_t version, const struct store_node *n, struct member **ret_member)
{
	struct member *m = map_get(r->by_id, n->rec.id);

	int err = m ? member_update(r, m, n) : member_new(r, n, &m);
	if (err)
		return err;

	if (version)
		registry_note_change(r, version, m);
	else
		list_push_front(&r->by_change, &m->by_change);
	if (ret_member)
		*ret_member = m;
	return TM_OK;
}

void registry_remove(struct registry *r, uint64_t version, struct member *m)
{
	registry_set_online(r, m, false);
	LIST_FOREACH_SAFE (client, &m->clients, struct member, in_clients)
		list_remove(&client->in_clients);
	note(r, version, m->s.rec.id);
	unindex_member(r, m);
	list_remove(&m->by_change);
	list_remove(&m->in_clients);
	member_free(m);
}

void registry_set_online(struct registry *r, const struct member *m, bool online)
{
	presence_set(&r->online, m->s.rec.host, online);
}

bool registry_online(const struct registry *r, const struct member *m)
{
	return presence_has(&r->online, m->s.rec.host);
}

const struct presence *registry_presence(const struct registry *r)
{
	return &r->online;
}

struct member *registry_by_id(const struct registry *r, const char *id)
{
	return strnlen(id, NODE_ID_LEN + 1) == NODE_ID_LEN ? map_get(r->by_id, id) : NULL;
}

struct member *registry_by_key(const struct registry *r, const uint8_t key[static 32])
{
	return map_get(r->by_key, key);
}

struct member *registry_lookup(const struct registry *r, const char *text)
{
	/* The id first: nobody can choose it, while a member may have taken another one's id for a name. */
	struct member *m = registry_by_id(r, text);
	struct name_key name = {0};
	uint32_t host;
	struct ip ip;

	if (m)
		return m;
	if (ip_parse(text, &ip) == TM_OK)
		return mesh_host_of(&r->mesh, &ip, &host) && host < r->n_hosts ? r->by_host[host] : NULL;
	return node_name_bare(text, mesh_zone(&r->mesh), name.text) ? map_get(r->by_name, &name) : NULL;
}

size_t registry_size(const struct registry *r)
{
	return map_size(r->by_id);
}

struct member *registry_after(const struct registry *r, uint32_t host)
{
	for (size_t i = (size_t)host + 1; i < r->n_hosts; i++)
		if (r->by_host[i])
			return r->by_host[i];
	return NULL;
}

const struct mesh_info *registry_mesh(const struct registry *r)
{
	return &r->mesh;
}

/* --- views --- */

static void removed_put(const struct registry *r, uint64_t base, struct jsonout *o)
{
	for (uint64_t i = store_version_number(base) + 1; i <= r->last; i++) {
		const struct change *x = change_at(r, i);

		if (x->removed[0] && !map_get(r->by_id, x->removed)) /* else it came back */
			jsonout_text(o, NULL, x->removed);
	}
}

void registry_view_put(const struct registry *r, uint64_t base, struct jsonout *o)
{
	bool delta = registry_has(r, base);

	msg_netmap_begin(o, registry_version(r), delta ? base : 0);
	/* Newest change first, so that the walk ends at what the receiver knows. */
	for (struct list *l = r->by_change.prev; l != &r->by_change; l = l->prev) {
		const struct member *m = CONTAINER_OF(l, struct member, by_change);

		if (delta && store_version_number(m->changed) <= store_version_number(base))
			break;
		node_rec_put(o, NULL, &m->s.rec);
	}
	msg_netmap_removed(o);
	if (delta)
		removed_put(r, base, o);
	msg_netmap_end(o);
}
