/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* `node list|rename|remove`: the coordinator's registry. */
#include <string.h>

#include "base/time.h"
#include "cli/core/call.h"
#include "cli/core/columns.h"
#include "cli/core/commands.h"
#include "cli/core/format.h"
#include "cli/core/listing.h"
#include "cli/core/peers.h"

static void node_row(struct columns *t, const json_t *j, int64_t now)
{
	bool online = json_is_true(json_object_get(j, "online"));
	char age[FORMAT_LEN], tags[1024];

	columns_cell(t, json_text(j, "name"));
	columns_cell(t, json_text(j, "ip4"));
	if (strcmp(json_text(j, "kind"), "client") == 0)
		columns_cell(t, NULL);
	else if (online)
		columns_tone(t, "online", TONE_GOOD);
	else
		columns_tone(t, format_age(json_number(j, "last_seen_at"), now, age), TONE_BAD);
	columns_cell(
		t, json_is_true(json_object_get(j, "coordinator")) ? "coordinator" : json_text(j, "kind"));
	columns_cell(t, tags_text(json_object_get(j, "tags"), tags, sizeof(tags)));
	columns_cell(t, json_text(j, "version"));
	columns_cell(t, json_text(j, "id"));
	columns_cell(t, json_text(j, "link_from"));
	columns_cell(t, json_text(j, "ip6"));
	columns_cell(t, json_text(j, "os"));
}

static int list_run(struct cli *c, const void *opts UNUSED, const struct opt_words *words UNUSED)
{
	static const char *const heads[] = {
		"NAME", "IPV4", "SEEN", "KIND", "TAGS", "VERSION", "ID", "FROM", "IPV6", "OS"};

	return listing_print(
		c, &(const struct listing){"node.list", "nodes", heads, ARRAY_LEN(heads), node_row, NULL});
}

const struct command cmd_node_list = {
	.name = "node list",
	.summary = "all members of the mesh, and when each was last seen",
	.run = list_run,
};

static int rename_run(struct cli *c, const void *opts UNUSED, const struct opt_words *words)
{
	int status;
	_cleanup_(json_decrefp) json_t *reply = cli_fetch(
		c, "node.rename", json_pack("{s:s, s:s}", "node", words->v[0], "name", words->v[1]), &status);
	if (!reply)
		return status;

	fprintf(c->out, "  %s is now %s\n", words->v[0], words->v[1]);
	return CLI_DONE;
}

const struct command cmd_node_rename = {
	.name = "node rename",
	.args = "NODE NAME",
	.summary = "give a node another name; its addresses and tunnels stay",
	.min_words = 2,
	.max_words = 2,
	.run = rename_run,
};

static int remove_run(struct cli *c, const void *opts UNUSED, const struct opt_words *words)
{
	int status;
	_cleanup_(json_decrefp) json_t *reply =
		cli_fetch(c, "node.remove", json_pack("{s:s}", "node", words->v[0]), &status);
	if (!reply)
		return status;

	fprintf(c->out, "  %s is removed; its tunnels are cut at every node\n", words->v[0]);
	return CLI_DONE;
}

const struct command cmd_node_remove = {
	.name = "node remove",
	.args = "NODE",
	.summary = "remove a node from the mesh and cut its tunnels at once",
	.details = "NODE is a name or an id. It needs a new token to come back.",
	.min_words = 1,
	.max_words = 1,
	.run = remove_run,
};
