/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Whom some get to by way of others, each of whom hands on what he is sent, by connections that a document
 * lets him open. A node hands on to its networks and clients as well, or sends in their name, which nobody
 * else can tell from them. Pure.
 */
#ifndef TM_POLICY_CLOSURE_H
#define TM_POLICY_CLOSURE_H

#include "policy/crowd.h"
#include "policy/sweep.h"

struct policy_closure {
	const struct policy_model *m;
	uint32_t *by; /* each subject: whom it is reached by, or one of closure.c's words */
};
void policy_closure_deinit(struct policy_closure *c); /* zeroed is fine */

/* atoms: of those who begin, a flag each (policy_model_select). */
NODISCARD int policy_closure_of(const struct policy_model *m, const bool *atoms, struct policy_sweep *sweep,
	struct policy_closure *ret_c);
/* Those who begin, and all whom they get to. */
NODISCARD int policy_closure_crowd(const struct policy_closure *c, struct policy_crowd *ret_crowd);
/* One of those who begin, and whom it goes by until it is s, which is among them. The length, of which at
 * most `max` are written. 1: it is one of those who begin. */
size_t policy_closure_path(const struct policy_closure *c, const struct policy_subject *s,
	const struct policy_subject **ret_v, size_t max);

#endif
