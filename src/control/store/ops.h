/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What a database has to do to be a store: a folder beside this file per kind. The functions of store.h,
 * mesh.h, node.h, token.h, policy.h and event.h say what each one means; they are thin and pass on to these.
 *
 * What a kind must warrant: a transaction is undone whole or committed whole, and durable when `transaction`
 * returns; two of them never both see a token's last use, a name, a host number or a change's number as
 * theirs, so whoever loses fails with TM_EEXIST or TM_EAGAIN and may be tried again; changes become visible
 * in the order of their numbers.
 */
#ifndef TM_CONTROL_STORE_OPS_H
#define TM_CONTROL_STORE_OPS_H

#include "control/store/event.h"
#include "control/store/mesh.h"
#include "control/store/node.h"
#include "control/store/policy.h"
#include "control/store/store.h"
#include "control/store/token.h"

struct store_ops {
	int (*create)(const char *where, const struct store_mesh *mesh, const struct store_node *first,
		const struct store_policy *policy, struct diag *d);
	int (*look)(const char *where, struct diag *d);
	int (*open)(const char *where, struct store **ret_store, struct diag *d);
	void (*free)(struct store *s);
	int (*copy)(struct store *s, const char *to);
	int (*transaction)(struct store *s, store_body_fn *body, void *ctx);

	int (*mesh_load)(struct store *s, struct store_mesh *ret_mesh);

	int (*node_each)(struct store *s, store_node_fn *fn, void *ctx);
	int (*node_find_key)(struct store *s, const uint8_t key[static 32], struct store_node *ret_node);
	int (*node_name_taken)(struct store *s, const char *name, bool *ret_taken);
	int (*node_insert)(struct store *s, struct store_node *n, uint32_t hosts_max);
	int (*node_rename)(struct store *s, const char *id, const char *name);
	int (*node_aliases)(struct store *s, const char *id, const struct node_aliases *aliases);
	int (*node_tag)(struct store *s, const char *id, const char (*tags)[NODE_TAG_MAX + 1], size_t n);
	int (*node_routes)(struct store *s, const char *id, const struct node_routes *routes);
	int (*node_remove)(struct store *s, const char *id);
	int (*node_touch)(
		struct store *s, const char *id, const char *os, const char *version, int64_t last_seen);
	int (*change_each)(struct store *s, uint64_t version, store_change_fn *fn, void *ctx);

	int (*token_each)(struct store *s, store_token_fn *fn, void *ctx);
	int (*token_insert)(struct store *s, const struct store_token *t);
	int (*token_by_id)(struct store *s, const uint8_t id[static TOKEN_ID], struct store_token *ret_token);
	int (*token_spend)(struct store *s, const uint8_t id[static TOKEN_ID], int64_t now);
	int (*token_give_back)(struct store *s, const uint8_t id[static TOKEN_ID]);
	int (*token_prune)(struct store *s, int64_t before);
	int (*token_revoke)(struct store *s, const uint8_t id[static TOKEN_ID]);

	int (*event_add)(struct store *s, struct event *e);
	int (*event_each)(struct store *s, const struct store_events *which, store_event_fn *fn, void *ctx);

	int (*policy_load)(struct store *s, uint64_t version, struct store_policy *ret_p);
	int (*policy_add)(struct store *s, struct store_policy *p);
	int (*policy_each)(struct store *s, store_policy_fn *fn, void *ctx);
};

/* Embedded in each kind's own. */
struct store {
	const struct store_ops *ops; /* set once */
	struct store_migration migration; /* likewise, by open */
};

#endif
