/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Telling links about changes. A push gives each link one message, whatever happened since the last one;
 * pushes are at least push_gap apart, so a storm of changes costs links x (time / gap) messages and not links
 * x changes. Most links have the same base: the registry makes that view once.
 */
#include "base/log.h"
#include "control/coord/coord_private.h"

#include <event2/event.h>

int push_to(struct coord *c, struct conn *n)
{
	json_t *view = registry_view(c->reg, n->known);
	json_t *m = view ? json_pack("{s:s, s:o}", "t", "netmap", "map", view) : NULL;

	int err = conn_send_new(n, m);
	if (err)
		return err;

	n->known = registry_version(c->reg);
	return TM_OK;
}

void push_run(struct coord *c)
{
	c->push_at = NS_NEVER;
	c->pushed_at = time_monotonic();
	LIST_FOREACH_SAFE (n, &c->conns, struct conn, in_conns) {
		if (n->state != CONN_MEMBER || n->known == registry_version(c->reg))
			continue;
		int err = push_to(c, n);
		if (err)
			log_warn("coord: a node misses a change until it reconnects",
				KV("node", n->member ? n->member->s.rec.name : "-"), KV_ERR(err));
	}
}

void push_structure(struct coord *c)
{
	ns_t now = time_monotonic(), at = c->pushed_at + c->tuning.push_gap;

	if (at >= c->push_at)
		return;

	ns_t wait = at > now ? at - now : 0;
	struct timeval tv = {.tv_sec = wait / SEC, .tv_usec = wait % SEC / US};
	c->push_at = at;
	event_add(c->push_timer, &tv);
}
