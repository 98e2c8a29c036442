/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* How often something took how long: counts between fixed bounds. One thread. */
#ifndef TM_BASE_HISTOGRAM_H
#define TM_BASE_HISTOGRAM_H

#include "base/time.h"
#include "base/util.h"

enum { HISTOGRAM_BOUNDS = 16 };

struct histogram {
	/* set once */
	const ns_t *bounds; /* ascending; borrowed, of static storage mostly */
	size_t n; /* at most HISTOGRAM_BOUNDS */
	/* changes */
	uint64_t count[HISTOGRAM_BOUNDS + 1]; /* up to that bound and above the one before; last: above all */
	ns_t sum;
};

void histogram_add(struct histogram *h, ns_t v);
uint64_t histogram_count(const struct histogram *h); /* of all */

#endif
