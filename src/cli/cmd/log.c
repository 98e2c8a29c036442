/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* `log level`: how much the running daemon logs. */
#include <string.h>

#include "base/format.h"
#include "base/log.h"
#include "cli/core/commands.h"

enum { FOR_MAX_S = 30 * 86400 };

struct level_opts {
	uint64_t for_s;
};

static const struct opt level_options[] = {
	{"for", 0, OPT_DURATION, offsetof(struct level_opts, for_s), "TIME",
		"so long, such as 10m, and as configured again then", 1, FOR_MAX_S},
	{0},
};

static void print(struct cli *c, const json_t *reply)
{
	const char *level = json_text(reply, "level"), *configured = json_text(reply, "configured");
	const json_t *left = json_object_get(reply, "left_s");
	char span[FORMAT_LEN];

	if (json_is_integer(left))
		fprintf(c->out, "  %s for %s, then %s as configured\n", level,
			format_span(json_integer_value(left), span), configured);
	else if (strcmp(level, configured) == 0)
		fprintf(c->out, "  %s, as configured\n", level);
	else
		fprintf(c->out, "  %s until the next reload or restart, then %s as configured\n", level,
			configured);
}

static int level_run(struct cli *c, const void *opts, const struct opt_words *words)
{
	const struct level_opts *o = opts;
	json_t *fields = json_object();
	enum log_level level;
	int status;

	if (words->n && log_level_parse(words->v[0], &level) != TM_OK) {
		json_decref(fields);
		return cli_usage(
			c, NULL, "a level is error, warn, info or debug, not \"%.40s\"", words->v[0]);
	}
	if (!words->n && o->for_s) {
		json_decref(fields);
		return cli_usage(c, NULL, "log level wants a LEVEL with --for");
	}
	if (words->n)
		json_object_set_new(fields, "level", json_string(words->v[0]));
	if (o->for_s)
		json_object_set_new(fields, "seconds", json_integer((json_int_t)o->for_s));
	_cleanup_(json_decrefp) json_t *reply = cli_fetch(c, "log.level", fields, &status);
	if (!reply)
		return status;
	print(c, reply);
	return CLI_DONE;
}

const struct command cmd_log_level = {
	.name = "log level",
	.args = "[LEVEL]",
	.summary = "how much the running daemon logs: error, warn, info or debug",
	.details = "With a LEVEL it logs so from now on, until the next reload or restart, or with --for for "
		   "that time. log_level in the configuration is for good.",
	.opts = level_options,
	.defaults = &(const struct level_opts){0},
	.opts_size = sizeof(struct level_opts),
	.max_words = 1,
	.run = level_run,
};
