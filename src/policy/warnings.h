/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What a document names and the mesh has not, or not any more, and what it says that means nothing. Such a
 * document stays in force: what it says of nobody it says of nobody. Pure.
 */
#ifndef TM_POLICY_WARNINGS_H
#define TM_POLICY_WARNINGS_H

#include "policy/model.h"

/* One sentence each: nodes that were removed or are called otherwise now, tags and prefixes that nobody has
 * nor gets by a token, types of ICMP that no rule is asked about. An error ends it and is returned. */
typedef int policy_warning_fn(void *ctx, const char *sentence);
NODISCARD int policy_warnings(
	const struct policy_doc *doc, const struct policy_world *w, policy_warning_fn *fn, void *ctx);

#endif
