/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* `whois`: whose an address is. */
#include <string.h>

#include "cli/core/commands.h"

static void print(struct cli *c, const json_t *reply)
{
	const char *via = json_text(reply, "via_name");
	const json_t *tags = json_object_get(reply, "tags"), *tag;
	size_t i;

	fprintf(c->out, "  %-8s %s%s%s\n", "name", json_text(reply, "dns_name"),
		json_is_true(json_object_get(reply, "coordinator")) ? ", the coordinator" : "",
		json_is_true(json_object_get(reply, "self")) ? ", this machine" : "");
	if (*via)
		fprintf(c->out, "  %-8s WireGuard device behind %s\n", "kind", via);
	fprintf(c->out, "  %-8s %s, %s\n", "address", json_text(reply, "ip4"), json_text(reply, "ip6"));
	fprintf(c->out, "  %-8s ", "tags");
	json_array_foreach (tags, i, tag)
		fprintf(c->out, "%s%s", i ? ", " : "", json_string_value(tag));
	fprintf(c->out, "%s\n  %-8s %s\n", json_array_size(tags) ? "" : "none", "id", json_text(reply, "id"));
}

static int whois_run(struct cli *c, const void *opts UNUSED, const struct opt_words *words)
{
	int status;
	_cleanup_(json_decrefp) json_t *reply =
		cli_fetch(c, "whois", json_pack("{s:s}", "who", words->v[0]), &status);

	if (!reply)
		return status;
	print(c, reply);
	return CLI_DONE;
}

const struct command cmd_whois = {
	.name = "whois",
	.args = "ADDRESS[:PORT]|NAME",
	.summary = "which member an address belongs to",
	.details =
		"As logs of services have it, with or without a port. WireGuard lets a member send from "
		"its own addresses alone, so whoever is named here has sent it (of a WireGuard device: it, "
		"or the node that it is behind).",
	.min_words = 1,
	.max_words = 1,
	.run = whois_run,
};
