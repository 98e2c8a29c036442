/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/node/metrics_sample.h"

#include <string.h>

static struct endpoint at(const char *text)
{
	struct endpoint ep = {.port = 0};

	(void)!endpoint_parse(text, &ep); /* literals; what is none is shown as no address, and that fails */
	return ep;
}

static const char tags[][NODE_TAG_MAX + 1] = {"db", "server"};

static void init_mesh(struct metrics_sample *s)
{
	s->mesh_figures = (struct coord_figures){.linked = 2,
		.away = 1,
		.clients = 4,
		.versions = {{"1.2", 2}},
		.n_versions = 1,
		.other_versions = 1,
		.reports = {.linked = 2, .telling = 2, .pairs_ip4 = 3, .rate = 5000, .relayed_rate = 2000},
		.policy_behind = 1,
		.map_behind = 0,
		.jobs = 3};
	s->mesh_figures.reports.pairs[REPORT_DIRECT] = 3;
	s->mesh_figures.reports.alarms[REPORT_ALARM_DNS] = 1;
	s->nodes[0] = (struct coord_node){.id = "0000000000000001",
		.name = "hub",
		.ip4 = at("100.64.0.1:1").ip,
		.coordinator = true,
		.linked = true,
		.seen = 1700000500,
		.metrics_port = 5210};
	s->nodes[1] = (struct coord_node){.id = "0000000000000002",
		.name = "nas",
		.tags = tags,
		.n_tags = ARRAY_LEN(tags),
		.ip4 = at("100.64.0.2:1").ip,
		.seen = 1700000000,
		.metrics_port = 9000};
	s->nodes[2] = (struct coord_node){
		.id = "0000000000000003", .name = "old", .ip4 = at("100.64.0.3:1").ip, .linked = true};
}

static bool init_names(struct metrics_sample *s)
{
	enum { NAME_LEN = 4 };

	for (unsigned i = 0; i < SAMPLE_PEERS; i++) {
		s->named[i] = calloc(1, sizeof(*s->named[i]) + NAME_LEN);
		if (!s->named[i])
			return false;
		s->named[i]->kind = s->peers[i].member->kind;
		snprintf(s->named[i]->name, NAME_LEN, "p%u", i);
		s->peers[i].member = s->named[i];
	}
	return true;
}

bool metrics_sample_init(struct metrics_sample *s)
{
	*s = (struct metrics_sample){
		.node = {.kind = NODE_MESH},
		.client = {.kind = NODE_CLIENT},
		.dns = {.answered = 12, .refused = 3},
	};
	if (reaching_new(&s->reaching) != TM_OK)
		return false;

	init_mesh(s);
	snprintf(s->mesh.name, sizeof(s->mesh.name), "home");
	s->peers[0] = (struct peer_view){
		.member = &s->node, .path = VIEW_DIRECT, .remote = at("192.0.2.1:51820"), .session = true};
	s->peers[1] = (struct peer_view){.member = &s->node,
		.path = VIEW_DIRECT,
		.remote = at("[2001:db8::1]:51820"),
		.session = true};
	s->peers[2] = (struct peer_view){.member = &s->node,
		.path = VIEW_RELAY,
		.rtt = 25 * MS,
		.rx_bytes = 300,
		.tx_bytes = 400,
		.last_handshake = 1700000001,
		.remote = at("198.51.100.1:51820"),
		.not_direct = PATH_NOT_SYMMETRIC,
		.session = true};
	s->peers[3] =
		(struct peer_view){.member = &s->node, .path = VIEW_IDLE, .not_direct = PATH_NOT_UNUSED};
	s->peers[4] = (struct peer_view){.member = &s->client, .path = VIEW_NONE};
	s->reaching->changes[BY_RELAY][BY_DIRECT][WHY_BETTER] = 4;
	s->reaching->in_vain = 2;
	histogram_add(&s->reaching->contact, 70 * MS);
	histogram_add(&s->reaching->direct, 3 * SEC);
	s->view = (struct metrics_view){
		.node =
			{
				.mesh = &s->mesh,
				.name = "nas",
				.aead = "libcrypto",
				.link = {.up = true},
				.clock_failure = "",
				.map_failure = "no space left on device",
				.relay = {.offered = true,
					.allowed = true,
					.members = 7,
					.packets = 90,
					.bytes = 9000},
				.policy = {.told = 3, .in_force = 2},
				.peers = s->peers,
				.n_peers = SAMPLE_PEERS,
				.inbound_known = true,
				.firewalled6 = true,
				.clock_known = true,
				.clock_ahead_s = -3,
				.clock_set_back_s = 60,
			},
		.plane = {.tx_bytes = 1000,
			.rx_bytes = 2000,
			.tx_packets = 10,
			.rx_packets = 20,
			.asked = 4,
			.answered = 5,
			.gave_up = 1,
			.sessions = 8,
			.filtered = true,
			.flows = {[FILTER_MEMBERS] = {.flows = 50, .most = 65536, .evicted = 2},
				[FILTER_ROUTED] = {.most = 32768}}},
		.decided = {[POLICY_ALLOW] = 30, [POLICY_DENY] = 4, [POLICY_REJECT] = 5},
		.resolver_failing = true,
		.per_peer = true,
		.reaching = s->reaching,
		.links_begun = 3,
		.dns = &s->dns,
		.dns_connections = 1,
		.usage = {.cpu = 1250 * MS, .resident_bytes = 4 << 20, .threads = 4, .descriptors = 30},
		.descriptors_max = 1024,
		.started_real = 1700000000 * SEC,
	};
	s->view.node.drops[DROP_NO_PATH] = 17;
	return init_names(s);
}

void metrics_sample_deinit(struct metrics_sample *s)
{
	reaching_free(s->reaching);
	for (unsigned i = 0; i < SAMPLE_PEERS; i++)
		free(s->named[i]);
}
