/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * How often each rule decided about a connection at this node, since the program started, whichever rules the
 * filter had meanwhile (docs/decisions/0071). It is the same rule as long as its id is, and what it does.
 * Each set of rules counts for itself (data/filter/hits.h), and is looked at here until no worker has it any
 * more. Control thread.
 */
#ifndef TM_CONTROL_POLICY_COUNTS_H
#define TM_CONTROL_POLICY_COUNTS_H

#include "base/err.h"
#include "policy/document.h"

struct counts;
struct hits;

/* parts: of the filter's memory, that is, workers. */
NODISCARD int counts_new(unsigned parts, struct counts **ret_c);
void counts_free(struct counts *c); /* NULL is fine */

/*
 * Where rules count that were made of this document: number 0 is the lack of a rule, the others follow in its
 * order. Those of the document before are forgotten as soon as nobody counts for them, but for the sum. The
 * caller holds *ret_h (hits_drop).
 */
NODISCARD int counts_begin(struct counts *c, const struct policy_doc *doc, struct hits **ret_h);

/* Of all rules together, those that have gone and the lack of one included. */
enum { COUNTS_ACTIONS = POLICY_REJECT + 1 };
void counts_total(struct counts *c, uint64_t ret_by_action[static COUNTS_ACTIONS]);

struct counted {
	const char *id; /* "": no rule spoke of them, and they were denied; good until the next call */
	enum policy_action action;
	uint64_t n;
};
/* Rules of the mesh's that decided something since they were told last, `max` at most: they count as told.
 * Who found no room is among the first of the next call. How many. */
size_t counts_tell(struct counts *c, struct counted *v, size_t max);

#endif
