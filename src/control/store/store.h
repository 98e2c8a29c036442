/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The coordinator's database, of whatever kind (ops.h; sqlite/ is one). Blocking; used by one thread at a
 * time (start-up first, then the helper thread).
 *
 * Nouns: control/store/mesh.h, node.h, token.h, policy.h, event.h. Their functions that write run inside
 * store_transaction.
 */
#ifndef TM_CONTROL_STORE_STORE_H
#define TM_CONTROL_STORE_STORE_H

#include "base/diag.h"
#include "base/err.h"

enum { STORE_CHANGES_KEPT = 1 << 14 }; /* the last so many changes are remembered, at least */

/* A netmap version: the number of the change, from 1 on, above 31 random bits, so that the versions of a
 * database restored from a backup are not taken for those that came after the backup. */
static inline uint64_t store_version_number(uint64_t version)
{
	return version >> 31;
}

struct store;
struct store_mesh;
struct store_node;
struct store_ops;
struct store_policy;

/*
 * Creates the database with its mesh, first node and, unless that is NULL, policy, whole or not at all.
 * TM_EEXIST, with a sentence, when there is one or what is left of an older one.
 */
NODISCARD int store_create(const struct store_ops *ops, const char *where, const struct store_mesh *mesh,
	const struct store_node *first, const struct store_policy *policy, struct diag *d);

/* TM_EVERSION with its sentence where store_open would refuse the database as newer, TM_ENOSPACE where it
 * would find no room to migrate it; also while somebody else has it. Whatever else is wrong is not looked at.
 */
NODISCARD int store_look(const struct store_ops *ops, const char *where, struct diag *d);
/*
 * Opens, checks and migrates: a database of an earlier version is copied first, and where that cannot be, is
 * not migrated. A database that cannot be used stays as it is: TM_ENOENT, TM_ECORRUPT (also:
 * not a database, not ours), TM_EVERSION (written by a newer program), TM_EBUSY (another process has it),
 * TM_EPERM, TM_ENOSPACE, each with a sentence in d.
 */
NODISCARD int store_open(
	const struct store_ops *ops, const char *where, struct store **ret_store, struct diag *d);
void store_free(struct store *s);
/* What opening has changed. from 0: nothing. */
struct store_migration {
	int from, to; /* versions */
	char before[512]; /* where a copy of the database is as it was */
};
const struct store_migration *store_migrated(const struct store *s);
DEFINE_CLEANUP(struct store, store_free)

/*
 * A copy as of one moment, whole or not at all, with nothing in it of what was deleted. Replaces `to` (mode
 * 0600). Not inside a transaction.
 */
NODISCARD int store_copy(struct store *s, const char *to);

/* Runs body inside a transaction: committed when it returns TM_OK, else undone. Not nested. */
typedef int store_body_fn(struct store *s, void *ctx);
NODISCARD int store_transaction(struct store *s, store_body_fn *body, void *ctx);

/* A sentence for a failed operation, unless d has one already. */
void store_explain(int err, struct diag *d);
/* The one for TM_EFULL of store_node_insert. */
void store_explain_full(struct diag *d);

#endif
