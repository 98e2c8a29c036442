/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* `version`: of this program and of the daemon when that is another one, and what encrypts packets here. */
#include <string.h>

#include "cli/core/call.h"
#include "cli/core/commands.h"
#include "crypto/aead.h"
#include "crypto/init.h"

/* "" when the cryptography does not work: whoever asks for the version may be looking for just that. */
static const char *packets_by(void)
{
	_cleanup_(aead_freep) struct aead *a = NULL;
	struct diag ignored = {0};

	if (crypto_init(&ignored) < 0 || aead_new(&a) < 0)
		return "";
	return aead_provider(a);
}

static int version_run(struct cli *c, const void *opts UNUSED, const struct opt_words *words UNUSED)
{
	_cleanup_(json_decrefp) json_t *reply = NULL;
	struct diag ignored = {0};
	const char *running = "", *aead = "";

	if (call_daemon_pid(c->paths.socket) &&
		cli_ask(c, "version", NULL, 2000, &reply, &ignored) == TM_OK) {
		running = json_text(reply, "version");
		aead = json_text(reply, "aead");
	}
	if (!*aead)
		aead = packets_by();
	if (c->g.json)
		return cli_json_take(
			c, json_pack("{s:b, s:s, s:s?, s:s?}", "ok", 1, "version", TM_VERSION, "daemon",
				   *running ? running : NULL, "aead", *aead ? aead : NULL));

	fprintf(c->out, "tunnelmesh %s\nencryption: ChaCha20-Poly1305 by %s\n", TM_VERSION,
		*aead ? aead : "nothing that works on this machine");
	if (*running && strcmp(running, TM_VERSION) != 0)
		cli_note(c,
			"the running daemon is version %s: `tunnelmesh restart` changes to the installed one",
			running);
	return CLI_DONE;
}

const struct command cmd_version = {
	.name = "version",
	.summary = "print the version",
	.run = version_run,
};
