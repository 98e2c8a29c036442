/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "control/coord/registry.h"

#include "base/secret.h"

#include <assert.h>
#include <string.h>

struct removal {
	char id[NODE_ID_LEN + 1];
	uint64_t version;
};

struct registry {
	struct mesh_info mesh;
	uint64_t version;
	uint64_t oldest_base; /* deltas can be made from here on */
	struct map *by_id, *by_key, *by_name;
	struct list by_change; /* oldest change first */
	struct presence online;
	struct removal removals[REGISTRY_REMOVED_MAX]; /* ring */
	size_t removal_next, n_removals;
	/* The last view made, while nothing changes: most links ask from the same base. */
	json_t *view;
	uint64_t view_base;
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

int registry_new(const struct mesh_info *mesh, uint64_t first_version, struct registry **ret_registry)
{
	_cleanup_(registry_freep) struct registry *r = calloc(1, sizeof(*r));
	if (!r)
		return TM_ENOMEM;

	r->mesh = *mesh;
	r->version = r->oldest_base = first_version;
	list_init(&r->by_change);
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

void registry_free(struct registry *r)
{
	if (!r)
		return;

	LIST_FOREACH_SAFE (m, &r->by_change, struct member, by_change)
		free(m);
	map_free(r->by_id);
	map_free(r->by_key);
	map_free(r->by_name);
	json_decref(r->view);
	wipe(&r->mesh, sizeof(r->mesh));
	free(r);
}

static void forget_view(struct registry *r)
{
	json_decref(r->view);
	r->view = NULL;
}

/* m changed in the current version. */
static void stamp(struct registry *r, struct member *m)
{
	m->changed = r->version;
	list_remove(&m->by_change);
	list_push_back(&r->by_change, &m->by_change);
}

static void next_version(struct registry *r)
{
	r->version++;
	forget_view(r);
}

static int index_member(struct registry *r, struct member *m)
{
	struct name_key name = name_key(m->s.rec.name);

	int err = map_put(r->by_id, m->s.rec.id, m);
	if (!err)
		err = map_put(r->by_key, m->s.rec.key, m);
	if (!err)
		err = map_put(r->by_name, &name, m);
	return err;
}

static void unindex_member(struct registry *r, struct member *m)
{
	struct name_key name = name_key(m->s.rec.name);

	map_remove(r->by_id, m->s.rec.id);
	map_remove(r->by_key, m->s.rec.key);
	map_remove(r->by_name, &name);
}

int registry_add(struct registry *r, const struct store_node *n, struct member **ret_member)
{
	struct name_key name = name_key(n->rec.name);
	struct member *node = NULL;

	if (map_get(r->by_id, n->rec.id) || map_get(r->by_key, n->rec.key) || map_get(r->by_name, &name))
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
		&m->in_expiry, &m->in_touched};
	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		list_init(lists[i]);
	int err = index_member(r, m);
	if (err) {
		unindex_member(r, m);
		free(m);
		return err;
	}
	if (node) {
		list_push_back(&node->clients, &m->in_clients);
		presence_set(&r->online, n->rec.host, registry_online(r, node));
	}
	next_version(r);
	stamp(r, m);
	if (ret_member)
		*ret_member = m;
	return TM_OK;
}

int registry_rename(struct registry *r, struct member *m, const char *name)
{
	struct name_key to = name_key(name), from = name_key(m->s.rec.name);

	if (map_get(r->by_name, &to))
		return TM_EEXIST;

	int err = map_put(r->by_name, &to, m);
	if (err)
		return err;

	map_remove(r->by_name, &from);
	memcpy(m->s.rec.name, to.text, sizeof(m->s.rec.name));
	next_version(r);
	stamp(r, m);
	return TM_OK;
}

void registry_set_online(struct registry *r, const struct member *m, bool online)
{
	presence_set(&r->online, m->s.rec.host, online);
	LIST_FOREACH (client, &m->clients, struct member, in_clients)
		presence_set(&r->online, client->s.rec.host, online);
}

bool registry_online(const struct registry *r, const struct member *m)
{
	return presence_has(&r->online, m->s.rec.host);
}

const struct presence *registry_presence(const struct registry *r)
{
	return &r->online;
}

static void remember_removal(struct registry *r, const char *id)
{
	struct removal *x = &r->removals[r->removal_next];

	if (r->n_removals == REGISTRY_REMOVED_MAX)
		r->oldest_base = x->version; /* who has that version has seen x */
	else
		r->n_removals++;
	memcpy(x->id, id, sizeof(x->id));
	x->version = r->version;
	r->removal_next = (r->removal_next + 1) % REGISTRY_REMOVED_MAX;
}

void registry_remove(struct registry *r, struct member *m)
{
	assert(list_empty(&m->clients));
	next_version(r);
	remember_removal(r, m->s.rec.id);
	unindex_member(r, m);
	list_remove(&m->by_change);
	list_remove(&m->in_clients);
	presence_set(&r->online, m->s.rec.host, false);
	free(m);
}

struct member *registry_by_id(const struct registry *r, const char *id)
{
	return strnlen(id, NODE_ID_LEN + 1) == NODE_ID_LEN ? map_get(r->by_id, id) : NULL;
}

struct member *registry_by_key(const struct registry *r, const uint8_t key[static 32])
{
	return map_get(r->by_key, key);
}

struct member *registry_lookup(const struct registry *r, const char *name_or_id)
{
	struct name_key name = name_key(name_or_id);

	if (strlen(name_or_id) > NODE_NAME_MAX)
		return NULL;

	/* The id first: nobody can choose it, while a member may have taken another one's id for a name. */
	struct member *m = registry_by_id(r, name_or_id);
	return m ? m : map_get(r->by_name, &name);
}

size_t registry_size(const struct registry *r)
{
	return map_size(r->by_id);
}

struct member *registry_next(const struct registry *r, size_t *pos)
{
	return map_next(r->by_id, pos);
}

const struct mesh_info *registry_mesh(const struct registry *r)
{
	return &r->mesh;
}

uint64_t registry_version(const struct registry *r)
{
	return r->version;
}

static int append_node(json_t *nodes, const struct member *m)
{
	return json_array_append_new(nodes, node_rec_to_json(&m->s.rec));
}

/* base 0 = everything. Newest change first, so that the walk ends at what the receiver knows. */
static int append_nodes(const struct registry *r, uint64_t base, json_t *nodes)
{
	for (struct list *l = r->by_change.prev; l != &r->by_change; l = l->prev) {
		const struct member *m = CONTAINER_OF(l, struct member, by_change);

		if (m->changed <= base)
			break;
		if (append_node(nodes, m) < 0)
			return TM_ENOMEM;
	}
	return TM_OK;
}

static int append_removed(const struct registry *r, uint64_t base, json_t *removed)
{
	for (size_t i = 1; i <= r->n_removals; i++) {
		const struct removal *x =
			&r->removals[(r->removal_next + REGISTRY_REMOVED_MAX - i) % REGISTRY_REMOVED_MAX];

		if (x->version <= base)
			break;
		if (map_get(r->by_id, x->id))
			continue; /* it came back */
		if (json_array_append_new(removed, json_string(x->id)) < 0)
			return TM_ENOMEM;
	}
	return TM_OK;
}

static json_t *make_view(const struct registry *r, uint64_t base)
{
	json_t *nodes = json_array(), *removed = json_array();

	if (!nodes || !removed || append_nodes(r, base, nodes) ||
		(base && append_removed(r, base, removed))) {
		json_decref(nodes);
		json_decref(removed);
		return NULL;
	}
	return json_pack("{s:I, s:I, s:o, s:o}", "version", (json_int_t)r->version, "base", (json_int_t)base,
		"nodes", nodes, "removed", removed);
}

json_t *registry_view(struct registry *r, uint64_t base)
{
	if (base < r->oldest_base || base > r->version)
		base = 0;
	if (!r->view || r->view_base != base) {
		forget_view(r);
		r->view = make_view(r, base);
		r->view_base = base;
	}
	return json_incref(r->view);
}
