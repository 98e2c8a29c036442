/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* `bugreport`: what somebody needs to know who is to help, in one file, and nothing that is secret. */
#include <string.h>
#include <time.h>

#include "base/format.h"
#include "base/plain.h"
#include "base/time.h"
#include "cli/cmd/bugreport_parts.h"
#include "cli/core/commands.h"
#include "cli/core/gzip.h"
#include "mesh/model.h"
#include "os/os.h"
#include "wire/archive.h"

#define FOLDER "tunnelmesh-bugreport"
#define ABOUT "readme.txt"

struct bugreport_opts {
	const char *output;
};

static const struct opt bugreport_options[] = {
	{"output", 'o', OPT_TEXT, offsetof(struct bugreport_opts, output), "FILE",
		"write it there, instead of a file in this folder: one that is not there yet", 0, 0},
	{0},
};

struct report {
	struct strbuf text[BUGREPORT_PARTS];
	char missing[BUGREPORT_PARTS][sizeof(struct diag)]; /* why; "" = it is there */
	char node[NODE_NAME_MAX + 1];
	int64_t made; /* Unix seconds */
};

static void report_deinit(struct report *r)
{
	for (size_t i = 0; i < BUGREPORT_PARTS; i++)
		strbuf_deinit(&r->text[i]);
}

/* --- gathering --- */

static void gather_one(struct gathering *g, const struct bugreport_part *p, struct strbuf *out,
	char why[static sizeof(struct diag)])
{
	struct diag d = {0};
	char progress[96];

	snprintf(progress, sizeof(progress), "gathering %s", p->file);
	cli_progress(g->c, progress);
	int err = p->gather(g, p, out, &d);
	if (!err && out->failed)
		err = TM_ENOMEM;
	if (!err)
		return;
	diag_format(&d, err, why, sizeof(struct diag));
	if (!out->len) /* else it says so itself */
		strbuf_printf(out, "not there: %s\n", why);
}

/* As it is called in the mesh, else as this machine is. */
static void name_node(const struct gathering *g, struct report *r)
{
	_cleanup_(json_decrefp) json_t *status = NULL;
	struct diag ignored = {0};

	os_host_name(r->node, sizeof(r->node));
	if (!g->silent && cli_ask(g->c, "status", json_pack("{s:b}", "brief", 1), ASK_TIMEOUT_MS, &status,
				  &ignored) == TM_OK)
		snprintf(r->node, sizeof(r->node), "%s", json_text(json_object_get(status, "self"), "name"));
}

static void gather(struct cli *c, struct report *r)
{
	struct gathering g = {.c = c};

	r->made = time_real() / SEC;
	for (size_t i = 0; i < BUGREPORT_PARTS; i++)
		gather_one(&g, &bugreport_parts[i], &r->text[i], r->missing[i]);
	name_node(&g, r);
	cli_progress(c, NULL);
}

/* --- writing --- */

static void put_readme(const struct report *r, struct strbuf *out)
{
	strbuf_printf(out,
		"A bug report of the TunnelMesh node %s, made by `tunnelmesh bugreport` of "
		"version " TM_VERSION ".\n\n"
		"What is in it:\n\n",
		r->node);
	for (size_t i = 0; i < BUGREPORT_PARTS; i++)
		strbuf_printf(out, "  %-16s %s%s%s\n", bugreport_parts[i].file, bugreport_parts[i].about,
			*r->missing[i] ? "; not there, or not whole: " : "", r->missing[i]);
	strbuf_puts(out, "\nWhat is not in it: private keys, the secret of the mesh, join tokens, pre-shared "
			 "keys, the\n"
			 "passwords of proxies, values of the configuration that are not known to be "
			 "harmless, and what\n"
			 "packets carry.\n\n"
			 "What is in it all the same: names and addresses of machines, public keys, who did "
			 "what to the\n"
			 "mesh, the routes and firewall rules of this machine, and the log, which names what "
			 "it could not\n"
			 "read in the configuration. Look through it before you give it to somebody who is "
			 "not to know them.\n");
}

/* TM_ENOMEM alone. */
static int pack(const struct report *r, uint8_t **ret_bytes, size_t *ret_n)
{
	struct archive_file files[BUGREPORT_PARTS + 1] = {{.name = FOLDER "/" ABOUT}};
	_cleanup_(strbuf_deinit) struct strbuf readme = {0};

	put_readme(r, &readme);
	if (readme.failed)
		return TM_ENOMEM;
	files[0].p = (const uint8_t *)readme.s;
	files[0].n = readme.len;
	for (size_t i = 0; i < BUGREPORT_PARTS; i++) {
		files[i + 1].p = (const uint8_t *)r->text[i].s;
		files[i + 1].n = r->text[i].len;
		snprintf(files[i + 1].name, sizeof(files[0].name), FOLDER "/%s", bugreport_parts[i].file);
	}

	const size_t n = archive_size(files, ARRAY_LEN(files));
	_cleanup_(freep) uint8_t *tar = malloc(n);
	if (!tar)
		return TM_ENOMEM;
	archive_write(files, ARRAY_LEN(files), r->made, tar);
	return gzip_pack(tar, n, ret_bytes, ret_n);
}

static void default_name(const struct report *r, char *buf, size_t n)
{
	const time_t made = (time_t)r->made;
	char stamp[32] = "now";
	struct tm tm;

	if (localtime_r(&made, &tm))
		strftime(stamp, sizeof(stamp), "%Y%m%d-%H%M%S", &tm);
	snprintf(buf, n, FOLDER "-%s-%s.tar.gz", r->node, stamp);
}

/* --- showing --- */

static json_t *report_json(const struct report *r, const char *path, size_t n)
{
	json_t *parts = json_array(), *missing = json_array();

	for (size_t i = 0; i < BUGREPORT_PARTS; i++) {
		const char *file = bugreport_parts[i].file;

		if (*r->missing[i])
			json_array_append_new(
				missing, json_pack("{s:s, s:s}", "part", file, "why", r->missing[i]));
		else
			json_array_append_new(parts, json_string(file));
	}
	return json_pack("{s:b, s:s, s:I, s:o, s:o}", "ok", 1, "file", path, "bytes", (json_int_t)n, "parts",
		parts, "missing", missing);
}

static int say_done(struct cli *c, struct report *r, const char *path, size_t n)
{
	char size[FORMAT_LEN];

	for (size_t i = 0; i < BUGREPORT_PARTS; i++)
		plain_make(r->missing[i]);
	if (c->g.json)
		return cli_json_take(c, report_json(r, path, n));

	fprintf(c->out, "  %s (%s) has what this node and this machine say of themselves\n", path,
		format_bytes(n, size));
	for (size_t i = 0; i < BUGREPORT_PARTS; i++)
		if (*r->missing[i])
			fprintf(c->out, "  without %s, or not all of it: %s\n", bugreport_parts[i].file,
				r->missing[i]);
	text_said(c->out,
		"No keys, tokens or passwords are in it, but names and addresses of machines are: its " ABOUT
		" says what is where.",
		&c->screen);
	return CLI_DONE;
}

static int bugreport_run(struct cli *c, const void *opts, const struct opt_words *words UNUSED)
{
	const struct bugreport_opts *o = opts;
	_cleanup_(report_deinit) struct report r = {0};
	_cleanup_(freep) uint8_t *bytes = NULL;
	struct diag d = {0};
	char name[128];
	size_t n = 0;

	if (o->output && !*o->output)
		return cli_usage(c, NULL, "--output wants a file");
	/* Before it takes its time. */
	if (o->output && os_exists(o->output))
		return cli_failf(c, "choose another name, or remove it", "%s is there already", o->output);
	gather(c, &r);
	default_name(&r, name, sizeof(name));
	const char *path = o->output ? o->output : name;
	int err = pack(&r, &bytes, &n);
	if (!err)
		err = os_create_file(path, bytes, n, 0600, &d);
	return err ? cli_fail(c, &d, err) : say_done(c, &r, path, n);
}

const struct command cmd_bugreport = {
	.name = "bugreport",
	.summary = "what somebody needs to know who is to help, in one file without secrets",
	.details = "A tar.gz with mode 0600: version, configuration (what may be secret is hidden), what "
		   "status, peers, netcheck, doctor, metrics and events say, the last 50 changes of path of "
		   "each peer, routes, rules and firewall of this machine, and the end of the log. Asked by "
		   "root, it has all of that. Nothing is sent anywhere.",
	.opts = bugreport_options,
	.defaults = &(const struct bugreport_opts){0},
	.opts_size = sizeof(struct bugreport_opts),
	.run = bugreport_run,
};
