/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* `dns status|query`: how names of the mesh are answered on this machine, and what the answer is. */
#include <inttypes.h>
#include <string.h>

#include "cli/core/columns.h"
#include "cli/core/commands.h"

/* --- status --- */

static void print_served(struct cli *c, const json_t *reply)
{
	const json_t *listen = json_object_get(reply, "listen"), *at;
	const bool mesh = strcmp(json_text(reply, "serve"), "mesh") == 0;
	size_t i;

	json_array_foreach (listen, i, at) {
		if (json_is_true(json_object_get(at, "open")))
			fprintf(c->out, "  %-10s %s\n", i == 0 ? "served at" : "", json_text(at, "address"));
		else
			fprintf(c->out, "  %-10s %s: %s\n", i == 0 ? "served at" : "", "not there",
				json_text(at, "why_not"));
	}
	fprintf(c->out, "  %-10s %s\n", "served to",
		mesh ? "this machine and the other members" : "the programs of this machine");
}

static void print_resolver(struct cli *c, const json_t *reply)
{
	const json_t *r = json_object_get(reply, "resolver");
	const char *way = json_text(r, "way"), *why = json_text(r, "why");

	fprintf(c->out, "  %-10s %s%s%s\n", "asked by",
		json_is_true(json_object_get(r, "in_force")) ? way : "nobody of itself", *why ? ": " : "",
		why);
	if (*json_text(r, "problem"))
		fprintf(c->out, "  %-10s %s\n", "", json_text(r, "problem"));
	if (*json_text(r, "doubt"))
		fprintf(c->out, "  %-10s %s\n", "", json_text(r, "doubt"));
}

static void print_questions(struct cli *c, const json_t *reply)
{
	const json_t *q = json_object_get(reply, "questions"), *n;
	const char *what, *gap = "";

	fprintf(c->out, "  %-10s ", "questions");
	json_object_foreach ((json_t *)(uintptr_t)q, what, n) {
		fprintf(c->out, "%s%" JSON_INTEGER_FORMAT " %s", gap, json_integer_value(n), what);
		gap = ", ";
	}
	fputc('\n', c->out);
}

static int status_run(struct cli *c, const void *opts UNUSED, const struct opt_words *words UNUSED)
{
	int status;
	_cleanup_(json_decrefp) json_t *reply = cli_fetch(c, "dns.status", NULL, &status);

	if (!reply)
		return status;
	fprintf(c->out, "  %-10s NAME.%s\n", "names", json_text(reply, "zone"));
	if (!json_is_true(json_object_get(reply, "enabled"))) {
		fprintf(c->out, "  %-10s nowhere: dns.enabled is no in the configuration\n", "served at");
		return CLI_DONE;
	}
	print_served(c, reply);
	print_resolver(c, reply);
	print_questions(c, reply);
	return CLI_DONE;
}

const struct command cmd_dns_status = {
	.name = "dns status",
	.summary = "where names of the mesh are answered, to whom, and how programs get there",
	.run = status_run,
};

/* --- query --- */

struct query_opts {
	const char *type;
};

static const struct opt query_options[] = {
	{"type", 't', OPT_TEXT, offsetof(struct query_opts, type), "TYPE",
		"A, AAAA, PTR, NS or SOA instead of both addresses", 0, 0},
	{0},
};

static int print_nothing(struct cli *c, const char *name, const char *rcode)
{
	if (strcmp(rcode, "NXDOMAIN") == 0)
		return cli_failf(c, "see `tunnelmesh peers`", "there is no name %s in this mesh", name);
	if (strcmp(rcode, "REFUSED") == 0)
		return cli_failf(c, NULL, "%s is no name of this mesh", name);
	if (strcmp(rcode, "SERVFAIL") == 0)
		return cli_failf(
			c, "see `tunnelmesh status`", "this node does not know the members of its mesh");
	return cli_failf(c, NULL, "%s has no records of that type", name);
}

static int query_run(struct cli *c, const void *opts, const struct opt_words *words)
{
	const struct query_opts *o = opts;
	int status;
	_cleanup_(json_decrefp) json_t *reply = cli_fetch(c, "dns.query",
		json_pack("{s:s, s:s}", "name", words->v[0], "type", o->type ? o->type : ""), &status);
	const json_t *records = json_object_get(reply, "records"), *r;
	const char *name = json_text(reply, "name");
	size_t i;

	if (!reply)
		return status;
	if (json_array_size(records) == 0)
		return print_nothing(c, name, json_text(reply, "rcode"));
	json_array_foreach (records, i, r)
		fprintf(c->out, "  %s  %-4s  %s\n", name, json_text(r, "type"), json_text(r, "data"));
	return CLI_DONE;
}

const struct command cmd_dns_query = {
	.name = "dns query",
	.args = "NAME|ADDRESS",
	.summary = "what this node answers when it is asked for a name",
	.details = "The daemon is asked itself, whatever the resolver of this machine does. A name without a "
		   "dot "
		   "is one of the mesh; this.mesh is the coordinator. For an address the answer is its name.",
	.opts = query_options,
	.defaults = &(const struct query_opts){0},
	.opts_size = sizeof(struct query_opts),
	.min_words = 1,
	.max_words = 1,
	.run = query_run,
};
