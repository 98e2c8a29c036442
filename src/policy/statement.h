/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A sentence about a policy: "tag:guest cannot reach tag:db tcp/5432", "admins, laptop can reach any tcp/22,
 * ping". Both sides are selectors, one or several with commas; without a service it is about all of them.
 * Pure.
 */
#ifndef TM_POLICY_STATEMENT_H
#define TM_POLICY_STATEMENT_H

#include "mesh/mesh.h"
#include "policy/document.h"

struct policy_statement {
	bool can; /* each of them everything; else: none of them anything */
	struct policy_list from, to;
	struct policy_service *services; /* owned */
	size_t n_services;
};
void policy_statement_deinit(struct policy_statement *s);

/*
 * Its selectors become the document's. Names are those of members of `m` as they are now; without `m` (a
 * test in the document) they mean what they mean in the document. TM_EINVAL, TM_ENOENT with a sentence.
 */
NODISCARD int policy_statement_parse(struct policy_doc *doc, const struct mesh *m, const char *text,
	struct policy_statement *ret_s, struct diag *d);

#endif
