/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The command line: finds the command in a table, parses its options, runs it. Commands talk to the daemon
 * over its control socket; only `up --foreground` becomes the daemon. Everything printed goes through the two
 * streams here, so that tests read it.
 */
#ifndef TM_CLI_CORE_CLI_H
#define TM_CLI_CORE_CLI_H

#include <jansson.h>
#include <stdio.h>

#include "base/diag.h"
#include "base/err.h"
#include "cli/core/columns.h"
#include "cli/core/option.h"
#include "cli/core/paths.h"

struct node_options;

enum { CLI_DONE = 0, CLI_FAILED = 1, CLI_USAGE = 2 };
enum { CLI_JSON_SCHEMA = 1 }; /* of what --json prints: grows when a key goes or means something else */

/* Accepted before and after the command. */
struct globals {
	const char *config, *state_dir, *socket, *log_level;
	bool json, help, version;
};

struct cli {
	/* set by main, or by a test */
	FILE *out, *err;
	struct screen screen; /* of out */
	bool err_tty; /* progress and questions only there */
	bool err_journal; /* the journal reads it: errors carry their priority */
	int in_fd; /* answers, and the token of `join -` */
	bool in_tty;
	int (*run_node)(const struct node_options *o, struct diag *d);
	/* set by cli_run */
	struct globals g;
	struct paths paths;
};

struct command {
	const char *name; /* "status", or noun and verb: "token create" */
	const char *args; /* as the usage shows them; NULL = none */
	const char *summary;
	const char *details; /* more for `help COMMAND`; NULL = nothing more */
	const struct opt *opts;
	const void *defaults; /* the struct that opts fill, before they do; NULL = no options */
	size_t opts_size;
	size_t min_words, max_words;
	bool crypto; /* needs crypto_init */
	int (*run)(struct cli *c, const void *opts, const struct opt_words *words);
};

extern const struct opt global_opts[];
extern const struct command *const commands[]; /* ends with NULL */

/* argv[0] is the program. Returns the exit status. */
int cli_run(struct cli *c, int argc, const char *const *argv);

/* --- for the commands --- */

/* One sentence on stderr, and with --json an object on stdout. Returns CLI_FAILED, or CLI_USAGE when d's code
 * is "usage": what is wrong is in the command line. */
int cli_fail(struct cli *c, const struct diag *d, int err);
int cli_failf(struct cli *c, const char *hint, const char *fmt, ...) PRINTF(3, 4); /* hint may be NULL */
/* The same for a mistake on the command line. Returns CLI_USAGE. */
int cli_usage(struct cli *c, const char *hint, const char *fmt, ...) PRINTF(3, 4);
/* A remark on stderr that is not the result: "tunnelmesh: ...". Silent with --json. */
void cli_note(struct cli *c, const char *fmt, ...) PRINTF(2, 3);
/* Progress: one changing line on a terminal, nothing elsewhere. NULL clears it. */
void cli_progress(struct cli *c, const char *text);
/* Prints the object j indented, with the schema's number. Returns CLI_DONE, CLI_FAILED when out of memory (j
 * NULL). */
int cli_json_take(struct cli *c, json_t *j);
/* The first line of standard input, without its end, and no more than the buffer holds; "": there is none. */
void cli_read_line(struct cli *c, char *buf, size_t n);
/* "yes" from a person; false without a terminal. */
bool cli_confirm(struct cli *c, const char *question);

/* What --json says of a failure: ok, code, error, hint. NULL when out of memory. */
json_t *cli_error_json(const struct diag *d, int err);

/* Asks the daemon {"cmd":cmd, ...fields}; fields (taken) may be NULL. Adds what to do to the sentence when no
 * daemon answers. */
NODISCARD int cli_ask(struct cli *c, const char *cmd, json_t *fields_take, int timeout_ms, json_t **ret_reply,
	struct diag *d);
enum { ASK_TIMEOUT_MS = 15000 };
/* The same; texts are as they came, of several lines perhaps, and not fit for a terminal. */
NODISCARD int cli_ask_exact(struct cli *c, const char *cmd, json_t *fields_take, int timeout_ms,
	json_t **ret_reply, struct diag *d);
/* The same for what goes on behind the answer (call_daemon_open). */
NODISCARD int cli_ask_open(
	struct cli *c, const char *cmd, json_t *fields_take, json_t **ret_reply, int *ret_fd, struct diag *d);
/*
 * Asks and shows, as every command that prints one answer does: a failure is said, with --json the answer is
 * printed as it came, and both end the command with *ret_status. Else the answer (a new reference) is left to
 * be shown to a person.
 */
json_t *cli_fetch(struct cli *c, const char *cmd, json_t *fields_take, int *ret_status);

/* The flags that lead to the same node, " --state-dir DIR ...", for hints. "" for the standard one. */
const char *cli_node_flags(const struct cli *c, char *buf, size_t n);

/* Fields of replies, with something printable for what is missing. */
const char *json_text(const json_t *j, const char *key);
int64_t json_number(const json_t *j, const char *key);
/* Milliseconds to a microsecond, and the like: nobody wants the digits of a binary fraction. */
json_t *json_rounded(double v);

#endif
