/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A document from inside, while it is made: selector.c, read.c. */
#ifndef TM_POLICY_DOCUMENT_PRIVATE_H
#define TM_POLICY_DOCUMENT_PRIVATE_H

#include "policy/document.h"

NODISCARD int policy_selectors_init(struct policy_doc *doc);
/* policy_doc_selector, for who may change it. */
NODISCARD int policy_selector_intern(
	struct policy_doc *doc, const char *text, struct policy_selector **ret_s, struct diag *d);

/* "any", "members": never the name of a node. */
bool policy_selector_is_word(const char *text);
/* The same of a word that is read so. */
NODISCARD int policy_selector_read(struct policy_doc *doc, const char *text, enum policy_reading how,
	struct policy_selector **ret_s, struct diag *d);

/* rules.c: what is known once all rules are read. Ids of those that have none, and TM_EEXIST where two are
 * the same (*ret_twice, *ret_first: which). */
NODISCARD int policy_rules_name(struct policy_doc *doc, size_t *ret_twice, size_t *ret_first);
/* The built-in ones, into the room that is left behind the n_rules. */
enum { POLICY_BUILTIN_N = 1 };
NODISCARD int policy_rules_add_builtin(struct policy_doc *doc);

/* groups.c: what each comes to; TM_EINVAL: one contains itself (*ret_which). */
NODISCARD int policy_groups_flatten(struct policy_doc *doc, const struct policy_group **ret_which);

#endif
