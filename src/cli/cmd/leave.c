/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* `leave`: gives up membership for good. The coordinator is told as far as it can be reached. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/secret.h"
#include "cli/core/call.h"
#include "cli/core/commands.h"
#include "cli/core/daemon.h"
#include "cli/core/proxy.h"
#include "control/agent/enrolment.h"
#include "control/agent/identity_file.h"
#include "os/files.h"
#include "os/os.h"
#include "os/paths.h"
#include "os/words/words.h"

enum { LEAVE_TIMEOUT_MS = 5000 };

struct leave_opts {
	bool yes, keep_identity, force;
};

#define AT(field) offsetof(struct leave_opts, field)
static const struct opt leave_options[] = {
	{"yes", 'y', OPT_FLAG, AT(yes), NULL, "do not ask", 0, 0},
	{"keep-identity", 0, OPT_FLAG, AT(keep_identity), NULL, "keep this machine's key for the next mesh",
		0, 0},
	{"force", 0, OPT_FLAG, AT(force), NULL, "on the coordinator: destroy the mesh", 0, 0},
	{0},
};
#undef AT

static int load_enrolment(const struct cli *c, struct enrolment *e, struct diag *d)
{
	int err;

	if (os_find(c->paths.enrolment) == TM_ENOENT) {
		diag_code(d, "not_enrolled");
		return diag_what(d, TM_ENOENT, "this machine is in no mesh");
	}

	err = enrolment_load(c->paths.enrolment, e, d);
	if (err && !os_is_root() && !d->hint[0])
		diag_hint(d, OS_SUDO_HINT);
	return err;
}

/* Best effort: by the daemon's link when it runs, else by a link of our own. */
static int tell_coordinator(struct cli *c, const struct enrolment *e, struct diag *d)
{
	json_t *reply = NULL;
	struct identity id;
	struct proxy_choice proxy;
	struct config cfg;
	int err;

	if (call_daemon_pid(c->paths.socket)) {
		err = cli_ask(c, "leave", NULL, ASK_TIMEOUT_MS, &reply, d);
		json_decref(reply);
		return err;
	}

	err = identity_load(c->paths.identity, &id, d);
	if (!err) {
		*d = (struct diag){0}; /* a loader says where it was even when all went well */
		err = config_load(c->paths.config, c->paths.config_explicit, &cfg, d);
	}
	if (!err) {
		(void)cli_proxy(c, &cfg, e->proxy, &proxy);
		err = enrol_leave(e, &id, &proxy, LEAVE_TIMEOUT_MS, d);
		wipe(&proxy, sizeof(proxy));
	}
	identity_wipe(&id);
	return err;
}

/* Goes on at a file that cannot be deleted; the first one is told. */
static int remove_state(const struct cli *c, bool keep_identity, struct diag *d)
{
	char path[4096 + 64];
	int err = TM_OK;

	for (size_t i = 0; state_files[i]; i++) {
		if (keep_identity && strcmp(state_files[i], "identity") == 0)
			continue;
		os_path_in(path, sizeof(path), c->paths.state_dir, state_files[i]);
		int failed = os_remove_file(path);
		if (!failed || failed == TM_ENOENT || err)
			continue;
		err = failed;
		diag_what(d, err, "this machine has left the mesh, but %s cannot be deleted: %s", path,
			strerror(errno));
		diag_hint(d, "delete it by hand, it may hold this machine's key or the mesh's secret");
	}
	(void)os_remove_dir(c->paths.state_dir); /* only when nothing else is in it */
	if (c->paths.standard) { /* then the socket has a directory of its own */
		snprintf(path, sizeof(path), "%s", c->paths.socket);
		if (os_path_up(path))
			(void)os_remove_dir(path);
	}
	return err;
}

/* It is another node, which this one's end is no reason to destroy. */
static void note_replaced(struct cli *c)
{
	char path[4096 + 64];

	os_path_in(path, sizeof(path), c->paths.state_dir, STATE_REPLACED);
	if (os_exists(path))
		cli_note(c, "what `restore --replace` put aside is still in %s, with its identity key", path);
}

static int leave_now(struct cli *c, const struct leave_opts *o, const struct enrolment *e, struct diag *d)
{
	struct diag told = {0};
	char text[sizeof(struct diag) + 16];
	bool exit_too;
	int not_told = e->coordinator ? TM_OK : tell_coordinator(c, e, &told);
	int err = daemon_stop(c, d);

	if (err && err != TM_ENOENT)
		return err;

	if (daemon_by_systemd(c))
		(void)!os_systemctl("disable", c->paths.unit, ASK_TIMEOUT_MS, NULL);
	daemon_cleanup(c, true, &exit_too); /* before the files go that say what to undo */
	if (exit_too && !c->g.json)
		fputs(DAEMON_LEFT_EXIT, c->out);
	err = remove_state(c, o->keep_identity, d);
	note_replaced(c);
	told.hint[0] = '\0'; /* there is nothing left here to try it with */
	if (not_told)
		cli_note(c,
			"the coordinator could not be told (%s): there `tunnelmesh node remove %s` does it",
			diag_format(&told, not_told, text, sizeof(text)), e->self.name);
	return err;
}

static int leave_run(struct cli *c, const void *opts, const struct opt_words *words UNUSED)
{
	const struct leave_opts *o = opts;
	struct enrolment e = {0};
	struct diag d = {0};
	char question[256];
	int err = load_enrolment(c, &e, &d);

	if (!err && e.coordinator && !o->force) {
		diag_hint(&d, "`down` stops it; `leave --force` destroys the mesh \"%s\" for every machine",
			e.mesh.name);
		err = diag_what(&d, TM_EBUSY, "this machine is the mesh's coordinator");
	}
	if (err) {
		enrolment_wipe(&e);
		return cli_fail(c, &d, err);
	}

	if (!o->yes && !c->in_tty) {
		enrolment_wipe(&e);
		return cli_usage(c, "nothing was changed", "leave wants --yes where nobody can be asked");
	}
	snprintf(question, sizeof(question),
		e.coordinator ? "Destroy the mesh \"%s\"? Its %s and all others lose it for good."
			      : "Leave the mesh \"%s\"? %s needs a new token to come back.",
		e.mesh.name, e.coordinator ? "coordinator" : e.self.name);
	if (!o->yes && !cli_confirm(c, question)) {
		enrolment_wipe(&e);
		return cli_failf(c, NULL, "nothing was changed");
	}

	err = leave_now(c, o, &e, &d);
	if (err)
		(void)cli_fail(c, &d, err);
	else if (c->g.json)
		err = cli_json_take(c, json_pack("{s:b, s:{s:s}}", "ok", 1, "mesh", "name", e.mesh.name));
	else
		fprintf(c->out, "  left the mesh \"%s\"\n", e.mesh.name);
	enrolment_wipe(&e);
	return err ? CLI_FAILED : CLI_DONE;
}

const struct command cmd_leave = {
	.name = "leave",
	.summary = "leave the mesh for good and forget it on this machine",
	.opts = leave_options,
	.defaults = &(const struct leave_opts){0},
	.opts_size = sizeof(struct leave_opts),
	.crypto = true,
	.run = leave_run,
};
