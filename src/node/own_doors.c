/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "node/own_doors.h"

#include "node/node_private.h"
#include "web/http.h"

#include <string.h>

void own_doors(const struct node *n, uint16_t port, struct own_doors *ret_doors)
{
	const struct node_rec *self = &n->enrolment.self;

	*ret_doors = (struct own_doors){.at = {{.ip = self->ip4, .port = port}}, .n = 1};
	/* Elsewhere it would be tried for ever. */
	if (os_if_has_ip6(plane_tun_name(n->plane)))
		ret_doors->at[ret_doors->n++] = (struct endpoint){.ip = self->ip6, .port = port};
}

bool own_name(const struct node *n, const char *host)
{
	char bare[NODE_NAME_MAX + 1];

	if (!node_name_bare(host, mesh_zone(&n->mesh), bare))
		return false;
	const struct mesh_node *m = mesh_lookup(peers_mesh(n->peers), bare);
	if (m)
		return strcmp(m->id, n->enrolment.self.id) == 0;
	return n->coord && strcmp(bare, NODE_NAME_COORDINATOR) == 0;
}

void own_doors_view(
	const struct own_doors *d, const struct web_server *server, struct own_doors_view *ret_view)
{
	struct own_doors_view v = {.n = d->n};
	struct endpoint at;

	for (size_t i = 0; i < v.n; i++) {
		v.doors[i].at = d->at[i];
		v.doors[i].open = web_server_listens(server, i, &at);
	}
	*ret_view = v;
}
