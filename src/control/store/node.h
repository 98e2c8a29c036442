/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Node records: members of the mesh and their stock WireGuard clients. See store.h for threads and
 * transactions. */
#ifndef TM_CONTROL_STORE_NODE_H
#define TM_CONTROL_STORE_NODE_H

#include "control/store/store.h"
#include "mesh/model.h"
#include "wire/token.h"

enum { STORE_TEXT_MAX = 32 };

struct store_node {
	struct node_rec rec; /* ip4 and ip6 follow from `host`: not stored */
	uint8_t ed[32]; /* Ed25519 public key; zero for clients */
	uint8_t token[TOKEN_ID]; /* it enrolled with */
	bool has_token;
	bool ephemeral;
	char os[STORE_TEXT_MAX + 1], version[STORE_TEXT_MAX + 1];
	int64_t created, last_seen; /* Unix seconds; last_seen 0 = never */
};

/* All nodes, mesh nodes before clients. TM_ECORRUPT when a record makes no sense. Stops when fn returns an
 * error. */
typedef int store_node_fn(void *ctx, const struct store_node *n);
NODISCARD int store_node_each(struct store *s, store_node_fn *fn, void *ctx);

NODISCARD int store_node_find_key(
	struct store *s, const uint8_t key[static 32], struct store_node *ret_node); /* TM_ENOENT */
NODISCARD int store_node_name_taken(struct store *s, const char *name, bool *ret_taken); /* or an alias */
/*
 * With host number 0 it gets the next free one up to hosts_max, in n, too: TM_EFULL when there is none.
 * TM_EEXIST: id, name, key or host number is taken; aliases are given by store_node_aliases.
 */
NODISCARD int store_node_insert(struct store *s, struct store_node *n, uint32_t hosts_max);
/* An alias of its own becomes its name. TM_ENOENT, TM_EEXIST. */
NODISCARD int store_node_rename(struct store *s, const char *id, const char *name);
/* All that it has. TM_ENOENT; TM_EEXIST: one of them is another's, or its own name. */
NODISCARD int store_node_aliases(struct store *s, const char *id, const struct node_aliases *aliases);
NODISCARD int store_node_tag(
	struct store *s, const char *id, const char (*tags)[NODE_TAG_MAX + 1], size_t n); /* TM_ENOENT */
NODISCARD int store_node_routes(
	struct store *s, const char *id, const struct node_routes *routes); /* TM_ENOENT */
NODISCARD int store_node_remove(struct store *s, const char *id); /* and its clients; TM_ENOENT */
/*
 * Each insertion, renaming, change of aliases, tags or routes and removal (of clients with their node, too)
 * is a change with a version of its own, made in the same transaction. In their order, after that of
 * `version`; 0 = all that are remembered.
 */
struct store_change {
	uint64_t version;
	bool gone; /* only node.rec.id counts */
	struct store_node node; /* as it is now */
};
typedef int store_change_fn(void *ctx, const struct store_change *change);
NODISCARD int store_change_each(struct store *s, uint64_t version, store_change_fn *fn, void *ctx);

/* Operating system, version and last_seen; no version: no error when the node is gone. */
NODISCARD int store_node_touch(
	struct store *s, const char *id, const char *os, const char *version, int64_t last_seen);

#endif
