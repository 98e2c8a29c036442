/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "cli/cmd/bench_report.h"

#include <inttypes.h>
#include <math.h>

#include "base/format.h"
#include "cli/core/cli.h"
#include "cli/core/columns.h"

static const char *const phase_names[BENCH_PHASE_N] = {"idle", "download", "upload"};

bool bench_report_is_empty(const struct bench_results *r)
{
	for (size_t i = 0; i < BENCH_PHASE_N; i++)
		if (r->phases[i].begun)
			return false;
	return true;
}

void bench_report_head(const struct bench_subject *s, FILE *f)
{
	const struct bench_target *t = s->target;

	fprintf(f, "  bench %s (%s)%s%s%s%s \u00b7 %g s each way, %u stream%s\n", t->name, s->address,
		*s->path ? " \u00b7 " : "", s->path, *s->endpoint ? " " : "", s->endpoint,
		(double)t->time / (double)SEC, t->streams, t->streams == 1 ? "" : "s");
}

/* --- the table --- */

static void ms_cell(struct columns *t, const struct bench_latency *l, ns_t v)
{
	char ms[FORMAT_LEN];

	columns_cell(t, l->received ? format_ms((double)v / (double)MS, ms) : NULL);
}

static double loss_percent(const struct bench_latency *l)
{
	return l->sent ? 100.0 * (l->sent - l->received) / l->sent : 0;
}

static void row(struct columns *t, const char *name, const struct bench_measure *m, bool transfer)
{
	const struct bench_latency *l = &m->latency;
	char rate[FORMAT_LEN];

	columns_cellf(t, "%s%s", name, m->whole ? "" : " (cut short)");
	columns_cell(t, transfer ? format_rate(bench_bits_per_second(m), rate) : NULL);
	if (transfer && m->retransmits != BENCH_RETRANSMITS_UNKNOWN)
		columns_cellf(t, "%" PRIu32, m->retransmits);
	else
		columns_cell(t, NULL);
	if (l->sent)
		columns_cellf(t, "%.*f %%", l->sent == l->received ? 0 : 1, loss_percent(l));
	else
		columns_cell(t, NULL);
	ms_cell(t, l, l->min);
	ms_cell(t, l, l->avg);
	ms_cell(t, l, l->p50);
	ms_cell(t, l, l->p99);
	ms_cell(t, l, l->max);
	ms_cell(t, l, l->jitter);
}

int bench_report_table(const struct bench_results *r, FILE *f, const struct screen *screen)
{
	static const char *const heads[] = {
		"PHASE", "THROUGHPUT", "RESENT", "LOSS", "RTT MIN", "AVG", "P50", "P99", "MAX", "JITTER"};
	_cleanup_(columns_deinit) struct columns t;

	columns_init(&t, heads, ARRAY_LEN(heads));
	for (size_t i = 0; i < BENCH_PHASE_N; i++)
		if (r->phases[i].begun)
			row(&t, phase_names[i], &r->phases[i], i != BENCH_PHASE_IDLE);
	return columns_print(&t, f, screen);
}

/* --- JSON --- */

static json_t *ms_json(const struct bench_latency *l, ns_t v)
{
	return l->received ? json_rounded((double)v / (double)MS) : json_null();
}

static json_t *latency_json(const struct bench_latency *l)
{
	return json_pack("{s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "sent", (json_int_t)l->sent,
		"received", (json_int_t)l->received, "loss_percent",
		l->sent ? json_rounded(loss_percent(l)) : json_null(), "rtt_min_ms", ms_json(l, l->min),
		"rtt_avg_ms", ms_json(l, l->avg), "rtt_p50_ms", ms_json(l, l->p50), "rtt_p99_ms",
		ms_json(l, l->p99), "rtt_max_ms", ms_json(l, l->max), "jitter_ms", ms_json(l, l->jitter));
}

static json_t *transfer_json(const struct bench_measure *m)
{
	return json_pack("{s:b, s:I, s:o, s:o, s:o, s:o}", "complete", (int)m->whole, "received_bytes",
		(json_int_t)m->bytes, "duration_s", json_rounded((double)m->elapsed / (double)SEC),
		"bits_per_second", json_integer((json_int_t)round(bench_bits_per_second(m))),
		"retransmitted_segments",
		m->retransmits == BENCH_RETRANSMITS_UNKNOWN ? json_null()
							    : json_integer((json_int_t)m->retransmits),
		"latency", latency_json(&m->latency));
}

json_t *bench_report_json(
	const struct bench_subject *s, const struct bench_results *r, int err, const struct diag *d)
{
	const struct bench_target *t = s->target;
	json_t *j = json_pack("{s:b, s:s, s:s, s:s, s:s, s:i, s:i, s:o}", "ok", err == TM_OK, "name", t->name,
		"id", s->id, "ip", s->address, "path", s->path, "port", (int)t->port, "streams",
		(int)t->streams, "time_s", json_rounded((double)t->time / (double)SEC));

	if (!j)
		return NULL;
	json_object_set_new(j, "endpoint", *s->endpoint ? json_string(s->endpoint) : json_null());
	for (size_t i = 0; i < BENCH_PHASE_N; i++) {
		const struct bench_measure *m = &r->phases[i];

		json_object_set_new(j, phase_names[i],
			!m->begun               ? json_null()
			: i == BENCH_PHASE_IDLE ? latency_json(&m->latency)
						: transfer_json(m));
	}
	if (err)
		json_object_update_new(j, cli_error_json(d, err));
	return j;
}
