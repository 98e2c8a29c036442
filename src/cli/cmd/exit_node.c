/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* `exit-node offer|withdraw|use|off|pause`: another node's way to the internet. */
#include <string.h>

#include "base/format.h"
#include "cli/core/commands.h"
#include "cli/core/daemon.h"
#include "node/exit_journal.h"
#include "node/route_settings.h"
#include "os/os.h"
#include "os/paths.h"

enum { PAUSE_MAX_S = 86400 };

static int offer(struct cli *c, bool on)
{
	int status;
	_cleanup_(json_decrefp) json_t *reply =
		cli_fetch(c, "exit.offer", json_pack("{s:b}", "on", on), &status);
	if (!reply)
		return status;

	fputs(on ? "  this machine offers its way to the internet\n"
		   "  on the coordinator, `tunnelmesh route approve NODE exit` approves it\n"
		 : "  this machine offers its way to the internet no longer\n",
		c->out);
	return CLI_DONE;
}

static int offer_run(struct cli *c, const void *opts UNUSED, const struct opt_words *words UNUSED)
{
	return offer(c, true);
}

const struct command cmd_exit_offer = {
	.name = "exit-node offer",
	.summary = "offer this machine's way to the internet to the mesh",
	.details =
		"When the administrator has approved it (`route approve NODE exit` on the coordinator), "
		"members "
		"may send all they have for the internet through this machine, which forwards it with its "
		"own "
		"address. Private networks that it is in are not part of it: `route advertise` offers those.",
	.run = offer_run,
};

static int withdraw_run(struct cli *c, const void *opts UNUSED, const struct opt_words *words UNUSED)
{
	return offer(c, false);
}

const struct command cmd_exit_withdraw = {
	.name = "exit-node withdraw",
	.summary = "offer this machine's way to the internet no longer",
	.run = withdraw_run,
};

struct use_opts {
	bool lan, kill;
};

static const struct opt use_options[] = {
	{"allow-lan", 0, OPT_FLAG, offsetof(struct use_opts, lan), NULL,
		"the network that this machine is in is reached directly", 0, 0},
	{"kill-switch", 0, OPT_FLAG, offsetof(struct use_opts, kill), NULL,
		"nothing leaves without the exit node, however the daemon ends, until `exit-node off` or "
		"`down`",
		0, 0},
	{0},
};

static int use_run(struct cli *c, const void *opts, const struct opt_words *words)
{
	const struct use_opts *o = opts;
	int status;
	_cleanup_(json_decrefp) json_t *reply = cli_fetch(c, "exit.use",
		json_pack("{s:s, s:b, s:b}", "node", words->v[0], "lan", o->lan, "kill", o->kill), &status);
	if (!reply)
		return status;

	fprintf(c->out, "  all that is for the internet goes through %s now%s\n", json_text(reply, "exit"),
		json_is_false(json_object_get(reply, "ip6"))   ? "; it has no IPv6, so that there is none"
		: json_is_false(json_object_get(reply, "ip4")) ? "; it has no IPv4, so that there is none"
							       : "");
	if (*json_text(reply, "trouble"))
		cli_note(c, "%s", json_text(reply, "trouble"));
	return CLI_DONE;
}

const struct command cmd_exit_use = {
	.name = "exit-node use",
	.args = "NODE",
	.summary = "send all that is for the internet through another node",
	.details = "Both families, or nothing of the one that the node does not have. It is kept, also over "
		   "restarts, "
		   "until `exit-node off`. Who has called this machine by other ways is answered by these. "
		   "Questions for names that are for the network around go to the exit node's resolver.",
	.opts = use_options,
	.defaults = &(const struct use_opts){0},
	.opts_size = sizeof(struct use_opts),
	.min_words = 1,
	.max_words = 1,
	.run = use_run,
};

/* A daemon that was killed has left what holds everything back; nobody else would undo it. */
static int clear(struct cli *c)
{
	struct os_exit_left left = {.any = false};
	struct route_settings s;
	struct diag d = {0};
	char path[512], journal[512], ifname[16];

	os_path_in(path, sizeof(path), c->paths.state_dir, ROUTE_SETTINGS_FILE);
	os_path_in(journal, sizeof(journal), c->paths.state_dir, EXIT_JOURNAL);
	daemon_interface(c, ifname);
	int err = os_check_privileges(&d);
	if (!err)
		err = exit_journal_undo(journal, ifname, &left, &d);
	if (!err)
		(void)os_rules_undo(ifname);
	if (!err && route_settings_load(path, &s, NULL) == TM_OK && s.exit_use[0]) {
		s.exit_use[0] = '\0';
		s.exit_lan = s.exit_kill = false;
		err = route_settings_save(path, &s, &d);
	}
	if (err)
		return cli_fail(c, &d, err);
	if (left.other[0])
		cli_note(c,
			"another tunnelmesh of this machine, by %s, uses an exit node or lets nothing leave "
			"without "
			"it: with its --state-dir `exit-node off` ends that",
			left.other);
	if (c->g.json)
		return cli_json_take(c, json_pack("{s:b, s:n}", "ok", 1, "exit"));
	fputs("  no exit node is used\n", c->out);
	if (left.any)
		fputs(DAEMON_LEFT_EXIT, c->out);
	return CLI_DONE;
}

static int off_run(struct cli *c, const void *opts UNUSED, const struct opt_words *words UNUSED)
{
	_cleanup_(json_decrefp) json_t *reply = NULL;
	struct diag d = {0};
	int err = cli_ask(c, "exit.off", NULL, ASK_TIMEOUT_MS, &reply, &d);

	if (err == TM_ENOENT)
		return clear(c);
	if (err)
		return cli_fail(c, &d, err);
	if (c->g.json)
		return cli_json_take(c, json_incref(reply));
	fputs("  no exit node is used\n", c->out);
	return CLI_DONE;
}

const struct command cmd_exit_off = {
	.name = "exit-node off",
	.summary = "use no exit node any more",
	.details = "Also when the daemon does not run: then it takes away what a crash with --kill-switch "
		   "has left.",
	.run = off_run,
};

static int pause_run(struct cli *c, const void *opts UNUSED, const struct opt_words *words)
{
	uint64_t seconds;
	char span[FORMAT_LEN];
	int status;

	if (duration_parse(words->v[0], &seconds) != TM_OK || seconds < 1 || seconds > PAUSE_MAX_S)
		return cli_usage(
			c, NULL, "a pause is a time such as 5m, a day at most, not \"%.40s\"", words->v[0]);
	_cleanup_(json_decrefp) json_t *reply =
		cli_fetch(c, "exit.pause", json_pack("{s:I}", "seconds", (json_int_t)seconds), &status);
	if (!reply)
		return status;

	fprintf(c->out, "  the exit node is not used for %s\n", format_span((int64_t)seconds, span));
	return CLI_DONE;
}

const struct command cmd_exit_pause = {
	.name = "exit-node pause",
	.args = "TIME",
	.summary = "do without the exit node for a while, such as 5m",
	.details = "To sign in at a hotel's network, for instance. A restart ends the pause.",
	.min_words = 1,
	.max_words = 1,
	.run = pause_run,
};
