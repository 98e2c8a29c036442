/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The slow reference: rules are asked one after the other about one packet between two subjects, selectors
 * one after the other about one subject. It knows nothing of atoms, sets or intervals.
 */
#ifndef TM_TEST_UNIT_POLICY_TWIN_H
#define TM_TEST_UNIT_POLICY_TWIN_H

#include "policy/model.h"

struct twin_subject {
	const struct mesh_node *node; /* a member; or in front of `ip`, which is behind it */
	struct ip ip; /* IP_NONE: the member itself */
	const char *tags; /* of a newcomer, which has no node */
};

struct twin_verdict {
	enum policy_action action;
	int rule; /* index; -1: none */
	bool local; /* no rule, and the other end may have its own */
};

struct twin_verdict twin_judge(const struct policy_doc *doc, const struct twin_subject *from,
	const struct twin_subject *to, enum policy_proto proto, unsigned port);
bool twin_is(const struct policy_doc *doc, const struct policy_list *l, const struct twin_subject *s);
bool twin_meet(const struct twin_subject *a, const struct twin_subject *b); /* of two that are not one */

#endif
