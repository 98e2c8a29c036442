/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Who talks to whom. Modules never look each other up: each declares what it needs as a table of functions,
 * and these are the functions.
 *
 *   agent --changes--> policy --peers--> plane           agent --candidates--> path core
 *   agent --policy, changes--> rules --rules--> plane    agent <--how we are, when asked--> reporting
 *   plane --stun, want path, heard--> path core          what the path core decides: drive.c
 *   plane --session, heard--> keeper                     responder --is that a member?--> agent
 */
#include "node/plugs.h"
#include "control/policy/policy.h"
#include "crypto/kdf.h"
#include "node/drive.h"
#include "node/exits.h"
#include "node/fence.h"
#include "node/node_private.h"
#include "node/offers.h"
#include "node/relaying.h"
#include "node/router.h"
#include "node/routing.h"
#include "node/rules.h"

#include <stdio.h>
#include <string.h>

/* --- plane --- */

/* What a stream brought before it ended may still be on its way to us: by its number nobody is reached. */
static bool is_over(const struct node *n, const struct way_to *by)
{
	return by->kind == WAY_RELAY_TCP && !streaming_has(n, by->socket) && !relaying_has(n, by->socket);
}

static void on_stun(void *ctx, const struct way_to *by, const uint8_t *msg, size_t len)
{
	if (is_over(ctx, by))
		return;
	if (!relaying_stun(ctx, by, msg, len))
		drive_input(
			ctx, &(struct core_in){.kind = CORE_STUN, .stun = {.by = *by, .msg = msg, .n = len}});
}

static void on_want_path(void *ctx, const uint8_t key[32])
{
	drive_input(ctx, &(struct core_in){.kind = CORE_WANT, .key = key});
}

static void on_heard(void *ctx, const uint8_t key[32], const struct way_to *by)
{
	struct node *n = ctx;

	keeper_heard(n->keeper, key);
	if (!is_over(n, by))
		drive_input(n, &(struct core_in){.kind = CORE_HEARD, .key = key, .by = *by});
}

static void on_session(void *ctx, const uint8_t key[32], bool up)
{
	struct node *n = ctx;
	const struct mesh_node *m = mesh_by_key(peers_mesh(n->peers), key);
	struct plane_peer_stats s;

	if (up)
		keeper_heard(n->keeper, key);
	if (!m || plane_peer_stats(n->plane, key, &s) != TM_OK)
		return;
	/* Where a member was reached the path core tells (drive.c). */
	if (up && m->kind == NODE_CLIENT && endpoint_is_set(&s.way.remote))
		peers_remember_endpoint(n->peers, m->id, &s.way.remote);
	news_session(n->news, m, &s.way.remote, up);
	routing_session(n, m, up);
}

static void on_handshake(void *ctx, const uint8_t *key, const struct way_to *by, const char *what)
{
	struct node *n = ctx;

	if (!log_enabled(LOG_DEBUG))
		return;
	const struct mesh_node *m = key ? mesh_by_key(peers_mesh(n->peers), key) : NULL;
	const struct endpoint *at = by ? &by->remote : &(struct endpoint){.port = 0};
	LOG_LIMITED(LOG_DEBUG, &n->log.handshake, key ? log_who(key, 32) : log_who_ip(&at->ip),
		"node: handshake", KV("what", what), KV("peer", m ? m->name : NULL), KV_EP("with", at));
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
	node_stop_now(n);
}

static void on_stream_lost(void *ctx, uint32_t stream, int err UNUSED)
{
	if (!streaming_lost(ctx, stream))
		(void)relaying_stream_lost(ctx, stream);
}

static ns_t on_real_time(void *ctx)
{
	struct node *n = ctx;

	return node_clock_read(&n->clock, time_real(), time_monotonic());
}

/* --- agent --- */

/* The coordinator also answers STUN; once linked we know where it may be. */
static void plug_stun_server(struct node *n)
{
	const uint8_t *key = n->enrolment.coordinator_key;
	const struct mesh_node *server = mesh_by_key(peers_mesh(n->peers), key);
	struct endpoint at[1 + CANDIDATES_MAX];
	size_t n_at = agent_coordinator_data(n->agent, at, ARRAY_LEN(at));

	if (!n->coord && server && n_at)
		drive_input(n,
			&(struct core_in){.kind = CORE_SERVER,
				.key = key,
				.id = server->id,
				/* The links come at their own pace already. */
				.server = {at, n_at, peers_known_coordinator(n->peers)->pace_ms * MS / 4}});
}

static int put_peer(void *ctx, const struct plane_peer *peer)
{
	struct node *n = ctx;
	int err = plane_peer_put(n->plane, peer);

	if (err == TM_EINVAL) {
		LOG_LIMITED(LOG_WARN, &n->log.mesh, log_who(peer->key, 32),
			"node: the network map names an impossible key, leaving that peer out");
		err = TM_OK;
	}
	return err;
}

static int remove_peer(void *ctx, const uint8_t key[32])
{
	struct node *n = ctx;

	return plane_peer_remove(n->plane, key);
}

/* The plane's peers after a change of the mesh, in one step; those that it does not concern are not looked
 * at. Anew: d names all that there are, and who is not among them goes. */
static int follow_with_plane(struct node *n, const struct mesh_diff *d, bool anew)
{
	const struct policy policy = {
		.secret = n->mesh.secret,
		.self_key = n->identity.x_pub,
		.self_id = n->enrolment.self.id,
		.self_host = n->enrolment.self.host,
		.owners = routing_follow(n, d, anew),
	};
	const struct policy_ops ops = {.ctx = n, .remove = remove_peer, .put = put_peer};

	plane_peers_begin(n->plane);
	int err = anew ? plane_peers_clear(n->plane) : TM_OK;
	if (!err)
		err = policy_apply(&policy, peers_mesh(n->peers), d, &ops);
	if (!err)
		err = routing_apply(n, &policy, &ops);
	int published = plane_peers_commit(n->plane);
	return err ? err : published;
}

void plugs_networks(struct node *n)
{
	static const struct mesh_diff nothing;
	int err = follow_with_plane(n, &nothing, false);

	if (err)
		n->behind = true;
	routing_settle(n);
	node_kick_plane(n);
}

/* A path is with whoever has the key. */
static void follow_with_paths(struct node *n, const struct mesh_diff *d)
{
	for (size_t i = 0; i < d->n; i++)
		if (d->v[i].what & (MESH_REMOVED | MESH_KEY | MESH_KIND))
			drive_input(n, &(struct core_in){.kind = CORE_REMOVE, .key = d->v[i].before->key});
}

/* What was heard of a peer before the last restart, so that it stays refused. */
static void seed_stamps(struct node *n, const struct mesh_diff *d)
{
	for (size_t i = 0; i < d->n; i++) {
		const struct mesh_node *member = d->v[i].after;
		const struct contact *c =
			d->v[i].what & (MESH_ADDED | MESH_KEY) ? peers_contact(n->peers, member->id) : NULL;

		if (!c)
			continue;
		plane_seed_stamp(n->plane, member->key, c->stamps.handshake);
		core_seed_stamp(n->path_core, member->key, c->stamps.check);
	}
}

/*
 * After a restart a client's packets belong to a session that we do not have any more. It would notice after
 * a quarter of a minute of silence, and nobody could call it meanwhile: so it is met where it was last.
 */
static void meet_clients(struct node *n, const struct mesh_diff *d)
{
	for (size_t i = 0; i < d->n; i++) {
		const struct mesh_node *m = d->v[i].after;
		struct plane_peer_stats s;

		if (!(d->v[i].what & MESH_ADDED) || m->kind != NODE_CLIENT ||
			strcmp(m->via, n->enrolment.self.id) != 0)
			continue;
		const struct contact *c = peers_contact(n->peers, m->id);
		if (!c || !endpoint_is_set(&c->worked) || plane_peer_stats(n->plane, m->key, &s) != TM_OK ||
			endpoint_is_set(&s.way.remote))
			continue;
		/* A place that the plane refuses is none. */
		if (plane_set_way(n->plane, m->key, &(struct way_to){.remote = c->worked}, NULL) == TM_OK)
			plane_nudge(n->plane, m->key);
	}
}

static void on_mesh_changed(void *ctx, const struct mesh_diff *d)
{
	struct node *n = ctx;
	struct mesh_diff all = {0};
	bool again = n->behind;
	int err = TM_OK;

	/* After a change for which there was no memory, all that is there counts as new. */
	if (again)
		err = mesh_diff_all(peers_mesh(n->peers), &all);
	/* Before the networks behind them can be reached. */
	node_rules_mesh(n, again ? &all : d);
	if (!err)
		err = follow_with_plane(n, again ? &all : d, again);
	news_mesh(n->news, d);
	routing_settle(n);
	follow_with_paths(n, d);
	relaying_mesh(n, d);
	seed_stamps(n, again ? &all : d);
	meet_clients(n, again ? &all : d);
	mesh_diff_deinit(&all);
	n->behind = err != TM_OK;
	if (err)
		LOG_LIMITED(LOG_ERROR, &n->log.mesh, LOG_WHO_ALL,
			"node: the network map could not be applied, trying again at the next change",
			KV_ERR(err));
	offers_look(n);
	exits_look(n);
	router_look(n);
	fence_routes(n);
	plug_stun_server(n);
	node_kick_plane(n);
}

static void on_candidates(void *ctx, const char *id, const struct candidates *c, bool looks)
{
	struct node *n = ctx;

	drive_input(n, &(struct core_in){.kind = CORE_CANDIDATES, .id = id, .candidates = c, .looks = looks});
}

static void on_relays(void *ctx, const struct relays *r)
{
	relaying_told(ctx, r);
}

static int on_policy(void *ctx, const struct policy_kept *policy)
{
	return node_rules_policy(ctx, policy);
}

static void on_report(void *ctx, const struct msg_report_ask *ask)
{
	struct node *n = ctx;

	reporting_asked(n->reporting, ask);
}

static void on_link(void *ctx, bool up)
{
	struct node *n = ctx;

	drive_input(n, &(struct core_in){.kind = CORE_LINK, .link_up = up});
	if (!up) {
		reporting_stop(n->reporting);
		return;
	}
	n->links_begun++;
	n->mesh = *agent_mesh_info(n->agent);
	n->removed[0] = '\0';
	n->twin = false;
	offers_reload(n); /* what it refused it may take now */
	plug_stun_server(n);
}

static void on_removed(void *ctx, const char *why, bool twin)
{
	struct node *n = ctx;

	/* The members are gone from the map already, and the peers with them; this is for `status`. */
	LOG_LIMITED(LOG_ERROR, &n->log.mesh, LOG_WHO_ALL,
		twin ? "node: another machine has this node's identity"
		     : "node: the coordinator removed this node",
		KV("why", why));
	n->twin = twin;
	snprintf(n->removed, sizeof(n->removed), "%s", why);
}

/* --- keeper --- */

static bool peer_stamps(void *ctx, const uint8_t key[static 32], struct stamps *ret_s)
{
	struct node *n = ctx;

	const struct mesh_node *m = mesh_by_key(peers_mesh(n->peers), key);

	/* A sender's stamps rise whatever they are for. */
	*ret_s = (struct stamps){.check = core_stamp(n->path_core, key)};
	if (m)
		ret_s->check = MAX(ret_s->check, relaying_stamp(n, m->id));
	return plane_peer_stamp(n->plane, key, ret_s->handshake) || ret_s->check;
}

/* --- responder --- */

/* The tunnel lets a peer use its own addresses only: this asks whether the peer is still one. */
static bool is_member(void *ctx, const struct ip *from)
{
	const struct node *n = ctx;
	const struct mesh_node *member = mesh_by_ip(peers_mesh(n->peers), from);

	return member && strcmp(member->id, n->enrolment.self.id) != 0;
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
		.handshake = on_handshake,
		.offload_lost = on_offload_lost,
		.tun_lost = on_tun_lost,
		.stream_lost = on_stream_lost,
		.real_time = on_real_time,
	};
}

struct agent_events plugs_agent(struct node *n)
{
	return (struct agent_events){
		.ctx = n,
		.mesh_changed = on_mesh_changed,
		.candidates = on_candidates,
		.relays = on_relays,
		.policy = on_policy,
		.report = on_report,
		.link = on_link,
		.removed = on_removed,
	};
}

struct keeper_config plugs_keeper(struct node *n)
{
	return (struct keeper_config){
		.clock = &n->clock,
		.peers = n->peers,
		.ctx = n,
		.stamps = peer_stamps,
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

/* With an exit node what no member has is the exit's to answer, and of our own address it knows nothing. */
static bool is_taken(void *ctx, const struct ip *ip)
{
	const struct node *n = ctx;

	return mesh_by_ip(peers_mesh(n->peers), ip) || exits_in_force(n)[0];
}

/* --- mapper --- */

static void on_port_mapping(void *ctx)
{
	struct node *n = ctx;
	struct portmap_view v = {.protocol = PORTMAP_NONE};

	/* IPv6 addresses are candidates already; what the gateway does for them is let others in. */
	(void)mapper_look(n->mapper, IP_V4, &v);
	news_port(n->news, &v);
	drive_input(n, &(struct core_in){.kind = CORE_PORTMAP, .portmap = v.external});
}

/* The same nonce whenever we run, so that we can renew and give back what we asked for before a crash. */
int plugs_mapper(struct node *n, struct mapper_config *ret_cfg)
{
	*ret_cfg = (struct mapper_config){
		.routes = n->routes,
		.mark = n->config.fwmark,
		.port = plane_port(n->plane),
		.lease = n->config.port_lease,
		.journal = n->paths.undo,
		.ctx = n,
		.changed = on_port_mapping,
	};
	return hkdf_sha256(n->identity.x_priv, sizeof(n->identity.x_priv), NULL, 0, "tunnelmesh pcp 1",
		ret_cfg->nonce, sizeof(ret_cfg->nonce));
}

struct inbound_config plugs_inbound(struct node *n)
{
	return (struct inbound_config){
		.ctx = n,
		.ifname = plane_tun_name(n->plane),
		.side = {{n->enrolment.self.ip4, n->mesh.net4}, {n->enrolment.self.ip6, n->mesh.net6}},
		.taken = is_taken,
	};
}
