/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Whatever JSON comes in: what is taken from it is valid, and survives being written and read again. */
#include "fake/meshjson.h"
#include "fuzz/fuzz.h"
#include "mesh/diff.h"
#include "mesh/mesh_private.h"

static struct mesh_info mesh;

static void check_record(const struct node_rec *r)
{
	assert(node_id_valid(r->id) && node_name_valid(r->name));
	assert(r->host >= 1 && prefix_contains(&mesh.net4, &r->ip4) && prefix_contains(&mesh.net6, &r->ip6));
	assert(r->n_tags <= NODE_TAGS_MAX);
	struct node_aliases aliases;
	assert(node_aliases_read(r->aliases.text, &aliases) == TM_OK);
	for (size_t i = 0; i < r->n_tags; i++)
		assert(node_tag_valid(r->tags[i]));
	assert(r->kind != NODE_CLIENT || node_id_valid(r->via));
}

static void check_maps_equal(const struct netmap *a, const struct netmap *b)
{
	assert(a->version == b->version && a->base == b->base);
	assert(a->n_nodes == b->n_nodes && a->n_removed == b->n_removed);
	assert(a->n_nodes == 0 || memcmp(a->nodes, b->nodes, a->n_nodes * sizeof(*a->nodes)) == 0);
	assert(a->n_removed == 0 || memcmp(a->removed, b->removed, a->n_removed * sizeof(*a->removed)) == 0);
}

/* However it came to be: every member is found by all that it is known by, and by nothing else. */
static void check_members(const struct mesh *m)
{
	const struct mesh_node *n;
	size_t count = 0;

	for (size_t i = 0; (n = mesh_next(m, &i)); count++) {
		struct ip ip4, ip6;

		mesh_node_addresses(m, n, &ip4, &ip6);
		assert(mesh_by_id(m, n->id) == n && mesh_by_key(m, n->key) == n &&
			mesh_by_name(m, n->name) == n);
		for (size_t k = 0; k < n->n_aliases; k++)
			assert(mesh_by_name(m, n->by_alias[k].name) == n);
		assert(mesh_by_ip(m, &ip4) == n && mesh_by_ip(m, &ip6) == n && mesh_lookup(m, n->id) == n);
	}
	assert(count == mesh_size(m));
}

/* Taken in by an empty mesh of the right version; by one of a wrong one nothing is. */
static void check_applied(const struct netmap *update)
{
	struct netmap again = *update;
	struct mesh_diff d;
	struct mesh *m;

	assert(mesh_new(&mesh, &m) == TM_OK);
	mesh_set_version(m, update->base);
	assert(mesh_apply(m, update, &d) == TM_OK);
	assert(mesh_version(m) == update->version);
	assert(mesh_size(m) == d.n && d.n + d.n_bad == update->n_nodes);
	for (size_t i = 0; i < d.n; i++)
		assert(d.v[i].what == MESH_ADDED && mesh_by_id(m, d.v[i].after->id) == d.v[i].after);
	mesh_diff_deinit(&d);
	check_members(m);
	if (update->base)
		assert(mesh_apply(m, update, &d) == TM_ERANGE);

	again.base = 0;
	assert(mesh_apply(m, &again, &d) == TM_OK && d.n == 0); /* the same again is no change */
	mesh_diff_deinit(&d);
	again.n_nodes /= 2;
	assert(mesh_apply(m, &again, &d) == TM_OK);
	mesh_diff_deinit(&d);
	check_members(m);
	mesh_free(m);
}

static void check_map(const json_t *j)
{
	struct netmap m, back;

	if (netmap_from_json(j, &mesh, &m))
		return;

	for (size_t i = 0; i < m.n_nodes; i++)
		check_record(&m.nodes[i]);
	json_t *again = meshjson_netmap(&m);
	assert(again);
	assert(netmap_from_json(again, &mesh, &back) == TM_OK);
	assert(back.n_bad == 0);
	check_maps_equal(&m, &back);
	check_applied(&m);
	json_decref(again);
	netmap_deinit(&back);
	netmap_deinit(&m);
}

static void check_mesh(const json_t *j)
{
	struct mesh_info m, back;

	if (mesh_info_from_json(j, &m))
		return;

	json_t *again = meshjson_mesh(&m);
	assert(again);
	assert(mesh_info_from_json(again, &back) == TM_OK);
	assert(memcmp(&m, &back, sizeof(m)) == 0);
	json_decref(again);
}

static void check_presence(const json_t *j)
{
	struct presence p, back;

	if (presence_from_json(j, &p))
		return;

	json_t *again = meshjson_presence(&p);
	assert(again && presence_from_json(again, &back) == TM_OK);
	assert(memcmp(&p, &back, sizeof(p)) == 0);
	json_decref(again);
}

static void check_candidates(const json_t *j)
{
	struct candidates c, back;

	if (candidates_from_json(j, &c))
		return;

	json_t *again = meshjson_candidates(&c);
	assert(again && c.n <= CANDIDATES_MAX);
	assert(candidates_from_json(again, &back) == TM_OK);
	assert(c.n == back.n);
	for (size_t i = 0; i < c.n; i++)
		assert(c.v[i].type == back.v[i].type && endpoint_eq(&c.v[i].ep, &back.v[i].ep));
	json_decref(again);
}

static void check_name(const uint8_t *data, size_t size)
{
	char name[NODE_NAME_MAX + 1], again[NODE_NAME_MAX + 1];
	char *text = malloc(size + 1);

	assert(text);
	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	node_name_sanitize(text, name);
	assert(node_name_valid(name));
	node_name_sanitize(name, again);
	assert(strcmp(name, again) == 0);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct node_rec r;
	json_error_t e;

	assert(prefix_parse("100.101.0.0/16", &mesh.net4) == TM_OK);
	assert(prefix_parse("fd00::/64", &mesh.net6) == TM_OK);
	check_name(data, size);
	json_t *j = json_loadb((const char *)data, size, JSON_DECODE_ANY, &e);
	if (!j)
		return 0;

	if (node_rec_from_json(j, &mesh, &r) == TM_OK)
		check_record(&r);
	check_map(j);
	check_mesh(j);
	check_candidates(j);
	check_presence(j);
	json_decref(j);
	return 0;
}
