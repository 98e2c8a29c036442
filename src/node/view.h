/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What a node shows of itself: gathered once from map, plane, path core and agent, then printed by whoever
 * needs it (view_json.c for `status` and `peers`). Texts and members are borrowed and good until the event
 * loop goes on. Control thread.
 */
#ifndef TM_NODE_VIEW_H
#define TM_NODE_VIEW_H

#include "base/jsonout.h"
#include "control/path/path.h"
#include "control/portmap/portmap.h"
#include "data/plane/plane.h"
#include "mesh/mesh.h"
#include "node/dashboard.h"
#include "node/exits.h"
#include "node/relaying.h"
#include "node/routing.h"
#include "node/rules.h"

struct node;

enum view_path {
	VIEW_NONE, /* no tunnel of ours: a client of another node, or one that has not come yet */
	VIEW_IDLE, /* nothing was sent lately */
	VIEW_CHECKING, /* a way is looked for */
	VIEW_DIRECT,
	VIEW_RELAY, /* through another member, by UDP */
	VIEW_TCP, /* and by a stream, as UDP does not pass */
	VIEW_OFFLINE, /* no way works, and the coordinator has no link to it either */
	VIEW_PATH_N,
};

struct peer_view {
	const struct mesh_node *member;
	struct ip ip4, ip6;
	enum view_path path;
	struct endpoint remote; /* of the way in use; IP_NONE = none */
	const char *candidate; /* kind of it, "" = none was checked */
	const char *via_name; /* of a client's node; "" = none */
	const char *relay_name; /* through whom, "" = nobody, or one that is not known */
	enum path_not not_direct; /* why */
	int64_t guesses_s; /* MISSED, UNMET: until ports are tried again */
	unsigned addresses; /* of it that were tried */
	int64_t age_s; /* the way has been in use for so long, -1 = none is */
	ns_t rtt; /* smoothed; 0 = unknown */
	uint16_t mtu; /* the longest packet inside the tunnel that passes; 0 = unknown */
	bool online_known, online;
	bool session;
	uint64_t rx_bytes, tx_bytes;
	int64_t last_handshake; /* Unix seconds, 0 = never */
};

/* What came of one address of a peer. */
enum view_tried {
	VIEW_WAITS, /* it is its turn soon */
	VIEW_ASKED, /* no answer yet */
	VIEW_SILENT, /* no answer; asked again in the next round */
	VIEW_ANSWERS,
	VIEW_IN_USE,
	VIEW_NO_ROUTE, /* from this machine: no address of that family, often */
	VIEW_LOOP, /* the way there is the mesh itself */
	VIEW_TRIED_N,
};

struct link_view {
	bool up;
	bool removed; /* from the mesh, by the coordinator */
	bool twin; /* another machine with this node's identity has the link */
	const char *error; /* "" = none */
	struct ip address; /* of the coordinator; IP_NONE = not known */
	bool tls; /* the link goes through TLS */
	const char *proxy; /* "host:port" of the one that it goes through; "" = none */
	char proxy_failed[768]; /* why it does not go through the one that there is; "" = it does, or need not
				 */
};

/* What gateways map. */
struct ports_view {
	bool on; /* ports are mapped, if they can be */
	struct portmap_view v[2]; /* IPv4, IPv6 */
	ns_t now; /* of their times */
};

/* A peer, what was tried to reach it, and where it may try us. */
struct reach_view {
	struct peer_view peer;
	const struct pair *pairs, *chosen; /* chosen NULL = none */
	const char *relays[PATH_PAIRS_MAX]; /* through whom each leads; "" = nobody, or not known */
	size_t n_pairs;
	const struct candidates *mine;
	struct link_view link;
};

/* Networks behind others, and what stands in the way of those behind us. */
struct routing_view {
	const struct routed *v;
	size_t n;
	const char *trouble, *refused; /* sentences, "" = nothing */
	struct exit_view exit;
};

struct node_view {
	const struct mesh_info *mesh;
	const char *name, *aliases, *id; /* this node's */
	struct ip ip4, ip6;
	const uint8_t *key;
	bool coordinator;
	struct link_view link;
	const char *tun, *aead, *steering;
	size_t twins; /* on a coordinator: nodes whose identity another machine uses, too */
	const char *clock_failure, *map_failure; /* why it is not saved; "" = it is */
	bool clock_known; /* the coordinator has told its time */
	int64_t clock_ahead_s; /* of the coordinator's */
	int64_t clock_set_back_s; /* how far handshakes are ahead of a clock that somebody set back */
	bool program_replaced; /* a newer one is installed, most likely */
	char offloads[PLANE_OFFLOADS_STR];
	unsigned offload_losses, workers;
	uint16_t mtu, listen_port, api_port; /* 0 = no coordinator here */
	int64_t pid, uptime_s;
	struct ports_view ports;
	uint64_t drops[DROP_N];
	struct relaying_view relay;
	struct routing_view routing;
	struct rules_view policy;
	struct own_doors_view metrics;
	struct dashboard_view dashboard;
	bool inbound_known;
	bool firewalled4, firewalled6; /* this machine's firewall drops what comes from that range */
	struct peer_view *peers; /* owned */
	size_t n_peers, n_left_out;
};

/* A mesh of more others than this is too long a list to look at. */
enum { VIEW_BRIEF_MAX = 200 };

/*
 * presence NULL: not known who is online. brief: in a large mesh only the peers that something is or was sent
 * to, and the coordinator; the others are counted. TM_ENOMEM.
 */
NODISCARD int node_view_take(
	const struct node *n, const struct presence *presence, bool brief, struct node_view *ret_view);
void node_view_deinit(struct node_view *v);
/* All members but this node, by name. Caller frees. TM_ENOMEM. */
NODISCARD int view_members(const struct node *n, const struct mesh_node ***ret_members, size_t *ret_n);
/* One member alone; it must not be this node. */
void peer_view_take(const struct node *n, const struct mesh_node *member, const struct presence *presence,
	struct peer_view *ret_view);

struct link_view view_link(const struct node *n);
struct ports_view view_ports(const struct node *n);
void reach_view_take(const struct node *n, const struct mesh_node *member, const struct presence *presence,
	struct reach_view *ret_view);

/* --- view_json.c --- */
enum view_tried view_tried_of(const struct pair *p, bool in_use); /* pure */
bool view_in_use(const struct peer_view *p); /* pure */
const char *view_path_name(enum view_path p);
/* What is shown as its path: one that is offline is not being looked for in earnest. Pure. */
enum view_path view_shown_path(const struct peer_view *p);
void view_print_link(const struct link_view *v, struct jsonout *out); /* as "link" */
void view_print_ports(const struct ports_view *v, struct jsonout *out); /* as "port_mapping" */
void view_print_status(const struct node_view *v, struct jsonout *out);
void view_print_peer(
	const struct peer_view *p, const char *name, struct jsonout *out); /* name NULL: in a list */
void view_print_reach(const struct reach_view *v, struct jsonout *out);

#endif
