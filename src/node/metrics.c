/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "node/metrics.h"

#include "node/names.h"
#include "node/node_private.h"

int metrics_view_take(const struct node *n, struct metrics_view *ret_view)
{
	struct metrics_view v = {.reaching = n->reaching,
		.links_begun = n->links_begun,
		.descriptors_max = os_descriptors(),
		.started_real = n->started_real};
	int err = node_view_take(n, NULL, false, &v.node);

	if (err)
		return err;
	plane_figures(n->plane, &v.plane);
	counts_total(n->rules.counts, v.decided);
	v.dns = names_counters(n, &v.dns_connections);
	v.dns_failing = names_failing(n);
	v.resolver_failing = names_resolver_failing(n);
	v.per_peer = n->config.metrics_per_peer;
	os_usage(&v.usage);
	*ret_view = v;
	return TM_OK;
}

void metrics_view_deinit(struct metrics_view *v)
{
	node_view_deinit(&v->node);
	*v = (struct metrics_view){0};
}

char *metrics_text(const struct node *n, size_t *ret_len)
{
	struct metrics_view v;
	struct metricout out = {0};

	if (metrics_view_take(n, &v) != TM_OK)
		return NULL;
	metrics_print(&v, &out);
	metrics_view_deinit(&v);
	return metricout_take(&out, ret_len);
}
