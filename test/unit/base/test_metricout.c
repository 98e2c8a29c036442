/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/unit.h"

#include "base/metricout.h"

static const struct metric queries = {"mesh_queries_total", METRIC_COUNTER, "Questions that were asked"};
static const struct metric waits = {"mesh_wait_seconds", METRIC_HISTOGRAM, "How long somebody waited"};
static const struct metric lag = {"mesh_lag_seconds", METRIC_GAUGE, "How late it is"};

static void expect(struct metricout *o, const char *text)
{
	size_t n = 0;
	char *s = metricout_take(o, &n);

	assert_non_null(s);
	assert_string_equal(s, text);
	assert_int_equal(n, strlen(text));
	free(s);
}

static void a_metric_is_introduced_once_before_its_samples(void **state)
{
	struct metricout o = {0};
	(void)state;

	metricout_begin(&o, &queries);
	metricout_int(&o, LABELS({"kind", "name"}, {"result", "answered"}), 7);
	metricout_int(&o, LABELS({"kind", "name"}, {"result", "refused"}), UINT64_MAX);
	metricout_begin(&o, &lag);
	metricout_seconds(&o, NO_LABELS, 3 * SEC);
	expect(&o, "# HELP mesh_queries_total Questions that were asked.\n"
		   "# TYPE mesh_queries_total counter\n"
		   "mesh_queries_total{kind=\"name\",result=\"answered\"} 7\n"
		   "mesh_queries_total{kind=\"name\",result=\"refused\"} 18446744073709551615\n"
		   "# HELP mesh_lag_seconds How late it is.\n"
		   "# TYPE mesh_lag_seconds gauge\n"
		   "mesh_lag_seconds 3\n");
	/* It can be used again. */
	metricout_begin(&o, &lag);
	expect(&o, "# HELP mesh_lag_seconds How late it is.\n# TYPE mesh_lag_seconds gauge\n");
}

static void no_value_of_a_label_can_end_it(void **state)
{
	static const struct {
		const char *value, *written;
	} rows[] = {
		{"", ""}, {"nas", "nas"}, {"a\"} 1\nb{c=\"", "a\\\"} 1\\nb{c=\\\""}, {"\\", "\\\\"},
		{"J\xc3\xb6", "J\xc3\xb6"}, {"\xff\xc3", "??"},
		{"\xc3\"", "?\\\""}, /* a character that is cut off does not swallow what follows */
	};
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct metricout o = {0};
		char all[256];

		metricout_begin(&o, &lag);
		metricout_int(&o, LABELS({"peer", rows[i].value}), 1);
		snprintf(all, sizeof(all),
			"# HELP mesh_lag_seconds How late it is.\n# TYPE mesh_lag_seconds gauge\n"
			"mesh_lag_seconds{peer=\"%s\"} 1\n",
			rows[i].written);
		expect(&o, all);
	}
}

static void seconds_have_as_many_digits_as_they_need(void **state)
{
	static const struct {
		ns_t v;
		const char *text;
	} rows[] = {
		{0, "0"},
		{1, "0.000000001"},
		{100 * MS, "0.1"},
		{SEC, "1"},
		{10 * SEC, "10"},
		{90 * SEC + 250 * MS, "90.25"},
		{-1500 * MS, "-1.5"},
		{INT64_MIN, "-9223372036.854775808"},
	};
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct metricout o = {0};
		_cleanup_(freep) char *text = NULL;

		metricout_begin(&o, &lag);
		metricout_seconds(&o, NO_LABELS, rows[i].v);
		text = metricout_take(&o, NULL);
		assert_non_null(text);
		text[strlen(text) - 1] = '\0';
		assert_string_equal(strrchr(text, ' ') + 1, rows[i].text);
	}
}

static void a_histogram_counts_up_to_each_bound_and_all(void **state)
{
	static const ns_t bounds[] = {100 * MS, SEC};
	struct histogram h = {.bounds = bounds, .n = ARRAY_LEN(bounds)};
	struct metricout o = {0};
	(void)state;

	histogram_add(&h, 0);
	histogram_add(&h, 100 * MS); /* a bound belongs to what is below it */
	histogram_add(&h, 100 * MS + 1);
	histogram_add(&h, 2 * SEC);
	assert_int_equal(histogram_count(&h), 4);
	metricout_begin(&o, &waits);
	metricout_histogram(&o, LABELS({"to", "a"}), &h);
	expect(&o, "# HELP mesh_wait_seconds How long somebody waited.\n"
		   "# TYPE mesh_wait_seconds histogram\n"
		   "mesh_wait_seconds_bucket{to=\"a\",le=\"0.1\"} 2\n"
		   "mesh_wait_seconds_bucket{to=\"a\",le=\"1\"} 3\n"
		   "mesh_wait_seconds_bucket{to=\"a\",le=\"+Inf\"} 4\n"
		   "mesh_wait_seconds_sum{to=\"a\"} 2.200000001\n"
		   "mesh_wait_seconds_count{to=\"a\"} 4\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_metric_is_introduced_once_before_its_samples),
		cmocka_unit_test(no_value_of_a_label_can_end_it),
		cmocka_unit_test(seconds_have_as_many_digits_as_they_need),
		cmocka_unit_test(a_histogram_counts_up_to_each_bound_and_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
