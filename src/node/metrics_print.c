/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "node/metrics.h"
#include "node/metrics_catalogue.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { LABEL_LEN = 32 };
enum family { FAMILY_NONE, FAMILY_4, FAMILY_6, FAMILY_N };

static const char *const family_names[FAMILY_N] = {
	[FAMILY_NONE] = "none", [FAMILY_4] = "ipv4", [FAMILY_6] = "ipv6"};

/* An enumerator as the value of a label. Returns buf. */
static const char *lower(const char *name, char buf[static LABEL_LEN])
{
	size_t i = 0;

	for (; name[i] && i < LABEL_LEN - 1; i++)
		buf[i] = (char)tolower((unsigned char)name[i]);
	buf[i] = '\0';
	return buf;
}

/* --- who --- */

static void put_build(const struct metrics_view *v, struct metricout *out)
{
	metricout_int(out, LABELS({"version", TM_VERSION}, {"encryption", v->node.aead}), 1);
}

static void put_self(const struct metrics_view *v, struct metricout *out)
{
	metricout_int(out,
		LABELS({"mesh", v->node.mesh->name}, {"node", v->node.name},
			{"role", v->node.coordinator ? "coordinator" : "node"}),
		1);
}

static void put_members(const struct metrics_view *v, struct metricout *out)
{
	size_t clients = 0;

	for (size_t i = 0; i < v->node.n_peers; i++)
		clients += v->node.peers[i].member->kind == NODE_CLIENT;
	metricout_int(out, LABELS({"kind", "node"}), v->node.n_peers - clients);
	metricout_int(out, LABELS({"kind", "client"}), clients);
}

/* --- paths --- */

static bool is_path(enum view_path p)
{
	return p == VIEW_DIRECT || p == VIEW_RELAY || p == VIEW_TCP;
}

static enum family family_of(const struct peer_view *p)
{
	if (!is_path(p->path))
		return FAMILY_NONE;
	return p->remote.ip.family == IP_V6 ? FAMILY_6 : FAMILY_4;
}

const char *metrics_family(const struct peer_view *p)
{
	return family_names[family_of(p)];
}

/* Every path in either family, also where nobody has it: an alert's share of them needs the zeros. Who is
 * offline only the coordinator knows. */
static void put_peers(const struct metrics_view *v, struct metricout *out)
{
	size_t count[VIEW_PATH_N][FAMILY_N] = {0};

	for (size_t i = 0; i < v->node.n_peers; i++)
		count[v->node.peers[i].path][family_of(&v->node.peers[i])]++;
	for (enum view_path p = 0; p < VIEW_PATH_N; p++)
		for (enum family f = 0; f < FAMILY_N; f++)
			if (p != VIEW_OFFLINE && is_path(p) == (f != FAMILY_NONE))
				metricout_int(out,
					LABELS({"path", view_path_name(p)}, {"family", family_names[f]}),
					count[p][f]);
}

static void put_sessions(const struct metrics_view *v, struct metricout *out)
{
	size_t count = 0;

	for (size_t i = 0; i < v->node.n_peers; i++)
		count += v->node.peers[i].session;
	metricout_int(out, NO_LABELS, count);
}

static void put_sessions_begun(const struct metrics_view *v, struct metricout *out)
{
	metricout_int(out, NO_LABELS, v->plane.sessions);
}

static void put_handshakes(const struct metrics_view *v, struct metricout *out)
{
	metricout_int(out, LABELS({"by", "peer"}), v->plane.asked);
	metricout_int(out, LABELS({"by", "node"}), v->plane.answered);
}

static void put_given_up(const struct metrics_view *v, struct metricout *out)
{
	metricout_int(out, NO_LABELS, v->plane.gave_up);
}

static void put_not_direct(const struct metrics_view *v, struct metricout *out)
{
	size_t count[PATH_NOT_N] = {0};

	for (size_t i = 0; i < v->node.n_peers; i++) {
		const struct peer_view *p = &v->node.peers[i];

		if (p->path == VIEW_CHECKING || p->path == VIEW_RELAY || p->path == VIEW_TCP)
			count[p->not_direct]++;
	}
	/* OFFLINE is said by nobody here, and UNUSED of those who are not looked for. */
	for (enum path_not why = PATH_NOT_UNUSED + 1; why < PATH_NOT_N; why++)
		metricout_int(out, LABELS({"reason", path_not_word(why)}), count[why]);
}

/* Those that have happened: most of the two thousand cannot. */
static void put_path_changes(const struct metrics_view *v, struct metricout *out)
{
	static const char *const names[WHY_N] = {
#define X(name, text) [WHY_##name] = #name,
		PATH_WHYS(X)
#undef X
	};
	char text[LABEL_LEN];

	for (enum reaching_by from = 0; from < BY_N; from++)
		for (enum reaching_by to = 0; to < BY_N; to++)
			for (enum path_why why = 0; why < WHY_N; why++)
				if (v->reaching->changes[from][to][why])
					metricout_int(out,
						LABELS({"from", reaching_name(from)},
							{"to", reaching_name(to)},
							{"reason", lower(names[why], text)}),
						v->reaching->changes[from][to][why]);
}

static void put_contact(const struct metrics_view *v, struct metricout *out)
{
	metricout_histogram(out, NO_LABELS, &v->reaching->contact);
}

static void put_direct(const struct metrics_view *v, struct metricout *out)
{
	metricout_histogram(out, NO_LABELS, &v->reaching->direct);
}

static void put_in_vain(const struct metrics_view *v, struct metricout *out)
{
	metricout_int(out, NO_LABELS, v->reaching->in_vain);
}

/* --- packets --- */

static void put_received_bytes(const struct metrics_view *v, struct metricout *out)
{
	metricout_int(out, NO_LABELS, v->plane.rx_bytes);
}

static void put_received_packets(const struct metrics_view *v, struct metricout *out)
{
	metricout_int(out, NO_LABELS, v->plane.rx_packets);
}

static void put_sent_bytes(const struct metrics_view *v, struct metricout *out)
{
	metricout_int(out, NO_LABELS, v->plane.tx_bytes);
}

static void put_sent_packets(const struct metrics_view *v, struct metricout *out)
{
	metricout_int(out, NO_LABELS, v->plane.tx_packets);
}

static void put_drops(const struct metrics_view *v, struct metricout *out)
{
	for (enum plane_drop d = 0; d < DROP_N; d++)
		metricout_int(out, LABELS({"reason", plane_drop_label(d)}), v->node.drops[d]);
}

static const char *const flow_kinds[FILTER_KINDS] = {
	[FILTER_MEMBERS] = "members", [FILTER_ROUTED] = "routed"};

/* Without rules nothing is remembered. */
static void put_flows(const struct metrics_view *v, struct metricout *out)
{
	for (enum filter_kind k = 0; v->plane.filtered && k < FILTER_KINDS; k++)
		metricout_int(out, LABELS({"kind", flow_kinds[k]}), v->plane.flows[k].flows);
}

static void put_flows_max(const struct metrics_view *v, struct metricout *out)
{
	for (enum filter_kind k = 0; v->plane.filtered && k < FILTER_KINDS; k++)
		metricout_int(out, LABELS({"kind", flow_kinds[k]}), v->plane.flows[k].most);
}

static void put_evictions(const struct metrics_view *v, struct metricout *out)
{
	for (enum filter_kind k = 0; v->plane.filtered && k < FILTER_KINDS; k++)
		metricout_int(out, LABELS({"kind", flow_kinds[k]}), v->plane.flows[k].evicted);
}

static void put_decisions(const struct metrics_view *v, struct metricout *out)
{
	static const char *const verdicts[COUNTS_ACTIONS] = {
		[POLICY_ALLOW] = "allowed", [POLICY_DENY] = "denied", [POLICY_REJECT] = "rejected"};

	for (unsigned i = 0; v->plane.filtered && i < COUNTS_ACTIONS; i++)
		metricout_int(out, LABELS({"verdict", verdicts[i]}), v->decided[i]);
}

static void put_offload_losses(const struct metrics_view *v, struct metricout *out)
{
	metricout_int(out, NO_LABELS, v->node.offload_losses);
}

/* --- what stands in the way --- */

static void put_firewalled(const struct metrics_view *v, struct metricout *out)
{
	if (!v->node.inbound_known)
		return;
	metricout_int(out, LABELS({"family", family_names[FAMILY_4]}), v->node.firewalled4);
	metricout_int(out, LABELS({"family", family_names[FAMILY_6]}), v->node.firewalled6);
}

static void put_port_mapped(const struct metrics_view *v, struct metricout *out)
{
	for (size_t i = 0; v->node.ports.on && i < ARRAY_LEN(v->node.ports.v); i++)
		metricout_int(out, LABELS({"family", family_names[FAMILY_4 + i]}),
			v->node.ports.v[i].protocol != PORTMAP_NONE);
}

static void put_link_up(const struct metrics_view *v, struct metricout *out)
{
	metricout_int(out, NO_LABELS, v->node.link.up);
}

static void put_links_begun(const struct metrics_view *v, struct metricout *out)
{
	metricout_int(out, NO_LABELS, v->links_begun);
}

static void put_policy_behind(const struct metrics_view *v, struct metricout *out)
{
	metricout_int(out, NO_LABELS, v->node.policy.told != v->node.policy.in_force);
}

static void put_unsaved(const struct metrics_view *v, struct metricout *out)
{
	metricout_int(out, LABELS({"what", "clock"}), v->node.clock_failure[0] != '\0');
	metricout_int(out, LABELS({"what", "map"}), v->node.map_failure[0] != '\0');
}

static void put_clock_ahead(const struct metrics_view *v, struct metricout *out)
{
	if (v->node.clock_known)
		metricout_seconds(out, NO_LABELS, v->node.clock_ahead_s * SEC);
}

static void put_clock_set_back(const struct metrics_view *v, struct metricout *out)
{
	metricout_seconds(out, NO_LABELS, v->node.clock_set_back_s * SEC);
}

/* --- what it does for others --- */

static void put_dns(const struct metrics_view *v, struct metricout *out)
{
	if (!v->dns)
		return;
#define X(name, text) metricout_int(out, LABELS({"result", #name}), v->dns->name);
	DNS_COUNTERS(X)
#undef X
}

static void put_dns_connections(const struct metrics_view *v, struct metricout *out)
{
	if (v->dns)
		metricout_int(out, NO_LABELS, v->dns_connections);
}

static void put_dns_failing(const struct metrics_view *v, struct metricout *out)
{
	metricout_int(out, LABELS({"what", "server"}), v->dns_failing);
	metricout_int(out, LABELS({"what", "resolver"}), v->resolver_failing);
}

static void put_relay_on(const struct metrics_view *v, struct metricout *out)
{
	metricout_int(out, NO_LABELS, v->node.relay.offered && v->node.relay.allowed);
}

static void put_relay_members(const struct metrics_view *v, struct metricout *out)
{
	metricout_int(out, NO_LABELS, v->node.relay.members);
}

static void put_relay_packets(const struct metrics_view *v, struct metricout *out)
{
	metricout_int(out, NO_LABELS, v->node.relay.packets);
}

static void put_relay_bytes(const struct metrics_view *v, struct metricout *out)
{
	metricout_int(out, NO_LABELS, v->node.relay.bytes);
}

static void put_twins(const struct metrics_view *v, struct metricout *out)
{
	if (v->node.coordinator)
		metricout_int(out, NO_LABELS, v->node.twins);
}

/* --- the process --- */

static void put_cpu(const struct metrics_view *v, struct metricout *out)
{
	metricout_seconds(out, NO_LABELS, v->usage.cpu);
}

static void put_resident(const struct metrics_view *v, struct metricout *out)
{
	metricout_int(out, NO_LABELS, v->usage.resident_bytes);
}

static void put_virtual(const struct metrics_view *v, struct metricout *out)
{
	metricout_int(out, NO_LABELS, v->usage.virtual_bytes);
}

static void put_descriptors(const struct metrics_view *v, struct metricout *out)
{
	metricout_int(out, NO_LABELS, v->usage.descriptors);
}

static void put_descriptors_max(const struct metrics_view *v, struct metricout *out)
{
	metricout_int(out, NO_LABELS, v->descriptors_max);
}

static void put_threads(const struct metrics_view *v, struct metricout *out)
{
	metricout_int(out, NO_LABELS, v->usage.threads);
}

static void put_started(const struct metrics_view *v, struct metricout *out)
{
	metricout_seconds(out, NO_LABELS, v->started_real);
}

/* --- all of it --- */

const struct metric *metrics_all(size_t *ret_n)
{
	static const struct metric all[] = {
#define X(put, type, name, help) {name, METRIC_##type, help},
		METRICS(X) METRICS_PEERS(X) METRICS_MESH(X) METRICS_MEMBERS(X)
#undef X
	};

	*ret_n = ARRAY_LEN(all);
	return all;
}

void metrics_print(const struct metrics_view *v, struct metricout *out)
{
	static const struct {
		struct metric of;
		void (*put)(const struct metrics_view *v, struct metricout *out);
	} rows[] = {
#define X(put, type, name, help) {{name, METRIC_##type, help}, put_##put},
		METRICS(X)
#undef X
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		metricout_begin(out, &rows[i].of);
		rows[i].put(v, out);
	}
	if (v->per_peer)
		metrics_print_peers(v, out);
}
