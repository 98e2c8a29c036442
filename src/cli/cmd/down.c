/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* `down` stops the daemon and waits until it is gone; `reload` makes it read its configuration again. */
#include "cli/core/commands.h"
#include "cli/core/daemon.h"

struct down_opts {
	bool cleanup;
};

static const struct opt down_options[] = {
	{"cleanup", 0, OPT_FLAG, offsetof(struct down_opts, cleanup), NULL,
		"only remove what a killed tunnelmesh left behind", 0, 0},
	{0},
};

static int cleanup_run(struct cli *c)
{
	bool exit_too, removed = daemon_cleanup(c, false, &exit_too);

	if (c->g.json)
		return cli_json_take(c, json_pack("{s:b, s:b}", "ok", 1, "removed", removed));

	if (removed)
		fputs("  removed what a killed tunnelmesh left\n", c->out);
	else
		fprintf(c->out, "  nothing to remove%s\n",
			daemon_pid(c, NULL) ? ": tunnelmesh is running, `tunnelmesh down` stops it" : "");
	return CLI_DONE;
}

static int down_run(struct cli *c, const void *opts, const struct opt_words *words UNUSED)
{
	const struct down_opts *o = opts;
	struct diag d = {0};
	bool exit_too;
	int err;

	if (o->cleanup)
		return cleanup_run(c);

	err = daemon_stop(c, &d);
	if (err && err != TM_ENOENT)
		return cli_fail(c, &d, err);

	daemon_cleanup(c, true, &exit_too);
	if (c->g.json)
		return cli_json_take(c, json_pack("{s:b, s:b}", "ok", 1, "stopped", err == TM_OK));

	fprintf(c->out, err ? "  tunnelmesh is not running\n" : "  tunnelmesh stopped\n");
	if (exit_too)
		fputs(DAEMON_LEFT_EXIT, c->out);
	return CLI_DONE;
}

const struct command cmd_down = {
	.name = "down",
	.summary = "stop tunnelmesh on this machine; it stays a member of the mesh",
	.opts = down_options,
	.defaults = &(const struct down_opts){0},
	.opts_size = sizeof(struct down_opts),
	.run = down_run,
};

static int reload_run(struct cli *c, const void *opts UNUSED, const struct opt_words *words UNUSED)
{
	int status;
	_cleanup_(json_decrefp) json_t *reply = cli_fetch(c, "reload", NULL, &status);
	if (!reply)
		return status;

	size_t i;
	json_t *key;

	fputs("  configuration reloaded", c->out);
	json_array_foreach (json_object_get(reply, "restart_needed"), i, key)
		fprintf(c->out, "%s%s", i ? ", " : "; a restart is needed for: ", json_string_value(key));
	fputc('\n', c->out);
	return CLI_DONE;
}

const struct command cmd_reload = {
	.name = "reload",
	.summary = "make the running tunnelmesh read its configuration again",
	.run = reload_run,
};
