/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* `route advertise|withdraw|list|approve|reject`: networks behind nodes. */
#include <string.h>

#include "cli/core/columns.h"
#include "cli/core/commands.h"
#include "cli/core/listing.h"
#include "os/words/words.h"

/* --- of this machine --- */

struct advertise_opts {
	bool ha, no_snat;
};

static const struct opt advertise_options[] = {
	{"ha", 0, OPT_FLAG, offsetof(struct advertise_opts, ha), NULL,
		"another node may lead there as well, and says so, too: one takes over when the other fails",
		0, 0},
	{"no-snat", 0, OPT_FLAG, offsetof(struct advertise_opts, no_snat), NULL,
		"what comes out of the mesh keeps its address: the network needs a route back to the mesh", 0,
		0},
	{0},
};

static json_t *nets_json(const struct opt_words *words)
{
	json_t *j = json_array();

	for (size_t i = 0; i < words->n; i++)
		json_array_append_new(j, json_string(words->v[i]));
	return j;
}

static void print_own(struct cli *c, const json_t *reply)
{
	bool waits = false;
	json_t *r;
	size_t i;

	json_array_foreach (json_object_get(reply, "routes"), i, r) {
		const bool approved = json_is_true(json_object_get(r, "approved"));

		fprintf(c->out, "  this machine offers %s%s%s%s\n", json_text(r, "net"),
			json_is_true(json_object_get(r, "ha")) ? ", as others may" : "",
			json_is_false(json_object_get(r, "snat")) ? ", without its own address" : "",
			approved ? "" : ", which is not approved yet");
		waits |= !approved;
	}
	if (i == 0)
		fputs("  this machine offers no network\n", c->out);
	if (waits)
		fputs("  on the coordinator, `tunnelmesh route approve NODE NETWORK` approves it\n", c->out);
	if (json_is_false(json_object_get(reply, "told")))
		fputs("  there is no link to the coordinator, which is told when there is one\n", c->out);
}

static int advertise_run(struct cli *c, const void *opts, const struct opt_words *words)
{
	const struct advertise_opts *o = opts;
	int status;
	_cleanup_(json_decrefp) json_t *reply = cli_fetch(c, "route.advertise",
		json_pack("{s:o, s:b, s:b}", "nets", nets_json(words), "ha", o->ha, "snat", !o->no_snat),
		&status);
	if (!reply)
		return status;

	print_own(c, reply);
	return CLI_DONE;
}

const struct command cmd_route_advertise = {
	.name = "route advertise",
	.args = "NETWORK...",
	.summary = "offer networks behind this machine to the mesh",
	.details = "Such as 192.168.1.0/24. When the administrator has approved them (`route approve` on the "
		   "coordinator), other members reach them through this machine, which forwards and, unless "
		   "told otherwise, gives what comes out of the mesh an address of its own. It is kept: "
		   "`route withdraw` ends it. `routes` in the configuration does the same.",
	.opts = advertise_options,
	.defaults = &(const struct advertise_opts){0},
	.opts_size = sizeof(struct advertise_opts),
	.min_words = 1,
	.max_words = OPT_WORDS_MAX,
	.run = advertise_run,
};

static int withdraw_run(struct cli *c, const void *opts UNUSED, const struct opt_words *words)
{
	int status;
	_cleanup_(json_decrefp) json_t *reply =
		cli_fetch(c, "route.withdraw", json_pack("{s:o}", "nets", nets_json(words)), &status);
	if (!reply)
		return status;

	print_own(c, reply);
	return CLI_DONE;
}

const struct command cmd_route_withdraw = {
	.name = "route withdraw",
	.args = "NETWORK...",
	.summary = "offer networks behind this machine no longer",
	.min_words = 1,
	.max_words = OPT_WORDS_MAX,
	.run = withdraw_run,
};

/* --- of the mesh --- */

static void route_row(struct columns *t, const json_t *j, int64_t now UNUSED)
{
	const bool offered = json_is_true(json_object_get(j, "offered")),
		   approved = json_is_true(json_object_get(j, "approved"));

	columns_cell(t, json_text(j, "net"));
	columns_cell(t, json_text(j, "node"));
	if (offered && approved)
		columns_tone(t, "approved", TONE_GOOD);
	else if (offered)
		columns_tone(t, "not approved", TONE_BAD);
	else
		columns_cell(t, "not offered");
	columns_cell(t, json_is_true(json_object_get(j, "ha")) ? "yes" : NULL);
	columns_cell(t, json_is_true(json_object_get(j, "online")) ? "online" : "offline");
}

static int list_run(struct cli *c, const void *opts UNUSED, const struct opt_words *words UNUSED)
{
	static const char *const heads[] = {"NETWORK", "NODE", "STATE", "HA", "NODE IS"};

	return listing_print(
		c, &(const struct listing){"route.list", "routes", heads, ARRAY_LEN(heads), route_row,
			   "no networks yet: `" OS_SUDO
			   "tunnelmesh route advertise NETWORK` on the machine that is in it"});
}

const struct command cmd_route_list = {
	.name = "route list",
	.summary = "the networks behind nodes, and which of them are approved",
	.run = list_run,
};

static int decide(struct cli *c, const char *cmd, const struct opt_words *words, const char *done)
{
	int status;
	_cleanup_(json_decrefp) json_t *reply =
		cli_fetch(c, cmd, json_pack("{s:s, s:s}", "node", words->v[0], "net", words->v[1]), &status);
	json_t *r;
	size_t i;

	if (!reply)
		return status;
	fprintf(c->out, "  %s of %s is %s\n", words->v[1], words->v[0], done);
	json_array_foreach (json_object_get(reply, "routes"), i, r)
		if (strcmp(json_text(r, "net"), words->v[1]) == 0 &&
			json_is_false(json_object_get(r, "offered")))
			fputs("  the node does not offer it now; it counts as soon as it does\n", c->out);
	return CLI_DONE;
}

static int approve_run(struct cli *c, const void *opts UNUSED, const struct opt_words *words)
{
	return decide(c, "route.approve", words, "approved: members reach it through that node");
}

const struct command cmd_route_approve = {
	.name = "route approve",
	.args = "NODE NETWORK|exit",
	.summary = "let members reach a network through a node, or the internet (exit)",
	.details =
		"On the coordinator. NODE is a name, an id or a mesh address. A network may be approved "
		"before "
		"the node offers it. Two nodes lead to one network, or to one inside the other, only if both "
		"say so (`route advertise --ha`).",
	.min_words = 2,
	.max_words = 2,
	.run = approve_run,
};

static int reject_run(struct cli *c, const void *opts UNUSED, const struct opt_words *words)
{
	return decide(c, "route.reject", words, "not approved any more");
}

const struct command cmd_route_reject = {
	.name = "route reject",
	.args = "NODE NETWORK|exit",
	.summary = "take an approval back",
	.min_words = 2,
	.max_words = 2,
	.run = reject_run,
};
