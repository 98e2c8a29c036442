/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "control/coord/figures.h"

#include "control/coord/coord_private.h"
#include "control/coord/reports_private.h"

#include <string.h>

static struct member *next_member(const struct coord *c, const struct member *m)
{
	return registry_after(c->reg, m ? m->s.rec.host : 0);
}

static void add_version(struct coord_figures *f, const char *version)
{
	size_t i = 0;

	while (i < f->n_versions && strcmp(f->versions[i].text, version) != 0)
		i++;
	if (!version[0] || i == COORD_VERSIONS) {
		f->other_versions++;
		return;
	}
	if (i == f->n_versions)
		f->versions[f->n_versions++].text = version;
	f->versions[i].nodes++;
}

static void add_member(const struct coord *c, const struct member *m, struct coord_figures *f)
{
	if (m->s.rec.kind == NODE_CLIENT) {
		f->clients++;
		return;
	}
	if (registry_online(c->reg, m))
		f->linked++;
	else
		f->away++;
	add_version(f, m->s.version);
}

void coord_figures(struct coord *c, struct coord_figures *ret_figures)
{
	struct coord_figures f = {.jobs = c->n_jobs,
		.strangers = c->n_strangers,
		.snapshot_bytes = c->push.charged,
		.policy_behind = policy_behind(c)};

	for (const struct member *m = next_member(c, NULL); m; m = next_member(c, m))
		add_member(c, m, &f);
	LIST_FOREACH (n, &c->conns, struct conn, in_conns)
		f.map_behind += n->state == CONN_MEMBER && n->known != registry_version(c->reg);
	reports_total(c, &f.reports);
	*ret_figures = f;
}

/* What it told last counts also while it is away: who asks for its metrics is to see that nobody answers. */
static void read_node(const struct coord *c, const struct member *m, struct coord_node *ret_n)
{
	const bool linked = registry_online(c->reg, m);

	*ret_n = (struct coord_node){.id = m->s.rec.id,
		.name = m->s.rec.name,
		.tags = m->s.rec.tags,
		.n_tags = m->s.rec.n_tags,
		.ip4 = m->s.rec.ip4,
		.coordinator = m->s.rec.coordinator,
		.linked = linked,
		.seen = linked ? c->tuning.unix_now() : m->s.last_seen,
		.metrics_port = m->reporter ? m->reporter->self.metrics_port : 0};
}

int coord_nodes(struct coord *c, struct coord_node **ret_v, size_t *ret_n)
{
	struct coord_node *v = calloc(registry_size(c->reg) + 1, sizeof(*v));
	size_t n = 0;

	if (!v)
		return TM_ENOMEM;
	for (const struct member *m = next_member(c, NULL); m; m = next_member(c, m))
		if (m->s.rec.kind == NODE_MESH)
			read_node(c, m, &v[n++]);
	*ret_v = v;
	*ret_n = n;
	return TM_OK;
}
