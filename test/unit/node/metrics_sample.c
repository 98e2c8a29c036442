/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/node/metrics_sample.h"

#include <string.h>

static struct endpoint at(const char *text)
{
	struct endpoint ep = {.port = 0};

	(void)!endpoint_parse(text, &ep); /* literals; what is none is shown as no address, and that fails */
	return ep;
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

	snprintf(s->mesh.name, sizeof(s->mesh.name), "home");
	s->peers[0] = (struct peer_view){
		.member = &s->node, .path = VIEW_DIRECT, .remote = at("192.0.2.1:51820"), .session = true};
	s->peers[1] = (struct peer_view){.member = &s->node,
		.path = VIEW_DIRECT,
		.remote = at("[2001:db8::1]:51820"),
		.session = true};
	s->peers[2] = (struct peer_view){.member = &s->node,
		.path = VIEW_RELAY,
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
			},
		.reaching = s->reaching,
		.dns = &s->dns,
		.dns_connections = 1,
		.usage = {.cpu = 1250 * MS, .resident_bytes = 4 << 20, .threads = 4, .descriptors = 30},
		.descriptors_max = 1024,
		.started_real = 1700000000 * SEC,
	};
	s->view.node.drops[DROP_NO_PATH] = 17;
	return true;
}

void metrics_sample_deinit(struct metrics_sample *s)
{
	reaching_free(s->reaching);
}
