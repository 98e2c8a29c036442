/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Series about single peers: those in use alone, since the others have nothing to tell. */
#include "node/metrics.h"
#include "node/metrics_catalogue.h"

static void put_path(const struct peer_view *p, struct metricout *out)
{
	metricout_int(out,
		LABELS({"peer", p->member->name}, {"path", view_path_name(p->path)},
			{"family", metrics_family(p)}),
		1);
}

static void put_rtt(const struct peer_view *p, struct metricout *out)
{
	if (p->rtt)
		metricout_seconds(out, LABELS({"peer", p->member->name}), p->rtt);
}

static void put_received(const struct peer_view *p, struct metricout *out)
{
	metricout_int(out, LABELS({"peer", p->member->name}), p->rx_bytes);
}

static void put_sent(const struct peer_view *p, struct metricout *out)
{
	metricout_int(out, LABELS({"peer", p->member->name}), p->tx_bytes);
}

static void put_handshake(const struct peer_view *p, struct metricout *out)
{
	if (p->last_handshake)
		metricout_int(out, LABELS({"peer", p->member->name}), (uint64_t)p->last_handshake);
}

void metrics_print_peers(const struct metrics_view *v, struct metricout *out)
{
	static const struct {
		struct metric of;
		void (*put)(const struct peer_view *p, struct metricout *out);
	} rows[] = {
#define X(put, type, name, help) {{name, METRIC_##type, help}, put_##put},
		METRICS_PEERS(X)
#undef X
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		metricout_begin(out, &rows[i].of);
		for (size_t k = 0; k < v->node.n_peers; k++)
			if (view_in_use(&v->node.peers[k]))
				rows[i].put(&v->node.peers[k], out);
	}
}
