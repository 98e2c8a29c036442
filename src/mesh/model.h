/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What the coordinator tells a node about the mesh, as C values and as JSON. Every record is validated when
 * it enters: one bad record is skipped and counted, it never poisons the map. Unknown JSON fields are
 * ignored.
 *
 * Node record: {"id":"<16 hex>","name":"laptop","host":2,"key":"<base64 X25519>"}, and only where they say
 * something: "tags":["a"],"coordinator":true,"kind":"client","via":"<id>", further names (mesh/aliases.h),
 * and what mesh/routes.h has: the networks behind it. Both addresses follow from the
 * host number and the mesh's prefixes. Who is online is no part of the map: it is asked for.
 * A client is a stock WireGuard device reached through the node `via`; its id is the first 8 bytes of
 * SHA-256(key).
 */
#ifndef TM_MESH_MODEL_H
#define TM_MESH_MODEL_H

#include "base/addr.h"
#include "base/diag.h"
#include "base/err.h"
#include "mesh/aliases.h"
#include "mesh/routes.h"

#include <jansson.h>

struct jsonout;

enum {
	NODE_NAME_MAX = 63,
	NODE_TAGS_MAX = 16,
	NODE_TAG_MAX = 32,
	NODE_ID_LEN = 16,
	NETMAP_NODES_MAX = 1 << 16,
	CANDIDATES_MAX = 16,
	CANDIDATES_SEEN_MAX = 2,
	NAT_PORTS_MAX = 8,
};

enum node_kind { NODE_MESH, NODE_CLIENT };

struct node_rec {
	char id[NODE_ID_LEN + 1];
	char name[NODE_NAME_MAX + 1];
	struct node_aliases aliases;
	uint32_t host; /* from 1 on */
	struct ip ip4, ip6; /* net4 + host, net6 + host */
	uint8_t key[32];
	char tags[NODE_TAGS_MAX][NODE_TAG_MAX + 1];
	uint8_t n_tags;
	bool coordinator;
	enum node_kind kind;
	char via[NODE_ID_LEN + 1]; /* clients only */
	struct node_routes routes; /* nodes only */
};

#define MESH_ZONE_DEFAULT "mesh"
enum { MESH_ZONE_MAX = 127 }; /* with a member's name before it there is room left in a name of the DNS */

struct mesh_info {
	char name[NODE_NAME_MAX + 1];
	char zone[MESH_ZONE_MAX + 1]; /* of its names in the DNS; "" = MESH_ZONE_DEFAULT */
	struct prefix net4, net6;
	uint8_t secret[32]; /* pairwise PSKs derive from it; never printed */
};

/* A snapshot (base == 0: replaces everything) or a delta (applies to version `base` only). */
struct netmap {
	uint64_t version, base;
	struct node_rec *nodes; /* owned */
	size_t n_nodes;
	char (*removed)[NODE_ID_LEN + 1]; /* owned; deltas only */
	size_t n_removed;
	size_t n_bad; /* records skipped at decoding */
};

/* Names: 1-63 of [a-z0-9-], no '-' at either end (one DNS label, RFC 1123 2.1). */
bool node_name_valid(const char *s);
/* A valid name that a member may be given: not the one by which everybody finds the coordinator (dns/zone.h).
 */
#define NODE_NAME_COORDINATOR "this"
bool node_name_allowed(const char *s);
/*
 * Turns any host name into a valid name ("Jo's Laptop.local" -> "jo-s-laptop"); "node" when nothing is left,
 * or what no member may be called.
 */
void node_name_sanitize(const char *s, char ret_name[static NODE_NAME_MAX + 1]);
bool node_id_valid(const char *s);
bool node_tag_valid(const char *s);
/* "a b c", as databases have them; at most NODE_TAGS_MAX. TM_EBADMSG, ret_tags being of no use then. */
NODISCARD int node_tags_split(const char *text, char (*ret_tags)[NODE_TAG_MAX + 1], uint8_t *ret_n);

/* The highest host number of these prefixes (at most NETMAP_NODES_MAX); 0 when they have no room for two
 * nodes or are not of the right family. */
uint32_t mesh_hosts_max(const struct prefix *net4, const struct prefix *net6);
/* Labels as names have them, with dots between; not one that the world gives another meaning (RFC 6761, RFC
 * 6762, RFC 3172; home.arpa is for this, RFC 8375). */
bool mesh_zone_valid(const char *s);
const char *mesh_zone(const struct mesh_info *mesh);
/* Is it a name of the zone, so that members would look for it in the mesh? In any case, with or without a
 * final dot. */
bool mesh_zone_has(const char *zone, const char *host);
/* Room for whatever names a member: a name with the zone and a final dot, an id, an address. */
enum { NODE_REF_MAX = NODE_NAME_MAX + 1 + MESH_ZONE_MAX + 1 };
/* The name in lower case, without the zone or a final dot; false when it is too long to be one. */
bool node_name_bare(const char *text, const char *zone, char ret_name[static NODE_NAME_MAX + 1]);
/* The host number that an address of the mesh stands for, used or not. */
bool mesh_host_of(const struct mesh_info *mesh, const struct ip *ip, uint32_t *ret_host);
void mesh_addresses(const struct mesh_info *mesh, uint32_t host, struct ip *ret_ip4, struct ip *ret_ip6);

/* A record of `mesh`: TM_EBADMSG also for a host number that is not in its prefixes. */
NODISCARD int node_rec_from_json(const json_t *j, const struct mesh_info *mesh, struct node_rec *ret_rec);
/* The members of mesh/routes.h; TM_EBADMSG: not all of it can be taken. */
NODISCARD int node_routes_from_json(const json_t *j, struct node_routes *ret_r);
/* key: as in base/jsonout.h */
void node_rec_put(struct jsonout *o, const char *key, const struct node_rec *r);
/* For people and programs of this machine: the members of a record, all of them, both addresses as text. */
void node_rec_put_shown(struct jsonout *o, const struct node_rec *r);
void mesh_info_put(struct jsonout *o, const char *key, const struct mesh_info *m);
NODISCARD int mesh_info_from_json(const json_t *j, struct mesh_info *ret_mesh);
NODISCARD int netmap_from_json(const json_t *j, const struct mesh_info *mesh, struct netmap *ret_map);
void netmap_deinit(struct netmap *m);

/* Who has a control link now, by host number. JSON: base64, bit host % 8 of byte host / 8, zero bytes at the
 * end left out. */
struct presence {
	uint8_t bits[NETMAP_NODES_MAX / 8 + 1];
};
bool presence_has(const struct presence *p, uint32_t host);
void presence_set(struct presence *p, uint32_t host, bool online);
void presence_put(struct jsonout *o, const char *key, const struct presence *p);
NODISCARD int presence_from_json(const json_t *j, struct presence *ret_p);

/*
 * Candidate endpoints, RFC 8445 words. {"type":"host"|"srflx"|"prflx","addr":"192.0.2.1:51820"}; one of type
 * "relay" is the relay's, and says which: "relay":"<id>".
 */
enum candidate_type { CAND_HOST, CAND_SRFLX, CAND_PRFLX, CAND_RELAY, CAND_TYPE_N };
struct candidate {
	enum candidate_type type;
	struct endpoint ep;
	char relay[NODE_ID_LEN + 1]; /* CAND_RELAY only */
};

/*
 * How the translator before a member chooses external ports (RFC 4787 4.1), for those who may have to guess
 * one: {"mapping":"independent"|"dependent","ports":[40000,...]}, the ports seen last, newest first.
 * "blocked": no relay hears its UDP, or it none of theirs.
 */
enum nat_maps { NAT_UNKNOWN, NAT_INDEPENDENT, NAT_DEPENDENT, NAT_BLOCKED, NAT_MAPS_N };
struct nat_told {
	enum nat_maps mapping;
	uint16_t ports[NAT_PORTS_MAX];
	uint8_t n_ports;
};
const char *nat_maps_name(enum nat_maps m);
bool nat_told_eq(const struct nat_told *a, const struct nat_told *b);
void nat_told_put(struct jsonout *o, const char *key, const struct nat_told *t); /* nothing when unknown */
/* What is wrong counts as not told. */
void nat_told_from_json(const json_t *j, struct nat_told *ret_t);

/* Where a member may be reached, and what stands in the way. */
struct candidates {
	struct candidate v[CANDIDATES_MAX];
	size_t n;
	struct nat_told nat; /* put and read by itself */
	/* Where the coordinator sees the member, whatever that says of itself; likewise, and no part of what
	 * candidates_eq compares. */
	struct ip seen[CANDIDATES_SEEN_MAX];
	size_t n_seen;
};
/*
 * Whether a member may be reached there at all: on no loopback, by no group, and by no link-local address,
 * which needs an interface that only its own host can name; nor inside the mesh, whose prefixes these are,
 * where the tunnel would go through itself.
 */
bool candidate_usable(const struct endpoint *ep, const struct prefix *net4, const struct prefix *net6);
bool candidates_eq(const struct candidates *a, const struct candidates *b); /* in the same order; and nat */
const char *candidate_type_name(enum candidate_type t);
NODISCARD int candidate_type_parse(const char *s, enum candidate_type *ret_type); /* TM_EUNSUPPORTED */
void candidates_put(struct jsonout *o, const char *key, const struct candidates *c);
void candidates_seen_put(struct jsonout *o, const char *key, const struct candidates *c); /* none: nothing */
void candidates_seen_from_json(const json_t *j, struct candidates *c); /* what is wrong is skipped */
/* Bad or surplus entries are skipped, usable or not; TM_EBADMSG only when j is not an array. */
NODISCARD int candidates_from_json(const json_t *j, struct candidates *ret_c);

#endif
