/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What the coordinator tells of the whole mesh, and of whom else something is to be asked. */
#include "base/jsonout.h"
#include "node/metrics.h"
#include "node/metrics_catalogue.h"

enum { TAGS_LEN = NODE_TAGS_MAX * (NODE_TAG_MAX + 1) + 2 };

static void put_nodes(const struct coord_figures *f, struct metricout *out)
{
	metricout_int(out, LABELS({"link", "up"}), f->linked);
	metricout_int(out, LABELS({"link", "down"}), f->away);
}

static void put_clients(const struct coord_figures *f, struct metricout *out)
{
	metricout_int(out, NO_LABELS, f->clients);
}

static void put_versions(const struct coord_figures *f, struct metricout *out)
{
	for (size_t i = 0; i < f->n_versions; i++)
		metricout_int(out, LABELS({"version", f->versions[i].text}), f->versions[i].nodes);
	if (f->other_versions)
		metricout_int(out, LABELS({"version", ""}), f->other_versions);
}

static void put_reporting(const struct coord_figures *f, struct metricout *out)
{
	metricout_int(out, NO_LABELS, f->reports.telling);
}

static void put_pairs(const struct coord_figures *f, struct metricout *out)
{
	static const char *const paths[REPORT_PATH_N] = {
#define X(name, word) [REPORT_##name] = word,
		REPORT_PATHS(X)
#undef X
	};

	for (enum report_path p = REPORT_GONE + 1; p < REPORT_PATH_N; p++)
		metricout_int(out, LABELS({"path", paths[p]}), f->reports.pairs[p]);
}

static void put_families(const struct coord_figures *f, struct metricout *out)
{
	metricout_int(out, LABELS({"family", "ipv4"}), f->reports.pairs_ip4);
	metricout_int(out, LABELS({"family", "ipv6"}), f->reports.pairs_ip6);
}

static void put_traffic(const struct coord_figures *f, struct metricout *out)
{
	metricout_int(out, LABELS({"relayed", "no"}), f->reports.rate - f->reports.relayed_rate);
	metricout_int(out, LABELS({"relayed", "yes"}), f->reports.relayed_rate);
}

static void put_alarms(const struct coord_figures *f, struct metricout *out)
{
	static const char *const alarms[REPORT_ALARM_N] = {
#define X(name, word) [REPORT_ALARM_##name] = word,
		REPORT_ALARMS(X)
#undef X
	};

	for (enum report_alarm a = 0; a < REPORT_ALARM_N; a++)
		metricout_int(out, LABELS({"alarm", alarms[a]}), f->reports.alarms[a]);
}

static void put_policy_old(const struct coord_figures *f, struct metricout *out)
{
	metricout_int(out, NO_LABELS, f->policy_behind);
}

static void put_map_old(const struct coord_figures *f, struct metricout *out)
{
	metricout_int(out, NO_LABELS, f->map_behind);
}

static void put_jobs(const struct coord_figures *f, struct metricout *out)
{
	metricout_int(out, NO_LABELS, f->jobs);
}

static void put_strangers(const struct coord_figures *f, struct metricout *out)
{
	metricout_int(out, NO_LABELS, f->strangers);
}

static void put_snapshots(const struct coord_figures *f, struct metricout *out)
{
	metricout_int(out, NO_LABELS, f->snapshot_bytes);
}

static void put_memory(const struct coord_figures *f, struct metricout *out)
{
	metricout_int(out, NO_LABELS, f->reports.memory);
}

/* --- of single nodes --- */

static void put_link(const struct coord_node *n, struct metricout *out)
{
	metricout_int(out, LABELS({"node", n->name}), n->linked);
}

static void put_seen(const struct coord_node *n, struct metricout *out)
{
	if (n->seen)
		metricout_int(out, LABELS({"node", n->name}), (uint64_t)n->seen);
}

/* --- all of it --- */

void metrics_print_mesh(
	const struct coord_figures *f, const struct coord_node *nodes, size_t n, struct metricout *out)
{
	static const struct {
		struct metric of;
		void (*put)(const struct coord_figures *f, struct metricout *out);
	} rows[] = {
#define X(put, type, name, help) {{name, METRIC_##type, help}, put_##put},
		METRICS_MESH(X)
#undef X
	};
	static const struct {
		struct metric of;
		void (*put)(const struct coord_node *n, struct metricout *out);
	} of_each[] = {
#define X(put, type, name, help) {{name, METRIC_##type, help}, put_##put},
		METRICS_MEMBERS(X)
#undef X
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		metricout_begin(out, &rows[i].of);
		rows[i].put(f, out);
	}
	for (size_t i = 0; n > 0 && i < ARRAY_LEN(of_each); i++) {
		metricout_begin(out, &of_each[i].of);
		for (size_t k = 0; k < n; k++)
			of_each[i].put(&nodes[k], out);
	}
}

/* ",db,server,": with a comma on both sides of each, as Prometheus' other discoveries have it. */
static const char *join_tags(const struct coord_node *n, char buf[static TAGS_LEN])
{
	size_t len = 0;

	for (size_t i = 0; i < n->n_tags; i++)
		len += (size_t)snprintf(buf + len, TAGS_LEN - len, ",%s", n->tags[i]);
	snprintf(buf + len, TAGS_LEN - len, "%s", len ? "," : "");
	return buf;
}

static void put_target(const struct coord_node *n, struct jsonout *out)
{
	const struct endpoint at = {.ip = n->ip4, .port = n->metrics_port};
	char text[ENDPOINT_STR_LEN], tags[TAGS_LEN];

	jsonout_object(out, NULL);
	jsonout_list(out, "targets");
	jsonout_text(out, NULL, endpoint_format(&at, text));
	jsonout_list_end(out);
	jsonout_object(out, "labels");
	jsonout_text(out, "instance", n->name);
	jsonout_text(out, "__meta_tunnelmesh_id", n->id);
	jsonout_text(out, "__meta_tunnelmesh_tags", join_tags(n, tags));
	jsonout_text(out, "__meta_tunnelmesh_role", n->coordinator ? "coordinator" : "node");
	jsonout_object_end(out);
	jsonout_object_end(out);
}

void metrics_print_targets(const struct coord_node *nodes, size_t n, struct jsonout *out)
{
	jsonout_list(out, NULL);
	for (size_t i = 0; i < n; i++)
		if (nodes[i].metrics_port)
			put_target(&nodes[i], out);
	jsonout_list_end(out);
}
