/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* docs/protocol.md, "Control socket": `status` and `peers`. */
#include "node/view.h"

#include <stdio.h>
#include <string.h>

const char *view_path_name(enum view_path p)
{
	static const char *const names[VIEW_PATH_N] = {
		[VIEW_NONE] = "none",
		[VIEW_IDLE] = "idle",
		[VIEW_CHECKING] = "checking",
		[VIEW_DIRECT] = "direct",
		[VIEW_RELAY] = "relay",
		[VIEW_TCP] = "tcp",
		[VIEW_OFFLINE] = "offline",
	};

	return names[p];
}

enum view_path view_shown_path(const struct peer_view *p)
{
	bool waits = p->path == VIEW_IDLE || p->path == VIEW_CHECKING;

	return waits && p->online_known && !p->online ? VIEW_OFFLINE : p->path;
}

bool view_in_use(const struct peer_view *p)
{
	return p->member->coordinator || p->session || p->path > VIEW_IDLE || p->rx_bytes || p->tx_bytes;
}

static void put_ip(struct jsonout *out, const char *name, const struct ip *ip)
{
	char text[IP_STR_LEN];

	if (ip->family == IP_NONE)
		jsonout_null(out, name);
	else
		jsonout_text(out, name, ip_format(ip, text));
}

static void put_prefix(struct jsonout *out, const char *name, const struct prefix *p)
{
	char text[PREFIX_STR_LEN];

	jsonout_text(out, name, prefix_format(p, text));
}

static void put_key(struct jsonout *out, const uint8_t key[static 32])
{
	jsonout_base64(out, "key", key, 32);
}

static void put_rtt(struct jsonout *out, ns_t rtt)
{
	char text[32];

	snprintf(text, sizeof(text), "%.3f", (double)rtt / (double)MS);
	if (rtt)
		jsonout_raw(out, "rtt_ms", text, strlen(text));
	else
		jsonout_null(out, "rtt_ms");
}

static void put_aliases(const char *text, struct jsonout *out)
{
	char one[NODE_ALIAS_LEN];

	jsonout_list(out, "aliases");
	while (node_alias_next(&text, one))
		jsonout_text(out, NULL, one);
	jsonout_list_end(out);
}

static void put_member(const struct peer_view *p, struct jsonout *out)
{
	const struct mesh_node *m = p->member;

	jsonout_text(out, "name", m->name);
	put_aliases(m->aliases, out);
	jsonout_text(out, "id", m->id);
	jsonout_text(out, "kind", m->kind == NODE_CLIENT ? "client" : "node");
	jsonout_bool(out, "coordinator", m->coordinator);
	put_key(out, m->key);
	jsonout_text_or_null(out, "via", m->via);
	jsonout_text_or_null(out, "via_name", p->via_name);
	jsonout_list(out, "tags");
	for (const char *tag = m->tags; *tag; tag += strlen(tag) + 1)
		jsonout_text(out, NULL, tag);
	jsonout_list_end(out);
}

static void put_path(const struct peer_view *p, struct jsonout *out)
{
	const bool offline = view_shown_path(p) == VIEW_OFFLINE;
	const enum path_not not_direct = offline ? PATH_NOT_OFFLINE : p->not_direct;
	char why[128];

	jsonout_text_or_null(out, "relay", p->relay_name);
	if (p->age_s < 0)
		jsonout_null(out, "path_age_s");
	else
		jsonout_int(out, "path_age_s", p->age_s);
	if (not_direct == PATH_NOT_SILENT && p->addresses > 1)
		snprintf(why, sizeof(why), "none of its %u addresses answers", p->addresses);
	else if (not_direct == PATH_NOT_MISSED || not_direct == PATH_NOT_UNMET)
		snprintf(why, sizeof(why), "%s; next attempt in %lld min", path_not_text(not_direct),
			(long long)(p->guesses_s / 60 + 1));
	else
		snprintf(why, sizeof(why), "%s", path_not_text(not_direct));
	jsonout_text_or_null(out, "not_direct", why);
}

void view_print_peer(const struct peer_view *p, const char *name, struct jsonout *out)
{
	char endpoint[ENDPOINT_STR_LEN];

	jsonout_object(out, name);
	put_member(p, out);
	put_ip(out, "ip4", &p->ip4);
	put_ip(out, "ip6", &p->ip6);
	if (p->online_known && p->member->kind != NODE_CLIENT)
		jsonout_bool(out, "online", p->online);
	else
		jsonout_null(out, "online");
	jsonout_text(out, "path", view_path_name(view_shown_path(p)));
	jsonout_text_or_null(
		out, "endpoint", endpoint_is_set(&p->remote) ? endpoint_format(&p->remote, endpoint) : "");
	jsonout_text_or_null(out, "candidate", p->candidate);
	put_path(p, out);
	put_rtt(out, p->rtt);
	jsonout_int_or_null(out, "mtu", p->mtu);
	jsonout_int(out, "rx_bytes", (int64_t)p->rx_bytes);
	jsonout_int(out, "tx_bytes", (int64_t)p->tx_bytes);
	jsonout_int_or_null(out, "last_handshake_at", p->last_handshake);
	jsonout_bool(out, "session", p->session);
	jsonout_object_end(out);
}

static void put_self(const struct node_view *v, struct jsonout *out)
{
	jsonout_object(out, "self");
	jsonout_text(out, "name", v->name);
	put_aliases(v->aliases, out);
	jsonout_text(out, "id", v->id);
	put_ip(out, "ip4", &v->ip4);
	put_ip(out, "ip6", &v->ip6);
	put_key(out, v->key);
	jsonout_bool(out, "coordinator", v->coordinator);
	jsonout_object_end(out);
}

void view_print_link(const struct link_view *v, struct jsonout *out)
{
	jsonout_object(out, "link");
	jsonout_bool(out, "up", v->up);
	jsonout_bool(out, "removed", v->removed);
	jsonout_bool(out, "twin", v->twin);
	jsonout_text_or_null(out, "error", v->error);
	put_ip(out, "coordinator_ip", &v->address);
	jsonout_bool(out, "tls", v->tls);
	jsonout_text_or_null(out, "proxy", v->proxy);
	jsonout_text_or_null(out, "proxy_failed", v->proxy_failed);
	jsonout_object_end(out);
}

enum view_tried view_tried_of(const struct pair *p, bool in_use)
{
	if (in_use)
		return VIEW_IN_USE;
	if (p->outlet.reach == REACH_MESH)
		return VIEW_LOOP;
	if (p->last_ok && !p->failed && !p->tries)
		return VIEW_ANSWERS;
	if (p->outlet.reach == REACH_NONE && (p->failed || p->tries))
		return VIEW_NO_ROUTE;
	if (p->failed)
		return VIEW_SILENT;
	return p->tries ? VIEW_ASKED : VIEW_WAITS;
}

static const char *path_word(enum way_kind kind)
{
	return view_path_name(kind == WAY_UDP ? VIEW_DIRECT : kind == WAY_RELAY_UDP ? VIEW_RELAY : VIEW_TCP);
}

static void put_tried(const struct pair *p, const char *relay, bool in_use, struct jsonout *out)
{
	static const char *const words[VIEW_TRIED_N] = {
		[VIEW_WAITS] = "waiting",
		[VIEW_ASKED] = "asked",
		[VIEW_SILENT] = "no_answer",
		[VIEW_ANSWERS] = "answers",
		[VIEW_IN_USE] = "in_use",
		[VIEW_NO_ROUTE] = "no_route",
		[VIEW_LOOP] = "loop",
	};
	char endpoint[ENDPOINT_STR_LEN];

	jsonout_object(out, NULL);
	jsonout_text(out, "endpoint", endpoint_format(&p->way.remote, endpoint));
	jsonout_text(out, "candidate", candidate_type_name(p->type));
	jsonout_text(out, "path", path_word(p->way.kind));
	jsonout_text_or_null(out, "relay", relay);
	jsonout_text(out, "result", words[view_tried_of(p, in_use)]);
	put_rtt(out, p->rtt);
	jsonout_object_end(out);
}

void view_print_reach(const struct reach_view *v, struct jsonout *out)
{
	char endpoint[ENDPOINT_STR_LEN];

	jsonout_object(out, NULL);
	jsonout_bool(out, "ok", true);
	view_print_peer(&v->peer, "peer", out);
	jsonout_list(out, "tried");
	for (size_t i = 0; i < v->n_pairs; i++)
		put_tried(&v->pairs[i], v->relays[i], &v->pairs[i] == v->chosen, out);
	jsonout_list_end(out);
	jsonout_list(out, "mine");
	for (size_t i = 0; i < v->mine->n; i++) {
		jsonout_object(out, NULL);
		jsonout_text(out, "endpoint", endpoint_format(&v->mine->v[i].ep, endpoint));
		jsonout_text(out, "candidate", candidate_type_name(v->mine->v[i].type));
		jsonout_object_end(out);
	}
	jsonout_list_end(out);
	view_print_link(&v->link, out);
	jsonout_object_end(out);
}

static void put_relay(const struct relaying_view *v, struct jsonout *out)
{
	if (!v->offered) {
		jsonout_null(out, "relay");
		return;
	}
	jsonout_object(out, "relay");
	jsonout_bool(out, "allowed", v->allowed);
	jsonout_int(out, "members", (int64_t)v->members);
	jsonout_int(out, "packets", (int64_t)v->packets);
	jsonout_int(out, "bytes", (int64_t)v->bytes);
	jsonout_object_end(out);
}

static void put_drops(const struct node_view *v, struct jsonout *out)
{
	jsonout_object(out, "drops");
	for (int i = 0; i < DROP_N; i++)
		if (v->drops[i])
			jsonout_int(out, plane_drop_label((enum plane_drop)i), (int64_t)v->drops[i]);
	jsonout_object_end(out);
}

static void put_firewalled(const struct node_view *v, struct jsonout *out)
{
	if (!v->inbound_known) {
		jsonout_raw(out, "firewalled", "null", 4);
		return;
	}
	jsonout_list(out, "firewalled");
	if (v->firewalled4)
		put_prefix(out, NULL, &v->mesh->net4);
	if (v->firewalled6)
		put_prefix(out, NULL, &v->mesh->net6);
	jsonout_list_end(out);
}

static void put_seconds(struct jsonout *out, const char *name, ns_t t)
{
	if (t == NS_NEVER)
		jsonout_null(out, name);
	else
		jsonout_int(out, name, t / SEC);
}

static void put_port(const struct portmap_view *p, ns_t now, struct jsonout *out)
{
	char endpoint[ENDPOINT_STR_LEN];
	const bool mapped = p->protocol != PORTMAP_NONE;

	jsonout_object(out, NULL);
	jsonout_text(out, "gateway", ip_format(&p->gateway, endpoint));
	jsonout_text_or_null(out, "protocol", mapped ? portmap_protocol_name(p->protocol) : "");
	jsonout_text_or_null(out, "endpoint", mapped ? endpoint_format(&p->external, endpoint) : "");
	put_seconds(out, "lease_s", mapped ? p->lease : NS_NEVER);
	put_seconds(out, "left_s", mapped && p->until != NS_NEVER ? p->until - now : NS_NEVER);
	jsonout_bool(out, "nested", p->nested);
	jsonout_list(out, "seen");
	for (unsigned i = PORTMAP_PCP; i < PORTMAP_PROTOCOL_N; i++)
		if (p->seen[i])
			jsonout_text(out, NULL, portmap_protocol_name((enum portmap_protocol)i));
	jsonout_list_end(out);
	jsonout_text_or_null(out, "problem", portmap_problem_text(p->problem));
	jsonout_object_end(out);
}

/* Of each family that has a gateway and needs one. */
void view_print_ports(const struct ports_view *v, struct jsonout *out)
{
	if (!v->on) {
		jsonout_null(out, "port_mapping");
		return;
	}
	jsonout_list(out, "port_mapping");
	for (size_t i = 0; i < ARRAY_LEN(v->v); i++)
		if (v->v[i].problem != PORTMAP_NO_GATEWAY && v->v[i].problem != PORTMAP_NOT_NEEDED)
			put_port(&v->v[i], v->now, out);
	jsonout_list_end(out);
}

static void put_clock(const struct node_view *v, struct jsonout *out)
{
	jsonout_object(out, "clock");
	if (v->clock_known)
		jsonout_int(out, "ahead_s", v->clock_ahead_s);
	else
		jsonout_null(out, "ahead_s");
	jsonout_int(out, "set_back_s", v->clock_set_back_s);
	jsonout_object_end(out);
}

static void put_unsaved(const struct node_view *v, struct jsonout *out)
{
	const struct {
		const char *what, *why;
	} rows[] = {{"the clock", v->clock_failure}, {"the network map", v->map_failure}};
	char text[512];

	jsonout_list(out, "unsaved");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		snprintf(text, sizeof(text), "%s: %s", rows[i].what, rows[i].why);
		if (rows[i].why[0])
			jsonout_text(out, NULL, text);
	}
	jsonout_list_end(out);
}

static void put_network(const struct routed *r, struct jsonout *out)
{
	const bool conflict = r->route.conflict.ip.family != IP_NONE;

	jsonout_object(out, NULL);
	put_prefix(out, "net", &r->owned.prefix);
	jsonout_text(out, "via", r->via);
	jsonout_int(out, "others", r->owned.others);
	jsonout_bool(out, "reached", r->route.there);
	if (conflict)
		put_prefix(out, "conflict", &r->route.conflict);
	else
		jsonout_null(out, "conflict");
	jsonout_text_or_null(out, "conflict_if", conflict ? r->route.conflict_if : "");
	jsonout_object_end(out);
}

static void put_exit(const struct exit_view *v, struct jsonout *out)
{
	if (!v->id || !v->id[0]) {
		jsonout_null(out, "exit");
		return;
	}
	jsonout_object(out, "exit");
	jsonout_text(out, "id", v->id);
	jsonout_text_or_null(out, "name", v->name);
	jsonout_bool(out, "ip4", v->families & EXIT_IP4);
	jsonout_bool(out, "ip6", v->families & EXIT_IP6);
	jsonout_bool(out, "allow_lan", v->lan);
	jsonout_bool(out, "kill_switch", v->kill);
	jsonout_int(out, "paused_s", v->paused_s);
	jsonout_text_or_null(out, "trouble", v->trouble);
	jsonout_object_end(out);
}

static void put_routing(const struct routing_view *v, struct jsonout *out)
{
	jsonout_object(out, "routing");
	jsonout_list(out, "networks");
	for (size_t i = 0; i < v->n; i++)
		put_network(&v->v[i], out);
	jsonout_list_end(out);
	put_exit(&v->exit, out);
	jsonout_text_or_null(out, "trouble", v->trouble ? v->trouble : "");
	jsonout_text_or_null(out, "refused", v->refused ? v->refused : "");
	jsonout_object_end(out);
}

static void put_policy(const struct rules_view *v, struct jsonout *out)
{
	jsonout_object(out, "policy");
	jsonout_int_or_null(out, "version", (int64_t)v->told);
	jsonout_int_or_null(out, "in_force", (int64_t)v->in_force);
	jsonout_text_or_null(out, "trouble", v->trouble);
	jsonout_object_end(out);
}

static void put_door(const struct endpoint *at, bool open, struct jsonout *out)
{
	char text[ENDPOINT_STR_LEN];

	jsonout_object(out, NULL);
	jsonout_text(out, "address", endpoint_format(at, text));
	jsonout_bool(out, "open", open);
	jsonout_object_end(out);
}

static void put_doors(const struct own_doors_view *v, const char *key, struct jsonout *out)
{
	jsonout_list(out, key);
	for (size_t i = 0; i < v->n; i++)
		put_door(&v->doors[i].at, v->doors[i].open, out);
	jsonout_list_end(out);
}

static void put_outside(const struct outside_view *v, struct jsonout *out)
{
	jsonout_list(out, "outside");
	for (size_t i = 0; i < v->n; i++)
		put_door(&v->doors[i].at, v->doors[i].open, out);
	jsonout_list_end(out);
	jsonout_bool(out, "lacks_password", v->lacks_password);
}

static void put_metrics(const struct own_doors_view *v, struct jsonout *out)
{
	if (v->n)
		put_doors(v, "metrics", out);
	else
		jsonout_null(out, "metrics");
}

/* The name leads to the coordinator at every node. */
static void put_dashboard(const struct node_view *v, struct jsonout *out)
{
	char text[sizeof("http://" NODE_NAME_COORDINATOR "./") + MESH_ZONE_MAX];

	if (!v->dashboard.mesh.n) {
		jsonout_null(out, "dashboard");
		return;
	}
	jsonout_object(out, "dashboard");
	snprintf(text, sizeof(text), "http://" NODE_NAME_COORDINATOR ".%s/", mesh_zone(v->mesh));
	jsonout_text(out, "url", text);
	put_doors(&v->dashboard.mesh, "listen", out);
	put_outside(&v->dashboard.outside, out);
	jsonout_object_end(out);
}

void view_print_status(const struct node_view *v, struct jsonout *out)
{
	jsonout_object(out, NULL);
	jsonout_bool(out, "ok", true);
	jsonout_object(out, "mesh");
	jsonout_text(out, "name", v->mesh->name);
	put_prefix(out, "net4", &v->mesh->net4);
	put_prefix(out, "net6", &v->mesh->net6);
	jsonout_object_end(out);
	put_self(v, out);
	view_print_link(&v->link, out);
	jsonout_text(out, "version", TM_VERSION);
	jsonout_int(out, "pid", v->pid);
	jsonout_text(out, "tun", v->tun);
	jsonout_text(out, "aead", v->aead);
	jsonout_int(out, "mtu", v->mtu);
	jsonout_int(out, "listen_port", v->listen_port);
	jsonout_int_or_null(out, "api_port", v->api_port);
	jsonout_int(out, "workers", v->workers);
	jsonout_int(out, "uptime_s", v->uptime_s);
	jsonout_text(out, "offloads", v->offloads);
	jsonout_text(out, "steering", v->steering);
	jsonout_int(out, "offload_losses", v->offload_losses);
	if (v->coordinator)
		jsonout_int(out, "twins", (int64_t)v->twins);
	else
		jsonout_null(out, "twins");
	put_clock(v, out);
	put_unsaved(v, out);
	jsonout_bool(out, "program_replaced", v->program_replaced);
	put_firewalled(v, out);
	view_print_ports(&v->ports, out);
	put_drops(v, out);
	put_relay(&v->relay, out);
	put_routing(&v->routing, out);
	put_policy(&v->policy, out);
	put_metrics(&v->metrics, out);
	put_dashboard(v, out);
	jsonout_list(out, "peers");
	for (size_t i = 0; i < v->n_peers; i++)
		view_print_peer(&v->peers[i], NULL, out);
	jsonout_list_end(out);
	jsonout_int(out, "left_out", (int64_t)v->n_left_out);
	jsonout_object_end(out);
}
