/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Metrics written straight into a string, as Prometheus reads them: the text exposition format, version
 * 0.0.4. One metric after the other: metricout_begin names it, samples follow. Failures are sticky: write
 * freely, test metricout_take's NULL once. Pure.
 */
#ifndef TM_BASE_METRICOUT_H
#define TM_BASE_METRICOUT_H

#include "base/histogram.h"
#include "base/strbuf.h"

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

struct metric {
	const char *name; /* a literal of ours, in base units; a counter's ends in _total */
	enum metric_type type;
	const char *help; /* a sentence without its full stop */
};

struct metric_label {
	const char *name; /* a literal of ours */
	const char *value; /* any bytes: what is not UTF-8 becomes '?' */
};
#define LABELS(...)                                                                                          \
	(const struct metric_label[]){__VA_ARGS__},                                                          \
		sizeof((const struct metric_label[]){__VA_ARGS__}) / sizeof(struct metric_label)
#define NO_LABELS NULL, 0

struct metricout {
	struct strbuf b;
	const struct metric *of; /* borrowed until the next begin */
};

void metricout_deinit(struct metricout *o);
/* Each metric once. Samples of it differ in the values of their labels. */
void metricout_begin(struct metricout *o, const struct metric *m);
void metricout_int(struct metricout *o, const struct metric_label *labels, size_t n, uint64_t v);
void metricout_seconds(struct metricout *o, const struct metric_label *labels, size_t n, ns_t v);
void metricout_histogram(
	struct metricout *o, const struct metric_label *labels, size_t n, const struct histogram *h);

/* The text; NULL when out of memory. *ret_n may be NULL. */
NODISCARD char *metricout_take(struct metricout *o, size_t *ret_n);

#endif
