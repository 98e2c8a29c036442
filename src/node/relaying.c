/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "node/relaying.h"

#include <string.h>

#include "node/drive.h"
#include "node/node_private.h"

_Static_assert(
	(int)RELAYS_MAX <= (int)CORE_RELAYS_MAX && (int)RELAY_ADDRS_MAX <= (int)CORE_RELAY_ADDRESSES_MAX,
	"whoever is told has room in the core");

void relaying_told(struct node *n, const struct relays *r)
{
	struct core_relay v[RELAYS_MAX];
	size_t count = 0;

	for (size_t i = 0; n->config.relay != RELAY_OFF && i < r->n; i++) {
		const struct relay_rec *told = &r->v[i];
		const struct mesh_node *m = mesh_by_id(peers_mesh(n->peers), told->node);
		struct core_relay *to = &v[count];

		if (!m)
			continue;
		*to = (struct core_relay){
			.member = {.host = m->host}, .n = told->n_addrs, .streams = told->n_tcp > 0};
		memcpy(to->member.id, m->id, sizeof(to->member.id));
		memcpy(to->member.key, m->key, sizeof(to->member.key));
		for (size_t k = 0; k < told->n_addrs; k++)
			to->v[k] = told->addrs[k];
		count++;
	}
	drive_input(n, &(struct core_in){.kind = CORE_RELAYS, .relays = {v, count}});
}
