/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Rules of a node's own as people write them into its configuration, with the words of a policy:
 *
 *   - deny: [tcp/22, tcp/3389]
 *     from: tag:guest
 *
 * One of `from` and `to`: the other side is the node. Pure.
 */
#ifndef TM_POLICY_LOCAL_READ_H
#define TM_POLICY_LOCAL_READ_H

#include "base/yamlin.h"
#include "policy/local.h"

/* The list `what` into v, which has room for max; each with an id and its line. A mistake has a sentence, its
 * line and column. */
NODISCARD int policy_local_read(const struct yamlin *y, const yaml_node_t *list, const char *what,
	struct policy_local *v, size_t max, size_t *ret_n);

#endif
