/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "base/metricout.h"

#include "base/plain.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { NUMBER_LEN = 40 };

void metricout_deinit(struct metricout *o)
{
	strbuf_deinit(&o->b);
	*o = (struct metricout){0};
}

static void put_escaped(struct strbuf *b, const char *s)
{
	while (*s) {
		const size_t n = strcspn(s, "\\\"\n");
		uint32_t c;

		for (size_t i = 0; i < n;) {
			const size_t len = utf8_decode(s + i, &c);

			if (len)
				strbuf_add(b, s + i, len);
			else
				strbuf_add(b, "?", 1);
			i += len ? len : 1;
		}
		s += n;
		if (*s)
			strbuf_puts(b, *s == '\n' ? "\\n" : *s == '"' ? "\\\"" : "\\\\");
		s += *s != '\0';
	}
}

void metricout_begin(struct metricout *o, const struct metric *m)
{
	static const char *const types[] = {
		[METRIC_COUNTER] = "counter",
		[METRIC_GAUGE] = "gauge",
		[METRIC_HISTOGRAM] = "histogram",
	};

	o->of = m;
	strbuf_printf(&o->b, "# HELP %s %s.\n# TYPE %s %s\n", m->name, m->help, m->name, types[m->type]);
}

/* A name with its suffix, and labels with one more, unless that has no value. */
static void put_series(struct metricout *o, const char *suffix, const struct metric_label *labels, size_t n,
	const struct metric_label *more)
{
	const char *before = "{";

	strbuf_puts(&o->b, o->of->name);
	strbuf_puts(&o->b, suffix);
	for (size_t i = 0; i < n + (more->value ? 1 : 0); i++) {
		const struct metric_label *l = i < n ? &labels[i] : more;

		strbuf_puts(&o->b, before);
		strbuf_puts(&o->b, l->name);
		strbuf_puts(&o->b, "=\"");
		put_escaped(&o->b, l->value);
		strbuf_puts(&o->b, "\"");
		before = ",";
	}
	strbuf_puts(&o->b, before[0] == ',' ? "} " : " ");
}

static const struct metric_label nothing;

/* In seconds, without the zeros at the end; no locale has a say in it. Returns buf. */
static const char *format_seconds(ns_t v, char buf[static NUMBER_LEN])
{
	const uint64_t u = v < 0 ? -(uint64_t)v : (uint64_t)v;
	size_t n = (size_t)snprintf(buf, NUMBER_LEN, "%s%" PRIu64 ".%09" PRIu64, v < 0 ? "-" : "",
		u / (uint64_t)SEC, u % (uint64_t)SEC);

	while (buf[n - 1] == '0')
		buf[--n] = '\0';
	if (buf[n - 1] == '.')
		buf[n - 1] = '\0';
	return buf;
}

void metricout_int(struct metricout *o, const struct metric_label *labels, size_t n, uint64_t v)
{
	put_series(o, "", labels, n, &nothing);
	strbuf_printf(&o->b, "%" PRIu64 "\n", v);
}

void metricout_seconds(struct metricout *o, const struct metric_label *labels, size_t n, ns_t v)
{
	char text[NUMBER_LEN];

	put_series(o, "", labels, n, &nothing);
	strbuf_printf(&o->b, "%s\n", format_seconds(v, text));
}

void metricout_histogram(
	struct metricout *o, const struct metric_label *labels, size_t n, const struct histogram *h)
{
	char text[NUMBER_LEN];
	uint64_t sum = 0;

	assert(o->of->type == METRIC_HISTOGRAM);
	for (size_t i = 0; i <= h->n; i++) {
		const char *le = i < h->n ? format_seconds(h->bounds[i], text) : "+Inf";

		sum += h->count[i];
		put_series(o, "_bucket", labels, n, &(struct metric_label){"le", le});
		strbuf_printf(&o->b, "%" PRIu64 "\n", sum);
	}
	put_series(o, "_sum", labels, n, &nothing);
	strbuf_printf(&o->b, "%s\n", format_seconds(h->sum, text));
	put_series(o, "_count", labels, n, &nothing);
	strbuf_printf(&o->b, "%" PRIu64 "\n", sum);
}

char *metricout_take(struct metricout *o, size_t *ret_n)
{
	const size_t n = o->b.len;
	char *text = strbuf_take(&o->b);

	o->of = NULL;
	if (ret_n)
		*ret_n = n;
	return text;
}
