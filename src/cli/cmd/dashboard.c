/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* `dashboard password`: what it asks for outside of the mesh. The daemon is told what is to be kept of it,
 * and the password itself nobody. */
#include <string.h>

#include "base/plain.h"
#include "base/secret.h"
#include "cli/core/commands.h"
#include "node/login.h"

static int check(const char *password, struct diag *d)
{
	const size_t n = strlen(password);

	if (n == 0)
		return diag_what(d, TM_EINVAL, "there is no password on standard input");
	if (n < LOGIN_OWN_MIN || n > LOGIN_PASSWORD_MAX)
		return diag_what(
			d, TM_EINVAL, "the password wants %d to %d bytes", LOGIN_OWN_MIN, LOGIN_PASSWORD_MAX);
	if (!plain_is(password))
		return diag_what(d, TM_EINVAL, "the password has characters that nobody can type");
	return TM_OK;
}

/* One that somebody has chosen. */
static int read_own(struct cli *c, char ret_password[static LOGIN_PASSWORD_MAX + 2], struct diag *d)
{
	if (c->in_tty) {
		diag_hint(d, "`tunnelmesh dashboard password - < FILE`, or from another program");
		return diag_what(d, TM_EINVAL, "a password that is typed here can be read by others");
	}
	cli_read_line(c, ret_password, LOGIN_PASSWORD_MAX + 2);
	return check(ret_password, d);
}

static int keep(struct cli *c, const char *password, bool made, json_t **ret_reply, struct diag *d)
{
	char line[LOGIN_KEPT_MAX];
	int err = login_keep(password, made, line);

	if (err)
		return diag_what(d, err, "%s", tm_strerror(err));
	return cli_ask(
		c, "dashboard.password", json_pack("{s:s}", "kept", line), ASK_TIMEOUT_MS, ret_reply, d);
}

/* The password alone on stdout: `PASSWORD=$(tunnelmesh dashboard password)`. */
static int show(struct cli *c, const char *made, const json_t *reply)
{
	const json_t *listen = json_object_get(reply, "listen");

	if (c->g.json)
		return cli_json_take(c, json_pack("{s:b, s:s?, s:O?}", "ok", 1, "password", made, "listen",
						(json_t *)(uintptr_t)listen));
	if (made)
		fprintf(c->out, "%s\n", made);
	fflush(c->out);
	if (json_array_size(listen) == 0)
		cli_note(c, "it is asked for where dashboard.listen of the configuration says: nowhere yet");
	return CLI_DONE;
}

static int password_run(struct cli *c, const void *opts UNUSED, const struct opt_words *words)
{
	char password[LOGIN_PASSWORD_MAX + 2] = "";
	_cleanup_(json_decrefp) json_t *reply = NULL;
	const bool own = words->n > 0;
	struct diag d = {0};
	int err = TM_OK;

	if (own && strcmp(words->v[0], "-") != 0)
		return cli_usage(c, "`tunnelmesh dashboard password -` reads your own from standard input",
			"a password on the command line can be read by others");
	if (own)
		err = read_own(c, password, &d);
	else
		login_make(password);
	if (!err)
		err = keep(c, password, !own, &reply, &d);
	int status = err ? cli_fail(c, &d, err) : show(c, own ? NULL : password, reply);
	wipe(password, sizeof(password));
	return status;
}

const struct command cmd_dashboard_password = {
	.name = "dashboard password",
	.args = "[-]",
	.summary = "make another password for the dashboard outside of the mesh",
	.details =
		"It is asked for where dashboard.listen of the configuration says, and whoever has it is an "
		"administrator. Prints it and nothing else on standard output, only this once: the "
		"coordinator keeps a hash. With - your own is read from standard input: guesses at one "
		"that people choose have to be limited, those at one that was made do not. The one before "
		"is good for nothing any more, and who was logged in has to log in again.",
	.max_words = 1,
	.crypto = true,
	.run = password_run,
};
