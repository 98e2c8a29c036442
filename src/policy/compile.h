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

/* What a share has at most, so that the filter's memory stays bounded: more is TM_EFULL. */
enum {
	POLICY_NO_CLASS = UINT32_MAX,
	POLICY_ENDS_MAX = (1 << 16) - 1,
	POLICY_CLASSES_MAX = (1 << 16) - 1,
	POLICY_PAIRS_MAX = 1 << 24, /* ends x classes */
	POLICY_SETS_MAX = 100000, /* different rights of two of them */
	POLICY_ROUTES_MAX = 100000, /* networks of all others, cut by what the document names of them */
};

struct policy_share {
	size_t n_ends; /* 0: this node; further ones: clients and addresses behind it */
	size_t n_classes;
	bool *local; /* of each end: rules of its own may allow what no rule speaks of */
	uint32_t *set; /* by class and end: most pairs have the rights of some other */
	size_t n_sets;
	struct policy_spans *spans; /* by set, direction and protocol: policy_share_spans */
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

/* TM_ENOENT: there is no such member; TM_EFULL. */
NODISCARD int policy_compile(const struct policy_model *m, const char *self_id, struct policy_share **ret_s);
/* Whether every node can hold its share: the one that filters for most ends has the largest. TM_EFULL with a
 * sentence. */
NODISCARD int policy_fits(const struct policy_model *m, struct diag *d);
void policy_share_free(struct policy_share *s); /* NULL is fine */
DEFINE_CLEANUP(struct policy_share, policy_share_free)

const struct policy_spans *policy_share_spans(
	const struct policy_share *s, size_t end, size_t class, enum policy_dir dir, enum policy_proto proto);

#endif
