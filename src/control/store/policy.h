/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Policies that were accepted, the newest of which is in force. To the store they are texts; what they mean
 * is src/policy's. See store.h for threads and transactions.
 */
#ifndef TM_CONTROL_STORE_POLICY_H
#define TM_CONTROL_STORE_POLICY_H

#include "control/store/store.h"

enum { STORE_POLICIES_KEPT = 100, STORE_BY_MAX = 64 };

struct store_policy {
	uint64_t version; /* from 1 on; given by the store */
	int64_t accepted; /* Unix seconds */
	char by[STORE_BY_MAX + 1]; /* as whoever accepted it calls himself */
	char *text; /* owned by who reads it; NULL in a list */
	char *nodes; /* "name id", a line for each name in the text; likewise */
	size_t bytes; /* of the text */
};
void store_policy_deinit(struct store_policy *p);

/* version 0: the one in force. TM_ENOENT: there is none. */
NODISCARD int store_policy_load(struct store *s, uint64_t version, struct store_policy *ret_p);
/* It is in force then; p->version becomes its own. The oldest beyond STORE_POLICIES_KEPT go. */
NODISCARD int store_policy_add(struct store *s, struct store_policy *p);
/* Newest first, without their texts. Stops when fn returns an error. */
typedef int store_policy_fn(void *ctx, const struct store_policy *p);
NODISCARD int store_policy_each(struct store *s, store_policy_fn *fn, void *ctx);

#endif
