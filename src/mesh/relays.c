/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "mesh/relays.h"

#include <string.h>

bool relay_rec_eq(const struct relay_rec *a, const struct relay_rec *b)
{
	if (strcmp(a->node, b->node) != 0 || a->n_addrs != b->n_addrs || a->n_tcp != b->n_tcp)
		return false;
	for (size_t i = 0; i < a->n_addrs; i++)
		if (!endpoint_eq(&a->addrs[i], &b->addrs[i]))
			return false;
	for (size_t i = 0; i < a->n_tcp; i++)
		if (strcmp(a->tcp[i], b->tcp[i]) != 0)
			return false;
	return true;
}

bool relays_eq(const struct relays *a, const struct relays *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (!relay_rec_eq(&a->v[i], &b->v[i]))
			return false;
	return true;
}

struct relay_rec *relays_find(struct relays *r, const char *node)
{
	for (size_t i = 0; i < r->n; i++)
		if (strcmp(r->v[i].node, node) == 0)
			return &r->v[i];
	return NULL;
}

bool relay_allowed(const struct node_rec *r)
{
	bool tagged = r->coordinator;

	for (size_t i = 0; i < r->n_tags; i++)
		tagged |= strcmp(r->tags[i], RELAY_TAG) == 0;
	return tagged && r->kind == NODE_MESH;
}

bool relay_is_allowed(const struct mesh_node *m)
{
	bool tagged = m->coordinator;

	for (const char *tag = m->tags; *tag; tag += strlen(tag) + 1)
		tagged |= strcmp(tag, RELAY_TAG) == 0;
	return tagged && m->kind == NODE_MESH;
}
