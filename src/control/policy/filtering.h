/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * From the policy of the mesh (src/policy) to the rules that this node's workers ask (data/filter). Holds the
 * document that counts here: the last one that could be read. Pure; control thread.
 */
#ifndef TM_CONTROL_POLICY_FILTERING_H
#define TM_CONTROL_POLICY_FILTERING_H

#include "base/diag.h"
#include "base/util.h"
#include "mesh/mesh.h"
#include "policy/local.h"

struct counts;
struct filtering;
struct rules;

NODISCARD int filtering_new(struct filtering **ret_f);
void filtering_free(struct filtering *f); /* NULL is fine */
DEFINE_CLEANUP(struct filtering, filtering_free)

/*
 * The policy as it was accepted, and whom its names meant then (a line "name id" each); text NULL: there is
 * none any more. After an error the old one counts: a coordinator of a later version may say what this
 * program does not understand.
 */
NODISCARD int filtering_set(struct filtering *f, const char *text, const char *nodes, struct diag *d);
/* No rules can be made of the one that was set last: the one before it counts again, once. */
void filtering_back(struct filtering *f);
void filtering_settle(struct filtering *f); /* they can: the one before it is not kept any longer */
/* Beside it, this node's own rules, which are bound (policy/local.h): from now on these. Copied. After an
 * error those before count. */
NODISCARD int filtering_set_local(
	struct filtering *f, const char *self_id, const struct policy_local *v, size_t n);
/* And the addresses of this machine outside the mesh. Copied. TM_ENOMEM: those before count. */
NODISCARD int filtering_set_addresses(struct filtering *f, const struct ip *v, size_t n);
/* Rules that are made from now on count there; borrowed. */
void filtering_count(struct filtering *f, struct counts *c);
bool filtering_has_policy(const struct filtering *f); /* the mesh's */
/* Does it let this node's own rules allow anything? Else those that would have no effect. */
bool filtering_grants(const struct filtering *f, const struct mesh *m, const char *self_id);
bool filtering_is_on(const struct filtering *f); /* something may be stopped */

/*
 * The rules of the node with this id, as the mesh is now; the caller's. NULL where everything passes: without
 * a policy, or by one that stops nobody and never will, which so costs nothing. It is not enough that all who
 * are there may do everything: who comes next may not. As long as the node is not in its own map, they let
 * nobody through.
 */
NODISCARD int filtering_rules(
	const struct filtering *f, const struct mesh *m, const char *self_id, struct rules **ret_rules);

#endif
