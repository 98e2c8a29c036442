/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "node/drive.h"

#include "control/path/birthday.h"
#include "crypto/init.h"
#include "node/node_private.h"
#include "node/routing.h"

#include <stdio.h>
#include <string.h>

/* --- what the core asks of its surroundings --- */

static bool find_member(void *ctx, const char *id, const uint8_t *key, struct core_member *ret_member)
{
	const struct node *n = ctx;
	const struct mesh *mesh = peers_mesh(n->peers);
	const struct mesh_node *m = id ? mesh_by_id(mesh, id) : mesh_by_key(mesh, key);

	if (!m || m->kind != NODE_MESH || strcmp(m->id, n->enrolment.self.id) == 0)
		return false;
	memcpy(ret_member->id, m->id, sizeof(ret_member->id));
	memcpy(ret_member->key, m->key, sizeof(ret_member->key));
	ret_member->host = m->host;
	return true;
}

static uint32_t dice(void *ctx)
{
	(void)ctx;
	return random_u32();
}

static void outlet(void *ctx, const struct way_to *way, struct outlet *ret_outlet)
{
	static const enum reach reaches[] = {
		[OS_ROUTE_NONE] = REACH_NONE,
		[OS_ROUTE_PLAIN] = REACH_PLAIN,
		[OS_ROUTE_TUNNEL] = REACH_TUNNEL,
		[OS_ROUTE_MESH] = REACH_MESH,
	};
	const struct node *n = ctx;
	struct os_route r;

	os_route_to(n->routes, &way->remote.ip, &way->local, &r);
	*ret_outlet = (struct outlet){.reach = reaches[r.kind], .ifindex = r.ifindex, .source = r.source};
}

/* --- what it decides --- */

static void use_way(struct node *n, const struct core_out *out)
{
	bool any = endpoint_is_set(&out->way.remote);

	/* A way that the plane refuses stays unused; its check will not be repeated. */
	(void)!plane_set_way(n->plane, out->peer.key, any ? &out->way : NULL,
		endpoint_is_set(&out->also.remote) ? &out->also : NULL);
	node_kick_plane(n);
}

static void tell_registered(struct node *n)
{
	struct endpoint eps[CORE_REGISTERED_MAX];
	size_t count = core_registered(n->path_core, time_monotonic(), eps);

	(void)!plane_set_relays(n->plane, eps, count); /* there is room for more than we ever use */
}

static void wake_session(struct node *n, const struct core_out *out)
{
	plane_nudge(n->plane, out->peer.key);
	node_kick_plane(n);
}

static void sample(struct node *n, const struct core_out *out)
{
	struct plane_peer_stats s;

	if (plane_peer_stats(n->plane, out->peer.key, &s) != TM_OK)
		s = (struct plane_peer_stats){0};
	drive_input(n, &(struct core_in){.kind = CORE_ACTIVITY,
			       .key = out->peer.key,
			       .activity = {.last_recv = s.last_way_recv, .tx_bytes = s.tx_bytes}});
}

/* A quarter of all descriptors at most: what is left is for links and files. */
static void open_sockets(struct node *n, const struct core_out *out)
{
	const size_t most = MIN(out->n, os_descriptors() / 4);
	uint32_t v[BIRTHDAY_SOCKETS];
	size_t count = 0;
	uint16_t port;

	while (count < MIN(most, ARRAY_LEN(v))) {
		const uint16_t wanted = out->port ? (uint16_t)(out->port + count) : 0;

		if (plane_socket_open(n->plane, wanted, &v[count], &port) != TM_OK) {
			if (!wanted)
				break;
			v[count] = 0;
		}
		count++;
	}
	drive_input(n, &(struct core_in){.kind = CORE_SOCKETS, .key = out->peer.key, .sockets = {v, count}});
}

static void act(struct node *n, const struct core_out *out)
{
	switch (out->kind) {
	case CORE_SEND:
		if (out->why == WHY_ANSWER) /* every check that is accepted is answered: its stamp is new */
			keeper_heard(n->keeper, out->peer.key);
		/* What cannot be sent is not answered. */
		(void)!plane_send(n->plane, &out->way, out->msg, out->n);
		break;
	case CORE_USE:
		use_way(n, out);
		break;
	case CORE_AGAIN:
		(void)!plane_send_again(n->plane, out->peer.key, &out->way, out->since); /* best effort */
		break;
	case CORE_LIVES:
		plane_way_lives(n->plane, out->peer.key, out->rtt);
		node_kick_plane(n);
		break;
	case CORE_ASK:
		agent_want_candidates(n->agent, out->peer.id);
		break;
	case CORE_TELL:
		agent_set_candidates(n->agent, core_mine(n->path_core));
		break;
	case CORE_WORKS:
		peers_remember_endpoint(n->peers, out->peer.id, &out->way.remote);
		break;
	case CORE_WAKE:
		wake_session(n, out);
		break;
	case CORE_SAMPLE:
		sample(n, out);
		break;
	case CORE_REGISTERED:
		tell_registered(n);
		break;
	case CORE_OPEN:
		open_sockets(n, out);
		break;
	case CORE_CLOSE:
		plane_socket_close(n->plane, out->way.socket);
		break;
	case CORE_STREAM_OPEN:
		streaming_open(n, out->peer.id);
		break;
	case CORE_STREAM_CLOSE:
		streaming_close(n, out->peer.id);
		break;
	case CORE_PROBED:
		netcheck_grew(n->netcheck);
		break;
	case CORE_NOTE:
	case CORE_OUT_N:
		break;
	}
}

/* --- what is told --- */

static void trace_out(struct node *n, const struct core_out *out, const struct mesh_node *m)
{
	char text[CORE_LINE_MAX + 8] = "path: ";

	if (!log_enabled(LOG_DEBUG) || out->kind == CORE_SAMPLE || out->kind == CORE_LIVES)
		return;
	core_out_format(out, text + strlen(text));
	LOG_LIMITED(LOG_DEBUG, &n->log.path, log_who(out->peer.id, NODE_ID_LEN), text,
		KV("peer", m ? m->name : NULL));
}

static void trace_candidates(struct node *n, const struct core_in *in)
{
	const struct mesh_node *m = mesh_by_id(peers_mesh(n->peers), in->id);

	for (size_t i = 0; i < in->candidates->n; i++)
		LOG_LIMITED(LOG_DEBUG, &n->log.path, log_who(in->id, strlen(in->id)), "path: candidate",
			KV("peer", m ? m->name : in->id),
			KV("type", candidate_type_name(in->candidates->v[i].type)),
			KV_EP("at", &in->candidates->v[i].ep));
}

/* Of what comes in: what is not an answer to something that is told, and comes seldom. */
static void trace_in(struct node *n, const struct core_in *in)
{
	char text[CORE_LINE_MAX + 8] = "path: ";

	if (!log_enabled(LOG_DEBUG) || in->kind == CORE_STUN || in->kind == CORE_ACTIVITY)
		return;
	core_in_format(in, text + strlen(text));
	LOG_LIMITED(LOG_DEBUG, &n->log.path, in->key ? log_who(in->key, 32) : LOG_WHO_ALL, text);
	if (in->kind == CORE_CANDIDATES)
		trace_candidates(n, in);
}

static void report(struct node *n, const struct core_out *out)
{
	const struct mesh_node *m = out->peer.id[0] ? mesh_by_key(peers_mesh(n->peers), out->peer.key) : NULL;
	struct plane_peer_stats s = {.session = false};

	trace_out(n, out, m);
	if (!m || out->kind == CORE_SEND || out->kind == CORE_SAMPLE)
		return;
	if (plane_peer_stats(n->plane, out->peer.key, &s) != TM_OK)
		s.session = false;
	news_path(n->news, m, out, s.session);
	routing_path(n, m, out);
}

/* --- the loop --- */

static void drain(void *ctx)
{
	struct node *n = ctx;
	struct core_out out;

	if (n->draining)
		return; /* further up somebody is at it */
	n->draining = true;
	ns_t now = time_monotonic(), real = node_clock_read(&n->clock, time_real(), now);
	while (core_output(n->path_core, now, real, &out)) {
		reaching_output(n->reaching, &out, now);
		report(n, &out);
		act(n, &out);
	}
	n->draining = false;
	loop_timer_at(n->path_timer, core_next(n->path_core));
}

void drive_input(struct node *n, const struct core_in *in)
{
	const ns_t now = time_monotonic();

	trace_in(n, in);
	reaching_input(n->reaching, in, now);
	if (in->kind == CORE_REMOVE)
		path_history_forget(n->path_history, in->key);
	core_input(n->path_core, in, now);
	drain(n);
}

static size_t local_addresses(const struct node *n, struct ip ret_local[static CORE_ADDRESSES_MAX])
{
	return os_local_addresses(plane_tun_name(n->plane), n->config.fwmark, ret_local, CORE_ADDRESSES_MAX);
}

bool drive_is_elsewhere(const struct node *n)
{
	struct ip local[CORE_ADDRESSES_MAX];

	return !core_is_at(n->path_core, local, local_addresses(n, local));
}

void drive_network(struct node *n)
{
	struct ip local[CORE_ADDRESSES_MAX];
	const size_t count = local_addresses(n, local);

	os_routes_forget(n->routes);
	drive_input(n, &(struct core_in){.kind = CORE_NETWORK, .network = {local, count}});
}

void drive_routes(struct node *n)
{
	os_routes_forget(n->routes);
	drive_input(n, &(struct core_in){.kind = CORE_ROUTES});
}

void drive_advertise(struct node *n)
{
	drive_input(n, &(struct core_in){.kind = CORE_ADVERTISE,
			       .advertise = {n->config.advertise, n->config.n_advertise}});
}

int drive_open(struct node *n)
{
	const struct core_config cfg = {
		.private_key = n->identity.x_priv,
		.self_id = n->enrolment.self.id,
		.self_host = n->enrolment.self.host,
		.port = plane_port(n->plane),
		.mtu = n->config.mtu,
		.net4 = n->mesh.net4,
		.net6 = n->mesh.net6,
	};
	const struct core_ops ops = {.ctx = n, .find = find_member, .random = dice, .outlet = outlet};
	int err = loop_timer_new(n->base, drain, n, &n->path_timer);

	if (!err)
		err = os_routes_new(plane_tun_name(n->plane), n->config.fwmark, &n->routes, &n->failure);
	return err ? err : core_new(&cfg, &ops, &n->path_core);
}

void drive_close(struct node *n)
{
	core_free(TAKE(n->path_core));
	loop_timer_free(TAKE(n->path_timer));
	os_routes_free(TAKE(n->routes));
}
