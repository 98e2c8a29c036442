/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* `up` starts the daemon of an enrolled machine; `up --foreground` is the daemon. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "cli/core/commands.h"
#include "cli/core/daemon.h"
#include "node/node.h"
#include "os/files.h"
#include "os/os.h"
#include "os/words/words.h"

struct up_opts {
	bool foreground;
};

static const struct opt up_options[] = {
	{"foreground", 0, OPT_FLAG, offsetof(struct up_opts, foreground), NULL,
		"run here and log to stderr instead of starting a daemon", 0, 0},
	{0},
};

int up_foreground(struct cli *c)
{
	const struct node_options o = {
		.config_path = c->paths.config,
		.config_explicit = c->paths.config_explicit,
		.state_dir = c->paths.state_dir,
		.socket_path = c->paths.socket,
		.log_level = c->g.log_level,
	};
	struct diag d = {0};
	char text[sizeof(struct diag) + 16];
	int err;

	fflush(c->out);
	err = c->run_node(&o, &d);
	if (!err)
		return CLI_DONE;

	os_daemon_failed(diag_format(&d, err, text, sizeof(text)));
	return cli_fail(c, &d, err);
}

static int check_enrolled(const struct cli *c, struct diag *d)
{
	char flags[160];
	int err = os_find(c->paths.enrolment);

	if (!err)
		return TM_OK;
	if (err != TM_ENOENT) {
		diag_hint(d, OS_SUDO_HINT);
		return diag_what(d, err, "cannot look into %s: %s", c->paths.state_dir, strerror(errno));
	}
	cli_node_flags(c, flags, sizeof(flags));
	diag_hint(d, OS_SUDO "tunnelmesh%s init, or join TOKEN", flags);
	diag_code(d, "not_enrolled");
	return diag_what(d, TM_ENOENT, "this machine is in no mesh yet");
}

static int say_running(struct cli *c, const char *how, os_pid pid)
{
	if (c->g.json)
		return cli_json_take(c, json_pack("{s:b, s:b, s:I}", "ok", 1, "started",
						strcmp(how, "started") == 0, "pid", (json_int_t)pid));

	fprintf(c->out, "  tunnelmesh %s (process %" PRId64 ")\n", how, pid);
	return CLI_DONE;
}

static int up_run(struct cli *c, const void *opts, const struct opt_words *words UNUSED)
{
	const struct up_opts *o = opts;
	struct diag d = {0};
	bool deaf;
	os_pid pid;
	int err;

	if (o->foreground)
		return up_foreground(c); /* checks for itself, and tells the one who started it */

	pid = daemon_pid(c, NULL);
	if (pid)
		return say_running(c, "is already running", pid);

	err = daemon_check_host(&d);
	if (!err)
		err = check_enrolled(c, &d);
	if (!err)
		err = daemon_start(c, false, &d);
	if (err)
		return cli_fail(c, &d, err);

	pid = daemon_pid(c, &deaf);
	if (deaf)
		cli_note(c, "it has no control socket yet: %s cannot be made, %s", c->paths.socket,
			daemon_why_deaf(c));
	return say_running(c, "started", pid);
}

const struct command cmd_up = {
	.name = "up",
	.summary = "start tunnelmesh on this machine",
	.details = OS_SERVICE_STARTS ", else as a background process. Already running is fine.",
	.opts = up_options,
	.defaults = &(const struct up_opts){0},
	.opts_size = sizeof(struct up_opts),
	.crypto = true,
	.run = up_run,
};
