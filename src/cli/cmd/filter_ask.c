/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* `filter explain|diff|prove`: questions about the policy. */
#include <string.h>

#include "base/strbuf.h"
#include "cli/cmd/filter.h"
#include "cli/core/commands.h"

/* --- explain --- */

static void print_end(struct cli *c, const char *what, const char *who, const char *filter)
{
	if (!*filter)
		return;
	if (strcmp(who, filter) == 0)
		fprintf(c->out, "  %s asks it %s\n", filter, what);
	else
		fprintf(c->out, "  %s asks it for %s %s\n", filter, who, what);
}

static void print_rules(struct cli *c, const json_t *reply)
{
	const json_t *rules = json_object_get(reply, "rules"), *id;
	size_t i;

	if (json_array_size(rules) < 2)
		return;
	fprintf(c->out, "  also about it:");
	json_array_foreach (rules, i, id)
		if (i)
			fprintf(c->out, "%s %s", i > 1 ? "," : "", json_string_value(id));
	fprintf(c->out, "\n");
}

static const char *verb(const char *action)
{
	return strcmp(action, "allow") == 0 ? "allows" : strcmp(action, "reject") == 0 ? "rejects" : "denies";
}

static void print_decision(struct cli *c, const json_t *reply)
{
	const char *rule = json_text(reply, "rule"), *from = json_text(reply, "from"),
		   *to = json_text(reply, "to");

	fprintf(c->out, "  %s to %s, %s: ", from, to, json_text(reply, "service"));
	if (*rule)
		fprintf(c->out, "rule %s %s it\n", rule, verb(json_text(reply, "action")));
	else if (json_is_true(json_object_get(reply, "local")))
		fprintf(c->out, "denied, since no rule allows it, unless a rule of %s's own does\n", to);
	else
		fprintf(c->out, "denied, since no rule allows it\n");
}

static int explain_run(struct cli *c, const void *opts UNUSED, const struct opt_words *words)
{
	int status;
	_cleanup_(json_decrefp) json_t *reply = cli_fetch(c, "policy.explain",
		json_pack("{s:s, s:s, s:s}", "from", words->v[0], "to", words->v[1], "service", words->v[2]),
		&status);
	if (!reply)
		return status;

	print_decision(c, reply);
	print_rules(c, reply);
	print_end(c, "before it sends", json_text(reply, "from"), json_text(reply, "filter_from"));
	print_end(c, "when it receives", json_text(reply, "to"), json_text(reply, "filter_to"));
	return CLI_DONE;
}

const struct command cmd_filter_explain = {
	.name = "filter explain",
	.args = "FROM TO WHAT",
	.summary = "which rule decides over a connection, and where it is asked",
	.details = "FROM and TO are names, ids or addresses, of members or behind them; WHAT is tcp/22, "
		   "udp/53, icmp/echo.",
	.min_words = 3,
	.max_words = 3,
	.run = explain_run,
};

/* --- diff --- */

/* "a, b and 7 more" */
static void put_names(struct strbuf *b, const json_t *names, json_int_t n)
{
	const json_t *name;
	size_t i;

	json_array_foreach (names, i, name) {
		if (i == 4)
			break;
		strbuf_printf(b, "%s%s", i ? ", " : "", json_string_value(name));
	}
	if (n > 4)
		strbuf_printf(b, " and %lld more", (long long)n - 4);
}

static void print_change(struct cli *c, const json_t *j)
{
	bool gained = json_is_true(json_object_get(j, "gained"));
	const char *rule = json_text(j, gained ? "rule_after" : "rule_before");
	struct strbuf b = {0};

	strbuf_printf(&b, "  %c ", gained ? '+' : '-');
	put_names(&b, json_object_get(j, "from"), json_number(j, "n_from"));
	strbuf_puts(&b, " to ");
	put_names(&b, json_object_get(j, "to"), json_number(j, "n_to"));
	strbuf_printf(&b, ", %s", json_text(j, "service"));
	if (*rule)
		strbuf_printf(&b, " (rule %s)", rule);
	else if (json_is_true(json_object_get(j, "local")))
		strbuf_puts(&b, " (by rules of its own: local_allow)");
	fprintf(c->out, "%s\n", b.s ? b.s : "");
	strbuf_deinit(&b);
}

static int diff_run(struct cli *c, const void *opts UNUSED, const struct opt_words *words)
{
	int status;
	_cleanup_(json_decrefp) json_t *reply = filter_send(c, "policy.diff", words->v[0], false, &status);
	if (!reply)
		return status;

	const json_t *changes = json_object_get(reply, "changes"), *j;
	json_int_t all = json_number(reply, "changes_in_all");
	size_t i;
	json_array_foreach (changes, i, j)
		print_change(c, j);
	if (all > (json_int_t)json_array_size(changes))
		fprintf(c->out, "  and %lld changes more\n",
			(long long)all - (long long)json_array_size(changes));
	if (all == 0)
		fprintf(c->out, "  nobody could do more or less than now\n");
	filter_warn(c, reply);
	return CLI_DONE;
}

const struct command cmd_filter_diff = {
	.name = "filter diff",
	.args = "FILE",
	.summary = "who could do what with another policy that he cannot now, and the other way",
	.details =
		"+ is gained, - is lost. FILE must be a policy that would be accepted; nothing is changed.",
	.min_words = 1,
	.max_words = 1,
	.run = diff_run,
};

/* --- prove --- */

struct prove_opts {
	bool transitive;
};

static const struct opt prove_options[] = {
	{"transitive", 0, OPT_FLAG, offsetof(struct prove_opts, transitive), NULL,
		"nor by way of others who can be reached", 0, 0},
	{0},
};

static void print_nobody(struct cli *c, const json_t *reply)
{
	bool from = json_is_true(json_object_get(reply, "nobody_from")),
	     to = json_is_true(json_object_get(reply, "nobody_to"));
	const json_t *joined = json_object_get(reply, "if_joined");

	if (!from && !to)
		return;
	fprintf(c->out, "  but of nobody: %s no members\n",
		from && to ? "both sides have"
		: from     ? "the first side has"
			   : "the second side has");
	if (json_is_boolean(joined))
		fprintf(c->out, "  for a new member with such a tag it would %s\n",
			json_is_true(joined) ? "hold, too" : "NOT hold");
}

static void print_counter(struct cli *c, const json_t *reply)
{
	json_int_t all = json_number(reply, "violations_in_all");
	const json_t *hop;
	size_t i;

	fprintf(c->out, "  %s\n", json_text(reply, "counter"));
	if (json_array_size(json_object_get(reply, "path"))) {
		fprintf(c->out, "  by way of:");
		json_array_foreach (json_object_get(reply, "path"), i, hop)
			fprintf(c->out, "%s %s", i ? "," : "", json_string_value(hop));
		fprintf(c->out, "\n");
	}
	if (all > 1)
		fprintf(c->out, "  and %lld more of the kind: --json shows them\n", (long long)all - 1);
}

static int print_proof(struct cli *c, const json_t *reply, bool holds)
{
	const json_t *a;
	size_t i;

	fprintf(c->out, "  %s\n", holds ? "true" : "FALSE");
	if (!holds)
		print_counter(c, reply);
	print_nobody(c, reply);
	json_array_foreach (json_object_get(reply, "assumes"), i, a)
		fprintf(c->out, "%s%s", i ? "; " : "  not looked at: ", json_string_value(a));
	fprintf(c->out, "\n");
	return CLI_DONE;
}

static int prove_run(struct cli *c, const void *opts, const struct opt_words *words)
{
	const struct prove_opts *o = opts;
	struct strbuf sentence = {0};
	json_t *reply = NULL;
	struct diag d = {0};

	for (size_t i = 0; i < words->n; i++) /* in quotes or not */
		strbuf_printf(&sentence, "%s%s", i ? " " : "", words->v[i]);
	int err = cli_ask(c, "policy.prove",
		json_pack("{s:s, s:b}", "statement", sentence.s ? sentence.s : "", "transitive",
			(int)o->transitive),
		ASK_TIMEOUT_MS, &reply, &d);
	strbuf_deinit(&sentence);
	if (err)
		return cli_fail(c, &d, err);

	bool holds = json_is_true(json_object_get(reply, "holds"));
	int status = c->g.json ? cli_json_take(c, json_incref(reply)) : print_proof(c, reply, holds);
	json_decref(reply);
	return status == CLI_DONE && !holds ? CLI_FAILED : status;
}

const struct command cmd_filter_prove = {
	.name = "filter prove",
	.args = "SENTENCE",
	.summary = "is it true, for all members and ports? \"tag:guest cannot reach tag:db tcp/5432\"",
	.details = "Decided exactly, over everybody whom the selectors name, and nodes that could still join "
		   "by a token. "
		   "When it is false, a connection shows why, and the exit status is 1.",
	.opts = prove_options,
	.defaults = &(const struct prove_opts){.transitive = false},
	.opts_size = sizeof(struct prove_opts),
	.min_words = 1,
	.max_words = OPT_WORDS_MAX,
	.run = prove_run,
};
