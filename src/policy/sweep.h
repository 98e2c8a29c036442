/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What a pair of kinds may do, port by port: the one place where rules are weighed against each other. Pure;
 * a sweep has memory of its own and serves one caller at a time.
 */
#ifndef TM_POLICY_SWEEP_H
#define TM_POLICY_SWEEP_H

#include "policy/model.h"

enum {
	POLICY_RULE_NONE = -1, /* no rule speaks of it: denied */
	POLICY_RULE_LOCAL = -2, /* the same, but the asked one's own rules may allow it (local_allow) */
};

/* Neighbours differ; together they are all ports of the protocol. */
struct policy_span {
	uint16_t first, last;
	uint8_t action; /* enum policy_action */
	int32_t rule; /* index in the document, or one of the above */
};

struct policy_sweep {
	struct policy_span *v; /* what the last call found */
	size_t n;
	/* scratch */
	struct policy_piece *pieces;
	uint32_t *cuts, *owner, *next;
	size_t room_pieces, room_cuts;
	uint64_t *set;
	size_t words;
};
void policy_sweep_deinit(struct policy_sweep *s); /* zeroed before the first use */

/* From a subject of one kind to another of that kind. The result is in s until the next call. */
NODISCARD int policy_sweep_pair(struct policy_sweep *s, const struct policy_model *m, uint32_t from,
	uint32_t to, enum policy_proto proto);
/* What is said about one port. */
struct policy_span policy_sweep_at(const struct policy_sweep *s, uint16_t port);

#endif
