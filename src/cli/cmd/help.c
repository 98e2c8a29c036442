/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* `help`: everything printed here comes from the command and option tables, and from the configuration's. */
#include <string.h>

#include "cli/core/columns.h"
#include "cli/core/commands.h"
#include "node/config.h"
#include "os/words/words.h"

enum { HELP_WIDTH = 79, CONFIG_INDENT = 6 };

const char *command_first_word(const char *name, char *buf, size_t n)
{
	snprintf(buf, n, "%.*s", (int)strcspn(name, " "), name);
	return buf;
}

const char *noun_verbs(const char *noun, char *buf, size_t n)
{
	size_t at = 0, len = strlen(noun);

	buf[0] = '\0';
	for (size_t i = 0; commands[i]; i++)
		if (strncmp(commands[i]->name, noun, len) == 0 && commands[i]->name[len] == ' ' && at < n)
			at += (size_t)snprintf(
				buf + at, n - at, "%s%s", at ? ", " : "", commands[i]->name + len + 1);
	return buf;
}

static void print_row(FILE *f, const char *label, int width, const char *text)
{
	size_t at = (size_t)fprintf(f, "  %-*s  ", width, label);

	text_wrapped(f, text, at, at, HELP_WIDTH);
}

static void print_commands(FILE *f, const char *noun)
{
	size_t len = noun ? strlen(noun) : 0;
	char usage[96];
	int width = 0;

	for (int pass = 0; pass < 2; pass++)
		for (size_t i = 0; commands[i]; i++) {
			const struct command *cmd = commands[i];

			if (noun && (strncmp(cmd->name, noun, len) != 0 || cmd->name[len] != ' '))
				continue;
			snprintf(usage, sizeof(usage), "%s%s%s", cmd->name, cmd->args ? " " : "",
				cmd->args ? cmd->args : "");
			if (pass == 0)
				width = MAX(width, (int)strlen(usage));
			else
				print_row(f, usage, width, cmd->summary);
		}
}

void help_overview(FILE *f)
{
	fputs("usage: tunnelmesh COMMAND [OPTIONS]\n\n", f);
	print_commands(f, NULL);
	fputs("\nFor every command:\n", f);
	opt_print(global_opts, f);
	fputs("\n`tunnelmesh help COMMAND` says more, `tunnelmesh help config` explains the\n"
	      "configuration file.\n",
		f);
}

int help_noun(FILE *f, const char *noun)
{
	fprintf(f, "usage: tunnelmesh %s COMMAND [OPTIONS]\n\n", noun);
	print_commands(f, noun);
	return CLI_DONE;
}

void help_command(FILE *f, const struct command *cmd)
{
	fprintf(f, "usage: tunnelmesh %s%s%s%s\n\n", cmd->name, cmd->args ? " " : "",
		cmd->args ? cmd->args : "", cmd->opts ? " [OPTIONS]" : "");
	text_wrapped(f, cmd->summary, 0, 0, HELP_WIDTH);
	if (cmd->details) {
		fputc('\n', f);
		text_wrapped(f, cmd->details, 0, 0, HELP_WIDTH);
	}
	if (cmd->opts) {
		fputs("\nOptions:\n", f);
		opt_print(cmd->opts, f);
	}
	fputs("\nFor every command:\n", f);
	opt_print(global_opts, f);
}

static void config_row(void *ctx, const char *key, const char *def, bool reload, const char *text)
{
	FILE *f = ctx;

	fprintf(f, "\n  %s (%s%s%s)\n", key, def, *def ? ", " : "", reload ? "reload" : "restart");
	fprintf(f, "%*s", CONFIG_INDENT, "");
	text_wrapped(f, text, CONFIG_INDENT, CONFIG_INDENT, HELP_WIDTH);
}

static int help_config(struct cli *c)
{
	text_wrapped(c->out,
		"The configuration is optional: " OS_SHOWN_CONFIG
		", or --config FILE. YAML; unknown keys are refused. In parentheses are the default and what "
		"applies a "
		"change: reload is `tunnelmesh reload` or SIGHUP, restart is `down` and `up`.",
		0, 0, HELP_WIDTH);
	config_describe(config_row, c->out);
	return CLI_DONE;
}

static int help_run(struct cli *c, const void *opts UNUSED, const struct opt_words *words)
{
	const char *first = words->n > 0 ? words->v[0] : NULL, *second = words->n > 1 ? words->v[1] : NULL;
	const struct command *cmd;
	char verbs[160];

	if (!first) {
		help_overview(c->out);
		return CLI_DONE;
	}
	if (strcmp(first, "config") == 0 && !second)
		return help_config(c);

	cmd = command_find(first, second);
	if (cmd) {
		help_command(c->out, cmd);
		return CLI_DONE;
	}
	if (!second && *noun_verbs(first, verbs, sizeof(verbs)))
		return help_noun(c->out, first);

	return cli_usage(c, "see `tunnelmesh help`", "there is no command \"%.60s%s%.60s\"", first,
		second ? " " : "", second ? second : "");
}

const struct command cmd_help = {
	.name = "help",
	.args = "[COMMAND|config]",
	.summary = "explain a command, or the configuration file",
	.max_words = 2,
	.run = help_run,
};
