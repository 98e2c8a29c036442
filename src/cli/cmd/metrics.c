/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* `metrics`: what this node would tell Prometheus, in its text format. */
#include "cli/core/commands.h"

static int metrics_run(struct cli *c, const void *opts UNUSED, const struct opt_words *words UNUSED)
{
	_cleanup_(json_decrefp) json_t *reply = NULL;
	struct diag d = {0};
	int err = cli_ask_exact(c, "metrics", NULL, ASK_TIMEOUT_MS, &reply, &d); /* it has many lines */

	if (err)
		return cli_fail(c, &d, err);
	if (c->g.json)
		return cli_json_take(c, json_incref(reply));
	fputs(json_text(reply, "text"), c->out);
	return CLI_DONE;
}

const struct command cmd_metrics = {
	.name = "metrics",
	.summary = "figures of this node in the text format of Prometheus",
	.run = metrics_run,
};
