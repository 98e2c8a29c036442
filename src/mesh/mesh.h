/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * All members of a mesh as one of them knows them: compact records, found by id, key, name and address
 * without a search, changed by what the coordinator tells (diff.h). Records are immutable: a member that
 * changes gets a new one, and the old one lives until the diff that replaced it is done with. Ids, keys,
 * names (with aliases) and host numbers are unique. Control thread; no I/O.
 */
#ifndef TM_MESH_MESH_H
#define TM_MESH_MESH_H

#include "mesh/model.h"

struct mesh_node {
	uint8_t key[32];
	char id[NODE_ID_LEN + 1];
	uint8_t kind; /* enum node_kind */
	bool coordinator;
	uint32_t host; /* its addresses follow: mesh_node_addresses */
	uint32_t seen; /* apply.c: generation of the last update that named it */
	struct mesh_node *next_client; /* another client of the same `via` */
	const char *via; /* clients: id of the node that they are reached through; else "" */
	const char *tags; /* one NUL-terminated text after the other; an empty one ends them */
	const char *aliases; /* one text: mesh/aliases.h */
	struct mesh_alias *by_alias; /* n_aliases, of the index; a copy has none */
	const struct node_route *routes; /* n_routes */
	uint8_t n_aliases;
	uint8_t n_routes;
	uint8_t exit; /* EXIT_ */
	char name[]; /* the texts of `via`, `tags` and `aliases` lie behind it, then the routes */
};

struct mesh;

/* Only the prefixes of `info` count, which addresses are made of, and the zone. */
NODISCARD int mesh_new(const struct mesh_info *info, struct mesh **ret_mesh);
void mesh_free(struct mesh *m); /* NULL is fine */
DEFINE_CLEANUP(struct mesh, mesh_free)
/* One record, from a file of our own. TM_EEXIST: something of it belongs to another. */
NODISCARD int mesh_add(struct mesh *m, const struct node_rec *r);
/* What the records add up to; 0 = no version that a delta could apply to. */
void mesh_set_version(struct mesh *m, uint64_t version);

uint64_t mesh_version(const struct mesh *m); /* 0 = empty, or not known to be whole */
size_t mesh_size(const struct mesh *m);

const struct mesh_node *mesh_by_id(const struct mesh *m, const char *id); /* any text */
const struct mesh_node *mesh_by_key(const struct mesh *m, const uint8_t key[static 32]);
const struct mesh_node *mesh_by_host(const struct mesh *m, uint32_t host);
const struct mesh_node *mesh_by_name(const struct mesh *m, const char *name); /* or alias; bare, lower case */
const struct mesh_node *mesh_by_ip(const struct mesh *m, const struct ip *ip);
/* What a person types: an id, a mesh address, or a name ("laptop", "Laptop.mesh", "laptop.mesh."). */
const struct mesh_node *mesh_lookup(const struct mesh *m, const char *text);
/* The first client behind the node of that id (which may be unknown); `next_client` leads on. */
const struct mesh_node *mesh_clients(const struct mesh *m, const char *via);
/* for (size_t i = 0; (n = mesh_next(m, &i)); ) ... in the order of host numbers. */
const struct mesh_node *mesh_next(const struct mesh *m, size_t *pos);

void mesh_node_addresses(
	const struct mesh *m, const struct mesh_node *n, struct ip *ret_ip4, struct ip *ret_ip6);
/* A record of the caller's own, for another thread; free() ends it. NULL: no memory. */
NODISCARD struct mesh_node *mesh_node_copy(const struct mesh_node *n);

#endif
