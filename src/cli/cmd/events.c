/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* `events`: what happened to the mesh and to this node, and what happens now. */
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "base/time.h"
#include "cli/core/commands.h"
#include "cli/core/listing.h"
#include "os/interrupt.h"

enum {
	SINCE_DEFAULT_S = 7 * 86400,
	SINCE_MAX_S = 400 * 86400,
	FOLLOW_TIMEOUT_MS = 60000,
	MESH_EVERY_S = 5, /* what another machine's coordinator knows is asked for */
};

struct events_opts {
	bool follow;
	uint64_t since_s;
};

static const struct opt events_options[] = {
	{"follow", 'f', OPT_FLAG, offsetof(struct events_opts, follow), NULL,
		"go on with what happens, until interrupted", 0, 0},
	{"since", 0, OPT_DURATION, offsetof(struct events_opts, since_s), "TIME",
		"of the last TIME, such as 24h, instead of a week", 1, SINCE_MAX_S},
	{0},
};

/* What has been shown, so that nothing is shown twice. */
struct shown {
	int64_t node; /* the last that the node remembers */
	int64_t mesh; /* number of the last of the mesh */
	bool all; /* what is done to the mesh is among what the node remembers: it is the coordinator's */
	int trouble; /* why the coordinator did not tell, the last time that it was asked */
};

static bool is_mesh(const json_t *e)
{
	return strcmp(json_text(e, "origin"), "mesh") == 0;
}

static void print_one(struct cli *c, const json_t *e)
{
	const time_t at = (time_t)json_number(e, "happened_at");
	const char *level = json_text(e, "level");
	char stamp[32] = "-";
	struct tm tm;

	if (c->g.json) {
		json_dumpf(e, c->out, JSON_COMPACT | JSON_ENSURE_ASCII);
		fputc('\n', c->out);
		return;
	}
	if (localtime_r(&at, &tm))
		strftime(stamp, sizeof(stamp), "%Y-%m-%d %H:%M:%S", &tm);
	fprintf(c->out, "  %s  %s%s%s\n", stamp, strcmp(level, "info") == 0 ? "" : level,
		strcmp(level, "info") == 0 ? "" : ": ", json_text(e, "text"));
}

/* In the order in which it happened; of one second, as it came. */
static void add_in_order(json_t *all, json_t *e)
{
	size_t at = json_array_size(all);

	while (at && json_number(json_array_get(all, at - 1), "happened_at") > json_number(e, "happened_at"))
		at--;
	json_array_insert(all, at, e);
}

/* All that was done to the mesh and has not been shown. */
static int fetch_mesh(struct cli *c, int64_t since, json_t *all, struct shown *shown, struct diag *d)
{
	_cleanup_(json_decrefp) json_t *fields =
		json_pack("{s:I, s:I}", "since", (json_int_t)since, "after", (json_int_t)shown->mesh);
	_cleanup_(json_decrefp) json_t *reply = NULL;
	int err = listing_fetch(c, "event.list", "events", fields, &reply, d);
	json_t *e;
	size_t i;

	shown->trouble = err;
	if (err)
		return err;
	json_array_foreach (json_object_get(reply, "events"), i, e) {
		shown->mesh = MAX(shown->mesh, json_number(e, "number"));
		json_array_append(all, e);
	}
	return TM_OK;
}

/* The node's own come in between; what it knows of the mesh has been listed. */
static int fetch_node(struct cli *c, int64_t since, json_t *all, struct shown *shown, struct diag *d)
{
	_cleanup_(json_decrefp) json_t *reply = NULL;
	json_t *e;
	size_t i;
	int err = cli_ask(
		c, "events", json_pack("{s:I}", "since", (json_int_t)since), ASK_TIMEOUT_MS, &reply, d);

	if (err)
		return err;
	json_array_foreach (json_object_get(reply, "events"), i, e)
		if (!is_mesh(e))
			add_in_order(all, e);
	shown->node = json_number(reply, "last");
	shown->all = json_is_true(json_object_get(reply, "mesh"));
	return TM_OK;
}

static int show(struct cli *c, const json_t *all, const char *trouble)
{
	json_t *e;
	size_t i;

	json_array_foreach (all, i, e)
		print_one(c, e);
	if (!json_array_size(all))
		fputs("  nothing happened in that time\n", c->out);
	if (trouble)
		cli_note(c, "what the coordinator knows is missing: %s", trouble);
	return CLI_DONE;
}

/* Without the coordinator the node's own go on. That it is away is said once. */
static void follow_mesh(struct cli *c, int64_t since, struct shown *shown)
{
	_cleanup_(json_decrefp) json_t *all = json_array();
	const bool told = !shown->trouble;
	struct diag d = {0};
	json_t *e;
	size_t i;

	if (fetch_mesh(c, since, all, shown, &d) != TM_OK) {
		if (told)
			cli_note(c, "what the coordinator knows is missing for now: %s", d.what);
		return;
	}
	json_array_foreach (all, i, e)
		print_one(c, e);
}

static int follow_node(struct cli *c, struct shown *shown, struct diag *d)
{
	_cleanup_(json_decrefp) json_t *reply = NULL;
	json_t *e;
	size_t i;
	int err = cli_ask(c, "events",
		json_pack("{s:I, s:b, s:i}", "after", (json_int_t)shown->node, "wait", 1, "for_s",
			shown->all ? FOLLOW_TIMEOUT_MS / 1000 : MESH_EVERY_S),
		FOLLOW_TIMEOUT_MS, &reply, d);

	if (err)
		return err;
	json_array_foreach (json_object_get(reply, "events"), i, e) {
		if (is_mesh(e) && json_number(e, "number") <= shown->mesh)
			continue;
		if (is_mesh(e))
			shown->mesh = json_number(e, "number");
		print_one(c, e);
	}
	shown->node = json_number(reply, "last");
	return TM_OK;
}

static int follow(struct cli *c, int64_t since, struct shown *shown)
{
	ns_t next = time_monotonic(); /* the coordinator is asked again */
	struct diag d = {0};

	interrupt_catch();
	for (;;) {
		fflush(c->out);
		int err = follow_node(c, shown, &d);
		if (interrupt_came())
			return CLI_DONE;
		if (err)
			return cli_fail(c, &d, err);
		if (shown->all || time_monotonic() < next)
			continue;
		follow_mesh(c, since, shown);
		if (interrupt_came())
			return CLI_DONE;
		next = time_monotonic() + MESH_EVERY_S * SEC;
	}
}

static int events_run(struct cli *c, const void *opts, const struct opt_words *words UNUSED)
{
	const struct events_opts *o = opts;
	const int64_t since = (int64_t)(time_real() / SEC) - (int64_t)o->since_s;
	_cleanup_(json_decrefp) json_t *all = json_array();
	struct shown shown = {0};
	struct diag d = {0}, missing = {0};

	/* A node whose coordinator is away has its own all the same. */
	int not_told = fetch_mesh(c, since, all, &shown, &missing);
	int err = fetch_node(c, since, all, &shown, &d);
	if (err)
		return cli_fail(c, &d, err);
	if (c->g.json && !o->follow)
		return cli_json_take(c, json_pack("{s:b, s:O, s:s?}", "ok", 1, "events", all, "missing",
						not_told ? missing.what : NULL));
	int status =
		c->g.json && !json_array_size(all) ? CLI_DONE : show(c, all, not_told ? missing.what : NULL);
	return o->follow ? follow(c, since, &shown) : status;
}

const struct command cmd_events = {
	.name = "events",
	.summary = "what happened to the mesh and to this node: who did what, who came, moved and went",
	.details = "The coordinator keeps what was done to the mesh, and by whom, and when alarms of members "
		   "began and ended; on another machine that is what is about it, or was done by it. Each "
		   "node remembers what became of its peers, and warnings and errors of its log, until it "
		   "stops. With --follow and --json each event is a "
		   "line.",
	.opts = events_options,
	.defaults = &(const struct events_opts){.since_s = SINCE_DEFAULT_S},
	.opts_size = sizeof(struct events_opts),
	.run = events_run,
};
