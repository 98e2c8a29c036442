/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What is told to Prometheus, and that what is written about it knows the same metrics. */
#include "unit/unit.h"

#include "os/os.h"
#include "unit/node/metrics_sample.h"

#include <ctype.h>
#include <jansson.h>
#include <strings.h>

struct fixture {
	struct metrics_sample sample;
	char *text; /* printed */
};

static void print(struct fixture *f)
{
	struct metricout out = {0};

	free(f->text);
	metrics_print(&f->sample.view, &out);
	f->text = metricout_take(&out, NULL);
	assert_non_null(f->text);
}

static int setup(void **state)
{
	static struct fixture f;

	f = (struct fixture){.text = NULL};
	assert_true(metrics_sample_init(&f.sample));
	print(&f);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	free(f->text);
	metrics_sample_deinit(&f->sample);
	return 0;
}

static bool has_line(const char *text, const char *line)
{
	const size_t n = strlen(line);

	for (const char *p = strstr(text, line); p; p = strstr(p + 1, line))
		if ((p == text || p[-1] == '\n') && p[n] == '\n')
			return true;
	return false;
}

static void figures_of_the_view_are_told(void **state)
{
	static const char *const lines[] = {
		"tunnelmesh_node_info{mesh=\"home\",node=\"nas\",role=\"node\"} 1",
		"tunnelmesh_members{kind=\"node\"} 4",
		"tunnelmesh_members{kind=\"client\"} 1",
		"tunnelmesh_peers{path=\"direct\",family=\"ipv4\"} 1",
		"tunnelmesh_peers{path=\"direct\",family=\"ipv6\"} 1",
		"tunnelmesh_peers{path=\"relay\",family=\"ipv4\"} 1",
		"tunnelmesh_peers{path=\"relay\",family=\"ipv6\"} 0",
		"tunnelmesh_peers{path=\"tcp\",family=\"ipv4\"} 0",
		"tunnelmesh_peers{path=\"idle\",family=\"none\"} 1",
		"tunnelmesh_peers{path=\"none\",family=\"none\"} 1",
		"tunnelmesh_sessions 3",
		"tunnelmesh_peers_not_direct{reason=\"symmetric\"} 1",
		"tunnelmesh_peers_not_direct{reason=\"udp\"} 0",
		"tunnelmesh_path_changes_total{from=\"relay\",to=\"direct\",reason=\"better\"} 4",
		"tunnelmesh_first_contact_seconds_bucket{le=\"0.05\"} 0",
		"tunnelmesh_first_contact_seconds_bucket{le=\"0.1\"} 1",
		"tunnelmesh_first_contact_seconds_sum 0.07",
		"tunnelmesh_direct_contact_seconds_bucket{le=\"+Inf\"} 1",
		"tunnelmesh_path_rounds_failed_total 2",
		"tunnelmesh_sessions_begun_total 8",
		"tunnelmesh_handshakes_total{by=\"peer\"} 4",
		"tunnelmesh_handshakes_total{by=\"node\"} 5",
		"tunnelmesh_handshakes_given_up_total 1",
		"tunnelmesh_received_bytes_total 2000",
		"tunnelmesh_received_packets_total 20",
		"tunnelmesh_sent_bytes_total 1000",
		"tunnelmesh_sent_packets_total 10",
		"tunnelmesh_filter_flows{kind=\"members\"} 50",
		"tunnelmesh_filter_flows{kind=\"routed\"} 0",
		"tunnelmesh_filter_flows_max{kind=\"members\"} 65536",
		"tunnelmesh_filter_flows_max{kind=\"routed\"} 32768",
		"tunnelmesh_filter_evictions_total{kind=\"members\"} 2",
		"tunnelmesh_filter_decisions_total{verdict=\"allowed\"} 30",
		"tunnelmesh_filter_decisions_total{verdict=\"denied\"} 4",
		"tunnelmesh_filter_decisions_total{verdict=\"rejected\"} 5",
		"tunnelmesh_dns_failing{what=\"server\"} 0",
		"tunnelmesh_dns_failing{what=\"resolver\"} 1",
		"tunnelmesh_clock_ahead_seconds -3",
		"tunnelmesh_clock_set_back_seconds 60",
		"tunnelmesh_dropped_packets_total{reason=\"no_path\"} 17",
		"tunnelmesh_dropped_packets_total{reason=\"udp_queue_full\"} 0",
		"tunnelmesh_firewalled{family=\"ipv4\"} 0",
		"tunnelmesh_firewalled{family=\"ipv6\"} 1",
		"tunnelmesh_control_link_up 1",
		"tunnelmesh_control_links_begun_total 3",
		"tunnelmesh_policy_behind 1",
		"tunnelmesh_dns_queries_total{result=\"answered\"} 12",
		"tunnelmesh_dns_queries_total{result=\"dropped\"} 0",
		"tunnelmesh_dns_connections 1",
		"tunnelmesh_relay_offered 1",
		"tunnelmesh_relay_members 7",
		"tunnelmesh_relay_packets_total 90",
		"tunnelmesh_relay_bytes_total 9000",
		"tunnelmesh_unsaved{what=\"clock\"} 0",
		"tunnelmesh_unsaved{what=\"map\"} 1",
		"tunnelmesh_process_cpu_seconds_total 1.25",
		"tunnelmesh_process_resident_memory_bytes 4194304",
		"tunnelmesh_process_open_fds 30",
		"tunnelmesh_process_start_time_seconds 1700000000",
	};
	const struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(lines); i++)
		if (!has_line(f->text, lines[i]))
			fail_msg("missing: %s", lines[i]);
}

/* A figure of something that is not there would be a lie. */
static void what_is_not_there_has_no_samples(void **state)
{
	struct fixture *f = *state;

	assert_null(strstr(f->text, "\ntunnelmesh_coordinator_twins "));
	assert_null(strstr(f->text, "\ntunnelmesh_port_mapped{"));
	f->sample.view.dns = NULL;
	f->sample.view.plane.filtered = false;
	f->sample.view.node.clock_known = false;
	f->sample.view.node.inbound_known = false;
	f->sample.view.node.coordinator = true;
	f->sample.view.node.twins = 2;
	print(f);
	assert_null(strstr(f->text, "\ntunnelmesh_dns_queries_total{"));
	assert_null(strstr(f->text, "\ntunnelmesh_dns_connections "));
	assert_null(strstr(f->text, "\ntunnelmesh_firewalled{"));
	assert_null(strstr(f->text, "\ntunnelmesh_filter_"));
	assert_null(strstr(f->text, "\ntunnelmesh_clock_ahead_seconds "));
	assert_true(has_line(f->text, "tunnelmesh_coordinator_twins 2"));
}

static void single_peers_are_told_of_where_that_is_wished_alone(void **state)
{
	static const char *const lines[] = {
		"tunnelmesh_peer_path{peer=\"p0\",path=\"direct\",family=\"ipv4\"} 1",
		"tunnelmesh_peer_path{peer=\"p2\",path=\"relay\",family=\"ipv4\"} 1",
		"tunnelmesh_peer_rtt_seconds{peer=\"p2\"} 0.025",
		"tunnelmesh_peer_received_bytes_total{peer=\"p2\"} 300",
		"tunnelmesh_peer_sent_bytes_total{peer=\"p2\"} 400",
		"tunnelmesh_peer_last_handshake_timestamp_seconds{peer=\"p2\"} 1700000001",
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(lines); i++)
		if (!has_line(f->text, lines[i]))
			fail_msg("missing: %s", lines[i]);
	/* Nobody uses it. */
	assert_null(strstr(f->text, "peer=\"p3\""));
	/* Not known. */
	assert_null(strstr(f->text, "tunnelmesh_peer_rtt_seconds{peer=\"p0\"}"));
	assert_null(strstr(f->text, "tunnelmesh_peer_last_handshake_timestamp_seconds{peer=\"p0\"}"));
	f->sample.view.per_peer = false;
	print(f);
	assert_null(strstr(f->text, "peer=\"p"));
}

static void the_coordinator_tells_of_the_mesh(void **state)
{
	static const char *const lines[] = {
		"tunnelmesh_mesh_nodes{link=\"up\"} 2",
		"tunnelmesh_mesh_nodes{link=\"down\"} 1",
		"tunnelmesh_mesh_clients 4",
		"tunnelmesh_mesh_node_versions{version=\"1.2\"} 2",
		"tunnelmesh_mesh_node_versions{version=\"\"} 1",
		"tunnelmesh_mesh_reporting_nodes 2",
		"tunnelmesh_mesh_pairs{path=\"direct\"} 3",
		"tunnelmesh_mesh_pairs{path=\"tcp\"} 0",
		"tunnelmesh_mesh_pair_families{family=\"ipv4\"} 3",
		"tunnelmesh_mesh_traffic_bytes_per_second{relayed=\"no\"} 3000",
		"tunnelmesh_mesh_traffic_bytes_per_second{relayed=\"yes\"} 2000",
		"tunnelmesh_mesh_alarms{alarm=\"dns\"} 1",
		"tunnelmesh_mesh_alarms{alarm=\"clock\"} 0",
		"tunnelmesh_mesh_policy_behind 1",
		"tunnelmesh_coordinator_jobs 3",
		"tunnelmesh_mesh_node_link_up{node=\"hub\"} 1",
		"tunnelmesh_mesh_node_link_up{node=\"nas\"} 0",
		"tunnelmesh_mesh_node_last_seen_timestamp_seconds{node=\"nas\"} 1700000000",
	};
	struct fixture *f = *state;
	struct metrics_sample *s = &f->sample;
	struct metricout out = {0};

	metrics_print_mesh(&s->mesh_figures, s->nodes, SAMPLE_NODES, &out);
	_cleanup_(freep) char *text = metricout_take(&out, NULL);
	for (size_t i = 0; i < ARRAY_LEN(lines); i++)
		if (!has_line(text, lines[i]))
			fail_msg("missing: %s", lines[i]);
	/* It was never there. */
	assert_null(strstr(text, "last_seen_timestamp_seconds{node=\"old\"}"));
	out = (struct metricout){0};
	metrics_print_mesh(&s->mesh_figures, NULL, 0, &out);
	_cleanup_(freep) char *bare = metricout_take(&out, NULL);
	assert_true(has_line(bare, lines[0]));
	assert_null(strstr(bare, "node=\"hub\""));
}

static void the_targets_are_those_who_serve_metrics(void **state)
{
	struct fixture *f = *state;
	struct jsonout out = {0};
	const char *first, *second, *instance, *list;

	metrics_print_targets(f->sample.nodes, SAMPLE_NODES, &out);
	_cleanup_(freep) char *text = jsonout_take(&out, NULL);
	json_t *j = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	assert_int_equal(json_array_size(j), 2);
	assert_int_equal(json_unpack(j, "[{s:[s]}, {s:[s], s:{s:s, s:s}}]", "targets", &first, "targets",
				 &second, "labels", "instance", &instance, "__meta_tunnelmesh_tags", &list),
		0);
	assert_string_equal(first, "100.64.0.1:5210");
	assert_string_equal(second, "100.64.0.2:9000");
	assert_string_equal(instance, "nas");
	assert_string_equal(list, ",db,server,");
	json_decref(j);
	metrics_print_targets(NULL, 0, &out);
	_cleanup_(freep) char *none = jsonout_take(&out, NULL);
	assert_string_equal(none, "[]");
}

/* Its base, where it is a series of a histogram. */
static bool is_known(const char *name, size_t n)
{
	static const char *const suffixes[] = {"", "_bucket", "_sum", "_count"};
	size_t count;
	const struct metric *all = metrics_all(&count);

	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; k < (all[i].type == METRIC_HISTOGRAM ? ARRAY_LEN(suffixes) : 1); k++) {
			const size_t base = strlen(all[i].name);

			if (n == base + strlen(suffixes[k]) && memcmp(name, all[i].name, base) == 0 &&
				memcmp(name + base, suffixes[k], n - base) == 0)
				return true;
		}
	return false;
}

static char *read_source(const char *name)
{
	char path[512], *text = NULL;
	struct diag d = {0};

	snprintf(path, sizeof(path), "%s/%s", TM_SOURCE_DIR, name);
	if (os_read_file(path, 1 << 20, &text, NULL, &d) != TM_OK)
		fail_msg("%s", d.what);
	return text;
}

static void rules_and_documents_name_no_other_metrics(void **state)
{
	static const char *const files[] = {"docs/metrics.md", "dist/prometheus/rules.yml",
		"dist/prometheus/rules_test.yml", "dist/grafana/dashboard.json"};
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		_cleanup_(freep) char *text = read_source(files[i]);
		unsigned n = 0;

		for (const char *p = strstr(text, "tunnelmesh_"); p; p = strstr(p, "tunnelmesh_")) {
			size_t len = 0;

			while (islower((unsigned char)p[len]) || p[len] == '_')
				len++;
			/* A label that the list of targets gives is no metric. */
			if (!is_known(p, len) && !(p - text > 7 && memcmp(p - 7, "__meta_", 7) == 0))
				fail_msg("%s: there is no %.*s", files[i], (int)len, p);
			p += len;
			n++;
		}
		assert_true(n > 0);
	}
}

static bool is_reason(const char *word, size_t n)
{
	static const char *const whys[WHY_N] = {
#define X(name, text) [WHY_##name] = #name,
		PATH_WHYS(X)
#undef X
	};

	for (unsigned i = 0; i < DROP_N; i++) {
		const char *label = plane_drop_label((enum plane_drop)i);

		if (strlen(label) == n && memcmp(label, word, n) == 0)
			return true;
	}
	for (unsigned i = PATH_NOT_NOTHING + 1; i < PATH_NOT_N; i++) {
		const char *label = path_not_word((enum path_not)i);

		if (strlen(label) == n && memcmp(label, word, n) == 0)
			return true;
	}
	for (enum path_why i = 0; i < WHY_N; i++)
		if (strlen(whys[i]) == n && strncasecmp(whys[i], word, n) == 0)
			return true;
	return false;
}

/* What is asked for under a reason that nothing is counted under would never fire. */
static void rules_ask_for_reasons_that_there_are(void **state)
{
	_cleanup_(freep) char *text = read_source("dist/prometheus/rules.yml");
	unsigned n = 0;
	(void)state;

	for (const char *p = strstr(text, "reason"); p; p = strstr(p, "reason")) {
		p += strlen("reason");
		if (*p != '=' && *p != '!')
			continue;
		p = strchr(p, '"') + 1;
		for (const char *end = strchr(p, '"'); p < end; n++) {
			const size_t len = strcspn(p, "|\"");

			if (!is_reason(p, len))
				fail_msg("there is no reason %.*s", (int)len, p);
			p += len + 1;
		}
	}
	assert_true(n > 0);
}

static void every_metric_is_documented(void **state)
{
	_cleanup_(freep) char *text = read_source("docs/metrics.md");
	size_t n;
	const struct metric *all = metrics_all(&n);
	(void)state;

	for (size_t i = 0; i < n; i++) {
		char cell[96];

		snprintf(cell, sizeof(cell), "| `%s` |", all[i].name);
		if (!strstr(text, cell))
			fail_msg("docs/metrics.md does not know %s", all[i].name);
	}
}

/* How many of the 24 columns wide; each has room of its own. */
enum { GRID = 24, GRID_ROWS = 64 };

static void take_room(bool taken[static GRID_ROWS][GRID], const json_t *panel)
{
	json_int_t x, y, w, h;

	assert_int_equal(json_unpack((json_t *)(uintptr_t)panel, "{s:{s:I,s:I,s:I,s:I}}", "gridPos", "x", &x,
				 "y", &y, "w", &w, "h", &h),
		0);
	assert_true(x >= 0 && y >= 0 && w > 0 && h > 0 && x + w <= GRID && y + h <= GRID_ROWS);
	for (json_int_t row = y; row < y + h; row++)
		for (json_int_t column = x; column < x + w; column++) {
			assert_false(taken[row][column]);
			taken[row][column] = true;
		}
}

/* The model's rules that a hand breaks: numbers that are not one panel's, panels over each other, questions
 * to another source than the one that was chosen. */
static void the_dashboard_keeps_its_own_model(void **state)
{
	_cleanup_(freep) char *text = read_source("dist/grafana/dashboard.json");
	json_t *j = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	const json_t *panels = json_object_get(j, "panels"), *p, *t;
	bool taken[GRID_ROWS][GRID] = {{false}};
	uint64_t ids = 0;
	size_t i, k;
	(void)state;

	assert_non_null(j);
	assert_true(json_integer_value(json_object_get(j, "schemaVersion")) > 0);
	assert_true(json_array_size(panels) > 0);
	json_array_foreach (panels, i, p) {
		const json_int_t id = json_integer_value(json_object_get(p, "id"));
		const json_t *targets = json_object_get(p, "targets");

		assert_in_range(id, 1, 63);
		assert_false(ids & UINT64_C(1) << id);
		ids |= UINT64_C(1) << id;
		take_room(taken, p);
		assert_non_null(json_string_value(json_object_get(p, "title")));
		assert_true(json_array_size(targets) > 0);
		json_array_foreach (targets, k, t) {
			const char *uid, *expr;

			assert_int_equal(json_unpack((json_t *)(uintptr_t)t, "{s:{s:s},s:s}", "datasource",
						 "uid", &uid, "expr", &expr),
				0);
			assert_string_equal(uid, "${source}");
			assert_non_null(strstr(expr, "tunnelmesh_"));
		}
	}
	json_decref(j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(figures_of_the_view_are_told, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_not_there_has_no_samples, setup, teardown),
		cmocka_unit_test_setup_teardown(
			single_peers_are_told_of_where_that_is_wished_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(the_coordinator_tells_of_the_mesh, setup, teardown),
		cmocka_unit_test_setup_teardown(the_targets_are_those_who_serve_metrics, setup, teardown),
		cmocka_unit_test(rules_and_documents_name_no_other_metrics),
		cmocka_unit_test(rules_ask_for_reasons_that_there_are),
		cmocka_unit_test(every_metric_is_documented),
		cmocka_unit_test(the_dashboard_keeps_its_own_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
