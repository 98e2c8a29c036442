/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* `bench`: how much goes through the tunnel to a node, and what that does to its latency. */
#include <string.h>

#include "bench/client.h"
#include "cli/cmd/bench_report.h"
#include "cli/core/call.h"
#include "cli/core/commands.h"
#include "cli/core/peers.h"
#include "os/interrupt.h"

struct bench_opts {
	bool v4, v6;
	ns_t time;
	uint32_t parallel;
	uint16_t port;
};

#define AT(field) offsetof(struct bench_opts, field)
static const struct opt bench_options[] = {
	{"ipv4", '4', OPT_FLAG, AT(v4), NULL, "to its IPv4 address (the default)", 0, 0},
	{"ipv6", '6', OPT_FLAG, AT(v6), NULL, "to its IPv6 address", 0, 0},
	{"time", 't', OPT_SECONDS, AT(time), "SECONDS", "of each direction (5)", 100,
		BENCH_TIME_MAX_S * 1000},
	{"parallel", 'P', OPT_COUNT, AT(parallel), "STREAMS", "TCP connections at once (1)", 1,
		BENCH_STREAMS_MAX},
	{"port", 0, OPT_PORT, AT(port), "PORT", "bench_port of the node, where it is not that of this one", 0,
		0},
	{0},
};
#undef AT

struct bench {
	struct cli *c;
	const struct bench_opts *opts;
	char name[128];
	struct bench_target target;
	struct bench_subject subject;
};

/* Who that is. An IPv6 address asks for IPv6. */
static int resolve(struct bench *b, const char *text, struct diag *d)
{
	_cleanup_(json_decrefp) json_t *reply = NULL;
	struct ip given;
	bool v6 = b->opts->v6 || (!b->opts->v4 && ip_parse(text, &given) == TM_OK && given.family == IP_V6);
	int err = cli_ask(b->c, "bench.resolve", json_pack("{s:s}", "name", text), ASK_TIMEOUT_MS, &reply, d);

	if (err)
		return err;

	int64_t port = json_number(reply, "bench_port");

	snprintf(b->name, sizeof(b->name), "%s", json_text(reply, "name"));
	snprintf(b->subject.id, sizeof(b->subject.id), "%s", json_text(reply, "id"));
	snprintf(b->subject.address, sizeof(b->subject.address), "%s", json_text(reply, v6 ? "ip6" : "ip4"));
	if (json_is_true(json_object_get(reply, "self"))) {
		diag_hint(d, "name another node: bench measures the tunnel between two");
		return diag_what(d, TM_EINVAL, "%s is this machine itself", b->name);
	}
	if (strcmp(json_text(reply, "kind"), "client") == 0) {
		diag_hint(d, "bench needs tunnelmesh at both ends");
		return diag_what(d, TM_EINVAL, "%s is a device with a stock WireGuard client", b->name);
	}
	if (ip_parse(b->subject.address, &b->target.ip) < 0)
		return diag_what(d, TM_EPROTO, "%s has no IPv%d address", b->name, v6 ? 6 : 4);

	b->target.online = !json_is_false(json_object_get(reply, "online"));
	b->target.port = b->opts->port ? b->opts->port : port ? (uint16_t)port : BENCH_PORT;
	return TM_OK;
}

/* Now that there is traffic it has one. A convenience: no error when the daemon cannot say. */
static void learn_path(struct bench *b)
{
	_cleanup_(json_decrefp) json_t *reply = NULL;
	struct diag ignored = {0};
	const json_t *peer;

	if (cli_ask(b->c, "peers", json_pack("{s:s}", "node", b->subject.id), 1000, &reply, &ignored) < 0)
		return;

	peer = peers_by_id(json_object_get(reply, "peers"), b->subject.id);
	snprintf(b->subject.path, sizeof(b->subject.path), "%s", json_text(peer, "path"));
	if (strcmp(b->subject.path, "direct") == 0)
		snprintf(b->subject.endpoint, sizeof(b->subject.endpoint), "%s", json_text(peer, "endpoint"));
}

static void progress(
	void *ctx, enum bench_phase phase, ns_t elapsed, ns_t of, double bits_per_second_now, ns_t last_rtt)
{
	static const char *const words[BENCH_PHASE_N] = {"latency", "download", "upload"};
	struct bench *b = ctx;
	char text[160], rate[FORMAT_LEN], rtt[FORMAT_LEN];
	int n = snprintf(text, sizeof(text), "%s %.1f of %g s", words[phase], (double)elapsed / (double)SEC,
		(double)of / (double)SEC);

	if (phase != BENCH_PHASE_IDLE)
		n += snprintf(
			text + n, sizeof(text) - (size_t)n, ", %s", format_rate(bits_per_second_now, rate));
	if (last_rtt)
		snprintf(text + n, sizeof(text) - (size_t)n, ", %s",
			format_ms((double)last_rtt / (double)MS, rtt));
	cli_progress(b->c, text);
}

/* One document with both: what was measured, and what went wrong. */
static int report_json(struct bench *b, const struct bench_results *r, int err, const struct diag *d)
{
	char text[sizeof(struct diag) + 16];
	int status = cli_json_take(b->c, bench_report_json(&b->subject, r, err, d));

	if (!err)
		return status;

	fprintf(b->c->err, "tunnelmesh: %s\n", diag_format(d, err, text, sizeof(text)));
	return CLI_FAILED;
}

/* What there is, and then the sentence when it is not all. */
static int report(struct bench *b, const struct bench_results *r, int err, const struct diag *d)
{
	int table_err;

	cli_progress(b->c, NULL);
	if (bench_report_is_empty(r))
		return cli_fail(b->c, d, err);
	if (b->c->g.json)
		return report_json(b, r, err, d);

	table_err = bench_report_table(r, b->c->out, &b->c->screen);
	fflush(b->c->out); /* before the sentence on stderr; a failure is cli_run's to tell */
	return err || table_err ? cli_fail(b->c, d, err ? err : table_err) : CLI_DONE;
}

static int run_bench(struct bench *b, struct bench_results *r, struct diag *d)
{
	const struct bench_watch watch = {b, progress};
	struct bench_client client;
	int err;

	cli_progress(b->c, "connecting");
	err = bench_client_open(&b->target, &client, d);
	cli_progress(b->c, NULL);
	if (err)
		return err;

	learn_path(b);
	if (!b->c->g.json) {
		bench_report_head(&b->subject, b->c->out);
		fflush(b->c->out);
	}
	err = bench_client_run(&client, &watch, r, d);
	bench_client_close(&client);
	return err;
}

static int bench_run(struct cli *c, const void *opts, const struct opt_words *words)
{
	struct bench b = {.c = c, .opts = opts};
	struct bench_results r = {0};
	struct diag d = {0};
	int err;

	if (b.opts->v4 && b.opts->v6)
		return cli_usage(c, NULL, "-4 and -6 exclude each other");

	b.subject.target = &b.target;
	b.target.name = b.name;
	b.target.time = b.opts->time;
	b.target.streams = b.opts->parallel;
	err = resolve(&b, words->v[0], &d);
	if (err)
		return cli_fail(c, &d, err);

	interrupt_catch();
	err = run_bench(&b, &r, &d);
	return report(&b, &r, err, &d);
}

const struct command cmd_bench = {
	.name = "bench",
	.args = "NAME|ADDRESS",
	.summary = "throughput both ways, latency, loss and jitter through the tunnel to a node",
	.details = "Runs for a second idle and then downloads and uploads, seen from here, while UDP "
		   "echoes go on: their round trips show what load does to latency. RESENT counts TCP "
		   "segments sent again. The other node must run tunnelmesh with bench_port not 0, and "
		   "serves one bench at a time.",
	.opts = bench_options,
	.defaults = &(const struct bench_opts){.time = 5 * SEC, .parallel = 1},
	.opts_size = sizeof(struct bench_opts),
	.min_words = 1,
	.max_words = 1,
	.run = bench_run,
};
