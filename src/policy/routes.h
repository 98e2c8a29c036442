/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Addresses behind members, cut where selectors cut them: each piece is a prefix without the longer ones in
 * it, and all its addresses are the same to every selector. Pure.
 */
#ifndef TM_POLICY_ROUTES_H
#define TM_POLICY_ROUTES_H

#include "policy/model.h"

/*
 * By the selectors of both documents (`beside` may be NULL), in an order that does not depend on them. Owned
 * by the caller (free); pieces in which no address is left are not among them.
 */
NODISCARD int policy_routes_cut(const struct policy_doc *doc, const struct policy_doc *beside,
	const struct policy_route *routes, size_t n, struct policy_route **ret_pieces, size_t *ret_n);

/* All of b lies inside of a. */
bool policy_prefix_holds(const struct prefix *a, const struct prefix *b);

#endif
