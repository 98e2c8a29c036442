/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Requests about networks behind nodes. What a node offers is its own word and changes nothing until somebody
 * approves it; so an offer takes nothing from others. An approval outlives the offer: a node that comes back
 * with its network is a router again.
 *
 * Whether two nodes would lead to one network is decided inside the transaction, where nobody is in between.
 */
#include "control/coord/coord_private.h"

#include <stdio.h>
#include <string.h>

struct routing {
	struct job job;
	uint8_t key[32];
	struct node_routes offer;
	struct prefix prefix; /* approve, reject; IP_NONE: the exit */
	int (*change)(struct routing *r);
	struct prefix net4, net6; /* of the mesh */
	struct store_node node; /* as it is, then as it will be */
	/* others, looked at one by one */
	bool clashes;
	struct prefix ours, theirs;
	char by[NODE_NAME_MAX + 1];
};

/* --- clashes --- */

static int look_at(void *ctx, const struct store_node *n)
{
	struct routing *r = ctx;

	if (r->clashes || n->rec.kind == NODE_CLIENT || strcmp(n->rec.id, r->node.rec.id) == 0)
		return TM_OK;
	for (size_t i = 0; i < r->node.rec.routes.n; i++) {
		const struct node_route *ours = &r->node.rec.routes.v[i],
					*theirs =
						route_counts(ours) ? route_clash(ours, &n->rec.routes) : NULL;

		if (!theirs)
			continue;
		r->clashes = true;
		r->ours = ours->prefix;
		r->theirs = theirs->prefix;
		memcpy(r->by, n->rec.name, sizeof(r->by));
		return TM_OK;
	}
	return TM_OK;
}

static int refuse_clash(struct routing *r)
{
	char ours[PREFIX_STR_LEN], theirs[PREFIX_STR_LEN];

	diag_hint(&r->job.d,
		"where two nodes lead to it on purpose, each says so: `tunnelmesh route advertise --ha`");
	if (prefix_eq(&r->ours, &r->theirs))
		return diag_what(
			&r->job.d, TM_EEXIST, "%s leads to %s already", r->by, prefix_format(&r->ours, ours));
	return diag_what(&r->job.d, TM_EEXIST, "%s leads to %s already, which overlaps %s", r->by,
		prefix_format(&r->theirs, theirs), prefix_format(&r->ours, ours));
}

/* --- the changes --- */

/* What it offers now, and nothing else; approvals stay. */
static int change_offer(struct routing *r)
{
	struct node_routes *now = &r->node.rec.routes;

	for (size_t i = 0; i < now->n; i++)
		now->v[i].offered = now->v[i].ha = false;
	/* An approval for what was once offered does not stand in the way of what is. */
	for (size_t i = 0; i < r->offer.n; i++) {
		const struct node_route *wanted = &r->offer.v[i];
		int err = route_check(&wanted->prefix, &r->net4, &r->net6, &r->job.d);
		struct node_route *at = err ? NULL : node_routes_add(now, &wanted->prefix);

		if (err)
			return err;
		if (!at) {
			diag_hint(&r->job.d, "`tunnelmesh route reject` takes back approvals that nobody "
					     "needs any more");
			return diag_what(
				&r->job.d, TM_EFULL, "a node has at most %d networks", NODE_ROUTES_MAX);
		}
		at->offered = true;
		at->ha = wanted->ha;
	}
	now->exit = (uint8_t)((now->exit & EXIT_APPROVED) | (r->offer.exit & EXIT_FAMILIES));
	return TM_OK;
}

static int change_approve(struct routing *r)
{
	struct node_routes *now = &r->node.rec.routes;

	if (r->prefix.ip.family == IP_NONE) {
		now->exit |= EXIT_APPROVED;
		return TM_OK;
	}
	int err = route_check(&r->prefix, &r->net4, &r->net6, &r->job.d);
	struct node_route *at = err ? NULL : node_routes_add(now, &r->prefix);
	if (err)
		return err;
	if (!at) {
		diag_hint(&r->job.d, "`tunnelmesh route reject` takes back those that nobody needs any more");
		return diag_what(&r->job.d, TM_EFULL, "a node has at most %d networks", NODE_ROUTES_MAX);
	}
	at->approved = true;
	return TM_OK;
}

static int change_reject(struct routing *r)
{
	struct node_routes *now = &r->node.rec.routes;
	struct node_route *at = node_routes_find(now, &r->prefix);
	char text[PREFIX_STR_LEN];

	if (r->prefix.ip.family == IP_NONE) {
		now->exit &= (uint8_t)~EXIT_APPROVED;
		return TM_OK;
	}
	if (!at) {
		diag_hint(&r->job.d, "`tunnelmesh route list` shows all");
		return diag_what(&r->job.d, TM_ENOENT, "%s has no network %s", r->node.rec.name,
			prefix_format(&r->prefix, text));
	}
	at->approved = false;
	return TM_OK;
}

/* --- from asking to the answer --- */

/* Decisions alone: what a node offers is its own word, and it may say another as often as it likes. */
static void remember(struct routing *r)
{
	char text[PREFIX_STR_LEN];

	if (r->change == change_offer)
		return;
	job_event_is(&r->job, r->change == change_approve ? EVENT_ROUTE_APPROVED : EVENT_ROUTE_REJECTED,
		&r->node.rec);
	event_set_detail(&r->job.event, "%s",
		r->prefix.ip.family == IP_NONE ? "the exit" : prefix_format(&r->prefix, text));
}

static int routing_body(struct store *s, struct job *j)
{
	struct routing *r = CONTAINER_OF(j, struct routing, job);
	struct node_routes before;

	int err = store_node_find_key(s, r->key, &r->node);
	if (err == TM_ENOENT) {
		diag_hint(&j->d, "`tunnelmesh node list` shows all");
		return diag_what(&j->d, err, "this node has been removed meanwhile");
	}
	if (err)
		return err;

	before = r->node.rec.routes;
	err = r->change(r);
	if (err)
		return err;
	node_routes_tidy(&r->node.rec.routes);
	if (node_routes_eq(&before, &r->node.rec.routes))
		return TM_OK;
	remember(r);
	err = store_node_each(s, look_at, r);
	if (!err && r->clashes)
		err = refuse_clash(r);
	return err ? err : store_node_routes(s, r->node.rec.id, &r->node.rec.routes);
}

static void put_all(struct coord *c, struct jsonout *o, const struct member *m, const struct node_rec *rec)
{
	struct msg_route_row row = {.rec = rec, .online = registry_online(c->reg, m)};

	for (size_t i = 0; i < rec->routes.n; i++) {
		row.route = &rec->routes.v[i];
		msg_route_row_put(o, NULL, &row);
	}
	row.route = NULL;
	if (rec->routes.exit)
		msg_route_row_put(o, NULL, &row);
}

static void routing_done(struct coord *c, struct job *j, int err)
{
	const struct routing *r = CONTAINER_OF(j, struct routing, job);
	const struct member *m = err ? NULL : registry_by_id(c->reg, r->node.rec.id);
	struct jsonout o = {0};

	if (!m) {
		answer_refuse(c, &j->asker, err ? err : TM_ENOENT, &j->d);
		return;
	}
	answer_begin(&j->asker, &o); /* the change itself comes after the answer */
	jsonout_list(&o, "routes");
	put_all(c, &o, m, &r->node.rec);
	jsonout_list_end(&o);
	answer_end(c, &j->asker, &o);
}

static const struct job_kind routing_kind = {sizeof(struct routing), routing_body, routing_done, NULL};

static struct routing *routing_start(
	struct coord *c, const struct asker *a, const struct member *m, int (*change)(struct routing *r))
{
	struct routing *r;

	if (m->s.rec.kind == NODE_CLIENT) {
		answer_refuse_text(c, a, "networks lie behind nodes, and this is a WireGuard device",
			"the node in front of it may offer them");
		return NULL;
	}
	r = job_start(c, a, &routing_kind);
	if (!r)
		return NULL;
	memcpy(r->key, m->s.rec.key, sizeof(r->key));
	r->change = change;
	r->net4 = registry_mesh(c->reg)->net4;
	r->net6 = registry_mesh(c->reg)->net6;
	return r;
}

void routes_offer(struct coord *c, const struct asker *a, const union msg_request *q)
{
	struct routing *r = routing_start(c, a, asker_member(c, a), change_offer);

	if (!r)
		return;
	r->offer = q->offer.routes;
	job_submit(&r->job);
}

static void decide(
	struct coord *c, const struct asker *a, const struct msg_route *q, int (*change)(struct routing *r))
{
	const struct member *m = nodes_find(c, a, q->node);
	struct routing *r = m ? routing_start(c, a, m, change) : NULL;

	if (!r)
		return;
	r->prefix = q->prefix;
	job_submit(&r->job);
}

void routes_approve(struct coord *c, const struct asker *a, const union msg_request *q)
{
	decide(c, a, &q->route, change_approve);
}

void routes_reject(struct coord *c, const struct asker *a, const union msg_request *q)
{
	decide(c, a, &q->route, change_reject);
}

void routes_list(struct coord *c, const struct asker *a, const union msg_request *q)
{
	const struct member *m;
	struct jsonout o = {0};
	uint32_t last = q->after;
	unsigned n = 0;

	answer_begin(a, &o);
	jsonout_list(&o, "routes");
	while (n < LIST_PAGE && (m = registry_after(c->reg, last))) {
		put_all(c, &o, m, &m->s.rec);
		n += m->s.rec.routes.n + (m->s.rec.routes.exit != 0);
		last = m->s.rec.host;
	}
	jsonout_list_end(&o);
	if (registry_after(c->reg, last))
		jsonout_int(&o, "next", last);
	answer_end(c, a, &o);
}
