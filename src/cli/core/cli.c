/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "cli/core/cli.h"

#include <string.h>

#include "base/log.h"
#include "base/suggest.h"
#include "cli/core/commands.h"
#include "crypto/init.h"
#include "os/words/words.h"

#define AT(field) offsetof(struct globals, field)
const struct opt global_opts[] = {
	{"config", 0, OPT_TEXT, AT(config), "FILE", "configuration file (" OS_SHOWN_CONFIG ", optional)", 0,
		0},
	{"state-dir", 0, OPT_TEXT, AT(state_dir), "DIR", "keys and state (" OS_SHOWN_STATE_DIR ")", 0, 0},
	{"socket", 0, OPT_TEXT, AT(socket), "PATH",
		"control socket (" OS_SHOWN_SOCKET ", or in the state directory)", 0, 0},
	{"log-level", 0, OPT_TEXT, AT(log_level), "LEVEL", "error, warn, info or debug", 0, 0},
	{"json", 0, OPT_FLAG, AT(json), NULL, "machine-readable output", 0, 0},
	{"help", 'h', OPT_FLAG, AT(help), NULL, "explain the command", 0, 0},
	{"version", 0, OPT_FLAG, AT(version), NULL, "print the version", 0, 0},
	{0},
};
#undef AT

const struct command *const commands[] = {
	&cmd_init,
	&cmd_join,
	&cmd_up,
	&cmd_down,
	&cmd_leave,
	&cmd_backup,
	&cmd_restore,
	&cmd_reload,
	&cmd_restart,
	&cmd_status,
	&cmd_peers,
	&cmd_top,
	&cmd_ping,
	&cmd_bench,
	&cmd_ssh,
	&cmd_whois,
	&cmd_netcheck,
	&cmd_doctor,
	&cmd_metrics,
	&cmd_dns_status,
	&cmd_dns_query,
	&cmd_events,
	&cmd_bugreport,
	&cmd_capture,
	&cmd_log_level,
	&cmd_dashboard_password,
	&cmd_token_create,
	&cmd_token_list,
	&cmd_token_revoke,
	&cmd_filter_list,
	&cmd_filter_show,
	&cmd_filter_add,
	&cmd_filter_remove,
	&cmd_filter_local,
	&cmd_filter_set,
	&cmd_filter_test,
	&cmd_filter_diff,
	&cmd_filter_explain,
	&cmd_filter_prove,
	&cmd_filter_history,
	&cmd_filter_rollback,
	&cmd_node_list,
	&cmd_node_rename,
	&cmd_node_alias,
	&cmd_node_tag,
	&cmd_node_remove,
	&cmd_client_add,
	&cmd_client_list,
	&cmd_client_remove,
	&cmd_route_advertise,
	&cmd_route_withdraw,
	&cmd_route_list,
	&cmd_route_approve,
	&cmd_route_reject,
	&cmd_exit_offer,
	&cmd_exit_withdraw,
	&cmd_exit_use,
	&cmd_exit_off,
	&cmd_exit_pause,
	&cmd_version,
	&cmd_help,
	NULL,
};

/* The noun or verb is the command's first word. */
static bool first_word_is(const struct command *cmd, const char *word)
{
	size_t n = strcspn(cmd->name, " ");

	return strlen(word) == n && strncmp(cmd->name, word, n) == 0;
}

static bool is_noun(const char *word)
{
	for (size_t i = 0; commands[i]; i++)
		if (first_word_is(commands[i], word))
			return strchr(commands[i]->name, ' ');
	return false;
}

const struct command *command_find(const char *first, const char *second)
{
	for (size_t i = 0; commands[i]; i++) {
		const char *space = strchr(commands[i]->name, ' ');

		if (first_word_is(commands[i], first) &&
			(!space || (second && strcmp(space + 1, second) == 0)))
			return commands[i];
	}
	return NULL;
}

static int unknown_verb(struct cli *c, const char *noun, const char *verb)
{
	struct suggest s = suggest_for(verb);
	char hint[160];

	for (size_t i = 0; commands[i]; i++)
		if (first_word_is(commands[i], noun))
			suggest_offer(&s, strchr(commands[i]->name, ' ') + 1);
	if (s.best)
		snprintf(hint, sizeof(hint), "did you mean `tunnelmesh %s %s`?", noun, s.best);
	else
		snprintf(hint, sizeof(hint), "see `tunnelmesh help %s`", noun);
	return cli_usage(c, hint, "%s has no command \"%.60s\"", noun, verb);
}

static int unknown_command(struct cli *c, const char *typed)
{
	struct suggest s = suggest_for(typed);
	char words[64][16], hint[160];

	for (size_t i = 0; commands[i] && i < ARRAY_LEN(words); i++)
		suggest_offer(&s, command_first_word(commands[i]->name, words[i], sizeof(words[i])));
	if (s.best)
		snprintf(hint, sizeof(hint), "did you mean `tunnelmesh %s`?", s.best);
	return cli_usage(c, s.best ? hint : "see `tunnelmesh help`", "there is no command \"%.60s\"", typed);
}

static int check_globals(struct cli *c, struct diag *d)
{
	enum log_level level;
	int err;

	if (c->g.log_level && log_level_parse(c->g.log_level, &level) < 0)
		return diag_what(d, TM_EINVAL, "--log-level wants error, warn, info or debug, not \"%.40s\"",
			c->g.log_level);
	if ((c->g.config && !*c->g.config) || (c->g.state_dir && !*c->g.state_dir) ||
		(c->g.socket && !*c->g.socket))
		return diag_what(d, TM_EINVAL, "--config, --state-dir and --socket want a path");

	paths_deinit(&c->paths);
	err = paths_init(c->g.config, c->g.state_dir, c->g.socket, &c->paths);
	return err ? diag_what(d, err, "%s", tm_strerror(err)) : TM_OK;
}

static int run_command(struct cli *c, const struct command *cmd, int argc, const char *const *argv)
{
	_cleanup_(freep) void *opts = calloc(1, cmd->opts_size ? cmd->opts_size : 1);
	struct opt_set sets[] = {{cmd->opts, opts}, {global_opts, &c->g}};
	struct opt_words words = {0};
	struct diag d = {0};
	char hint[160];
	int used, err;

	if (!opts)
		return cli_fail(c, &d, TM_ENOMEM);

	if (cmd->defaults)
		memcpy(opts, cmd->defaults, cmd->opts_size);
	err = opt_parse(sets, ARRAY_LEN(sets), cmd->name, argc, argv, &words, &used, &d);
	if (!err)
		err = check_globals(c, &d);
	if (err)
		return cli_usage(c, d.hint, "%s", d.what);
	if (c->g.help) {
		help_command(c->out, cmd);
		return CLI_DONE;
	}

	snprintf(hint, sizeof(hint), "usage: tunnelmesh %s%s%s", cmd->name, cmd->args ? " " : "",
		cmd->args ? cmd->args : "");
	if (words.n < cmd->min_words)
		return cli_usage(c, hint, "%s wants %s", cmd->name, cmd->args);
	if (words.n > cmd->max_words)
		return cli_usage(c, hint, "%s: \"%.60s\" is one argument too many", cmd->name,
			words.v[cmd->max_words]);
	if (cmd->crypto && (err = crypto_init(&d)) < 0)
		return cli_fail(c, &d, err);

	return cmd->run(c, opts, &words);
}

/* Global flags, the noun or verb, for a noun global flags and its verb, then the command's own arguments. */
static int cli_dispatch(struct cli *c, int argc, const char *const *argv)
{
	const struct opt_set globals = {global_opts, &c->g};
	const char *words[2] = {NULL, NULL};
	const struct command *cmd;
	struct diag d = {0};
	char verbs[160];
	int used;

	for (size_t i = 0; i < 2 && (i == 0 || is_noun(words[0])); i++) {
		if (opt_parse(&globals, 1, i ? words[0] : "", argc, argv, NULL, &used, &d) < 0)
			return cli_usage(c, d.hint, "%s", d.what);
		argc -= used;
		argv += used;
		if (argc == 0)
			break;
		words[i] = argv[0];
		argc--;
		argv++;
	}
	if (!words[0] && c->g.version)
		words[0] = "version";
	if (!words[0] && c->g.help) {
		help_overview(c->out);
		return CLI_DONE;
	}
	if (!words[0]) {
		help_overview(c->err);
		return CLI_USAGE;
	}

	cmd = command_find(words[0], words[1]);
	if (cmd)
		return run_command(c, cmd, argc, argv);
	if (!is_noun(words[0]))
		return unknown_command(c, words[0]);
	if (words[1])
		return unknown_verb(c, words[0], words[1]);
	if (c->g.help)
		return help_noun(c->out, words[0]);

	return cli_usage(
		c, NULL, "%s wants one of: %s", words[0], noun_verbs(words[0], verbs, sizeof(verbs)));
}

int cli_run(struct cli *c, int argc, const char *const *argv)
{
	int status;

	c->g = (struct globals){0};
	c->paths = (struct paths){0};
	/* A mistake before --json was reached is still answered in JSON. */
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		c->g.json |= strcmp(argv[i], "--json") == 0;
	status = cli_dispatch(c, argc - (argc > 0), argv + (argc > 0));
	paths_deinit(&c->paths);
	if (fflush(c->out) != 0 && status == CLI_DONE)
		status = cli_failf(c, NULL, "the output could not be written");
	return status;
}
