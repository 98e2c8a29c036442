/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* `filter list|show|set|test|history|rollback`: the policy of the mesh, on the coordinator. */
#include "cli/cmd/filter.h"

#include <string.h>

#include "base/format.h"
#include "base/plain.h"
#include "base/text.h"
#include "base/time.h"
#include "cli/core/columns.h"
#include "cli/core/commands.h"
#include "cli/core/listing.h"
#include "os/files.h"
#include "os/os.h"
#include "os/words/words.h"
#include "policy/document.h"

/* --- what several of them do --- */

/* Who changes it, for the history: whoever became root to do it. */
const char *filter_by(void)
{
	const char *sudo = getenv(OS_SUDO_USER), *user = getenv("USER");

	return sudo && *sudo ? sudo : user && *user ? user : "root";
}

int filter_read(struct cli *c, const char *file, char **ret_text, struct diag *d)
{
	size_t n = 0;

	(void)c;
	int err = strcmp(file, "-") == 0 ? os_read_input(POLICY_TEXT_MAX, ret_text, &n, d)
					 : os_read_file(file, POLICY_TEXT_MAX, ret_text, &n, d);
	if (!err && strlen(*ret_text) != n) {
		free(TAKE(*ret_text));
		diag_where(d, "%s", file);
		err = diag_what(d, TM_EBADMSG, "the file contains a NUL character");
	}
	return err;
}

void filter_warn(struct cli *c, const json_t *reply)
{
	const json_t *w;
	size_t i;

	json_array_foreach (json_object_get(reply, "warnings"), i, w)
		cli_note(c, "warning: %s", json_string_value(w));
	if (json_number(reply, "tests_of_nobody"))
		cli_note(c, "warning: %lld of its tests hold because one side has no members",
			(long long)json_number(reply, "tests_of_nobody"));
}

int filter_accepted(struct cli *c, const json_t *reply)
{
	filter_warn(c, reply);
	fprintf(c->out,
		"  version %lld is in force; nodes that are linked are told now, others when they link\n",
		(long long)json_number(reply, "version"));
	return CLI_DONE;
}

json_t *filter_text(const char *text, const char *name)
{
	return json_pack("{s:s, s:s, s:s}", "text", text, "name", name, "by", filter_by());
}

/* A file's policy to the daemon; NULL: the command is over with *ret_status. */
json_t *filter_send(struct cli *c, const char *cmd, const char *file, bool rebind, int *ret_status)
{
	_cleanup_(freep) char *text = NULL;
	struct diag d = {0};

	int err = filter_read(c, file, &text, &d);
	if (err) {
		*ret_status = cli_fail(c, &d, err);
		return NULL;
	}
	json_t *fields = filter_text(text, strcmp(file, "-") == 0 ? "stdin" : file);
	if (fields && rebind)
		json_object_set_new(fields, "rebind", json_true());
	return cli_fetch(c, cmd, fields, ret_status);
}

/* --- list, show --- */

static void rule_row(struct columns *t, const json_t *j, bool hits)
{
	const char *action = json_text(j, "action");

	columns_cell(t, json_text(j, "id"));
	columns_tone(t, action, strcmp(action, "allow") == 0 ? TONE_GOOD : TONE_BAD);
	if (hits)
		columns_cellf(t, "%lld", (long long)json_number(j, "hits"));
	columns_cell(t, json_text(j, "services"));
	columns_cell(t, json_text(j, "from"));
	columns_cell(t, json_text(j, "to"));
}

/* Not of an earlier version. */
static void print_holders(struct cli *c, const json_t *holders)
{
	const json_t *others = json_object_get(holders, "others"), *j;
	const json_int_t linked = json_number(holders, "linked"), in_force = json_number(holders, "in_force");
	size_t i;

	if (!holders)
		return;
	fprintf(c->out, "  in force at %lld of %lld linked nodes", (long long)in_force, (long long)linked);
	json_array_foreach (others, i, j) {
		fprintf(c->out, "%s%s (", i ? ", " : "; not at ", json_text(j, "name"));
		if (json_is_null(json_object_get(j, "version")))
			fputs("which does not say)", c->out);
		else
			fprintf(c->out, "version %lld)", (long long)json_number(j, "version"));
	}
	fputs((json_int_t)json_array_size(others) < linked - in_force ? ", ...\n" : "\n", c->out);
}

/* Where nothing is counted, nothing is said of it. */
static void print_counted(struct cli *c, const json_t *counted)
{
	char age[FORMAT_LEN];

	if (json_is_object(counted))
		fprintf(c->out, "  hits counted since %s; denied because no rule speaks of it: %lld\n",
			format_age(json_number(counted, "since_at"), time_real() / SEC, age),
			(long long)json_number(counted, "no_rule"));
}

static int print_rules(struct cli *c, const json_t *reply)
{
	static const char *const heads[] = {"RULE", "ACTION", "WHAT", "FROM", "TO"};
	static const char *const heads_hits[] = {"RULE", "ACTION", "HITS", "WHAT", "FROM", "TO"};
	const bool hits = json_is_object(json_object_get(reply, "counted"));
	_cleanup_(columns_deinit) struct columns t;
	struct diag d = {0};
	char age[FORMAT_LEN];
	const json_t *j;
	size_t i;

	columns_init(&t, hits ? heads_hits : heads, hits ? ARRAY_LEN(heads_hits) : ARRAY_LEN(heads));
	json_array_foreach (json_object_get(reply, "rules"), i, j)
		rule_row(&t, j, hits);
	fprintf(c->out, "  version %lld of the policy, accepted %s by %s; what no rule allows is denied\n",
		(long long)json_number(reply, "version"),
		format_age(json_number(reply, "accepted_at"), time_real() / SEC, age),
		json_text(reply, "by"));
	int err = columns_print(&t, c->out, &c->screen);
	print_counted(c, json_object_get(reply, "counted"));
	if (*json_text(reply, "local_allow"))
		fprintf(c->out, "  may allow more by rules of their own: %s\n",
			json_text(reply, "local_allow"));
	print_holders(c, json_object_get(reply, "holders"));
	filter_warn(c, reply);
	return err ? cli_fail(c, &d, err) : CLI_DONE;
}

static int list_run(struct cli *c, const void *opts UNUSED, const struct opt_words *words UNUSED)
{
	int status;
	_cleanup_(json_decrefp) json_t *reply = cli_fetch(c, "policy.get", NULL, &status);

	return reply ? print_rules(c, reply) : status;
}

const struct command cmd_filter_list = {
	.name = "filter list",
	.summary = "the rules by which members may open connections to each other",
	.details = "Any rule that denies or rejects wins, then any that allows; what no rule speaks of is "
		   "denied. "
		   "Built-in rules are shown, too. HITS: connections that the rule decided about, as nodes "
		   "report about once a minute.",
	.run = list_run,
};

/* A number from 1 on; false after a sentence. */
static bool version_of(struct cli *c, const char *word, json_int_t *ret_version, int *ret_status)
{
	char *end;

	*ret_version = strtoll(word, &end, 10);
	if (*end || *ret_version < 1) {
		*ret_status = cli_usage(c, "`tunnelmesh filter history` shows those that are kept",
			"a version of the policy is a number, not \"%.40s\"", word);
		return false;
	}
	return true;
}

/* To a file as it is; what would steer a terminal is no part of a policy that anybody misses there. */
static void print_text(struct cli *c, char *text)
{
	if (!c->screen.width) {
		fputs(text, c->out);
		return;
	}
	for (char *rest = text, *line; (line = text_split(&rest, "\n"));)
		if (rest || *line)
			fprintf(c->out, "%s\n", plain_make(line));
}

static int show_run(struct cli *c, const void *opts UNUSED, const struct opt_words *words)
{
	_cleanup_(json_decrefp) json_t *reply = NULL;
	json_int_t version = 0;
	struct diag d = {0};
	int status;

	if (words->n && !version_of(c, words->v[0], &version, &status))
		return status;
	int err = cli_ask_exact(c, "policy.get", version ? json_pack("{s:I}", "version", version) : NULL,
		ASK_TIMEOUT_MS, &reply, &d);
	if (err)
		return cli_fail(c, &d, err);
	if (c->g.json)
		return cli_json_take(c, json_incref(reply));
	_cleanup_(freep) char *text = strdup(json_text(reply, "text"));
	if (!text)
		return cli_failf(c, NULL, "%s", tm_strerror(TM_ENOMEM));
	print_text(c, text);
	return CLI_DONE;
}

const struct command cmd_filter_show = {
	.name = "filter show",
	.args = "[VERSION]",
	.summary = "the policy as it was written, to be edited and given to `filter set`",
	.max_words = 1,
	.run = show_run,
};

/* --- set, test --- */

struct text_opts {
	bool rebind;
};
static const struct opt text_options[] = {
	{"rebind", 0, OPT_FLAG, offsetof(struct text_opts, rebind), NULL,
		"names mean who is called so now, also those that meant others in the policy in force", 0, 0},
	{0},
};

static int set_run(struct cli *c, const void *opts, const struct opt_words *words)
{
	const struct text_opts *o = opts;
	int status;
	_cleanup_(json_decrefp) json_t *reply = filter_send(c, "policy.set", words->v[0], o->rebind, &status);

	return reply ? filter_accepted(c, reply) : status;
}

const struct command cmd_filter_set = {
	.name = "filter set",
	.args = "FILE",
	.summary = "put another policy in force, if it is one and its tests hold",
	.details = "FILE is YAML, - is standard input. A mistake, or a test that does not hold, is said with "
		   "its line, and "
		   "the policy in force stays. The language: docs/policy.md.",
	.opts = text_options,
	.defaults = &(const struct text_opts){.rebind = false},
	.opts_size = sizeof(struct text_opts),
	.min_words = 1,
	.max_words = 1,
	.run = set_run,
};

static int test_run(struct cli *c, const void *opts, const struct opt_words *words)
{
	const struct text_opts *o = opts;
	int status;
	_cleanup_(json_decrefp) json_t *reply =
		filter_send(c, "policy.test", words->v[0], o->rebind, &status);
	if (!reply)
		return status;

	filter_warn(c, reply);
	fprintf(c->out, "  it would be accepted; %lld tests hold\n", (long long)json_number(reply, "tests"));
	return CLI_DONE;
}

const struct command cmd_filter_test = {
	.name = "filter test",
	.args = "FILE",
	.summary = "would this policy be accepted? Changes nothing",
	.opts = text_options,
	.defaults = &(const struct text_opts){.rebind = false},
	.opts_size = sizeof(struct text_opts),
	.min_words = 1,
	.max_words = 1,
	.run = test_run,
};

/* --- history, rollback --- */

static void version_row(struct columns *t, const json_t *j, int64_t now)
{
	char age[FORMAT_LEN], bytes[FORMAT_LEN];

	columns_cellf(t, "%lld", (long long)json_number(j, "version"));
	columns_cell(t, format_age(json_number(j, "accepted_at"), now, age));
	columns_cell(t, json_text(j, "by"));
	columns_cell(t, format_bytes((uint64_t)json_number(j, "bytes"), bytes));
}

static int history_run(struct cli *c, const void *opts UNUSED, const struct opt_words *words UNUSED)
{
	static const char *const heads[] = {"VERSION", "ACCEPTED", "BY", "BYTES"};

	return listing_print(
		c, &(const struct listing){"policy.history", "versions", heads, ARRAY_LEN(heads), version_row,
			   "this mesh has no policy: every member may do everything"});
}

const struct command cmd_filter_history = {
	.name = "filter history",
	.summary = "the policies that were in force, newest first",
	.run = history_run,
};

static int rollback_run(struct cli *c, const void *opts UNUSED, const struct opt_words *words)
{
	json_int_t version;
	int status;

	if (!version_of(c, words->v[0], &version, &status))
		return status;
	_cleanup_(json_decrefp) json_t *reply =
		cli_fetch(c, "policy.rollback", json_pack("{s:I}", "version", version), &status);
	return reply ? filter_accepted(c, reply) : status;
}

const struct command cmd_filter_rollback = {
	.name = "filter rollback",
	.args = "VERSION",
	.summary = "put the policy of an earlier version in force again",
	.details = "It becomes a new version, so that nothing is lost. VERSION is one that `filter history` "
		   "shows.",
	.min_words = 1,
	.max_words = 1,
	.run = rollback_run,
};
