/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Whom one can get to by way of others: who is reached by TCP, UDP or another protocol might be taken over,
 * and goes on from there. An echo request takes nobody over. Pure.
 */
#ifndef TM_POLICY_CLOSURE_H
#define TM_POLICY_CLOSURE_H

#include "policy/crowd.h"
#include "policy/sweep.h"

struct policy_closure {
	const struct policy_model *m;
	const struct policy_crowd *start; /* borrowed */
	struct policy_crowd all;
	struct {
		bool reached; /* all of that kind */
		bool from_start; /* from one of those who begin */
		uint32_t from; /* a kind */
	} * of; /* each kind */
};
void policy_closure_deinit(struct policy_closure *c); /* zeroed is fine */

NODISCARD int policy_closure_of(const struct policy_model *m, const struct policy_crowd *start,
	struct policy_sweep *sweep, struct policy_closure *ret_c);
/* Those who begin, and all whom they get to. */
NODISCARD int policy_closure_crowd(const struct policy_closure *c, struct policy_crowd *ret_crowd);
/* One of those who begin, and whom it goes by until it is one of `kind`. The length, of which at most `max`
 * are written. 1: it is one of those who begin. */
size_t policy_closure_path(
	const struct policy_closure *c, uint32_t kind, const struct policy_subject **ret_v, size_t max);

#endif
