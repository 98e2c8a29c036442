/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * One node's share of a policy: what may pass between its own ends (itself, and stock clients and
 * addresses behind it, which filter nothing themselves) and everybody else. Members with equal rights towards
 * all its ends are one class; ends with equal rights are one, too. Pure.
 *
 * Both ends of a connection filter: a node lets out what the policy lets its ends open, and in what others
 * may open to them. What the document leaves to the other end (local_allow) is let out.
 */
#ifndef TM_POLICY_COMPILE_H
#define TM_POLICY_COMPILE_H

#include "policy/sweep.h"

enum policy_dir { POLICY_IN, POLICY_OUT, POLICY_DIRS }; /* who sends the first packet: the other one, or we */

struct policy_spans {
	struct policy_span *v; /* owned */
	size_t n;
};

enum { POLICY_NO_CLASS = UINT32_MAX };

struct policy_share {
	size_t n_ends; /* 0: this node; further ones: clients and addresses behind it */
	size_t n_classes;
	bool *local; /* of each end: rules of its own may allow what no rule speaks of */
	struct policy_spans *spans; /* by end, class, direction and protocol: policy_share_spans */
	uint32_t *class_of; /* by host number; POLICY_NO_CLASS: nobody, or this node; others behind it too */
	uint32_t *end_of; /* by host number: of clients behind this node; else POLICY_NO_CLASS */
	size_t n_hosts;
	struct {
		struct prefix prefix;
		uint32_t via, class; /* via: host number */
	} * routes; /* addresses behind others */
	size_t n_routes;
	struct {
		struct prefix prefix;
		uint32_t end;
	} * own; /* addresses behind this node */
	size_t n_own;
};

/* TM_ENOENT: there is no such member. */
NODISCARD int policy_compile(const struct policy_model *m, const char *self_id, struct policy_share **ret_s);
void policy_share_free(struct policy_share *s); /* NULL is fine */
DEFINE_CLEANUP(struct policy_share, policy_share_free)

const struct policy_spans *policy_share_spans(
	const struct policy_share *s, size_t end, size_t class, enum policy_dir dir, enum policy_proto proto);

#endif
