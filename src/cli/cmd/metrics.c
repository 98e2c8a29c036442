/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* `metrics`: what this node would tell Prometheus, in its text format. */
#include "cli/core/commands.h"

static int metrics_run(struct cli *c, const void *opts UNUSED, const struct opt_words *words UNUSED)
{
	int status;
	_cleanup_(json_decrefp) json_t *reply = cli_fetch(c, "metrics", NULL, &status);

	if (!reply)
		return status;
	fputs(json_text(reply, "text"), c->out);
	return CLI_DONE;
}

const struct command cmd_metrics = {
	.name = "metrics",
	.summary = "figures of this node in the text format of Prometheus",
	.run = metrics_run,
};
