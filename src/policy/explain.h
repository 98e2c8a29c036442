/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What becomes of one packet that opens a connection, and why. Pure. */
#ifndef TM_POLICY_EXPLAIN_H
#define TM_POLICY_EXPLAIN_H

#include "policy/sweep.h"

/* Both ends ask the same rules. */
struct policy_explanation {
	const struct policy_subject *from, *to;
	struct policy_service service; /* one port */
	struct policy_span decision; /* and the neighbouring ports that it is true of */
	uint32_t *rules; /* owned: indexes of all that are about it, the one that wins first */
	size_t n_rules;
	/* Who asks them; NULL: a newcomer. Clients have no filter, the node in front of them asks for them;
	 * so does it for addresses behind it. */
	const struct mesh_node *filter_from, *filter_to;
};
void policy_explanation_deinit(struct policy_explanation *e);

/* A packet to the lowest port of the service. TM_EINVAL: the two do not meet in the mesh. */
NODISCARD int policy_explain(const struct policy_model *m, const struct policy_subject *from,
	const struct policy_subject *to, const struct policy_service *service,
	struct policy_explanation *ret_e);

#endif
