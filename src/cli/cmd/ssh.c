/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* `ssh`: OpenSSH's client to a member, found by its name in the mesh whatever this machine's resolver does.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/core/commands.h"
#include "mesh/model.h"
#include "os/run.h"

enum { USER_MAX = 64, SSH_ARGS = 6 + OPT_WORDS_MAX };

/* "user@laptop": up to the last @ is the user, as ssh reads it. */
static const char *after_user(const char *destination)
{
	const char *at = strrchr(destination, '@');

	return at ? at + 1 : destination;
}

/*
 * By the name, so that the host's key and ssh_config(5) go by it, and not by an address: the address alone is
 * ours to say.
 */
static void become_ssh(const char *destination, const char *where, const struct opt_words *words)
{
	const char *argv[SSH_ARGS + 1] = {"ssh", "-o", where, destination};
	size_t n = 4;

	for (size_t i = 1; i < words->n; i++)
		argv[n++] = words->v[i];
	argv[n] = NULL;
	os_become(argv);
}

static int ssh_run(struct cli *c, const void *opts UNUSED, const struct opt_words *words)
{
	const char *asked = words->v[0], *target = after_user(asked);
	char destination[USER_MAX + NODE_REF_MAX + 2], where[128];
	_cleanup_(json_decrefp) json_t *reply = NULL;
	struct diag d = {0};

	if (c->g.json)
		return cli_usage(c, NULL, "ssh has no result that --json could print");
	/* ssh would take it for an option. */
	if (asked[0] == '-' || target - asked > USER_MAX)
		return cli_usage(c, NULL, "\"%.80s\" is no name of a user and a member", asked);
	int err = cli_ask(c, "ping.resolve", json_pack("{s:s}", "name", target), ASK_TIMEOUT_MS, &reply, &d);
	if (err)
		return cli_fail(c, &d, err);
	snprintf(destination, sizeof(destination), "%.*s%s", (int)(target - asked), asked,
		json_text(reply, "dns_name"));
	snprintf(where, sizeof(where), "HostName=%s", json_text(reply, "ip4"));
	fflush(c->out);
	become_ssh(destination, where, words);
	return cli_failf(c, errno == ENOENT ? "install an OpenSSH client" : NULL, "cannot run ssh: %s",
		strerror(errno));
}

const struct command cmd_ssh = {
	.name = "ssh",
	.args = "[USER@]NAME [-- ARGUMENT...]",
	.summary = "OpenSSH's client to a member, by its name",
	.details = "Finds the member as the mesh knows it, also where programs of this machine find no names "
		   "of the "
		   "mesh, and becomes ssh(1): tunnelmesh ssh nas -- -p 2222 uptime",
	.min_words = 1,
	.max_words = OPT_WORDS_MAX,
	.run = ssh_run,
};
