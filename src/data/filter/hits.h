/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * How often each rule decided about a connection (docs/decisions/0071). One belongs to one set of rules
 * (rules.h) and counts by their numbers. Who reads it holds it as well: so what was counted is not lost with
 * the rules, and who holds it alone knows that nobody counts in it any more.
 *
 * A row for each part of the filter's memory (memory.h), written by whoever has that part, with its lock
 * where there are several: no locked instruction, and no line that two workers write but those that they
 * share already.
 */
#ifndef TM_DATA_FILTER_HITS_H
#define TM_DATA_FILTER_HITS_H

#include "base/err.h"
#include "base/util.h"

#include <stdatomic.h>

struct hits {
	unsigned held; /* the control thread's */
	unsigned parts;
	uint32_t rules;
	size_t row; /* counters: whole cache lines */
	_Alignas(64) _Atomic(uint64_t) n[]; /* by part and rule */
};

/* Of the rules 0 (RULE_NONE) to rules - 1. The caller holds it. */
NODISCARD int hits_new(unsigned parts, uint32_t rules, struct hits **ret_h);
struct hits *hits_hold(struct hits *h); /* returns it */
void hits_drop(struct hits *h); /* NULL is fine */
bool hits_are_done(const struct hits *h); /* the caller alone holds it */
uint64_t hits_of(const struct hits *h, uint32_t rule); /* while others count, too */

/* One more, by who has that part. What there is no counter for is not counted. */
static inline void hits_add(struct hits *h, unsigned part, uint32_t rule)
{
	if (part >= h->parts || rule >= h->rules)
		return;

	_Atomic(uint64_t) *n = &h->n[part * h->row + rule];
	atomic_store_explicit(n, atomic_load_explicit(n, memory_order_relaxed) + 1, memory_order_relaxed);
}

#endif
