/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Prints the sample, of the node and of the mesh, for promtool. */
#include "unit/node/metrics_sample.h"

#include <stdio.h>

int main(void)
{
	_cleanup_(freep) char *text = NULL;
	struct metrics_sample s;
	struct metricout out = {0};

	if (!metrics_sample_init(&s))
		return 1;
	metrics_print(&s.view, &out);
	metrics_print_mesh(&s.mesh_figures, s.nodes, SAMPLE_NODES, &out);
	metrics_sample_deinit(&s);
	text = metricout_take(&out, NULL);
	return text && fputs(text, stdout) >= 0 ? 0 : 1;
}
