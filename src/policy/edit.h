/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * One rule more or less in the text of a document, which otherwise stays as somebody wrote it, with its
 * comments. What comes out is read again and must say what was meant; a text in which that cannot be done by
 * lines is left to its author. Pure.
 */
#ifndef TM_POLICY_EDIT_H
#define TM_POLICY_EDIT_H

#include "policy/document.h"

/* As people write them: "tcp/22,udp/53", "tag:ops,laptop". id: NULL = none. */
struct policy_new_rule {
	enum policy_action action;
	const char *services, *from, *to, *id;
};

/* The text is the caller's (free); ret_id: of the rule in it. The text may be of an earlier version of this
 * program; the rule is read as what somebody writes now. TM_EINVAL, TM_EEXIST, ... with a sentence. */
NODISCARD int policy_edit_add(const char *text, const struct policy_new_rule *rule, char **ret_text,
	char ret_id[static POLICY_ID_MAX + 1], struct diag *d);
/* TM_ENOENT: there is no such rule. TM_EPERM: it is built in. */
NODISCARD int policy_edit_remove(const char *text, const char *id, char **ret_text, struct diag *d);

#endif
