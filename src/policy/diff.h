/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What another document would change: who could open what that he could not before, and the other way. Pure.
 */
#ifndef TM_POLICY_DIFF_H
#define TM_POLICY_DIFF_H

#include "policy/sweep.h"

enum { POLICY_CHANGES_MAX = 10000 };

struct policy_change {
	bool gained;
	const struct policy_subject *from, *to; /* of the first model, the lowest that it is true of */
	size_t n_from, n_to; /* so many there are on each side: those of the class */
	uint32_t from_class, to_class;
	struct policy_service service;
	int32_t before, after; /* the rules that decide in each document */
};

struct policy_diff {
	struct policy_change *v; /* owned */
	size_t n, n_all; /* n: as many as are kept */
	uint32_t *class_of; /* of each subject, owned: those of one class are the same to both documents */
	size_t n_classes, n_subjects;
};
void policy_diff_deinit(struct policy_diff *d);

/* Both models are of one world, and each has the other's document beside it. */
NODISCARD int policy_diff_of(
	const struct policy_model *before, const struct policy_model *after, struct policy_diff *ret_d);

#endif
