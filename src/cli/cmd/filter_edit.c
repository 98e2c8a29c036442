/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* `filter add|remove`: one rule more or less, of the policy or of this node's own. */
#include <inttypes.h>
#include <string.h>

#include "base/format.h"
#include "base/strbuf.h"
#include "cli/cmd/filter.h"
#include "cli/core/columns.h"
#include "cli/core/commands.h"
#include "cli/core/listing.h"
#include "policy/document.h"

static int change(struct cli *c, const char *cmd, json_t *fields)
{
	int status;
	_cleanup_(json_decrefp) json_t *reply = cli_fetch(c, cmd, fields, &status);

	return reply ? filter_accepted(c, reply) : status;
}

struct add_opts {
	const char *from, *to, *id;
	uint64_t ttl;
};

#define AT(field) offsetof(struct add_opts, field)
static const struct opt add_options[] = {
	{"from", 0, OPT_TEXT, AT(from), "WHO", "who opens connections: laptop, tag:ops, group:admins, any", 0,
		0},
	{"to", 0, OPT_TEXT, AT(to), "WHO", "to whom", 0, 0},
	{"id", 0, OPT_TEXT, AT(id), "ID", "a name for the rule (one that follows from what it says)", 0, 0},
	{"ttl", 0, OPT_DURATION, AT(ttl), "TIME",
		"a rule of this node's own, for so long: 10m, 2h; it denies or rejects what others open here "
		"(--from), or this node elsewhere (--to); where the policy grants that, it allows what "
		"others "
		"open here",
		1, 30 * 86400},
	{0},
};
#undef AT

/* On this node alone. */
static int add_local(struct cli *c, const struct add_opts *o, const char *action, const char *services)
{
	int status;

	if (!o->from == !o->to)
		return cli_usage(c, NULL,
			"a rule of this node's own needs --from or --to, the other end being this node");
	if (o->id)
		return cli_usage(c, NULL, "a rule of this node's own gets an id");
	_cleanup_(json_decrefp) json_t *reply = cli_fetch(c, "filter.add",
		json_pack("{s:s, s:s, s:s, s:b, s:I}", "action", action, "services", services, "who",
			o->from ? o->from : o->to, "outbound", !o->from, "ttl_s", (json_int_t)o->ttl),
		&status);
	if (!reply)
		return status;
	const json_t *rules = json_object_get(reply, "rules");
	fprintf(c->out, "  %s is in force on this node\n",
		json_text(json_array_get(rules, json_array_size(rules) - 1), "id"));
	return CLI_DONE;
}

static int add_run(struct cli *c, const void *opts, const struct opt_words *words)
{
	const struct add_opts *o = opts;
	enum policy_action action;

	if (!policy_action_parse(words->v[0], &action))
		return cli_usage(c, NULL, "a rule can allow, deny or reject, not \"%.40s\"", words->v[0]);
	if (o->ttl)
		return add_local(c, o, words->v[0], words->v[1]);
	if (!o->from || !o->to)
		return cli_usage(c, "--from any and --to any mean everybody", "a rule needs --from and --to");
	return change(c, "policy.add",
		json_pack("{s:s, s:s, s:s, s:s, s:s*, s:s}", "action", words->v[0], "services", words->v[1],
			"from", o->from, "to", o->to, "id", o->id, "by", filter_by()));
}

const struct command cmd_filter_add = {
	.name = "filter add",
	.args = "allow|deny|reject WHAT",
	.summary = "add a rule to the policy",
	.details =
		"WHAT is tcp/22, udp/5000-5010, tcp, icmp/echo, ping, any, or several with commas; so are "
		"--from and --to "
		"of nodes, tag:TAG, group:GROUP, route:PREFIX, members, any. With --ttl it is a rule of this "
		"node's own, on "
		"any node: it narrows what the policy allows, or allows of what it does not speak "
		"(local_allow).",
	.opts = add_options,
	.defaults = &(const struct add_opts){.from = NULL},
	.opts_size = sizeof(struct add_opts),
	.min_words = 2,
	.max_words = 2,
	.run = add_run,
};

static int remove_local(struct cli *c, const char *id)
{
	int status;
	_cleanup_(json_decrefp) json_t *reply =
		cli_fetch(c, "filter.remove", json_pack("{s:s}", "id", id), &status);

	if (!reply)
		return status;
	fprintf(c->out, "  %s is removed from this node\n", id);
	return CLI_DONE;
}

/* How long it is in force: for a time, or as long as it stands in the configuration. */
static void local_span(struct columns *t, const json_t *j)
{
	struct strbuf b = {0};
	char span[FORMAT_LEN];

	if (json_number(j, "line"))
		strbuf_printf(&b, "line %" PRId64 " of the configuration", json_number(j, "line"));
	else
		strbuf_puts(&b, format_span(json_number(j, "left_s"), span));
	if (*json_text(j, "absent"))
		strbuf_printf(&b, "; there is no node \"%s\"", json_text(j, "absent"));
	if (json_is_false(json_object_get(j, "granted")))
		strbuf_puts(&b, "; no effect: the policy of the mesh does not grant it");
	else if (json_is_false(json_object_get(j, "in_force")))
		strbuf_puts(&b, "; perhaps no effect now: `tunnelmesh status` says why");
	columns_cell(t, b.s ? b.s : "");
	strbuf_deinit(&b);
}

static void local_row(struct columns *t, const json_t *j, int64_t now UNUSED)
{
	bool outbound = json_is_true(json_object_get(j, "outbound"));

	columns_cell(t, json_text(j, "id"));
	columns_tone(t, json_text(j, "action"),
		strcmp(json_text(j, "action"), "allow") == 0 ? TONE_GOOD : TONE_BAD);
	columns_cell(t, json_text(j, "services"));
	columns_cell(t, outbound ? "this node" : json_text(j, "who"));
	columns_cell(t, outbound ? json_text(j, "who") : "this node");
	local_span(t, j);
}

static int local_run(struct cli *c, const void *opts UNUSED, const struct opt_words *words UNUSED)
{
	static const char *const heads[] = {"RULE", "ACTION", "WHAT", "FROM", "TO", "FOR"};

	return listing_print(
		c, &(const struct listing){"filter.list", "rules", heads, ARRAY_LEN(heads), local_row,
			   "this node has no rules of its own: the policy of the mesh holds"});
}

const struct command cmd_filter_local = {
	.name = "filter local",
	.summary = "rules of this node's own",
	.details =
		"`filter add --ttl 10m deny tcp/22 --from tag:guest` makes one, which ends with its time or "
		"with the daemon; others stand in its configuration, under \"filter:\".",
	.run = local_run,
};

static int remove_run(struct cli *c, const void *opts UNUSED, const struct opt_words *words)
{
	if (strncmp(words->v[0], "local-", 6) == 0)
		return remove_local(c, words->v[0]);
	return change(c, "policy.remove", json_pack("{s:s, s:s}", "id", words->v[0], "by", filter_by()));
}

const struct command cmd_filter_remove = {
	.name = "filter remove",
	.args = "RULE",
	.summary = "remove a rule from the policy",
	.details = "RULE is an id that `filter list` shows.",
	.min_words = 1,
	.max_words = 1,
	.run = remove_run,
};
