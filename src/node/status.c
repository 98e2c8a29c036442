/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What `status` and `peers` show: gathered from netmap, plane and path core at the time of asking. */
#include "base/encode.h"
#include "node/node_private.h"

#include <string.h>
#include <unistd.h>

static json_t *json_ip(const struct ip *ip)
{
	char buf[IP_STR_LEN];

	return json_string(ip_format(ip, buf));
}

static json_t *json_prefix(const struct prefix *p)
{
	char buf[PREFIX_STR_LEN];

	return json_string(prefix_format(p, buf));
}

static json_t *json_endpoint(const struct endpoint *ep)
{
	char buf[ENDPOINT_STR_LEN];

	return json_string(endpoint_format(ep, buf));
}

static json_t *json_key(const uint8_t key[static 32])
{
	char buf[BASE64_LEN(32) + 1];

	base64_encode(key, 32, buf);
	return json_string(buf);
}

static const char *path_word(const struct plane_peer_stats *s, const struct core_view *v, bool is_client)
{
	if (endpoint_is_set(&s->way.remote) && (is_client || v->state == PATH_UP))
		return "direct";
	if (is_client)
		return "-";
	return v->state == PATH_CHECKING ? "checking" : "idle";
}

/* NULL presence: not known, because there is no link or no answer. */
static json_t *online_json(const struct presence *p, const struct mesh_node *r)
{
	return p ? json_boolean(presence_has(p, r->host)) : json_null();
}

static json_t *peer_json(struct node *n, const struct mesh_node *r, const struct presence *presence)
{
	bool is_client = r->kind == NODE_CLIENT,
	     remote_client = is_client && strcmp(r->via, n->enrolment.self.id) != 0;
	struct plane_peer_stats s = {0};
	struct core_view v = {0};
	json_t *tags = json_array();
	struct ip ip4, ip6;

	/* A client behind another node has no session of its own here: its numbers stay zero. */
	bool known = !remote_client && plane_peer_stats(n->plane, r->key, &s) == TM_OK;
	bool probed = !is_client && core_view(n->path_core, r->key, &v);
	for (const char *t = r->tags; *t; t += strlen(t) + 1)
		json_array_append_new(tags, json_string(t));
	mesh_node_addresses(peers_mesh(n->peers), r, &ip4, &ip6);

	json_t *j = json_pack("{s:s, s:s, s:o, s:o, s:o, s:s, s:o, s:b, s:o, s:s}", "name", r->name, "id",
		r->id, "ip4", json_ip(&ip4), "ip6", json_ip(&ip6), "key", json_key(r->key), "kind",
		is_client ? "client" : "node", "online", online_json(presence, r), "coordinator",
		(int)r->coordinator, "tags", tags, "via", r->via);
	if (!j)
		return NULL;
	json_object_set_new(j, "endpoint", json_endpoint(&s.way.remote));
	json_object_set_new(j, "path", json_string(known ? path_word(&s, &v, is_client) : "-"));
	json_object_set_new(j, "candidate",
		json_string(probed && endpoint_is_set(&v.way.remote) ? candidate_type_name(v.type) : ""));
	json_object_set_new(
		j, "rtt_ms", probed && v.rtt ? json_real((double)v.rtt / (double)MS) : json_null());
	json_object_set_new(j, "rx_bytes", json_integer((json_int_t)s.rx_bytes));
	json_object_set_new(j, "tx_bytes", json_integer((json_int_t)s.tx_bytes));
	json_object_set_new(j, "last_handshake", json_integer(s.last_handshake_real / SEC));
	json_object_set_new(j, "session", json_boolean(s.session));
	return j;
}

static json_t *peers_json(struct node *n, const char *only_id, const struct presence *presence)
{
	const struct mesh *mesh = peers_mesh(n->peers);
	const struct mesh_node *r = only_id[0] ? mesh_by_id(mesh, only_id) : NULL;
	json_t *peers = json_array();

	if (r)
		json_array_append_new(peers, peer_json(n, r, presence));
	for (size_t i = 0; !only_id[0] && (r = mesh_next(mesh, &i));)
		if (strcmp(r->id, n->enrolment.self.id) != 0)
			json_array_append_new(peers, peer_json(n, r, presence));
	return peers;
}

static json_t *drops_json(struct node *n)
{
	uint64_t counts[DROP_N];
	json_t *j = json_object();

	plane_drops(n->plane, counts);
	counts[DROP_STUN_AUTH] += core_refused(n->path_core);
	for (int i = 0; i < DROP_N; i++)
		if (counts[i])
			json_object_set_new(
				j, plane_drop_label((enum plane_drop)i), json_integer((json_int_t)counts[i]));
	return j;
}

static json_t *self_json(struct node *n)
{
	const struct node_rec *self = &n->enrolment.self;
	const struct mesh_node *now = mesh_by_id(peers_mesh(n->peers), self->id);

	return json_pack("{s:s, s:s, s:o, s:o, s:b, s:o}", "name", now ? now->name : self->name, "id",
		self->id, "ip4", json_ip(&self->ip4), "ip6", json_ip(&self->ip6), "coordinator",
		(int)n->enrolment.coordinator, "key", json_key(n->identity.x_pub));
}

static json_t *link_json(struct node *n)
{
	bool up = agent_link_up(n->agent);
	struct endpoint ep;

	const char *error = n->removed[0] ? n->removed : up ? "" : agent_last_error(n->agent);
	json_t *j = json_pack("{s:b, s:s}", "up", (int)up, "error", error);
	if (j && agent_coordinator_data_endpoint(n->agent, &ep))
		json_object_set_new(j, "address", json_ip(&ep.ip));
	return j;
}

json_t *node_status(struct node *n, const struct presence *presence)
{
	char offloads[PLANE_OFFLOADS_STR];
	json_t *j = json_pack(
		"{s:b, s:{s:s, s:o, s:o}, s:o, s:o, s:s, s:i, s:s, s:s, s:i, s:i, s:i, s:i, s:I}", "ok", 1,
		"mesh", "name", n->mesh.name, "net4", json_prefix(&n->mesh.net4), "net6",
		json_prefix(&n->mesh.net6), "self", self_json(n), "link", link_json(n), "version", TM_VERSION,
		"pid", (int)getpid(), "tun", plane_tun_name(n->plane), "aead", plane_aead_provider(n->plane),
		"mtu", (int)n->config.mtu, "listen_port", (int)plane_port(n->plane), "api_port",
		n->coord ? (int)coord_port(n->coord) : 0, "workers", (int)plane_workers(n->plane), "uptime_s",
		(json_int_t)((time_monotonic() - n->started) / SEC));
	if (!j)
		return NULL;
	json_object_set_new(
		j, "offloads", json_string(plane_offloads_format(plane_offloads(n->plane), offloads)));
	json_object_set_new(j, "steering", json_string(plane_steered(n->plane) ? "destination" : "flow"));
	json_object_set_new(j, "offload_losses", json_integer(plane_offload_losses(n->plane)));
	json_object_set_new(j, "drops", drops_json(n));
	json_object_set_new(j, "peers", peers_json(n, "", presence));
	return j;
}

json_t *node_peers(struct node *n, const char *only_id, const struct presence *presence)
{
	return json_pack("{s:b, s:o}", "ok", 1, "peers", peers_json(n, only_id, presence));
}
