/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* `node list|rename|alias|tag|remove`: the coordinator's registry. */
#include <string.h>

#include "base/format.h"
#include "base/time.h"
#include "cli/core/call.h"
#include "cli/core/columns.h"
#include "cli/core/commands.h"
#include "cli/core/listing.h"
#include "cli/core/peers.h"

static void node_row(struct columns *t, const json_t *j, int64_t now)
{
	bool online = json_is_true(json_object_get(j, "online"));
	char age[FORMAT_LEN], tags[1024], aliases[512];

	columns_cell(t, json_text(j, "name"));
	columns_cell(t, json_text(j, "ip4"));
	if (strcmp(json_text(j, "kind"), "client") == 0)
		columns_cell(t, NULL);
	else if (online)
		columns_tone(t, *json_text(j, "twin_from") ? "online twice" : "online",
			*json_text(j, "twin_from") ? TONE_BAD : TONE_GOOD);
	else
		columns_tone(t, format_age(json_number(j, "last_seen_at"), now, age), TONE_BAD);
	columns_cell(
		t, json_is_true(json_object_get(j, "coordinator")) ? "coordinator" : json_text(j, "kind"));
	columns_cell(t, words_text(json_object_get(j, "tags"), tags, sizeof(tags)));
	columns_cell(t, words_text(json_object_get(j, "aliases"), aliases, sizeof(aliases)));
	columns_cell(t, json_text(j, "version"));
	columns_cell(t, json_text(j, "id"));
	if (*json_text(j, "twin_from"))
		columns_cellf(t, "%s, %s", json_text(j, "link_from"), json_text(j, "twin_from"));
	else
		columns_cell(t, json_text(j, "link_from"));
	columns_cell(t, json_text(j, "ip6"));
	columns_cell(t, json_text(j, "os"));
}

static int list_run(struct cli *c, const void *opts UNUSED, const struct opt_words *words UNUSED)
{
	static const char *const heads[] = {
		"NAME", "IPV4", "SEEN", "KIND", "TAGS", "ALIASES", "VERSION", "ID", "FROM", "IPV6", "OS"};

	return listing_print(
		c, &(const struct listing){"node.list", "nodes", heads, ARRAY_LEN(heads), node_row, NULL});
}

const struct command cmd_node_list = {
	.name = "node list",
	.summary = "all members of the mesh, and when each was last seen",
	.run = list_run,
};

struct rename_opts {
	bool keep;
};

static const struct opt rename_options[] = {
	{"keep", 0, OPT_FLAG, offsetof(struct rename_opts, keep), NULL,
		"let the name that it had be an alias of it", 0, 0},
	{0},
};

static int rename_run(struct cli *c, const void *opts, const struct opt_words *words)
{
	const struct rename_opts *o = opts;
	int status;
	_cleanup_(json_decrefp) json_t *reply = cli_fetch(c, "node.rename",
		json_pack("{s:s, s:s, s:o*}", "node", words->v[0], "name", words->v[1], "keep",
			o->keep ? json_true() : NULL),
		&status);
	if (!reply)
		return status;

	fprintf(c->out, "  %s is now %s\n", words->v[0], words->v[1]);
	return CLI_DONE;
}

const struct command cmd_node_rename = {
	.name = "node rename",
	.args = "NODE NAME",
	.summary = "give a node another name; its addresses and tunnels stay",
	.details = "The old name means nobody from then on, unless --keep makes it an alias.",
	.opts = rename_options,
	.defaults = &(const struct rename_opts){.keep = false},
	.opts_size = sizeof(struct rename_opts),
	.min_words = 2,
	.max_words = 2,
	.run = rename_run,
};

/* Words that a node gets and loses. */
struct change_opts {
	struct opt_list add, remove;
};

static json_t *words_json(const struct opt_list *l)
{
	json_t *j = json_array();

	for (size_t i = 0; i < l->n; i++)
		json_array_append_new(j, json_string(l->v[i]));
	return j;
}

static json_t *change_json(const char *node, const struct change_opts *o)
{
	return json_pack("{s:s, s:o, s:o}", "node", node, "add", words_json(&o->add), "remove",
		words_json(&o->remove));
}

static const struct opt alias_options[] = {
	{"add", 0, OPT_LIST, offsetof(struct change_opts, add), "ALIAS",
		"let it be found by this name, too; may be repeated", 0, 0},
	{"remove", 0, OPT_LIST, offsetof(struct change_opts, remove), "ALIAS",
		"take this alias away; may be repeated", 0, 0},
	{0},
};

static int alias_run(struct cli *c, const void *opts, const struct opt_words *words)
{
	const struct change_opts *o = opts;
	char aliases[512];
	int status;

	if (!o->add.n && !o->remove.n)
		return cli_usage(c, NULL, "node alias wants --add ALIAS or --remove ALIAS");

	_cleanup_(json_decrefp) json_t *reply =
		cli_fetch(c, "node.alias", change_json(words->v[0], o), &status);
	if (!reply)
		return status;

	const json_t *node = json_object_get(reply, "node");
	words_text(json_object_get(node, "aliases"), aliases, sizeof(aliases));
	fprintf(c->out, *aliases ? "  %s has the aliases %s\n" : "  %s has no aliases\n",
		json_text(node, "name"), aliases);
	return CLI_DONE;
}

const struct command cmd_node_alias = {
	.name = "node alias",
	.args = "NODE",
	.summary = "change the aliases of a node: further names for it",
	.details =
		"In the DNS, in commands and in policies an alias means the node as its name does. Names and "
		"aliases of a mesh are one set: none is given twice.",
	.opts = alias_options,
	.defaults = &(const struct change_opts){.add.n = 0},
	.opts_size = sizeof(struct change_opts),
	.min_words = 1,
	.max_words = 1,
	.run = alias_run,
};

static const struct opt tag_options[] = {
	{"add", 0, OPT_LIST, offsetof(struct change_opts, add), "TAG", "give it this tag; may be repeated", 0,
		0},
	{"remove", 0, OPT_LIST, offsetof(struct change_opts, remove), "TAG",
		"take this tag away; may be repeated", 0, 0},
	{0},
};

static int tag_run(struct cli *c, const void *opts, const struct opt_words *words)
{
	const struct change_opts *o = opts;
	char tags[1024];
	int status;

	if (!o->add.n && !o->remove.n)
		return cli_usage(c, NULL, "node tag wants --add TAG or --remove TAG");

	_cleanup_(json_decrefp) json_t *reply =
		cli_fetch(c, "node.tag", change_json(words->v[0], o), &status);
	if (!reply)
		return status;

	const json_t *node = json_object_get(reply, "node");
	words_text(json_object_get(node, "tags"), tags, sizeof(tags));
	fprintf(c->out, *tags ? "  %s has the tags %s\n" : "  %s has no tags\n", json_text(node, "name"),
		tags);
	return CLI_DONE;
}

const struct command cmd_node_tag = {
	.name = "node tag",
	.args = "NODE",
	.summary = "change the tags of a node",
	.details = "It joined with those of its token. A node with the tag \"gateway\" may have WireGuard "
		   "devices (`client add`); those that it has stay when the tag goes. One with the tag "
		   "\"relay\" "
		   "may hand on traffic of others, if its configuration says `relay: offer`.",
	.opts = tag_options,
	.defaults = &(const struct change_opts){.add.n = 0},
	.opts_size = sizeof(struct change_opts),
	.min_words = 1,
	.max_words = 1,
	.run = tag_run,
};

static int remove_run(struct cli *c, const void *opts UNUSED, const struct opt_words *words)
{
	int status;
	size_t i;
	json_t *client;
	_cleanup_(json_decrefp) json_t *reply =
		cli_fetch(c, "node.remove", json_pack("{s:s}", "node", words->v[0]), &status);
	if (!reply)
		return status;

	fprintf(c->out, "  %s is removed; its tunnels are cut at every node\n", words->v[0]);
	json_array_foreach (json_object_get(reply, "clients"), i, client)
		fprintf(c->out, "%s%s", i ? ", " : "  removed with it, since they came through it: ",
			json_string_value(client));
	if (i)
		fputc('\n', c->out);
	return CLI_DONE;
}

const struct command cmd_node_remove = {
	.name = "node remove",
	.args = "NODE",
	.summary = "remove a node from the mesh and cut its tunnels at once",
	.details = "NODE is a name, an id or a mesh address. Any token with uses left lets it in again: "
		   "`token revoke` ends one. The WireGuard devices that it serves (`client add`) are removed "
		   "with it.",
	.min_words = 1,
	.max_words = 1,
	.run = remove_run,
};
