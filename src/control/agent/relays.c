/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Who hands on datagrams, as the coordinator says it, and, until it does, as it said at the last run: a node
 * that starts without its coordinator has relays as well. Handed to the owner are only those that are members
 * now and may be relays by their records, so that a list that is older or newer than the map harms nothing.
 */
#include "control/agent/agent_private.h"

#include <string.h>

static void add_address(struct relay_rec *r, const struct endpoint *ep)
{
	for (size_t i = 0; i < r->n_addrs; i++)
		if (endpoint_eq(&r->addrs[i], ep))
			return;
	if (r->n_addrs < RELAY_ADDRS_MAX)
		r->addrs[r->n_addrs++] = *ep;
}

/* The coordinator cannot know by which address it is reached from here; who is linked to it does. */
static void put_known_first(const struct agent *a, struct relay_rec *r)
{
	const struct relay_rec told = *r;
	struct endpoint at[RELAY_ADDRS_MAX];
	size_t n = agent_coordinator_data(a, at, ARRAY_LEN(at));

	r->n_addrs = 0;
	for (size_t i = 0; i < n; i++)
		add_address(r, &at[i]);
	for (size_t i = 0; i < told.n_addrs; i++)
		add_address(r, &told.addrs[i]);
}

void agent_relays(const struct agent *a, struct relays *ret_r)
{
	const struct mesh *mesh = peers_mesh(a->peers);

	ret_r->n = 0;
	for (size_t i = 0; i < a->relays.n; i++) {
		const struct relay_rec *told = &a->relays.v[i];
		const struct mesh_node *m = mesh_by_id(mesh, told->node);

		if (!m || !relay_is_allowed(m) || strcmp(m->id, a->self.id) == 0)
			continue;
		struct relay_rec *r = &ret_r->v[ret_r->n++];
		*r = *told;
		if (m->coordinator)
			put_known_first(a, r);
	}
}

void relays_told(struct agent *a, struct msg_relays *told)
{
	/* Those that have not linked again since the coordinator's start may relay all the same. */
	for (size_t i = 0; told->partial && i < a->relays.n && told->relays.n < RELAYS_MAX; i++)
		if (!relays_find(&told->relays, a->relays.v[i].node))
			told->relays.v[told->relays.n++] = a->relays.v[i];
	relays_set(a, &told->relays);
}

void relays_set(struct agent *a, const struct relays *r)
{
	a->relays = *r;
	peers_set_relays(a->peers, r);
	relays_look(a);
}

void relays_look(struct agent *a)
{
	struct relays now;

	agent_relays(a, &now);
	if (relays_eq(&now, &a->relays_given))
		return;
	a->relays_given = now;
	if (a->events.relays)
		a->events.relays(a->events.ctx, &a->relays_given);
}
