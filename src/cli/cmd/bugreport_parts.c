/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "cli/cmd/bugreport_parts.h"

#include <string.h>

#include "cli/cmd/doctor.h"
#include "cli/cmd/netcheck.h"
#include "cli/core/daemon.h"
#include "cli/core/listing.h"
#include "cli/core/redact.h"
#include "os/os.h"
#include "os/run.h"

enum {
	CONFIG_MAX = 256 << 10,
	LOG_MAX = 8 << 20, /* that is read */
	TAIL_MAX = 512 << 10, /* that is shown of it */
	PRINTED_MAX = 1 << 20, /* of one program */
	RUN_TIMEOUT_MS = 10000,
};

/* --- what the daemon says --- */

/* Who does not answer once would let every question wait. */
static int heard(struct gathering *g, int err, const struct diag *d)
{
	if (err == TM_ENOENT || err == TM_ETIMEOUT || err == TM_ECLOSED) {
		g->silent = err;
		g->why = *d;
	}
	return err;
}

static int put_json(json_t *j_take, struct strbuf *out)
{
	char *text = j_take ? json_dumps(j_take, JSON_INDENT(2) | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(15))
			    : NULL;

	json_decref(j_take);
	if (!text)
		return TM_ENOMEM;
	strbuf_puts(out, text);
	strbuf_puts(out, "\n");
	free(text);
	return TM_OK;
}

static int is_silent(const struct gathering *g, struct diag *d)
{
	if (g->silent)
		*d = g->why;
	return g->silent;
}

static int gather_answer(
	struct gathering *g, const struct bugreport_part *p, struct strbuf *out, struct diag *d)
{
	json_t *reply = NULL;
	int err = is_silent(g, d);

	if (!err && p->list)
		err = heard(g, listing_fetch(g->c, p->ask, p->list, NULL, &reply, d), d);
	else if (!err)
		err = heard(g, cli_ask_exact(g->c, p->ask, NULL, ASK_TIMEOUT_MS, &reply, d), d);
	return err ? err : put_json(reply, out);
}

static int gather_metrics(
	struct gathering *g, const struct bugreport_part *p, struct strbuf *out, struct diag *d)
{
	_cleanup_(json_decrefp) json_t *reply = NULL;
	int err = is_silent(g, d);

	if (!err)
		err = heard(g, cli_ask_exact(g->c, p->ask, NULL, ASK_TIMEOUT_MS, &reply, d), d);
	if (!err)
		strbuf_puts(out, json_text(reply, "text"));
	return err;
}

static int gather_netcheck(
	struct gathering *g, const struct bugreport_part *p UNUSED, struct strbuf *out, struct diag *d)
{
	json_t *reply = NULL;
	int err = is_silent(g, d);

	if (!err)
		err = heard(g, netcheck_fetch(g->c, false, &reply, d), d);
	return err ? err : put_json(reply, out);
}

static int gather_doctor(
	struct gathering *g, const struct bugreport_part *p UNUSED, struct strbuf *out, struct diag *d UNUSED)
{
	return put_json(doctor_report(g->c), out);
}

/* --- what is on this machine --- */

static int gather_config(
	struct gathering *g, const struct bugreport_part *p UNUSED, struct strbuf *out, struct diag *d)
{
	_cleanup_(freep) char *text = NULL;
	size_t n = 0;
	int err = os_read_file(g->c->paths.config, CONFIG_MAX, &text, &n, d);

	if (!err)
		redact_config(text, n, out);
	return err;
}

/* What it printed until it failed is kept, with the reason. */
static int put_run(const char *const *argv, struct strbuf *out, struct diag *d)
{
	char text[sizeof(struct diag)];

	strbuf_puts(out, "$");
	for (size_t i = 0; argv[i]; i++)
		strbuf_printf(out, " %s", argv[i]);
	strbuf_puts(out, "\n");
	int err = os_run(
		&(const struct os_run){
			.argv = argv, .timeout_ms = RUN_TIMEOUT_MS, .whole = out, .whole_max = PRINTED_MAX},
		d);
	if (err)
		strbuf_printf(out, "(%s)\n", diag_format(d, err, text, sizeof(text)));
	strbuf_puts(out, "\n");
	return err;
}

/* It is there when one of them had something to say; else why the first had not. */
static int gather_runs(
	struct gathering *g UNUSED, const struct bugreport_part *p, struct strbuf *out, struct diag *d)
{
	const char *const *const *programs = os_report_programs(p->shown);
	int err = put_run(programs[0], out, d);

	for (size_t i = 1; programs[i]; i++) {
		struct diag ignored = {0};

		if (put_run(programs[i], out, &ignored) == TM_OK)
			err = TM_OK;
	}
	return err;
}

static int gather_version(
	struct gathering *g, const struct bugreport_part *p, struct strbuf *out, struct diag *d)
{
	strbuf_puts(out, "tunnelmesh " TM_VERSION "\n\n");
	(void)!gather_runs(g, p, out, d); /* ours is there */
	return TM_OK;
}

/* Whole lines. */
static void put_tail(const char *text, size_t n, struct strbuf *out)
{
	const char *from = text + (n > TAIL_MAX ? n - TAIL_MAX : 0);
	const char *line = from > text ? memchr(from, '\n', (size_t)(text + n - from)) : NULL;

	from = line ? line + 1 : from;
	strbuf_add(out, from, (size_t)(text + n - from));
}

static int gather_log(
	struct gathering *g, const struct bugreport_part *p UNUSED, struct strbuf *out, struct diag *d)
{
	const char *journal[OS_REPORT_LOG_ARGS];
	_cleanup_(freep) char *text = NULL;
	size_t n = 0;

	if (daemon_by_systemd(g->c)) {
		os_report_log(g->c->paths.unit, journal);
		return put_run(journal, out, d);
	}
	int err = os_read_file(g->c->paths.log, LOG_MAX, &text, &n, d);
	if (!err)
		put_tail(text, n, out);
	return err;
}

/* --- all of it --- */

const struct bugreport_part bugreport_parts[BUGREPORT_PARTS] = {
	{"version.txt", "versions: of tunnelmesh, of the kernel, of the system", gather_version,
		.shown = OS_REPORT_SYSTEM},
	{"config.txt", "the configuration; values that may be secret, or say who you are, are " REDACTED,
		gather_config, NULL, NULL, OS_REPORT_NONE},
	{"doctor.json", "what `doctor` finds wrong", gather_doctor, NULL, NULL, OS_REPORT_NONE},
	{"status.json", "`status`: this node, its link, its peers by which path, what was dropped and why",
		gather_answer, "status", NULL, OS_REPORT_NONE},
	{"peers.json", "`peers`: all members, with their public keys", gather_answer, "peers", NULL,
		OS_REPORT_NONE},
	{"paths.json", "the last 50 changes of path of each peer: when, from what, to what, why",
		gather_answer, "paths", "peers", OS_REPORT_NONE},
	{"netcheck.json", "`netcheck`: what stands between this machine and the others", gather_netcheck,
		NULL, NULL, OS_REPORT_NONE},
	{"metrics.txt", "`metrics`: figures of this node", gather_metrics, "metrics", NULL, OS_REPORT_NONE},
	{"events.json", "what this node remembers of what happened to it", gather_answer, "events", NULL,
		OS_REPORT_NONE},
	{"mesh-events.json", "what the coordinator knows: who did what to the mesh", gather_answer,
		"event.list", "events", OS_REPORT_NONE},
	{"nodes.json", "`node list`: versions and last signs of life of all nodes", gather_answer,
		"node.list", "nodes", OS_REPORT_NONE},
	{"dns.json", "`dns status`: how names of the mesh are answered here", gather_answer, "dns.status",
		NULL, OS_REPORT_NONE},
	{"routes.json", "`route list`: networks behind nodes", gather_answer, "route.list", "routes",
		OS_REPORT_NONE},
	{"addresses.txt", "interfaces and addresses of this machine", gather_runs,
		.shown = OS_REPORT_ADDRESSES},
	{"routing.txt", "routes and rules of this machine", gather_runs, .shown = OS_REPORT_ROUTES},
	{"firewall.txt", "the firewall of this machine", gather_runs, .shown = OS_REPORT_FIREWALL},
	{"resolver.txt", "how this machine resolves names", gather_runs, .shown = OS_REPORT_RESOLVER},
	{"log.txt", "the end of the daemon's log; from the journal, newest first", gather_log, NULL, NULL,
		OS_REPORT_NONE},
};
