/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The one door into the registry: changes that the store has committed, in the order of their versions. Each
 * job reads what it made; changes that somebody else made would be read by a job that does nothing.
 */
#include "control/coord/coord_private.h"

static int keep(void *ctx, const struct store_change *change)
{
	struct feed *f = ctx;
	struct store_change *v = realloc(f->v, (f->n + 1) * sizeof(*v));

	if (!v)
		return TM_ENOMEM;

	f->v = v;
	f->v[f->n++] = *change;
	return TM_OK;
}

int feed_read(struct store *s, uint64_t *fed, struct feed *ret_feed)
{
	struct feed f = {0};

	int err = store_change_each(s, *fed, keep, &f);
	if (err) {
		feed_deinit(&f);
		return err;
	}
	if (f.n)
		*fed = f.v[f.n - 1].version;
	*ret_feed = f;
	return TM_OK;
}

void feed_deinit(struct feed *f)
{
	free(f->v);
	*f = (struct feed){0};
}

static void apply_node(struct coord *c, const struct store_change *x)
{
	struct member *m = registry_by_id(c->reg, x->node.rec.id);
	bool is_new = !m;

	int err = registry_put(c->reg, x->version, &x->node, &m);
	if (err) {
		/* The database holds it and the next start will: until then it is missing in the map. */
		LOG_LIMITED(LOG_ERROR, &c->log.behind, LOG_WHO_ALL,
			"coord: a stored change cannot be taken over", KV("node", x->node.rec.name),
			KV_ERR(err));
		return;
	}
	relays_changed(c, m); /* a tag came or went, perhaps */
	if (!is_new)
		return;
	LOG_LIMITED(LOG_INFO, &c->log.members, coord_brought_by(&m->s), "coord: new member",
		KV("name", m->s.rec.name), KV_IP("address", &m->s.rec.ip4), KV("via", m->s.rec.via));
	if (m->s.ephemeral)
		tick_member_offline(c, m);
}

bool feed_apply(struct coord *c, struct feed *f, const char *why)
{
	size_t end = c->stopping ? f->n : MIN(f->n, f->taken + c->tuning.feed_slice);

	if (f->taken < end) {
		push_soon(c);
		policy_mesh_changed(c);
		coord_changed(c);
	}
	for (; f->taken < end; f->taken++) {
		const struct store_change *x = &f->v[f->taken];
		struct member *m = registry_by_id(c->reg, x->node.rec.id);

		if (!x->gone)
			apply_node(c, x);
		else if (m)
			coord_forget_member(
				c, m, x->version, why ? why : "this node was removed from the mesh");
		else
			registry_note_removal(c->reg, x->version, x->node.rec.id);
	}
	return f->taken == f->n;
}
