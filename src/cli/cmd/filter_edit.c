/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* `filter add|remove`: one rule of the policy more or less; its text is changed here, and judged there. */
#include <string.h>

#include "cli/cmd/filter.h"
#include "cli/core/commands.h"
#include "policy/edit.h"

/* No policy is like one without rules, but that adding to it denies what no rule allows: that is said. */
static json_t *fetch(struct cli *c, int *ret_status)
{
	json_t *reply = NULL;
	struct diag d = {0};

	int err = cli_ask_exact(c, "policy.get", NULL, ASK_TIMEOUT_MS, &reply, &d);
	if (err)
		*ret_status = cli_fail(c, &d, err);
	return reply;
}

static int put(struct cli *c, const json_t *before, const char *text)
{
	json_t *fields = filter_text(text, "policy");
	int status;

	/* Not over what somebody else has put in force meanwhile. */
	if (fields)
		json_object_set(fields, "if_version", json_object_get(before, "version"));
	_cleanup_(json_decrefp) json_t *reply = cli_fetch(c, "policy.set", fields, &status);
	return reply ? filter_accepted(c, reply) : status;
}

struct add_opts {
	const char *from, *to, *id;
};

#define AT(field) offsetof(struct add_opts, field)
static const struct opt add_options[] = {
	{"from", 0, OPT_TEXT, AT(from), "WHO", "who opens connections: laptop, tag:ops, group:admins, any", 0,
		0},
	{"to", 0, OPT_TEXT, AT(to), "WHO", "to whom", 0, 0},
	{"id", 0, OPT_TEXT, AT(id), "ID", "a name for the rule (one that follows from what it says)", 0, 0},
	{0},
};
#undef AT

static bool action_of(const char *word, enum policy_action *ret_a)
{
	for (unsigned a = POLICY_ALLOW; a <= POLICY_REJECT; a++)
		if (strcmp(word, policy_action_name((enum policy_action)a)) == 0) {
			*ret_a = (enum policy_action)a;
			return true;
		}
	return false;
}

static int add_run(struct cli *c, const void *opts, const struct opt_words *words)
{
	const struct add_opts *o = opts;
	struct policy_new_rule r = {.services = words->v[1], .from = o->from, .to = o->to, .id = o->id};
	_cleanup_(freep) char *text = NULL;
	struct diag d = {0};
	int status;

	if (!action_of(words->v[0], &r.action))
		return cli_usage(c, NULL, "a rule can allow, deny or reject, not \"%.40s\"", words->v[0]);
	if (!r.from || !r.to)
		return cli_usage(c, "--from any and --to any mean everybody", "a rule needs --from and --to");
	_cleanup_(json_decrefp) json_t *before = fetch(c, &status);
	if (!before)
		return status;
	int err = policy_edit_add(json_text(before, "text"), &r, &text, &d);
	return err ? cli_fail(c, &d, err) : put(c, before, text);
}

const struct command cmd_filter_add = {
	.name = "filter add",
	.args = "allow|deny|reject WHAT",
	.summary = "add a rule to the policy",
	.details = "WHAT is tcp/22, udp/5000-5010, tcp, icmp/echo, ping, any, or several with commas; so are "
		   "--from and --to "
		   "of nodes, tag:TAG, group:GROUP, route:PREFIX, any.",
	.opts = add_options,
	.defaults = &(const struct add_opts){.from = NULL},
	.opts_size = sizeof(struct add_opts),
	.min_words = 2,
	.max_words = 2,
	.run = add_run,
};

static int remove_run(struct cli *c, const void *opts UNUSED, const struct opt_words *words)
{
	_cleanup_(freep) char *text = NULL;
	struct diag d = {0};
	int status;
	_cleanup_(json_decrefp) json_t *before = fetch(c, &status);

	if (!before)
		return status;
	int err = policy_edit_remove(json_text(before, "text"), words->v[0], &text, &d);
	return err ? cli_fail(c, &d, err) : put(c, before, text);
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
