/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Whatever JSON comes in: what is taken from it is valid, and survives being written and read again. */
#include "fake/meshjson.h"
#include "fuzz/fuzz.h"
#include "mesh/model.h"

static struct mesh_info mesh;

static void check_record(const struct node_rec *r)
{
	assert(node_id_valid(r->id) && node_name_valid(r->name));
	assert(r->host >= 1 && prefix_contains(&mesh.net4, &r->ip4) && prefix_contains(&mesh.net6, &r->ip6));
	assert(r->n_tags <= NODE_TAGS_MAX);
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

static void check_map(const json_t *j)
{
	struct netmap m, back, view = {0};

	if (netmap_from_json(j, &mesh, &m))
		return;

	for (size_t i = 0; i < m.n_nodes; i++) {
		check_record(&m.nodes[i]);
		assert(netmap_find(&m, m.nodes[i].id) == &m.nodes[i]);
		assert(netmap_lookup(&m, m.nodes[i].id) == &m.nodes[i]);
	}
	json_t *again = meshjson_netmap(&m);
	assert(again);
	assert(netmap_from_json(again, &mesh, &back) == TM_OK);
	assert(back.n_bad == 0);
	check_maps_equal(&m, &back);

	/* Applied to an empty view of the right version, then its records are all there; for a wrong one
	 * nothing happens. */
	view.version = m.base;
	assert(netmap_apply(&view, &m) == TM_OK);
	assert(view.version == m.version && view.n_nodes == m.n_nodes);
	for (size_t i = 0; i < m.n_nodes; i++)
		assert(memcmp(netmap_find(&view, m.nodes[i].id), &m.nodes[i], sizeof(*m.nodes)) == 0);
	if (m.base)
		assert(netmap_apply(&view, &m) == TM_ERANGE);

	json_decref(again);
	netmap_deinit(&view);
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
