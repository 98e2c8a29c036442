/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* `version`: of this program, and of the daemon when that is another one. */
#include <string.h>

#include "cli/client.h"
#include "cli/commands.h"

static int version_run(struct cli *c, const void *opts UNUSED, const struct opt_words *words UNUSED)
{
	_cleanup_(json_decrefp)
	json_t *reply = NULL;
	struct diag ignored = {0};
	const char *running = "";

	if (client_daemon_pid(c->paths.socket) &&
		cli_ask(c, "version", NULL, 2000, &reply, &ignored) == TM_OK)
		running = json_text(reply, "version");
	if (c->g.json)
		return cli_json_take(
			c, json_pack("{s:b, s:s, s:s}", "ok", 1, "version", TM_VERSION, "daemon", running));

	fprintf(c->out, "tunnelmesh %s\n", TM_VERSION);
	if (*running && strcmp(running, TM_VERSION) != 0)
		cli_note(c, "the running daemon is version %s: restart it with `down` and `up`", running);
	return CLI_DONE;
}

const struct command cmd_version = {
	.name = "version",
	.summary = "print the version",
	.run = version_run,
};
