/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "node/metrics.h"

#include "node/names.h"
#include "node/node_private.h"

int metrics_view_take(const struct node *n, struct metrics_view *ret_view)
{
	struct metrics_view v = {.reaching = n->reaching,
		.descriptors_max = os_descriptors(),
		.started_real = n->started_real};
	int err = node_view_take(n, NULL, false, &v.node);

	if (err)
		return err;
	v.dns = names_counters(n, &v.dns_connections);
	os_usage(&v.usage);
	*ret_view = v;
	return TM_OK;
}

void metrics_view_deinit(struct metrics_view *v)
{
	node_view_deinit(&v->node);
	*v = (struct metrics_view){0};
}
