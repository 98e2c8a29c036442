/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * From an update to a diff, in two halves. The first compares and allocates, may fail, and changes nothing
 * but marks; the second takes all changed records out of the indexes and puts the new ones in, which cannot
 * fail: so two members may swap their names or keys in one update.
 */
#include "mesh/mesh_private.h"

#include <string.h>

static bool tags_eq(const char *a, const char *b)
{
	while (*a && strcmp(a, b) == 0) {
		a += strlen(a) + 1;
		b += strlen(b) + 1;
	}
	return !*a && !*b;
}

static bool routes_eq(const struct mesh_node *a, const struct mesh_node *b)
{
	if (a->n_routes != b->n_routes || a->exit != b->exit)
		return false;
	for (size_t i = 0; i < a->n_routes; i++) {
		const struct node_route *x = &a->routes[i], *y = &b->routes[i];

		if (!prefix_eq(&x->prefix, &y->prefix) || x->offered != y->offered ||
			x->approved != y->approved || x->ha != y->ha)
			return false;
	}
	return true;
}

static unsigned compare(const struct mesh_node *a, const struct mesh_node *b)
{
	unsigned what = 0;

	what |= strcmp(a->name, b->name) != 0 ? MESH_NAME : 0;
	what |= strcmp(a->aliases, b->aliases) != 0 ? MESH_ALIASES : 0;
	what |= memcmp(a->key, b->key, sizeof(a->key)) != 0 ? MESH_KEY : 0; /* public keys */
	what |= a->host != b->host ? MESH_ADDRESSES : 0;
	what |= !tags_eq(a->tags, b->tags) ? MESH_TAGS : 0;
	what |= strcmp(a->via, b->via) != 0 ? MESH_VIA : 0;
	what |= a->kind != b->kind ? MESH_KIND : 0;
	what |= a->coordinator != b->coordinator ? MESH_ROLE : 0;
	what |= !routes_eq(a, b) ? MESH_ROUTES : 0;
	return what;
}

/* An update on its way: the changes so far, with room for all that can come. */
struct attempt {
	struct mesh *mesh;
	struct mesh_change *v;
	size_t n, n_bad, n_removed;
	struct mesh_room room;
	uint32_t generation;
};

static void attempt_undo(struct attempt *at)
{
	for (size_t i = 0; i < at->n; i++)
		free((struct mesh_node *)(uintptr_t)at->v[i].after);
	free(at->v);
}

static int note_record(struct attempt *at, const struct node_rec *r)
{
	struct mesh_node *before = hashset_get(&at->mesh->by_id, r->id, NODE_ID_LEN), *after;
	unsigned what = MESH_ADDED;

	if (before && before->seen == at->generation) {
		at->n_bad++;
		return TM_OK;
	}
	int err = mesh_node_new(r, &after);
	if (err)
		return err;

	if (before) {
		before->seen = at->generation;
		what = compare(before, after);
	} else {
		at->room.more++;
	}
	if (!what) {
		free(after);
		return TM_OK;
	}
	after->seen = at->generation;
	at->room.clients += after->kind == NODE_CLIENT;
	at->room.aliases += after->n_aliases;
	at->room.max_host = MAX(at->room.max_host, after->host);
	at->v[at->n++] = (struct mesh_change){.what = what, .before = before, .after = after};
	return TM_OK;
}

static void note_removal(struct attempt *at, struct mesh_node *before)
{
	if (!before || before->seen == at->generation)
		return;

	before->seen = at->generation;
	at->n_removed++;
	at->v[at->n++] = (struct mesh_change){.what = MESH_REMOVED, .before = before};
}

static int collect(struct attempt *at, const struct netmap *update)
{
	struct mesh *m = at->mesh;
	bool snapshot = update->base == 0;
	size_t room = update->n_nodes + (snapshot ? mesh_size(m) : update->n_removed);
	struct mesh_node *n;
	int err = TM_OK;

	at->v = calloc(room ? room : 1, sizeof(*at->v));
	if (!at->v)
		return TM_ENOMEM;

	for (size_t i = 0; i < update->n_nodes && !err; i++)
		err = note_record(at, &update->nodes[i]);
	for (size_t i = 0; snapshot && (n = hashset_next(&m->by_id, &i));)
		note_removal(at, n);
	for (size_t i = 0; !snapshot && i < update->n_removed; i++)
		note_removal(at, hashset_get(&m->by_id, update->removed[i], NODE_ID_LEN));
	if (err)
		return err;
	if (mesh_size(m) - at->n_removed + at->room.more > NETMAP_NODES_MAX)
		return TM_EFULL;
	return mesh_reserve(m, &at->room);
}

static void carry_out(struct attempt *at)
{
	size_t kept = 0;

	for (size_t i = 0; i < at->n; i++)
		if (at->v[i].before)
			mesh_unindex(at->mesh, (struct mesh_node *)(uintptr_t)at->v[i].before);
	for (size_t i = 0; i < at->n; i++) {
		struct mesh_change c = at->v[i];
		struct mesh_node *after = (struct mesh_node *)(uintptr_t)c.after;

		if (after && !mesh_index(at->mesh, after)) {
			free(after);
			at->n_bad++;
			c.after = NULL;
			c.what = MESH_REMOVED;
		}
		if (c.before || c.after)
			at->v[kept++] = c;
	}
	at->n = kept;
}

int mesh_apply(struct mesh *m, const struct netmap *update, struct mesh_diff *ret_diff)
{
	struct attempt at = {.mesh = m, .generation = m->generation + 1};

	if (update->base != 0 && update->base != m->version)
		return TM_ERANGE;

	int err = collect(&at, update);
	m->generation++;
	if (err) {
		attempt_undo(&at);
		return err;
	}
	carry_out(&at);
	m->version = update->version;
	*ret_diff = (struct mesh_diff){.v = at.v, .n = at.n, .n_bad = at.n_bad};
	return TM_OK;
}

int mesh_clear(struct mesh *m, struct mesh_diff *ret_diff)
{
	static const struct netmap nothing;

	return mesh_apply(m, &nothing, ret_diff);
}

int mesh_diff_all(const struct mesh *m, struct mesh_diff *ret_diff)
{
	struct mesh_diff d = {.v = calloc(mesh_size(m) + 1, sizeof(*d.v))};
	const struct mesh_node *n;

	if (!d.v)
		return TM_ENOMEM;

	for (size_t i = 0; (n = mesh_next(m, &i));)
		d.v[d.n++] = (struct mesh_change){.what = MESH_ADDED, .after = n};
	*ret_diff = d;
	return TM_OK;
}

void mesh_diff_deinit(struct mesh_diff *d)
{
	if (!d)
		return;
	for (size_t i = 0; i < d->n; i++)
		free((struct mesh_node *)(uintptr_t)d->v[i].before);
	free(d->v);
	*d = (struct mesh_diff){0};
}
