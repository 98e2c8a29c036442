/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The sentences under "tests:" of a document: all must hold before it is accepted, and what becomes of them
 * later is said. Pure. */
#ifndef TM_POLICY_TESTS_H
#define TM_POLICY_TESTS_H

#include "policy/prove.h"
#include "policy/warnings.h"

/* Read, and their selectors taken in: before the document is bound (bind.h) and a model is made of it. */
struct policy_tests {
	struct policy_statement *v; /* as many as the document has; owned */
	size_t n;
};
NODISCARD int policy_tests_parse(
	struct policy_doc *doc, const char *name, struct policy_tests *ret_t, struct diag *d);
void policy_tests_deinit(struct policy_tests *t);

/* TM_EPERM: one does not hold; d says which, where, and the counter-example. *ret_of_nobody: how many hold
 * because a side of theirs has no members. */
NODISCARD int policy_tests_run(const struct policy_tests *t, const struct policy_model *m, const char *name,
	size_t *ret_of_nobody, struct diag *d);

/*
 * Of a document that was accepted: those that do not hold any more, one sentence each. From *at on, as many
 * as `work` pairs of kinds last for, and one at least; *at: where the next turn goes on, t->n behind the
 * last.
 */
NODISCARD int policy_tests_broken(const struct policy_tests *t, const struct policy_model *m, size_t work,
	size_t *at, policy_warning_fn *fn, void *ctx);

/* "laptop reaches db by tcp/5432: rule r-0123456789 allows it". Returns buf. */
enum { POLICY_COUNTER_LEN = 320 };
const char *policy_counter_format(const struct policy_model *m, const struct policy_violation *v, bool can,
	char buf[static POLICY_COUNTER_LEN]);

#endif
