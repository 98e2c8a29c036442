/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Some of a model's subjects, by kinds: those that one side of a statement names. Pure. */
#ifndef TM_POLICY_CROWD_H
#define TM_POLICY_CROWD_H

#include "policy/model.h"

struct policy_crowd {
	struct {
		size_t n;
		/* The lowest, and the lowest that is attached elsewhere; NULL: there is none. */
		const struct policy_subject *first, *elsewhere;
	} * of; /* each kind of the model */
	uint32_t *kinds; /* that are in it */
	size_t n_kinds;
};
void policy_crowd_deinit(struct policy_crowd *c); /* zeroed is fine */

NODISCARD int policy_crowd_of(
	const struct policy_model *m, const struct policy_list *l, struct policy_crowd *ret_c);
NODISCARD int policy_crowd_empty(const struct policy_model *m, struct policy_crowd *ret_c);
/* In the order of subjects. */
void policy_crowd_add(struct policy_crowd *c, const struct policy_subject *s);

/* The lowest two, of a kind here and one there, that meet; false: there are none. */
bool policy_crowd_pair(const struct policy_crowd *from, uint32_t from_kind, const struct policy_crowd *to,
	uint32_t to_kind, const struct policy_subject **ret_from, const struct policy_subject **ret_to);

#endif
