/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* `restart` puts the program that is installed now in the place of the one that runs, while the tunnel stays.
 */
#include <string.h>

#include "base/time.h"
#include "cli/core/commands.h"
#include "cli/core/daemon.h"
#include "control/agent/enrolment.h"
#include "control/coord/coord.h"
#include "node/config.h"
#include "os/interrupt.h"
#include "os/os.h"
#include "os/words/words.h"

struct restart_opts {
	bool check;
};

static const struct opt restart_options[] = {
	{"check", 0, OPT_FLAG, offsetof(struct restart_opts, check), NULL,
		"only say what would keep this program from starting here", 0, 0},
	{0},
};

enum { RESTART_TIMEOUT_MS = 20000, LOOK_MS = 5 };

/* What would stop it right after it has begun is said before the one that runs is touched. */
static int check_next(const struct cli *c, struct diag *d)
{
	struct enrolment e = {0};
	struct config cfg;
	int err = config_load(c->paths.config, c->paths.config_explicit, &cfg, d);

	if (!err)
		err = config_check_host(&cfg, d);
	if (!err)
		err = enrolment_load(c->paths.enrolment, &e, d);
	if (!err && e.coordinator)
		err = coord_look(c->paths.db, d);
	enrolment_wipe(&e);
	return err;
}

/* The tunnel goes for as long as that takes. */
static int stop_and_start(struct cli *c, struct diag *d)
{
	bool exit_too;
	int err = daemon_stop(c, d);

	if (err && err != TM_ENOENT)
		return err;
	daemon_cleanup(c, false, &exit_too);
	return daemon_start(c, false, d);
}

static int failed_to_come(const struct cli *c, int err, struct diag *d)
{
	*d = (struct diag){0};
	if (daemon_by_systemd(c))
		diag_hint(d, OS_SEE_SERVICE_LOG, c->paths.unit);
	else
		diag_hint(d, "the end of %s says why; `tunnelmesh up` starts it", c->paths.log);
	return diag_what(d, err,
		err == TM_ETIMEOUT ? "tunnelmesh has not come up again yet"
				   : "tunnelmesh has ended instead of coming up again");
}

/* Until another run than that answers. The lock is held all along: nobody comes any more once it is free. */
static int await_next(struct cli *c, int64_t run, json_t **ret_reply, struct diag *d)
{
	const ns_t deadline = time_monotonic() + RESTART_TIMEOUT_MS * MS;

	for (;;) {
		_cleanup_(json_decrefp) json_t *reply = NULL;
		struct diag not_yet = {0};

		if (cli_ask(c, "version", NULL, RESTART_TIMEOUT_MS, &reply, &not_yet) == TM_OK &&
			json_number(reply, "run") != run) {
			*ret_reply = TAKE(reply);
			return TM_OK;
		}
		if (!os_lock_holder(c->paths.lock))
			return failed_to_come(c, TM_ECLOSED, d);
		if (time_monotonic() > deadline)
			return failed_to_come(c, TM_ETIMEOUT, d);
		interrupt_rest(LOOK_MS * MS);
	}
}

static int replace(struct cli *c, json_t **ret_reply, struct diag *d)
{
	_cleanup_(json_decrefp) json_t *reply = NULL;
	int err = cli_ask(c, "replace", NULL, RESTART_TIMEOUT_MS, &reply, d);

	if (err)
		return err;
	cli_progress(c, "restarting");
	err = await_next(c, json_number(reply, "run"), ret_reply, d);
	cli_progress(c, NULL);
	return err;
}

static int say(struct cli *c, pid_t pid, const char *version, bool kept)
{
	if (c->g.json)
		return cli_json_take(c, json_pack("{s:b, s:i, s:s, s:b}", "ok", 1, "pid", (int)pid, "version",
						version, "kept", kept));
	fprintf(c->out, "  tunnelmesh restarted (process %d)%s\n", (int)pid,
		kept ? ", the tunnel stayed" : "; the one before could not leave its tunnel to it");
	if (strcmp(version, TM_VERSION) != 0)
		cli_note(c, "it is version %s, where it was started from, and this is %s", version,
			TM_VERSION);
	return CLI_DONE;
}

/* Asked by the daemon of the program that is to take its place, too: what it answers is its own. */
static int say_check(struct cli *c)
{
	if (c->g.json)
		return cli_json_take(c, json_pack("{s:b, s:s}", "ok", 1, "version", TM_VERSION));
	fputs("  nothing is in the way of this program\n", c->out);
	return CLI_DONE;
}

static int restart_run(struct cli *c, const void *opts, const struct opt_words *words UNUSED)
{
	const struct restart_opts *o = opts;
	_cleanup_(json_decrefp) json_t *reply = NULL;
	struct diag d = {0};
	bool deaf;
	int err = check_next(c, &d);

	if (o->check)
		return err ? cli_fail(c, &d, err) : say_check(c);
	pid_t pid = daemon_pid(c, &deaf);
	if (!pid)
		return cli_failf(c, "`tunnelmesh up` starts it", "tunnelmesh is not running");
	if (err && err != TM_EPERM) { /* who may not read it all leaves it to the daemon to ask */
		const struct diag why = d;

		diag_hint(&d, "%s%sthe one that runs was left alone", why.hint, why.hint[0] ? "; " : "");
		return cli_fail(c, &d, err);
	}
	err = deaf ? TM_EUNSUPPORTED : replace(c, &reply, &d);
	/* One from before this could be asked, or that nobody can ask. */
	const bool kept = !err;
	if (deaf || (err && strcmp(d.code, "unknown_command") == 0)) {
		d = (struct diag){0};
		err = stop_and_start(c, &d);
		pid = daemon_pid(c, NULL);
	}
	if (err)
		return cli_fail(c, &d, err);
	return say(c, pid, kept ? json_text(reply, "version") : TM_VERSION, kept);
}

const struct command cmd_restart = {
	.name = "restart",
	.summary = "run the program that is installed now, while the tunnel stays",
	.details =
		"After an upgrade, or for settings that need it. The process stays the same, and so do the "
		"interface, its addresses and its routes: connections through the tunnel wait for a moment. "
		"What would keep the program from starting is said first, by the program itself, and then "
		"nothing is touched.",
	.opts = restart_options,
	.defaults = &(const struct restart_opts){0},
	.opts_size = sizeof(struct restart_opts),
	.crypto = true,
	.run = restart_run,
};
