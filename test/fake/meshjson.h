/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What the product puts as text, or a test writes, as trees that a test can look into and change. New
 * references. */
#ifndef TM_TEST_MESHJSON_H
#define TM_TEST_MESHJSON_H

#include "base/jsonout.h"
#include "mesh/model.h"

#include <assert.h>
#include <stdio.h>

static inline json_t *meshjson_parse(struct jsonout *o)
{
	char *text = jsonout_take(o, NULL);
	json_t *j = text ? json_loads(text, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL) : NULL;

	assert(j);
	free(text);
	return j;
}

static inline json_t *meshjson_load(const char *text)
{
	json_error_t e;
	json_t *j = json_loads(text, 0, &e);

	if (!j)
		(void)fprintf(stderr, "%s: %s\n", text, e.text);
	assert(j);
	return j;
}

static inline json_t *meshjson_record(const struct node_rec *r)
{
	struct jsonout o = {0};

	node_rec_put(&o, NULL, r);
	return meshjson_parse(&o);
}

static inline json_t *meshjson_mesh(const struct mesh_info *m)
{
	struct jsonout o = {0};

	mesh_info_put(&o, NULL, m);
	return meshjson_parse(&o);
}

static inline json_t *meshjson_candidates(const struct candidates *c)
{
	struct jsonout o = {0};

	candidates_put(&o, NULL, c);
	return meshjson_parse(&o);
}

static inline json_t *meshjson_presence(const struct presence *p)
{
	struct jsonout o = {0};

	presence_put(&o, NULL, p);
	return meshjson_parse(&o);
}

static inline json_t *meshjson_netmap(const struct netmap *m)
{
	struct jsonout o = {0};

	jsonout_object(&o, NULL);
	jsonout_int(&o, "version", (int64_t)m->version);
	jsonout_int(&o, "base", (int64_t)m->base);
	jsonout_list(&o, "nodes");
	for (size_t i = 0; i < m->n_nodes; i++)
		node_rec_put(&o, NULL, &m->nodes[i]);
	jsonout_list_end(&o);
	jsonout_list(&o, "removed");
	for (size_t i = 0; i < m->n_removed; i++)
		jsonout_text(&o, NULL, m->removed[i]);
	jsonout_list_end(&o);
	jsonout_object_end(&o);
	return meshjson_parse(&o);
}

#endif
