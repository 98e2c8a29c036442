/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Parts of answers about the policy. Private to coord/. */
#ifndef TM_CONTROL_COORD_POLICY_ANSWER_H
#define TM_CONTROL_COORD_POLICY_ANSWER_H

#include "base/jsonout.h"
#include "control/coord/policy.h"

/* The list `warnings`: lines, and more lines; either may be NULL. */
void policy_put_lines(struct jsonout *o, char *lines, char *more);
/* It of what the document names and the mesh has not. */
NODISCARD int policy_put_warnings(
	struct jsonout *o, const struct policy_scene *x, const struct policy_doc *doc);
/* Its id; null: no rule says so. */
void policy_put_rule(struct jsonout *o, const char *key, const struct policy_doc *doc, int32_t rule);
/* As it is written, by the names that nodes have now. */
void policy_put_list(struct jsonout *o, const char *key, const struct policy_scene *x,
	const struct policy_doc *doc, const struct policy_list *l);
/* sums: how often each decided; NULL: that is not known, or nothing is counted. */
void policy_put_rules(struct jsonout *o, const struct policy_scene *x, const struct policy_doc *doc,
	const struct policy_sums *sums);
void policy_put_counted(struct jsonout *o, const struct policy_sums *sums); /* since when, and of no rule */
void policy_put_subject(struct jsonout *o, const char *key, const struct policy_subject *s);
void policy_put_service(struct jsonout *o, const struct policy_service *s);

#endif
