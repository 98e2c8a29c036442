/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "node/view.h"

#include "node/dashboard.h"
#include "node/metrics_serving.h"
#include "node/node_private.h"
#include "node/offers.h"
#include "node/router.h"

#include <string.h>

static enum view_path path_of(const struct plane_peer_stats *s, const struct core_view *v, bool is_client)
{
	static const enum view_path kinds[] = {
		[WAY_UDP] = VIEW_DIRECT,
		[WAY_RELAY_UDP] = VIEW_RELAY,
		[WAY_RELAY_TCP] = VIEW_TCP,
	};

	if (endpoint_is_set(&s->way.remote) && is_client)
		return VIEW_DIRECT;
	if (is_client)
		return VIEW_NONE;
	if (v->state == PATH_UP && endpoint_is_set(&s->way.remote) && (v->proved || v->way.kind == WAY_UDP))
		return kinds[v->way.kind];
	return v->state == PATH_IDLE ? VIEW_IDLE : VIEW_CHECKING;
}

/* Through whom the way leads; "": nobody, or one that only the peer knows. */
static const char *relay_of(const struct node *n, const struct way_to *way)
{
	const struct node_rec *self = &n->enrolment.self;
	char id[NODE_ID_LEN + 1];

	core_relay_of(n->path_core, way, id);
	const struct mesh_node *m = mesh_by_id(peers_mesh(n->peers), id);
	/* A stream that we have not made is a member's, who has us for its relay. */
	if (!m && way->kind == WAY_RELAY_TCP && relaying_registrar(n))
		m = mesh_by_id(peers_mesh(n->peers), self->id);
	return m ? m->name : "";
}

void peer_view_take(const struct node *n, const struct mesh_node *member, const struct presence *presence,
	struct peer_view *ret_view)
{
	bool is_client = member->kind == NODE_CLIENT;
	bool remote_client = is_client && strcmp(member->via, n->enrolment.self.id) != 0;
	struct peer_view v = {.member = member,
		.candidate = "",
		.via_name = "",
		.relay_name = "",
		.age_s = -1,
		.not_direct = is_client ? PATH_NOT_NOTHING : PATH_NOT_UNUSED,
		.online_known = presence != NULL};
	struct plane_peer_stats s = {0};
	struct core_view paths = {0};

	mesh_node_addresses(peers_mesh(n->peers), member, &v.ip4, &v.ip6);
	const struct mesh_node *via = is_client ? mesh_by_id(peers_mesh(n->peers), member->via) : NULL;
	if (via)
		v.via_name = via->name;
	v.online = presence && presence_has(presence, member->host);
	if (!is_client && core_view(n->path_core, member->key, &paths)) {
		v.rtt = paths.rtt;
		v.mtu = paths.mtu;
		v.not_direct = paths.not_direct;
		v.guesses_s = MAX(paths.guesses_at - time_monotonic(), 0) / SEC;
		v.addresses = paths.addresses;
		if (paths.since)
			v.age_s = (time_monotonic() - paths.since) / SEC;
		if (endpoint_is_set(&paths.way.remote)) {
			v.relay_name = relay_of(n, &paths.way);
			v.candidate = candidate_type_name(paths.type);
		}
	}
	/* A client behind another node has no session of its own here: its numbers stay zero. */
	if (!remote_client && plane_peer_stats(n->plane, member->key, &s) == TM_OK)
		v.path = path_of(&s, &paths, is_client);
	v.remote = s.way.remote;
	v.session = s.session;
	v.rx_bytes = s.rx_bytes;
	v.tx_bytes = s.tx_bytes;
	v.last_handshake = s.last_handshake_real / SEC;
	*ret_view = v;
}

struct link_view view_link(const struct node *n)
{
	struct link_view v = {.up = agent_link_up(n->agent),
		.removed = n->removed[0] && !n->twin,
		.twin = n->twin,
		.address = agent_coordinator_ip(n->agent),
		.tls = agent_link_tls(n->agent),
		.proxy = agent_link_proxy(n->agent)};

	agent_proxy_failed(n->agent, v.proxy_failed, sizeof(v.proxy_failed));
	v.error = n->removed[0] ? n->removed : v.up ? "" : agent_last_error(n->agent);
	return v;
}

void reach_view_take(const struct node *n, const struct mesh_node *member, const struct presence *presence,
	struct reach_view *ret_view)
{
	struct reach_view v = {.mine = core_mine(n->path_core), .link = view_link(n)};

	peer_view_take(n, member, presence, &v.peer);
	v.pairs = core_pairs(n->path_core, member->key, &v.n_pairs, &v.chosen);
	for (size_t i = 0; i < v.n_pairs; i++)
		v.relays[i] = relay_of(n, &v.pairs[i].way);
	*ret_view = v;
}

static void take_plane(const struct node *n, struct node_view *v)
{
	v->tun = plane_tun_name(n->plane);
	v->aead = plane_aead_provider(n->plane);
	v->steering = plane_steered(n->plane) ? "destination" : "flow";
	v->offload_losses = plane_offload_losses(n->plane);
	v->workers = plane_workers(n->plane);
	v->listen_port = plane_port(n->plane);
	plane_offloads_format(plane_offloads(n->plane), v->offloads);
	plane_drops(n->plane, v->drops);
	v->inbound_known = inbound_known(n->inbound);
	v->firewalled4 = inbound_dropped(n->inbound, 0);
	v->firewalled6 = inbound_dropped(n->inbound, 1);
	v->drops[DROP_STUN_AUTH] += core_refused(n->path_core);
	relaying_look(n, &v->relay);
	v->drops[DROP_STUN_AUTH] += v->relay.refused;
}

struct ports_view view_ports(const struct node *n)
{
	struct ports_view v = {.now = time_monotonic()};

	v.on = n->mapper && mapper_look(n->mapper, IP_V4, &v.v[0]) && mapper_look(n->mapper, IP_V6, &v.v[1]);
	return v;
}

static int by_name(const void *a, const void *b)
{
	const struct mesh_node *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

int view_members(const struct node *n, const struct mesh_node ***ret_members, size_t *ret_n)
{
	const struct mesh *mesh = peers_mesh(n->peers);
	const struct mesh_node **v = calloc(mesh_size(mesh) + 1, sizeof(*v)), *member;
	size_t count = 0;

	if (!v)
		return TM_ENOMEM;

	for (size_t i = 0; (member = mesh_next(mesh, &i));)
		if (strcmp(member->id, n->enrolment.self.id) != 0)
			v[count++] = member;
	qsort(v, count, sizeof(*v), by_name);
	*ret_members = v;
	*ret_n = count;
	return TM_OK;
}

static void take_clock(const struct node *n, struct node_view *v)
{
	const ns_t real = time_real();
	const int64_t there = agent_coordinator_time(n->agent);

	v->clock_known = there != 0;
	v->clock_ahead_s = there ? real / SEC - there : 0;
	v->clock_set_back_s = node_clock_ahead(&n->clock, real, time_monotonic()) / SEC;
}

int node_view_take(
	const struct node *n, const struct presence *presence, bool brief, struct node_view *ret_view)
{
	const struct mesh *mesh = peers_mesh(n->peers);
	const struct node_rec *self = &n->enrolment.self;
	const struct mesh_node *now = mesh_by_id(mesh, self->id);
	_cleanup_(freep) const struct mesh_node **members = NULL;
	size_t n_members = 0;
	struct node_view v = {
		.mesh = &n->mesh,
		.name = now ? now->name : self->name,
		.aliases = now ? now->aliases : "",
		.id = self->id,
		.ip4 = self->ip4,
		.ip6 = self->ip6,
		.key = n->identity.x_pub,
		.coordinator = n->enrolment.coordinator,
		.mtu = n->config.mtu,
		.api_port = n->coord ? coord_port(n->coord) : 0,
		.pid = os_process(),
		.uptime_s = (time_monotonic() - n->started) / SEC,
	};

	int err = view_members(n, &members, &n_members);
	if (err)
		return err;
	v.peers = calloc(n_members + 1, sizeof(*v.peers));
	if (!v.peers)
		return TM_ENOMEM;

	v.link = view_link(n);
	take_plane(n, &v);
	take_clock(n, &v);
	v.ports = view_ports(n);
	node_rules_view(n, &v.policy);
	v.routing.v = routing_look(n, &v.routing.n);
	v.routing.trouble = router_trouble(n);
	v.routing.refused = offers_refused(n);
	exits_view(n, &v.routing.exit);
	metrics_serving_view(n, &v.metrics);
	node_dashboard_view(n, &v.dashboard);
	v.twins = n->coord ? coord_twins(n->coord) : 0;
	v.clock_failure = keeper_failure(n->keeper);
	v.map_failure = peers_failure(n->peers);
	v.program_replaced = os_program_is_replaced();
	brief = brief && mesh_size(mesh) > VIEW_BRIEF_MAX;
	for (size_t i = 0; i < n_members; i++) {
		peer_view_take(n, members[i], presence, &v.peers[v.n_peers]);
		if (brief && !view_in_use(&v.peers[v.n_peers]))
			v.n_left_out++;
		else
			v.n_peers++;
	}
	*ret_view = v;
	return TM_OK;
}

void node_view_deinit(struct node_view *v)
{
	free(v->peers);
	*v = (struct node_view){0};
}
