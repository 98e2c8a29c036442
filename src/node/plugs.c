/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Who talks to whom. Modules never look each other up: each declares what it needs as a table of functions,
 * and these are the functions.
 *
 *   agent --netmap--> policy --peers--> plane            agent --candidates--> path core
 *   plane --stun, want path, heard--> path core          what the path core decides: drive.c
 *   plane --session--> keeper                            responder --is that a member?--> agent
 */
#include "control/policy/policy.h"
#include "node/drive.h"
#include "node/node_private.h"
#include "node/stamps.h"

#include <stdio.h>
#include <string.h>

/* --- plane --- */

static void on_stun(void *ctx, const struct way_to *by, const uint8_t *msg, size_t len)
{
	drive_input(ctx, &(struct core_in){.kind = CORE_STUN, .stun = {.by = *by, .msg = msg, .n = len}});
}

static void on_want_path(void *ctx, const uint8_t key[32])
{
	drive_input(ctx, &(struct core_in){.kind = CORE_WANT, .key = key});
}

static void on_heard(void *ctx, const uint8_t key[32], const struct way_to *by)
{
	drive_input(ctx, &(struct core_in){.kind = CORE_HEARD, .key = key, .by = *by});
}

static void on_session(void *ctx, const uint8_t key[32], bool up)
{
	struct node *n = ctx;

	(void)key;
	if (up && n->keeper)
		keeper_session(n->keeper);
}

static void on_offload_lost(void *ctx)
{
	const struct node *n = ctx;
	char names[PLANE_OFFLOADS_STR];

	log_warn("node: the kernel refuses an offload that it promised, carrying on without",
		KV("left", plane_offloads_format(plane_offloads(n->plane), names)));
}

static void on_tun_lost(void *ctx)
{
	struct node *n = ctx;

	/* Whoever deleted it meant the tunnel to end; a service manager may start us again. */
	log_error("node: somebody deleted the TUN device, stopping", KV("tun", plane_tun_name(n->plane)));
	n->result = diag_what(&n->failure, TM_EIO, "the TUN device %s was deleted", plane_tun_name(n->plane));
	event_base_loopbreak(n->base);
}

static ns_t on_real_time(void *ctx)
{
	struct node *n = ctx;

	return node_clock_read(&n->clock, time_real(), time_monotonic());
}

/* --- agent --- */

/* The coordinator also answers STUN; once linked we know by which address it is reached. */
static void plug_stun_server(struct node *n, const struct netmap *map)
{
	struct endpoint ep;

	if (n->coord || !agent_coordinator_data_endpoint(n->agent, &ep))
		return;
	for (size_t i = 0; i < map->n_nodes; i++)
		if (memcmp(map->nodes[i].key, n->enrolment.coordinator_key, 32) == 0)
			drive_input(n, &(struct core_in){.kind = CORE_SERVER,
					       .key = n->enrolment.coordinator_key,
					       .id = map->nodes[i].id,
					       .server = {.ep = ep}});
}

/* All of them in one step; those that are already there keep their sessions. */
static int set_peers(struct node *n, const struct policy_peers *peers)
{
	int err;

	plane_peers_begin(n->plane);
	err = plane_peers_clear(n->plane);
	for (size_t i = 0; i < peers->n && !err; i++) {
		err = plane_peer_put(n->plane, &peers->v[i]);
		if (err == TM_EINVAL) {
			log_warn("node: the network map names an impossible key, leaving that peer out");
			err = TM_OK;
		}
	}
	return plane_peers_commit(n->plane);
}

void plugs_apply_netmap(struct node *n, const struct netmap *map)
{
	struct policy_peers peers;

	int err = policy_peers(map, &n->mesh, n->enrolment.self.id, n->identity.x_pub, &peers);
	if (!err) {
		err = set_peers(n, &peers);
		policy_peers_deinit(&peers);
	}
	drive_input(n, &(struct core_in){.kind = CORE_MEMBERS});
	keeper_seed(n->keeper);
	if (err)
		log_error("node: the network map could not be applied, keeping the old one", KV_ERR(err));
	if (n->agent)
		plug_stun_server(n, map);
	node_kick_plane(n);
}

static void on_candidates(void *ctx, const char *id, const struct candidates *c)
{
	struct node *n = ctx;

	drive_input(n, &(struct core_in){.kind = CORE_CANDIDATES, .id = id, .candidates = c});
}

static void on_link(void *ctx, bool up)
{
	struct node *n = ctx;

	if (!up || !n->agent)
		return;
	n->mesh = *agent_mesh(n->agent);
	plug_stun_server(n, agent_netmap(n->agent));
}

static void on_removed(void *ctx, const char *why)
{
	struct node *n = ctx;

	/* Peers drop us too; this only makes sure that nothing more is sent or accepted, and that `status`
	 * says why. */
	log_error("node: the coordinator removed this node", KV("why", why));
	snprintf(n->removed, sizeof(n->removed), "removed from the mesh: %s", why);
	if (plane_peers_clear(n->plane) != TM_OK)
		node_stop_soon(n);
	drive_input(n, &(struct core_in){.kind = CORE_MEMBERS});
	node_kick_plane(n);
}

static void on_netmap(void *ctx, const struct netmap *map)
{
	plugs_apply_netmap(ctx, map);
}

/* --- keeper --- */

static const struct netmap *known_peers(void *ctx)
{
	const struct node *n = ctx;

	return agent_netmap(n->agent);
}

static bool peer_stamps(void *ctx, const uint8_t key[static 32], struct stamps *ret_s)
{
	struct node *n = ctx;

	*ret_s = (struct stamps){.check = core_stamp(n->path_core, key)};
	return plane_peer_stamp(n->plane, key, ret_s->handshake) || ret_s->check;
}

static void seed_stamps(void *ctx, const uint8_t key[static 32], const struct stamps *s)
{
	struct node *n = ctx;

	plane_seed_stamp(n->plane, key, s->handshake);
	core_seed_stamp(n->path_core, key, s->check);
}

/* --- responder --- */

/* The tunnel lets a peer use its own addresses only: this asks whether the peer is still one. */
static bool is_member(void *ctx, const struct ip *from)
{
	const struct node *n = ctx;
	char text[IP_STR_LEN];
	const struct node_rec *r = netmap_lookup(agent_netmap(n->agent), ip_format(from, text));

	return r && !n->removed[0] && strcmp(r->id, n->enrolment.self.id) != 0;
}

/* --- the tables --- */

struct plane_events plugs_plane(struct node *n)
{
	return (struct plane_events){
		.ctx = n,
		.stun = on_stun,
		.want_path = on_want_path,
		.heard = on_heard,
		.session = on_session,
		.offload_lost = on_offload_lost,
		.tun_lost = on_tun_lost,
		.real_time = on_real_time,
	};
}

struct agent_events plugs_agent(struct node *n)
{
	return (struct agent_events){
		.ctx = n,
		.netmap = on_netmap,
		.candidates = on_candidates,
		.link = on_link,
		.removed = on_removed,
	};
}

struct keeper_config plugs_keeper(struct node *n)
{
	return (struct keeper_config){
		.clock = &n->clock,
		.stamps_path = n->paths.stamps,
		.ctx = n,
		.netmap = known_peers,
		.stamps = peer_stamps,
		.seed = seed_stamps,
	};
}

struct responder_config plugs_responder(struct node *n)
{
	return (struct responder_config){
		.addrs = {n->enrolment.self.ip4, n->enrolment.self.ip6},
		.port = n->config.bench_port,
		.ifname = plane_tun_name(n->plane),
		.ctx = n,
		.is_member = is_member,
	};
}
